package redfish

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/schemas"

	"github.com/gitmetal/ingot/boot/redfish/conn"
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
	w := c.conn.Call(ctx, "read the hardware")
	system, err := c.readSystem(w)
	if err != nil {
		return Hardware{}, err
	}
	var links struct{ EthernetInterfaces, Storage, SecureBoot conn.Link }
	_ = json.Unmarshal(system.Raw, &links) // what has another shape is taken as absent
	var found Hardware
	if found.NICs, err = nics(w, links.EthernetInterfaces.ID); err != nil {
		return Hardware{}, err
	}
	if found.Disks, err = disks(w, links.Storage.ID); err != nil {
		return Hardware{}, err
	}
	secure, err := optionally(w, links.SecureBoot.ID, conn.Get[schemas.SecureBoot])
	if err == nil && secure.Doc != nil {
		found.SecureBoot = string(secure.Doc.SecureBootCurrentBoot)
	}
	return found, err
}

// optionally reads a resource that a BMC may not have: no link and 404 give the zero value.
func optionally[T any](w conn.Call, link string, read func(conn.Call, string) (T, error)) (T, error) {
	var none T
	if link == "" {
		return none, nil
	}
	path, err := w.Resolve(link)
	if err != nil {
		return none, err
	}
	got, err := read(w, path)
	if said := conn.As(err); said != nil && said.Status == http.StatusNotFound {
		return none, nil
	}
	return got, err
}

func nics(w conn.Call, link string) ([]NIC, error) {
	paths, err := optionally(w, link, conn.Call.Members)
	if err != nil {
		return nil, err
	}
	var found []NIC
	for _, path := range paths {
		card, err := optionally(w, path, conn.Get[schemas.EthernetInterface])
		if err != nil {
			return nil, err
		}
		if card.Doc != nil && card.Doc.MACAddress != "" {
			found = append(found, NIC{ID: card.Doc.ID, MAC: strings.ToLower(strings.ReplaceAll(card.Doc.MACAddress, "-", ":"))})
		}
	}
	return found, nil
}

func disks(w conn.Call, link string) ([]Disk, error) {
	controllers, err := optionally(w, link, conn.Call.Members)
	if err != nil {
		return nil, err
	}
	var found []Disk
	for _, at := range controllers {
		controller, err := optionally(w, at, conn.Get[struct{ Drives []conn.Link }])
		if err != nil {
			return nil, err
		}
		if controller.Doc == nil {
			continue
		}
		for _, link := range controller.Doc.Drives[:min(len(controller.Doc.Drives), conn.MaxMembers)] {
			disk, err := optionally(w, link.ID, conn.Get[schemas.Drive])
			if err != nil {
				return nil, err
			}
			if disk.Doc != nil {
				found = append(found, diskOf(disk.Doc))
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
