package lab

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed fleet
var templates embed.FS

// gitIdentity is the committer of the lab's fleet.
var gitIdentity = []string{"-c", "user.name=Lab", "-c", "user.email=lab@example.com", "-c", "init.defaultBranch=main",
	"-c", "commit.gpgsign=false"}

// SealSecret encrypts a Secret of the fleet: data by key becomes a document for the repository.
type SealSecret func(name string, data map[string]string) ([]byte, error)

// WriteFleet makes dir/fleet.git, a bare repository, and dir/fleet, a clone, with a single commit that describes the
// rack. The clone is pushed: a daemon that follows dir/fleet.git takes over the machines.
func WriteFleet(ctx context.Context, dir string, rack Description, seal SealSecret) error {
	files, err := fleetFiles(rack, seal)
	if err != nil {
		return fmt.Errorf("write fleet: %w", err)
	}
	bare, work := filepath.Join(dir, "fleet.git"), filepath.Join(dir, "fleet")
	if err := runGit(ctx, dir, "init", "--quiet", "--bare", bare); err != nil {
		return err
	}
	if err := runGit(ctx, dir, "clone", "--quiet", bare, work); err != nil {
		return err
	}
	for name, content := range files {
		file := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("write fleet: %w", err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return fmt.Errorf("write fleet: %w", err)
		}
	}
	for _, args := range [][]string{{"add", "."}, {"commit", "--quiet", "-m", "fleet: describe the rack"},
		{"push", "--quiet", "origin", "HEAD:main"}} {
		if err := runGit(ctx, work, args...); err != nil {
			return err
		}
	}
	return nil
}

// fleetFiles renders the fleet by path.
func fleetFiles(rack Description, seal SealSecret) (map[string][]byte, error) {
	files := map[string][]byte{}
	for target, source := range map[string]string{"README.md": "README.md", "workloads/hello.bu": "hello.bu",
		"workloads/files/motd": "motd"} {
		content, err := templates.ReadFile("fleet/" + source)
		if err != nil {
			return nil, err
		}
		files[target] = content
	}
	workload, err := renderTemplate("workload.yaml.tmpl", rack.Image)
	if err != nil {
		return nil, err
	}
	files["workloads/hello.yaml"] = workload
	for _, machine := range rack.Machines {
		host, err := renderTemplate("host.yaml.tmpl", hostTemplate{Machine: machine, SecureBoot: rack.Backend == QEMU})
		if err != nil {
			return nil, err
		}
		files["hosts/"+machine.Name+".yaml"] = host
	}
	if len(rack.Machines) > 0 {
		first := rack.Machines[0]
		files["secrets/bmc-lab.yaml"], err = seal("bmc-lab",
			map[string]string{"username": first.Username, "password": first.Password})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

type hostTemplate struct {
	Machine
	SecureBoot bool
}

func renderTemplate(name string, data any) ([]byte, error) {
	t, err := template.New(name).Option("missingkey=error").ParseFS(templates, "fleet/"+name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// runGit runs git in dir, without the user's own configuration.
func runGit(ctx context.Context, dir string, args ...string) error {
	command := exec.CommandContext(ctx, "git", append(append([]string{}, gitIdentity...), args...)...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_TERMINAL_PROMPT=0")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
