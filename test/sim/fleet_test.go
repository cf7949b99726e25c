package sim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/gitmetal/ingot/internal/lab/secretfile"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// people are everybody who commits, operates and stands at the rack. They know what they wrote: rules are checked
// against their commits, not against what a daemon makes of them.
type people struct {
	w          *world
	dice       *dice
	now        fleetSpec
	commits    map[string]fleetSpec     // by hash
	last       string                   // the newest commit
	good       string                   // the newest commit that is not refused
	superseded map[string]time.Duration // when a commit was followed by another that is not refused
	written    map[string][]byte        // files at the tip
	reinstall  schemas.Scope
	installs   int // counts the systems that persons installed by hand
	deleted    map[string]hostSpec
	rewritten  map[string]bool // commits of a rewritten history
	repinned   bool
	takeovers  map[string]bool // ever given, by host and serial
	repinAfter time.Duration
	looked     map[string]bool // hosts whose disks were looked at again, by id
}

// fleetSpec is a fleet as people mean it.
type fleetSpec struct {
	hosts     map[string]hostSpec // by id
	workloads map[string]workloadSpec
	rings     bool // hosts with even numbers come first, one of them before the others
	tags      bool // the rings follow tags, not the trunk
	paused    bool
	broken    bool   // a file is no YAML
	reserved  string // a reserved step behind the script, and whether the script reboots: "", reboots, hold, wait, reboot
	bios      string // the value of a BIOS attribute, with when it is applied: "Enabled InTurn"; "" for none
	when      string // the condition of the script, the same in all commits
	farm      int    // items of a batch of runs; 0 without runs
	plugins   bool   // the steps have plug-ins in place of a script, in all commits
	erases    string // the disks that a step erases in place of a script that writes: "", "data", or "root, data"; the same in all commits
	injects   bool   // a step puts files into the installed system, in all commits
}

type hostSpec struct {
	id, name  string
	slot      int
	serial    string
	disk      string // the serial of the disk that is meant
	hint      string // how the file names the disk: "" by serial, or "size", or "model"
	workload  string
	protect   bool
	lifecycle string
	power     string
	offBy     string // keys, with ", " between them
	reboot    string // id and mode
	inspect   string
	resume    string
	erase     string
	data      string // serial of the disk named data; "" without one
	eraseData string // consent for it
	takeover  string
	claimable bool
}

type workloadSpec struct {
	version   int // a change of inputs
	script    bool
	data      bool // a script writes to the disks named data
	update    string
	phoneHome string
}

func (f fleetSpec) copyFleet() fleetSpec {
	f.hosts, f.workloads = maps.Clone(f.hosts), maps.Clone(f.workloads)
	return f
}

const apiVersion = "apiVersion: ingot.dev/v1alpha1\n"

// files are the fleet's files.
func (f fleetSpec) files() map[string][]byte {
	files := map[string][]byte{
		"ingot.yaml":       fmt.Appendf(nil, apiVersion+"kind: Fleet\nmetadata: {name: fleet}\nspec: {paused: %t}\n", f.paused),
		"secrets/bmc.yaml": []byte(secretfile.BMC),
		"steps/check.yaml": []byte(apiVersion + "kind: Step\nmetadata: {name: check}\nspec: {script: steps/check.sh, timeout: 1h}\n"),
		"steps/check.sh":   []byte("#!/bin/sh\ntrue\n"),
	}
	if f.when != "" {
		files["steps/check.yaml"] = []byte(strings.Replace(string(files["steps/check.yaml"]), "timeout: 1h", "timeout: 1h, when: '"+f.when+"'", 1))
	}
	for name, w := range f.workloads {
		files["workloads/"+name+".yaml"] = f.addSettings(f.stepsOf(w, w.text(name, reservedSteps[f.reserved])))
	}
	if value, apply, set := strings.Cut(f.bios, " "); set {
		files["steps/bios.yaml"] = fmt.Appendf(nil, apiVersion+"kind: Step\nmetadata: {name: bios}\nspec: {bmc: {bios: {%s: %q}}, apply: %s}\n",
			biosAttribute, value, apply)
	}
	if f.reserved == "reboots" {
		files["steps/check.yaml"] = []byte(strings.Replace(string(files["steps/check.yaml"]), "timeout: 1h", "timeout: 1h, reboots: true", 1))
	}
	files["steps/prepare.yaml"] = []byte(apiVersion + "kind: Step\nmetadata: {name: prepare}\nspec: {script: steps/check.sh, writes: [data], timeout: 1h}\n")
	if f.plugins {
		for _, name := range []string{"steps/check.yaml", "steps/prepare.yaml"} {
			files[name] = []byte(strings.Replace(string(files[name]), "script: steps/check.sh", "plugins: [{path: steps/check.sh, step: check}]", 1))
		}
	}
	for id, h := range f.hosts {
		files["hosts/"+id+".yaml"] = h.text()
	}
	f.farmFiles(files)
	if f.rings {
		f.addRings(files)
	}
	if f.broken {
		files["hosts/broken.yaml"] = []byte(apiVersion + "kind: Host\nmetadata: {name: [}\n")
	}
	return files
}

