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
	nameGrammar = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`) // RFC 1123 label
	// as in Kubernetes
	labelKey = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?` +
		`[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	labelValue         = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
	sha256Grammar      = regexp.MustCompile(`^[0-9a-f]{64}$`)
	hostKeyGrammar     = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$`)
	fingerprintGrammar = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	macGrammar         = regexp.MustCompile(`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`)
	uuidGrammar        = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	eraseGrammar       = regexp.MustCompile(`^[!-~]([ -~]{0,254}[!-~])?/[0-9a-f]{16}$`) // serials may hold spaces
	varGrammar         = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)
	keyGrammar         = regexp.MustCompile(`^[A-Za-z0-9_][-A-Za-z0-9_.]{0,62}$`)
	platformGrammar    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	// as coreos-installer 0.27 reads a console
	consoleGrammar = regexp.MustCompile(`^(tty0|hvc0|ttysclp0|(ttyS|ttyAMA)[0-9]{1,2}(,[0-9]{1,7}([noe][5-8]?)?)?)$`)
	kargGrammar    = regexp.MustCompile(`^[!#-&(-~]{1,512}$`) // printable ASCII without space and quotes
	lineGrammar    = regexp.MustCompile(`^[ -~]{1,256}$`)
	kernelDisk     = regexp.MustCompile(`^(/dev/)?([shv]d[a-z]+|xvd[a-z]+|nvme[0-9]+n[0-9]+|mmcblk[0-9]+)$`)
	// the form of a value that sops encrypted: https://getsops.io/docs/#encryption-protocol
	sealedGrammar = regexp.MustCompile(`^ENC\[AES256_GCM,data:[A-Za-z0-9+/=]*,` +
		`iv:[A-Za-z0-9+/=]+,tag:[A-Za-z0-9+/=]+,type:(str|int|float|bool|bytes|time)\]$`)
)

// checker gathers the findings of one document.
type checker struct {
	document *schemas.Document
	findings []schemas.Finding
}

// addError adds an Error, unless the field could not be read: then strict reported the field.
func (c *checker) addError(field, hint, format string, args ...any) {
	if !c.document.Fields.IsSpoiled(field) {
		c.findings = append(c.findings, c.document.ErrorAt(field, hint, format, args...))
	}
}

// addWarning adds a Warning: it refuses nothing.
func (c *checker) addWarning(field, message string) {
	found := c.document.ErrorAt(field, "", "%s", message)
	found.Severity = schemas.Warning
	c.findings = append(c.findings, found)
}

// checkGrammar reports a value that does not match a grammar.
func (c *checker) checkGrammar(field, value string, grammar *regexp.Regexp, want string) {
	if value != "" && !grammar.MatchString(value) {
		c.addError(field, "want "+want, "%q is not allowed", yamltext.ShortenText(value))
	}
}

// addMissing reports a required field, unless an unknown field beside may be the misspelt one.
func (c *checker) addMissing(field, hint, message string) {
	if !c.document.Fields.IsMisspelt(parentOf(field)) {
		c.addError(field, hint, "%s", message)
	}
}

func (c *checker) checkRequired(field, value string) bool {
	if value == "" {
		c.addMissing(field, "", "the field is missing")
	}
	return value != ""
}

func (c *checker) checkOneOf(field, value string, values ...string) {
	if value == "" && c.document.Fields.IsWritten(field) && !c.document.Fields.IsSpoiled(field) {
		c.addError(field, "leave the field out, or write "+yamltext.ListChoices(values), "the field is empty")
	}
	if value != "" && !slices.Contains(values, value) {
		c.addError(field, yamltext.SuggestWord(value, values), "%q is not a value of this field",
			yamltext.ShortenText(value))
	}
}

