package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

const hostName = "web-03"

var rootDisk = inventory.DiskID{Serial: "DISK1", Size: 480_000_000_000}

// model is one machine with its BMC, its agent, a daemon with its journal, and the status branch, reduced to what the planner can tell apart.
type model struct {
	now     time.Time
	record  inventory.Record // the journal
	desired inventory.Desired
	ids     int

	power    inventory.PowerState
	disk     string          // blank, content:<signature>, install:<id>, failed:<id>
	data     *inventory.Disk // a second disk, as an agent sees it; nil without one
	system   string          // what runs: "", ramdisk, disk
	foreign  bool            // it runs because of a person
	waiting  string          // the key of the agent in the ramdisk that a person started, which is proved; "" without one
	media    string
	override string
	reads    map[string]int // by medium
	agent    inventory.AgentState
	image    inventory.ImagePhase

	shows inventory.System // by its BMC
	sees  inventory.System // by SMBIOS
	cards []string         // built-in network cards besides the virtual one

	unreachable bool
	mute        bool // the BMC leaves out its UUID
	noBoot      bool // a boot started now gets nowhere
	noRamdisk   bool // a machine that shall start the ramdisk starts its disk
	jobFails    bool // a job ends in an error before it writes
	halfWritten bool // a job ends in an error after it has written
	untaken     bool // an agent does not take its job up
	scriptFails string
	mutes       bool // an agent does not say what a script left on its disks
	final       bool // a script that fails has failed for good
	silent      bool // an installed system does not phone home
	retry       bool // an operator said `ingot retry`
	stubborn    bool // the system does not shut down
	recalls     bool // the installed system is to call for this start
	starts      int
	rebooted    []string // reboots that were sent

	published map[string]bool   // operations on the status branch
	armed     map[string]string // operation → the consent it was armed with
	newest    string            // armed operation
	began     map[string]bool   // operations that were let begin to write
	wrote     map[string]bool   // operations that have written to the disk; true when the image was verified
	ran       []string          // scripts with their attempts
	done      []act.Kind
	boots     int
	broken    []string // safety properties that were violated
}

func newModel(disk string, power inventory.PowerState) *model {
	m := &model{
		now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), record: inventory.Record{ID: hostName},
		shows: inventory.System{Serial: "SN1", UUID: uuid}, sees: inventory.System{Serial: "SN1", UUID: uuid},
		disk: disk, power: power, override: "None", reads: map[string]int{}, published: map[string]bool{},
		armed: map[string]string{}, began: map[string]bool{}, wrote: map[string]bool{},
		desired: inventory.Desired{
			Commit: "c0", Release: "c0", ID: hostName, Name: hostName, File: "hosts/web-03.yaml",
			Lifecycle: schemas.Managed,
			BMC:       &schemas.BMC{Address: "https://10.0.0.13"}, Identity: schemas.Identity{Serial: "SN1"},
			RootDisk: &schemas.DiskHints{Serial: "DISK1"},
		},
	}
	m.desired.Workload = workload("aaaaaaaaaaaaaaaa", schemas.OnConsent)
	if power == inventory.PoweredOn {
		m.system, m.foreign = "disk", true
	}
	return m
}

func workload(inputs, update string) *inventory.Workload {
	return &inventory.Workload{
		Name: "web", Inputs: inputs, Update: update, PhoneHome: schemas.PhoneHomeRequired,
		Image: schemas.Image{SHA256: inputs}, Parts: map[string]string{"image": inputs, "rootDisk": "r"},
	}
}

// commit changes the desire.
func (m *model) commit(change func(*inventory.Desired)) {
	m.ids++
	change(&m.desired)
	m.desired.Commit = fmt.Sprintf("c%d", m.ids)
	m.desired.Release = m.desired.Commit
}

// machine is the identity of the machine, as far as it is known and shown.
func (m *model) machine() inventory.Pinned {
	return m.record.Identity().Fill(m.observe().BMC.ShownIdentity(m.desired.BMC.Address))
}

// takeOver commits the takeover that the hold of the machine prints.
func (m *model) takeOver(t *testing.T) {
	t.Helper()
	p := m.settles(t)
	if p.Hold == nil || p.Hold.Takeover == "" {
		t.Fatalf("plan = %+v, hold %+v, want it held for a takeover", p, p.Hold)
	}
	m.commit(func(d *inventory.Desired) { d.Consent.Takeover = p.Hold.Takeover })
}

