// Package hardware reads a machine's parts as its BMC lists them: Read, with one request per part. A part that cannot
// be read is left out and named; a part with a value that cannot be is kept without the value. For machines that are
// not booted: the agent in the ramdisk knows more. Do not decide anything by these parts.
package hardware

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
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
	// Unread are parts that the BMC lists and refuses to show, or shows with a value that cannot be: path and reason.
	Unread []string `json:"unread,omitempty"`
}

// NIC is a host interface.
type NIC struct {
	ID  string `json:"id"`
	MAC string `json:"mac"` // lower case, with colons; empty if the BMC gives none of 6 octets
}

// Disk is a drive.
type Disk struct {
	ID     string `json:"id"`
	Serial string `json:"serial,omitempty"`
	Model  string `json:"model,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
}

// Read reads the parts of a machine, whose ComputerSystem is given as its BMC wrote it. A part that the BMC refuses to
// show is left out and named in Unread; the rest is read.
func Read(w conn.Call, system []byte) (Hardware, error) {
	var links struct{ EthernetInterfaces, Storage, SecureBoot conn.Link }
	_ = json.Unmarshal(system, &links) // members of another shape count as absent
	var found Hardware
	if err := found.addNICs(w, links.EthernetInterfaces.ID); err != nil {
		return Hardware{}, err
	}
	if err := found.addDisks(w, links.Storage.ID); err != nil {
		return Hardware{}, err
	}
	secure, err := getOptional(w, links.SecureBoot.ID, conn.Get[schemas.SecureBoot])
	if found.skip(links.SecureBoot.ID, err) {
		return found, nil
	}
	if err == nil && secure.Doc != nil {
		found.SecureBoot = string(secure.Doc.SecureBootCurrentBoot)
	}
	return found, err
}

// skip records a part that the BMC answered for, but did not show, and reports whether there was one. A BMC that does
// not answer, or that refuses the credentials, is no matter of one part.
func (h *Hardware) skip(path string, err error) bool {
	said := conn.AsError(err)
	if !conn.IsPart(err) {
		return false
	}
	h.Unread = append(h.Unread, strings.TrimSpace(fmt.Sprintf("%s: %s", path, cmp.Or(said.Detail, said.MessageID,
		http.StatusText(said.Status)))))
	return true
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

// addNICs reads the host's interfaces.
func (h *Hardware) addNICs(w conn.Call, link string) error {
	paths, err := getOptional(w, link, conn.Call.ListMembers)
	if h.skip(link, err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, path := range paths {
		card, err := getOptional(w, path, conn.Get[schemas.EthernetInterface])
		if h.skip(path, err) {
			continue
		}
		if err != nil {
			return err
		}
		if card.Doc == nil {
			continue
		}
		mac, err := parseMAC(card.Doc.MACAddress)
		if err != nil {
			h.Unread = append(h.Unread, path+": "+err.Error())
		}
		h.NICs = append(h.NICs, NIC{ID: card.Doc.ID, MAC: mac})
	}
	return nil
}

// parseMAC gives a MAC address in lower case with colons. An InfiniBand address of 20 octets, and a text that is no
// address, are errors; an empty text is none.
func parseMAC(said string) (string, error) {
	if strings.TrimSpace(said) == "" {
		return "", nil
	}
	address, err := net.ParseMAC(strings.TrimSpace(said))
	if err != nil || len(address) != 6 {
		return "", fmt.Errorf("the MAC address %.80q is none of 6 octets", said)
	}
	return address.String(), nil
}

// addDisks reads the drives of every storage controller.
func (h *Hardware) addDisks(w conn.Call, link string) error {
	controllers, err := getOptional(w, link, conn.Call.ListMembers)
	if h.skip(link, err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, at := range controllers {
		controller, err := getOptional(w, at, conn.Get[struct{ Drives []conn.Link }])
		if h.skip(at, err) {
			continue
		}
		if err != nil {
			return err
		}
		if controller.Doc == nil {
			continue
		}
		for _, link := range controller.Doc.Drives[:min(len(controller.Doc.Drives), conn.MaxMembers)] {
			disk, err := getOptional(w, link.ID, conn.Get[schemas.Drive])
			if h.skip(link.ID, err) {
				continue
			}
			if err != nil {
				return err
			}
			if disk.Doc != nil {
				h.Disks = append(h.Disks, convertDisk(disk.Doc))
			}
		}
	}
	return nil
}

func convertDisk(d *schemas.Drive) Disk {
	disk := Disk{ID: d.ID, Serial: strings.TrimSpace(d.SerialNumber), Model: d.Model}
	if d.CapacityBytes != nil {
		disk.Bytes = int64(*d.CapacityBytes)
	}
	return disk
}
