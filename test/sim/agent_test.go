package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// agent is the agent of one boot: a coroutine that speaks the wire's messages and runs the real install step.
type agent struct {
	m       *machine
	config  wire.BootConfig
	key     *agentKey
	leaf    peerCertificate
	process int // counts its processes in this boot
	dice    *dice

	resume   func() (struct{}, bool)
	stop     func()
	yield    func(struct{}) bool
	due      *event
	waiting  bool // for a wake-up
	writer   *writer
	ended    map[string]wire.Result // of jobs of this process
	current  string                 // job that it works on
	answered *process               // that gave the last answer
	left     []wire.Disk            // of a script, after its end
	erased   []wire.Erased          // receipts of the running step
	asks     question               // of the running install step
	asked    uint64                 // questions for leave so far
}

// errKilled unwinds the coroutine of an agent whose process has ended.
var errKilled = errors.New("killed")

// startAgent starts the agent of a boot.
func (m *machine) startAgent(config wire.BootConfig) {
	a := &agent{m: m, config: config, ended: map[string]wire.Result{},
		dice: newDice(m.w.seed, fmt.Sprint("agent ", m.index, " ", m.boots))}
	if old := m.agent; old != nil {
		a.process, a.key, a.leaf = old.process+1, old.key, old.leaf
	}
	if a.key == nil {
		a.key = keyOf(m.index*1000 + m.boots)
	}
	m.agent = a
	a.writer = &writer{machine: m, boot: config.Boot}
	next, stop := iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if caught := recover(); caught != nil && caught != any(errKilled) {
				panic(caught)
			}
		}()
		a.yield = yield
		a.run()
	})
	a.resume, a.stop = next, stop
	a.goOn()
}

// goOn lets the agent run until it waits.
func (a *agent) goOn() {
	a.due.cancel()
	a.waiting = false
	a.resume()
}

// stopAgent ends the agent's process.
func (m *machine) stopAgent() {
	if a := m.agent; a != nil {
		m.agent = nil
		a.kill()
	}
}

func (a *agent) kill() {
	a.due.cancel()
	a.waiting = false
	a.writer.dead = true
	a.m.w.checks.writerEnds(a.writer)
	a.stop()
}

// wait lets time pass.
func (a *agent) wait(d time.Duration) {
	a.due = a.m.w.after(d, func() { a.m.w.step(); a.goOn() })
	if !a.yield(struct{}{}) {
		panic(errKilled)
	}
}

// work lets time pass in which a job runs: the agent polls all the time, as the real one does.
func (a *agent) work(d time.Duration) {
	for ; d > wire.PollWait; d -= wire.PollWait {
		a.wait(wire.PollWait)
		a.pollAtWork()
	}
	a.wait(d)
}

// waitForCall waits for a wake-up from the daemon, at most for a time.
func (a *agent) waitForCall(d time.Duration) {
	a.waiting = true
	a.wait(d)
}

// wake ends a long poll.
func (a *agent) wake() {
	if a.waiting {
		a.waiting = false
		a.due.cancel()
		a.due = a.m.w.after(10*time.Millisecond, func() { a.m.w.step(); a.goOn() })
	}
}

// run is the agent: enrol, report, poll, work.
func (a *agent) run() {
	for !a.enrol() {
		a.wait(a.dice.between(time.Second, 30*time.Second))
	}
	a.report()
	for {
		job, status := a.poll()
		switch {
		case status == 428:
			a.report()
		case status == 200 && job.ID != "":
			a.takeJob(job)
		case status == 204 || status == 0 && a.isIdle():
			a.waitForCall(wire.PollWait)
		case status == 401:
			for again := true; again; again = !a.enrol() {
				a.wait(a.dice.between(5*time.Second, 30*time.Second))
			}
		default:
			a.wait(a.dice.between(time.Second, 10*time.Second))
		}
	}
}

func (a *agent) isIdle() bool { return a.current == "" }

// report sends the hardware until the daemon has it.
func (a *agent) report() {
	for {
		status, _ := a.post(wire.PathFacts, a.facts())
		if status == 204 || status == 401 {
			return
		}
		a.wait(a.dice.between(time.Second, 10*time.Second))
	}
}