func (m *model) violate(format string, args ...any) {
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}

func (m *model) observe() inventory.Observed {
	o := inventory.Observed{Record: m.record, Retry: m.retry, Agent: m.agent,
		Waiting: m.waiting, Image: inventory.ImageState{State: m.image}, Fleet: inventory.FleetState{StartedAt: m.now.Add(1)}}
	o.BMC = inventory.BMCState{
		At: m.now, Reach: inventory.Reached, Power: m.power, System: m.shows,
		Override: inventory.Override{Target: m.override, Enabled: "Continuous"},
		Media:    []inventory.Slot{{ID: "Cd", Inserted: m.media != "", Image: m.media}},
	}
	switch {
	case m.mute:
		o.BMC.System.UUID = ""
	case m.unreachable:
		o.BMC = inventory.BMCState{At: m.now, Reach: inventory.Unreachable, Error: "no answer"}
	}
	if b := m.record.Boot; b != nil && b.Target == inventory.FromRamdisk {
		o.Media = inventory.MediaState{URL: medium(b), Reads: m.reads[medium(b)], Last: m.now}
	}
	return o
}

func medium(b *inventory.Boot) string { return "https://daemon/" + b.ID }

// crash is where a daemon dies within an action.
type crash int

const (
	nowhere crash = iota
	beforeEffect
	beforeSettle
)

// look is one turn of the loop: observe, decide, intent, effect, outcome.
func (m *model) look(die crash) plan.Plan {
	p := nextAt(m.desired, m.observe(), m.now)
	if p.Action == nil {
		m.record = act.TakeRequests(m.record, m.desired)
		return p
	}
	a := m.identified(*p.Action)
	m.judge(a)
	m.done = append(m.done, a.Kind)
	m.record = act.TakeRequests(act.Begin(m.record, a, m.now), m.desired)
	if die == beforeEffect {
		return p
	}
	out := act.Outcome{Result: act.Done}
	if !a.Kind.JournalOnly() {
		out = m.effect(a)
	}
	if die == beforeSettle {
		return p
	}
	m.record = act.Settle(m.record, a, out, m.now)
	m.retry = m.retry && a.Kind != act.OpenBoot && a.Kind != act.OpenOperation
	return p
}

func (m *model) identified(a act.Action) act.Action {
	m.ids++
	id := fmt.Sprintf("id%d", m.ids)
	switch a.Kind {
	case act.OpenOperation:
		op := a.Operation.Clone()
		op.ID = id
		a.Operation = op
		a = a.Marked(hostName, markOf)
	case act.OpenBoot:
		boot := *a.Boot
		boot.ID = id
		a.Boot = &boot
	default:
	}
	return a
}

// judge holds an action against the rules, from what is true and not from what the record says.
func (m *model) judge(a act.Action) {
	reaches := !a.Kind.JournalOnly() && a.Kind != act.FetchImage && a.Kind != act.Publish &&
		a.Kind != act.WithdrawJob
	d := m.desired
	switch {
	case reaches && d.Lifecycle != schemas.Managed && !d.Retires:
		m.violate("%s of a host that is not ours to manage", a.Kind)
	case reaches && d.Protect:
		m.violate("%s of a protected host", a.Kind)
	case m.mute && a.Replaced:
		m.violate("%s of a machine whose BMC does not show who it is", a.Kind)
	case reaches && m.foreign && d.Consent.Takeover == "" && m.record.Adopted == "":
		m.violate("%s of a machine found running", a.Kind)
	}
	if a.Kind == act.GiveLeave {
		m.judgeInstall(*a.Operation)
	}
}