// checkDocument checks conditions beyond the types.
func checkDocument(d *schemas.Document) []schemas.Finding {
	c := checker{document: d}
	c.checkMetadata(d.Metadata())
	switch d.Kind {
	case schemas.KindHost:
		c.checkHost(&d.Host.Spec)
	case schemas.KindWorkload:
		c.checkWorkload(d.Workload.Spec)
	case schemas.KindStep:
		c.checkStep(d.Step)
	case schemas.KindSecret:
		c.checkSecret(d.Secret)
	case schemas.KindRing:
		c.checkRing(d.Ring.Spec)
	case schemas.KindDefaults:
		c.checkDefaults(d.Defaults.Spec)
	case schemas.KindRule:
		c.checkRule(d.Rule.Spec)
	case schemas.KindDelivery:
		c.checkDelivery(d.Delivery.Spec)
	case schemas.KindFleet:
		c.checkFleet(d.Fleet.Spec)
	}
	return c.findings
}

func (c *checker) checkMetadata(m schemas.Metadata) {
	if c.checkRequired("metadata.name", m.Name) {
		c.checkGrammar("metadata.name", m.Name, nameGrammar, "lower case letters, digits and dashes, at most 63")
	}
	c.checkGrammar("metadata.id", m.ID, nameGrammar, "lower case letters, digits and dashes, at most 63")
	if m.ID != "" && c.document.Kind != schemas.KindHost {
		c.addError("metadata.id", "leave it out", "only a Host has an id")
	}
	switch {
	case m.Formerly != "" && c.document.Kind != schemas.KindHost:
		c.addError("metadata.formerly", "leave it out", "only a Host ever had another name")
	case m.Formerly != "":
		c.addWarning("metadata.formerly",
			fmt.Sprintf("it means nothing any more: write id: %s only while the machine is known as %[1]s (`ingot "+
				"status`), else delete the line", yamltext.ShortenText(m.Formerly)))
	}
	c.checkLabels("metadata.labels", m.Labels)
}

func (c *checker) checkLabels(field string, labels map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		at := field + "." + key
		c.checkGrammar(at, key, labelKey, "a label key such as rack or example.com/rack")
		c.checkGrammar(at, labels[key], labelValue, "at most 63 letters, digits, dashes, dots and underscores")
	}
}

func (c *checker) checkHost(s *schemas.HostSpec) {
	if s.BMC != nil {
		c.checkBMC(s.BMC)
	}
	c.checkIdentity(s.Identity)
	c.checkOneOf("spec.boot.method", s.Boot.Method, schemas.VirtualMedia)
	c.checkBootTimeout("spec.boot.timeout", s.Boot.Timeout)
	c.checkOneOf("spec.power", s.Power, schemas.PowerOn, schemas.PowerOff, schemas.PowerUnmanaged)
	c.checkOneOf("spec.lifecycle", s.Lifecycle, schemas.Managed, schemas.Adopted, schemas.Unmanaged, schemas.Retired)
	c.checkRetire(s)
	c.checkOffBy(s.OffBy)
	c.checkRequests(s.Requests)
	c.checkGrammar("spec.workload", s.Workload, nameGrammar, "the name of a Workload")
	c.checkHostSteps(s.Steps)
	c.checkErase(s.Consent.Erase)
	c.checkGrammar("spec.consent.takeover", s.Consent.Takeover, lineGrammar, "what the hold prints: serial/16 hex digits")
	for _, key := range slices.Sorted(maps.Keys(s.Vars)) {
		c.checkGrammar("spec.vars."+key, key, varGrammar, "letters, digits and underscores")
	}
	if s.RootDisk != nil {
		c.checkDisk("spec.rootDisk", s.RootDisk)
	}
	c.checkNamedDisks("spec.disks", s.Disks)
	if s.Network != nil {
		c.checkNetwork("spec.network.ramdisk", s.Network.Ramdisk)
		c.checkNetwork("spec.network.host", s.Network.Host)
	}
}

func (c *checker) checkBMC(b *schemas.BMC) {
	if c.checkRequired("spec.bmc.address", b.Address) {
		c.checkBMCAddress(b.Address)
	}
	c.checkSharedBMC("spec.bmc", b.Credentials, b.TLS)
	if b.Console != nil && c.checkRequired("spec.bmc.console.fingerprint", b.Console.Fingerprint) {
		c.checkGrammar("spec.bmc.console.fingerprint", b.Console.Fingerprint, hostKeyGrammar,
			"SHA256: and 43 characters of base64, as `ssh-keygen -l` prints it")
	}
}

