// Package arrivals checks what a fleet says of machines that are no hosts yet: its Deliveries. Call CheckDeliveries
// when a commit is loaded, and FindExpected for a machine that was discovered. The package is pure.
package arrivals

import (
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
		until, err := time.Parse(time.DateOnly, d.Delivery.Spec.Until)
		if err != nil || now.After(until.AddDate(0, 0, 1)) {
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
