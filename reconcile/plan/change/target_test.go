package change_test

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Fleets hold consents over targets: this output never changes. Without a config the target is the inputs, as in consents
// of earlier versions.
func ExampleTarget() {
	w := inventory.Workload{Inputs: "0123456789abcdef", Parts: map[string]string{"butane": "b", "image": "i", "rootDisk": "r"}}
	fmt.Println(change.Target(w))
	w.Config = "c0ffee0000000000"
	fmt.Println(change.Target(w))
	w.Inputs, w.Parts["butane"] = "fedcba9876543210", "a comment more"
	fmt.Println(change.Target(w))
	// Output:
	// 0123456789abcdef
	// 70c63bd3bec3f82a
	// 70c63bd3bec3f82a
}
