package decode

import (
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// Grammars of the contract.
var (
	nameGrammar        = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)                                              // RFC 1123 label
	labelKey           = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`) // as in Kubernetes
	labelValue         = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
	sha256Grammar      = regexp.MustCompile(`^[0-9a-f]{64}$`)
	hostKeyGrammar     = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$`)
	fingerprintGrammar = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	macGrammar         = regexp.MustCompile(`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`)
	eraseGrammar       = regexp.MustCompile(`^[!-~]([ -~]{0,254}[!-~])?/[0-9a-f]{16}$`) // a serial may hold spaces
	varGrammar         = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)
	keyGrammar         = regexp.MustCompile(`^[A-Za-z0-9_][-A-Za-z0-9_.]{0,62}$`)
	kargGrammar        = regexp.MustCompile(`^[!#-&(-~]{1,512}$`) // printable ASCII without space and quotes
	lineGrammar        = regexp.MustCompile(`^[ -~]{1,256}$`)
	kernelDisk         = regexp.MustCompile(`^(/dev/)?([shv]d[a-z]+|xvd[a-z]+|nvme[0-9]+n[0-9]+|mmcblk[0-9]+)$`)
	// What sops writes for a value: https://getsops.io/docs/#encryption-protocol.
	sealedGrammar = regexp.MustCompile(`^ENC\[AES256_GCM,data:[A-Za-z0-9+/=]*,iv:[A-Za-z0-9+/=]+,tag:[A-Za-z0-9+/=]+,type:(str|int|float|bool|bytes)\]$`)
)

// checker gathers the findings of one document.
type checker struct {
	document *schemas.Document
	findings []schemas.Finding
}

// bad makes a finding, unless the field could not be read: then there is one already.
func (c *checker) bad(field, hint, format string, args ...any) {
	if !c.document.Fields.Spoiled(field) {
		c.findings = append(c.findings, c.document.Finding(field, hint, format, args...))
	}
}

// warn makes a finding that refuses nothing.
func (c *checker) warn(field, message string) {
	found := c.document.Finding(field, "", "%s", message)
	found.Severity = schemas.Warning
	c.findings = append(c.findings, found)
}

// grammar finds a value that is set and does not match.
func (c *checker) grammar(field, value string, grammar *regexp.Regexp, want string) {
	if value != "" && !grammar.MatchString(value) {
		c.bad(field, "want "+want, "%q is not allowed", yamltext.Shorten(value))
	}
}

// absent finds a field that must be there, unless one next to it may be it, misspelt.
func (c *checker) absent(field, hint, message string) {
	if !c.document.Fields.Misspelt(parentOf(field)) {
		c.bad(field, hint, "%s", message)
	}
}

func (c *checker) required(field, value string) bool {
	if value == "" {
		c.absent(field, "", "the field is missing")
	}
	return value != ""
}

func (c *checker) oneOf(field, value string, values ...string) {
	if value != "" && !slices.Contains(values, value) {
		c.bad(field, yamltext.Suggest(value, values), "%q is not a value of this field", yamltext.Shorten(value))
	}
}

// check looks at what types cannot say.
func check(d *schemas.Document) []schemas.Finding {
	c := checker{document: d}
	c.metadata(d.Metadata())
	switch d.Kind {
	case schemas.KindHost:
		c.host(&d.Host.Spec)
	case schemas.KindWorkload:
		c.workload(d.Workload.Spec)
	case schemas.KindStep:
		c.step(d.Step)
	case schemas.KindSecret:
		c.secret(d.Secret)
	case schemas.KindRing:
		c.ring(d.Ring.Spec)
	case schemas.KindDefaults:
		c.defaults(d.Defaults.Spec)
	case schemas.KindRule:
		c.rule(d.Rule.Spec)
	case schemas.KindFleet:
		c.fleet(d.Fleet.Spec)
	}
	return c.findings
}

func (c *checker) metadata(m schemas.Metadata) {
	if c.required("metadata.name", m.Name) {
		c.grammar("metadata.name", m.Name, nameGrammar, "lower case letters, digits and dashes, at most 63")
	}
	c.grammar("metadata.id", m.ID, nameGrammar, "lower case letters, digits and dashes, at most 63")
	if m.ID != "" && c.document.Kind != schemas.KindHost {
		c.bad("metadata.id", "leave it out", "only a Host has an id")
	}
	switch {
	case m.Formerly != "" && c.document.Kind != schemas.KindHost:
		c.bad("metadata.formerly", "leave it out", "only a Host ever had another name")
	case m.Formerly != "":
		c.warn("metadata.formerly", fmt.Sprintf("it means nothing any more: write id: %s only while the machine is known as %[1]s (`ingot status`), else delete the line", yamltext.Shorten(m.Formerly)))
	}
	c.labels("metadata.labels", m.Labels)
}

