package redfish

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/schemas"
)

// Hardware is what the BMC knows of the machine's parts. The agent in the ramdisk knows better; this is for machines that
// are not booted. What the BMC does not list is absent.
type Hardware struct {
	NICs       []NIC  `json:"nics,omitempty"`
	Disks      []Disk `json:"disks,omitempty"`
	SecureBoot string `json:"secureBoot,omitempty"` // Enabled, Disabled; "" when the BMC does not say
}

// NIC is one host interface.
type NIC struct {
	ID  string `json:"id"`
	MAC string `json:"mac"` // lower case, with colons
}

// Disk is one drive.
type Disk struct {
	ID     string `json:"id"`
	Serial string `json:"serial,omitempty"`
	Model  string `json:"model,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
}

// Inventory reads what the BMC lists of the machine's parts. It takes a request per part.
func (c *Client) Inventory(ctx context.Context) (Hardware, error) {
	const doing = "read the hardware"
	system, err := c.readSystem(ctx, doing)
	if err != nil {
		return Hardware{}, err
	}
	var links struct{ EthernetInterfaces, Storage, SecureBoot odataLink }
	_ = json.Unmarshal(system.raw, &links) // what has another shape is taken as absent
	w, found := c.wire(ctx, doing), Hardware{}
	if found.NICs, err = w.nics(links.EthernetInterfaces.ID); err != nil {
		return Hardware{}, err
	}
	if found.Disks, err = w.disks(links.Storage.ID); err != nil {
		return Hardware{}, err
	}
	secure, err := optionally(w, links.SecureBoot.ID, get[schemas.SecureBoot])
	if err == nil && secure.doc != nil {
		found.SecureBoot = string(secure.doc.SecureBootCurrentBoot)
	}
	return found, err
}

// optionally reads a resource that a BMC may not have: no link and 404 give the zero value.
func optionally[T any](w wire, link string, read func(wire, string) (T, error)) (T, error) {
	var none T
	if link == "" {
		return none, nil
	}
	path, err := w.client.resolve(link)
	if err != nil {
		return none, w.client.protocol(w.doing, 0, err)
	}
	got, err := read(w, path)
	if said := as(err); said != nil && said.Status == http.StatusNotFound {
		return none, nil
	}
	return got, err
}

func (w wire) nics(link string) ([]NIC, error) {
	paths, err := optionally(w, link, wire.members)
	if err != nil {
		return nil, err
	}
	var found []NIC
	for _, path := range paths {
		card, err := optionally(w, path, get[schemas.EthernetInterface])
		if err != nil {
			return nil, err
		}
		if card.doc != nil && card.doc.MACAddress != "" {
			found = append(found, NIC{ID: card.doc.ID, MAC: strings.ToLower(strings.ReplaceAll(card.doc.MACAddress, "-", ":"))})
		}
	}
	return found, nil
}

func (w wire) disks(link string) ([]Disk, error) {
	controllers, err := optionally(w, link, wire.members)
	if err != nil {
		return nil, err
	}
	var found []Disk
	for _, at := range controllers {
		controller, err := optionally(w, at, get[struct{ Drives []odataLink }])
		if err != nil {
			return nil, err
		}
		if controller.doc == nil {
			continue
		}
		for _, link := range controller.doc.Drives[:min(len(controller.doc.Drives), maxMembers)] {
			disk, err := optionally(w, link.ID, get[schemas.Drive])
			if err != nil {
				return nil, err
			}
			if disk.doc != nil {
				found = append(found, diskOf(disk.doc))
			}
		}
	}
	return slices.Clip(found), nil
}

func diskOf(d *schemas.Drive) Disk {
	disk := Disk{ID: d.ID, Serial: strings.TrimSpace(d.SerialNumber), Model: d.Model}
	if d.CapacityBytes != nil {
		disk.Bytes = int64(*d.CapacityBytes)
	}
	return disk
}