// poll asks for a job.
func (a *agent) poll() (wire.Job, int) {
	var job wire.Job
	status, body := a.post(wire.PathNextJob, wire.Poll{Running: a.current})
	if status == 200 {
		if err := json.Unmarshal(body, &job); err != nil {
			panic(err)
		}
	}
	return job, status
}

// pollBeside polls while a job is under way, as the real agent does all the time: a daemon that lost its memory learns
// so of the job. Another job waits until this one has ended.
func (a *agent) pollBeside() {
	switch _, status := a.poll(); status {
	case 428:
		a.report()
	case 401:
		a.enrol()
	}
}

// takeJob runs a job to its end and reports the result.
func (a *agent) takeJob(job wire.Job) {
	key := fmt.Sprint(job.ID, "/", job.Attempt)
	result, done := a.ended[key]
	if !done {
		a.m.w.say("%s takes job %s, attempt %d", a.m, job.ID, job.Attempt)
		a.current = job.ID
		result = a.runJob(job)
		result.Attempt = job.Attempt
		a.ended[key] = result
	}
	defer func() { a.current = "" }()
	for {
		status, _ := a.post(fmt.Sprintf(wire.PathResult, job.ID), result)
		if status == 204 && result.OK && a.writer.job == job.ID && job.Kind == wire.JobWrite {
			a.m.w.checks.resultIsTaken(a.writer, job.ID)
		}
		if status == 204 || status == 410 || status == 401 {
			break
		}
		a.pollBeside()
		a.wait(a.dice.between(time.Second, 30*time.Second))
	}
	if job.Kind == wire.JobPowerOff && result.OK {
		m := a.m
		m.w.after(time.Second, func() { m.cut("its agent") })
		a.wait(time.Hour)
	}
}

func (a *agent) runJob(job wire.Job) wire.Result {
	switch {
	case job.Epoch != a.config.Epoch:
		return wire.Result{Error: "the job is for another epoch"}
	case job.Kind == wire.JobPowerOff:
		return wire.Result{OK: true}
	}
	var table *wire.Table
	a.left, a.erased = nil, nil
	if job.Kind == wire.JobRun {
		return a.runScript(job, job.Steps[0])
	}
	for _, step := range job.Steps {
		err := a.runStep(job, step)
		if err != nil {
			a.m.w.say("%s: step %s failed: %v", a.m, step.Name, err)
			return wire.Result{Step: step.Name, Error: err.Error(), Disks: a.left, Erased: a.erased}
		}
		if step.Install != nil {
			table = a.m.disks[a.m.diskOf(step.Install.Disk.Serial)].table()
		}
	}
	return wire.Result{OK: true, Table: table, Disks: a.left, Erased: a.erased}
}

func (a *agent) runStep(job wire.Job, step wire.Step) error {
	w := a.m.w
	a.m.w.checks.stepBegins(a, job)
	if step.Describe != nil {
		a.work(a.dice.between(time.Second, time.Minute))
		if w.meets(scriptFails, a.m.index) {
			return errors.New("describe: exit status 1")
		}
		a.m.w.checks.described[operationOf(job.ID)] = true
		return nil
	}
	switch {
	case step.Erase != nil:
		return a.writeData(job, step.Name, step.Erase.Disks, erases)
	case step.Inject != nil:
		return a.injectFiles(job, *step.Inject)
	}
	if step.Script != nil {
		if step.Name == "check" && w.people.now.when == severalDisks && len(a.m.disks) < 2 {
			w.checks.breaks("conditions of steps", "%s runs a script for machines with several disks", a.m)
		}
		if len(step.Script.Disks) > 0 {
			return a.writeData(job, step.Name, step.Script.Disks, fills)
		}
		a.work(a.dice.between(5*time.Second, 10*time.Minute))
		if w.meets(scriptFails, a.m.index) {
			return errors.New("exit status 1")
		}
		return nil
	}
	a.writer = &writer{machine: a.m, boot: a.config.Boot, job: job.ID, attempt: job.Attempt}
	defer func(who *writer) { who.dead = true }(a.writer) // the step has ended
	a.asks = question{job, step.Name}
	return steps.InstallSystem(context.Background(), *step.Install,
		steps.Tools{Disks: a, Leave: a, Images: a, Installer: installer{a, job, step}}, func(wire.Progress) {})
}