func (c *checker) labels(field string, labels map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		at := field + "." + key
		c.grammar(at, key, labelKey, "a label key such as rack or example.com/rack")
		c.grammar(at, labels[key], labelValue, "at most 63 letters, digits, dashes, dots and underscores")
	}
}

func (c *checker) host(s *schemas.HostSpec) {
	if s.BMC != nil {
		c.bmc(s.BMC)
	}
	c.identity(s.Identity)
	c.oneOf("spec.boot.method", s.Boot.Method, schemas.VirtualMedia)
	c.oneOf("spec.power", s.Power, schemas.PowerOn, schemas.PowerOff, schemas.PowerUnmanaged)
	c.oneOf("spec.lifecycle", s.Lifecycle, schemas.Managed, schemas.Adopted, schemas.Unmanaged, schemas.Retired)
	c.grammar("spec.workload", s.Workload, nameGrammar, "the name of a Workload")
	c.grammar("spec.consent.erase", s.Consent.Erase, eraseGrammar, "what `ingot plan` prints: disk/16 hex digits")
	c.grammar("spec.consent.takeover", s.Consent.Takeover, lineGrammar, "the machine's serial number")
	for _, key := range slices.Sorted(maps.Keys(s.Vars)) {
		c.grammar("spec.vars."+key, key, varGrammar, "letters, digits and underscores")
	}
	if s.RootDisk != nil {
		c.disk("spec.rootDisk", s.RootDisk)
	}
	if s.Network != nil {
		c.network("spec.network.ramdisk", s.Network.Ramdisk)
		c.network("spec.network.host", s.Network.Host)
	}
}

func (c *checker) bmc(b *schemas.BMC) {
	if c.required("spec.bmc.address", b.Address) {
		c.bmcAddress(b.Address)
	}
	c.bmcShared("spec.bmc", b.Credentials, b.TLS)
	if b.Console != nil && c.required("spec.bmc.console.fingerprint", b.Console.Fingerprint) {
		c.grammar("spec.bmc.console.fingerprint", b.Console.Fingerprint, hostKeyGrammar, "SHA256: and 43 characters of base64, as `ssh-keygen -l` prints it")
	}
}

// bmcShared is what a BMC may get from Defaults.
func (c *checker) bmcShared(field, credentials string, tls schemas.BMCTLS) {
	c.grammar(field+".credentials", credentials, nameGrammar, "the name of a Secret")
	c.grammar(field+".tls.fingerprint", tls.Fingerprint, fingerprintGrammar, "sha256: and 64 lower case hex digits")
	if tls.CA != "" && !isCertificates(tls.CA) {
		c.bad(field+".tls.ca", "-----BEGIN CERTIFICATE-----…", "not PEM certificates")
	}
	if tls.Fingerprint != "" && tls.CA != "" {
		c.bad(field+".tls", "keep one of them", "fingerprint and ca are both set")
	}
}

func (c *checker) bmcAddress(address string) {
	const field, example = "spec.bmc.address", "such as https://10.0.0.13/redfish/v1/Systems/1"
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		c.bad(field, example, "not a URL")
		return
	}
	switch _, system := (schemas.BMC{Address: address}).System(); {
	case u.Scheme != "https":
		c.bad(field, "write https://…", "a BMC's password is never sent over %s", yamltext.Shorten(u.Scheme))
	case u.User != nil:
		c.bad(field, "put them into a Secret", "no user or password in the address")
	case u.RawQuery != "" || u.Fragment != "":
		c.bad(field, example, "no query or fragment in the address")
	case system != "" && !strings.HasPrefix(system, "/redfish/v1/"):
		c.bad(field, example, "the path is not below /redfish/v1")
	}
}

// isCertificates reports whether text is one or more PEM certificates and nothing else.
func isCertificates(text string) bool {
	rest := []byte(strings.TrimSpace(text))
	for len(rest) > 0 {
		block, after := pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" {
			return false
		}
		rest = after
	}
	return text != ""
}

func (c *checker) identity(i schemas.Identity) {
	c.grammar("spec.identity.serial", i.Serial, lineGrammar, "printable ASCII")
	for n, mac := range i.MACs {
		field := fmt.Sprintf("spec.identity.macs[%d]", n)
		c.mac(field, mac)
		if slices.Index(i.MACs, mac) < n {
			c.bad(field, "leave it out", "the address is written twice")
		}
	}
}

// mac wants the address of one network card: not all zeros, not a group (IEEE 802: the lowest bit of the first byte).
func (c *checker) mac(field, mac string) {
	c.grammar(field, mac, macGrammar, "52:54:00:00:00:01")
	if macGrammar.MatchString(mac) && (mac == "00:00:00:00:00:00" || strings.Contains("13579bdf", mac[1:2])) {
		c.bad(field, "", "%s is no network card's address", mac)
	}
}

