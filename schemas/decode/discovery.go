package decode

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// maxFail is the most characters of a rule's message.
const maxFail = 256

// checkRule checks a Rule as far as the types of a Host's fields are not needed: package ruleset compiles expressions.
func (c *checker) checkRule(s schemas.RuleSpec) {
	if c.checkRequired("spec.when", s.When) {
		c.checkCondition("spec.when", s.When)
	}
	if s.Priority < 0 || s.Priority > schemas.MaxPriority {
		c.addError("spec.priority", "", "priorities go from 0 to %d", schemas.MaxPriority)
	}
	c.checkLabels("spec.labels", s.Labels)
	for _, field := range slices.Sorted(maps.Keys(s.Set)) {
		c.checkCondition("spec.set."+field, s.Set[field])
	}
	if len(s.Fail) > maxFail || strings.ContainsFunc(s.Fail, isUnprintable) {
		c.addError("spec.fail", "", "a message is one line of at most %d printable characters", maxFail)
	}
	if strings.Contains(s.Fail, "${") {
		c.addError("spec.fail", "", "a message has no ${…}: rules hold no secrets")
	}
	if cred := s.Credentials; cred != nil {
		c.checkGrammar("spec.credentials.secret", cred.Secret, nameGrammar, "the name of a Secret")
		if cred.Create == (cred.Secret != "") {
			c.addError("spec.credentials", "create: true, or secret: NAME", "exactly one of create and secret is set")
		}
	}
	acts := len(s.Labels)+len(s.Set) > 0 || s.Credentials != nil || s.Accept
	switch {
	case s.Fail != "" && acts:
		c.addError("spec.fail", "write two rules", "a rule that refuses machines does nothing else")
	case s.Fail == "" && !acts:
		c.addMissing("spec", "labels, set, credentials, or fail with a message", "the rule does nothing")
	}
}

func isUnprintable(r rune) bool { return !strconv.IsPrint(r) }

// checkDelivery checks a Delivery. Package load checks the Secrets.
func (c *checker) checkDelivery(s schemas.DeliverySpec) {
	c.checkGrammar("spec.credentials", s.Credentials, nameGrammar, "the name of a Secret")
	c.checkDay("spec.until", s.Until)
	switch {
	case len(s.Machines) > schemas.MaxExpected:
		c.addError("spec.machines", "write another Delivery", "want at most %d machines, not %d", schemas.MaxExpected,
			len(s.Machines))
	case len(s.Machines) == 0 && !c.document.Fields.IsSpoiledBelow("spec.machines"):
		c.addMissing("spec.machines", "such as [{serial: 5XKJ2M3, bmc: {address: 10.0.0.13}}]", "no machine is expected")
	}
	seen := claimed{}
	for i, m := range s.Machines {
		at := fmt.Sprintf("spec.machines[%d]", i)
		c.checkExpected(at, m, s.Credentials != "")
		c.checkTwice(at+".serial", "serial", m.Serial, seen)
		c.checkTwice(at+".name", "name", m.Name, seen)
		c.checkTwice(at+".bmc.address", "address", m.BMC.Address, seen)
		c.checkTwice(at+".bmc.mac", "MAC", strings.ToLower(m.BMC.MAC), seen)
	}
}

// claimed are the values that machines of a Delivery have, by kind and value.
type claimed map[[2]string]bool

func (c *checker) checkTwice(field, kind, value string, seen claimed) {
	if value == "" {
		return
	}
	if key := [2]string{kind, value}; seen[key] {
		c.addError(field, "take one out", "two machines of the Delivery have this %s", kind)
	} else {
		seen[key] = true
	}
}

func (c *checker) checkExpected(at string, m schemas.ExpectedMachine, shared bool) {
	if c.checkRequired(at+".serial", m.Serial) {
		c.checkGrammar(at+".serial", m.Serial, lineGrammar, "printable ASCII")
	}
	c.checkGrammar(at+".name", m.Name, nameGrammar, "lower case letters, digits and dashes, at most 63")
	c.checkGrammar(at+".credentials", m.Credentials, nameGrammar, "the name of a Secret")
	c.checkLabels(at+".labels", m.Labels)
	c.checkMAC(at+".bmc.mac", strings.ToLower(m.BMC.MAC))
	if m.BMC.Address != "" && m.BMC.MAC != "" {
		c.addError(at+".bmc.mac", "keep one of them", "address and mac are both set")
	}
	if m.BMC.Address != "" && !isServer(m.BMC.Address) {
		c.addError(at+".bmc.address", "such as 10.0.0.13 or bmc-7.example.com:8443", "%q is no address of a server",
			yamltext.ShortenText(m.BMC.Address))
	}
	if m.BMC != (schemas.ExpectedBMC{}) && m.Credentials == "" && !shared {
		c.addMissing(at+".credentials", "here, or spec.credentials for all machines", "nothing says how to log in at the BMC")
	}
}

// isServer reports whether a text is an IP address or a host name, with or without a port.
func isServer(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	if _, err := netip.ParseAddrPort(text); err == nil {
		return true
	}
	return hostnameFormat.MatchString(text)
}

// checkDay checks a required day.
func (c *checker) checkDay(field, day string) {
	if !c.checkRequired(field, day) {
		return
	}
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		c.addError(field, "such as 2026-12-31", "%q is no day", yamltext.ShortenText(day))
	}
}

// checkDiscovery checks who may register.
func (c *checker) checkDiscovery(d *schemas.Discovery) {
	if d == nil {
		return
	}
	if len(d.Keys) > schemas.MaxKeys {
		c.addError("spec.discovery.keys", "take out old keys", "want at most %d keys, not %d", schemas.MaxKeys, len(d.Keys))
	}
	seen := claimed{}
	for i, key := range d.Keys {
		at := fmt.Sprintf("spec.discovery.keys[%d]", i)
		if c.checkRequired(at+".id", key.ID) {
			c.checkGrammar(at+".id", key.ID, nameGrammar, "lower case letters, digits and dashes, at most 63")
			if seen[[2]string{"id", key.ID}] {
				c.addError(at+".id", "write another id", "two keys have this id")
			}
			seen[[2]string{"id", key.ID}] = true
		}
		c.checkDay(at+".until", key.Until)
		c.checkLabels(at+".labels", key.Labels)
		if c.document.IsWritten(at+".max") && (key.Max < 1 || key.Max > schemas.MaxRegistered) {
			c.addError(at+".max", "", "want 1 to %d machines, not %d", schemas.MaxRegistered, key.Max)
		}
	}
}
