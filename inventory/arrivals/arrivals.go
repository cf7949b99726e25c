// Package arrivals checks what a fleet says of machines that are no hosts yet: its Deliveries. Call CheckDeliveries
// when a commit is loaded, FindExpected for a machine that was discovered, and ListLogins for the BMCs to log in at. The
// package is pure.
package arrivals

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// LoginKeys are the keys of a Secret that opens a BMC.
var LoginKeys = []string{"username", "password"}

// CheckDeliveries finds Secrets of Deliveries that are missing, have no login, or are not for the Delivery.
func CheckDeliveries(deliveries []schemas.Document, secrets map[string]inventory.Sealed) []schemas.Finding {
	var findings []schemas.Finding
	for _, d := range deliveries {
		findings = append(findings, checkLogin(d, "spec.credentials", d.Delivery.Spec.Credentials, secrets)...)
		for i, m := range d.Delivery.Spec.Machines {
			field := fmt.Sprintf("spec.machines[%d].credentials", i)
			findings = append(findings, checkLogin(d, field, m.Credentials, secrets)...)
		}
	}
	return findings
}

func checkLogin(d schemas.Document, field, name string, secrets map[string]inventory.Sealed) []schemas.Finding {
	if name == "" {
		return nil
	}
	sealed, there := secrets[name]
	if !there {
		return []schemas.Finding{d.ErrorAt(field, "", "there is no Secret %q", name)}
	}
	var findings []schemas.Finding
	if !sealed.Scope.SelectsDelivery(d.Name) {
		findings = append(findings, d.ErrorAt(field,
			"seal it with `ingot secret create --scope-delivery "+d.Name+"`",
			"Delivery %s is not in the scope of Secret %q", d.Name, name))
	}
	return append(findings, CheckLoginKeys(d, field, sealed)...)
}

// CheckLoginKeys finds a Secret without a username or a password, which a field of a document names.
func CheckLoginKeys(d schemas.Document, field string, sealed inventory.Sealed) []schemas.Finding {
	var findings []schemas.Finding
	for _, key := range LoginKeys {
		if !slices.Contains(sealed.Keys, key) {
			findings = append(findings,
				d.ErrorAt(field, "add it to "+sealed.File, "Secret %q has no key %q", sealed.Name, key))
		}
	}
	return findings
}

// Login is one machine of a Delivery at whose BMC the daemon logs in.
type Login struct {
	Delivery, Serial string
	Address          string // an IP address or a host name, with a port if that is not 443; "" where MAC finds it
	MAC              string // of the BMC, as inventory.MACKey; "" with an address
	Credentials      string // name of the Secret
}

// Key names the login for as long as the Delivery says the same.
func (l Login) Key() string { return cmp.Or(l.MAC, l.Address) + " " + l.Serial }

// ListLogins lists the machines that are expected now, and whose BMC's address or MAC, and credentials, are written.
func ListLogins(deliveries []schemas.Document, now time.Time) (logins []Login) {
	for _, d := range deliveries {
		if hasEnded(d, now) {
			continue
		}
		for _, m := range d.Delivery.Spec.Machines {
			mac, _ := inventory.MACKey(m.BMC.MAC)
			login := Login{Delivery: d.Name, Serial: m.Serial, Address: m.BMC.Address, MAC: mac,
				Credentials: cmp.Or(m.Credentials, d.Delivery.Spec.Credentials)}
			if login.Address+login.MAC != "" && login.Credentials != "" && inventory.SerialKey(login.Serial) != "" {
				logins = append(logins, login)
			}
		}
	}
	return logins
}

// hasEnded reports whether a Delivery's last day is over.
func hasEnded(d schemas.Document, now time.Time) bool {
	until, err := time.Parse(time.DateOnly, d.Delivery.Spec.Until)
	return err != nil || now.After(until.AddDate(0, 0, 1))
}

// FindExpected finds a machine in the Deliveries by its serial; nil where nobody expects the machine now.
func FindExpected(
	deliveries []schemas.Document, identity inventory.Pinned, now time.Time,
) (delivery string, machine *schemas.ExpectedMachine) {
	var serials []string
	if identity.BMC != nil {
		serials = append(serials, inventory.SerialKey(identity.BMC.Serial))
	}
	if identity.SMBIOS != nil {
		serials = append(serials, inventory.SerialKey(identity.SMBIOS.Serial))
	}
	for _, d := range deliveries {
		if hasEnded(d, now) {
			continue
		}
		for i, m := range d.Delivery.Spec.Machines {
			if key := inventory.SerialKey(m.Serial); key != "" && slices.Contains(serials, key) {
				return d.Name, &d.Delivery.Spec.Machines[i]
			}
		}
	}
	return "", nil
}
