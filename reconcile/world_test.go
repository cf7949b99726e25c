package reconcile_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// world is everything around a loop: a fleet, machines that do what machines do, a journal and a status branch. Its parts can be
// broken, and it can be stopped dead at any call, as kill -9 does.
type world struct {
	fakeJournal
	sources    inventory.Sources
	source     error
	fleet      inventory.Fleet
	findings   []schemas.Finding
	machines   map[inventory.MachineID]*machine // by the system that the BMC's address names
	recalled   string                           // the accepted commit of a branch that was newer than the journal
	branch     map[string][]byte
	pushes     []push
	refused    error // what Publish says
	strayed    bool  // somebody else pushed
	unreadable error // what Read says
	ids        int
	log        *slog.Logger
	watch      func() // after every effect
	pushed     func() // after every push

	calls   int  // effects so far: executor, journal writes, pushes
	crashAt int  // dies at this call; 0 never
	late    bool // after the effect instead of before it
	dead    bool
	crash   context.CancelFunc
}

type push struct {
	at    time.Time
	files int
}

// machine is one machine with its BMC and what runs on it.
type machine struct {
	serial     string // stays, whatever the fleet calls the machine
	volume     string // serial of its disk, if not its own
	uuid       string
	mac        string // of its network card
	hangs      bool
	busy       bool          // its BMC does not power it off
	refuses    bool          // its BMC answers, and refuses whatever is asked of it
	stays      bool          // its BMC refuses every power-on
	tries      int           // actions that its BMC refused
	post       time.Duration // from the power-on to the first read of its medium
	posted     time.Time     // when its firmware has passed its self-tests; zero: it has
	enrols     func()        // what happens then
	power      inventory.PowerState
	media      string
	override   string
	agent      inventory.AgentState
	image      inventory.ImagePhase
	disk       string // install id on it
	breaks     string // inputs that fail on it
	served     bool   // a system ran on it
	script     bool   // its jobs begin with a script that does not end by itself
	fails      bool   // its jobs fail before the first write
	silent     bool   // its system does not phone home
	mute       bool   // its agent says nothing
	reads      int
	read       time.Time // of the last read
	looks      []time.Time
	jobs       []settings.Job // of its BMC
	jobsUnread error
	done       []act.Kind
	installs   int
	ran        []string // scripts of its operations, with their attempts
	boots      int      // from the medium
	work       *work    // the run that its agent is at; nil without one
	fates      fates    // what becomes of runs
}

var errDead = errors.New("the daemon is dead")

func newWorld(hosts int) *world {
	w := &world{
		fakeJournal: fakeJournal{records: map[inventory.MachineID]journal.Entry{}},
		machines:    map[inventory.MachineID]*machine{}, branch: map[string][]byte{},
		sources: inventory.Sources{Trunk: inventory.Snapshot{Commit: "1111111111111111111111111111111111111111", Title: "first"}},
		fleet:   inventory.Fleet{Commit: "1111111111111111111111111111111111111111", Hosts: map[inventory.MachineID]inventory.Desired{}},
	}
	w.carry = w.call
	for i := range hosts {
		name := inventory.MachineID(fmt.Sprintf("host-%04d", i))
		w.machines[name] = &machine{serial: serial(name), power: inventory.PoweredOff}
		w.fleet.Hosts[name] = desired(name)
	}
	return w
}

func serial(id inventory.MachineID) string { return "SN-" + string(id) }

// at is the machine that a host's BMC address names, whatever the fleet calls it.
func (w *world) at(d inventory.Desired) *machine {
	if d.BMC == nil {
		return nil
	}
	return w.machines[systemOf(d)]
}

func systemOf(d inventory.Desired) inventory.MachineID {
	return inventory.MachineID(path.Base(d.BMC.Address))
}

func desired(id inventory.MachineID) inventory.Desired {
	name := string(id)
	return inventory.Desired{
		Commit: "1111111111111111111111111111111111111111", Release: "1111111111111111111111111111111111111111",
		ID: id, Name: name, File: "hosts/" + name + ".yaml", Line: 1, Lifecycle: schemas.Managed,
		BMC:      &schemas.BMC{Address: "https://10.0.0.1/redfish/v1/Systems/" + name, Credentials: "bmc"},
		Identity: schemas.Identity{Serial: serial(id)},
		Boot:     schemas.Boot{Method: schemas.VirtualMedia},
		RootDisk: &schemas.DiskHints{Serial: "disk-" + name},
		Workload: &inventory.Workload{
			Name: "web", Image: schemas.Image{URL: "https://images/os.raw", SHA256: "ab"}, Update: schemas.OnConsent,
			PhoneHome: schemas.PhoneHomeRequired, Inputs: "0123456789abcdef", Parts: map[string]string{"image": "ab"},
			Steps: []inventory.Step{{Name: schemas.StepInstall, Seconds: 3600}},
		},
	}
}

