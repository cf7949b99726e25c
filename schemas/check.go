package schemas

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Grammars of the contract.
var (
	nameGrammar        = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)                                              // RFC 1123 label
	labelKey           = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`) // as in Kubernetes
	labelValue         = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
	sha256Grammar      = regexp.MustCompile(`^[0-9a-f]{64}$`)
	fingerprintGrammar = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	macGrammar         = regexp.MustCompile(`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`)
	eraseGrammar       = regexp.MustCompile(`^[!-~]+/[0-9a-f]{16}$`)
	varGrammar         = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)
	keyGrammar         = regexp.MustCompile(`^[A-Za-z0-9_][-A-Za-z0-9_.]{0,62}$`)
	interfaceGrammar   = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9_.]{0,14}$`)
	kargGrammar        = regexp.MustCompile(`^[!#-&(-~]{1,512}$`) // printable ASCII without space and quotes
)

// checker gathers the findings of one document.
type checker struct {
	document *Document
	findings []Finding
}

func (c *checker) bad(field, hint, format string, args ...any) {
	c.findings = append(c.findings, c.document.Finding(field, hint, format, args...))
}

// grammar finds a value that is set and does not match.
func (c *checker) grammar(field, value string, grammar *regexp.Regexp, want string) {
	if value != "" && !grammar.MatchString(value) {
		c.bad(field, "want "+want, "%q is not allowed", shorten(value))
	}
}

func (c *checker) required(field, value string) bool {
	if value == "" {
		c.bad(field, "", "the field is missing")
		return false
	}
	return true
}

func (c *checker) oneOf(field, value string, values ...string) {
	if value != "" && !slices.Contains(values, value) {
		c.bad(field, suggest(value, values), "%q is not a value of this field", shorten(value))
	}
}

// check looks at what types cannot say.
func (d *Document) check() []Finding {
	c := checker{document: d}
	switch d.Kind {
	case KindHost:
		c.metadata(d.Host.Metadata)
		c.host(&d.Host.Spec)
	case KindWorkload:
		c.metadata(d.Workload.Metadata)
		c.workload(d.Workload.Spec)
	case KindStep:
		c.metadata(d.Step.Metadata)
		c.step(d.Step.Spec)
	case KindSecret:
		c.metadata(d.Secret.Metadata)
		c.secret(d.Secret)
	}
	return c.findings
}

func (c *checker) metadata(m Metadata) {
	if c.required("metadata.name", m.Name) {
		c.grammar("metadata.name", m.Name, nameGrammar, "lower case letters, digits and dashes, at most 63")
	}
	c.grammar("metadata.formerly", m.Formerly, nameGrammar, "the name this host had")
	if m.Formerly != "" && m.Formerly == m.Name {
		c.bad("metadata.formerly", "leave it out", "the host never had another name")
	}
	c.labels("metadata.labels", m.Labels)
}

func (c *checker) labels(field string, labels map[string]string) {
	for _, key := range sortedKeys(labels) {
		at := field + "." + key
		c.grammar(at, key, labelKey, "a label key such as rack or example.com/rack")
		c.grammar(at, labels[key], labelValue, "at most 63 letters, digits, dashes, dots and underscores")
	}
}

