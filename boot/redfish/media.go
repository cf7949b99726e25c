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

// Slot is one virtual drive.
type Slot struct {
	Path     string   `json:"path"`
	ID       string   `json:"id"`
	Types    []string `json:"types,omitempty"` // CD, DVD, USBStick, Floppy
	Inserted bool     `json:"inserted"`
	Image    string   `json:"image,omitempty"` // URL as the BMC shows it
	// Usable says that it takes a CD image by URL, by action or by PATCH.
	Usable bool `json:"usable"`
}

// drive is a Slot with gofish's view of it.
type drive struct {
	conn.Resource[schemas.VirtualMedia]
	Slot
}

// Media reads the virtual drives, wherever the BMC lists them, in its own order.
func (c *Client) Media(ctx context.Context) ([]Slot, error) {
	drives, err := c.drives(c.conn.Call(ctx, "read the virtual media"))
	if err != nil {
		return nil, err
	}
	slots := make([]Slot, 0, len(drives))
	for _, d := range drives {
		slots = append(slots, d.Slot)
	}
	return slots, nil
}

// drives reads every virtual drive. Their paths are looked up once.
func (c *Client) drives(w conn.Call) ([]drive, error) {
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
		d, err := c.drive(w, path)
		if err != nil {
			if said := conn.As(err); said != nil && said.Status == http.StatusNotFound {
				c.mu.Lock()
				c.slots = nil // they moved: look them up next time
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
		at, err := w.Resolve(link)
		if err != nil {
			return err
		}
		collections = append(collections, at)
		return nil
	}
	if err := add(system.media); err != nil {
		return nil, err
	}
	managers, err := c.managers(w, system)
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
		slots, err := w.Members(at)
		if err != nil {
			return nil, err
		}
		paths = append(paths, slots...)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	return paths[:min(len(paths), conn.MaxMembers)], nil
}

// managers are those the System names, or all when it names none.
func (c *Client) managers(w conn.Call, system computer) ([]string, error) {
	if len(system.managers) == 0 {
		root, err := w.Root()
		if err != nil || root.Managers == "" {
			return nil, err
		}
		return w.Members(root.Managers)
	}
	var paths []string
	for _, link := range system.managers[:min(len(system.managers), conn.MaxMembers)] {
		at, err := w.Resolve(link)
		if err != nil {
			return nil, err
		}
		paths = append(paths, at)
	}
	return paths, nil
}

func (c *Client) drive(w conn.Call, path string) (drive, error) {
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
	// Some show Inserted without an image, some an image without Inserted: both mean that the drive is not empty.
	d.Inserted = got.Doc.Image != "" || got.Doc.Inserted != nil && *got.Doc.Inserted
	d.Usable = takesCD(d.Types)
	return d, nil
}

// takesCD: CD, or DVD where there is nothing else (Cisco UCS); a slot that does not say is worth a try.
func takesCD(types []string) bool {
	return len(types) == 0 || slices.Contains(types, "CD") || slices.Contains(types, "DVD")
}

// Insert puts the medium at an http or https URL into a virtual CD and returns the drive as it then shows itself. Media that
// are already in that drive are ejected first; if the very URL is in a drive, nothing is sent.
func (c *Client) Insert(ctx context.Context, medium string) (Slot, error) {
	w := c.conn.Call(ctx, "insert the medium")
	if at, err := url.Parse(medium); err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return Slot{}, w.Protocol(errors.New("the medium's address is no http or https URL"))
	}
	drives, err := c.drives(w)
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
		if err := c.empty(w, d); err != nil {
			return Slot{}, err
		}
		err := c.insertInto(w, d, medium)
		if err == nil {
			return c.verifyInserted(w, d.Path)
		}
		said := conn.As(err)
		if said == nil || said.Temporary || said.Status != http.StatusBadRequest && said.Status != http.StatusMethodNotAllowed && said.Status != http.StatusNotFound {
			return Slot{}, err
		}
		last = err
	}
	if last == nil {
		return Slot{}, w.Refused("it has no virtual drive that takes a CD",
			"virtual media may need a licence or must be enabled at the BMC; see `ingot bmc check`")
	}
	return Slot{}, last
}