// checkSharedBMC checks the BMC fields that Defaults can give.
func (c *checker) checkSharedBMC(field, credentials string, tls schemas.BMCTLS) {
	c.checkGrammar(field+".credentials", credentials, nameGrammar, "the name of a Secret")
	c.checkGrammar(field+".tls.fingerprint", tls.Fingerprint, fingerprintGrammar,
		"sha256: and 64 lower case hex digits")
	if tls.CA != "" && !isCertificates(tls.CA) {
		c.addError(field+".tls.ca", "-----BEGIN CERTIFICATE-----…", "not PEM certificates")
	}
	if tls.Fingerprint != "" && tls.CA != "" {
		c.addError(field+".tls", "keep one of them", "fingerprint and ca are both set")
	}
}

func (c *checker) checkBMCAddress(address string) {
	const field, example = "spec.bmc.address", "such as https://10.0.0.13/redfish/v1/Systems/1"
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		c.addError(field, example, "not a URL")
		return
	}
	switch _, system := (schemas.BMC{Address: address}).SplitAddress(); {
	case u.Scheme != "https":
		c.addError(field, "write https://…", "a BMC's password is never sent over %s", yamltext.ShortenText(u.Scheme))
	case u.User != nil:
		c.addError(field, "put them into a Secret", "no user or password in the address")
	case u.RawQuery != "" || u.Fragment != "":
		c.addError(field, example, "no query or fragment in the address")
	case system != "" && !strings.HasPrefix(system, "/redfish/v1/"):
		c.addError(field, example, "the path is not below /redfish/v1")
	}
}

// isCertificates reports whether a text consists of PEM certificates.
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

func (c *checker) checkIdentity(i schemas.Identity) {
	c.checkGrammar("spec.identity.serial", i.Serial, lineGrammar, "printable ASCII")
	c.checkGrammar("spec.identity.uuid", i.UUID, uuidGrammar, "4c4c4544-0035-5a10-8052-b4c04f4e4231")
	for n, mac := range i.MACs {
		field := fmt.Sprintf("spec.identity.macs[%d]", n)
		c.checkMAC(field, mac)
		if slices.Index(i.MACs, mac) < n {
			c.addError(field, "leave it out", "the address is written twice")
		}
	}
}

// checkMAC checks the address of one network card: not all zeros, not a group (IEEE 802: the lowest bit of the first
// byte).
func (c *checker) checkMAC(field, mac string) {
	c.checkGrammar(field, mac, macGrammar, "52:54:00:00:00:01")
	if macGrammar.MatchString(mac) && (mac == "00:00:00:00:00:00" || strings.Contains("13579bdf", mac[1:2])) {
		c.addError(field, "", "%s is no network card's address", mac)
	}
}

func (c *checker) checkDisk(at string, h *schemas.DiskHints) {
	sizes := map[string]uint64{}
	for field, value := range map[string]string{"size": h.Size, "minSize": h.MinSize, "maxSize": h.MaxSize} {
		size, err := schemas.ParseSize(value)
		if value != "" && err != nil {
			c.addError(at+"."+field, "such as 480GB or 1TiB", "%v", err)
		} else if value != "" {
			sizes[field] = size
		}
	}
	if minSize, maxSize := sizes["minSize"], sizes["maxSize"]; maxSize > 0 && minSize > maxSize {
		c.addError(at+".minSize", "", "no disk is at least %s and at most %s", h.MinSize, h.MaxSize)
	}
	for field, value := range map[string]string{"serial": h.Serial, "wwn": h.WWN, "path": h.Path, "model": h.Model,
		"vendor": h.Vendor, "transport": h.Transport} {
		c.checkGrammar(at+"."+field, value, lineGrammar, "printable ASCII")
	}
	if kernelDisk.MatchString(h.Path) ||
		(strings.Contains(h.Path, "/") && !strings.HasPrefix(h.Path, "/dev/disk/by-path/")) {
		c.addError(at+".path", "a name in /dev/disk/by-path, or the disk's serial or wwn",
			"%q may be another disk after the next boot", yamltext.ShortenText(h.Path))
	}
	if *h == (schemas.DiskHints{}) && !c.document.Fields.IsMisspelt(at) && !c.document.Fields.IsSpoiledBelow(at) {
		c.addError(at, "name the disk by serial or wwn", "no hint is given: that would match any disk")
	}
}