func (m *model) judgeInstall(op inventory.Operation) {
	if !m.published[op.ID] || m.record.Operation.Stage == inventory.Intended {
		m.violate("armed before it was published")
	}
	if _, again := m.armed[op.ID]; again {
		over := op.Root().Content == inventory.ContentBlank || strings.HasPrefix(op.Root().Content, "content:")
		if _, wrote := m.wrote[op.ID]; over && !wrote && "content:"+
			strings.TrimPrefix(m.disk, "content:") != op.Root().Content && m.disk != inventory.ContentBlank {
			m.violate("a retry erases %s, which came after %s", m.disk, op.Root().Content)
		}
		return // a retry of what was allowed
	}
	if s := m.desired.Signatures; s != nil && s.Second == "" && m.disk != inventory.ContentBlank {
		m.violate("disk with %s armed under %+v", m.disk, *s)
	}
	given := m.desired.Consent.Erase
	owns := func(content string) bool {
		forms := change.OperationConsents(op, hostName, inventory.OperationDisk{Disk: rootDisk, Content: content})
		return slices.ContainsFunc(forms, func(form string) bool { return slices.Contains(given, form) })
	}
	i := m.record.Installed
	rule := m.desired.Reinstallable && m.desired.Workload.Update == schemas.Reinstall && i != nil &&
		i.Update == schemas.Reinstall && i.Workload == op.Workload
	switch {
	case m.disk == inventory.ContentBlank, rule:
	// Whether a given up operation had begun to write cannot be known: the disk is named after it either way.
	case owns(m.disk), owns("content:" + m.disk), owns("failed:" + m.newest),
		len(m.wrote) == 0 && owns(inventory.ContentUnseen):
		for id, consent := range m.armed {
			if _, wrote := m.wrote[id]; wrote && slices.Contains(given, consent) {
				m.violate("consent %s was spent by %s", consent, id)
			}
		}
	default:
		m.violate("disk with %s armed without consent (given %q)", m.disk, given)
	}
	m.armed[op.ID], m.newest = op.Root().Consent, op.ID
}

func (m *model) effect(a act.Action) act.Outcome {
	switch a.Kind {
	case act.Publish:
		m.published[m.record.Operation.ID] = true
		return act.Outcome{Result: act.Done}
	case act.FetchImage:
		m.image = inventory.ImageReady
		return act.Outcome{Result: act.Done}
	case act.AssignPowerOff, act.AssignStep:
		return m.assign(a)
	case act.GiveLeave:
		return m.giveLeave(a)
	case act.WithdrawJob:
		return m.withdraw(a)
	default:
	}
	if m.unreachable {
		return act.Outcome{Result: act.Retry, Why: "no answer"}
	}
	switch a.Kind {
	case act.PowerOn:
		found := m.power == inventory.PoweredOn
		m.start()
		return act.Outcome{Result: act.Done, Found: found}
	case act.PowerOff:
		m.stop()
	case act.Reboot:
		m.reboot(a)
	case act.EjectMedia:
		m.media = ""
	case act.InsertMedia:
		m.media = medium(m.record.Boot)
	case act.BootFromMedia:
		m.override = "Cd"
	case act.BootFromDisk:
		m.override = "None"
	default:
		panic("no effect of " + string(a.Kind))
	}
	return act.Outcome{Result: act.Done}
}

// reboot is the command of a requested reboot, which is sent once for a value.
func (m *model) reboot(a act.Action) {
	value := a.Boot.Request.Value
	if m.rebooted = append(m.rebooted, value); slices.Contains(m.rebooted[:len(m.rebooted)-1], value) {
		m.violate("reboot %s is sent twice", value)
	}
	if m.record.Operation != nil || m.system == "ramdisk" || m.power != inventory.PoweredOn {
		m.violate("reboot %s is sent to a machine that is %s and runs %q, operation %v", value, m.power, m.system, m.record.Operation)
	}
	switch {
	case a.Boot.Request.Mode == schemas.RebootHard:
		m.starts++
		m.recalls = true
	case !m.stubborn:
		m.stop()
	}
}

func (m *model) assign(a act.Action) act.Outcome {
	if m.agent.Boot != m.record.Boot.ID {
		return act.Outcome{Result: act.Retry, Why: "no such agent"}
	}
	job := inventory.Job{ID: "off-" + m.record.Boot.ID, Kind: "power-off", State: inventory.JobAssigned, Since: m.now}
	if a.Kind == act.AssignStep {
		step, _ := m.record.Operation.Step()
		job = inventory.Job{ID: a.Operation.JobID(), Attempt: a.Operation.Attempt, Kind: "script", Step: step.Name,
			State: inventory.JobAssigned, Since: m.now}
		switch {
		case step.Installs():
			job.Kind = "write"
		case len(step.Writes) > 0:
			job.Kind = "write-step"
		}
	}
	old := m.agent.Job
	if old.ID == job.ID && old.Kind == "power-off" {
		m.violate("the agent was told twice to power its machine off")
	}
	if old.ID != job.ID || old.Attempt != job.Attempt || old.Kind != job.Kind {
		m.agent.Job = job
	}
	return act.Outcome{Result: act.Done}
}

