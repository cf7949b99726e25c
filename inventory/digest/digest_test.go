package digest_test

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory/digest"
)

// Fleets hold such digests: this output never changes.
func ExampleTexts() {
	fmt.Println(digest.Texts("a", "b"), digest.Texts("ab"), digest.Texts(), digest.Texts(strings.Repeat("long", 1000), ""))
	// Output: 3c9d591045bc8876 9caccc24b5d7e06c e3b0c44298fc1c14 aa8db69f95d2c121
}