// What a step does to its disks.
const (
	fills  = "fills"
	erases = "erases"
)

// writeData runs a step that writes to its disks: a script that fills them, or an erase. A disk is blank when its erase has
// ended well, and half of something before.
func (a *agent) writeData(job wire.Job, name string, disks []wire.NamedDisk, does string) error {
	ctx, w := context.Background(), a.m.w
	a.writer = &writer{machine: a.m, boot: a.config.Boot, job: job.ID, attempt: job.Attempt}
	defer func(who *writer) { who.dead = true }(a.writer) // the step has ended
	a.asks = question{job, name}
	tools := steps.DiskTools{Disks: a, Leave: a, NoteDisks: func(disks []wire.Disk) { a.left = disks }}
	_, err := steps.WithDisks(ctx, disks, tools, func([]steps.GivenDisk) (string, error) {
		for _, ref := range disks {
			opened, err := a.Open(ctx, ref.DiskRef)
			if err != nil {
				return "", err
			}
			for chunk := range int64(2) {
				a.work(a.dice.between(5*time.Second, 2*time.Minute))
				switch {
				case w.meets(scriptFails, a.m.index):
					return "", errors.New("exit status 1")
				case w.meets(agentDies, a.m.index):
					w.after(0, a.m.restartAgent)
					a.wait(time.Hour)
				}
				what, at := []byte(job.ID), (1-chunk)<<30
				if does == erases { // the beginning first: no half erased system starts
					what, at = zeros[:], chunk<<30
				}
				if _, err := opened.WriteAt(what, at); err != nil {
					return "", err
				}
			}
			if does == erases {
				disk := opened.(device).disk
				disk.wipe()
				a.erased = append(a.erased, wire.Erased{Name: ref.Name, Serial: disk.serial, Model: disk.model, Size: uint64(disk.size),
					Policy: "metadata", Method: "overwrite-metadata", Begun: epoch.Add(w.now), Ended: epoch.Add(w.now), Samples: 1})
				w.checks.erased[operationOf(job.ID)+" "+disk.serial] = true
				w.say("%s has erased disk %s", a.m, disk.serial)
				w.reach("a disk is erased by a step")
			}
		}
		return "", nil
	})
	return err
}

// injectFiles puts files into the system on the disk that has the operation's mark.
func (a *agent) injectFiles(job wire.Job, files wire.Inject) error {
	a.work(a.dice.between(5*time.Second, time.Minute))
	for _, d := range a.m.disks {
		if d.serial != files.Disk.Serial {
			continue
		}
		switch table := d.table(); {
		case table == nil || files.Mark == "" || table.GUID != files.Mark:
			return fmt.Errorf("disk %s does not have the mark of this install", d.serial)
		case d.holds != aSystem || d.install != operationOf(job.ID):
			a.m.w.checks.breaks("files go into the own system", "%s puts files into %s on disk %s", job.ID, d.label(), d.serial)
		}
		if a.m.w.meets(scriptFails, a.m.index) {
			return errors.New("mount: wrong fs type")
		}
		d.used++
		a.m.w.reach("files are put into a system")
		return nil
	}
	return errors.New("no disk is the one of this job")
}

// question is what the agent asks leave for.
type question struct {
	job  wire.Job
	step string
}

// AskLeave implements steps.Leave: AskLeave puts one question. A late answer gives no leave.
func (a *agent) AskLeave(_ context.Context, disks []wire.Disk) (bool, error) {
	a.asked++
	a.m.w.meetQuestion(a.config.Host)
	job, began := a.asks.job, a.m.w.now
	status, body := a.post(fmt.Sprintf(wire.PathLeave, job.ID), wire.LeaveQuestion{Attempt: job.Attempt,
		Step: a.asks.step, Nonce: fmt.Sprint(a.config.Boot, "-", a.process), Number: a.asked, Disks: disks})
	switch {
	case status == 200 && a.m.w.now-began < wire.LeaveValid:
		a.m.w.checks.leaveIsGiven(a, a.answered, job.ID)
		return true, nil
	case status == 410:
		if a.dice.chance(0.5) { // the real agent polls beside the question
			a.pollAtWork()
		}
		return false, errors.New(string(body))
	case status != 200:
		a.pollBeside()
	}
	a.wait(a.dice.between(500*time.Millisecond, 8*time.Second))
	a.pollAtWork()
	return false, nil
}

