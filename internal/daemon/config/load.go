package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/strict"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// maxFile is the largest file read, in bytes.
const maxFile = 1 << 20

// Load reads, completes and checks a configuration file. All problems are reported at once, each at its line.
func Load(file string) (Config, error) {
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
		p.add(f.Place, f.Field, f.Message, f.Hint)
	}
	c.complete(filepath.Dir(file))
	c.check(&p)
	return c, p.err()
}

// ReadFile reads a small file that a configuration names; "" is no file.
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

// problems are what is wrong with one file.
type problems struct {
	file   string
	fields strict.Fields
	found  []schemas.Finding
}

func (p *problems) add(at strict.Place, field, message, hint string) {
	p.found = append(p.found, schemas.Finding{
		Position: schemas.Position{File: p.file, Line: at.Line, Col: at.Col}, Severity: schemas.Error, Field: field, Message: message, Hint: hint,
	})
}

// bad is a problem with a field's value, or with its absence.
func (p *problems) bad(field, message, hint string) {
	p.add(p.fields.FindPlace(field), field, message, hint)
}

// missing is the problem of a field that is empty, unless something else was said of it.
func (p *problems) missing(field, value, hint string) {
	if value == "" && !p.fields.IsSpoiled(field) {
		p.bad(field, "the field is missing", hint)
	}
}

func (p *problems) err() error {
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

func (c *Config) complete(dir string) {
	setDefault(&c.Fleet.Branch, "main")
	setDefault(&c.Fleet.StatusBranch, "ingot/status")
	if c.Fleet.Poll.Duration == 0 {
		c.Fleet.Poll.Duration = time.Minute
	}
	if c.PublishEvery.Duration == 0 {
		c.PublishEvery.Duration = 15 * time.Second
	}
	if c.BMC.ConfirmOff.Duration == 0 {
		c.BMC.ConfirmOff.Duration = 30 * time.Second
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
	if c.StateDir == "" {
		return // which is a problem
	}
	setDefault(&c.Listen.Socket, filepath.Join(c.StateDir, "ingot.sock"))
	setDefault(&c.Images.Dir, filepath.Join(c.StateDir, "images"))
}

func (c *Config) check(p *problems) {
	p.missing("fleet.url", c.Fleet.URL, "https, ssh, or a path on this machine")
	p.missing("stateDir", c.StateDir, "a directory for the journal, such as /var/lib/ingot")
	p.missing("identityDir", c.IdentityDir, "a directory for the daemon's keys, such as /etc/ingot/identity")
	p.missing("ramdisk", c.Ramdisk, "the ISO that `ingot ramdisk build` makes")
	p.missing("listen.agents", c.Listen.Agents, "host:port, such as 0.0.0.0:8443")
	p.missing("listen.media", c.Listen.Media, "host:port, such as 0.0.0.0:8080")
	p.missing("advertise.media", c.Advertise.Media, "the http URL at which BMCs reach listen.media")
	for field, address := range map[string]string{"listen.agents": c.Listen.Agents, "listen.media": c.Listen.Media, "listen.web": c.Listen.Web, "listen.webhook": c.Listen.Webhook} {
		if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
			p.bad(field, "want host:port", "such as 0.0.0.0:8443")
		}
	}
	if c.Listen.Webhook != "" {
		p.missing("webhook.secretFile", c.Webhook.SecretFile, "listen.webhook needs the secret that the forge proves itself with")
	}
	if len(c.Advertise.Agents) == 0 {
		p.missing("advertise.agents", "", "a list of https URLs at which machines reach listen.agents")
	}
	for i, text := range c.Advertise.Agents {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
			p.bad(fmt.Sprintf("advertise.agents[%d]", i), "want an https URL", "the agents' API is TLS only")
		}
	}
	if u, err := url.Parse(c.Advertise.Media); c.Advertise.Media != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "") {
		p.bad("advertise.media", "want an http URL", "")
	}
	if c.Limits.Installs < 0 {
		p.bad("limits.installs", "want a number of hosts", "")
	}
	if pause := c.BMC.ConfirmOff.Duration; pause < 0 || pause > 10*time.Minute {
		p.bad("bmc.confirmOff", "want a time of at most 10m", "BMCs say Off for some seconds after a machine came on; the default is 30s")
	}
	c.Trust.check(p)
	c.Secrets.check(p)
	if rel, err := filepath.Rel(c.StateDir, c.IdentityDir); c.StateDir != "" && c.IdentityDir != "" && err == nil && filepath.IsLocal(rel) {
		p.bad("identityDir", "it lies inside stateDir", "keep it apart, so that losing the state loses no trust")
	}
}

// check wants keys where something is to be signed.
func (t Trust) check(p *problems) {
	if t.AllowedSigners == "" && t.PGPKeys == "" && (t.RevokedKeys != "" || len(t.Paths) > 0 || t.SignedTags || t.TwoSigners) {
		p.bad("trust", "nobody is named who may sign", "name allowedSigners or pgpKeys, or leave the rest out")
	}
}

func setDefault(value *string, fallback string) {
	if *value == "" {
		*value = fallback
	}
}