func (c *checker) host(s *HostSpec) {
	if s.BMC != nil {
		c.bmc(s.BMC)
	}
	for i := range s.Identity.MACs {
		s.Identity.MACs[i] = strings.ToLower(s.Identity.MACs[i])
		c.grammar(fmt.Sprintf("spec.identity.macs[%d]", i), s.Identity.MACs[i], macGrammar, "52:54:00:00:00:01")
	}
	c.oneOf("spec.boot.method", s.Boot.Method, VirtualMedia)
	c.oneOf("spec.power", s.Power, PowerOn, PowerOff, PowerUnmanaged)
	c.oneOf("spec.lifecycle", s.Lifecycle, Managed, Adopted, Unmanaged, Retired)
	c.grammar("spec.workload", s.Workload, nameGrammar, "the name of a Workload")
	c.grammar("spec.consent.erase", s.Consent.Erase, eraseGrammar, "what `ingot plan` prints: disk/16 hex digits")
	for _, key := range sortedKeys(s.Vars) {
		c.grammar("spec.vars."+key, key, varGrammar, "letters, digits and underscores")
	}
	if s.RootDisk != nil {
		c.disk(s.RootDisk)
	}
	if s.Workload != "" && s.BMC == nil {
		c.bad("spec.bmc", "say how the machine is reached", "a host with a workload needs a bmc")
	}
	if s.Workload != "" && s.RootDisk == nil {
		c.bad("spec.rootDisk", "name the disk by serial or wwn", "a host with a workload needs a rootDisk")
	}
	if s.Network != nil {
		c.network("spec.network.ramdisk", s.Network.Ramdisk)
		c.network("spec.network.host", s.Network.Host)
	}
}

func (c *checker) bmc(b *BMC) {
	if c.required("spec.bmc.address", b.Address) {
		u, err := url.Parse(b.Address)
		switch {
		case err != nil || u.Host == "":
			c.bad("spec.bmc.address", "such as https://10.0.0.13/redfish/v1/Systems/1", "not a URL")
		case u.Scheme != "https":
			c.bad("spec.bmc.address", "write https://…", "a BMC's password is never sent over %s", u.Scheme)
		case u.User != nil:
			c.bad("spec.bmc.address", "put them into a Secret", "no user or password in the address")
		}
	}
	if c.required("spec.bmc.credentials", b.Credentials) {
		c.grammar("spec.bmc.credentials", b.Credentials, nameGrammar, "the name of a Secret")
	}
	c.grammar("spec.bmc.tls.fingerprint", b.TLS.Fingerprint, fingerprintGrammar, "sha256: and 64 lower case hex digits")
	if b.TLS.Fingerprint != "" && b.TLS.CA != "" {
		c.bad("spec.bmc.tls", "keep one of them", "fingerprint and ca are both set")
	}
}

func (c *checker) disk(h *DiskHints) {
	for field, value := range map[string]string{"size": h.Size, "minSize": h.MinSize, "maxSize": h.MaxSize} {
		if _, err := ParseSize(value); value != "" && err != nil {
			c.bad("spec.rootDisk."+field, "such as 480GB or 1TiB", "%v", err)
		}
	}
	if *h == (DiskHints{}) {
		c.bad("spec.rootDisk", "name the disk by serial or wwn", "no hint is given: that would match any disk")
	}
}

func (c *checker) workload(s WorkloadSpec) {
	if s.Install == nil {
		c.bad("spec.install", "say which image is installed", "the workload says nothing to run")
		return
	}
	c.image(s.Install.Image)
	c.path("spec.install.butane", s.Install.Butane)
	c.oneOf("spec.install.phoneHome", s.Install.PhoneHome, PhoneHomeRequired, PhoneHomeDisabled)
	c.oneOf("spec.update", s.Update, OnConsent, Reinstall)
	for i, argument := range s.Install.KernelArguments {
		c.grammar(fmt.Sprintf("spec.install.kernelArguments[%d]", i), argument, kargGrammar, "one argument without spaces, quotes or control characters")
		if argument == "" {
			c.bad(fmt.Sprintf("spec.install.kernelArguments[%d]", i), "leave it out", "an empty kernel argument")
		}
	}
	installs := 0
	for i, use := range s.Steps {
		c.required(fmt.Sprintf("spec.steps[%d].step", i), use.Step)
		if use.Step == StepInstall {
			installs++
		}
	}
	if len(s.Steps) > 0 && installs != 1 {
		c.bad("spec.steps", "", "the step install must occur exactly once, it occurs %d times", installs)
	}
}

