package decode

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

var (
	tagPattern     = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9._/]*\*[-A-Za-z0-9._]*$|^\*$`)
	countGrammar   = regexp.MustCompile(`^[0-9]+%?$`)
	quorumGrammar  = regexp.MustCompile(`^([1-9][0-9]{0,4}|([1-9][0-9]?|100)%)$`)
	hostnameFormat = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?(:[0-9]{1,5})?$`)
)

func (c *checker) ring(s schemas.RingSpec) {
	c.selector("spec.hosts", s.Hosts)
	if s.Canaries.Set() {
		c.selector("spec.canaries", s.Canaries)
	}
	if c.grammar("spec.tag", s.Tag, tagPattern, "a tag's name with one *, such as prod-*"); strings.Contains(s.Tag, "..") || strings.Contains(s.Tag, "//") {
		c.bad("spec.tag", "such as prod-*", "%q matches no tag", yamltext.Shorten(s.Tag))
	}
	for i, name := range s.After {
		field := fmt.Sprintf("spec.after[%d]", i)
		c.grammar(field, name, nameGrammar, "the name of a Ring")
		if name == c.document.Name {
			c.bad(field, "leave it out", "a ring does not wait for itself")
		}
	}
	c.grammar("spec.maxUnavailable", s.MaxUnavailable, quorumGrammar, "a number from 1, or a percentage from 1% to 100%")
	c.atLeast("spec.pauseAfter", s.PauseAfter, 1)
	for i, w := range s.Windows {
		c.window(fmt.Sprintf("spec.windows[%d]", i), w)
	}
}

// atLeast finds a number that is written and too small; zero that nobody wrote is a default.
func (c *checker) atLeast(field string, value, least int) {
	if value < least && c.document.Written(field) {
		c.bad(field, fmt.Sprintf("at least %d, or leave it out", least), "%d is too small", value)
	}
}

func (c *checker) window(field string, w schemas.Window) {
	if c.required(field+".start", w.Start) {
		if _, err := schemas.ParseSchedule(w); err != nil {
			c.bad(field+".start", `five fields such as "0 22 * * 1-5"`, "%v", err)
		}
	}
	if c.required(field+".duration", w.Duration) {
		if d, err := time.ParseDuration(w.Duration); err != nil || d < time.Minute || d > 168*time.Hour {
			c.bad(field+".duration", "such as 4h, 1m to 168h", "%q is not the length of a window", yamltext.Shorten(w.Duration))
		}
	}
	if _, err := time.LoadLocation(w.Zone); err != nil || w.Zone == "Local" {
		c.bad(field+".zone", "such as Europe/Berlin", "there is no time zone %q", yamltext.Shorten(w.Zone))
	}
}

func (c *checker) defaults(s schemas.DefaultsSpec) {
	c.selector("spec.hosts", s.Hosts)
	if s.Priority < -1000 || s.Priority > 1000 {
		c.bad("spec.priority", "", "priorities go from -1000 to 1000")
	}
	const at = "spec.defaults"
	h := s.Defaults
	for _, key := range slices.Sorted(maps.Keys(h.Vars)) {
		c.grammar(at+".vars."+key, key, varGrammar, "letters, digits and underscores")
	}
	if h.BMC != nil {
		c.bmcShared(at+".bmc", h.BMC.Credentials, h.BMC.TLS)
	}
	if h.Boot != nil {
		c.oneOf(at+".boot.method", h.Boot.Method, schemas.VirtualMedia)
	}
	if h.RootDisk != nil {
		c.disk(at+".rootDisk", h.RootDisk)
	}
	if h.Network != nil {
		c.network(at+".network.ramdisk", h.Network.Ramdisk)
		c.network(at+".network.host", h.Network.Host)
	}
	c.grammar(at+".workload", h.Workload, nameGrammar, "the name of a Workload")
	c.oneOf(at+".power", h.Power, schemas.PowerOn, schemas.PowerOff, schemas.PowerUnmanaged)
	c.oneOf(at+".lifecycle", h.Lifecycle, schemas.Managed, schemas.Adopted, schemas.Unmanaged, schemas.Retired)
}

func (c *checker) rule(s schemas.RuleSpec) {
	c.required("spec.when", s.When)
	c.labels("spec.labels", s.Labels)
	if len(s.Labels) == 0 && s.Fail == "" {
		c.absent("spec", "set labels, or fail with a message", "the rule does nothing")
	}
	c.warn("kind", "rules are read and checked; nothing acts on them yet")
}

func (c *checker) fleet(s schemas.FleetSpec) {
	if c.document.File != schemas.FleetFile {
		c.bad("kind", "move it there", "the fleet's own settings are in %s", schemas.FleetFile)
	}
	c.atLeast("spec.installs", s.Installs, 1)
	for i, host := range s.ImageHosts {
		c.grammar(fmt.Sprintf("spec.imageHosts[%d]", i), host, hostnameFormat, "a host name, with a port if it is not the scheme's")
	}
}
