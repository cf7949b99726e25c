// Package schemas is the YAML contract of a fleet: the kinds and their fields, and findings at file:line:col. The
// package is pure: it neither reads files nor keeps state.
//
// Package decode reads files into a Document; SortFindings and Fatal judge the findings. Comments of the types below
// are the reference page: change a comment and run make generate. Do not rename a field: fleets hold the names.
package schemas

import (
	"strings"
	"time"
)

// APIVersion is the only version of the contract.
const APIVersion = "ingot.dev/v1alpha1"

// Kinds of documents.
const (
	KindHost     = "Host"
	KindWorkload = "Workload"
	KindStep     = "Step"
	KindSecret   = "Secret"
	KindRing     = "Ring"
	KindDefaults = "Defaults"
	KindRule     = "Rule"
	KindDelivery = "Delivery"
	KindFleet    = "Fleet"
)

// MaxFile is the largest YAML file of a fleet, in bytes.
const MaxFile = 256 << 10

// Metadata names a document. Names are DNS labels (RFC 1123): lower case letters, digits, dashes, at most 63
// characters.
type Metadata struct {
	Name string `json:"name"`
	// ID is who a Host's machine is to ingot: a DNS label, unique in the fleet, that never changes. Default: the name.
	// A renamed host keeps the old name as its id. Selectors name hosts by their ids.
	ID string `json:"id,omitempty"`
	// Labels select hosts. Keys and values follow the Kubernetes label grammar.
	Labels map[string]string `json:"labels,omitempty"`
	// Formerly is a field of earlier versions without meaning: see ID.
	Formerly string `json:"formerly,omitempty"`
}

// Host is one machine.
type Host struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       HostSpec `json:"spec"`
}

// HostSpec says what is true of a machine and which workload the machine runs.
type HostSpec struct {
	BMC *BMC `json:"bmc,omitempty"`
	// Identity is what the machine must report before ingot acts on the machine.
	Identity Identity `json:"identity,omitempty"`
	Boot     Boot     `json:"boot,omitempty"`
	// Power is On, Off or Unmanaged; in this field On and Off need no quotes. Empty: Unmanaged until the first install
	// by ingot, then On.
	Power string `json:"power,omitempty"`
	// OffBy are keys of who keeps the machine off, such as [ups, memtest]: short texts of lower case letters, digits, dots,
	// dashes and underscores, at most 63. While there is a key, Power counts as Off and nothing begins on the machine.
	OffBy []string `json:"offBy,omitempty"`
	// Requests are done once per machine for each value; the values stand in the file as long as anybody likes.
	Requests Requests `json:"requests,omitempty"`
	// RootDisk must match exactly one disk of the machine, otherwise nothing is written.
	RootDisk *DiskHints `json:"rootDisk,omitempty"`
	// Disks gives names to further disks, for steps that write to disks: a list for each name. Each item matches exactly
	// one disk, or, with all, every disk that matches. No disk is in two items.
	Disks   map[string][]NamedDisk `json:"disks,omitempty"`
	Network *Networks              `json:"network,omitempty"`
	// Workload names the Workload that this host runs. Empty: nothing is installed.
	Workload string `json:"workload,omitempty"`
	// Steps are added to the steps of the Workload. A host neither changes nor leaves out a step of the Workload.
	Steps     []HostStep        `json:"steps,omitempty"`
	Vars      map[string]string `json:"vars,omitempty"`
	Claimable bool              `json:"claimable,omitempty"` // Workloads with run may boot it; their kernels may write to blank disks
	Protect   bool              `json:"protect,omitempty"`   // forbids power, boot and erase, whatever else is asked
	Consent   Consent           `json:"consent,omitempty"`
	// Lifecycle is Managed (default), Adopted, Unmanaged or Retired.
	Lifecycle string  `json:"lifecycle,omitempty"`
	Retire    *Retire `json:"retire,omitempty"` // with lifecycle Retired: the machine's disks are erased first
}

// Values of HostSpec.Power.
const (
	PowerOn        = "On"
	PowerOff       = "Off"
	PowerUnmanaged = "Unmanaged"
)

// Values of HostSpec.Lifecycle.
const (
	Managed   = "Managed"
	Adopted   = "Adopted"
	Unmanaged = "Unmanaged"
	Retired   = "Retired"
)