// call counts an effect, and dies when its turn has come.
func (w *world) call(effect func()) error {
	w.calls++
	fatal := w.calls == w.crashAt
	if w.dead || (fatal && !w.late) {
		w.die()
		return errDead
	}
	effect()
	if fatal {
		w.die()
		return errDead
	}
	return nil
}

func (w *world) die() {
	w.dead = true
	if w.crash != nil {
		w.crash()
	}
}

// Latest implements reconcile.Source.
func (w *world) Latest(context.Context) (inventory.Sources, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sources, w.source
}

// Recall implements reconcile.Source.
func (w *world) Recall(page status.Fleet) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recalled = page.Commit
	return nil
}

func (w *world) load(inventory.Sources) (inventory.Fleet, []schemas.Finding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fleet := w.fleet
	fleet.Hosts = maps.Clone(w.fleet.Hosts)
	return fleet, w.findings
}

// Read implements reconcile.Publisher: whatever somebody else writes on this branch looks like a page of ours.
func (w *world) Read(context.Context) (map[string]status.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unreadable != nil {
		return nil, w.unreadable
	}
	w.strayed = false
	files := make(map[string]status.File, len(w.branch))
	for name, content := range w.branch {
		files[name] = status.File{Bytes: content, Content: content}
	}
	return files, nil
}

// Strayed implements reconcile.Publisher.
func (w *world) Strayed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.strayed
}

