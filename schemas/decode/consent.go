package decode

import (
	"fmt"
	"slices"

	"github.com/gitmetal/ingot/schemas"
)

// checkErase checks the consents of a host, a text or a list.
func (c *checker) checkErase(erase schemas.EraseConsents) {
	const at = "spec.consent.erase"
	if len(erase) > schemas.MaxConsents {
		c.addError(at, "leave out those that `ingot plan` does not ask for", "there are more than %d consents",
			schemas.MaxConsents)
	}
	for i, consent := range erase {
		field := fmt.Sprintf("%s[%d]", at, i)
		if !c.document.Fields.IsWritten(field) {
			field = at
		}
		c.checkGrammar(field, consent, eraseGrammar, "what `ingot plan` prints: disk/16 hex digits")
		if consent != "" && slices.Index(erase, consent) < i {
			c.addError(field, "leave it out", "the consent is written twice")
		}
	}
}
