// Package clouddrive makes the config drive that the step write-image writes beside an image: what cloud-init reads at the
// first start of the system, which has no Ignition config. Call Build, and Drive.ISO of the result. The drive holds
// secrets; the errors do not.
//
// The system calls the daemon as one with an Ignition config does: a script of the vendor data, which cloud-init runs once
// whatever the user data says, writes the files of the call and starts its unit (cloud-init's reference: vendor data).
package clouddrive

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/configdrive"
	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/steps"
)

// Request describes the drive of one host, whose workload writes an image.
type Request struct {
	Desired  inventory.Desired
	Instance string // id of the install: cloud-init runs anew for another one
	Secrets  func(refs.Secret) (secret.Value, error)
	// PhoneHome is how the system calls; nil: the system does not call.
	PhoneHome *ignition.PhoneHome
}

// Build gives the drive of a host; false for a workload whose image has none.
func Build(r Request) (drive configdrive.Drive, has bool, err error) {
	step, writes := steps.FindWritten(r.Desired.Workload.Steps)
	if !writes || !step.HasDrive() {
		return drive, false, nil
	}
	args, err := step.Open(func(ref refs.Secret) (string, error) {
		value, err := r.Secrets(ref)
		return value.Reveal(), err
	})
	if err != nil {
		return drive, true, fmt.Errorf("config drive: %w", err)
	}
	written, _ := steps.ReadDrive(args)
	drive = configdrive.Drive{ID: string(r.Desired.ID), Name: r.Desired.Name, Instance: r.Instance, Keys: written.SSHKeys,
		Vars: r.Desired.Vars, Network: ignition.NewRequest(r.Desired).Network, Volume: written.Label}
	if drive.UserData, err = encodeUserData(written.UserData); err != nil {
		return drive, true, err
	}
	if r.PhoneHome != nil {
		drive.VendorData, err = writeCall(*r.PhoneHome)
	}
	return drive, true, err
}

// Encode gives the drive as the bytes of a partition.
func Encode(drive configdrive.Drive) ([]byte, error) {
	image, err := drive.ISO()
	if err != nil {
		return nil, err
	}
	if image.Size() > wire.MaxInline {
		return nil, fmt.Errorf("the config drive has %d bytes, at most %d can be delivered: have the system fetch what is large",
			image.Size(), wire.MaxInline)
	}
	return image.Bytes()
}

// encodeUserData writes user data as cloud-init reads it: a text as it is, an object as a cloud-config.
func encodeUserData(data any) ([]byte, error) {
	switch data := data.(type) {
	case nil:
		return nil, nil
	case string:
		return []byte(data), nil
	default:
		body, err := yaml.Marshal(data)
		if err != nil {
			return nil, errors.New("the user data cannot be written as YAML") // the error of yaml could hold a value
		}
		return append([]byte("#cloud-config\n"), body...), nil
	}
}

// writeCall writes the script that sets up the call home.
func writeCall(p ignition.PhoneHome) ([]byte, error) {
	files, err := p.ListFiles()
	if err != nil {
		return nil, err
	}
	files = append(files, ignition.HomeFile{Path: "/etc/systemd/system/" + ignition.HomeUnit, Mode: 0o644, Data: []byte(p.Unit())})
	var script strings.Builder
	script.WriteString(`#!/bin/sh
# Sets up the call by which ingot learns, after every start, that this system is up. Needs systemd, curl, and lsblk and findmnt of util-linux.
set -eu
umask 077
mkdir -p /etc/ingot
put() {
    base64 -d >"$2.new"
    chmod "$1" "$2.new"
    mv "$2.new" "$2"
}
`)
	for _, file := range files {
		fmt.Fprintf(&script, "put %04o %s <<END\n%s\nEND\n", file.Mode, file.Path, base64.StdEncoding.EncodeToString(file.Data))
	}
	fmt.Fprintf(&script, "systemctl daemon-reload\nsystemctl enable --quiet %[1]s\nsystemctl start --no-block %[1]s\n", ignition.HomeUnit)
	return []byte(script.String()), nil
}
