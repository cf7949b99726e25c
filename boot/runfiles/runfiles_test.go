package runfiles_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/boot/runfiles"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
)

func run() runfiles.Run {
	return runfiles.Run{
		Run: runs.Run{ID: "r-1", Workload: "own", Batch: "b1", Item: 1, Attempt: 2},
		Work: runs.Work{Workload: "own", Args: map[string]any{"points": 10, "log-level": "it's 1", "deep": []any{1}, "bad": "a\nb"},
			Items:  []map[string]any{{"seed": 1}, {"seed": 2, "points": 20}},
			Kernel: &runs.Kernel{Arguments: []string{"quiet"}, Files: []runs.InitrdFile{{Path: "/etc/motd", Mode: 0o600, Content: "site ${vars.site}, $${x}"}}}},
		Machine: inventory.Desired{ID: "m1", Name: "web-1", Vars: map[string]string{"site": "fra1"}},
		URL:     "https://daemon:7443/v1/runs/r-1", Token: secret.New("the-token"), Pin: "sha256//AAAA=",
	}
}

// TestWhatAKernelIsTold: a shell reads /ingot.env, /ingot.json has all arguments and no token, and files have the machine's
// vars.
func TestWhatAKernelIsTold(t *testing.T) {
	t.Parallel()
	files, err := run().Files()
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	env := filepath.Join(t.TempDir(), "ingot.env")
	if err := os.WriteFile(env, files[0].Data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", ". "+env+`; echo "$INGOT_URL $INGOT_TOKEN $INGOT_PIN $INGOT_RUN $INGOT_WORKLOAD $INGOT_BATCH $INGOT_ITEM $INGOT_ATTEMPT $INGOT_MACHINE $INGOT_ARG_SEED $INGOT_ARG_POINTS $INGOT_ARG_LOG_LEVEL ${INGOT_ARG_DEEP-none} ${INGOT_ARG_BAD-none}"`).Output()
	want := "https://daemon:7443/v1/runs/r-1 the-token sha256//AAAA= r-1 own b1 1 2 web-1 2 20 it's 1 none none\n"
	if diff := cmp.Diff(want, string(out)); err != nil || diff != "" || files[0].Path != "/ingot.env" || files[0].Mode != 0o600 {
		t.Errorf("a shell reads (-want +got), %v:\n%s", err, diff)
	}
	document := string(files[1].Data)
	for _, part := range []string{`"run": "r-1"`, `"points": 20`, `"deep": [`, `"site": "fra1"`, `"bad": "a\nb"`} {
		if !strings.Contains(document, part) {
			t.Errorf("/ingot.json has no %s:\n%s", part, document)
		}
	}
	if strings.Contains(document, "the-token") {
		t.Error("/ingot.json has the token")
	}
	if f := files[2]; f.Path != "/etc/motd" || f.Mode != 0o600 || string(f.Data) != "site fra1, ${x}" {
		t.Errorf("the file of the Workload is %+v", f)
	}
	r := run()
	if got := strings.Join(r.Arguments(), " "); got != "quiet INGOT_URL=https://daemon:7443/v1/runs/r-1 INGOT_TOKEN=the-token INGOT_PIN=sha256//AAAA=" {
		t.Errorf("the arguments are %s", got)
	}
	r.Work.Kernel.HidesToken = true
	if got := strings.Join(r.Arguments(), " "); got != "quiet" {
		t.Errorf("with tokenOnCommandLine: false the arguments are %s", got)
	}
}

// TestAVarThatTheMachineLacks is said with the file that uses it.
func TestAVarThatTheMachineLacks(t *testing.T) {
	t.Parallel()
	r := run()
	r.Machine.Vars = nil
	if _, err := r.Files(); err == nil || err.Error() != "the machine has no spec.vars.site, and the file /etc/motd of workload own uses it" {
		t.Errorf("Files() = %v", err)
	}
}
