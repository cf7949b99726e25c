package journal_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// TestARecordOfAnEarlierVersion reads what earlier versions wrote of records that are from the status branch, and writes
// what that means now.
func TestARecordOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	const operation = `"operation":{"id":"op","stage":"Armed","content":"blank"},`
	for name, test := range map[string]struct {
		members  string
		want     *inventory.Recovered
		unproved bool
	}{
		"first-hand":               {operation, nil, false},
		"at rest":                  {`"rebuilt":true,`, &inventory.Recovered{Epoch: 3}, false},
		"to be proved":             {operation + `"recalled":true,`, &inventory.Recovered{Epoch: 3, UnderWay: "op"}, true},
		"to be proved, no install": {operation + `"recalled":true,"rebuilt":true,`, &inventory.Recovered{Epoch: 3, UnderWay: "op"}, true},
	} {
		value := `{"version":1,"record":{"host":"a","epoch":3,` + test.members + `"bmc":{"serial":"S"},"later":1}}`
		record, err := journal.Decode("a", []byte(value))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, record.Recovered); diff != "" || record.Unproved() != test.unproved || record.BMC.Serial != "S" {
			t.Errorf("%s: record %+v (-want +got):\n%s", name, record, diff)
		}
		again, err := journal.Encode(record)
		if text := string(again); err != nil || strings.Contains(text, "rebuilt") || strings.Contains(text, "recalled") ||
			!strings.Contains(text, `"later":1`) || strings.Contains(text, "minReader") != (test.want != nil || record.Operation != nil) {
			t.Errorf("%s: written again %s, %v", name, again, err)
		}
	}
}