// pollAtWork polls as the agent does while a job runs: the daemon learns of the job, and hands out no other job.
func (a *agent) pollAtWork() {
	switch job, status := a.poll(); {
	case status == 428:
		a.report()
	case status == 401:
		a.enrol()
	case status == 200 && job.ID != "" && job.ID != a.current:
		a.m.w.checks.breaks("one job at a time", "%s gets job %s while job %s runs", a.m, job.ID, a.current)
	}
}

// Open implements steps.Opener.
func (a *agent) Open(_ context.Context, ref wire.DiskRef) (steps.Device, error) {
	var found *disk
	for _, d := range a.m.disks {
		if d.serial == ref.Serial {
			if found != nil {
				return nil, errors.New("two disks are the one of this job")
			}
			found = d
		}
	}
	if found == nil {
		return nil, errors.New("no disk is the one of this job")
	}
	return device{&opened{found, a.writer}, a.m}, nil
}

// device is a disk that the install step has opened.
type device struct {
	*opened
	m *machine
}

// Disk implements steps.Device.
func (d device) Disk() (wire.Disk, error) {
	for i, have := range d.m.disks {
		if have == d.disk {
			return d.m.describe(have, i), nil
		}
	}
	return wire.Disk{}, errors.New("it is gone")
}

// Image implements steps.Images.
func (a *agent) Image(_ context.Context, sha256 string, offset int64) (io.ReadCloser, error) {
	status, body := a.send("GET", wire.PathImages+sha256, nil)
	if status != 200 {
		return nil, fmt.Errorf("the daemon answers %d", status)
	}
	return io.NopCloser(bytes.NewReader(body[offset:])), nil
}

// installer writes as coreos-installer does: everything but the first MiB, then the first MiB.
type installer struct {
	a    *agent
	job  wire.Job
	step wire.Step
}

// Install implements steps.Installer.
func (i installer) Install(
	ctx context.Context, wiped steps.Wiped, job wire.Install, images steps.Images, _ func(wire.Progress),
) error {
	a, w := i.a, i.a.m.w
	d, _ := a.Open(ctx, job.Disk)
	disk := d.(device).disk
	image, err := images.Image(ctx, job.Image.SHA256, 0)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(image)
	if err != nil {
		return err
	}
	for chunk := range 4 {
		a.wait(a.dice.between(5*time.Second, time.Minute))
		switch {
		case w.meets(diskFails, a.m.index):
			return errors.New("write: input/output error")
		case w.meets(agentDies, a.m.index):
			a.m.w.after(0, a.m.restartAgent)
			a.wait(time.Hour)
		}
		if _, err := wiped.Device().WriteAt(data, int64(chunk+1)<<30); err != nil {
			return err
		}
		status, _ := a.post(fmt.Sprintf(wire.PathProgress, i.job.ID), wire.Progress{Attempt: i.job.Attempt,
			Step: i.step.Name, Done: uint64(chunk + 1), Total: 4})
		if status == 401 {
			w.say("%s is shut out while it writes", a.m)
		}
	}
	if w.meets(imageCorrupt, a.m.index) {
		return errors.New("the image's digest is wrong")
	}
	var system struct {
		Host, Install, Token, Commit string
		Epoch                        uint64
		Attempt                      int
	}
	if err := json.Unmarshal(job.Ignition, &system); err != nil {
		return err
	}
	if _, err := wiped.Device().WriteAt(data, 0); err != nil {
		return err
	}
	disk.holds, disk.mark = aSystem, job.Mark
	disk.system.host, disk.system.install, disk.system.token = system.Host, system.Install, system.Token
	disk.system.commit, disk.system.epoch = system.Commit, system.Epoch
	disk.system.attempt = system.Attempt
	w.say("%s has written %s", a.m, job.ID)
	w.checks.diskIsComplete(disk, a.writer)
	return nil
}

// restartAgent ends the agent's process, and starts it again in the same boot.
func (m *machine) restartAgent() {
	a := m.agent
	if a == nil {
		return
	}
	m.w.step()
	m.w.say("the agent of %s starts again", m)
	config := a.config
	a.kill()
	m.startAgent(config)
}
