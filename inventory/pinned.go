package inventory

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/uuid"
	"github.com/gitmetal/ingot/schemas"
)

// Pinned is the identity of a machine: a set of values, each by its source. Firmware and BMC of one machine may report
// two serials. The values of a record are pinned at the first look that shows them, and never replaced by others.
type Pinned struct {
	// BMC is the BMC's report, with the address at which the BMC showed the machine last. The address says nothing about
	// the machine.
	BMC *BMCIdentity `json:"bmc,omitempty"`
	// SMBIOS is the firmware's report to the ramdisk's agent.
	SMBIOS *SMBIOSIdentity `json:"smbios,omitempty"`
	// MACs are the permanent addresses of the built-in network cards, sorted.
	MACs []string `json:"macs,omitempty"`
}

// BMCIdentity is a machine as its BMC shows it, at an address.
type BMCIdentity struct {
	Address string `json:"address,omitempty"`
	Serial  string `json:"serial,omitempty"`
	UUID    string `json:"uuid,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// SMBIOSIdentity is a machine as its firmware calls it.
type SMBIOSIdentity struct {
	Serial string `json:"serial,omitempty"`
	UUID   string `json:"uuid,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Stranger is a machine that an agent saw in place of the known machine. The host is held, and its machine is not
// booted again, until a takeover names the set, the fleet declares another address or identity, or an operator retries.
type Stranger struct {
	Pinned
	Why    string `json:"why"`    // the contradiction, a clause for people
	Commit string `json:"commit"` // trunk at that look
	Asked  string `json:"asked"`  // Desired.AskedIdentity at that look
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// ShownIdentity is the identity that a BMC shows at an address.
func (b BMCState) ShownIdentity(address string) Pinned {
	return Pinned{BMC: &BMCIdentity{Address: address, Serial: b.System.Serial, UUID: b.System.UUID}}
}

// IdentityOf is the identity that an agent reported; empty without a report.
func IdentityOf(f *Facts) Pinned {
	if f == nil {
		return Pinned{}
	}
	return Pinned{SMBIOS: &SMBIOSIdentity{Serial: f.System.Serial, UUID: f.System.UUID}, MACs: f.BuiltInMACs()}
}

// Identity is the identity of the known machine. Records of earlier versions have it in part in facts and takeover.
func (r Record) Identity() Pinned {
	p := r.Pinned
	if f := r.Facts; f != nil { // as Fill with the facts' Identity, which every look would make anew
		p.SMBIOS = p.SMBIOS.fill(SMBIOSIdentity{Serial: f.System.Serial, UUID: f.System.UUID})
		if len(p.MACs) == 0 {
			p.MACs = f.BuiltInMACs()
		}
	}
	if p.BMC == nil && r.Adopted != "" && !namesSet(r.Adopted) && r.Facts != nil {
		p.BMC = &BMCIdentity{Serial: r.Adopted}
	}
	return p
}

// Untouched reports whether nothing was found out about the machine of a record besides what its BMC shows, and
// nothing was installed: boots alone count for nothing.
func (r Record) Untouched() bool {
	return r.Facts == nil && r.Operation == nil && r.Installed == nil && r.Last == nil
}

// AskedIdentity is a digest over the address and the identity that the fleet declares.
func (d Desired) AskedIdentity() string {
	return Digest(append([]string{"ingot identity v1", d.address(), d.Identity.Serial, d.Identity.UUID},
		d.Identity.MACs...)...)
}

func (d Desired) address() string {
	if d.BMC == nil {
		return ""
	}
	return d.BMC.Address
}

// Fill is the set with the values of a newer look where the set had none. A value that identifies nothing counts as
// none. Neither set is changed.
func (p Pinned) Fill(seen Pinned) Pinned {
	if b := seen.BMC; b != nil {
		p.BMC = p.BMC.fill(*b)
	}
	if s := seen.SMBIOS; s != nil {
		p.SMBIOS = p.SMBIOS.fill(*s)
	}
	if len(p.MACs) == 0 {
		p.MACs = seen.MACs
	}
	return p
}

// fill is the identity with the values of a newer look: the same pointer where none is new.
func (b *BMCIdentity) fill(seen BMCIdentity) *BMCIdentity {
	was := BMCIdentity{}
	if b != nil {
		was = *b
	}
	now := BMCIdentity{Address: cmp.Or(seen.Address, was.Address), Unknown: was.Unknown,
		Serial: fillValue(was.Serial, seen.Serial, IsPlaceholder), UUID: fillValue(was.UUID, seen.UUID, uuid.IsNone)}
	if b != nil && now == was {
		return b
	}
	fresh := now
	return &fresh
}

// fill is the identity with the values of a newer look: the same pointer where none is new.
func (s *SMBIOSIdentity) fill(seen SMBIOSIdentity) *SMBIOSIdentity {
	was := SMBIOSIdentity{}
	if s != nil {
		was = *s
	}
	now := SMBIOSIdentity{Unknown: was.Unknown,
		Serial: fillValue(was.Serial, seen.Serial, IsPlaceholder), UUID: fillValue(was.UUID, seen.UUID, uuid.IsNone)}
	if now == was {
		return s
	}
	fresh := now
	return &fresh
}

// fillValue is the known value, or a usable seen value where the known value identifies nothing.
func fillValue(known, seen string, isNone func(string) bool) string {
	if seen == "" || seen == known || !isNone(known) || isNone(seen) {
		return known
	}
	return strings.TrimSpace(seen)
}

// value is a serial or UUID of one source. Every look compares many, and nearly all are spelled alike: the one spelling
// that compares is made only where the texts differ.
type value struct {
	field, text string
	spell       func(string) string
	isNone      func(string) bool
}

func serialValue(field, text string) value { return value{field, text, SerialKey, IsPlaceholder} }
func uuidValue(field, text string) value   { return value{field, text, UUIDKey, uuid.IsNone} }

// identifies reports whether the value identifies something.
func (v value) identifies() bool { return v.text != "" && !v.isNone(v.text) }

// key is the value in the spelling that compares; "" for a value that identifies nothing.
func (v value) key() string {
	if v.text == "" {
		return ""
	}
	return v.spell(v.text)
}

// differs reports whether two values both identify something, and not the same.
func (v value) differs(o value) bool {
	if v.text == o.text || v.text == "" || o.text == "" {
		return false
	}
	a, b := v.key(), o.key()
	return a != "" && b != "" && a != b
}

// values are the serials and UUIDs of the set by source, always in the same order.
func (p Pinned) values() [4]value {
	bmc, smbios := BMCIdentity{}, SMBIOSIdentity{}
	if p.BMC != nil {
		bmc = *p.BMC
	}
	if p.SMBIOS != nil {
		smbios = *p.SMBIOS
	}
	return [4]value{serialValue("BMC serial", bmc.Serial), uuidValue("BMC UUID", bmc.UUID),
		serialValue("SMBIOS serial", smbios.Serial), uuidValue("SMBIOS UUID", smbios.UUID)}
}

// Contradicts names the value in which another look shows another machine, with both values; "" when nothing says so.
// Absent values and placeholders contradict nothing.
//
//	known                                   another machine when the look shows
//	a serial or UUID of a source            another one of the same source
//	the firmware's, and none of the BMC's   another one of the BMC's
//	MACs                                    MACs, and none of the known ones
func (p Pinned) Contradicts(seen Pinned) (field, was, is string) {
	known, shown := p.values(), seen.values()
	known[0], known[1] = known[0].or(known[2]), known[1].or(known[3])
	for i, k := range known {
		differs := k.differs(shown[i])
		if differs { // guard: identity-compare
			return shown[i].field, strings.TrimSpace(k.text), strings.TrimSpace(shown[i].text)
		}
	}
	isKnown := func(mac string) bool { return slices.Contains(p.MACs, mac) }
	disjoint := len(p.MACs) > 0 && len(seen.MACs) > 0 && !slices.ContainsFunc(seen.MACs, isKnown)
	if disjoint { // guard: identity-compare
		return "MACs", strings.Join(p.MACs, " "), strings.Join(seen.MACs, " ")
	}
	return "", "", ""
}

func (v value) or(other value) value {
	if !v.identifies() {
		return other
	}
	return v
}

// Shares reports whether a look shows a serial or UUID of the known machine, from whatever source.
func (p Pinned) Shares(seen Pinned) bool {
	known := fieldsOf(p)
	isKnown := func(s value) bool {
		return slices.ContainsFunc(known, func(k value) bool { return k.key() == s.key() })
	}
	return slices.ContainsFunc(fieldsOf(seen), isKnown)
}

// IsNameless reports whether the set has neither serial nor UUID.
func (p Pinned) IsNameless() bool { return len(fieldsOf(p)) == 0 }

// fieldsOf are the usable serials and UUIDs of the set.
func fieldsOf(p Pinned) []value {
	values := p.values()
	return slices.DeleteFunc(values[:], func(v value) bool { return !v.identifies() })
}

// Denies says why the machine of the set is not the declared machine, or "": a declared serial or UUID is said by no
// source, and another one is said by one. One source that says the declared value is enough.
func (p Pinned) Denies(declared schemas.Identity) string { return p.deniesAs("the", declared) }

// deniesAs is Denies about a machine by a name.
func (p Pinned) deniesAs(name string, declared schemas.Identity) string {
	values := p.values()
	for i, want := range []value{serialValue("serial", declared.Serial), uuidValue("uuid", declared.UUID)} {
		bmc, smbios := values[i], values[i+2]
		if want.text == "" || want.text == bmc.text || want.text == smbios.text {
			continue
		}
		said, isSaid := bmc.or(smbios), want.key() == bmc.key() || want.key() == smbios.key()
		denied := want.identifies() && said.identifies() && !isSaid
		if denied { // guard: identity-compare
			return "spec.identity." + want.field + " is " + want.text + ", " + name + " " + said.field +
				" is " + strings.TrimSpace(said.text)
		}
	}
	return ""
}

// Says reports whether a source says the declared serial or UUID.
func (p Pinned) Says(declared schemas.Identity) bool {
	values := p.values()
	serial, uuid := SerialKey(declared.Serial), UUIDKey(declared.UUID)
	return serial != "" && (values[0].key() == serial || values[2].key() == serial) ||
		uuid != "" && (values[1].key() == uuid || values[3].key() == uuid)
}

// SerialLabel is the serial of the set for people: the firmware's, else the BMC's; "" without both.
func (p Pinned) SerialLabel() string {
	values := p.values()
	return strings.TrimSpace(values[2].or(values[0]).text)
}

// TakeoverConsent is the value of spec.consent.takeover that gives a host the machine with a set of values:
// <serial, or "unknown">/<16 hex>. The digest is over the set, the takeover of before and the epoch at which the record
// was forgotten last, so that no value counts twice.
func (r Record) TakeoverConsent(machine Pinned) string {
	parts := []string{"ingot takeover v1", string(r.ID), r.Adopted, strconv.FormatUint(r.Forgotten, 10)}
	for _, v := range machine.values() {
		parts = append(parts, v.key())
	}
	label := machine.SerialLabel()
	isOdd := func(r rune) bool { return r < ' ' || r > '~' }
	if SerialKey(label) == "" || len(label) > 200 || strings.ContainsFunc(label, isOdd) {
		label = "unknown"
	}
	return label + "/" + Digest(append(parts, machine.MACs...)...)
}

// GivesTakeover reports whether a value of spec.consent.takeover gives the host the machine, for the first time.
func (r Record) GivesTakeover(given string, machine Pinned) bool {
	given = strings.TrimSpace(given)
	return strings.EqualFold(given, r.TakeoverConsent(machine)) && !slices.Contains(r.Spent, given)
}

// namesSet reports whether a takeover names a set of values, and not, as in earlier versions, a serial alone.
func namesSet(takeover string) bool {
	digest := takeover[strings.LastIndex(takeover, "/")+1:]
	return digest != takeover && len(digest) == 16 && strings.Trim(digest, "0123456789abcdef") == ""
}

// AdoptedMachine reports whether a takeover lets ingot power the known machine off. The takeover of an earlier version
// is a serial, and counts for a machine that shows it.
func (r Record) AdoptedMachine(serial string) bool {
	return r.Adopted != "" && (namesSet(r.Adopted) || strings.EqualFold(r.Adopted, serial))
}
