package redfish

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/boot/redfish/conn"
)

// Slot is a virtual drive.
type Slot struct {
	Path     string   `json:"path"`
	ID       string   `json:"id"`
	Types    []string `json:"types,omitempty"` // CD, DVD, USBStick, Floppy
	Inserted bool     `json:"inserted"`
	Image    string   `json:"image,omitempty"` // URL as the BMC shows it
	// Usable says that the drive takes a CD image by URL, by action or by PATCH.
	Usable bool `json:"usable"`
}

// drive is a Slot with gofish's document.
type drive struct {
	conn.Resource[schemas.VirtualMedia]
	Slot
}

// Media reads the virtual drives, in the BMC's order, under the System and under its managers.
func (c *Client) Media(ctx context.Context) ([]Slot, error) {
	drives, err := c.readDrives(c.conn.Call(ctx, "read the virtual media"))
	if err != nil {
		return nil, err
	}
	slots := make([]Slot, 0, len(drives))
	for _, d := range drives {
		slots = append(slots, d.Slot)
	}
	return slots, nil
}

// readDrives reads every virtual drive. The paths are looked up once.
func (c *Client) readDrives(w conn.Call) ([]drive, error) {
	c.mu.Lock()
	paths := c.slots
	c.mu.Unlock()
	if len(paths) == 0 {
		var err error
		if paths, err = c.findSlots(w); err != nil {
			return nil, err
		}
		c.mu.Lock()
		c.slots = paths
		c.mu.Unlock()
	}
	var found []drive
	for _, path := range paths {
		d, err := c.readDrive(w, path)
		if err != nil {
			if said := conn.AsError(err); said != nil && said.Status == http.StatusNotFound {
				c.mu.Lock()
				c.slots = nil // the drives moved: look the paths up next time
				c.mu.Unlock()
			}
			return nil, err
		}
		found = append(found, d)
	}
	return found, nil
}

