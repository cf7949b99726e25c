package proposal

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/ruleset"
)

// describe is the comments of a proposal: summary, proof, rules, doubts.
func describe(in Input, system string, doubts []string) []string {
	r := in.Record
	how := "by its BMC"
	switch {
	case r.Key != "":
		how = "with key " + word(r.Key)
	case r.Delivery != "":
		how = "by its BMC, for Delivery " + word(r.Delivery)
	}
	when := ""
	if !r.Registered.IsZero() {
		when = r.Registered.UTC().Format("2006-01-02 15:04 UTC ")
	}
	lines := []string{fmt.Sprintf("Discovered %s%s. %s", when, how, describeHardware(r.Facts)), "Proof: " + describeProof(r, system)}
	lines = append(lines, describeRules(in.Verdict)...)
	for _, doubt := range doubts {
		lines = append(lines, "Doubt: "+doubt)
	}
	return lines
}

func describeProof(r discovery.Record, system string) string {
	switch r.ProvenBy(system) {
	case discovery.ByAccount:
		return "the agent made a BMC account in-band, and the daemon logged in with it. The waiting agent is this machine's."
	case discovery.ByNonce:
		return "a nonce was carried between the agent and the BMC. The waiting agent is this machine's."
	default:
		return "none. After the merge the machine is booted once with its own medium, and gets nothing before."
	}
}

// describeHardware is a machine in one sentence.
func describeHardware(f *inventory.Facts) string {
	if f == nil {
		return "Nothing is known of its hardware: no agent reported."
	}
	parts := []string{strings.TrimSpace(word(f.System.Manufacturer) + " " + word(f.System.Product))}
	if parts[0] == "" {
		parts[0] = "A machine without a name"
	}
	if f.CPU.Count > 0 {
		parts = append(parts, fmt.Sprintf("%d processors (%s)", f.CPU.Count, word(strings.TrimSpace(f.CPU.Arch+" "+f.CPU.Model))))
	}
	if f.Memory > 0 {
		parts = append(parts, fmt.Sprintf("%d GiB", f.Memory>>30))
	}
	return strings.Join(append(append(parts, describeDisks(f.Disks)), describeNICs(f.NICs)), ", ") + "."
}

// maxKinds is the most kinds of disks in a summary.
const maxKinds = 6

// describeDisks counts the disks of each kind: "2 × 3.84 TB nvme".
func describeDisks(disks []inventory.Disk) string {
	count := map[string]int{}
	var kinds []string
	for _, d := range disks {
		kind := strings.TrimSpace(formatSize(d.Size) + " " + word(d.Transport))
		if count[kind]++; count[kind] == 1 {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 {
		return "no disks"
	}
	var parts []string
	for _, kind := range kinds[:min(len(kinds), maxKinds)] {
		parts = append(parts, fmt.Sprintf("%d × %s", count[kind], kind))
	}
	return strings.Join(parts, ", ")
}

func formatSize(bytes uint64) string {
	const gb = 1_000_000_000
	if bytes >= 1000*gb {
		return fmt.Sprintf("%d.%02d TB", bytes/(1000*gb), bytes/(10*gb)%100)
	}
	return fmt.Sprintf("%d GB", bytes/gb)
}

func describeNICs(nics []inventory.NIC) string {
	var up []string
	for _, n := range nics {
		if n.Link && !n.IsBMCLink() && len(up) < maxKinds {
			up = append(up, strings.TrimSpace(word(n.Name)+" "+word(n.MAC)))
		}
	}
	text := fmt.Sprintf("%d NICs", len(nics))
	if len(nics) == 1 {
		text = "1 NIC"
	}
	if len(up) > 0 {
		text += " (link: " + strings.Join(up, ", ") + ")"
	}
	return text
}

// describeRules says what each rule did, and why the others did not.
func describeRules(v ruleset.Verdict) []string {
	var lines []string
	for _, d := range v.Decisions {
		text := fmt.Sprintf("Rule %s (priority %d)", word(d.Rule), d.Priority)
		switch {
		case !d.Holds && d.Why == "the condition is false":
			continue
		case !d.Holds:
			text += " does not hold: " + d.Why
		case len(d.Sets) > 0:
			text += " set " + strings.Join(d.Sets, ", ")
		default:
			text += " holds"
		}
		if len(d.Lost) > 0 {
			text += "; not " + strings.Join(d.Lost, ", ")
		}
		lines = append(lines, text)
	}
	if len(lines) == 0 {
		return []string{"Rules: none holds."}
	}
	return lines
}

// findDoubts are sentences for the reviewer.
func findDoubts(in Input) []string {
	r := in.Record
	doubts := slices.Clone(r.Doubts)
	if r.Facts == nil {
		return doubts
	}
	for _, d := range r.Facts.Disks {
		switch label := word(d.Name); {
		case d.Content.Unreadable != "":
			doubts = append(doubts, label+" could not be read: "+word(d.Content.Unreadable))
		case !d.Content.Blank:
			what := d.Content.Summary
			if what == "" {
				what = d.Content.Signature
			}
			doubts = append(doubts, label+" holds data ("+word(what)+")")
		}
	}
	if r.Facts.Firmware.UEFI && !r.Facts.Firmware.SecureBoot {
		doubts = append(doubts, "Secure Boot is off")
	}
	if !r.Facts.Firmware.UEFI && len(r.Facts.Errors) == 0 {
		doubts = append(doubts, "the machine was started by legacy BIOS")
	}
	for _, text := range r.Facts.Errors {
		doubts = append(doubts, "the agent could not read everything: "+word(text))
	}
	return doubts
}
