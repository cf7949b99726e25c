package rules_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/hardware"
	"github.com/gitmetal/ingot/inventory/rules"
)

// acme is a machine that reports everything but a vendor of its firmware and its WWNs.
func acme() rules.Machine {
	return rules.Machine{Name: "www-2", ID: "web-2", Labels: map[string]string{"rack": "r1"}, Vars: map[string]string{"site": "fra1"},
		Facts: &inventory.Facts{
			System: inventory.System{Manufacturer: "Acme", Product: "X1", Serial: "SN1", UUID: "u"}, Memory: 64 << 30,
			Firmware: inventory.Firmware{UEFI: true, Version: "1.2"}, CPU: inventory.CPU{Arch: "amd64", Count: 8},
			Disks: []inventory.Disk{{Serial: "A", Transport: "nvme", Size: 1 << 40}, {Serial: "B", Transport: "sata", Size: 2 << 40, Rotational: true}},
			NICs: []inventory.NIC{{Name: "eno1", MAC: "52:54:00:00:00:01", Link: true,
				LLDP: &hardware.LLDP{Chassis: "04:32:01:aa:bb:c0", Port: "Ethernet12", Address: "10.1.0.5"}}, {Name: "eno2", MAC: "52:54:00:00:00:01", Link: true}},
			BMC: &hardware.BMC{Addresses: []string{"10.0.0.13"}}, TPMVersion: "2.0",
		}}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	silent := acme()
	silent.Facts = &inventory.Facts{Errors: []string{"disks: no /sys/block"}, System: inventory.System{Manufacturer: "Acme"}}
	unseen := acme()
	unseen.Facts = nil
	for expression, want := range map[string]string{
		`facts.system.manufacturer == "Acme"`:                                                              "",
		`facts.system.manufacturer == "Other"`:                                                             "the condition is false",
		`facts.memory >= 64 * 1024 * 1024 * 1024 && facts.cpu.count > 4`:                                   "",
		`facts.nics.exists(n, has(n.lldp) && n.lldp.address.startsWith("10.1."))`:                          "",
		`facts.nics[1].lldp.port == "x"`:                                                                   "the machine has no lldp",
		`facts.bmc.addresses[0] == "10.0.0.13" && facts.tpmVersion == "2.0" && facts.bmc.macs.size() == 0`: "",
		`facts.firmware.setupMode`:                                                                         "the machine has no setupMode",
		`facts.disks.size() > 2`:                                                                           "the condition is false",
		`facts.disks.exists(d, d.transport == "nvme" && d.size >= 1000000000)`:                             "",
		`facts.disks.filter(d, d.rotational)[0].serial == "B"`:                                             "",
		`facts.disks[5].serial == "B"`:                                                                     "the expression fails: index out of bounds: 5",
		`facts.firmware.uefi && !facts.firmware.secureBoot`:                                                "",
		`facts.firmware.vendor != "Other"`:                                                                 "the machine has no vendor",
		`has(facts.firmware.vendor)`:                                                                       "the condition is false",
		`!has(facts.firmware.vendor) || facts.firmware.vendor != "Other"`:                                  "",
		`labels.rack == "r1" && vars["site"].startsWith("fra")`:                                            "",
		`labels.room == "1"`:                                                                               "the machine has no room",
		`name == "www-2" && id == "web-2"`:                                                                 "",
		`sets.contains([1, 2], [2]) && cidr("10.1.0.0/16").containsIP("10.1.2.3")`:                         "",
		`facts.system.serial.lowerAscii() in ["sn1"]`:                                                      "",
		`facts.nics.all(n, n.link) && facts.nics.map(n, n.mac).distinct().size() == 1`:                     "",
		`facts.system.product.matches("^X[0-9]$")`:                                                         "",
		strings.Repeat(`facts.disks.exists(d, `, 20) + `false` + strings.Repeat(`)`, 20):                   "the expression takes too long",
		`[1,2,3,4,5,6,7,8].all(a, [1,2,3,4,5,6,7,8].all(b, a + b > 0))`:                                    "",
	} {
		holds, why := decide(t, expression, acme())
		if why != want || holds != (want == "") {
			t.Errorf("Decide(%s) = %v, %q, want %q", expression, holds, why, want)
		}
	}
	for expression, machine := range map[string]rules.Machine{
		`facts.disks.size() == 0`:              silent, // not read is not none
		`!facts.disks.exists(d, true)`:         silent,
		`facts.memory < 1`:                     silent,
		`facts.system.manufacturer != "Other"`: unseen,
	} {
		if holds, why := decide(t, expression, machine); holds || !strings.HasPrefix(why, "the machine has no ") {
			t.Errorf("Decide(%s) on a machine that does not say = %v, %q", expression, holds, why)
		}
	}
}

func decide(t *testing.T, expression string, m rules.Machine) (bool, string) {
	t.Helper()
	rule, mistake := rules.NewCompiler().Compile(expression)
	if mistake != nil {
		t.Fatalf("Compile(%s): %+v", expression, mistake)
	}
	return rule.Decide(m)
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	c := rules.NewCompiler()
	for expression, want := range map[string]rules.Mistake{
		`facts.system.maker == "Acme"`:              {1, 13, "undefined field 'maker'"},
		"true &&\n  fact.memory > 1":                {2, 3, "undeclared reference to 'fact'"},
		`facts.memory > "1"`:                        {1, 14, "found no matching overload"},
		`facts.disks.size()`:                        {1, 1, "the expression gives int, want true or false"},
		`facts.memory >`:                            {1, 15, "Syntax error"},
		``:                                          {1, 1, "Syntax error"},
		`vars.site == "${vars.site}"`:               {1, 15, "an expression has no ${…}"},
		`facts.disks[0].name == "sda"`:              {1, 15, "undefined field 'name'"},
		`now() > timestamp("2020-01-01T00:00:00Z")`: {1, 4, "undeclared reference to 'now'"},
	} {
		_, mistake := c.Compile(expression)
		if mistake == nil {
			t.Errorf("Compile(%q) has no mistake", expression)
			continue
		}
		if mistake.Line != want.Line || mistake.Column != want.Column || !strings.Contains(mistake.Message, want.Message) {
			t.Errorf("Compile(%q) = %+v, want %+v", expression, *mistake, want)
		}
	}
}
