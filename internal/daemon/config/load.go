package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/strict"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// maxFile is the largest file that is read, in bytes.
const maxFile = 1 << 20

// LoadFile reads, completes and checks a configuration file. All problems are reported at once, with their lines.
func LoadFile(file string) (Config, error) {
	data, err := ReadFile(file)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w: name one with --config", err)
	}
	var c Config
	p := problems{file: file}
	nodes, problem := yamltext.ParseDocuments(data, maxFile)
	switch {
	case problem != nil:
		return Config{}, errors.New(schemas.YAMLFinding(file, problem).String())
	case len(nodes) == 0:
		return Config{}, fmt.Errorf("%s is empty: begin with docs/daemon.yaml, which names every field", file)
	case len(nodes) > 1:
		return Config{}, fmt.Errorf("%s:%d: a second document: a configuration is one", file, nodes[1].Line)
	}
	var found []strict.Problem
	p.fields, found = strict.Rules{}.ReadNode(nodes[0], &c)
	for _, f := range found {
		p.addProblem(f.Place, f.Field, f.Message, f.Hint)
	}
	c.fillDefaults(filepath.Dir(file))
	c.checkFields(&p)
	return c, p.joinProblems()
}

// ReadFile reads a small file named in a configuration; the name "" gives no bytes.
func ReadFile(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes, which are read at most", name, maxFile)
	}
	return data, err
}

// problems collects the problems of a file.
type problems struct {
	file   string
	fields strict.Fields
	found  []schemas.Finding
}

func (p *problems) addProblem(at strict.Place, field, message, hint string) {
	p.found = append(p.found, schemas.Finding{
		Position: schemas.Position{File: p.file, Line: at.Line, Col: at.Col}, Severity: schemas.Error, Field: field,
		Message: message, Hint: hint,
	})
}

// addBad adds a problem with a field's value or absence.
func (p *problems) addBad(field, message, hint string) {
	p.addProblem(p.fields.FindPlace(field), field, message, hint)
}

// requireField adds a problem if a field is empty, unless the field has a problem already.
func (p *problems) requireField(field, value, hint string) {
	if value == "" && !p.fields.IsSpoiled(field) {
		p.addBad(field, "the field is missing", hint)
	}
}

func (p *problems) joinProblems() error {
	if len(p.found) == 0 {
		return nil
	}
	schemas.SortFindings(p.found)
	lines := make([]string, len(p.found))
	for i, f := range p.found {
		lines[i] = f.String()
	}
	return errors.New("the configuration is not used:\n" + strings.Join(lines, "\n"))
}

