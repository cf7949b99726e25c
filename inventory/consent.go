package inventory

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
)

// Contents of a disk, as a consent names the content.
const (
	ContentBlank   = "blank"
	ContentUnseen  = "unseen"
	contentInstall = "install:"
	contentOther   = "content:"
	contentFailed  = "failed:" // an operation that was given up left the content
)

// ContentOf names the content of a disk for a consent: the remains of a failed operation, ingot's own install, the
// content that an agent saw, or ContentUnseen. "" is unreadable content, which no consent can name.
func ContentOf(record Record, disk DiskID, seen *Content) string {
	switch {
	case record.Last != nil && record.Last.Outcome == Quarantined && record.Last.HasBegun() &&
		record.Last.Root().Disk.IsSameDisk(disk):
		return contentFailed + record.Last.ID
	case record.Installed == nil && record.leftByEarlier(disk):
		return record.Last.Root().Content
	case record.Installed != nil && record.Installed.Disk.IsSameDisk(disk):
		return contentInstall + record.Installed.ID
	case seen == nil:
		return ContentUnseen
	case seen.Blank:
		return ContentBlank
	case seen.Signature != "":
		return contentOther + seen.Signature
	default:
		return "" // unreadable: no consent can name the content
	}
}

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

// Digest is 16 hex digits over length-prefixed parts.
func Digest(parts ...string) string {
	hash := sha256.New()
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		hash.Write(length[:])
		hash.Write([]byte(part))
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}
