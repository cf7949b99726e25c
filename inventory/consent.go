package inventory

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
)

// What may be on a disk, as a consent names it.
const (
	ContentBlank   = "blank"
	ContentUnseen  = "unseen"
	contentInstall = "install:"
	contentOther   = "content:"
	contentFailed  = "failed:" // an operation that was given up left it so
)

// ContentOf names what is on a disk: our own install, what an agent saw, or that nobody has looked.
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
		return "" // unreadable: no consent can name it
	}
}

// leftByEarlier reports whether a disk holds what a failed operation left that was before the last one, which came to no write and spent no consent.
func (r Record) leftByEarlier(disk DiskID) bool {
	if r.Last == nil || r.Last.HasBegun() {
		return false
	}
	last := r.Last.Root()
	return strings.HasPrefix(last.Content, contentFailed) && last.Disk.IsSameDisk(disk) &&
		!slices.Contains(r.Spent, last.Consent)
}

// EraseConsent is the string that permits one operation: <disk label>/<16 hex>. The digest is SHA-256 over a domain and the machine's id, the
// disk, what is on it and the inputs that replace it, each behind its length (8 bytes, big endian), cut to 8 bytes.
// It does not change between versions: a fleet holds such strings.
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
