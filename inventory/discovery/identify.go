package discovery

import (
	"cmp"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// Shown is what a registration, or a Redfish service, shows of a machine.
type Shown struct {
	Identity  inventory.Pinned
	Addresses []string // of the BMC; IP addresses
	Disks     []inventory.Disk
}

// Match is the decision about a machine: its record, and what speaks against it. A new record has the ID "".
type Match struct {
	Record    ID
	Conflicts []Conflict
	Doubts    []string
}

// Identify decides which record a machine belongs to. Placeholders count for nothing.
//
//	the machine shows                                          decision
//	serial and UUID of one record, or exactly its MACs         that record
//	serial and UUID of one record, the MACs of another         a new record, in conflict with both
//	a UUID, or a MAC, of another record                        OtherRecord
//	a serial, or a BMC address, of another record              a doubt: blades share them
//	a serial, UUID, MAC or BMC address of a known machine      KnownMachine, but for the record's own host
//	a disk of a known machine                                  a doubt
func Identify(s Shown, records *Index, known *Known) Match {
	var m Match
	same := records.find(strongKeys(s.Identity))
	if len(same) == 1 {
		m.Record = same[0]
		if field, was, is := records.identities[m.Record].Contradicts(s.Identity); field != "" {
			m.Doubts = append(m.Doubts, field+" changed from "+was+" to "+is)
		}
	}
	for _, value := range weakKeys(s) {
		for _, other := range records.byKey[value.key] {
			switch {
			case other == m.Record:
			case value.kind == kindUUID || value.kind == kindMAC || slices.Contains(same, other):
				m.addConflict(Conflict{Kind: OtherRecord, Record: other, What: value.String()})
			default:
				m.Doubts = append(m.Doubts, "record "+string(other)+" has the same "+value.String())
			}
		}
		for _, h := range known.machines[value.key] {
			switch {
			case m.Record != "" && h.id == m.Record.Machine():
			case value.kind == kindDisk:
				m.Doubts = append(m.Doubts, value.String()+" was seen in "+inventory.Label(h.name, h.id)+h.left)
			default:
				m.addConflict(Conflict{Kind: KnownMachine, Host: h.id, Name: h.name, What: value.String()})
			}
		}
	}
	slices.Sort(m.Doubts)
	m.Doubts = slices.Compact(m.Doubts)
	return m
}

// addConflict adds a conflict, once for each record or host.
func (m *Match) addConflict(c Conflict) {
	isKnown := func(o Conflict) bool { return o.Kind == c.Kind && o.Host == c.Host && o.Record == c.Record }
	if !slices.ContainsFunc(m.Conflicts, isKnown) {
		m.Conflicts = append(m.Conflicts, c)
	}
}

// Shown is what a record shows of its machine.
func (r Record) Shown() Shown {
	s := Shown{Identity: r.Identity, Addresses: r.Addresses}
	if r.Facts != nil {
		s.Disks = r.Facts.Disks
	}
	return s
}

// IsNameless reports whether nothing of the machine is a strong identity: neither a serial with a UUID nor a MAC.
func (s Shown) IsNameless() bool { return len(strongKeys(s.Identity)) == 0 }

// Index finds records by what identifies their machines. NewIndex makes one.
type Index struct {
	byKey      map[string][]ID
	identities map[ID]inventory.Pinned
}

// NewIndex is an index of records.
func NewIndex(records ...Record) *Index {
	x := &Index{byKey: map[string][]ID{}, identities: map[ID]inventory.Pinned{}}
	for _, r := range records {
		x.Add(r)
	}
	return x
}

// Add adds a record that the index does not have.
func (x *Index) Add(r Record) {
	for key := range keysOf(r.Shown()) {
		x.byKey[key] = append(x.byKey[key], r.ID)
	}
	x.identities[r.ID] = r.Identity
}

// Remove takes a record out; the record is as it was when it was added.
func (x *Index) Remove(r Record) {
	for key := range keysOf(r.Shown()) {
		list := slices.DeleteFunc(slices.Clone(x.byKey[key]), func(id ID) bool { return id == r.ID })
		if x.byKey[key] = list; len(list) == 0 {
			delete(x.byKey, key)
		}
	}
	delete(x.identities, r.ID)
}

// find gives the records that have one of the keys, each once, in order.
func (x *Index) find(keys []string) (found []ID) {
	for _, key := range keys {
		found = append(found, x.byKey[key]...)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// keysOf are the keys under which a machine is found. Disks are looked for only among known machines.
func keysOf(s Shown) map[string]bool {
	keys := map[string]bool{}
	for _, key := range strongKeys(s.Identity) {
		keys[key] = true
	}
	for _, value := range weakKeys(s) {
		if value.kind != kindDisk {
			keys[value.key] = true
		}
	}
	return keys
}

// strongKeys are the keys of which one alone says that two machines are the same.
func strongKeys(p inventory.Pinned) (keys []string) {
	for _, source := range sourcesOf(p) {
		serial, uuid := inventory.SerialKey(source.serial), inventory.UUIDKey(source.uuid)
		if serial != "" && uuid != "" {
			keys = append(keys, "both "+serial+"\x00"+uuid)
		}
	}
	if len(p.MACs) > 0 {
		keys = append(keys, "macs "+strings.Join(p.MACs, " "))
	}
	return keys
}

type source struct{ serial, uuid string }

func sourcesOf(p inventory.Pinned) (list []source) {
	if p.SMBIOS != nil {
		list = append(list, source{p.SMBIOS.Serial, p.SMBIOS.UUID})
	}
	if p.BMC != nil {
		list = append(list, source{p.BMC.Serial, p.BMC.UUID})
	}
	return list
}

// Kinds of values that machines may share.
const (
	kindSerial  = "serial"
	kindUUID    = "UUID"
	kindMAC     = "MAC"
	kindAddress = "BMC address"
	kindDisk    = "disk"
)

// value is one thing that two machines may share.
type value struct{ kind, key, text string }

func (v value) String() string { return v.kind + " " + v.text }

// weakKeys are the single values of a machine that identify something.
func weakKeys(s Shown) (values []value) {
	add := func(kind, key, text string) {
		v := value{kind, kind + " " + key, strings.TrimSpace(text)}
		isSame := func(o value) bool { return o.key == v.key }
		if key != "" && !slices.ContainsFunc(values, isSame) {
			values = append(values, v)
		}
	}
	for _, source := range sourcesOf(s.Identity) {
		add(kindSerial, inventory.SerialKey(source.serial), source.serial)
		add(kindUUID, inventory.UUIDKey(source.uuid), source.uuid)
	}
	for _, mac := range s.Identity.MACs {
		add(kindMAC, mac, mac)
	}
	for _, address := range s.Addresses {
		add(kindAddress, addressKey(address), address)
	}
	facts := inventory.Facts{Disks: s.Disks}
	for _, disk := range facts.Volumes() { // as another machine may see them: no paths
		wwn, serial := disk.Names()
		label := cmp.Or(wwn, serial)
		add(kindDisk, label, label)
	}
	return values
}

// addressKey is a BMC's address in one spelling: an IP address, or the host of a URL; "" for none.
func addressKey(address string) string {
	host := address
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		host = u.Hostname()
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case err != nil:
		return strings.ToLower(strings.TrimSuffix(host, "."))
	case ip.IsUnspecified() || ip.IsMulticast():
		return ""
	default:
		return ip.Unmap().WithZone("").String()
	}
}
