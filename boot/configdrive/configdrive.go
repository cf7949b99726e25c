// Package configdrive makes the config drive of a machine: what cloud-init, or a script of a user, reads at a start to
// learn the machine's name, network, keys and user data. One drive has both layouts that are common: that of OpenStack
// below openstack/latest, which goes by the label config-2, and that of NoCloud in the root, with network-config v2. A
// run's own values stand in ingot.env, for `. /mnt/ingot.env`.
//
// Fill a Drive, and call ISO for a medium of a CD slot, FAT for another slot, or Files for something else, such as a
// partition at the end of a disk. The same values give the same bytes.
//
// Sources: docs.openstack.org/nova (metadata, vendordata), cloud-init's reference for ConfigDrive, NoCloud and
// networking-config-format-v2.
package configdrive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/boot/fat"
	"github.com/gitmetal/ingot/boot/iso9660"
	"github.com/gitmetal/ingot/schemas"
)

// Labels of a config drive's volume: cloud-init finds the drive by its label, and reads the layout that goes by it.
const (
	Label   = "config-2" // OpenStack's
	NoCloud = "cidata"
)

// MaxFiles is the most bytes of all files of a drive.
const MaxFiles = 32 << 20

// Drive is what a machine is told. Every part may be empty, but for ID and Name.
type Drive struct {
	ID   string // of the machine: uuid of meta_data.json
	Name string // of the host
	// Instance is new for each installation or run: NoCloud's instance-id, by which cloud-init knows that it has not run
	// yet. Default: ID.
	Instance string
	Hostname string   // default: Name
	Keys     []string // public SSH keys, one line each
	Vars     map[string]string
	Network  *schemas.Network // nil for DHCP
	UserData []byte           // as cloud-init reads it
	// VendorData is what cloud-init does besides, whatever the user data says; nil for nothing.
	VendorData []byte
	Volume     string // label of the drive; default Label
	// Env are the variables of ingot.env; nil for no such file. It may hold a token.
	Env map[string]string
	// More are further files by their path on the drive, such as those of a run.
	More map[string][]byte
}

// metaData is meta_data.json.
type metaData struct {
	UUID          string            `json:"uuid"`
	Name          string            `json:"name"`
	Hostname      string            `json:"hostname"`
	LocalHostname string            `json:"local-hostname"`
	PublicKeys    map[string]string `json:"public_keys,omitempty"`
	Vars          map[string]string `json:"vars,omitempty"`
}

// noCloud is meta-data, in JSON, which is YAML.
type noCloud struct {
	InstanceID    string   `json:"instance-id"`
	LocalHostname string   `json:"local-hostname"`
	PublicKeys    []string `json:"public-keys,omitempty"`
}

// Files gives the files of a drive by their paths.
func (d Drive) Files() (map[string][]byte, error) {
	hostname := firstOf(d.Hostname, d.Name)
	keys := map[string]string{}
	for i, key := range d.Keys {
		if strings.ContainsAny(key, "\r\n") {
			return nil, fmt.Errorf("SSH key %d of %s has more than one line", i+1, d.Name)
		}
		keys[strconv.Itoa(i)] = key
	}
	files := map[string][]byte{
		"openstack/latest/meta_data.json": encode(metaData{UUID: d.ID, Name: d.Name, Hostname: hostname,
			LocalHostname: hostname, PublicKeys: keys, Vars: d.Vars}),
		"meta-data": encode(noCloud{InstanceID: firstOf(d.Instance, d.ID), LocalHostname: hostname, PublicKeys: d.Keys}),
		"user-data": d.UserData, // NoCloud wants the file, also an empty one
	}
	if len(d.UserData) > 0 {
		files["openstack/latest/user_data"] = d.UserData
	}
	if len(d.VendorData) > 0 {
		files["vendor-data"] = d.VendorData
		files["openstack/latest/vendor_data.json"] = encode(map[string]string{"cloud-init": string(d.VendorData)})
	}
	if d.Network != nil {
		data, err := networkData(*d.Network)
		if err != nil {
			return nil, err
		}
		files["openstack/latest/network_data.json"] = encode(data)
		files["network-config"] = encode(networkConfig(*d.Network))
	}
	if d.Env != nil {
		env, err := WriteEnv(d.Env)
		if err != nil {
			return nil, err
		}
		files["ingot.env"] = env
	}
	size := 0
	for path, body := range d.More {
		if _, taken := files[path]; taken {
			return nil, fmt.Errorf("the config drive has a file %s of its own: give yours another name", path)
		}
		files[path] = body
	}
	for _, body := range files {
		size += len(body)
	}
	if size > MaxFiles {
		return nil, fmt.Errorf("the files of a config drive have %d bytes, at most %d: fetch large files from a URL", size, MaxFiles)
	}
	return files, nil
}

// ISO is the drive as a CD.
func (d Drive) ISO() (*iso9660.Image, error) {
	files, err := d.Files()
	if err != nil {
		return nil, err
	}
	var list []iso9660.File
	for _, path := range slices.Sorted(maps.Keys(files)) {
		list = append(list, iso9660.File{Path: path, Size: int64(len(files[path])), Content: bytes.NewReader(files[path])})
	}
	return iso9660.New(list, iso9660.Options{Label: firstOf(d.Volume, Label)})
}

// FAT is the drive as the image of a disk without partitions, of a size in bytes; 0 for the smallest that fits.
func (d Drive) FAT(size int) ([]byte, error) {
	files, err := d.Files()
	if err != nil {
		return nil, err
	}
	if size == 0 {
		size = fat.MinSize
		for _, body := range files {
			size += (len(body) + 1<<16) / (1 << 16) * (1 << 16)
		}
	}
	return fat.New(files, firstOf(d.Volume, Label), size)
}

// WriteEnv writes variables for a POSIX shell, sorted by name: one line each.
func WriteEnv(env map[string]string) ([]byte, error) {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !isVariable(name) || strings.ContainsAny(env[name], "\x00\r\n") {
			return nil, fmt.Errorf("the variable %q cannot stand in ingot.env: want a name of A-Z, 0-9 and _, and one line", name)
		}
		fmt.Fprintf(&b, "%s='%s'\n", name, strings.ReplaceAll(env[name], "'", `'\''`))
	}
	return b.Bytes(), nil
}

func isVariable(name string) bool {
	for i, c := range name {
		if c != '_' && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func encode(value any) []byte {
	body, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		panic("configdrive: " + err.Error()) // texts, numbers and maps only
	}
	return append(body, '\n')
}
