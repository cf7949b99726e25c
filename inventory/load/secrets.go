package load

import (
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/secrets/section"
	"github.com/gitmetal/ingot/schemas"
)

// keepSecrets keeps the secrets of the trunk, sealed.
func (l *loader) keepSecrets() {
	for name, d := range l.trunk.secrets() {
		mac, covered := describeCovered(d)
		recipients, otherKeys := listRecipients(d)
		l.fleet.Secrets[name] = inventory.Sealed{Name: name, File: d.File, Scope: d.Secret.Spec.Scope,
			Keys: slices.Sorted(maps.Keys(d.Secret.Spec.Data)), Binary: slices.Sorted(maps.Keys(d.Secret.Spec.BinaryData)),
			Document: l.trunk.Files[d.File].Data, MAC: mac, Covered: covered, Recipients: recipients, OtherKeys: otherKeys}
	}
}

// sealedLength gives the bytes of a secret as its Secret holds it: a key is in one of the two maps.
func (l *loader) sealedLength(ref refs.Secret) int {
	spec := l.trunk.secrets()[ref.Name].Secret.Spec
	return len(spec.Data[ref.Key]) + len(spec.BinaryData[ref.Key])
}

// describeCovered gives a Secret's sealed MAC, and a digest of what the MAC covers.
func describeCovered(d schemas.Document) (mac, covered string) {
	mac, _ = d.Secret.SOPS["mac"].(string)
	// sops seals the MAC with the time of the last change: another time needs another MAC.
	parts := []string{mustJSON(d.Secret.Spec.Data), mustJSON(d.Secret.Spec.BinaryData), mustJSON(d.Secret.SOPS["lastmodified"])}
	if d.Secret.SOPS["mac_only_encrypted"] != true {
		parts = append(parts, mustJSON(d.Secret.Metadata), mustJSON(d.Secret.Spec.Scope))
	}
	return mac, inventory.Digest(parts...)
}

// listRecipients gives a Secret's age recipients, sorted, and whether keys of other types open the Secret.
func listRecipients(d schemas.Document) (recipients []string, otherKeys bool) {
	keys, _ := d.Secret.SOPS["age"].([]any)
	for _, key := range keys {
		fields, _ := key.(map[string]any)
		if recipient, ok := fields["recipient"].(string); ok {
			recipients = append(recipients, recipient)
		}
	}
	slices.Sort(recipients)
	return recipients, len(section.Section{Others: d.Secret.SOPS}.ListOtherKeys()) > 0
}

// checkCopies finds Secrets that were copied and then changed without sops.
func (l *loader) checkCopies() {
	first := map[string]inventory.Sealed{}
	for _, name := range slices.Sorted(maps.Keys(l.fleet.Secrets)) {
		sealed := l.fleet.Secrets[name]
		other, copied := first[sealed.MAC]
		if !copied {
			first[sealed.MAC] = sealed
		} else if sealed.IsSpoiled(other) {
			l.addFindings(l.trunk.secrets()[name].ErrorAt("sops.mac",
				"make it with `ingot secret create`, or with sops from the values in clear",
				"the Secret has the mac of %s, and another content: one of the two cannot be opened", other.File))
		}
	}
}

// checkSecrets reports the trunk's Secrets that nobody can open, as far as that is seen without a key.
func (l *loader) checkSecrets() {
	for _, d := range l.trunk.secrets() {
		l.addFindings(l.after.files[fileKey{d.File, l.trunk.Files[d.File].Blob}].damage...)
	}
	l.checkCopies()
}

// tellDamageOnce replaces the findings of fields by their damage, and gives the damage of other fields: a damaged ciphertext
// is no value in clear.
func tellDamageOnce(findings, damage []schemas.Finding) (joined, others []schemas.Finding) {
	joined = slices.Clone(findings)
	for _, one := range damage {
		same := func(f schemas.Finding) bool { return f.Position == one.Position && f.Field == one.Field }
		if at := slices.IndexFunc(joined, same); at >= 0 {
			joined[at] = one
		} else {
			others = append(others, one)
		}
	}
	return joined, others
}

// findDamage finds what keeps everyone from opening the Secret of a file. A field with a finding of its own has no
// other, and a Secret that shares its file has that finding.
func findDamage(documents []schemas.Document, data []byte) (findings []schemas.Finding) {
	if len(documents) != 1 || documents[0].Kind != schemas.KindSecret {
		return nil
	}
	d := documents[0]
	for _, damage := range section.FindDamage(data) {
		if !d.Fields.IsSpoiled(damage.Field) {
			findings = append(findings, d.ErrorAt(damage.Field, damage.Hint, "%s", damage.Message))
		}
	}
	return findings
}
