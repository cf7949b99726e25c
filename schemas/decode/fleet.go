package decode

import (
	"fmt"
	"io/fs"
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
	dayGrammar     = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
	countGrammar   = regexp.MustCompile(`^[0-9]+%?$`)
	quorumGrammar  = regexp.MustCompile(`^([1-9][0-9]{0,4}|([1-9][0-9]?|100)%)$`)
	hostnameFormat = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?(:[0-9]{1,5})?$`)
)

func (c *checker) checkRing(s schemas.RingSpec) {
	c.checkHosts("spec.hosts", s.Hosts)
	if s.Canaries.Set() {
		c.checkHosts("spec.canaries", s.Canaries)
	}
	if c.checkGrammar("spec.tag", s.Tag, tagPattern, "a tag's name with one *, such as prod-*"); strings.Contains(s.Tag,
		"..") || strings.Contains(s.Tag, "//") {
		c.addError("spec.tag", "such as prod-*", "%q matches no tag", yamltext.ShortenText(s.Tag))
	}
	for i, name := range s.After {
		field := fmt.Sprintf("spec.after[%d]", i)
		c.checkGrammar(field, name, nameGrammar, "the name of a Ring")
		if name == c.document.Name {
			c.addError(field, "leave it out", "a ring does not wait for itself")
		}
	}
	c.checkGrammar("spec.maxUnavailable", s.MaxUnavailable, quorumGrammar,
		"a number from 1, or a percentage from 1% to 100%")
	c.checkAtLeast("spec.pauseAfter", s.PauseAfter, 1)
	for i, w := range s.Windows {
		c.checkWindow(fmt.Sprintf("spec.windows[%d]", i), w)
	}
}

// checkAtLeast reports a number that is written and too small. An unwritten zero is the default.
func (c *checker) checkAtLeast(field string, value, least int) {
	if value < least && c.document.IsWritten(field) {
		c.addError(field, fmt.Sprintf("at least %d, or leave it out", least), "%d is too small", value)
	}
}

// leapYear begins a year with every day that the calendar has.
var leapYear = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func (c *checker) checkWindow(field string, w schemas.Window) {
	if c.checkRequired(field+".start", w.Start) {
		opens, err := schemas.ParseSchedule(w)
		switch {
		case err != nil:
			c.addError(field+".start", `five fields such as "0 22 * * 1-5"`, "%v", err)
		case opens.Next(leapYear).IsZero():
			c.addWarning(field+".start", "no such day ever comes: the window never opens")
		}
	}
	if c.checkRequired(field+".duration", w.Duration) {
		if d, err := time.ParseDuration(w.Duration); err != nil || d < time.Minute || d > 168*time.Hour {
			c.addError(field+".duration", "such as 4h, 1m to 168h", "%q is not the length of a window",
				yamltext.ShortenText(w.Duration))
		}
	}
	if _, err := time.LoadLocation(w.Zone); err != nil || w.Zone == "Local" {
		c.addError(field+".zone", "such as Europe/Berlin", "there is no time zone %q", yamltext.ShortenText(w.Zone))
	}
}

func (c *checker) checkDefaults(s schemas.DefaultsSpec) {
	c.checkHosts("spec.hosts", s.Hosts)
	if s.Priority < -1000 || s.Priority > 1000 {
		c.addError("spec.priority", "", "priorities go from -1000 to 1000")
	}
	const at = "spec.defaults"
	h := s.Defaults
	for _, key := range slices.Sorted(maps.Keys(h.Vars)) {
		c.checkGrammar(at+".vars."+key, key, varGrammar, "letters, digits and underscores")
	}
	if h.BMC != nil {
		c.checkSharedBMC(at+".bmc", h.BMC.Credentials, h.BMC.TLS)
	}
	if h.Boot != nil {
		c.checkOneOf(at+".boot.method", h.Boot.Method, schemas.VirtualMedia)
		c.checkBootTimeout(at+".boot.timeout", h.Boot.Timeout)
	}
	if h.RootDisk != nil {
		c.checkDisk(at+".rootDisk", h.RootDisk)
	}
	c.checkNamedDisks(at+".disks", h.Disks)
	if h.Network != nil {
		c.checkNetwork(at+".network.ramdisk", h.Network.Ramdisk)
		c.checkNetwork(at+".network.host", h.Network.Host)
	}
	c.checkGrammar(at+".workload", h.Workload, nameGrammar, "the name of a Workload")
	c.checkOneOf(at+".power", h.Power, schemas.PowerOn, schemas.PowerOff, schemas.PowerUnmanaged)
	c.checkOneOf(at+".lifecycle", h.Lifecycle, schemas.Managed, schemas.Adopted, schemas.Unmanaged, schemas.Retired)
}

func (c *checker) checkFleet(s schemas.FleetSpec) {
	if c.document.File != schemas.FleetFile {
		c.addError("kind", "move it there; for a fleet in a directory of the repository, run ingot in that directory",
			"the fleet's own settings are in %s", schemas.FleetFile)
	}
	c.checkAtLeast("spec.installs", s.Installs, 1)
	c.checkAtLeast("spec.erasesPerHour", s.ErasesPerHour, 1)
	if d := s.FailureDomain; d != nil {
		c.checkRequired("spec.failureDomain.label", d.Label)
		c.checkAtLeast("spec.failureDomain.installs", d.Installs, 1)
	}
	c.checkShared(s.Shared)
	c.checkDiscovery(s.Discovery)
	for i, host := range s.ImageHosts {
		c.checkGrammar(fmt.Sprintf("spec.imageHosts[%d]", i), host, hostnameFormat,
			"a host name, with a port if it is not the scheme's")
	}
}

// maxShared is how many shared directories a fleet may have.
const maxShared = 16

// checkShared wants directories of the repository, none inside another.
func (c *checker) checkShared(shared []string) {
	if len(shared) > maxShared {
		c.addError("spec.shared", "name a directory above them", "there are %d directories, at most %d may be shared",
			len(shared), maxShared)
	}
	for i, dir := range shared {
		field := fmt.Sprintf("spec.shared[%d]", i)
		if !fs.ValidPath(dir) || dir == "." || strings.ContainsAny(dir, "\\\x00") {
			c.addError(field, "write it from the top of the repository, such as shared/files",
				"%q is no directory of the repository", dir)
		}
		for j, other := range shared {
			if i != j && strings.HasPrefix(dir+"/", other+"/") && (dir != other || i > j) {
				c.addError(field, "take it out", "%q is shared already, with %q", dir, other)
			}
		}
	}
}