// BMC is how the machine's management controller is reached.
type BMC struct {
	// Address is the https URL of the Redfish service, or of the machine's ComputerSystem in the service.
	Address string `json:"address"`
	// Credentials names a Secret with the keys username and password. The host must be in the Secret's scope. Required,
	// here or in Defaults.
	Credentials string `json:"credentials,omitempty"`
	TLS         BMCTLS `json:"tls,omitempty"`
	// Console makes the daemon read the machine's serial console over SSH to the BMC, with the same credentials.
	// Without this field the console is not read.
	Console *BMCConsole `json:"console,omitempty"`
}

// Service names the BMC's Redfish service: the host with its port. Addresses of several machines in one service have one
// service, and its accounts.
func (b BMC) Service() string {
	host := strings.ToLower(b.Address)
	if _, behind, found := strings.Cut(host, "://"); found {
		host = behind
	}
	host, _, _ = strings.Cut(host, "/")
	return strings.TrimSuffix(host, ":443")
}

// BMCConsole says which host key the BMC must show over SSH, at the port that Redfish reports. With another key the BMC
// gets no password.
type BMCConsole struct {
	// Fingerprint of the host key as OpenSSH writes it, SHA256:<43 characters of base64>: `ssh-keyscan -p PORT BMC |
	// ssh-keygen -lf -` prints it.
	Fingerprint string `json:"fingerprint"`
}

// BMCTLS says which certificate the BMC must show. At most one field is set; without a field the system's authorities
// decide.
type BMCTLS struct {
	Fingerprint string `json:"fingerprint,omitempty"` // sha256:<64 hex> of the leaf certificate (DER)
	CA          string `json:"ca,omitempty"`          // PEM
}

// Identity is what the BMC or SMBIOS of the machine must say: one source that says a value is enough. Placeholders are
// no identity.
type Identity struct {
	Serial string   `json:"serial,omitempty"`
	UUID   string   `json:"uuid,omitempty"`
	MACs   []string `json:"macs,omitempty"` // all must be among the network cards
}

// Boot says how the ramdisk is started.
type Boot struct {
	// Method is VirtualMedia (default).
	Method string `json:"method,omitempty"`
	// SecureBoot, when true, requires that the ramdisk reports Secure Boot as enforced.
	SecureBoot bool `json:"secureBoot,omitempty"`
	// Timeout is how long the machine may take from the power-on to the ramdisk, such as 40m; 1m to 4h. Default: learned
	// from the machine's own boots.
	Timeout string `json:"timeout,omitempty"`
}

// TimeoutDuration is Timeout as a duration; zero where Timeout is not set.
func (b Boot) TimeoutDuration() time.Duration {
	d, err := time.ParseDuration(b.Timeout)
	if err != nil {
		return 0 // package decode checked the text
	}
	return d
}

// Bounds of Boot.Timeout.
const (
	MinBootTimeout = time.Minute
	MaxBootTimeout = 4 * time.Hour
)

// VirtualMedia is the only boot method.
const VirtualMedia = "VirtualMedia"

// DiskHints must all match, by names that are one disk's alone. Sizes are quantities in bytes with an optional unit: 480GB, 1TiB.
type DiskHints struct {
	Serial     string `json:"serial,omitempty"`
	WWN        string `json:"wwn,omitempty"`  // any spelling: 0x…, naa.…, wwn-0x…, eui.…
	Path       string `json:"path,omitempty"` // /dev/disk/by-path/… or its last element, any link of the disk
	Model      string `json:"model,omitempty"`
	Vendor     string `json:"vendor,omitempty"`
	Size       string `json:"size,omitempty"`    // exact
	MinSize    string `json:"minSize,omitempty"` // inclusive
	MaxSize    string `json:"maxSize,omitempty"` // inclusive
	Transport  string `json:"transport,omitempty"`
	Rotational *bool  `json:"rotational,omitempty"`
}

