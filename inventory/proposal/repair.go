package proposal

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/repair"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// ErrNotRepaired means that the Host file cannot be changed by the daemon: a person must.
var ErrNotRepaired = errors.New("change the Host file by hand")

// RenderRepair makes the proposal of a repair: the Host file with the changed fields, every other byte as it is. The error
// is ErrNotRepaired where the file cannot be changed so.
func RenderRepair(r repair.Repair, trunk Trunk, signed bool) (Proposal, error) {
	host, known := trunk.Fleet.Hosts[r.Host]
	if !known || !r.IsOpen() {
		return Proposal{}, fmt.Errorf("host %s is not repaired: %w", r.Host, ErrNotRepaired)
	}
	edited, err := editHost(trunk.Snapshot.Files[host.File].Data, host, r.Changes)
	if err != nil {
		return Proposal{}, fmt.Errorf("%s: %w: %w", host.File, err, ErrNotRepaired)
	}
	p := Proposal{Path: host.File, Files: map[string][]byte{host.File: edited}, Host: schemas.Host{Metadata: schemas.Metadata{Name: host.Name,
		ID: string(host.ID)}}}
	var lines []string
	for _, c := range r.Changes {
		lines = append(lines, describeChange(c))
	}
	for _, text := range r.Says {
		lines = append(lines, oneLine(text, maxComment))
	}
	if p.Refused = check(p, trunk); len(p.Refused) > 0 {
		for _, f := range p.Refused {
			lines = append(lines, "Doubt: the trunk refuses this file as it is: "+oneLine(f.Field+": "+f.Message, maxComment/2))
		}
	}
	p.Comments = lines
	p.Title = fmt.Sprintf(map[repair.Kind]string{repair.RootDisk: "Repair: %s has another root disk",
		repair.Identity: "Repair: %s has another board or network card", repair.BMC: "Repair: %s has another BMC",
		repair.Address: "%s: the address of its BMC"}[r.Kind], host.Name)
	p.Body = describeRepair(p, r.Kind, signed)
	return p, nil
}

// IsMerged reports whether the trunk has what the proposal of a record asks for: the host, the repaired file, or the Secret.
func IsMerged(r discovery.Record, trunk Trunk) bool {
	switch {
	case r.Repair != nil:
		return isRepaired(*r.Repair, trunk)
	case r.Rotation != nil:
		return string(trunk.Fleet.Secrets[r.Rotation.Secret].Document) == r.Rotation.Document
	}
	_, is := trunk.Fleet.Hosts[r.ID.Machine()]
	return is
}

// isRepaired reports whether a Host file says what a repair would change already.
func isRepaired(r repair.Repair, trunk Trunk) bool {
	host, known := trunk.Fleet.Hosts[r.Host]
	if !known || len(r.Changes) == 0 {
		return false
	}
	identity, fingerprint, address := host.Identity, "", ""
	if host.BMC != nil {
		fingerprint, address = host.BMC.TLS.Fingerprint, host.BMC.Address
	}
	wwn, serial := inventory.NamedDisk(host.RootDisk).Names()
	says := map[string][]string{"spec.identity.serial": {identity.Serial}, "spec.identity.uuid": {identity.UUID}, "spec.identity.macs": identity.MACs,
		"spec.rootDisk.serial": {serial}, "spec.rootDisk.wwn": {wwn}, "spec.bmc.tls.fingerprint": {fingerprint},
		"spec.bmc.address": {address}}
	for _, c := range r.Changes {
		if !slices.EqualFunc(says[c.Field], c.Now, strings.EqualFold) {
			return false
		}
	}
	return true
}

// editHost changes fields of a host's document in a file.
func editHost(data []byte, host inventory.Desired, changes []repair.Change) ([]byte, error) {
	for _, c := range changes {
		document, err := findHost(data, host.Name)
		if err != nil {
			return nil, err
		}
		path := strings.Split(c.Field, ".")
		if c.List {
			data, err = yamltext.SetList(data, document, path, c.Now)
		} else {
			data, err = yamltext.SetValue(data, document, path, c.Now...)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Field, err)
		}
	}
	return data, nil
}

func findHost(data []byte, name string) (*yaml.Node, error) {
	documents, problem := yamltext.ParseDocuments(data, schemas.MaxFile)
	if problem != nil {
		return nil, errors.New(problem.Message)
	}
	for _, document := range documents {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if document.Decode(&head) == nil && head.Kind == schemas.KindHost && head.Metadata.Name == name {
			return document, nil
		}
	}
	return nil, fmt.Errorf("it has no host %s", name)
}

// describeChange is a change in one line.
func describeChange(c repair.Change) string {
	was := c.Was
	if was == "" {
		was = "nothing"
	}
	return oneLine(fmt.Sprintf("%s: %s, was %s", c.Field, strings.Join(c.Now, " "), was), maxComment)
}

// describeRepair is the text of the pull request of a repair.
func describeRepair(p Proposal, kind repair.Kind, signed bool) string {
	why := "the machine came back with another part"
	if kind == repair.Address {
		why = "the machine registered at the discovery door, and the file names no BMC"
	}
	return p.writeRequest("This changes `"+p.Path+"`: "+why+". Nothing is done before the merge.", signed,
		"Close this request, or delete its branch, to decline. It is taken back when the machine is as the file says.")
}
