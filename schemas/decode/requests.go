package decode

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// shortGrammar is the grammar of a short text that a person chooses: a key of offBy, the id of a request.
var shortGrammar = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

const shortWanted = "lower case letters, digits, dots, dashes and underscores, at most 63"

// checkOffBy checks the keys of who keeps a machine off.
func (c *checker) checkOffBy(keys []string) {
	const at = "spec.offBy"
	if len(keys) > schemas.MaxOffBy {
		c.addError(at, "take out the keys that nobody needs", "there are more than %d keys", schemas.MaxOffBy)
	}
	for i, key := range keys {
		field := fmt.Sprintf("%s[%d]", at, i)
		c.checkGrammar(field, key, shortGrammar, shortWanted)
		if key != "" && slices.Index(keys, key) < i {
			c.addError(field, "leave it out", "the key %q is written twice", yamltext.ShortenText(key))
		}
	}
}