// NamedDisk are hints at one disk, or at every disk that matches.
type NamedDisk struct {
	Serial     string `json:"serial,omitempty"`
	WWN        string `json:"wwn,omitempty"` // as in rootDisk, also the fields below
	Path       string `json:"path,omitempty"`
	Model      string `json:"model,omitempty"`
	Vendor     string `json:"vendor,omitempty"`
	Size       string `json:"size,omitempty"`
	MinSize    string `json:"minSize,omitempty"`
	MaxSize    string `json:"maxSize,omitempty"`
	Transport  string `json:"transport,omitempty"`
	Rotational *bool  `json:"rotational,omitempty"`
	// All, when true, takes every disk that matches, at least one: but never the root disk, nor a disk that is removable,
	// read-only, in use, or without a name of its own.
	All bool `json:"all,omitempty"`
}

// Hints are the hints of the item.
func (n NamedDisk) Hints() *DiskHints {
	return &DiskHints{Serial: n.Serial, WWN: n.WWN, Path: n.Path, Model: n.Model, Vendor: n.Vendor, Size: n.Size,
		MinSize: n.MinSize, MaxSize: n.MaxSize, Transport: n.Transport, Rotational: n.Rotational}
}

// Networks are the machine's networks in the ramdisk and in the installed system. Host empty means as in the ramdisk,
// both empty means DHCP on every interface.
type Networks struct {
	Ramdisk *Network `json:"ramdisk,omitempty"`
	Host    *Network `json:"host,omitempty"`
}

// Network uses the words of nmstate.
type Network struct {
	Interfaces  []Interface `json:"interfaces,omitempty"`
	Routes      *Routes     `json:"routes,omitempty"`
	DNSResolver *DNS        `json:"dns-resolver,omitempty"`
}

// Interface is one ethernet, bond or vlan.
type Interface struct {
	Name       string      `json:"name"`
	Type       string      `json:"type"` // ethernet, bond, vlan
	MACAddress string      `json:"mac-address,omitempty"`
	MTU        int         `json:"mtu,omitempty"`
	IPv4       *IPConfig   `json:"ipv4,omitempty"`
	IPv6       *IPConfig   `json:"ipv6,omitempty"`
	Bond       *BondConfig `json:"link-aggregation,omitempty"`
	VLAN       *VLANConfig `json:"vlan,omitempty"`
}

// IPConfig is DHCP (or router advertisements) or fixed addresses; neither means disabled.
type IPConfig struct {
	DHCP     bool        `json:"dhcp,omitempty"`
	Autoconf bool        `json:"autoconf,omitempty"` // IPv6 only
	Address  []IPAddress `json:"address,omitempty"`
}

// IPAddress is one address with its prefix.
type IPAddress struct {
	IP           string `json:"ip"`
	PrefixLength int    `json:"prefix-length"`
}

// BondConfig joins interfaces by name.
type BondConfig struct {
	Mode    string            `json:"mode"`
	Port    []string          `json:"port"`
	Options map[string]string `json:"options,omitempty"`
}

// VLANConfig tags an interface.
type VLANConfig struct {
	BaseIface string `json:"base-iface"`
	ID        int    `json:"id"`
}

// Routes are the static routes.
type Routes struct {
	Config []Route `json:"config,omitempty"`
}

// Route is one static route.
type Route struct {
	Destination      string `json:"destination"`
	NextHopAddress   string `json:"next-hop-address,omitempty"`
	NextHopInterface string `json:"next-hop-interface"`
	Metric           int    `json:"metric,omitempty"`
}

// DNS names the resolvers.
type DNS struct {
	Config DNSConfig `json:"config"`
}

// DNSConfig lists servers and search domains.
type DNSConfig struct {
	Server []string `json:"server,omitempty"`
	Search []string `json:"search,omitempty"`
}

// Consent holds consents as `ingot consent` writes them. A consent counts only for exactly what the plan asks for.
type Consent struct {
	// Erase is <disk serial or WWN>/<16 hex>, as printed by `ingot plan`: one text, or a list with one text per disk.
	Erase EraseConsents `json:"erase,omitempty"`
	// Takeover names a machine that was found running, or that replaced the known machine, and may be taken over: the
	// value that the hold of the host prints, <serial>/<16 hex>.
	Takeover string `json:"takeover,omitempty"`
}

// Workload is what a host runs.
type Workload struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Metadata   Metadata     `json:"metadata"`
	Spec       WorkloadSpec `json:"spec"`
}

