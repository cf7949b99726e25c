package effects_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/internal/lab/rules"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/reconcile/act"
)

// TestABMCThatQuotesItsPassword answers with the header of the login: neither what a look nor what an action says of the
// BMC shows the password.
func TestABMCThatQuotesItsPassword(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	known := new(console.Secrets)
	known.Add(secret.New(password))
	r.mask = known.Mask
	r.restart()
	basic := base64.StdEncoding.EncodeToString([]byte("admin:" + password))
	quotes := rules.Then{Status: 500, Merge: map[string]any{"error": map[string]any{"code": "Base.1.0.GeneralError",
		"message": "bad request: Authorization: Basic " + basic + " (" + password + ")"}}}
	r.bmc.Rules().Put([]rules.Rule{{Match: rules.Match{Path: "/redfish/v1/Systems/*"}, Then: quotes}})
	looked, did := r.observe().BMC.Error, r.do(act.Action{Kind: act.PowerOff}).Why
	for what, said := range map[string]string{"a look": looked, "an action": did} {
		if !strings.Contains(said, "Authorization") || !strings.Contains(said, secret.Mask) {
			t.Errorf("%s says %q, want the BMC's words with a mask", what, said)
		}
		if strings.Contains(said, password) || strings.Contains(said, basic[10:]) {
			t.Errorf("%s shows the password: %q", what, said)
		}
	}
}
