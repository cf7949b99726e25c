package configdrive

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/schemas"
)

// static is a network without DHCP: a bond, a VLAN over it, and an interface that is found by its MAC address.
var static = schemas.Network{
	Interfaces: []schemas.Interface{
		{Name: "mgmt", Type: "ethernet", MACAddress: "52:54:00:AA:00:01", MTU: 9000,
			IPv4: &schemas.IPConfig{Address: []schemas.IPAddress{{IP: "10.0.0.5", PrefixLength: 24}}},
			IPv6: &schemas.IPConfig{Autoconf: true}},
		{Name: "eno1", Type: "ethernet", MACAddress: "52:54:00:AA:00:02"}, {Name: "eno2", Type: "ethernet"},
		{Name: "bond0", Type: "bond", Bond: &schemas.BondConfig{Mode: "802.3ad", Port: []string{"eno1", "eno2"}, Options: map[string]string{"miimon": "100"}},
			IPv4: &schemas.IPConfig{DHCP: true}},
		{Name: "bond0.7", Type: "vlan", VLAN: &schemas.VLANConfig{BaseIface: "bond0", ID: 7},
			IPv6: &schemas.IPConfig{Address: []schemas.IPAddress{{IP: "2001:db8::5", PrefixLength: 64}}}},
	},
	Routes: &schemas.Routes{Config: []schemas.Route{
		{Destination: "0.0.0.0/0", NextHopAddress: "10.0.0.1", NextHopInterface: "mgmt"},
		{Destination: "::/0", NextHopAddress: "2001:db8::1", NextHopInterface: "bond0.7", Metric: 5},
	}},
	DNSResolver: &schemas.DNS{Config: schemas.DNSConfig{Server: []string{"10.0.0.2"}, Search: []string{"example.com"}}},
}

var full = Drive{ID: "web-2", Name: "www-2", Instance: "r-1", Keys: []string{"ssh-ed25519 AAAA jo@example.com"},
	Vars: map[string]string{"site": "fra1"}, Network: &static, UserData: []byte("#cloud-config\n{}\n"),
	Env:  map[string]string{"INGOT_URL": "https://10.0.0.2:8443/v1/runs/r-1", "INGOT_ARG": `it's "two" $words`},
	More: map[string][]byte{"files/params.json": []byte(`{"n":1}`)}}

func TestFiles(t *testing.T) {
	t.Parallel()
	files, err := full.Files()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, path := range slices.Sorted(maps.Keys(files)) {
		got.WriteString("-- " + path + " --\n")
		got.WriteString(strings.TrimRight(string(files[path]), "\n") + "\n")
	}
	golden := filepath.Join("testdata", "full.txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("Files, -want +got (UPDATE=1 writes it):\n%s", diff)
	}
}

func TestADriveWithDHCP(t *testing.T) {
	t.Parallel()
	files, err := Drive{ID: "a", Name: "a"}.Files()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"meta-data", "openstack/latest/meta_data.json", "user-data"}, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Errorf("the files, -want +got:\n%s", diff)
	}
	var meta struct {
		InstanceID string `json:"instance-id"`
	}
	if err := json.Unmarshal(files["meta-data"], &meta); err != nil || meta.InstanceID != "a" {
		t.Errorf("instance-id %q, %v, want the machine's id", meta.InstanceID, err)
	}
}

// TestImagesAreRead reads both forms with programs that are not ours.
func TestImagesAreRead(t *testing.T) {
	t.Parallel()
	files, err := full.Files()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	iso, err := full.ISO()
	if err != nil {
		t.Fatal(err)
	}
	body, err := iso.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	disk, err := full.FAT(0)
	if err != nil {
		t.Fatal(err)
	}
	for name, image := range map[string][]byte{"x.iso": body, "x.img": disk} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, image, 0o600); err != nil {
			t.Fatal(err)
		}
		label, err := exec.CommandContext(t.Context(), "blkid", "-p", "-o", "value", "-s", "LABEL", file).Output()
		if err != nil || strings.TrimSpace(string(label)) != Label {
			t.Errorf("blkid reads the label %q of %s, %v", label, name, err)
		}
		for path, want := range files {
			read := exec.CommandContext(t.Context(), "mtype", "-i", file, "::"+path)
			if name == "x.iso" {
				out := filepath.Join(dir, "out")
				read = exec.CommandContext(t.Context(), "sh", "-c", `xorriso -osirrox on -indev "$0" -extract "/$1" "$2" >/dev/null 2>&1 && cat "$2" && chmod u+w "$2" && rm "$2"`, file, path, out)
			}
			if got, err := read.Output(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s of %s: %d bytes, %v, want %d", path, name, len(got), err, len(want))
			}
		}
	}
}

func TestAShellReadsTheVariables(t *testing.T) {
	t.Parallel()
	files, err := full.Files()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "sh", "-c", `. /dev/stdin; printf '%s|%s' "$INGOT_URL" "$INGOT_ARG"`)
	command.Stdin = bytes.NewReader(files["ingot.env"])
	out, err := command.Output()
	if want := full.Env["INGOT_URL"] + "|" + full.Env["INGOT_ARG"]; err != nil || string(out) != want {
		t.Errorf("the shell reads %q, %v, want %q", out, err, want)
	}
}

func TestBadDrives(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]Drive{
		"more than one line": {Keys: []string{"a\nb"}},
		`variable "a b"`:     {Env: map[string]string{"a b": "1"}},
		`variable "A"`:       {Env: map[string]string{"A": "1\n2"}},
		"of its own":         {More: map[string][]byte{"meta-data": nil}},
		"write mac-address of eno1": {Network: &schemas.Network{Interfaces: []schemas.Interface{{Name: "eno1", Type: "ethernet"},
			{Name: "v7", Type: "vlan", VLAN: &schemas.VLANConfig{BaseIface: "eno1", ID: 7}}}}},
		"fetch large files from a ": {More: map[string][]byte{"a": make([]byte, MaxFiles)}},
	} {
		if _, err := d.Files(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Files = %v, want %q", err, want)
		}
	}
}
