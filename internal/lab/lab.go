// Package lab is a virtual rack: machines with real firmware under QEMU, or in-process machines that run the same
// agent, with a Redfish BMC per machine; an image server; and a small fleet that describes the rack. Demos, end-to-end
// tests and people without spare hardware use the lab. New builds a Rack, Rack.Run serves it. The daemon must not
// import package lab.
package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backend is the kind of machines.
type Backend string

// Backends.
const (
	QEMU Backend = "qemu" // real UEFI firmware, Secure Boot, kernel, installer and Ignition
	Sim  Backend = "sim"  // in-process: the real agent over fake hardware
)

// Description describes the rack to users; it is kept in the rack's directory.
type Description struct {
	Backend  Backend   `json:"backend"`
	Machines []Machine `json:"machines"`
	Image    Image     `json:"image"`
	Control  string    `json:"control"` // unix socket: pull a plug, read a BMC's log
}

// Machine describes a machine of the rack.
type Machine struct {
	Name        string `json:"name"`
	Address     string `json:"address"` // of its ComputerSystem
	Fingerprint string `json:"fingerprint"`
	ConsoleKey  string `json:"consoleKey"` // fingerprint of the serial console's host key over SSH
	Username    string `json:"username"`
	Password    string `json:"password"` // the lab's own; the file has mode 0600
	Serial      string `json:"serial"`
	MAC         string `json:"mac"`
	DiskSerial  string `json:"diskSerial"`
	Console     string `json:"console,omitempty"` // log file of the serial console
}

// Image is the operating system image of the rack.
type Image struct {
	URL    string `json:"url"`
	SHA256 string `json:"sha256"`
}

// descriptionFile is the file, in a rack's directory, of its Description.
const descriptionFile = "rack.json"

// maxDescription is the largest description that is read, in bytes.
const maxDescription = 16 << 20

// Describe reads the description of the rack in dir.
func Describe(dir string) (Description, error) {
	file := filepath.Join(dir, descriptionFile)
	info, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return Description{}, fmt.Errorf("no rack in %s: start one with `ingot lab up --dir %s`", dir, dir)
	}
	if err != nil {
		return Description{}, fmt.Errorf("read rack: %w", err)
	}
	if info.Size() > maxDescription {
		return Description{}, fmt.Errorf("%s has %d bytes, at most %d are read", file, info.Size(), maxDescription)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return Description{}, fmt.Errorf("read rack: %w", err)
	}
	var d Description
	if err := json.Unmarshal(data, &d); err != nil {
		return Description{}, fmt.Errorf("read rack %s: %w", file, err)
	}
	return d, nil
}

// writeTo writes the description into dir, readable by its owner only.
func (d Description) writeTo(dir string) error {
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("write rack: %w", err)
	}
	temporary := filepath.Join(dir, descriptionFile+".new")
	if err := os.WriteFile(temporary, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write rack: %w", err)
	}
	return os.Rename(temporary, filepath.Join(dir, descriptionFile))
}
