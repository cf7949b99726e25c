package redfish

import (
	"maps"
	"path"
	"slices"
)

// Profile is what was learned of a BMC with its firmware, as data. A Profile saves requests, and no decision rests on a
// profile: a BMC with another firmware is learned anew. The zero Profile knows nothing.
type Profile struct {
	// Manager is the path of the manager whose Firmware counts. Without a manager nothing is kept of the drives.
	Manager  string `json:"manager,omitempty"`
	Firmware string `json:"firmware,omitempty"`

	// Drives are all virtual drives, by path; NoCD those that take no CD, and SecondNames the first name of a drive by its
	// second name. Only the others are read.
	Drives      []string          `json:"drives,omitempty"`
	NoCD        []string          `json:"noCD,omitempty"`
	SecondNames map[string]string `json:"secondNames,omitempty"`
	// HTTPSOnly says that media over HTTP were refused, and InsertNeeds which parameters the BMC wants with a medium.
	HTTPSOnly   bool     `json:"httpsOnly,omitempty"`
	InsertNeeds []string `json:"insertNeeds,omitempty"`

	// OnceOnly says that an override that stays was refused, and WholeOverride that each change wants the mode.
	OnceOnly      bool `json:"onceOnly,omitempty"`
	WholeOverride bool `json:"wholeOverride,omitempty"`
	// Settings is the settings object that only an error names. WriteAt takes overrides, and ReadAt shows them; empty: the
	// System.
	Settings string `json:"settings,omitempty"`
	WriteAt  string `json:"writeAt,omitempty"`
	ReadAt   string `json:"readAt,omitempty"`
}

// Profile gives what was learned so far.
func (c *Client) Profile() Profile {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := Profile{Manager: c.drives.manager, Firmware: c.drives.firmware,
		HTTPSOnly: c.drives.httpsOnly, InsertNeeds: slices.Clone(c.insertNeeds),
		OnceOnly: c.override.onceOnly, WholeOverride: c.override.whole, Settings: c.override.settings,
		WriteAt: c.override.writeAt, ReadAt: c.override.readAt}
	if p.Manager == "" {
		return p
	}
	p.Drives, p.SecondNames = slices.Clone(c.drives.paths), maps.Clone(c.drives.names)
	for at, d := range c.drives.noCD {
		if d.retry.IsZero() { // a broken drive is asked for again
			p.NoCD = append(p.NoCD, at)
		}
	}
	slices.Sort(p.NoCD)
	return p
}

// UseProfile begins with what an earlier Client of the same BMC learned. Call UseProfile right after Open. The firmware
// is compared before the drives are read.
func (c *Client) UseProfile(p Profile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.insertNeeds = slices.Clone(p.InsertNeeds)
	c.override = overrideHabits{onceOnly: p.OnceOnly, whole: p.WholeOverride, settings: p.Settings, writeAt: p.WriteAt,
		readAt: p.ReadAt}
	c.drives = driveMap{httpsOnly: p.HTTPSOnly}
	if p.Manager == "" || len(p.Drives) == 0 {
		return
	}
	c.drives.manager, c.drives.firmware, c.drives.paths = p.Manager, p.Firmware, slices.Clone(p.Drives)
	c.drives.noCD, c.drives.names, c.drives.usable = map[string]drive{}, map[string]string{}, map[string]bool{}
	maps.Copy(c.drives.names, p.SecondNames)
	for _, at := range p.NoCD {
		c.drives.noCD[at] = drive{Slot: Slot{Path: at, ID: path.Base(at)}}
	}
}

// forgetHabits drops what was learned of an earlier firmware. The caller holds c.mu.
func (c *Client) forgetHabits() {
	c.insertNeeds, c.override = nil, overrideHabits{}
}