func (c *checker) disk(at string, h *schemas.DiskHints) {
	sizes := map[string]uint64{}
	for field, value := range map[string]string{"size": h.Size, "minSize": h.MinSize, "maxSize": h.MaxSize} {
		size, err := schemas.ParseSize(value)
		if value != "" && err != nil {
			c.bad(at+"."+field, "such as 480GB or 1TiB", "%v", err)
		} else if value != "" {
			sizes[field] = size
		}
	}
	if least, most := sizes["minSize"], sizes["maxSize"]; most > 0 && least > most {
		c.bad(at+".minSize", "", "no disk is at least %s and at most %s", h.MinSize, h.MaxSize)
	}
	for field, value := range map[string]string{"serial": h.Serial, "wwn": h.WWN, "path": h.Path, "model": h.Model, "vendor": h.Vendor, "transport": h.Transport} {
		c.grammar(at+"."+field, value, lineGrammar, "printable ASCII")
	}
	if kernelDisk.MatchString(h.Path) || (strings.Contains(h.Path, "/") && !strings.HasPrefix(h.Path, "/dev/disk/by-path/")) {
		c.bad(at+".path", "a name in /dev/disk/by-path, or the disk's serial or wwn", "%q may be another disk after the next boot", yamltext.Shorten(h.Path))
	}
	if *h == (schemas.DiskHints{}) && !c.document.Fields.Misspelt(at) && !c.document.Fields.SpoiledBelow(at) {
		c.bad(at, "name the disk by serial or wwn", "no hint is given: that would match any disk")
	}
}

// path finds a path that leaves the fleet or is written in another than the one plain way.
func (c *checker) path(field, value string) {
	if value == "" {
		return
	}
	if path.IsAbs(value) || path.Clean(value) != value || value == "." || value == ".." || strings.HasPrefix(value, "../") || strings.ContainsFunc(value, unfitForPath) {
		c.bad(field, "a path from the fleet's root, such as workloads/web.bu", "%q is not a path in the fleet", yamltext.Shorten(value))
	}
}

func unfitForPath(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }

func (c *checker) step(s *schemas.Step) {
	if s.Metadata.Name == schemas.StepInstall {
		c.bad("metadata.name", "choose another name", "install stands for a Workload's spec.install")
	}
	if c.required("spec.script", s.Spec.Script) {
		c.path("spec.script", s.Spec.Script)
	}
	if s.Spec.Timeout != "" {
		if d, err := time.ParseDuration(s.Spec.Timeout); err != nil || d < time.Second || d > 24*time.Hour {
			c.bad("spec.timeout", "such as 10m, 1s to 24h", "%q is not a timeout", yamltext.Shorten(s.Spec.Timeout))
		}
	}
}

// The finding for a value that sops did not write.
const (
	inClear     = "the value is in clear"
	inClearHint = "encrypt the file with sops, and change the secret: it is in the history now"
)

func (c *checker) secret(s *schemas.Secret) {
	if len(s.SOPS) == 0 {
		c.absent("sops", "encrypt it with sops before it is committed, and change what it held", "the Secret is not encrypted: there is no sops section")
	}
	for _, key := range slices.Sorted(maps.Keys(s.Spec.Data)) {
		field := "spec.data." + key
		c.grammar(field, key, keyGrammar, "letters, digits, dashes, dots and underscores")
		if !sealedGrammar.MatchString(s.Spec.Data[key]) {
			c.bad(field, inClearHint, inClear)
		}
	}
	if len(s.Spec.Data) == 0 && !c.document.Fields.SpoiledBelow("spec.data") {
		c.absent("spec.data", "", "the Secret holds nothing")
	}
	c.selector("spec.scope", s.Spec.Scope)
}

// selector finds a scope at a field that selects nothing, or says it twice.
func (c *checker) selector(field string, s schemas.Scope) {
	c.labels(field+".matchLabels", s.MatchLabels)
	for i, host := range s.Hosts {
		c.grammar(fmt.Sprintf("%s.hosts[%d]", field, i), host, nameGrammar, "the id of a Host")
	}
	switch selects := len(s.Hosts) > 0 || len(s.MatchLabels) > 0; {
	case s.AllHosts && selects:
		c.bad(field, "keep one of them", "allHosts together with another selector")
	case !s.AllHosts && !selects && !c.document.Fields.Misspelt(field) && !c.document.Fields.SpoiledBelow(field):
		c.absent(field, "matchLabels, hosts, or allHosts: true", "the scope selects no host")
	}
}

// parentOf is the field above: "" for a field of the document.
func parentOf(field string) string {
	return field[:max(0, strings.LastIndex(field, "."))]
}
