package wire

import "time"

// Erase erases disks in a JobWriteStep, each by the same policy. The agent asks for leave for all of them before the
// first write. A disk without a declared method for the policy fails the job before any disk is written.
type Erase struct {
	Policy  string      `json:"policy"` // metadata, clear or purge
	OrClear bool        `json:"orClear,omitempty"`
	Disks   []NamedDisk `json:"disks"`
}

// Erased is the receipt of one erased disk.
type Erased struct {
	Name         string    `json:"name"` // of the disk in the fleet
	Serial       string    `json:"serial,omitempty"`
	WWN          string    `json:"wwn,omitempty"`
	Model        string    `json:"model,omitempty"`
	Size         uint64    `json:"size"` // bytes
	Policy       string    `json:"policy"`
	Method       string    `json:"method"`
	Passed       []string  `json:"passed,omitempty"`       // methods that were not used, and why
	Capabilities []string  `json:"capabilities,omitempty"` // the words that the disk declares
	Begun        time.Time `json:"begun"`
	Ended        time.Time `json:"ended"`
	Samples      int       `json:"samples"`         // blocks of 4 KiB that were read back
	Known        int       `json:"known,omitempty"` // samples that were not zero before: none was found again
	Agent        string    `json:"agent"`           // version
}
