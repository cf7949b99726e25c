package made_test

import (
	"fmt"
	"testing"

	"github.com/gitmetal/ingot/inventory/made"
)

// Fleets hold consents over targets: this output never changes.
func ExampleFrom_Targets() {
	from := made.From{Inputs: "0123456789abcdef", Parts: map[string]string{"butane": "b", "image": "i", "rootDisk": "r"}}
	fmt.Println(from.Targets())
	from.Config = "c0ffee0000000000"
	fmt.Println(from.Targets())
	from.Meaning = "c0c0a00000000000"
	fmt.Println(from.Targets())
	from.Inputs, from.Config, from.Parts["butane"] = "fedcba9876543210", "decaf00000000000", "another spelling"
	fmt.Println(from.Targets())
	// Output:
	// [0123456789abcdef]
	// [70c63bd3bec3f82a 0123456789abcdef]
	// [4e0a2dea9f73a0fb 70c63bd3bec3f82a 0123456789abcdef]
	// [4e0a2dea9f73a0fb c15ff0a4887822d9 fedcba9876543210]
}

func TestIs(t *testing.T) {
	t.Parallel()
	asked := made.From{Inputs: "i", Config: "c", Meaning: "m", Parts: map[string]string{"butane": "b", "image": "i"}}
	for name, test := range map[string]struct {
		change func(*made.From)
		same   bool
	}{
		"nothing":                                {func(*made.From) {}, true},
		"the Butane file's bytes":                {func(f *made.From) { f.Inputs, f.Parts["butane"] = "j", "x" }, true},
		"the bytes, and the spelling of a value": {func(f *made.From) { f.Inputs, f.Parts["butane"], f.Config = "j", "x", "d" }, true},
		"the bytes, by an ingot without Meaning": {func(f *made.From) { f.Inputs, f.Parts["butane"], f.Meaning = "j", "x", "" }, true},
		"a value, by an ingot without Meaning":   {func(f *made.From) { f.Inputs, f.Parts["butane"], f.Config, f.Meaning = "j", "x", "d", "" }, false},
		"the meaning":                            {func(f *made.From) { f.Inputs, f.Parts["butane"], f.Config, f.Meaning = "j", "x", "d", "n" }, false},
		"the image":                              {func(f *made.From) { f.Inputs, f.Parts["image"] = "j", "x" }, false},
		"no digest of the config":                {func(f *made.From) { f.Inputs, f.Parts["butane"], f.Config, f.Meaning = "j", "x", "", "" }, false},
	} {
		other := asked
		other.Parts = map[string]string{"butane": "b", "image": "i"}
		test.change(&other)
		if got := asked.Is(other); got != test.same || other.Is(asked) != got {
			t.Errorf("%s: the same system: %t, want %t", name, got, test.same)
		}
		if got := asked.Differs("butane", other); got && test.same {
			t.Errorf("%s: the Butane file differs, and the system is the same", name)
		}
	}
	if (made.From{}).LacksDigest(asked) != true || asked.LacksDigest(made.From{}) || asked.LacksDigest(asked) {
		t.Error("LacksDigest is wrong")
	}
}
