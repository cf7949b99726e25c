package clouddrive_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/boot/clouddrive"
	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
)

// request is for a host whose user data has a secret.
func request(userData any) clouddrive.Request {
	step := steps.Step{Name: schemas.StepWriteImage, Arguments: steps.Arguments{
		Args:    map[string]any{"configDrive": map[string]any{"label": "config-2", "userData": userData, "sshKeys": []any{"ssh-ed25519 AAAA"}}},
		Secrets: map[string]refs.Secret{"/configDrive/userData/password": {Name: "web", Key: "password"}}}}
	return clouddrive.Request{Instance: "i-1", Secrets: func(refs.Secret) (secret.Value, error) { return secret.New("hunter2: #x"), nil },
		Desired: inventory.Desired{ID: "web-2", Name: "www-2", Vars: map[string]string{"site": "fra1"},
			Workload: &inventory.Workload{Name: "web", Steps: []steps.Step{step}}}}
}

// TestBuild: the drive has the user data with its secrets, the keys, the label, and the script of the call.
func TestBuild(t *testing.T) {
	t.Parallel()
	r := request(map[string]any{"password": "${secret.web.password}", "chpasswd": map[string]any{"expire": false}})
	r.PhoneHome = &ignition.PhoneHome{Host: "web-2", URLs: []string{"https://10.0.0.1:8443"}, Pin: "PIN=", Install: "i-1", Token: secret.New("tok-1")}
	drive, has, err := clouddrive.Build(r)
	if err != nil || !has {
		t.Fatal(has, err)
	}
	want := "#cloud-config\nchpasswd:\n  expire: false\npassword: 'hunter2: #x'\n"
	if string(drive.UserData) != want || drive.Volume != "config-2" || drive.Instance != "i-1" || len(drive.Keys) != 1 || drive.ID != "web-2" || drive.Name != "www-2" {
		t.Errorf("drive %+v, user data\n%s", drive, drive.UserData)
	}
	image, err := clouddrive.Encode(drive)
	if err != nil || string(image[32768+40:32768+48]) != "config-2" {
		t.Errorf("the drive has %d bytes: %v", len(image), err)
	}
	r.PhoneHome = nil
	if drive, _, err := clouddrive.Build(r); err != nil || drive.VendorData != nil {
		t.Errorf("vendor data %q without a call: %v", drive.VendorData, err)
	}
}

// TestUserDataAsText is used as it is.
func TestUserDataAsText(t *testing.T) {
	t.Parallel()
	if drive, _, err := clouddrive.Build(request("#!/bin/sh\nexit\n")); err != nil || string(drive.UserData) != "#!/bin/sh\nexit\n" {
		t.Errorf("user data %q: %v", drive.UserData, err)
	}
}

// TestErrorsOfADrive name no secret.
func TestErrorsOfADrive(t *testing.T) {
	t.Parallel()
	r := request(map[string]any{"password": "${secret.web.password}"})
	r.Secrets = func(refs.Secret) (secret.Value, error) { return secret.Value{}, errors.New("no key opens web") }
	if _, _, err := clouddrive.Build(r); err == nil || !strings.Contains(err.Error(), "no key opens web") {
		t.Errorf("error %v", err)
	}
	r = request(strings.Repeat("x", 3<<20))
	drive, _, err := clouddrive.Build(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clouddrive.Encode(drive); err == nil || !strings.Contains(err.Error(), "can be delivered") {
		t.Errorf("error %v", err)
	}
	if _, has, err := clouddrive.Build(clouddrive.Request{Desired: inventory.Desired{Workload: &inventory.Workload{}}}); has || err != nil {
		t.Errorf("a drive of nothing: %v, %v", has, err)
	}
}

// TestTheScriptOfTheCall runs in a directory in place of /etc, with a systemctl that tells what it was asked.
func TestTheScriptOfTheCall(t *testing.T) {
	t.Parallel()
	r := request("")
	r.PhoneHome = &ignition.PhoneHome{Host: "web-2", URLs: []string{"https://10.0.0.1:8443"}, Pin: "PIN=", Install: "i-1", Token: secret.New("tok'1")}
	drive, _, err := clouddrive.Build(r)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "etc/systemd/system"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte("#!/bin/sh\necho \"$@\" >>"+dir+"/asked\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(string(drive.VendorData), "/etc/", dir+"/etc/")
	command := exec.CommandContext(t.Context(), "/bin/sh", "-c", strings.Replace(script, "mkdir -p /etc", "mkdir -p "+dir+"/etc", 1))
	command.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	body, err := os.ReadFile(filepath.Join(dir, "etc/ingot/phone-home.json"))
	info, failed := os.Stat(filepath.Join(dir, "etc/ingot/phone-home.json"))
	if err != nil || failed != nil || info.Mode() != 0o600 || !strings.Contains(string(body), `"token":"tok'1"`) {
		t.Errorf("%s, %v, %v, %v", body, info, err, failed)
	}
	unit, err := os.ReadFile(filepath.Join(dir, "etc/systemd/system", ignition.HomeUnit))
	asked, failed := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil || failed != nil || !strings.Contains(string(unit), "ExecStart=/bin/sh /etc/ingot/phone-home.sh") ||
		!strings.Contains(string(asked), "start --no-block "+ignition.HomeUnit) {
		t.Errorf("unit %s, asked %s, %v, %v", unit, asked, err, failed)
	}
}
