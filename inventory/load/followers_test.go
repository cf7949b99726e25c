package load_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/lab/secretfile"
	"github.com/gitmetal/ingot/inventory/load"
)

// TestManyFollowersAreOneFinding loads hosts that name a document which is missing, cannot be read, or does not reach
// them: the document is one thing to mend, and so is the finding about the hosts.
func TestManyFollowersAreOneFinding(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: ingot.dev/v1alpha1\nkind: "
	good := secretfile.SealFile(head + "Secret\nmetadata: {name: bmc}\nspec:\n  scope: {matchLabels: {rack: r1}}\n  data: {username: abc, password: abc}\n" + secretfile.Marker)
	for name, test := range map[string]struct {
		secret string
		want   []string // the beginnings of the findings
	}{
		"no document":  {"", []string{`hosts/h00.yaml:5:51: error: spec.bmc.credentials: there is no Secret "bmc"; the same in 59 more places`}},
		"no YAML":      {head + "Secret\n bad: [\n", []string{`hosts/h00.yaml:5:51: error: spec.bmc.credentials: there is no Secret "bmc"; the same in 59 more places`, "secrets/bmc.yaml:"}},
		"out of scope": {good, []string{`hosts/h00.yaml:5:51: error: spec.bmc.credentials: this host is not in the scope of Secret "bmc"; the same in 59 more places`}},
		"an encrypted scope": {strings.Replace(good, "{rack: r1}", `{rack: "ENC[AES256_GCM,data:YWRtaW4=,iv:YWRtaW4=,tag:YWRtaW4=,type:str]"}`, 1), []string{
			"secrets/bmc.yaml:5:31: error: spec.scope.matchLabels.rack: sops encrypted the value, and it must be read without a key"}},
		"a scope of another type": {strings.Replace(good, "{matchLabels: {rack: r1}}", "{matchLabels: [r1]}", 1), []string{"secrets/bmc.yaml:5:24: error: spec.scope.matchLabels: want a mapping, have a list"}},
	} {
		files := map[string]string{"secrets/bmc.yaml": test.secret}
		if test.secret == "" {
			delete(files, "secrets/bmc.yaml")
		}
		for i := range 60 {
			files[fmt.Sprintf("hosts/h%02d.yaml", i)] = head + fmt.Sprintf("Host\nmetadata: {name: h%02d}\nspec:\n  bmc: {address: \"https://10.0.0.%d\", credentials: bmc}\n", i, i)
		}
		_, findings := load.Fleet(snapshot(files), nil)
		matches := len(findings) == len(test.want)
		for i := 0; matches && i < len(findings); i++ {
			matches = strings.HasPrefix(strings.ReplaceAll(findings[i].String(), ":5:44:", ":5:51:"), test.want[i])
		}
		if !matches {
			t.Errorf("%s: %d findings\n%v\nwant\n%v", name, len(findings), findings, test.want)
		}
	}
}