func (c *checker) image(i Image) {
	if c.required("spec.install.image.url", i.URL) {
		u, err := url.Parse(i.URL)
		switch {
		case err != nil:
			c.bad("spec.install.image.url", "", "not a URL")
		case u.Scheme == "" && u.Host == "":
			c.path("spec.install.image.url", i.URL)
		case (u.Scheme != "https" && u.Scheme != "http") || u.Host == "":
			c.bad("spec.install.image.url", "https://…, or a path in the mirror", "images are not read from %q", u.Scheme)
		case u.User != nil:
			c.bad("spec.install.image.url", "", "no user or password in the URL")
		}
	}
	if c.required("spec.install.image.sha256", i.SHA256) {
		c.grammar("spec.install.image.sha256", i.SHA256, sha256Grammar, "64 lower case hex digits: sha256sum of the file at the URL")
	}
}

func (c *checker) step(s StepSpec) {
	if c.required("spec.script", s.Script) {
		c.path("spec.script", s.Script)
	}
	if s.Timeout != "" {
		if d, err := time.ParseDuration(s.Timeout); err != nil || d <= 0 || d > 24*time.Hour {
			c.bad("spec.timeout", "such as 10m, at most 24h", "%q is not a timeout", shorten(s.Timeout))
		}
	}
}

func (c *checker) secret(s *Secret) {
	if len(s.SOPS) == 0 {
		c.bad("", "encrypt it with sops before it is committed, and change what it held", "the Secret is not encrypted: there is no sops section")
	}
	for _, key := range sortedKeys(s.Spec.Data) {
		c.grammar("spec.data."+key, key, keyGrammar, "letters, digits, dashes, dots and underscores")
		if value := s.Spec.Data[key]; !strings.HasPrefix(value, "ENC[") || !strings.HasSuffix(value, "]") {
			c.bad("spec.data."+key, "encrypt the file with sops, and change the secret: it is in the history now", "the value is in clear")
		}
	}
	if len(s.Spec.Data) == 0 {
		c.bad("spec.data", "", "the Secret holds nothing")
	}
	c.labels("spec.scope.matchLabels", s.Spec.Scope.MatchLabels)
	if scope := s.Spec.Scope; scope.AllHosts && (len(scope.Hosts) > 0 || len(scope.MatchLabels) > 0) {
		c.bad("spec.scope", "keep one of them", "allHosts together with another selector")
	} else if !scope.AllHosts && len(scope.Hosts) == 0 && len(scope.MatchLabels) == 0 {
		c.bad("spec.scope", "matchLabels, hosts, or allHosts: true", "the scope selects no host")
	}
}

// path finds a path that leaves the fleet or is written in another than the one plain way.
func (c *checker) path(field, value string) {
	if value == "" {
		return
	}
	if path.IsAbs(value) || path.Clean(value) != value || value == ".." || strings.HasPrefix(value, "../") || strings.ContainsAny(value, "\\\x00\n") {
		c.bad(field, "a path from the fleet's root, such as workloads/web.bu", "%q is not a path in the fleet", shorten(value))
	}
}

func (c *checker) network(field string, n *Network) {
	if n == nil {
		return
	}
	names := map[string]bool{}
	for i, in := range n.Interfaces {
		at := fmt.Sprintf("%s.interfaces[%d]", field, i)
		if c.required(at+".name", in.Name) {
			c.grammar(at+".name", in.Name, interfaceGrammar, "at most 15 letters, digits, dashes, dots and underscores")
		}
		if names[in.Name] {
			c.bad(at+".name", "", "two interfaces are called %q", in.Name)
		}
		names[in.Name] = true
		c.networkInterface(at, in)
	}
	for i, in := range n.Interfaces {
		at := fmt.Sprintf("%s.interfaces[%d]", field, i)
		if in.Bond != nil {
			for _, port := range in.Bond.Port {
				if !names[port] {
					c.bad(at+".link-aggregation.port", "", "there is no interface %q", shorten(port))
				}
			}
		}
		if in.VLAN != nil && !names[in.VLAN.BaseIface] {
			c.bad(at+".vlan.base-iface", "", "there is no interface %q", shorten(in.VLAN.BaseIface))
		}
	}
	c.routes(field, n, names)
}

