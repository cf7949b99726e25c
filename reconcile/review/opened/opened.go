// Package opened says what a change of the fleet does to Secrets: which were sealed anew, which were changed by hand or put
// back, and which the daemon cannot open. Call Compare. Nothing is opened here. The package is pure.
package opened

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/secrets/section"
)

// Change is what happens to a Secret, with the hosts that use the Secret, by name, sorted.
type Change struct {
	What  string
	Hosts []string
}

// Compare compares the Secrets of two fleets. putBack are the Secrets of head that are as they were sealed, where base has
// them changed by hand.
func Compare(base, head inventory.Fleet, putBack map[string]bool) (changes []Change) {
	for _, name := range slices.Sorted(maps.Keys(head.Secrets)) {
		after := head.Secrets[name]
		before, had := base.Secrets[name]
		users := usersOf(head, name)
		closed, sure := whyClosed(base, head, after)
		forged := FindForged(base.Secrets, after)
		switch {
		case len(forged) > 0 && putBack[name]:
			changes = append(changes, Change{after.File + " is put back as it was sealed: the daemon can open it again", users})
		case len(forged) > 0:
			changes = append(changes, Change{describeForged(after.File, forged), users})
		case closed != "":
			changes = append(changes, Change{"warning: " + after.File + closed, users})
		}
		if had && before.Covered != after.Covered && len(forged) == 0 && !sure {
			changes = append(changes, listSealedAnew(head, name)...)
		}
	}
	return changes
}

// FindForged finds what was changed without sops in a Secret: since the base's Secret of its name, or since another of which
// the Secret has the mac.
func FindForged(base map[string]inventory.Sealed, after inventory.Sealed) (forged []section.Forged) {
	before, had := base[after.Name]
	if bytes.Equal(before.Document, after.Document) {
		return nil
	}
	if had {
		forged = section.FindForged(before.Document, after.Document)
	}
	for _, name := range slices.Sorted(maps.Keys(base)) {
		if len(forged) == 0 && after.IsSpoiled(base[name]) {
			forged = section.FindForged(base[name].Document, after.Document)
		}
	}
	return forged
}

// describeForged says where a Secret was changed without sops, what the change does, and what to do.
func describeForged(file string, forged []section.Forged) string {
	first := forged[0]
	where := fmt.Sprintf("warning: %s:%d: %s", file, first.Line, first.Field)
	if more := len(forged) - 1; more > 0 {
		where += fmt.Sprintf(" and %d more", more)
	}
	if first.Recipient != "" {
		return where + " was changed without sops: " + first.Recipient + " cannot open the Secret any more: put the old bytes back, " +
			"or seal it anew with `ingot secret rotate`"
	}
	return where + " was changed without sops: the daemon cannot open the Secret any more, and loses the BMCs and configs that " +
		"need it: put the old bytes back, and make the change with `ingot secret edit` or sops"
}

// whyClosed says that the daemon cannot open a Secret that was changed, or that hosts begin to use; "" where the daemon
// can, or where nothing tells. With sure false, the daemon perhaps can.
func whyClosed(base, head inventory.Fleet, after inventory.Sealed) (why string, sure bool) {
	users := usersOf(head, after.Name)
	before, had := base.Secrets[after.Name]
	if len(users) == 0 || string(before.Document) == string(after.Document) &&
		slices.Equal(users, usersOf(base, after.Name)) {
		return "", false
	}
	opens, known := head.Opener.Opens(after)
	switch {
	case opens, after.OtherKeys && !known:
		return "", false
	case known:
		return fmt.Sprintf(" is for %s: the daemon, whose keys are of %s, cannot open it, and loses the BMCs and configs that need "+
			"it: name the daemon's recipient too with `ingot secret rotate`", nameSome(after.Recipients),
			nameSome(head.Opener.Recipients)), true
	case had && len(before.Recipients) > 0 && !after.IsFor(before.Recipients):
		return fmt.Sprintf(" is for none of the recipients that it was for, but for %s: the daemon can open it only with a key of "+
			"these", nameSome(after.Recipients)), false
	default:
		return "", false
	}
}

// nameSome names a few recipients.
func nameSome(recipients []string) string {
	const most = 3
	if more := len(recipients) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(recipients[:most], ", "), more)
	}
	if len(recipients) == 0 {
		return "nobody"
	}
	return strings.Join(recipients, ", ")
}

// listSealedAnew says what a Secret that was sealed anew, perhaps with other values, does at the hosts that use it.
func listSealedAnew(head inventory.Fleet, name string) (changes []Change) {
	var logins, installed []string
	for _, d := range head.Hosts {
		if d.BMC != nil && d.BMC.Credentials == name {
			logins = append(logins, d.Name)
		}
		if usesSecret(d.Workload, name) {
			installed = append(installed, d.Name)
		}
	}
	for _, c := range []Change{{"the daemon logs in to the BMC with its values from the merge on", logins},
		{"if values changed, the running system keeps the old ones until it is installed anew", installed}} {
		if len(c.Hosts) > 0 {
			slices.Sort(c.Hosts)
			changes = append(changes, Change{"Secret " + name + " is sealed anew: " + c.What, c.Hosts})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.What, b.What) })
	return changes
}

// usersOf lists the hosts whose BMC or config needs a Secret, sorted.
func usersOf(s inventory.Fleet, name string) (hosts []string) {
	for _, d := range s.Hosts {
		if d.BMC != nil && d.BMC.Credentials == name || usesSecret(d.Workload, name) {
			hosts = append(hosts, d.Name)
		}
	}
	slices.Sort(hosts)
	return hosts
}

func usesSecret(w *inventory.Workload, name string) bool {
	return w != nil && slices.ContainsFunc(w.Secrets, func(used refs.Secret) bool { return used.Name == name })
}