func (c *Config) fillDefaults(dir string) {
	setDefault(&c.Fleet.Branch, "main")
	setDefault(&c.Fleet.StatusBranch, gitrepo.StatusBranch(c.Fleet.Path))
	if c.Fleet.Poll.Duration == 0 {
		c.Fleet.Poll.Duration = time.Minute
	}
	if c.PublishEvery.Duration == 0 {
		c.PublishEvery.Duration = 15 * time.Second
	}
	if c.BMC.ConfirmOff.Duration == 0 {
		c.BMC.ConfirmOff.Duration = 30 * time.Second
	}
	if c.Trust.MaxStale.Duration == 0 {
		c.Trust.MaxStale.Duration = 10 * time.Minute
	}
	if c.Results.Keep.Days == 0 {
		c.Results.Keep.Days = 30
	}
	if c.Results.Keep.Size == 0 {
		c.Results.Keep.Size = 50 << 30
	}
	if c.Limits.Installs == 0 {
		c.Limits.Installs = 10
	}
	for _, path := range append(c.noticePaths(), &c.StateDir, &c.IdentityDir, &c.AgeKeys, &c.Ramdisk, &c.Fleet.SSHKey,
		&c.Fleet.KnownHosts,
		&c.Fleet.PasswordFile, &c.Fleet.CA, &c.Webhook.SecretFile,
		&c.Trust.AllowedSigners, &c.Trust.RevokedKeys, &c.Trust.PGPKeys, &c.Listen.Socket, &c.Images.Dir, &c.Results.Dir, &c.Etcd.CA,
		&c.Etcd.Cert, &c.Etcd.Key) {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	// A fleet on this machine is a path, relative to the file.
	if path := c.Fleet.URL; path != "" && !strings.Contains(path, ":") && !filepath.IsAbs(path) {
		c.Fleet.URL = filepath.Join(dir, path)
	}
	if strings.HasPrefix(c.Listen.Metrics, ":") {
		c.Listen.Metrics = "127.0.0.1" + c.Listen.Metrics
	}
	if c.StateDir == "" {
		return // a missing stateDir is a problem, added by checkFields
	}
	setDefault(&c.Listen.Socket, filepath.Join(c.StateDir, "ingot.sock"))
	setDefault(&c.Images.Dir, filepath.Join(c.StateDir, "images"))
	setDefault(&c.Results.Dir, filepath.Join(c.StateDir, "results"))
}

// fleetPath is a directory whose name can be a part of a branch's name (git-check-ref-format(1)).
var fleetPath = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?(/[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?)*$`)

func (c *Config) checkDays(p *problems) {
	for field, days := range map[string]int{"results.keep.days": c.Results.Keep.Days, "logs.days": c.Logs.Days} {
		if days < 0 || days > 36500 {
			p.addBad(field, "want a number of days, from 1", "")
		}
	}
}

func (c *Config) checkFields(p *problems) {
	p.requireField("fleet.url", c.Fleet.URL, "https, ssh, or a path on this machine")
	p.requireField("stateDir", c.StateDir, "a directory for the journal, such as /var/lib/ingot")
	p.requireField("identityDir", c.IdentityDir, "a directory for the daemon's keys, such as /etc/ingot/identity")
	p.requireField("ramdisk", c.Ramdisk, "the ISO that `ingot ramdisk build` makes")
	p.requireField("listen.agents", c.Listen.Agents, "host:port, such as 0.0.0.0:8443")
	p.requireField("listen.media", c.Listen.Media, "host:port, such as 0.0.0.0:8080")
	p.requireField("advertise.media", c.Advertise.Media, "the http URL at which BMCs reach listen.media")
	c.checkMediaTLS(p)
	unfit := strings.Contains(c.Fleet.Path, "..") || strings.Contains(c.Fleet.Path+"/", ".lock/")
	if c.Fleet.Path != "" && (unfit || !fleetPath.MatchString(c.Fleet.Path)) {
		p.addBad("fleet.path", "want a directory of the repository, such as fleets/fra1",
			"letters, digits, . - and _ between slashes: it names the status branch too")
	}
	for field, address := range map[string]string{"listen.agents": c.Listen.Agents, "listen.media": c.Listen.Media,
		"listen.mediaTLS": c.Listen.MediaTLS,
		"listen.web":      c.Listen.Web, "listen.webhook": c.Listen.Webhook,
		"listen.metrics": c.Listen.Metrics} {
		if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
			p.addBad(field, "want host:port", "such as 0.0.0.0:8443")
		}
	}
	if len(c.Advertise.Agents) == 0 {
		p.requireField("advertise.agents", "", "a list of https URLs at which machines reach listen.agents")
	}
	for i, text := range c.Advertise.Agents {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
			p.addBad(fmt.Sprintf("advertise.agents[%d]", i), "want an https URL", "the agents' API is TLS only")
		}
	}
	if u, err := url.Parse(c.Advertise.Media); c.Advertise.Media != "" &&
		(err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "") {
		p.addBad("advertise.media", "want an http URL", "")
	}
	c.checkDays(p)
	if min(c.Limits.Installs, c.Limits.Boots) < 0 {
		p.addBad("limits.installs, limits.boots", "want a number of hosts", "")
	}
	if c.Limits.ErasesPerHour < 0 {
		p.addBad("limits.erasesPerHour", "want a number of machines", "")
	}
	if pause := c.BMC.ConfirmOff.Duration; pause < 0 || pause > 10*time.Minute {
		p.addBad("bmc.confirmOff", "want a time of at most 10m",
			"BMCs say Off for some seconds after a machine came on; the default is 30s")
	}
	c.Deadlines.checkFields(p)
	if stale := c.Trust.MaxStale.Duration; stale < time.Second || stale > 24*time.Hour {
		p.addBad("trust.maxStale", "want a time from 1s to 24h",
			"a write may begin while the fleet cannot be fetched, if it could be so lately; the default is 10m")
	}
	c.Trust.checkKeys(p)
	c.Secrets.checkProgram(p)
	c.checkNotices(p)
	if rel, err := filepath.Rel(c.StateDir, c.IdentityDir); c.StateDir != "" && c.IdentityDir != "" && err == nil &&
		filepath.IsLocal(rel) {
		p.addBad("identityDir", "it lies inside stateDir", "keep it apart, so that losing the state loses no trust")
	}
}

// checkMediaTLS checks what serves boot media over HTTPS.
func (c *Config) checkMediaTLS(p *problems) {
	if c.Listen.MediaTLS != "" {
		p.requireField("advertise.mediaTLS", c.Advertise.MediaTLS, "the https URL at which BMCs reach listen.mediaTLS")
	}
	if c.Advertise.MediaTLS != "" {
		p.requireField("listen.mediaTLS", c.Listen.MediaTLS, "host:port, such as 0.0.0.0:8444")
	}
	if u, err := url.Parse(c.Advertise.MediaTLS); c.Advertise.MediaTLS != "" &&
		(err != nil || u.Scheme != "https" || u.Host == "") {
		p.addBad("advertise.mediaTLS", "want an https URL", "")
	}
}

// checkKeys requires keys where signatures are required.
func (t Trust) checkKeys(p *problems) {
	if t.AllowedSigners == "" && t.PGPKeys == "" &&
		(t.RevokedKeys != "" || len(t.Paths) > 0 || t.SignedTags || t.TwoSigners) {
		p.addBad("trust", "nobody is named who may sign", "name allowedSigners or pgpKeys, or leave the rest out")
	}
}

func setDefault(value *string, fallback string) {
	if *value == "" {
		*value = fallback
	}
}
