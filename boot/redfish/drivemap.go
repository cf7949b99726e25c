package redfish

import (
	"maps"
	"slices"

	"github.com/gitmetal/ingot/boot/redfish/conn"
)

// knownDrives gives what is known of the drives, and looks them up where nothing is known or the firmware has changed.
func (c *Client) knownDrives(w conn.Call) (driveMap, error) {
	c.mu.Lock()
	known := c.drives
	known.noCD, known.names, known.usable = maps.Clone(known.noCD), maps.Clone(known.names), maps.Clone(known.usable)
	c.mu.Unlock()
	if len(known.paths) > 0 && c.isCurrent(w, known) {
		return known, nil
	}
	found, err := c.findDrives(w)
	if err != nil {
		return driveMap{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known.manager == found.manager && known.firmware != found.firmware { // drives that only moved are no other firmware
		c.forgetHabits()
	}
	c.drives = found
	return found, nil
}

// isCurrent reports whether what was learned is of the firmware that the BMC runs. A BMC whose firmware was changed was
// restarted, and a restart ends sessions: the firmware is read again in another session, and from time to time where
// there are no sessions.
func (c *Client) isCurrent(w conn.Call, known driveMap) bool {
	session, now := c.conn.Session(), c.conn.Now()
	same := session == known.session && (session != "" || now.Sub(known.checked) < firmwareCheck)
	if same || known.manager == "" {
		return true
	}
	manager, have := c.takeManager(known.manager)
	if !have {
		read, err := conn.Get[managerDocument](w, known.manager)
		if err != nil {
			return true // the reading of the drives meets the same trouble and reports it
		}
		manager = *read.Doc
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drives.session, c.drives.checked = c.conn.Session(), now
	return manager.FirmwareVersion == known.firmware
}

// findDrives looks up the virtual drives under the System (iDRAC from 6.00, OpenBMC) and under its managers. A manager
// that cannot be read is left out if another place lists drives.
func (c *Client) findDrives(w conn.Call) (driveMap, error) {
	system, err := c.recentSystem(w)
	if err != nil {
		return driveMap{}, err
	}
	managers, err := c.listManagers(w, system)
	if err != nil {
		return driveMap{}, err
	}
	found := driveMap{checked: c.conn.Now()}
	collections := []string{system.media}
	var broken error
	for _, path := range managers {
		manager, err := c.recentManager(w, path, system.vendor)
		if conn.IsPart(err) {
			broken = err
			continue
		}
		if err != nil {
			return driveMap{}, err
		}
		if found.manager == "" {
			found.manager, found.firmware = path, manager.FirmwareVersion
		}
		collections = append(collections, manager.VirtualMedia.ID)
	}
	for _, link := range collections {
		if link == "" {
			continue
		}
		at, err := w.ResolveLink(link)
		if err != nil {
			return driveMap{}, err
		}
		drives, err := w.ListMembers(at)
		if conn.IsPart(err) { // a list that cannot be read: other lists may have the drives
			broken = err
			continue
		}
		if err != nil {
			return driveMap{}, err
		}
		found.paths = append(found.paths, drives...)
	}
	if len(found.paths) == 0 && broken != nil {
		return driveMap{}, broken
	}
	slices.Sort(found.paths)
	found.paths = slices.Compact(found.paths)
	found.paths = found.paths[:min(len(found.paths), conn.MaxMembers)]
	found.session = c.conn.Session()
	return found, nil
}

// listManagers gives the System's managers, or all managers if the System names none.
func (c *Client) listManagers(w conn.Call, system computer) ([]string, error) {
	if len(system.managers) == 0 {
		root, err := w.ReadRoot()
		if err != nil || root.Managers == "" {
			return nil, err
		}
		return w.ListMembers(root.Managers)
	}
	var paths []string
	for _, link := range system.managers[:min(len(system.managers), conn.MaxMembers)] {
		at, err := w.ResolveLink(link)
		if err != nil {
			return nil, err
		}
		paths = append(paths, at)
	}
	return paths, nil
}
