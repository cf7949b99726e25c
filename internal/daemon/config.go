package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/inventory/gitrepo/trust"
	"github.com/gitmetal/ingot/schemas"
)

// maxConfig is the largest configuration file, in bytes.
const maxConfig = 1 << 20

// Config is the daemon's own configuration: what the fleet cannot say about itself. Relative paths are relative to the file.
type Config struct {
	Fleet FleetConfig `json:"fleet"`
	// StateDir holds the journal; losing it loses nothing that cannot be rebuilt.
	StateDir string `json:"stateDir"`
	// IdentityDir holds the daemon's keys. It is made at the first start, and must be kept: agents and installed systems trust it.
	IdentityDir string `json:"identityDir"`
	// AgeKeys is a file of age identities that open the fleet's Secrets.
	AgeKeys string        `json:"ageKeys,omitempty"`
	Secrets SecretsConfig `json:"secrets,omitempty"`
	// Ramdisk is the ISO made by `ingot ramdisk build`.
	Ramdisk   string          `json:"ramdisk"`
	Listen    ListenConfig    `json:"listen"`
	Advertise AdvertiseConfig `json:"advertise"`
	Webhook   WebhookConfig   `json:"webhook,omitempty"`
	Trust     TrustConfig     `json:"trust,omitempty"`
	Images    ImagesConfig    `json:"images,omitempty"`
	Etcd      EtcdConfig      `json:"etcd,omitempty"`
	Limits    LimitsConfig    `json:"limits,omitempty"`
	// Reinstall selects the hosts on which a Workload's update: Reinstall stands for consent, for systems that it installed while it said so. Default: none.
	Reinstall schemas.Scope `json:"reinstall,omitempty"`
	// PublishEvery is the shortest time between two status commits; an armed operation is published at once. Default 15s.
	PublishEvery Duration `json:"publishEvery,omitempty"`
}

// FleetConfig says where the fleet is.
type FleetConfig struct {
	URL          string   `json:"url"`                    // https, http, ssh, or a path
	Branch       string   `json:"branch,omitempty"`       // default main
	StatusBranch string   `json:"statusBranch,omitempty"` // default ingot/status
	Poll         Duration `json:"poll,omitempty"`         // default 1m
	SSHKey       string   `json:"sshKey,omitempty"`
	KnownHosts   string   `json:"knownHosts,omitempty"`
	Username     string   `json:"username,omitempty"`
	PasswordFile string   `json:"passwordFile,omitempty"`
	CA           string   `json:"ca,omitempty"` // PEM file
}

// ListenConfig says where the daemon listens.
type ListenConfig struct {
	Agents string `json:"agents"`           // host:port of the agents' API, TLS
	Media  string `json:"media"`            // host:port where BMCs read boot media, plain HTTP
	Socket string `json:"socket,omitempty"` // control socket; default <stateDir>/ingot.sock
	// Web is host:port of a read-only page of the fleet's state, plain HTTP, without accounts: keep it on loopback or behind a proxy that has some. "" for none.
	Web string `json:"web,omitempty"`
	// Webhook is host:port where the forge says that something was pushed, plain HTTP. It needs webhook.secretFile. "" for none.
	Webhook string `json:"webhook,omitempty"`
}

// TrustConfig says whose commits count. Without keys every commit of the branch does. The fleet cannot change it.
type TrustConfig struct {
	AllowedSigners string       `json:"allowedSigners,omitempty"` // file as of ssh-keygen(1)
	RevokedKeys    string       `json:"revokedKeys,omitempty"`    // file of public keys, one a line
	PGPKeys        string       `json:"pgpKeys,omitempty"`        // file of armored public keys
	Paths          []trust.Rule `json:"paths,omitempty"`
	SignedTags     bool         `json:"signedTags,omitempty"` // the tags that rings follow must be signed too
	TwoSigners     bool         `json:"twoSigners,omitempty"` // and their commits by somebody else
}

// policy reads the keys; nil without any.
func (t TrustConfig) policy() (*trust.Policy, error) {
	if t.AllowedSigners == "" && t.PGPKeys == "" {
		if t.RevokedKeys != "" || len(t.Paths) > 0 || t.SignedTags || t.TwoSigners {
			return nil, errors.New("trust: name allowedSigners or pgpKeys, or leave the rest out")
		}
		return nil, nil
	}
	c := trust.Config{Paths: t.Paths}
	for _, keys := range []struct {
		file string
		into *[]byte
	}{{t.AllowedSigners, &c.AllowedSigners}, {t.RevokedKeys, &c.RevokedKeys}, {t.PGPKeys, &c.PGPKeys}} {
		data, err := readOptional(keys.file)
		if err != nil {
			return nil, fmt.Errorf("trust: %w", err)
		}
		*keys.into = data
	}
	policy, err := trust.New(c)
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	return policy, nil
}

// WebhookConfig says how the forge proves itself.
type WebhookConfig struct {
	SecretFile string `json:"secretFile,omitempty"` // the secret that the forge's webhook has too
}

// AdvertiseConfig says how the listeners are reached.
type AdvertiseConfig struct {
	Agents []string `json:"agents"` // https URLs, from a machine's ramdisk and from the installed system
	Media  string   `json:"media"`  // http URL, from a BMC
}