// findSlots lists the paths of the virtual drives under the System (iDRAC from 6.00, OpenBMC) and under its managers.
func (c *Client) findSlots(w conn.Call) ([]string, error) {
	system, err := c.readSystem(w)
	if err != nil {
		return nil, err
	}
	var collections []string
	add := func(link string) error {
		if link == "" {
			return nil
		}
		at, err := w.ResolveLink(link)
		if err != nil {
			return err
		}
		collections = append(collections, at)
		return nil
	}
	if err := add(system.media); err != nil {
		return nil, err
	}
	managers, err := c.listManagers(w, system)
	if err != nil {
		return nil, err
	}
	for _, path := range managers {
		manager, err := conn.Get[struct{ VirtualMedia conn.Link }](w, path)
		if err != nil {
			return nil, err
		}
		if err := add(manager.Doc.VirtualMedia.ID); err != nil {
			return nil, err
		}
	}
	var paths []string
	for _, at := range collections {
		slots, err := w.ListMembers(at)
		if err != nil {
			return nil, err
		}
		paths = append(paths, slots...)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	return paths[:min(len(paths), conn.MaxMembers)], nil
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

func (c *Client) readDrive(w conn.Call, path string) (drive, error) {
	got, err := conn.Get[schemas.VirtualMedia](w, path)
	if err != nil {
		return drive{}, err
	}
	got.Doc.SetClient(w)
	got.Doc.DisableEtagMatch(true)
	d := drive{Resource: got, Slot: Slot{Path: path, ID: got.Doc.ID, Image: got.Doc.Image}}
	for _, kind := range got.Doc.MediaTypes {
		d.Types = append(d.Types, string(kind))
	}
	// Some BMCs show Inserted without an image, some an image without Inserted: in both cases the drive is not empty.
	d.Inserted = got.Doc.Image != "" || got.Doc.Inserted != nil && *got.Doc.Inserted
	d.Usable = takesCD(d.Types)
	return d, nil
}

// takesCD: CD, or DVD where there is no CD (Cisco UCS); a drive without types is worth a try.
func takesCD(types []string) bool {
	return len(types) == 0 || slices.Contains(types, "CD") || slices.Contains(types, "DVD")
}

// Insert puts the medium at an http or https URL into a virtual CD and returns the drive as read back. Older media in
// the drive are ejected first; if a drive already has the URL, nothing is sent.
func (c *Client) Insert(ctx context.Context, medium string) (Slot, error) {
	w := c.conn.Call(ctx, "insert the medium")
	if at, err := url.Parse(medium); err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return Slot{}, w.ProtocolError(errors.New("the medium's address is no http or https URL"))
	}
	drives, err := c.readDrives(w)
	if err != nil {
		return Slot{}, err
	}
	for _, d := range drives {
		if d.Inserted && d.Image == medium {
			return d.Slot, nil
		}
	}
	return c.insertSomewhere(w, drives, medium)
}

// insertSomewhere tries the usable drives in turn: some look usable and refuse (Cisco vKVM, Lenovo RDOC).
func (c *Client) insertSomewhere(w conn.Call, drives []drive, medium string) (Slot, error) {
	var last error
	for _, d := range drives {
		if !d.Usable {
			continue
		}
		if err := c.emptyDrive(w, d); err != nil {
			return Slot{}, err
		}
		err := c.insertInto(w, d, medium)
		if err == nil {
			return c.verifyInserted(w, d.Path)
		}
		said := conn.AsError(err)
		if said == nil || said.Temporary || said.Status != http.StatusBadRequest &&
			said.Status != http.StatusMethodNotAllowed && said.Status != http.StatusNotFound {
			return Slot{}, err
		}
		last = err
	}
	if last == nil {
		return Slot{}, w.RefusedError("it has no virtual drive that takes a CD",
			"virtual media may need a licence or must be enabled at the BMC; see `ingot bmc check`")
	}
	return Slot{}, last
}

// verifyInserted checks by a fresh read that the drive is not empty. The URL is not compared, because BMCs rewrite it.
func (c *Client) verifyInserted(w conn.Call, path string) (Slot, error) {
	after, err := c.readDrive(w, path)
	if err != nil {
		return Slot{}, err
	}
	if !after.Inserted {
		return Slot{}, w.TemporaryError("it accepted the medium but its drive is empty",
			"it is tried again; check that the BMC can reach the daemon's media address")
	}
	return after.Slot, nil
}

// insertInto inserts into a drive. A parameter that the BMC's error names is added before the next try.
func (c *Client) insertInto(w conn.Call, d drive, medium string) error {
	if !d.Doc.SupportsMediaInsert { // Lenovo XCC: no action, PATCH
		return patchResource(w, d.Path, d.ETag,
			map[string]any{"Image": medium, "Inserted": true, "WriteProtected": true})
	}
	c.mu.Lock()
	needs := slices.Clone(c.insertNeeds)
	c.mu.Unlock()
	for {
		task, err := d.Doc.InsertMedia(insertParameters(medium, needs))
		if err == nil {
			c.mu.Lock()
			c.insertNeeds = needs
			c.mu.Unlock()
			return w.FollowTask(task)
		}
		said := conn.AsError(err)
		if said == nil {
			return w.ProtocolError(err)
		}
		missing := missingParameter(said, needs)
		if missing == "" {
			return said
		}
		needs = append(needs, missing)
	}
}

// optionalParameters are the parameters of InsertMedia that some BMC requires, longest names first: a name may be part
// of a longer name.
var optionalParameters = []string{"TransferProtocolType", "TransferMethod", "WriteProtected", "MediaType", "Inserted",
	"UserName", "Password"}

func missingParameter(said *Error, have []string) string {
	if said.Status != http.StatusBadRequest && said.Status != http.StatusUnprocessableEntity {
		return ""
	}
	for _, name := range optionalParameters {
		if said.NamesProperty(name) && !slices.Contains(have, name) {
			return name
		}
	}
	return ""
}

// insertParameters gives the URL and the parameters that this BMC asked for (Supermicro refuses defaults that are
// sent).
func insertParameters(medium string, needs []string) *schemas.VirtualMediaInsertMediaParameters {
	yes, none := true, "none"
	stream, protocol := schemas.StreamTransferMethod, schemas.HTTPTransferProtocolType
	if strings.HasPrefix(medium, "https:") {
		protocol = schemas.HTTPSTransferProtocolType
	}
	p := &schemas.VirtualMediaInsertMediaParameters{Image: medium}
	for _, need := range needs {
		switch need {
		case "TransferProtocolType":
			p.TransferProtocolType = &protocol
		case "TransferMethod":
			p.TransferMethod = &stream
		case "WriteProtected":
			p.WriteProtected = &yes
		case "MediaType":
			p.MediaType = schemas.CDVirtualMediaType
		case "Inserted":
			p.Inserted = &yes
		case "UserName":
			p.UserName = &none
		case "Password":
			p.Password = &none
		}
	}
	return p
}

// Eject empties every virtual CD. For empty drives nothing is sent; a drive that still shows a medium afterwards is a
// temporary error. The caller makes sure that no machine runs from the medium.
func (c *Client) Eject(ctx context.Context) error {
	w := c.conn.Call(ctx, "eject the medium")
	drives, err := c.readDrives(w)
	if err != nil {
		return err
	}
	for _, d := range drives {
		if d.Usable {
			if err := c.emptyDrive(w, d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Client) emptyDrive(w conn.Call, d drive) error {
	if !d.Inserted {
		return nil
	}
	refused := c.ejectDrive(w, d)
	if said := conn.AsError(refused); refused != nil && (said == nil || said.Status == 0) {
		return refused // the request did not reach the drive
	}
	after, err := c.readDrive(w, d.Path)
	switch {
	case err != nil:
		return err
	case !after.Inserted: // ejected, or a second view of an emptied drive
		return nil
	case refused != nil:
		return refused
	}
	return w.TemporaryError("it accepted the eject but the drive still shows a medium", "it is looked at again")
}

func (c *Client) ejectDrive(w conn.Call, d drive) error {
	if !d.Doc.SupportsMediaEject {
		return patchResource(w, d.Path, d.ETag, map[string]any{"Image": nil, "Inserted": false})
	}
	task, err := d.Doc.EjectMedia() // sends {}: HPE refuses an empty body
	if err != nil {
		if conn.AsError(err) == nil {
			return w.ProtocolError(err)
		}
		return err
	}
	return w.FollowTask(task)
}
