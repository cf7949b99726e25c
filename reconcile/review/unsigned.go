package review

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Unsigned is a tag that a second person must sign before the tag's release erases a disk.
type Unsigned struct {
	Tag      string   `json:"tag"`
	Disks    int      `json:"disks"`    // number of disks that the release erases
	Commands []string `json:"commands"` // commands by which a second person signs the tag
}

// UnsignedTags gives the tags without a second signature, by name. A clone without keys cannot check signatures: the
// answer is the daemon's.
func (r Review) UnsignedTags() []Unsigned {
	disks := map[string]int{}
	for _, h := range r.Hosts {
		if h.Unsigned != "" {
			disks[h.Unsigned]++
		}
	}
	all := []Unsigned{}
	for _, tag := range slices.Sorted(maps.Keys(disks)) {
		all = append(all,
			Unsigned{Tag: tag, Disks: disks[tag], Commands: append([]string{}, change.Countersign(tag)...)})
	}
	return all
}

// describeMissing says what is missing, before the commands.
func (u Unsigned) describeMissing() string {
	disks := fmt.Sprintf("%d disks", u.Disks)
	if u.Disks == 1 {
		disks = "1 disk"
	}
	if len(u.Commands) == 0 {
		return fmt.Sprintf("This release erases %s: two must sign the tag %s. A shell does not take that name as it "+
			"is: tag the commit under another one.", disks, u.Tag)
	}
	return fmt.Sprintf("This release erases %s: two must sign the tag %s. Once one has, somebody else runs:", disks,
		u.Tag)
}