func (c *checker) networkInterface(at string, in Interface) {
	if c.required(at+".type", in.Type) {
		c.oneOf(at+".type", in.Type, "ethernet", "bond", "vlan")
	}
	c.grammar(at+".mac-address", strings.ToLower(in.MACAddress), macGrammar, "52:54:00:00:00:01")
	if in.MTU != 0 && (in.MTU < 68 || in.MTU > 65535) {
		c.bad(at+".mtu", "68 to 65535", "%d is not an MTU", in.MTU)
	}
	if (in.Type == "bond") != (in.Bond != nil) {
		c.bad(at+".link-aggregation", "", "a bond, and only a bond, has link-aggregation")
	}
	if (in.Type == "vlan") != (in.VLAN != nil) {
		c.bad(at+".vlan", "", "a vlan, and only a vlan, has vlan")
	}
	if in.VLAN != nil && (in.VLAN.ID < 1 || in.VLAN.ID > 4094) {
		c.bad(at+".vlan.id", "1 to 4094", "%d is not a VLAN", in.VLAN.ID)
	}
	c.ip(at+".ipv4", in.IPv4, netip.Addr.Is4, 32)
	c.ip(at+".ipv6", in.IPv6, netip.Addr.Is6, 128)
}

func (c *checker) ip(at string, config *IPConfig, family func(netip.Addr) bool, bits int) {
	if config == nil {
		return
	}
	for i, address := range config.Address {
		field := fmt.Sprintf("%s.address[%d]", at, i)
		if ip, err := netip.ParseAddr(address.IP); err != nil || !family(ip) {
			c.bad(field+".ip", "", "%q is not an address of this family", shorten(address.IP))
		}
		if address.PrefixLength < 1 || address.PrefixLength > bits {
			c.bad(field+".prefix-length", fmt.Sprintf("1 to %d", bits), "%d is not a prefix length", address.PrefixLength)
		}
	}
}

func (c *checker) routes(field string, n *Network, names map[string]bool) {
	if n.Routes != nil {
		for i, route := range n.Routes.Config {
			at := fmt.Sprintf("%s.routes.config[%d]", field, i)
			if _, err := netip.ParsePrefix(route.Destination); err != nil {
				c.bad(at+".destination", "such as 0.0.0.0/0", "%q is not a network", shorten(route.Destination))
			}
			if _, err := netip.ParseAddr(route.NextHopAddress); route.NextHopAddress != "" && err != nil {
				c.bad(at+".next-hop-address", "", "%q is not an address", shorten(route.NextHopAddress))
			}
			if !names[route.NextHopInterface] {
				c.bad(at+".next-hop-interface", "", "there is no interface %q", shorten(route.NextHopInterface))
			}
		}
	}
	if n.DNSResolver != nil {
		for i, server := range n.DNSResolver.Config.Server {
			if _, err := netip.ParseAddr(server); err != nil {
				c.bad(fmt.Sprintf("%s.dns-resolver.config.server[%d]", field, i), "", "%q is not an address", shorten(server))
			}
		}
	}
}

// sizeGrammar is a number with a decimal (GB) or binary (GiB) unit.
var sizeGrammar = regexp.MustCompile(`^([0-9]{1,15})([KMGTP]i?)?B?$`)

// ParseSize reads a quantity in bytes: 1000000, 480GB (decimal), 1TiB (binary).
func ParseSize(text string) (uint64, error) {
	parts := sizeGrammar.FindStringSubmatch(strings.ReplaceAll(text, " ", ""))
	if parts == nil {
		return 0, fmt.Errorf("%q is not a size", shorten(text))
	}
	n, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size", shorten(text))
	}
	if parts[2] == "" {
		return n, nil
	}
	base := uint64(1000)
	if strings.HasSuffix(parts[2], "i") {
		base = 1024
	}
	for range strings.Index("KMGTP", parts[2][:1]) + 1 {
		if n > (1<<63)/base {
			return 0, fmt.Errorf("%q is too large", shorten(text))
		}
		n *= base
	}
	return n, nil
}

func shorten(text string) string {
	if len(text) > 80 {
		return text[:77] + "…"
	}
	return text
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
