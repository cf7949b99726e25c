package change

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/gitmetal/ingot/inventory"
)

// WhyUnsigned says why nothing may be erased on a host where the daemon's configuration wants two signers, or "". A
// single person could move a host out of its ring: without a tag nothing is erased.
//
//	two signers asked for   the host's ring        may be erased
//	no                      any                    yes
//	yes                     none, or follows the trunk   no
//	yes                     runs a tag without the same spec.retire, which comes from the trunk   no
//	yes                     runs a tag             when somebody else than its signer countersigned it
func WhyUnsigned(d inventory.Desired) string {
	s := d.Signatures
	switch {
	case s == nil:
		return ""
	case s.Tag == "" && d.Ring == "":
		return "two must sign what erases, on its tag (trust.twoSigners), and the host is in no ring: put it into " +
			"one that follows tags"
	case s.Tag == "":
		return fmt.Sprintf("two must sign what erases, on its tag (trust.twoSigners), and ring %s runs none: let it "+
			"follow tags", d.Ring)
	case d.Retires && !d.RetireReleased:
		return fmt.Sprintf("two must sign what erases, and tag %s does not have this spec.retire: release it", s.Tag)
	case s.Second != "":
		return ""
	}
	why := fmt.Sprintf("two must sign tag %s", s.Tag)
	if s.Signer != "" {
		why += fmt.Sprintf(", which %s alone signed", s.Signer)
	}
	if s.Why != "" {
		why += ": " + s.Why
	}
	return why
}

// holdForSigners adds the missing signers to the hold of a change that erases. The given hold asks for consent; nil
// means that the change has consent.
func holdForSigners(d inventory.Desired, c Change, consent *Hold) *Hold {
	missing := WhyUnsigned(d)
	switch {
	case missing == "":
		return consent
	case consent == nil:
		erased := slices.DeleteFunc(c.Disks(), func(disk Disk) bool { return !disk.Erases })
		return &Hold{Reason: NeedsSigners, Unsigned: d.Signatures.Tag, Message: eraseMessage(erased[0], missing)}
	default:
		both := *consent
		both.Unsigned, both.Message = d.Signatures.Tag, both.Message+"; and "+missing
		return &both
	}
}

var typable = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+=@-]*$`)

// Countersign gives the two commands that countersign a tag and push the countersignature. There are none for a name
// that a shell would not take literally.
func Countersign(tag string) []string {
	if !typable.MatchString(tag) {
		return nil
	}
	name := inventory.CountersignPrefix + tag + "/$USER"
	return []string{"git tag -s -m ok " + name + " " + tag, "git push origin " + name}
}