// verifyInserted checks by a fresh read that a medium is there. BMCs rewrite the URL they show, so that is not compared.
func (c *Client) verifyInserted(w conn.Call, path string) (Slot, error) {
	after, err := c.drive(w, path)
	if err != nil {
		return Slot{}, err
	}
	if !after.Inserted {
		return Slot{}, w.NotYet("it accepted the medium but its drive is empty",
			"it is tried again; check that the BMC can reach the daemon's media address")
	}
	return after.Slot, nil
}

// insertInto inserts into one drive. When the BMC names a parameter it misses, that is added, one more each time.
func (c *Client) insertInto(w conn.Call, d drive, medium string) error {
	if !d.Doc.SupportsMediaInsert { // Lenovo XCC: no action, PATCH
		return patch(w, d.Path, d.ETag, map[string]any{"Image": medium, "Inserted": true, "WriteProtected": true})
	}
	c.mu.Lock()
	needs := slices.Clone(c.insertNeeds)
	c.mu.Unlock()
	for {
		task, err := d.Doc.InsertMedia(parameters(medium, needs))
		if err == nil {
			c.mu.Lock()
			c.insertNeeds = needs
			c.mu.Unlock()
			return w.Follow(task)
		}
		said := conn.As(err)
		if said == nil {
			return w.Protocol(err)
		}
		missing := missingParameter(said, needs)
		if missing == "" {
			return said
		}
		needs = append(needs, missing)
	}
}

// optional are the parameters of InsertMedia that some BMC requires, longest names first: one may be part of another.
var optional = []string{"TransferProtocolType", "TransferMethod", "WriteProtected", "MediaType", "Inserted", "UserName", "Password"}

func missingParameter(said *Error, have []string) string {
	if said.Status != http.StatusBadRequest && said.Status != http.StatusUnprocessableEntity {
		return ""
	}
	for _, name := range optional {
		if said.Names(name) && !slices.Contains(have, name) {
			return name
		}
	}
	return ""
}

// parameters of InsertMedia: the URL, and of the others only what this BMC asked for (Supermicro refuses defaults that are sent).
func parameters(medium string, needs []string) *schemas.VirtualMediaInsertMediaParameters {
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

// Eject empties every virtual CD. Nothing inserted is a success without a request; a drive that still shows a medium
// afterwards is a temporary error. The caller sees to it that no machine runs from the medium.
func (c *Client) Eject(ctx context.Context) error {
	w := c.conn.Call(ctx, "eject the medium")
	drives, err := c.drives(w)
	if err != nil {
		return err
	}
	for _, d := range drives {
		if d.Usable {
			if err := c.empty(w, d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Client) empty(w conn.Call, d drive) error {
	if !d.Inserted {
		return nil
	}
	refused := c.eject(w, d)
	if said := conn.As(refused); refused != nil && (said == nil || said.Status == 0) {
		return refused // it never got there
	}
	after, err := c.drive(w, d.Path)
	switch {
	case err != nil:
		return err
	case !after.Inserted: // gone, or it was another view of a drive already emptied
		return nil
	case refused != nil:
		return refused
	}
	return w.NotYet("it accepted the eject but the drive still shows a medium", "it is looked at again")
}

func (c *Client) eject(w conn.Call, d drive) error {
	if !d.Doc.SupportsMediaEject {
		return patch(w, d.Path, d.ETag, map[string]any{"Image": nil, "Inserted": false})
	}
	task, err := d.Doc.EjectMedia() // sends {}: HPE refuses an empty body
	if err != nil {
		if conn.As(err) == nil {
			return w.Protocol(err)
		}
		return err
	}
	return w.Follow(task)
}
