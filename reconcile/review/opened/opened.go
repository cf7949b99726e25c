// Package opened says what a change of the fleet does to Secrets: which were sealed anew, which were changed by hand or put
// back, and which the daemon cannot open. Call Compare. Nothing is opened here. The package is pure.
package opened

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
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
		switch {
		case isSpoiledBy(base.Secrets, after) && putBack[name]:
			changes = append(changes, Change{after.File + " is put back as it was sealed: the daemon can open it again", users})
		case isSpoiledBy(base.Secrets, after):
			changes = append(changes, Change{"warning: " + after.File + " was changed without sops: the daemon cannot open it " +
				"any more, and loses the BMCs and configs that need it: make the change with `ingot secret edit`", users})
		case closed != "":
			changes = append(changes, Change{"warning: " + after.File + closed, users})
		}
		if had && before.Covered != after.Covered && !after.IsSpoiled(before) && !sure {
			changes = append(changes, listSealedAnew(head, name)...)
		}
	}
	return changes
}

// isSpoiledBy reports whether a Secret has the MAC of one of the base over another content.
func isSpoiledBy(base map[string]inventory.Sealed, after inventory.Sealed) bool {
	for _, before := range base {
		if after.IsSpoiled(before) && string(after.Document) != string(base[after.Name].Document) {
			return true
		}
	}
	return false
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