// checkPath reports a path that leaves the fleet, or has a plainer spelling.
func (c *checker) checkPath(field, value string) {
	if value == "" {
		return
	}
	if path.IsAbs(value) || path.Clean(value) != value || value == "." || value == ".." ||
		strings.HasPrefix(value, "../") || strings.ContainsFunc(value, isUnfitForPath) {
		c.addError(field, "a path from the fleet's root, such as workloads/web.bu", "%q is not a path in the fleet",
			yamltext.ShortenText(value))
	}
}

func isUnfitForPath(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }

func (c *checker) checkBootTimeout(field, value string) {
	d, err := time.ParseDuration(value)
	if value != "" && (err != nil || d < schemas.MinBootTimeout || d > schemas.MaxBootTimeout) {
		c.addError(field, "such as 40m, 1m to 4h", "%q is not a time for a boot", yamltext.ShortenText(value))
	}
}

// The finding for a value that sops did not encrypt.
const (
	valueInClear = "the value is in clear"
	inClearHint  = "encrypt the file with sops, and change the secret: it is in the history now"
)

func (c *checker) checkSecret(s *schemas.Secret) {
	if len(s.SOPS) == 0 {
		c.addMissing("sops", "encrypt it with sops before it is committed, and change what it held",
			"the Secret is not encrypted: there is no sops section")
	}
	c.checkSealed("spec.data", s.Spec.Data, inClearHint)
	c.checkSealed("spec.binaryData", s.Spec.BinaryData, "encrypt the file with --encrypted-regex '^(data|binaryData)$', and change "+
		"the secret: it is in the history now")
	for _, key := range slices.Sorted(maps.Keys(s.Spec.BinaryData)) {
		if _, twice := s.Spec.Data[key]; twice {
			c.addError("spec.binaryData."+key, "take one out, or rename it", "the key is in spec.data, too")
		}
	}
	if len(s.Spec.Data)+len(s.Spec.BinaryData) == 0 && !c.document.Fields.IsSpoiledBelow("spec.data") {
		c.addMissing("spec.data", "", "the Secret holds nothing")
	}
	c.checkSelector("spec.scope", s.Spec.Scope)
}

// checkSealed reports values that are in clear.
func (c *checker) checkSealed(at string, values map[string]string, hint string) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		field := at + "." + key
		c.checkGrammar(field, key, keyGrammar, "letters, digits, dashes, dots and underscores")
		if !sealedGrammar.MatchString(values[key]) {
			c.addError(field, hint, valueInClear)
		}
	}
}

// checkHosts checks a scope of hosts.
func (c *checker) checkHosts(field string, s schemas.Scope) {
	c.checkSelector(field, s)
	if len(s.Deliveries) > 0 {
		c.addError(field+".deliveries", "leave it out", "only the scope of a Secret names Deliveries")
	}
}

// checkSelector reports a scope that selects nothing, or selects hosts twice.
func (c *checker) checkSelector(field string, s schemas.Scope) {
	c.checkLabels(field+".matchLabels", s.MatchLabels)
	for i, host := range s.Hosts {
		c.checkGrammar(fmt.Sprintf("%s.hosts[%d]", field, i), host, nameGrammar, "the id of a Host")
	}
	for i, delivery := range s.Deliveries {
		c.checkGrammar(fmt.Sprintf("%s.deliveries[%d]", field, i), delivery, nameGrammar, "the name of a Delivery")
	}
	switch selects := len(s.Hosts) > 0 || len(s.MatchLabels) > 0; {
	case s.AllHosts && selects:
		c.addError(field, "keep one of them", "allHosts together with another selector")
	case !s.AllHosts && !selects && len(s.Deliveries) == 0 && !c.document.Fields.IsMisspelt(field) && !c.document.Fields.IsSpoiledBelow(field):
		c.addMissing(field, "matchLabels, hosts, or allHosts: true", "the scope selects no host")
	}
}

// parentOf is the field above, "" for a field of the document.
func parentOf(field string) string {
	return field[:max(0, strings.LastIndex(field, "."))]
}
