package change

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// compareDisk compares a disk, as an agent sees it, with the permission of an operation. content is what the agent must
// find right before the first write; why says why the permission does not cover the disk as it is, or "". The hand-out
// of a step and the answer to a question for leave both compare with compareDisk. The first row that fits decides:
//
//	begun  permission over  the disk now                        may be written
//	any    any              is another disk                     no
//	any    any              shares the permission's name        no: a label of two disks is a permission for neither
//	yes    any              as it was when leave was given      yes: not seen since, and the agent looks and asks again
//	yes    any              as the last step of ours left it    yes: the operation's own
//	yes    any              nothing but an empty table          yes: what was there before is gone
//	yes    any              anything else                       no: found
//	no     blank            blank                               yes
//	no     any              cannot be read                      no
//	no     content:<…>      blank, or the same content          yes
//	no     content:<…>      another content                     no
//	no     install:<id>     not that install, by its mark       no: found (whyNotOurs)
//	no     failed:<id>      not what that operation left        no: found (whyNotOurs)
//	no     anything else    anything                            yes: the disk is known by its install, or was never seen
func compareDisk(allowed inventory.OperationDisk, disk inventory.MachineDisk) (content, why string) {
	label, now := disk.ID().Label(), disk.Content
	overBlank := allowed.Content == inventory.ContentBlank
	signature, overContent := strings.CutPrefix(allowed.Content, "content:")
	switch {
	case !disk.Is(allowed.Disk):
		return "", fmt.Sprintf("disk %s is not %s any more", cmp.Or(label, disk.Name), allowed.Disk.Label())
	case !disk.HasLabelOf(allowed.Disk):
		return "", fmt.Sprintf("disk %s is not the only disk that is named %s any more, or lost that name",
			cmp.Or(label, disk.Name), allowed.Disk.Label())
	case allowed.Begun > 0 && allowed.Seen != nil && *allowed.Seen == inventory.DescribeSeen(disk.Disk):
		return "any", ""
	case allowed.Begun > 0 && allowed.Left != nil && allowed.Left.Content != "" &&
		*allowed.Left == inventory.DescribeSeen(disk.Disk):
		return "any", ""
	case allowed.Begun != 0:
		return "any", whyNotAgain(disk)
	case overBlank && now.Blank:
		return inventory.ContentBlank, ""
	case overBlank:
		return "", fmt.Sprintf("disk %s was blank and is not any more", label)
	case now.Unreadable != "":
		return "", fmt.Sprintf("disk %s cannot be read: %s", label, now.Unreadable)
	case overContent && (now.Blank || now.Signature == signature):
		return cmp.Or(now.Signature, inventory.ContentBlank), ""
	case overContent:
		return "", fmt.Sprintf("what is on disk %s changed since the consent", label)
	default:
		return "any", ""
	}
}

// whyNotAgain says why a disk that an attempt may have written to is not the operation's to write again, or "".
func whyNotAgain(disk inventory.MachineDisk) string {
	label := disk.ID().Label()
	if disk.Content.Unreadable != "" {
		return fmt.Sprintf("disk %s cannot be read: %s", label, disk.Content.Unreadable)
	}
	if why := disk.WhyNotEmpty(); why != "" && !disk.Content.Blank {
		return fmt.Sprintf("a failed attempt may have written to disk %s, and what is on it now is not that: %s", label, why)
	}
	return ""
}

// Compared are disks of an operation, by their indexes, and what an agent sees of each, in the same order.
type Compared struct {
	Indexes []int
	Seen    []inventory.MachineDisk
}

// CompareDisks compares disks of an operation with what an agent sees.
func CompareDisks(op inventory.Operation, rec inventory.Record, disks Compared) (contents []string, why string) {
	if len(disks.Seen) != len(disks.Indexes) {
		return nil, fmt.Sprintf("the agent speaks of %d disks, the step has %d", len(disks.Seen), len(disks.Indexes))
	}
	for at, i := range disks.Indexes {
		allowed, seen := op.Disks[i], disks.Seen
		content, why := compareDisk(allowed, seen[at])
		if why == "" && i == 0 && allowed.Begun == 0 {
			why = whyNotOurs(op, rec, seen[at])
		}
		if why != "" {
			return nil, why
		}
		contents = append(contents, content)
	}
	return contents, ""
}
