// Package config reads the daemon's own configuration file, for settings that the fleet cannot have. LoadFile reads a
// file as strictly as a fleet is read: every problem is reported at its line. Do not read settings elsewhere: LoadFile
// fills in the defaults.
package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/gitrepo/trust"
	"github.com/gitmetal/ingot/schemas"
)

// Config is a whole configuration. Relative paths are relative to the file.
type Config struct {
	Fleet Fleet `json:"fleet"`
	// StateDir holds the journal. A lost journal is rebuilt from the status branch, the BMCs and the agents.
	StateDir string `json:"stateDir"`
	// IdentityDir holds the daemon's keys, made at the first start. Keep the directory: agents and installed systems
	// trust the keys.
	IdentityDir string `json:"identityDir"`
	// AgeKeys is a file of age identities that open the fleet's Secrets.
	AgeKeys string  `json:"ageKeys,omitempty"`
	Secrets Secrets `json:"secrets,omitempty"`
	// Ramdisk is the ISO made by `ingot ramdisk build`.
	Ramdisk   string    `json:"ramdisk"`
	Listen    Listen    `json:"listen"`
	Advertise Advertise `json:"advertise"`
	Webhook   Webhook   `json:"webhook,omitempty"`
	// Forge shows on each commit how far its hosts are; nil for no forge.
	Forge *Forge `json:"forge,omitempty"`
	// Notify are the webhooks that are told of hosts that need a person.
	Notify    []Notify  `json:"notify,omitempty"`
	Trust     Trust     `json:"trust,omitempty"`
	Images    Images    `json:"images,omitempty"`
	Discovery Discovery `json:"discovery,omitzero"`
	Results   Results   `json:"results,omitempty"`
	Logs      Logs      `json:"logs,omitempty"`
	Etcd      Etcd      `json:"etcd,omitempty"`
	Limits    Limits    `json:"limits,omitempty"`
	Deadlines Deadlines `json:"deadlines,omitzero"`
	BMC       BMC       `json:"bmc,omitempty"`
	// Reinstall selects the hosts on which a Workload's update: Reinstall stands for consent, for systems that were
	// installed while update: Reinstall was set. Default: none.
	Reinstall schemas.Scope `json:"reinstall,omitempty"`
	// PublishEvery is the shortest time between two status commits; an armed operation is published at once. Default
	// 15s.
	PublishEvery Duration `json:"publishEvery,omitempty"`
	// TakeFleet has the daemon run the fleet even if another daemon ran the fleet since. The file cannot say so: see
	// `ingot serve --take-fleet`.
	TakeFleet bool `json:"-"`
}

// Fleet says where the fleet is.
type Fleet struct {
	URL    string `json:"url"`              // https, http, ssh, or a path
	Branch string `json:"branch,omitempty"` // default main
	// Path is the fleet's directory in the repository, such as fleets/fra1. Default: the whole repository.
	Path string `json:"path,omitempty"`
	// StatusBranch is the fleet's own branch. Default ingot/status, or with a path ingot/<path>/status.
	StatusBranch string   `json:"statusBranch,omitempty"`
	Poll         Duration `json:"poll,omitempty"` // default 1m
	SSHKey       string   `json:"sshKey,omitempty"`
	KnownHosts   string   `json:"knownHosts,omitempty"`
	Username     string   `json:"username,omitempty"`
	PasswordFile string   `json:"passwordFile,omitempty"`
	CA           string   `json:"ca,omitempty"` // PEM file
}

// Listen says where the daemon listens.
type Listen struct {
	Agents string `json:"agents"` // host:port of the agents' API, TLS
	Media  string `json:"media"`  // host:port where BMCs read boot media, plain HTTP
	// MediaTLS is host:port where BMCs that take media over HTTPS only read boot media. The certificate is of the daemon's
	// own authority. "" for none.
	MediaTLS string `json:"mediaTLS,omitempty"`
	Socket   string `json:"socket,omitempty"` // control socket; default <stateDir>/ingot.sock
	// Web is host:port of a read-only page of the fleet's state, plain HTTP, without accounts: keep it on loopback or
	// behind a proxy with accounts. "" for none.
	Web string `json:"web,omitempty"`
	// Metrics is host:port of /metrics, /healthz and /readyz, plain HTTP, without accounts. Without a host it is
	// 127.0.0.1. "" for none.
	Metrics string `json:"metrics,omitempty"`
	// Webhook is host:port where the forge reports pushes, plain HTTP. Webhook needs webhook.secretFile. "" for none.
	Webhook string `json:"webhook,omitempty"`
}

// Trust says whose commits count. Without keys every commit of the branch counts. The fleet cannot change the trust.
type Trust struct {
	AllowedSigners string       `json:"allowedSigners,omitempty"` // file as of ssh-keygen(1)
	RevokedKeys    string       `json:"revokedKeys,omitempty"`    // file of public keys, one a line
	PGPKeys        string       `json:"pgpKeys,omitempty"`        // file of armored public keys
	Paths          []trust.Rule `json:"paths,omitempty"`
	SignedTags     bool         `json:"signedTags,omitempty"` // the tags that rings follow must be signed too
	TwoSigners     bool         `json:"twoSigners,omitempty"` // an erase needs a countersignature on its tag
	// MaxStale is how old the last good look at the fleet may be for a write to begin while later looks fail; default
	// 10 minutes.
	MaxStale Duration `json:"maxStale,omitempty"`
}