// WorkloadSpec is one way to use a machine.
type WorkloadSpec struct {
	Install *Install `json:"install,omitempty"`
	Run     *Run     `json:"run,omitempty"` // a job in RAM instead of an install, on machines that the Workload claims
	// Replicas is how many machines a Workload with run claims at most: 1 to 10,000.
	Replicas int `json:"replicas,omitempty"`
	// Hosts selects among the machines with spec.claimable: true that nothing else uses.
	Hosts *ClaimHosts `json:"hosts,omitempty"`
	// Priority decides who gets a free machine: -1000 to 1000, the higher first. Nobody loses a machine for it.
	Priority int  `json:"priority,omitempty"`
	Paused   bool `json:"paused,omitempty"` // no more runs begin; those under way end
	// Steps is the order around install. Empty: only install. The name install stands for spec.install and occurs
	// exactly once. Without spec.install the step write-image stands in its place.
	Steps []StepUse `json:"steps,omitempty"`
	// PhoneHome is that of install, for a Workload with write-image. Required needs a configDrive, by which cloud-init has
	// the system call. With Disabled the machine counts as installed after the start from its disk.
	PhoneHome string `json:"phoneHome,omitempty"`
	// OnFailure says what becomes of a machine whose operation was given up: PowerOff (default), or back to the system
	// that it ran where nothing was written; or Keep: it stays on in the ramdisk until a person powers it off, or the
	// fleet asks for something else.
	OnFailure string `json:"onFailure,omitempty"`
	// Update is OnConsent (default) or Reinstall. With Reinstall a newer version of the workload may erase, without a
	// consent, what the workload installed under Reinstall, on hosts that the daemon's own configuration names
	// (reinstall).
	Update string `json:"update,omitempty"`
}

// Values of WorkloadSpec.Update.
const (
	OnConsent = "OnConsent"
	Reinstall = "Reinstall"
)

// IgnitionVersions are the values of Install.Ignition.
var IgnitionVersions = []string{"3.0.0", "3.1.0", "3.2.0", "3.3.0", "3.4.0", "3.5.0", "3.6.0"}

// IgnitionVersion is the default of Install.Ignition.
const IgnitionVersion = "3.5.0"

// Values of Install.OtherDisks.
const (
	OtherDisksDenied  = "Denied"
	OtherDisksAllowed = "Allowed"
)

// Values of Install.PhoneHome.
const (
	PhoneHomeRequired = "Required"
	PhoneHomeDisabled = "Disabled"
)

// Image is an operating system image as coreos-installer takes it: raw, or raw compressed with gzip, xz or zstd.
type Image struct {
	// URL is http or https, or a path in the daemon's mirror.
	URL string `json:"url"`
	// SHA256 is of the bytes at the URL: 64 hex digits.
	SHA256 string `json:"sha256"`
}

// Secret is a SOPS file: metadata and scope in clear, data encrypted.
type Secret struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   Metadata   `json:"metadata"`
	Spec       SecretSpec `json:"spec"`
	// SOPS is the section that sops keeps about the file, for the adapter that decrypts.
	SOPS map[string]any `json:"sops,omitempty"`
}

// SecretSpec holds the encrypted values and the hosts that may have the values.
type SecretSpec struct {
	Scope Scope `json:"scope"`
	// Data are the values that are text, sealed.
	Data map[string]string `json:"data,omitempty"`
	// BinaryData are the values that are bytes, such as a keytab: each is the base64 text of the bytes, sealed. A key
	// stands in one of the two.
	BinaryData map[string]string `json:"binaryData,omitempty"`
}

// Scope selects hosts. A host must satisfy every part that is set. An empty scope selects no host.
type Scope struct {
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	// Hosts are ids. A host's id is its name unless metadata.id is set.
	Hosts []string `json:"hosts,omitempty"`
	// AllHosts, when true, selects every host of the fleet.
	AllHosts bool `json:"allHosts,omitempty"`
	// Deliveries are names of Deliveries, in the scope of a Secret: the daemon may use the Secret to log in at the BMCs of
	// their machines. A scope with nothing else selects no host.
	Deliveries []string `json:"deliveries,omitempty"`
}
