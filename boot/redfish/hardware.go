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

// Hardware is what the BMC lists of the machine's parts; parts that the BMC does not list are absent. Hardware is for
// machines that are not booted: the agent in the ramdisk knows more.
type Hardware struct {
	NICs       []NIC  `json:"nics,omitempty"`
	Disks      []Disk `json:"disks,omitempty"`
	SecureBoot string `json:"secureBoot,omitempty"` // Enabled, Disabled; "" when the BMC does not say
}

// NIC is a host interface.
type NIC struct {
	ID  string `json:"id"`
	MAC string `json:"mac"` // lower case, with colons
}

// Disk is a drive.
type Disk struct {
	ID     string `json:"id"`
	Serial string `json:"serial,omitempty"`
	Model  string `json:"model,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
}

// Inventory reads the machine's parts as the BMC lists them, with a request per part.
func (c *Client) Inventory(ctx context.Context) (Hardware, error) {
	w := c.conn.Call(ctx, "read the hardware")
	system, err := c.readSystem(w)
	if err != nil {
		return Hardware{}, err
	}
	var links struct{ EthernetInterfaces, Storage, SecureBoot conn.Link }
	_ = json.Unmarshal(system.Raw, &links) // members of another shape count as absent
	var found Hardware
	if found.NICs, err = listNICs(w, links.EthernetInterfaces.ID); err != nil {
		return Hardware{}, err
	}
	if found.Disks, err = listDisks(w, links.Storage.ID); err != nil {
		return Hardware{}, err
	}
	secure, err := getOptional(w, links.SecureBoot.ID, conn.Get[schemas.SecureBoot])
	if err == nil && secure.Doc != nil {
		found.SecureBoot = string(secure.Doc.SecureBootCurrentBoot)
	}
	return found, err
}

// getOptional reads a resource that a BMC may not have: no link and 404 give the zero value.
func getOptional[T any](w conn.Call, link string, read func(conn.Call, string) (T, error)) (T, error) {
	var none T
	if link == "" {
		return none, nil
	}
	path, err := w.ResolveLink(link)
	if err != nil {
		return none, err
	}
	got, err := read(w, path)
	if said := conn.AsError(err); said != nil && said.Status == http.StatusNotFound {
		return none, nil
	}
	return got, err
}

func listNICs(w conn.Call, link string) ([]NIC, error) {
	paths, err := getOptional(w, link, conn.Call.ListMembers)
	if err != nil {
		return nil, err
	}
	var found []NIC
	for _, path := range paths {
		card, err := getOptional(w, path, conn.Get[schemas.EthernetInterface])
		if err != nil {
			return nil, err
		}
		if card.Doc != nil && card.Doc.MACAddress != "" {
			found = append(found,
				NIC{ID: card.Doc.ID, MAC: strings.ToLower(strings.ReplaceAll(card.Doc.MACAddress, "-", ":"))})
		}
	}
	return found, nil
}

func listDisks(w conn.Call, link string) ([]Disk, error) {
	controllers, err := getOptional(w, link, conn.Call.ListMembers)
	if err != nil {
		return nil, err
	}
	var found []Disk
	for _, at := range controllers {
		controller, err := getOptional(w, at, conn.Get[struct{ Drives []conn.Link }])
		if err != nil {
			return nil, err
		}
		if controller.Doc == nil {
			continue
		}
		for _, link := range controller.Doc.Drives[:min(len(controller.Doc.Drives), conn.MaxMembers)] {
			disk, err := getOptional(w, link.ID, conn.Get[schemas.Drive])
			if err != nil {
				return nil, err
			}
			if disk.Doc != nil {
				found = append(found, convertDisk(disk.Doc))
			}
		}
	}
	return slices.Clip(found), nil
}

func convertDisk(d *schemas.Drive) Disk {
	disk := Disk{ID: d.ID, Serial: strings.TrimSpace(d.SerialNumber), Model: d.Model}
	if d.CapacityBytes != nil {
		disk.Bytes = int64(*d.CapacityBytes)
	}
	return disk
}
