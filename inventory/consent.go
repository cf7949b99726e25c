package inventory

import (
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory/digest"
	"github.com/gitmetal/ingot/inventory/hardware"
)

// Contents of a disk, as a consent names the content.
const (
	ContentBlank   = hardware.Blank
	ContentUnseen  = "unseen"
	contentInstall = "install:"
	// an install of ingot without a mark: nothing tells it from what another person may have installed since
	contentUnmarked = "unmarked:"
	contentOther    = "content:"
	contentFailed   = "failed:" // an operation that was given up left the content
)

// ContentOf names the content of a disk for a consent: the remains of a failed operation, ingot's own install, an install
// without a mark, the content that an agent saw, or ContentUnseen. "" is unreadable content, which no consent can name. seen
// is the disk in the newest facts; nil without facts. An install, or remains, that a later look does not find on the disk
// are not there: the content is what the look found.
func ContentOf(record Record, disk DiskID, seen *MachineDisk) string {
	last, installed := record.Last, record.Installed
	isDisk := func(known DiskID) bool { return known.IsSameDisk(disk) || seen != nil && seen.Is(known) }
	failed := last != nil && last.Outcome == Quarantined && last.HasBegun() && isDisk(last.Root().Disk)
	ours := installed != nil && isDisk(installed.Disk)
	switch {
	case failed && record.isLeft(*last, seen):
		return contentFailed + last.ID
	case installed == nil && record.leftByEarlier(disk) && record.isLeft(*last, seen):
		return last.Root().Content
	case ours && installed.Mark == "":
		return contentUnmarked + installed.ID
	case ours && record.WhyNotInstalled(seen) == "":
		return contentInstall + installed.ID
	case seen == nil:
		return ContentUnseen
	case seen.Content.Blank:
		return ContentBlank
	case seen.Content.Signature != "":
		return contentOther + seen.Content.Signature
	default:
		return "" // unreadable: no consent can name the content
	}
}

// ContentOfOther names, for a consent, the content of a disk besides the root disk: what the newest look found, or, where
// an install was let write to the disk and nobody has looked since, that install. Where an operation that failed may have
// written to the disk, and nobody has looked since, the content is ContentUnseen: the machine is looked at before a
// consent is asked. "" is unreadable content, which no consent can name.
func ContentOfOther(record Record, disk DiskID, seen MachineDisk) string {
	last, installed := record.Last, record.Installed
	isDisk := func(other DiskID) bool { return other.IsSameDisk(disk) }
	ours := installed != nil && (isDisk(installed.Disk) || slices.ContainsFunc(installed.Others, isDisk))
	tried := last != nil && slices.ContainsFunc(last.Disks, func(d OperationDisk) bool {
		return d.Begun != 0 && isDisk(d.Disk)
	})
	switch {
	case ours && record.looksAfter(installed.Looked, &seen) == nil:
		return contentUnmarked + installed.ID
	case tried && record.LookedEpoch() <= last.Looked:
		return ContentUnseen
	case seen.Content.Blank:
		return ContentBlank
	case seen.Content.Signature != "":
		return contentOther + seen.Content.Signature
	default:
		return ""
	}
}

// isLeft reports whether the disk holds what a failed operation left, as far as anybody has looked since.
func (r Record) isLeft(failed Operation, seen *MachineDisk) bool {
	later := r.looksAfter(failed.Looked, seen)
	return later == nil || failed.WhyNotLeft(*later) == ""
}

// IsOther reports whether the content is one that no install of ingot wrote.
func IsOther(content string) bool { return strings.HasPrefix(content, contentOther) }

// IsInstall reports whether a content is an install that its mark proves.
func IsInstall(content string) bool { return strings.HasPrefix(content, contentInstall) }

// IsUnmarked reports whether a content is an install without a mark.
func IsUnmarked(content string) bool { return strings.HasPrefix(content, contentUnmarked) }

// IsLeft reports whether a content is what a failed operation left.
func IsLeft(content string) bool { return strings.HasPrefix(content, contentFailed) }

// leftByEarlier reports whether a disk holds the remains of a failed operation before the last operation. The last
// operation then wrote nothing and spent no consent.
func (r Record) leftByEarlier(disk DiskID) bool {
	if r.Last == nil || r.Last.HasBegun() {
		return false
	}
	last := r.Last.Root()
	return strings.HasPrefix(last.Content, contentFailed) && last.Disk.IsSameDisk(disk) &&
		!slices.Contains(r.Spent, last.Consent)
}

// EraseConsent is the string that permits one operation: <disk label>/<16 hex>. The digest is SHA-256 over a domain,
// the machine's id, the disk, the content of the disk and the inputs of the new system, each behind its length (8
// bytes, big endian), cut to 8 bytes. The form does not change between versions, because fleets hold such strings.
func EraseConsent(id MachineID, disk DiskID, content, target string) string {
	return disk.Label() + "/" + Digest("ingot consent v1", string(id), disk.Label(), content, target)
}

// Digest is digest.Texts.
func Digest(parts ...string) string { return digest.Texts(parts...) }
