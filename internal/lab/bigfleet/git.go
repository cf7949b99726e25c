package bigfleet

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
)

// Branch and StatusBranch are the branches of the repositories.
const (
	Branch       = "main"
	StatusBranch = "ingot/status"
)

// Tag is the release of the rings early and broad: a commit ten before the tip.
const Tag = "prod-1"

// Repository makes a bare repository at path: all files in the first commit, then a change of one host per commit, so
// that the tip holds exactly files. Pushes over http are allowed.
func Repository(ctx context.Context, path string, files map[string]string, commits int) error {
	for _, args := range [][]string{{"init", "--quiet", "--bare", "--initial-branch=" + Branch, path},
		{"-C", path, "config", "http.receivepack", "true"}} {
		if _, err := Git(ctx, ".", args...); err != nil {
			return err
		}
	}
	hosts := listHostFiles(files)
	var stream bytes.Buffer
	writeCommit(&stream, Branch, filesAt(files, commits, 0), 0)
	for k := 1; k < commits; k++ {
		file := hosts[k%len(hosts)]
		writeCommit(&stream, Branch, map[string]string{file: files[file]}, k)
	}
	if err := fastImport(ctx, path, &stream); err != nil {
		return err
	}
	_, err := Git(ctx, path, "tag", Tag, fmt.Sprintf("%s~%d", Branch, tagDistance(commits)))
	return err
}

// tagDistance is how many commits the tag is behind the tip.
func tagDistance(commits int) int { return min(10, commits-1) }

// filesAt gives the files at a commit of the history.
func filesAt(files map[string]string, commits, number int) map[string]string {
	hosts, then := listHostFiles(files), maps.Clone(files)
	for k := number + 1; k < commits; k++ {
		file := hosts[k%len(hosts)]
		then[file] = files[file] + "# as it was\n"
	}
	return then
}

func listHostFiles(files map[string]string) []string {
	names := slices.Sorted(maps.Keys(files))
	return slices.DeleteFunc(names, func(file string) bool { return !strings.HasPrefix(file, "hosts/") })
}

// Status makes the status branch of a repository at path: all documents in the first commit, then a rewritten document
// per commit.
func Status(ctx context.Context, path string, documents map[string][]byte, commits int) error {
	files := make(map[string]string, len(documents))
	for name, content := range documents {
		files[name] = string(content)
	}
	names := slices.Sorted(maps.Keys(files))
	var stream bytes.Buffer
	writeCommit(&stream, StatusBranch, files, 0)
	for k := 1; k < commits; k++ {
		name := names[k*7919%len(names)]
		writeCommit(&stream, StatusBranch, map[string]string{name: files[name] + fmt.Sprintf("# %d\n", k)}, k)
	}
	return fastImport(ctx, path, &stream)
}

// Make makes a repository at path with a status branch on which every host runs the release of tip and tag, and returns
// the fleet.
func Make(ctx context.Context, path string, hosts, commits, statusCommits int) (inventory.Fleet, error) {
	files := Files(hosts)
	if err := Repository(ctx, path, files, commits); err != nil {
		return inventory.Fleet{}, err
	}
	ids, err := Git(ctx, path, "rev-parse", Branch, Tag)
	if err != nil {
		return inventory.Fleet{}, err
	}
	tip, tagged, _ := strings.Cut(ids, "\n")
	release := inventory.Release{Tag: Tag,
		Snapshot: Snapshot(tagged, filesAt(files, commits, commits-1-tagDistance(commits)))}
	fleet, findings := load.Fleet(inventory.Sources{Trunk: Snapshot(tip, files),
		Releases: map[string]inventory.Release{"early": release, "broad": release}}, nil)
	if len(findings) > 0 {
		return inventory.Fleet{}, fmt.Errorf("the fleet has %d findings, the first: %s", len(findings), findings[0])
	}
	return fleet, Status(ctx, path, Documents(fleet), statusCommits)
}

// Commit makes a commit of edited files on top of a branch, as the tip of the same or of a different branch.
func Commit(ctx context.Context, path, on, branch string, edited map[string]string) error {
	tip, err := Git(ctx, path, "rev-parse", on)
	if err != nil {
		return err
	}
	var stream bytes.Buffer
	fmt.Fprintf(&stream, "reset refs/heads/%s\nfrom %s\n\n", branch, tip)
	writeCommit(&stream, branch, edited, 1000)
	return fastImport(ctx, path, &stream)
}

// writeCommit adds a commit to a stream of git fast-import; the number 0 begins the branch.
func writeCommit(stream *bytes.Buffer, branch string, files map[string]string, number int) {
	message := fmt.Sprintf("change %d", number)
	fmt.Fprintf(stream, "commit refs/heads/%s\ncommitter A User <a@example.com> %d +0000\ndata %d\n%s\n", branch,
		1_750_000_000+600*number, len(message), message)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		mode := "100644"
		if strings.HasSuffix(file, ".sh") {
			mode = "100755"
		}
		fmt.Fprintf(stream, "M %s inline %s\ndata %d\n%s\n", mode, file, len(files[file]), files[file])
	}
	stream.WriteString("\n")
}

func fastImport(ctx context.Context, path string, stream *bytes.Buffer) error {
	command := gitCommand(ctx, path, "fast-import", "--quiet", "--force")
	command.Stdin = stream
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("git fast-import: %w: %s", err, out)
	}
	return nil
}

// Git runs git in dir, without this machine's configuration, and returns the output.
func Git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := gitCommand(ctx, dir, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func gitCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "git", args...)
	command.Dir, command.Env = dir, Environment()
	return command
}

// Environment is the environment of every git process.
func Environment() []string {
	return append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*", "GIT_CONFIG_KEY_1=gc.auto",
		"GIT_CONFIG_VALUE_1=0",
		"GIT_AUTHOR_NAME=A User", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=A User",
		"GIT_COMMITTER_EMAIL=a@example.com")
}

// PushPages pushes pages onto the status branch with the git CLI, in an up-to-date clone at path: index, write-tree,
// commit-tree, push.
func PushPages(ctx context.Context, path string, pages map[string][]byte) error {
	names := slices.Sorted(maps.Keys(pages))
	files := filepath.Join(path, "pages")
	if err := os.MkdirAll(files, 0o755); err != nil {
		return err
	}
	var paths, entries bytes.Buffer
	for i, name := range names {
		file := filepath.Join(files, fmt.Sprint(i))
		if err := os.WriteFile(file, pages[name], 0o600); err != nil {
			return err
		}
		fmt.Fprintln(&paths, file)
	}
	hash := gitCommand(ctx, path, "hash-object", "-w", "--no-filters", "--stdin-paths")
	hash.Stdin = &paths
	ids, err := hash.Output()
	if err != nil {
		return fmt.Errorf("git hash-object: %w", err)
	}
	for i, id := range strings.Fields(string(ids)) {
		fmt.Fprintf(&entries, "100644 %s\t%s\n", id, names[i])
	}
	if _, err := Git(ctx, path, "read-tree", StatusBranch); err != nil {
		return err
	}
	index := gitCommand(ctx, path, "update-index", "--add", "--index-info")
	index.Stdin = &entries
	if out, err := index.CombinedOutput(); err != nil {
		return fmt.Errorf("git update-index: %w: %s", err, out)
	}
	tree, err := Git(ctx, path, "write-tree")
	if err != nil {
		return err
	}
	commit, err := Git(ctx, path, "commit-tree", "-m", "status", "-p", StatusBranch, tree)
	if err != nil {
		return err
	}
	_, err = Git(ctx, path, "push", "--quiet", "origin", commit+":refs/heads/"+StatusBranch)
	return err
}
