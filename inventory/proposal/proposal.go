// Package proposal turns a discovered machine into a change of the fleet: a Host file that is ready to be merged, with
// what speaks for it and against it as comments. The package is pure.
//
// Call Render with a record, the rules' verdict and the trunk; push the Files of the result, and nothing else. Every
// value of a record is a stranger's word: no value ends a comment, starts a document, or becomes another field. A
// proposal never writes consent, protect, lifecycle, rings, Steps or Workloads.
package proposal

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/ruleset"
	"github.com/gitmetal/ingot/schemas"
)

// Folder is where proposed Host files are.
const Folder = "hosts/discovered/"

// Input is what a proposal is made from.
type Input struct {
	Record  discovery.Record
	Verdict ruleset.Verdict
	// Secret is the sealed Secret of an account that the daemon made; nil without one. The Host names the Secret.
	Secret *Secret
	// Signed says that commits on the trunk must be signed.
	Signed bool
}

// Secret is a Secret of a proposal, sealed.
type Secret struct {
	Name     string
	Document []byte // the SOPS file
	Note     string // such as: not verified yet; "" for nothing to say
}

// Digest is what a record's proposal notes of the Secret that its branch has; "" for nil.
func (s *Secret) Digest() string {
	if s == nil {
		return ""
	}
	return inventory.Digest("ingot proposed secret v1", string(s.Document))
}

// Trunk is the accepted fleet that a proposal is made for.
type Trunk struct {
	Snapshot inventory.Snapshot
	Fleet    inventory.Fleet
	Cache    load.Cache // of the load of Fleet; the zero Cache is slower
	// Partial says that the fleet is only a part of one: a proposal is not checked against it.
	Partial bool
}

// Proposal is a change of the fleet.
type Proposal struct {
	Host  schemas.Host
	Files map[string][]byte // by path in the fleet
	Path  string            // of the Host file
	// Comments are the lines that say what speaks for the proposal and against it, each printable.
	Comments []string
	// Title and Body are for the commit and the pull request. Body is Markdown.
	Title, Body string
	// Refused are the findings of the fleet with the proposal merged: the trunk would refuse that commit.
	Refused []schemas.Finding
}

// SignedMerge is what the person who merges must know where the trunk's commits are signed.
const SignedMerge = "Commits of this trunk must be signed: merge with a signed merge or squash commit. A fast-forward or rebase puts " +
	"the daemon's own unsigned commit on the trunk, which freezes the fleet."

// Render makes the proposal of a record. The same values give the same proposal. Callers propose only records that are
// clear, and verdicts that propose.
func Render(in Input, trunk Trunk) (Proposal, error) {
	host, doubts, err := fillHost(in)
	if err != nil {
		return Proposal{}, err
	}
	p := Proposal{Files: map[string][]byte{}}
	host.Metadata.Name, p.Path = freeName(host.Metadata.Name, in.Record.ID.Machine(), trunk)
	if wanted := Folder + hostName(in) + ".yaml"; p.Path != wanted {
		doubts = append(doubts, fmt.Sprintf("the trunk has %s or a host of that name: this one is called %s", wanted,
			host.Metadata.Name))
	}
	if in.Secret != nil {
		p.Files["secrets/"+in.Secret.Name+".yaml"] = in.Secret.Document
		if in.Secret.Note != "" {
			doubts = append(doubts, word(in.Secret.Note))
		}
	}
	p.Host = host
	system := ""
	if host.Spec.BMC != nil {
		system = host.Spec.BMC.Address
	}
	if p.Files[p.Path], err = writeHost(host, describe(in, system, doubts)); err != nil {
		return Proposal{}, err
	}
	if p.Refused = check(p, trunk); len(p.Refused) > 0 { // said in the file, whose lines move
		for _, f := range p.Refused {
			doubts = append(doubts, "the trunk refuses this file as it is: "+oneLine(f.Field+": "+f.Message, maxComment/2))
		}
	}
	comments := describe(in, system, doubts)
	if p.Files[p.Path], err = writeHost(host, comments); err != nil {
		return Proposal{}, err
	}
	for _, comment := range comments {
		p.Comments = append(p.Comments, oneLine(comment, maxComment))
	}
	p.Title, p.Body = "Discovered: "+host.Metadata.Name, describeRequest(p, in.Signed)
	return p, nil
}

// describeRequest is the text of the pull request of a discovered machine.
func describeRequest(p Proposal, signed bool) string {
	return p.writeRequest("This adds `"+p.Path+"`. Merging makes the machine a host of the fleet; edit the file as you like, but for "+
		"`metadata.id`.", signed, "Close this request, or delete its branch, to decline: `ingot discovered propose "+
		strings.TrimPrefix(p.Host.Metadata.ID, "m-")+"` proposes again.")
}

// writeRequest is the text of a pull request. Everything that a machine said stands in a block of code.
func (p Proposal) writeRequest(what string, signed bool, end string) string {
	parts := []string{what, "```\n" + strings.Join(append(slices.Clone(p.Comments), "```"), "\n")}
	if signed {
		parts = append(parts, SignedMerge)
	}
	return strings.Join(append(parts, end), "\n\n") + "\n"
}

// hostName is the wanted name.
func hostName(in Input) string {
	if name, given := in.Verdict.Values["metadata.name"].(string); given {
		return name
	}
	return string(in.Record.ID.Machine())
}

