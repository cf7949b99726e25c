package schemas

import (
	"strconv"
	"strings"
)

// Ring says which hosts change together, which release they run, and how fast a change goes through them.
type Ring struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       RingSpec `json:"spec"`
}

// RingSpec is how a ring rolls out. A ring never delays protect, lifecycle and power, and never replaces the consent
// for an erase.
type RingSpec struct {
	// Hosts selects the ring's hosts. A host is in one ring at most. A host without a ring follows the trunk as fast as
	// the daemon's limits allow.
	Hosts Scope `json:"hosts"`
	// Tag is a pattern with one *, such as prod-*: the ring runs the commit of the newest matching tag. Newest is the
	// highest version: runs of digits compare as numbers, and v1.2.0-rc.1 is older than v1.2.0. Tags below countersign/
	// never match. Empty: the ring follows the trunk.
	Tag string `json:"tag,omitempty"`
	// After names rings that must have completed the same release before this ring begins.
	After []string `json:"after,omitempty"`
	// Canaries selects hosts of the ring that change first. The rest of the ring waits until all canaries are done.
	Canaries Scope `json:"canaries,omitempty"`
	// MaxUnavailable is how many hosts of the ring this rollout may have down at a time: a number, or a percentage such
	// as 10%, rounded down but at least 1. Default 1. Hosts that are down for other reasons do not count.
	MaxUnavailable string `json:"maxUnavailable,omitempty"`
	// PauseAfter is how many hosts may fail a release before the ring begins nothing more of the release. Default 1.
	PauseAfter int `json:"pauseAfter,omitempty"`
	// Windows are when a change may begin; no window means always. A change that has begun is finished.
	Windows []Window `json:"windows,omitempty"`
	// Paused, when true, lets no change begin.
	Paused bool `json:"paused,omitempty"`
}

// Window opens at each time of a schedule, for a while.
type Window struct {
	// Start is a schedule of five fields as in crontab(5): minute, hour, day of month, month, day of week (Sunday is 0 or
	// 7). A change of clocks neither skips a time of the schedule nor repeats it.
	Start string `json:"start"`
	// Duration is how long the window stays open, such as 4h; at most 168h.
	Duration string `json:"duration"`
	// Zone is a name of the IANA time zone database such as Europe/Berlin. Default UTC.
	Zone string `json:"zone,omitempty"`
}

// Defaults fills in fields that hosts leave out.
type Defaults struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Metadata   Metadata     `json:"metadata"`
	Spec       DefaultsSpec `json:"spec"`
}

// DefaultsSpec is merged field by field below the host's own fields. Lists are taken whole.
type DefaultsSpec struct {
	// Hosts selects the hosts that get these defaults.
	Hosts Scope `json:"hosts"`
	// Priority decides between Defaults of one host: the highest priority wins. With equal priorities two different
	// values for a field are an error.
	Priority int          `json:"priority,omitempty"`
	Defaults HostDefaults `json:"defaults"`
}

// HostDefaults are the fields of a Host's spec that hosts can share. Identity and consent belong to one host.
type HostDefaults struct {
	BMC      *BMCDefaults `json:"bmc,omitempty"`
	Boot     *Boot        `json:"boot,omitempty"`
	Power    string       `json:"power,omitempty"` // as in HostSpec
	RootDisk *DiskHints   `json:"rootDisk,omitempty"`
	// Disks are as in HostSpec, and taken as a whole.
	Disks     map[string][]NamedDisk `json:"disks,omitempty"`
	Network   *Networks              `json:"network,omitempty"`
	Workload  string                 `json:"workload,omitempty"`
	Vars      map[string]string      `json:"vars,omitempty"`
	Claimable bool                   `json:"claimable,omitempty"` // as in HostSpec
	Protect   bool                   `json:"protect,omitempty"`
	Lifecycle string                 `json:"lifecycle,omitempty"` // as in HostSpec
}

// BMCDefaults are the fields that BMCs can share. A host without a bmc gets none of these fields.
type BMCDefaults struct {
	Credentials string `json:"credentials,omitempty"`
	TLS         BMCTLS `json:"tls,omitempty"`
}

// Fleet is the repository's own ingot.yaml. A Fleet can only ask for less than the daemon's configuration allows.
type Fleet struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Metadata   Metadata  `json:"metadata"`
	Spec       FleetSpec `json:"spec"`
}

// FleetSpec lowers limits for the whole fleet.
type FleetSpec struct {
	// Paused, when true, lets no operation begin on any host, and arms no operation that has begun. A running write is
	// finished.
	Paused bool `json:"paused,omitempty"`
	// Installs is how many installations run at a time. Default: the daemon's limit.
	Installs int `json:"installs,omitempty"`
	// ErasesPerHour is how many machines with data are erased within an hour. Default: the daemon's limit.
	ErasesPerHour int `json:"erasesPerHour,omitempty"`
	// FailureDomain bounds how many machines that can fail together, such as the machines of a rack, are installed or
	// inspected at a time.
	FailureDomain *FailureDomain `json:"failureDomain,omitempty"`
	// ImageHosts are the only hosts that images are fetched from. Default: any.
	ImageHosts []string `json:"imageHosts,omitempty"`
	// Shared are directories of the repository, such as shared/files, whose files every Butane config may name: by a
	// relative path that leaves the directory of the Butane file, such as local: ../../../shared/files/motd. A directory
	// is named from the top of the repository, may be outside of the fleet's own directory, and may not contain it.
	Shared []string `json:"shared,omitempty"`
	// Discovery says which unknown machines may register. Without it none may.
	Discovery *Discovery `json:"discovery,omitempty"`
}

// FailureDomain names the label whose value is shared by machines that can fail together.
type FailureDomain struct {
	// Label is the label of the hosts, such as rack. Hosts without the label are in no failure domain.
	Label string `json:"label"`
	// Installs is how many hosts with the same value are installed or inspected at a time. Default: 1.
	Installs int `json:"installs,omitempty"`
}

// Domain gives the label of the failure domains and the limit per domain; "" and 0 without failure domains.
func (s FleetSpec) Domain() (label string, limit int) {
	if s.FailureDomain == nil {
		return "", 0
	}
	return s.FailureDomain.Label, max(s.FailureDomain.Installs, 1)
}

// Limit is how many hosts of a ring with so many hosts may be unavailable.
func (s RingSpec) Limit(hosts int) int {
	if s.MaxUnavailable == "" {
		return 1
	}
	number, percent := strings.CutSuffix(s.MaxUnavailable, "%")
	n, err := strconv.Atoi(number)
	if err != nil {
		return 1 // checked when the ring was read
	}
	if percent {
		n = hosts * n / 100
	}
	return max(1, n)
}

// Failures is how many hosts may fail before the ring pauses.
func (s RingSpec) Failures() int { return max(1, s.PauseAfter) }

// FleetFile is the file of the Fleet.
const FleetFile = "ingot.yaml"

// Set reports whether the scope has any part.
func (s Scope) Set() bool {
	return s.AllHosts || len(s.Hosts) > 0 || len(s.MatchLabels) > 0 || len(s.Deliveries) > 0
}
