package load_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/schemas"
)

// Whoever has no keys plans with what the daemon counted, of that very tag object alone.
func TestEraseRulesCountSigners(t *testing.T) {
	t.Parallel()
	fleet := inventory.Fleet{
		Hosts: map[inventory.MachineID]inventory.Desired{"web": {Ring: "prod"}, "early": {Ring: "canary"}, "lone": {}},
		Rings: map[string]inventory.Ring{
			"prod":   {Name: "prod", Spec: schemas.RingSpec{Tag: "v*"}, Tag: "v1", Signatures: inventory.Signatures{Tag: "v1", Object: "1111"}},
			"canary": {Name: "canary"},
		},
	}
	counted := inventory.Signatures{Tag: "v1", Object: "1111", Signer: "jo", Second: "ann"}
	for name, test := range map[string]struct {
		counted map[string]inventory.Signatures
		want    inventory.Signatures
	}{
		"nobody counted":     {nil, inventory.Signatures{Tag: "v1", Object: "1111"}},
		"of this object":     {map[string]inventory.Signatures{"prod": counted}, counted},
		"of another object":  {map[string]inventory.Signatures{"prod": {Tag: "v1", Object: "2222", Second: "ann"}}, inventory.Signatures{Tag: "v1", Object: "1111"}},
		"of another ring":    {map[string]inventory.Signatures{"canary": counted}, inventory.Signatures{Tag: "v1", Object: "1111"}},
		"of no known object": {map[string]inventory.Signatures{"canary": {Second: "ann"}, "": {Second: "ann"}}, inventory.Signatures{Tag: "v1", Object: "1111"}},
	} {
		got := load.ApplyEraseRules(fleet, load.EraseRules{TwoSigners: true, Counted: test.counted})
		if s := got.Hosts["web"].Signatures; s == nil || *s != test.want || !got.TwoSigners {
			t.Errorf("%s: %+v, want %+v", name, s, test.want)
		}
		for _, host := range []inventory.MachineID{"early", "lone"} {
			if s := got.Hosts[host].Signatures; s == nil || *s != (inventory.Signatures{}) {
				t.Errorf("%s: %s follows no tag, and has signatures %+v", name, host, s)
			}
		}
	}
	if fleet.Hosts["web"].Signatures != nil || fleet.Rings["prod"].Signatures.Second != "" {
		t.Error("the fleet that was given is changed")
	}
}