// ImagesConfig bounds what is mirrored.
type ImagesConfig struct {
	Dir        string   `json:"dir,omitempty"`        // default <stateDir>/images
	AllowHosts []string `json:"allowHosts,omitempty"` // when set, only these hosts; loopback hosts must be named to be allowed
}

// EtcdConfig names an etcd cluster; without endpoints the daemon embeds a single node.
type EtcdConfig struct {
	Endpoints []string `json:"endpoints,omitempty"`
	CA        string   `json:"ca,omitempty"`
	Cert      string   `json:"cert,omitempty"`
	Key       string   `json:"key,omitempty"`
}

// LimitsConfig are budgets over the fleet.
type LimitsConfig struct {
	Installs int `json:"installs,omitempty"` // at a time; default 10
}

// tls is how an etcd cluster is reached.
func (e EtcdConfig) tls() (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(e.Cert, e.Key)
	if err != nil {
		return nil, fmt.Errorf("etcd.cert, etcd.key: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
	if e.CA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(e.CA)
	if err != nil {
		return nil, fmt.Errorf("etcd.ca: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("etcd.ca: %s holds no certificate", e.CA)
	}
	return c, nil
}

// Duration reads "90s" and "2m".
type Duration struct{ time.Duration }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 30s", text)
	}
	d.Duration = parsed
	return nil
}

// LoadConfig reads, completes and checks a configuration file. All problems are reported at once.
func LoadConfig(file string) (Config, error) {
	info, err := os.Stat(file)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w: name one with --config", err)
	}
	if info.Size() > maxConfig {
		return Config{}, fmt.Errorf("configuration %s has %d bytes, at most %d are read", file, info.Size(), maxConfig)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	var c Config
	if err := yaml.UnmarshalStrict(data, &c); err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", file, err)
	}
	c.complete(filepath.Dir(file))
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("configuration %s:\n%w", file, err)
	}
	return c, nil
}

func (c *Config) complete(dir string) {
	setDefault(&c.Fleet.Branch, "main")
	setDefault(&c.Fleet.StatusBranch, "ingot/status")
	if c.Fleet.Poll.Duration == 0 {
		c.Fleet.Poll.Duration = time.Minute
	}
	if c.PublishEvery.Duration == 0 {
		c.PublishEvery.Duration = 15 * time.Second
	}
	if c.Limits.Installs == 0 {
		c.Limits.Installs = 10
	}
	for _, path := range []*string{&c.StateDir, &c.IdentityDir, &c.AgeKeys, &c.Ramdisk, &c.Fleet.SSHKey, &c.Fleet.KnownHosts,
		&c.Fleet.PasswordFile, &c.Fleet.CA, &c.Webhook.SecretFile,
		&c.Trust.AllowedSigners, &c.Trust.RevokedKeys, &c.Trust.PGPKeys, &c.Listen.Socket, &c.Images.Dir, &c.Etcd.CA, &c.Etcd.Cert, &c.Etcd.Key} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	// A fleet on this machine is a path like the others.
	if path := c.Fleet.URL; path != "" && !strings.Contains(path, ":") && !filepath.IsAbs(path) {
		c.Fleet.URL = filepath.Join(dir, path)
	}
	setDefault(&c.Listen.Socket, filepath.Join(c.StateDir, "ingot.sock"))
	setDefault(&c.Images.Dir, filepath.Join(c.StateDir, "images"))
}

func (c *Config) check() error {
	var problems []error
	for _, field := range [][2]string{{"fleet.url", c.Fleet.URL}, {"stateDir", c.StateDir}, {"identityDir", c.IdentityDir}, {"ramdisk", c.Ramdisk},
		{"listen.agents", c.Listen.Agents}, {"listen.media", c.Listen.Media}, {"advertise.media", c.Advertise.Media}} {
		if field[1] == "" {
			problems = append(problems, fmt.Errorf("  %s is missing", field[0]))
		}
	}
	if c.Listen.Webhook != "" && c.Webhook.SecretFile == "" {
		problems = append(problems, errors.New("  webhook.secretFile is missing: listen.webhook needs the secret that the forge proves itself with"))
	}
	if len(c.Advertise.Agents) == 0 {
		problems = append(problems, errors.New("  advertise.agents is missing: name the https URL at which machines reach listen.agents"))
	}
	for _, text := range c.Advertise.Agents {
		if u, err := url.Parse(text); err != nil || u.Scheme != "https" || u.Host == "" {
			problems = append(problems, fmt.Errorf("  advertise.agents: %q is not an https URL", text))
		}
	}
	if err := c.Secrets.check(); err != nil {
		problems = append(problems, err)
	}
	if rel, err := filepath.Rel(c.StateDir, c.IdentityDir); err == nil && filepath.IsLocal(rel) {
		problems = append(problems, errors.New("  identityDir lies inside stateDir: keep it apart, so that losing the state loses no trust"))
	}
	return errors.Join(problems...)
}

func setDefault(value *string, fallback string) {
	if *value == "" {
		*value = fallback
	}
}
