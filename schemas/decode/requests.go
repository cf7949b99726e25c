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

// resumeGrammar names a step on hold and its operation.
var resumeGrammar = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[0-9a-f]{8}$`)

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

// checkRequests checks what is to be done once.
func (c *checker) checkRequests(r schemas.Requests) {
	c.checkGrammar("spec.requests.resume", r.Resume, resumeGrammar, "what the hold prints: step/8 hex digits")
	c.checkGrammar("spec.requests.inspect", r.Inspect, shortGrammar, shortWanted)
	c.checkGrammar("spec.requests.rotate", r.Rotate, shortGrammar, shortWanted)
	if r.Reboot != nil && c.checkRequired("spec.requests.reboot.id", r.Reboot.ID) {
		c.checkGrammar("spec.requests.reboot.id", r.Reboot.ID, shortGrammar, shortWanted)
	}
	if r.Reboot != nil {
		c.checkOneOf("spec.requests.reboot.mode", r.Reboot.Mode, schemas.RebootSoft, schemas.RebootHard)
	}
}
