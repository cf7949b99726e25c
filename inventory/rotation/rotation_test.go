package rotation_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/inventory/rotation"
	"github.com/gitmetal/ingot/schemas"
)

// TestNext is the table of Next.
func TestNext(t *testing.T) {
	t.Parallel()
	at := func(stage rotation.Stage) *rotation.Rotation { return &rotation.Rotation{Stage: stage} }
	for name, test := range map[string]struct {
		r    *rotation.Rotation
		seen rotation.Seen
		want rotation.Step
	}{
		"nobody asks":                         {nil, rotation.Seen{}, rotation.Nothing},
		"due":                                 {nil, rotation.Seen{Due: true}, rotation.Seal},
		"a branch is left":                    {nil, rotation.Seen{Due: true, Left: true}, rotation.Adopt},
		"a branch is left, done":              {nil, rotation.Seen{Left: true}, rotation.Adopt},
		"sealed":                              {at(rotation.Sealed), rotation.Seen{Due: true, Trunk: rotation.HasOld}, rotation.Push},
		"sealed, pushed":                      {at(rotation.Sealed), rotation.Seen{Due: true, Pushed: true, Trunk: rotation.HasOld}, rotation.Begin},
		"sealed, taken back":                  {at(rotation.Sealed), rotation.Seen{Pushed: true, Trunk: rotation.HasOld}, rotation.Drop},
		"sealed, the trunk has another":       {at(rotation.Sealed), rotation.Seen{Due: true, Pushed: true, Trunk: rotation.HasOther}, rotation.Drop},
		"changing":                            {at(rotation.Changing), rotation.Seen{Due: true, Trunk: rotation.HasOld}, rotation.Resolve},
		"changing, taken back":                {at(rotation.Changing), rotation.Seen{Trunk: rotation.HasOld}, rotation.Resolve},
		"changing, merged":                    {at(rotation.Changing), rotation.Seen{Trunk: rotation.HasNew}, rotation.Resolve},
		"changed":                             {at(rotation.Changed), rotation.Seen{Trunk: rotation.HasOld}, rotation.Nothing},
		"changed, the trunk cannot be opened": {at(rotation.Changed), rotation.Seen{Trunk: rotation.Unknown}, rotation.Nothing},
		"changed, merged":                     {at(rotation.Changed), rotation.Seen{Trunk: rotation.HasNew}, rotation.Drop},
		"changed, a person wrote another":     {at(rotation.Changed), rotation.Seen{Trunk: rotation.HasOther}, rotation.Drop},
		"failed":                              {at(rotation.Failed), rotation.Seen{Due: true, Trunk: rotation.HasOld}, rotation.Nothing},
		"failed, told":                        {at(rotation.Failed), rotation.Seen{Trunk: rotation.HasOld}, rotation.Drop},
		"ended":                               {&rotation.Rotation{Stage: rotation.Changing, Ended: true}, rotation.Seen{Due: true}, rotation.Drop},
	} {
		if got := test.r.Next(test.seen); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	for stage, want := range map[rotation.Stage]rotation.Holder{rotation.Sealed: rotation.Trunk, rotation.Changing: rotation.Neither,
		rotation.Changed: rotation.Newer, rotation.Failed: rotation.Trunk} {
		if got := at(stage).Uses(); got != want {
			t.Errorf("%s uses %s, want %s", stage, got, want)
		}
	}
	if (*rotation.Rotation)(nil).Uses() != rotation.Trunk {
		t.Error("without a rotation the trunk's Secret does not count")
	}
}

// TestRefuse: an account belongs to one BMC service, and its first host asks.
func TestRefuse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		services map[inventory.MachineID]string
		want     string
	}{
		"one host":       {map[inventory.MachineID]string{"b": "x"}, ""},
		"blades":         {map[inventory.MachineID]string{"b": "https://BMC/redfish/v1/Systems/1", "c": "https://bmc:443"}, ""},
		"not the first":  {map[inventory.MachineID]string{"a": "x", "b": "x"}, "a request of a, the first of its 2 hosts"},
		"two services":   {map[inventory.MachineID]string{"b": "x", "c": "y"}, "2 BMC services"},
		"without Secret": {nil, "no Secret"},
	} {
		fleet := inventory.Fleet{Hosts: map[inventory.MachineID]inventory.Desired{"d": {ID: "d", BMC: &schemas.BMC{Address: "https://z", Credentials: "bmc-r2"}}}}
		for id, service := range test.services {
			fleet.Hosts[id] = inventory.Desired{ID: id, BMC: &schemas.BMC{Address: service, Credentials: "bmc-r1"}}
		}
		asks := inventory.Desired{ID: "b", BMC: &schemas.BMC{Credentials: "bmc-r1"}}
		if got := rotation.ListAccounts(fleet).Refuse(asks); got != test.want && (test.want == "" || !strings.Contains(got, test.want)) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	d := inventory.Desired{Requests: schemas.Requests{Rotate: "q4"}}
	if value, asked := rotation.IsAsked(d, inventory.Record{Done: &requests.Done{}}); value != "q4" || !asked {
		t.Errorf("a file that asks: %q, %v", value, asked)
	}
	if _, asked := rotation.IsAsked(d, inventory.Record{}); asked {
		t.Error("a host of which nothing is known is asked for something")
	}
	if one, two := rotation.Branch("a", "b"), rotation.Branch("a", "c"); one == two || len(one) != 12 {
		t.Errorf("branches %s and %s", one, two)
	}
}