// withdraw is the hub's: what has begun is not taken back, and an agent that works on a step ends it.
func (m *model) withdraw(a act.Action) act.Outcome {
	job := &m.agent.Job
	switch {
	case job.ID != a.Operation.JobID() || job.Attempt != a.Operation.Attempt || job.Begun && job.Question == nil ||
		job.State != inventory.JobAssigned && job.State != inventory.JobRunning:
		return act.Outcome{Result: act.Waits}
	case a.Withdrawn:
		job.Over, job.State = job.State == inventory.JobAssigned, inventory.JobWithdrawn
	case a.Lost, job.State == inventory.JobAssigned:
		job.State = inventory.JobFailed
	}
	job.Error, job.Question = a.Error, nil
	return act.Outcome{Result: act.Done}
}

func (m *model) start() {
	if m.power == inventory.PoweredOn {
		return
	}
	m.power, m.foreign, m.system = inventory.PoweredOn, false, "disk"
	m.starts++
	m.recalls = m.record.Boot != nil && m.record.Boot.Request != nil
	if m.override == "Cd" && m.media != "" && !m.noRamdisk {
		m.system = "ramdisk"
		m.boots++
	}
	if m.noBoot {
		m.system = ""
	}
}

func (m *model) stop() {
	m.power, m.system, m.foreign, m.waiting = inventory.PoweredOff, "", false, ""
}

// pass lets time go by: systems come up, agents work.
func (m *model) pass(d time.Duration) {
	m.now = m.now.Add(d)
	switch m.system {
	case "ramdisk":
		m.ramdisk()
	case "disk":
		// The call counts however often it is made; an unfinished disk makes none.
		if id, ok := strings.CutPrefix(m.disk, "install:"); ok && !m.silent && (m.agent.PhoneHome == nil || m.agent.PhoneHome.Install != id) {
			m.agent.PhoneHome = &inventory.PhoneHome{Install: id, At: m.now}
		} else if ok && !m.silent && m.recalls {
			m.recalls = false
			m.agent.PhoneHome = &inventory.PhoneHome{Install: id, At: m.now, BootID: fmt.Sprint(m.starts)}
		}
	}
}

func (m *model) ramdisk() {
	b := m.record.Boot
	switch {
	case b == nil:
		return
	case b.Agent != "" && b.Agent == m.waiting:
		m.waiting, m.foreign = "", false // the waiting agent is given the boot
	case b.Agent != "" && m.agent.Boot == b.ID:
	case b.Agent != "" || m.media != medium(b):
		return // its token is dead
	default:
		m.reads[m.media]++
	}
	if m.agent.Boot != b.ID {
		job := m.agent.Job
		m.agent = inventory.AgentState{Boot: b.ID, Epoch: b.Epoch, Protocol: 5, Enrolled: m.now, Job: job, PhoneHome: m.agent.PhoneHome}
		m.agent.Facts = m.facts(b.Epoch)
		if job.State != inventory.JobSucceeded && job.State != inventory.JobFailed {
			m.agent.Job = inventory.Job{} // died with its boot
		}
	}
	m.agent.Seen = m.now
	job := &m.agent.Job
	switch {
	case job.State == inventory.JobWithdrawn:
		job.Over = true
	case job.State == inventory.JobAssigned && m.untaken && job.Kind != "power-off":
	case job.State == inventory.JobAssigned:
		job.State, job.Since = inventory.JobRunning, m.now
	case job.State == inventory.JobRunning && job.Kind == "power-off":
		job.State = inventory.JobSucceeded
		m.stop()
	case job.State == inventory.JobRunning && job.Kind == "write-step":
		m.prepare(job)
	case job.State == inventory.JobRunning && job.Step != schemas.StepInstall:
		m.script(job)
	case job.State == inventory.JobRunning:
		m.install(job)
	}
}

// install is the agent at its install step: it asks for leave, and when it has leave it writes.
func (m *model) install(job *inventory.Job) {
	switch {
	case m.jobFails:
		job.State, job.Error, job.Since = inventory.JobFailed, "it failed before the first write", m.now
	case job.Question == nil && job.Begun:
		m.write(job)
	case job.Question == nil:
		job.Question = &inventory.Question{Nonce: "process", At: m.now, Disks: m.facts(0).Disks[:len(m.record.Operation.InstallDisks())]}
	}
}