// addRings adds two rings that follow the trunk, the second after the first.
func (f fleetSpec) addRings(files map[string][]byte) {
	var first, second []string
	for _, id := range f.ids() {
		if f.hosts[id].slot%2 == 0 {
			first = append(first, id)
		} else {
			second = append(second, id)
		}
	}
	ring := func(name string, hosts []string, more string) {
		if f.tags {
			more += "  tag: \"" + tagPattern + "\"\n"
		}
		if len(hosts) > 0 {
			files["rings/"+name+".yaml"] = fmt.Appendf(nil, apiVersion+"kind: Ring\nmetadata: {name: %s}\nspec:\n  hosts: {hosts: [%s]}\n%s",
				name, strings.Join(hosts, ", "), more)
		}
	}
	ring("first", first, "  canaries: {hosts: ["+strings.Join(first[:min(1, len(first))], "")+"]}\n  pauseAfter: 2\n")
	if len(first) > 0 {
		ring("second", second, "  after: [first]\n  maxUnavailable: \"2\"\n  pauseAfter: 2\n")
	}
}

// stepsOf puts the steps of ingot's own into the steps of a Workload: an erase in place of a script that writes, in front of the
// install where it erases the root disk, and files for the installed system.
func (f fleetSpec) stepsOf(w workloadSpec, text []byte) []byte {
	if w.data && f.erases != "" {
		erase := "{step: erase-disks, args: {disks: [" + f.erases + "], policy: metadata}}"
		text = bytes.Replace(text, []byte("{step: prepare}, "), []byte(erase+", "), 1)
		if bytes.Contains(text, []byte(", {step: prepare}]")) {
			text = bytes.Replace(text, []byte(", {step: prepare}]"), []byte("]"), 1)
			text = bytes.Replace(text, []byte("  steps: ["), []byte("  steps: ["+erase+", "), 1)
		}
	}
	if before, entries, has := bytes.Cut(text, []byte("  steps: [")); f.injects && has {
		inject := []byte(", {step: inject-files, args: {files: [{path: /var/site, content: here}]}}]\n")
		text = slices.Concat(before, []byte("  steps: ["), bytes.Replace(entries, []byte("]\n"), inject, 1))
	}
	return text
}

// writesImage reports whether the workload writes its image without coreos-installer: every second version of one whose system
// does not call.
func (w workloadSpec) writesImage() bool {
	return w.phoneHome == "Disabled" && w.version%2 == 1
}

// reservedSteps are the entries of the reserved steps, behind the script.
var reservedSteps = map[string]string{"hold": "{step: hold}, ", "wait": "{step: wait, args: {for: 40m}}, ", "reboot": "{step: reboot}, "}

func (w workloadSpec) text(name, reserved string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, apiVersion+"kind: Workload\nmetadata: {name: %s}\nspec:\n", name)
	system := "{step: install}"
	if w.writesImage() {
		system = fmt.Sprintf("{step: write-image, args: {image: {url: https://images.example.com/disk.raw, sha256: \"%064x\"}}}", w.version)
		b.WriteString("  phoneHome: Disabled\n")
	} else {
		fmt.Fprintf(&b, "  install:\n    image: {url: https://images.example.com/os.raw, sha256: %s}\n", strings.Repeat("ab", 32))
		fmt.Fprintf(&b, "    kernelArguments: [\"version=%d\"]\n", w.version)
		if w.phoneHome != "" {
			fmt.Fprintf(&b, "    phoneHome: %s\n", w.phoneHome)
		}
	}
	switch {
	case w.data && w.script:
		b.WriteString("  steps: [{step: check}, " + reserved + "{step: prepare}, " + system + "]\n")
	case w.data:
		b.WriteString("  steps: [" + system + ", {step: prepare}]\n")
	case w.script:
		b.WriteString("  steps: [{step: check}, " + reserved + system + "]\n")
	case w.writesImage():
		b.WriteString("  steps: [" + system + "]\n")
	}
	if w.update != "" {
		fmt.Fprintf(&b, "  update: %s\n", w.update)
	}
	return []byte(b.String())
}

