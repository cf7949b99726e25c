package review

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
)

// Unsigned is a tag that a second person must sign before its release erases what the change asks for.
type Unsigned struct {
	Tag      string   `json:"tag"`
	Disks    int      `json:"disks"`    // that it erases
	Commands []string `json:"commands"` // with which somebody else than its signer signs it too
}

// Unsigned gives the tags that lack a signature, by name. Who signed what cannot be seen in a clone without keys: it is as the daemon said.
func (r Review) Unsigned() []Unsigned {
	disks := map[string]int{}
	for _, h := range r.Hosts {
		if h.Unsigned != "" {
			disks[h.Unsigned]++
		}
	}
	all := []Unsigned{}
	for _, tag := range slices.Sorted(maps.Keys(disks)) {
		all = append(all, Unsigned{Tag: tag, Disks: disks[tag], Commands: append([]string{}, inventory.Countersign(tag)...)})
	}
	return all
}

// sentence says what is missing, before the commands.
func (u Unsigned) sentence() string {
	disks := fmt.Sprintf("%d disks", u.Disks)
	if u.Disks == 1 {
		disks = "1 disk"
	}
	if len(u.Commands) == 0 {
		return fmt.Sprintf("This release erases %s: two must sign the tag %s. A shell does not take that name as it is: tag the commit under another one.", disks, u.Tag)
	}
	return fmt.Sprintf("This release erases %s: two must sign the tag %s. Once one has, somebody else runs:", disks, u.Tag)
}