// prepare is the agent at a script that writes to the second disk.
func (m *model) prepare(job *inventory.Job) {
	step, _ := m.record.Operation.Step()
	erases := slices.Contains(step.Writes, schemas.RootDiskName)
	switch {
	case erases && job.Question == nil && !job.Begun:
		job.Question = &inventory.Question{Nonce: "process", At: m.now, Disks: m.facts(0).Disks[:1]}
	case erases && job.Question == nil:
		m.eraseRoot(job)
	case job.Question == nil && !job.Begun:
		job.Question = &inventory.Question{Nonce: "process", At: m.now, Disks: []inventory.Disk{*m.data}}
	case job.Question == nil:
		m.data.Content = inventory.Content{Signature: "v2:" + strings.ReplaceAll(job.ID, ".", "-")}
		m.data.Table = &inventory.Table{Kind: inventory.TableGPT, Valid: true, GUID: "of the script"}
		m.script(job)
		if !m.mutes {
			job.Left = []inventory.SeenDisk{inventory.DescribeSeen(*m.data)}
		}
	}
}

// eraseRoot is the agent at erase-disks with the root disk. A step that fails leaves the disk half erased.
func (m *model) eraseRoot(job *inventory.Job) {
	m.script(job)
	if m.disk = inventory.ContentBlank; job.State != inventory.JobSucceeded {
		m.disk, m.wrote[operationOf(job)] = "failed:"+operationOf(job), false
		return
	}
	job.Left = []inventory.SeenDisk{inventory.DescribeSeen(m.facts(0).Disks[0])}
	job.Erased = []inventory.Erased{{Name: schemas.RootDiskName, Serial: rootDisk.Serial, Policy: steps.EraseClear, Method: "overwrite"}}
}

// giveLeave is the hub's: the agent writes at its next turn.
func (m *model) giveLeave(a act.Action) act.Outcome {
	job, id := &m.agent.Job, a.Operation.ID
	if job.Question == nil || job.Question.Nonce != a.Question.Nonce {
		return act.Outcome{Result: act.Waits}
	}
	job.Question, job.Begun, m.began[id] = nil, true, true
	if m.desired.Protect || m.desired.Lifecycle != schemas.Managed && !m.desired.Retires {
		m.violate("a host that is not ours is let be written to")
	}
	for _, i := range m.record.Operation.StepDisks() {
		if m.record.Operation.Disks[i].Begun == 0 {
			m.violate("leave was given before begun was recorded")
		}
	}
	return act.Outcome{Result: act.Done}
}

// operationOf is the operation that a job is a step of.
func operationOf(job *inventory.Job) string {
	id, _, _ := strings.Cut(job.ID, ".")
	return id
}

// script is the agent at a script. It writes no system.
func (m *model) script(job *inventory.Job) {
	m.ran = append(m.ran, fmt.Sprintf("%s %d", job.Step, job.Attempt))
	job.Since = m.now
	if job.State = inventory.JobSucceeded; m.scriptFails == job.Step {
		job.State, job.Error, job.Final = inventory.JobFailed, "the script failed", m.final
	}
}

func (m *model) write(job *inventory.Job) {
	id := operationOf(job)
	if verified := m.wrote[id]; verified {
		m.violate("operation %s writes what it has written and verified", id)
	}
	switch {
	case m.halfWritten:
		m.disk, m.wrote[id] = "failed:"+id, false
		job.State, job.Error = inventory.JobFailed, "it failed in the middle"
	default:
		m.disk, m.wrote[id], job.State = "install:"+id, true, inventory.JobSucceeded
		job.Table = tableOf(m.disk)
	}
	job.Since = m.now
}

func (m *model) facts(epoch inventory.Epoch) *inventory.Facts {
	disk := inventory.Disk{Serial: rootDisk.Serial, Size: rootDisk.Size, Path: "/dev/vda"}
	switch m.disk {
	case inventory.ContentBlank:
		disk.Content.Blank = true
	default:
		disk.Content.Signature = strings.TrimPrefix(m.disk, "content:")
	}
	disk.Table = tableOf(m.disk)
	f := &inventory.Facts{Epoch: epoch, Disks: []inventory.Disk{disk}}
	if m.data != nil {
		f.Disks = append(f.Disks, *m.data)
	}
	f.System = m.sees
	f.NICs = []inventory.NIC{{Name: "eth0", MAC: "52:54:00:00:00:03"}}
	for _, mac := range m.cards {
		f.NICs = append(f.NICs, inventory.NIC{Name: "eth1", MAC: mac})
	}
	return f
}
