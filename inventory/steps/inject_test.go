package steps_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
)

// inject is a step that injects one file.
func inject(file map[string]any) steps.Step {
	return steps.Step{Name: schemas.StepInjectFiles, Arguments: steps.Arguments{Args: map[string]any{"files": []any{file}}}}
}

// TestFilesOfInjectFiles are read with their defaults, and what is replaced on the machine is no secret.
func TestFilesOfInjectFiles(t *testing.T) {
	t.Parallel()
	s := inject(map[string]any{"path": "/etc/a", "content": "${machine.id}"})
	files, err := s.ReadFiles(s.Args)
	if err != nil || len(files) != 1 || files[0].Mode != 0o644 || files[0].DirMode != 0o755 || !files[0].Template || files[0].Overwrite != "Replace" {
		t.Errorf("files %+v, %v", files, err)
	}
	s = inject(map[string]any{"path": "/etc/a", "base64": base64.StdEncoding.EncodeToString([]byte{0, 255}), "mode": "4750", "dirMode": "700", "owner": 7, "group": 8.0, "overwrite": "Keep"})
	files, err = s.ReadFiles(s.Args)
	if err != nil || string(files[0].Content) != "\x00\xff" || files[0].Mode != 0o4750 || files[0].DirMode != 0o700 || files[0].Owner != 7 || files[0].Group != 8 || files[0].Overwrite != "Keep" {
		t.Errorf("files %+v, %v", files, err)
	}
	s = inject(map[string]any{"path": "/etc/key", "content": "${secret.web.key}"})
	s.Secrets = map[string]refs.Secret{"/files/0/content": {Name: "web", Key: "key"}}
	args, err := s.Open(func(refs.Secret) (string, error) { return "\xff${machine.id}", nil })
	if err != nil {
		t.Fatal(err)
	}
	if files, err = s.ReadFiles(args); err != nil || string(files[0].Content) != "\xff${machine.id}" || files[0].Template {
		t.Errorf("a secret became %+v, %v", files, err)
	}
}

// TestMistakesInFiles are all found (checklist C14).
func TestMistakesInFiles(t *testing.T) {
	t.Parallel()
	for want, file := range map[string]map[string]any{
		"":                      {"path": "/etc/a", "content": "$${machine.any} ${machine.uuid}"},
		"is not the path":       {"path": "etc/a"},
		"is not the path of":    {"path": "/etc/"},
		"is not the path of a":  {"path": "/etc/../a/b"},
		"needs its partition":   {"path": "/a"},
		"content and deleted":   {"path": "/etc/a", "content": "", "deleted": true},
		"base64 and sha256":     {"path": "/etc/a", "base64": "", "sha256": "a"},
		"the digest is missing": {"path": "/etc/a", "url": "https://a"},
		"no base64":             {"path": "/etc/a", "base64": "?"},
		"no ${machine.mac}":     {"path": "/etc/a", "content": "${machine.mac}"},
	} {
		found := steps.CheckFiles(inject(file))
		if want == "" && len(found) > 0 || want != "" && (len(found) != 1 || !strings.Contains(found[0].Message, want)) {
			t.Errorf("CheckFiles(%v) = %v, want %q", file, found, want)
		}
	}
	two := inject(map[string]any{"path": "/a"})
	two.Args["files"] = append(two.Args["files"].([]any), map[string]any{"path": "b"}, map[string]any{"path": "/a"})
	if found := steps.CheckFiles(two); len(found) != 3 {
		t.Errorf("CheckFiles of three bad files = %v, want three mistakes", found)
	}
}

// TestPlaceOfInjectFiles: the step stands behind the one that writes the system, and its URLs do not count.
func TestPlaceOfInjectFiles(t *testing.T) {
	t.Parallel()
	install, files := steps.Step{Name: schemas.StepWriteImage}, inject(map[string]any{"path": "/etc/a", "url": "https://a", "sha256": "s"})
	if _, early := steps.FindEarlyFiles([]steps.Step{install, files}); early {
		t.Error("behind the install the step is early")
	}
	if _, early := steps.FindEarlyFiles([]steps.Step{files, install}); !early {
		t.Error("in front of the install the step is not early")
	}
	done, err := steps.Complete(files)
	if err != nil || len(done.Files) != 1 || done.Files[0].URL != "https://a" {
		t.Fatalf("step %+v, %v", done, err)
	}
	moved, _ := steps.Complete(inject(map[string]any{"path": "/etc/a", "url": "https://b", "sha256": "s"}))
	other, _ := steps.Complete(inject(map[string]any{"path": "/etc/a", "url": "https://a", "sha256": "t"}))
	parts := func(s steps.Step) string { return strings.Join(steps.ListParts([]steps.Step{s}), "\n") }
	if parts(done) != parts(moved) || parts(done) == parts(other) {
		t.Errorf("parts %s, of another URL %s, of another digest %s", parts(done), parts(moved), parts(other))
	}
}