// fillHost makes the Host, before its name is known to be free.
func fillHost(in Input) (schemas.Host, []string, error) {
	host := schemas.Host{APIVersion: schemas.APIVersion, Kind: schemas.KindHost,
		Metadata: schemas.Metadata{Name: hostName(in), ID: string(in.Record.ID.Machine())}}
	doubts := append(findDoubts(in), in.Verdict.Notes...)
	identity, left := readIdentity(in.Record)
	host.Spec.Identity, doubts = identity, append(doubts, left...)
	values := in.Verdict.Values
	if address := bmcAddress(in.Record); address != "" {
		host.Spec.BMC = &schemas.BMC{Address: address, TLS: schemas.BMCTLS{Fingerprint: in.Record.Fingerprint}}
		if in.Secret != nil {
			host.Spec.BMC.Credentials = in.Secret.Name
		}
	} else {
		doubts = append(doubts, "no BMC address is known: write spec.bmc, or nothing can be done with the machine")
		values = withoutBMC(values)
	}
	host, err := ruleset.Fill(host, values)
	return host, doubts, err
}

func withoutBMC(values map[string]any) map[string]any {
	kept := map[string]any{}
	for path, value := range values {
		if !strings.HasPrefix(path, "spec.bmc.") {
			kept[path] = value
		}
	}
	return kept
}

// bmcAddress is the URI of the Redfish system, or of the service where no system is known.
func bmcAddress(r discovery.Record) string {
	if r.Identity.BMC != nil && r.Identity.BMC.Address != "" {
		return r.Identity.BMC.Address
	}
	for _, text := range r.Addresses {
		ip, err := netip.ParseAddr(text)
		switch {
		case err != nil || ip.Zone() != "" || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsLoopback():
		case ip.Unmap().Is4():
			return "https://" + ip.Unmap().String()
		default:
			return "https://[" + ip.String() + "]"
		}
	}
	return ""
}

// Grammars of identity, as package decode has them.
var (
	serialGrammar = regexp.MustCompile(`^[ -~]{1,256}$`)
	uuidGrammar   = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
)

// maxMACs is how many MACs a proposal writes.
const maxMACs = 16

// readIdentity is the identity of a machine, without placeholders and what a Host file cannot hold.
func readIdentity(r discovery.Record) (identity schemas.Identity, doubts []string) {
	serial, uuid := "", ""
	if s := r.Identity.SMBIOS; s != nil {
		serial, uuid = s.Serial, s.UUID
	}
	if b := r.Identity.BMC; b != nil {
		if serial == "" || inventory.IsPlaceholder(serial) {
			serial = b.Serial
		}
		if inventory.UUIDKey(uuid) == "" {
			uuid = b.UUID
		}
	}
	serial = strings.TrimSpace(serial)
	switch {
	case serial == "":
	case inventory.IsPlaceholder(serial) || !serialGrammar.MatchString(serial):
		doubts = append(doubts, "the serial "+word(serial)+" is no identity")
	default:
		identity.Serial = serial
	}
	if inventory.UUIDKey(uuid) != "" && uuidGrammar.MatchString(uuid) {
		identity.UUID = strings.ToLower(uuid)
	}
	for _, mac := range r.Identity.MACs {
		if key, _ := inventory.MACKey(mac); key != "" && !strings.Contains("13579bdf", key[1:2]) && len(identity.MACs) < maxMACs {
			identity.MACs = append(identity.MACs, key)
		}
	}
	slices.Sort(identity.MACs)
	identity.MACs = slices.Compact(identity.MACs)
	if identity.Serial == "" && identity.UUID == "" && len(identity.MACs) == 0 {
		doubts = append(doubts, "nothing identifies the machine: write spec.identity")
	}
	return identity, doubts
}

// maxSuffix is the highest number behind a name that is taken.
const maxSuffix = 999

// freeName gives a name, and the path of its file, that the trunk does not have: the wanted name, or with -2, -3 behind
// it.
func freeName(wanted string, id inventory.MachineID, trunk Trunk) (name, path string) {
	taken := map[string]bool{}
	for _, d := range trunk.Fleet.Hosts {
		if d.ID != id {
			taken[d.Name], taken[string(d.ID)] = true, true
		}
	}
	for file := range trunk.Snapshot.Files {
		taken[strings.ToLower(file)] = true // some people's file systems do not tell cases apart
	}
	name = wanted
	for n := 2; n <= maxSuffix; n++ {
		if path = Folder + name + ".yaml"; !taken[name] && !taken[path] {
			return name, path
		}
		suffix := fmt.Sprint("-", n)
		name = strings.TrimRight(wanted[:min(len(wanted), 63-len(suffix))], "-") + suffix
	}
	return string(id), Folder + string(id) + ".yaml"
}

// check gives the Errors of the fleet with the proposal merged.
func check(p Proposal, trunk Trunk) []schemas.Finding {
	if trunk.Partial {
		return nil
	}
	merged := trunk.Snapshot
	merged.Files = make(map[string]inventory.File, len(trunk.Snapshot.Files)+len(p.Files))
	for path, f := range trunk.Snapshot.Files {
		merged.Files[path] = f
	}
	for path, data := range p.Files {
		merged.Files[path] = inventory.File{Blob: inventory.Digest("proposal", string(data)), Data: data}
	}
	_, findings, _ := load.FleetWithCache(trunk.Cache, inventory.Sources{Trunk: merged}, nil)
	return slices.DeleteFunc(findings, func(f schemas.Finding) bool { return f.Severity != schemas.Error })
}
