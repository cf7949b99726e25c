package gitrepo_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory/gitrepo"
)

// TestSharedDirectories reads a fleet in a directory with what its settings share. What is beside both is nobody's; below
// a shared directory the rules of the fleet's own files hold.
func TestSharedDirectories(t *testing.T) {
	t.Parallel()
	settings := text("apiVersion: ingot.dev/v1alpha1\nkind: Fleet\nmetadata: {name: a}\nspec:\n  shared: [shared/files]\n")
	r := overPath(t)
	r.config.Path = "fleets/a"
	tree := func(file string, content node) map[string]node {
		files := map[string]node{
			"fleets/a/ingot.yaml": settings, "fleets/a/own": text("own"), "shared/files/motd": text("motd"),
			"shared/files/deep/run": {"100755", "run"}, "shared/link": {"120000", "/etc/passwd"}, "fleets/b/x": text("x"),
		}
		files[file] = content
		return files
	}
	good := r.commit(t, "main", "", tree("README", text("x")))
	repo := open(t, r.config)
	got := latest(t, repo)
	if len(got.Files) != 2 || len(got.Shared) != 2 || string(got.Shared["shared/files/motd"].Data) != "motd" ||
		!got.Shared["shared/files/deep/run"].Executable {
		t.Fatalf("files %v, shared %v: want the fleet's two files and the two shared ones", got.Files, got.Shared)
	}
	for name, bad := range map[string]struct {
		file    string
		content node
		place   string
	}{
		"a symbolic link":            {"shared/files/link", node{"120000", "/etc/passwd"}, "../../shared/files/link"},
		"a submodule":                {"shared/files/module", node{"160000", good}, "../../shared/files/module"},
		"a large file":               {"shared/files/large", text(strings.Repeat("x", 1<<20+1)), "../../shared/files/large"},
		"a name":                     {"shared/files/.git", text("x"), "../../shared/files/.git"},
		"a directory that is a link": {"shared/files", node{"120000", "others"}, "ingot.yaml"},
		"the fleet itself": {"fleets/a/ingot.yaml", text(strings.ReplaceAll(settings.content, "shared/files", "fleets")),
			"ingot.yaml"},
		"a directory that is not there": {"fleets/a/ingot.yaml",
			text(strings.ReplaceAll(settings.content, "shared/files", "shared/none")), "ingot.yaml"},
	} {
		files := tree(bad.file, bad.content)
		if bad.file == "shared/files" {
			delete(files, "shared/files/motd")
			delete(files, "shared/files/deep/run")
		}
		r.commit(t, "main", good, files)
		_, err := repo.Latest(t.Context())
		var refused gitrepo.Refused
		if !errors.As(err, &refused) || len(refused.Findings) != 1 || refused.Findings[0].File != bad.place {
			t.Errorf("%s: %v, want one finding at %s", name, err, bad.place)
		}
		if repo.AcceptedCommit() != good {
			t.Fatalf("%s: the accepted commit moved", name)
		}
	}
}