// ReadPolicy reads the keys; nil without keys.
func (t Trust) ReadPolicy() (*trust.Policy, error) {
	if t.AllowedSigners == "" && t.PGPKeys == "" {
		return nil, nil
	}
	c := trust.Config{Paths: t.Paths}
	for _, keys := range []struct {
		field, file string
		into        *[]byte
	}{{"allowedSigners", t.AllowedSigners, &c.AllowedSigners}, {"revokedKeys", t.RevokedKeys, &c.RevokedKeys},
		{"pgpKeys", t.PGPKeys, &c.PGPKeys}} {
		data, err := ReadFile(keys.file)
		if err != nil {
			return nil, fmt.Errorf("trust.%s: %w: name a file that the daemon's user may read", keys.field, err)
		}
		*keys.into = data
	}
	policy, err := trust.New(c)
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	return policy, nil
}

// Webhook says how the forge proves itself.
type Webhook struct {
	SecretFile string `json:"secretFile,omitempty"` // the secret that is also set in the forge's webhook
}

// Advertise says under which URLs the listeners are reached.
type Advertise struct {
	Agents []string `json:"agents"` // https URLs, from a machine's ramdisk and from the installed system
	Media  string   `json:"media"`  // http URL, from a BMC
	// MediaTLS is the https URL of listen.mediaTLS, from a BMC.
	MediaTLS string `json:"mediaTLS,omitempty"`
}

// Images bounds the image mirror.
type Images struct {
	Dir string `json:"dir,omitempty"` // default <stateDir>/images
	// when set, only these hosts; loopback hosts must be named to be allowed
	AllowHosts []string `json:"allowHosts,omitempty"`
}

// Results says where the results of ephemeral runs are kept, and for how long.
type Results struct {
	// Dir is a directory of the daemon's own disk, or of whatever is mounted there. Default <stateDir>/results.
	Dir  string      `json:"dir,omitempty"`
	Keep KeepResults `json:"keep,omitempty"`
}

// KeepResults bounds what is kept of batches that have ended.
type KeepResults struct {
	Days int  `json:"days,omitempty"` // default 30
	Size Size `json:"size,omitempty"` // default 50GiB
}

// Logs bounds what is kept of the output of steps and of their failures, in <stateDir>/logs.
type Logs struct {
	Days int  `json:"days,omitempty"` // default 90
	Size Size `json:"size,omitempty"` // default 4GiB
}

// Size is a number of bytes, written as 50GiB.
type Size int64

// sizeUnits are the units of a Size.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	for _, unit := range sizeUnits {
		number, has := strings.CutSuffix(string(text), unit.name)
		n, err := strconv.ParseInt(number, 10, 32)
		if has && err == nil && n > 0 && n <= math.MaxInt64/unit.bytes {
			*s = Size(n * unit.bytes)
			return nil
		}
	}
	return fmt.Errorf("want a size such as 50GiB or 500MiB")
}

// Etcd names an etcd cluster; without endpoints the daemon embeds a single node.
type Etcd struct {
	Endpoints []string `json:"endpoints,omitempty"`
	CA        string   `json:"ca,omitempty"`
	Cert      string   `json:"cert,omitempty"`
	Key       string   `json:"key,omitempty"`
}

// BMC says how far the answers of BMCs are trusted.
type BMC struct {
	// ConfirmOff is how long a machine must be seen to be off before the machine is started, unless ingot itself
	// switched it off: BMCs say Off for a while after a machine came on. Default 30s.
	ConfirmOff Duration `json:"confirmOff,omitempty"`
}

// Deadlines are how long the daemon waits. They count the time in which a machine could be heard and was asked.
type Deadlines struct {
	Start   Duration `json:"start,omitempty"`   // after a start of the daemon: no deadline ends before; default 5m
	Medium  Duration `json:"medium,omitempty"`  // from power on to the first read of the boot medium; default 5m
	Agent   Duration `json:"agent,omitempty"`   // from power on to the agent in the ramdisk; default 20m
	Silence Duration `json:"silence,omitempty"` // without a word from an agent; default 5m
	// until a machine that is on counts as found running, without a word from its agent; default 1h
	Lost Duration `json:"lost,omitempty"`
	Home Duration `json:"home,omitempty"` // from power on to the call of the installed system; default 30m
}

// Discovery says what may be done for machines that no host file names.
type Discovery struct {
	// Credentials allows rules with credentials: {create: true}: an account is made at the BMC of a discovered machine.
	Credentials bool `json:"credentials,omitempty"`
	// Recipients are age recipients of the Secrets with those accounts, beside the daemon's own. Default: those that `ingot
	// secret create` would use.
	Recipients []string `json:"recipients,omitempty"`
	// Accept lists enrolment keys: a proposal of their machines is merged by the forge without a person, where a Rule says
	// accept: true. Default: none.
	Accept []string `json:"accept,omitempty"`
}

// Limits are budgets over the fleet.
type Limits struct {
	Installs int `json:"installs,omitempty"` // at a time; default 10
	// Boots is how many machines boot for runs at a time. Default 20.
	Boots int `json:"boots,omitempty"`
	// ErasesPerHour is how many machines with data are erased within an hour. Default: 10, or a tenth of the fleet
	// where that is more.
	ErasesPerHour int `json:"erasesPerHour,omitempty"`
}

// ClientTLS is the TLS configuration for the etcd cluster.
func (e Etcd) ClientTLS() (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(e.Cert, e.Key)
	if err != nil {
		return nil, fmt.Errorf("etcd.cert, etcd.key: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
	if e.CA == "" {
		return c, nil
	}
	pem, err := ReadFile(e.CA)
	if err != nil {
		return nil, fmt.Errorf("etcd.ca: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("etcd.ca: %s holds no certificate", e.CA)
	}
	return c, nil
}

// Duration is written as "90s" or "2m".
type Duration struct{ time.Duration }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 {
		return fmt.Errorf("want a duration such as 30s or 2m")
	}
	d.Duration = parsed
	return nil
}