// Publish implements reconcile.Publisher.
func (w *world) Publish(_ context.Context, changed map[string][]byte, _ string) (string, error) {
	<-time.After(time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused != nil {
		return "", w.refused
	}
	err := w.call(func() {
		maps.Copy(w.branch, changed)
		maps.DeleteFunc(w.branch, func(_ string, page []byte) bool { return page == nil })
		w.pushes = append(w.pushes, push{time.Now(), len(changed)})
		if w.pushed != nil {
			w.pushed()
		}
	})
	return fmt.Sprintf("tip-%d", len(w.pushes)), err
}

// Observe implements reconcile.Observer.
func (w *world) Observe(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Observed {
	w.mu.Lock()
	m := w.at(desired)
	if m == nil {
		w.mu.Unlock()
		return inventory.Observed{}
	}
	m.looks = append(m.looks, time.Now())
	hangs := m.hangs
	w.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return inventory.Observed{
			BMC:   inventory.BMCState{At: time.Now(), Reach: inventory.Unreachable, Error: "no answer within the deadline"},
			Image: inventory.ImageState{State: inventory.ImageReady},
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	m.passPOST()
	m.passRun()
	if m.power == inventory.PoweredOn && m.agent.Boot != "" && !m.mute {
		m.agent.Seen = time.Now()
	}
	o := inventory.Observed{Agent: m.agent, Image: inventory.ImageState{State: m.image}}
	o.BMC = inventory.BMCState{
		At: time.Now(), Reach: inventory.Reached, Power: m.power, System: inventory.System{Serial: m.serial},
		Override: inventory.Override{Target: m.override, Enabled: "Continuous"},
		Media:    []inventory.Slot{{ID: "Cd", Inserted: m.media != "", Image: m.media}},
	}
	if m.agent.Job.Question != nil { // a look for a question asks no BMC
		o.BMC = inventory.BMCState{}
	}
	if record.Boot != nil && record.Boot.Target == inventory.FromRamdisk {
		o.Media = inventory.MediaState{URL: mediaURL(record), Reads: m.reads, Last: m.read}
	}
	return o
}

func mediaURL(record inventory.Record) string { return "http://media/" + record.Boot.ID }

// Serve implements reconcile.Executor.
func (w *world) Serve(context.Context, inventory.Desired, inventory.Record) inventory.Served {
	return inventory.Served{}
}

// Jobs implements reconcile.Executor.
func (w *world) Jobs(_ context.Context, desired inventory.Desired) ([]settings.Job, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.at(desired)
	return m.jobs, m.jobsUnread
}

// Do implements reconcile.Executor.
func (w *world) Do(_ context.Context, desired inventory.Desired, record inventory.Record, action act.Action) act.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.at(desired)
	if m.refuses && action.Kind.AtBMC() || m.stays && action.Kind == act.PowerOn {
		m.tries++
		return act.Outcome{Result: act.Retry, Why: "the BMC refuses"}
	}
	if m.busy && action.Kind == act.PowerOff {
		return act.Outcome{Result: act.Retry, Why: "the BMC is busy"}
	}
	if err := w.call(func() { m.do(desired, record, action) }); err != nil {
		return act.Outcome{Result: act.Retry, Why: err.Error()}
	}
	if w.watch != nil {
		w.watch()
	}
	return act.Outcome{Result: act.Done}
}

func (m *machine) do(desired inventory.Desired, record inventory.Record, action act.Action) {
	m.done = append(m.done, action.Kind)
	switch action.Kind {
	case act.FetchImage:
		m.image = inventory.ImageReady
	case act.PowerOff, act.AssignPowerOff:
		m.power, m.agent.Boot, m.agent.Job = inventory.PoweredOff, "", inventory.Job{}
	case act.Reboot:
		m.power, m.agent.Boot, m.agent.Job = inventory.PoweredOff, "", inventory.Job{}
		if action.Boot.Request.Mode == schemas.RebootHard {
			m.start(desired, record)
		}
	case act.EjectMedia:
		m.media = ""
	case act.InsertMedia:
		m.media, m.reads = mediaURL(record), 0
	case act.BootFromMedia:
		m.override = "Cd"
	case act.BootFromDisk:
		if m.override = "None"; action.NamesDisk {
			m.override = "Hdd"
		}
	case act.PowerOn:
		m.start(desired, record)
	case act.AssignRun:
		m.beginRun(*record.Run)
	case act.WithdrawRun:
		if m.agent.Job.ID == record.Run.ID && m.agent.Job.State == inventory.JobRunning {
			m.withdraw(action.Error)
			m.work = nil
		}
	case act.AssignStep:
		m.assign(*record.Operation)
	case act.WithdrawJob:
		if job := &m.agent.Job; job.ID == action.Operation.JobID() && job.Attempt == action.Operation.Attempt &&
			job.State == inventory.JobRunning && (!job.Begun || job.Question != nil) {
			m.withdraw(action.Error)
		}
	case act.GiveLeave:
		if q := m.agent.Job.Question; q != nil && q.Nonce == action.Question.Nonce && q.At.Equal(action.Question.At) {
			m.write(*record.Operation)
		}
	default:
		panic("an action for the journal reached the executor: " + action.Kind)
	}
}

// assign hands the agent the step at an operation's cursor, which the agent does at once.
func (m *machine) assign(op inventory.Operation) {
	if m.agent.Job.ID == op.JobID() && m.agent.Job.Attempt == op.Attempt {
		return
	}
	step, _ := op.Step()
	m.agent.Job = inventory.Job{ID: op.JobID(), Attempt: op.Attempt, Kind: wire.JobScript, State: inventory.JobRunning, Since: time.Now()}
	job := &m.agent.Job
	if step.Installs() {
		job.Kind = wire.JobWrite
	}
	switch {
	case m.fails:
		job.State, job.Error = inventory.JobFailed, "the disk is in use"
	case m.script:
	case !step.Installs():
		job.State = inventory.JobSucceeded
		m.ran = append(m.ran, fmt.Sprintf("%s %d", step.Name, op.Attempt))
	default:
		m.ask("process")
	}
}

// ask has the agent ask for leave to write.
func (m *machine) ask(nonce string) {
	m.agent.Job.Question = &inventory.Question{Nonce: nonce, At: time.Now(), Disks: m.agent.Facts.Disks}
}

// write is the agent that has leave.
func (m *machine) write(op inventory.Operation) {
	job := &m.agent.Job
	job.Question, job.Begun = nil, true
	m.installs++
	switch {
	case op.Inputs == m.breaks:
		m.disk, job.State, job.Error = "", inventory.JobFailed, "the script failed"
	case m.script:
		m.disk, job.Table = op.ID, tableOf(op.ID)
	default:
		m.disk, job.State, job.Table = op.ID, inventory.JobSucceeded, tableOf(op.ID)
	}
}

// withdraw takes the agent's job back, as the hub does.
func (m *machine) withdraw(why string) {
	job := &m.agent.Job
	job.State, job.Error, job.Over, job.Question = inventory.JobWithdrawn, why, true, nil
}

// scriptEnds has the script of a machine's job end: the agent asks for leave, and writes if it gets it.
func (w *world) scriptEnds(t *testing.T, d *daemon, name inventory.MachineID) (refusal string) {
	t.Helper()
	w.mu.Lock()
	m := w.machines[name]
	if m.agent.Job.State == inventory.JobRunning {
		m.ask("process")
	}
	w.mu.Unlock()
	d.RequestLook(name)
	after(5 * time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	if job := &m.agent.Job; job.Begun {
		job.State = inventory.JobSucceeded
		return ""
	}
	return cmp.Or(m.agent.Job.Error, "its job is over")
}

func (m *machine) start(desired inventory.Desired, record inventory.Record) {
	if m.power == inventory.PoweredOn {
		return
	}
	m.power = inventory.PoweredOn
	m.posted, m.enrols = time.Now().Add(m.post), func() { m.leavePOST(desired, record) }
	if m.post == 0 {
		m.passPOST()
	}
}

// passPOST starts what the firmware finds, once its self-tests are over.
func (m *machine) passPOST() {
	if m.enrols == nil || m.power != inventory.PoweredOn || time.Now().Before(m.posted) {
		return
	}
	enrols := m.enrols
	m.enrols = nil
	enrols()
}

func (m *machine) leavePOST(desired inventory.Desired, record inventory.Record) {
	if m.media != "" && m.override == "Cd" && record.Boot != nil {
		m.boots++
		m.reads, m.read = 7, time.Now().Add(time.Second) // after the power-on was accepted
		m.agent = inventory.AgentState{
			Boot: record.Boot.ID, Epoch: record.Boot.Epoch, Protocol: wire.Version, Enrolled: time.Now(), Seen: time.Now(),
			Facts: &inventory.Facts{
				At: time.Now(), Epoch: record.Boot.Epoch, System: inventory.System{Serial: m.serial, UUID: m.uuid}, NICs: []inventory.NIC{{Name: "eno1", MAC: m.mac}},
				Disks: []inventory.Disk{{Name: "vda", Serial: cmp.Or(m.volume, "disk-"+string(systemOf(desired))), Size: 1 << 34, Content: inventory.Content{Blank: true}, Table: tableOf(m.disk)}},
			},
		}
		return
	}
	if m.disk != "" {
		if m.served = true; m.silent {
			return
		}
		m.agent.PhoneHome = &inventory.PhoneHome{Install: m.disk, Epoch: record.Epoch, Commit: desired.Commit, At: time.Now()}
	}
}

// daemon runs a loop on the world until stop.
type daemon struct {
	*reconcile.Loop
	stop func() error
}

func (w *world) daemon(t *testing.T, limits reconcile.Limits) *daemon {
	t.Helper()
	return w.observed(t, w, limits)
}

// observed runs a loop on the world as the observer sees it.
func (w *world) observed(t *testing.T, observer reconcile.Observer, limits reconcile.Limits) *daemon {
	t.Helper()
	return w.run(t, reconcile.Config{Source: w, Load: w.load, Journal: w, Observer: observer, Executor: w, Publisher: w, Limits: limits})
}

// run runs a loop with these ports until stop.
func (w *world) run(t *testing.T, config reconcile.Config) *daemon {
	t.Helper()
	config.Log, config.Jitter = w.log, func() float64 { return 0 }
	if config.NewID == nil {
		config.NewID = w.newID
	}
	config.Mark = markOf
	loop, err := reconcile.New(config)
	if err != nil {
		t.Fatal(err)
	}
	w.own()
	ctx, cancel := context.WithCancel(context.Background())
	w.mu.Lock()
	w.dead, w.crash = false, cancel
	w.mu.Unlock()
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(ctx) }()
	return &daemon{loop, sync.OnceValue(func() error { cancel(); return <-ended })}
}

func (w *world) newID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return fmt.Sprintf("id-%d", w.ids)
}

// after lets the world run for a while.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (d *daemon) phases() map[plan.Phase]int {
	phases := map[plan.Phase]int{}
	for _, h := range d.View().Hosts {
		phases[h.Plan.Phase]++
	}
	return phases
}