func (h hostSpec) text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, apiVersion+"kind: Host\nmetadata: {name: %s, id: %s}\nspec:\n", h.name, h.id)
	fmt.Fprintf(&b, "  bmc: {address: %q, credentials: bmc}\n", (&slot{index: h.slot}).address())
	fmt.Fprintf(&b, "  identity: {serial: %s}\n  rootDisk: %s\n", h.serial, h.rootDisk())
	for _, field := range [][2]string{{"workload", h.workload}, {"lifecycle", h.lifecycle}, {"power", h.power}} {
		if field[1] != "" {
			fmt.Fprintf(&b, "  %s: %q\n", field[0], field[1])
		}
	}
	if h.claimable {
		b.WriteString("  claimable: true\n")
	}
	if h.protect {
		b.WriteString("  protect: true\n")
	}
	h.writeRequests(&b)
	if h.offBy != "" {
		fmt.Fprintf(&b, "  offBy: [%s]\n", h.offBy)
	}
	if h.data != "" {
		fmt.Fprintf(&b, "  disks: {data: [{serial: %s}]}\n", h.data)
	}
	if h.erase != "" || h.eraseData != "" || h.takeover != "" {
		b.WriteString("  consent:\n")
	}
	switch {
	case h.eraseData != "":
		given := []string{fmt.Sprintf("%q", h.eraseData)}
		if h.erase != "" {
			given = append(given, fmt.Sprintf("%q", h.erase))
		}
		fmt.Fprintf(&b, "    erase: [%s]\n", strings.Join(given, ", "))
	case h.erase != "":
		fmt.Fprintf(&b, "    erase: %q\n", h.erase)
	}
	if h.takeover != "" {
		fmt.Fprintf(&b, "    takeover: %q\n", h.takeover)
	}
	return []byte(b.String())
}

// writeRequests writes what is to be done once.
func (h hostSpec) writeRequests(b *strings.Builder) {
	if h.reboot+h.inspect+h.resume == "" {
		return
	}
	b.WriteString("  requests:\n")
	if id, mode, asked := strings.Cut(h.reboot, " "); asked {
		fmt.Fprintf(b, "    reboot: {id: %s, mode: %s}\n", id, mode)
	}
	if h.inspect != "" {
		fmt.Fprintf(b, "    inspect: %q\n", h.inspect)
	}
	if h.resume != "" {
		fmt.Fprintf(b, "    resume: %s\n", h.resume)
	}
}

// consentTo gives consents, each for the disk that it names.
func (h *hostSpec) consentTo(consents []string) {
	for _, consent := range consents {
		if h.data != "" && strings.HasPrefix(consent, h.data+"/") {
			h.eraseData = consent
			continue
		}
		h.erase = consent
	}
}

// rootDisk is the hint at the disk.
func (h hostSpec) rootDisk() string {
	switch h.hint {
	case "size":
		return "{size: 64GiB}"
	case "model":
		return "{model: simulated}"
	default:
		return fmt.Sprintf("{serial: %s}", h.disk)
	}
}

// fits reports whether the hint fits a disk.
func (h hostSpec) fits(d *disk) bool {
	switch h.hint {
	case "size":
		return d.size == diskSize
	case "model":
		return d.model == "simulated"
	default:
		return d.serial == h.disk
	}
}

// commit commits the fleet as it is meant now.
func (p *people) commit(title string) {
	files := p.now.files()
	changed := map[string][]byte{}
	for name, content := range files {
		if string(p.written[name]) != string(content) {
			changed[name] = content
		}
	}
	for name := range p.written {
		if _, stays := files[name]; !stays {
			changed[name] = nil
		}
	}
	if len(changed) == 0 {
		return
	}
	p.written = files
	made := p.w.git.commit(trunk, p.w.git.tip(trunk), changed, title)
	p.remember(made)
	p.w.say("a person commits %.8s: %s", made, title)
	p.w.refreshDaemons()
}

func (p *people) remember(commit plumbing.Hash) {
	if p.commits == nil {
		p.commits = map[string]fleetSpec{}
	}
	p.last = commit.String()
	p.commits[p.last] = p.now.copyFleet()
	if p.now.broken || len(p.now.hosts) == 0 {
		return // the last good commit stays
	}
	if p.good != "" {
		p.superseded[p.good] = p.w.now
	}
	p.good = p.last
}

// change commits a change of a host, if the host is in the fleet.
func (p *people) change(id, title string, edit func(*hostSpec)) {
	h, there := p.now.hosts[id]
	if !there {
		return
	}
	edit(&h)
	p.now.hosts[id] = h
	p.commit(title + " (" + id + ")")
}

// ids are the hosts of the fleet in order.
func (f fleetSpec) ids() []string { return slices.Sorted(maps.Keys(f.hosts)) }

// refreshDaemons is the webhook of the forge.
func (w *world) refreshDaemons() {
	for _, d := range w.daemons {
		if d.proc != nil && !w.meets(webhookLost, d.index) {
			d.proc.loop.RefreshSource()
			d.proc.wake(10e6)
		}
	}
}

// inputsOf is the digest of a workload's inputs, as the newest load of a daemon has it; "" when no daemon knows.
func (w *world) inputsOf(id string) string {
	for _, d := range w.daemons {
		if d.proc == nil {
			continue
		}
		if view, known := d.proc.loop.ViewHost(inventory.MachineID(id)); known && view.Desired.Workload != nil {
			return view.Desired.Workload.Inputs
		}
	}
	return ""
}
