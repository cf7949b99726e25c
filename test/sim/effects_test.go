package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/upkeep"
	"github.com/gitmetal/ingot/schemas"
)

// The process is the loop's Observer and Executor: it does what package effects does, on simulated BMCs. It decides
// nothing.

// slotOf is the BMC behind a host's address.
func (p *process) slotOf(desired inventory.Desired) *slot {
	if desired.BMC == nil {
		return nil
	}
	for _, s := range p.w().slots() {
		if desired.BMC.Address == s.address() {
			return s
		}
	}
	return nil
}

// Serve implements reconcile.Executor.
func (p *process) Serve(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Served {
	err := p.serveBoot(ctx, desired, record)
	switch {
	case err == nil:
		return inventory.Served{}
	case errors.Is(err, hub.ErrStale):
		return inventory.Served{Stale: "the daemon cannot tell what the agent said: " + err.Error()}
	default:
		return inventory.Served{Unknown: "the daemon cannot tell what the agent said: " + err.Error()}
	}
}

func (p *process) serveBoot(ctx context.Context, _ inventory.Desired, record inventory.Record) error {
	if err := p.call(); err != nil {
		return err
	}
	host, boot := string(record.ID), record.Boot
	if boot == nil || boot.Target != inventory.FromRamdisk {
		delete(p.media, host)
		return nil
	}
	if err := p.hub.Expect(ctx, host, boot.ID, boot.Epoch, boot.Agent); err != nil {
		return err
	}
	p.expected[host] = boot.Epoch
	url := mediumURL(host, boot)
	if p.media[host].url == url {
		return nil
	}
	p.media[host] = medium{url: url, config: wire.BootConfig{Version: wire.Version, Host: host, Boot: boot.ID,
		Epoch: boot.Epoch, Token: p.hub.BootToken(host, boot.ID, boot.Epoch).Reveal(), Time: p.now()}}
	return nil
}

func mediumURL(host string, boot *inventory.Boot) string {
	return fmt.Sprintf("http://media/%s/%s/%d", host, boot.ID, boot.Epoch)
}

// Observe implements reconcile.Observer.
func (p *process) Observe(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Observed {
	p.looked, p.lookedAt = desired.ID, p.w().now
	observed := inventory.Observed{Record: record, BMC: p.observeBMC(desired, record), Image: p.observeImage(desired)}
	if boot := record.Boot; boot != nil && boot.Target == inventory.FromRamdisk {
		if m := p.media[string(record.ID)]; m.url == mediumURL(string(record.ID), boot) {
			observed.Media = inventory.MediaState{URL: m.url, Reads: m.reads, Last: m.last}
		}
	}
	if p.w().meets(configUnusable, p.d.index) {
		observed.Config.Error = "the secret cannot be opened"
	}
	agent, err := p.hub.State(ctx, string(desired.ID))
	if err != nil {
		agent = inventory.AgentState{Unknown: "the daemon cannot tell what the agent said: " + err.Error()}
	}
	observed.Agent = agent
	p.meetLook()
	return observed
}

func (p *process) observeImage(desired inventory.Desired) inventory.ImageState {
	switch {
	case desired.Workload == nil:
		return inventory.ImageState{}
	case p.w().meets(imageMissing, p.d.index):
		return inventory.ImageState{State: inventory.ImageMissing}
	case p.w().meets(imageFails, p.d.index):
		return inventory.ImageState{State: inventory.ImageFailed, Error: "the digest is wrong"}
	}
	return inventory.ImageState{State: inventory.ImageReady}
}

func (p *process) observeBMC(desired inventory.Desired, record inventory.Record) inventory.BMCState {
	s := p.slotOf(desired)
	if s == nil {
		return inventory.BMCState{}
	}
	state, err := s.observe(p, bmcLook{drives: record.Boot != nil, want: upkeep.Wanted(desired, record), state: record.Settings})
	if err != nil {
		state.Reach, state.Error, state.Media = reachOf(err), err.Error(), nil
		return state
	}
	return state
}

// Do implements reconcile.Executor.
func (p *process) Do(
	ctx context.Context, desired inventory.Desired, record inventory.Record, action act.Action,
) act.Outcome {
	if p.crashes() { // before the effect
		return act.Outcome{Result: act.Retry, Why: errDead.Error()}
	}
	p.w().checks.effectBegins(p, action.Kind)
	p.w().checks.powerIsSent(p, desired, action)
	outcome := p.do(ctx, desired, record, action)
	if p.w().tell != nil {
		p.w().say("%s: %s at %s: %s %s (%s)", p.d.name, action.Kind, record.ID, outcome.Result, outcome.Why, action.Reason)
	}
	if p.crashes() { // after the effect
		return act.Outcome{Result: act.Retry, Why: errDead.Error()}
	}
	return outcome
}

func (p *process) do(
	ctx context.Context, desired inventory.Desired, record inventory.Record, action act.Action,
) act.Outcome {
	switch action.Kind {
	case act.FetchImage:
		return act.Outcome{Result: act.Done}
	case act.AssignStep:
		job, err := p.buildJob(desired, record, action)
		if err != nil {
			return outcomeOf(err)
		}
		return assigned(p.hub.Assign(ctx, string(record.ID), job))
	case act.GiveLeave:
		op := record.Operation
		commit, _ := p.loop.AcceptedCommit()
		p.allowed[op.JobID()] = leave{commit: commit, signatures: desired.Signatures}
		return assigned(p.hub.GiveLeave(ctx, string(record.ID), hub.Leave{Job: op.JobID(), Attempt: op.Attempt,
			Nonce: action.Question.Nonce, Asked: action.Question.At}))
	case act.WithdrawJob:
		return p.withdrawJob(ctx, record, action)
	case act.AssignRun:
		return p.assignRun(ctx, record)
	case act.WithdrawRun:
		return p.withdrawRun(ctx, record, action)
	case act.AssignPowerOff:
		return p.assignPowerOff(ctx, record)
	}
	s := p.slotOf(desired)
	if s == nil {
		return act.Outcome{Result: act.Stalled, Why: "the host has no spec.bmc: add it to its file"}
	}
	switch action.Kind {
	case act.InsertMedia:
		if err := p.serveBoot(ctx, desired, record); err != nil {
			return outcomeOf(err)
		}
		return outcomeOf(s.insert(p, mediumURL(string(record.ID), record.Boot)))
	case act.EjectMedia:
		return outcomeOf(s.eject(p))
	case act.WriteSettings:
		return s.writeBIOS(p, action)
	case act.BootFromMedia:
		return outcomeOf(s.override(p, "Cd", "Continuous"))
	case act.BootFromDisk:
		if action.NamesDisk {
			return outcomeOf(s.override(p, "Hdd", "Continuous"))
		}
		return outcomeOf(s.override(p, "None", "Disabled"))
	case act.PowerOn:
		return p.powerOn(s)
	case act.PowerOff:
		return p.powerOff(s, action)
	case act.Reboot:
		return p.reboot(s, record, *action.Boot.Request)
	default:
		panic("there is no effect for " + action.Kind)
	}
}

// powerOn is Done when the BMC has accepted it, or says that the machine is on.
func (p *process) powerOn(s *slot) act.Outcome {
	if err := s.request(p); err != nil {
		return outcomeOf(err)
	}
	if s.reading() == inventory.PoweredOn {
		return act.Outcome{Result: act.Done, Found: true}
	}
	return outcomeOf(s.reset(p, "On"))
}

// reboot is Done when the BMC has accepted the one command of a requested reboot.
func (p *process) reboot(s *slot, record inventory.Record, run requests.Run) act.Outcome {
	if err := s.request(p); err != nil {
		return outcomeOf(err)
	}
	if s.machine != nil {
		s.w.checks.rebootIsSent(p, s.machine, record, run)
	}
	how := "GracefulShutdown"
	if run.Mode == schemas.RebootHard {
		how = "ForceRestart"
	}
	return outcomeOf(s.reset(p, how))
}

// powerOff is Done when the BMC says that the machine is off.
func (p *process) powerOff(s *slot, action act.Action) act.Outcome {
	if err := s.request(p); err != nil {
		return outcomeOf(err)
	}
	waits := act.Outcome{Result: act.Waits, After: 2 * time.Second, Why: "the machine is powering off"}
	switch s.reading() {
	case inventory.PoweredOff:
		return act.Outcome{Result: act.Done}
	case inventory.PowerUnknown:
		return waits
	}
	if action.Wait {
		return waits
	}
	how := "ForceOff"
	if action.Graceful {
		how = "GracefulShutdown"
	}
	if err := s.reset(p, how); err != nil {
		return outcomeOf(err)
	}
	if s.reading() == inventory.PoweredOff {
		return act.Outcome{Result: act.Done}
	}
	return waits
}

func (p *process) withdrawJob(ctx context.Context, record inventory.Record, action act.Action) act.Outcome {
	op := action.Operation
	err := p.hub.Withdraw(ctx, string(record.ID), hub.Withdrawal{Job: op.JobID(), Attempt: op.Attempt,
		Why: action.Error, Lost: action.Lost, Untaken: !action.Withdrawn && !action.Lost})
	if errors.Is(err, hub.ErrBegun) {
		return act.Outcome{Result: act.Waits, After: time.Second, Why: err.Error()}
	}
	return outcomeOf(err)
}

func (p *process) assignPowerOff(ctx context.Context, record inventory.Record) act.Outcome {
	agent, err := p.hub.State(ctx, string(record.ID))
	if err != nil {
		return outcomeOf(err)
	}
	if agent.Boot == "" {
		return act.Outcome{Result: act.Retry, Why: "no agent has enrolled that could power the machine off"}
	}
	return assigned(p.hub.Assign(ctx, string(record.ID), hub.Assignment{Job: wire.Job{ID: agent.Boot + "-off",
		Attempt: 1, Kind: wire.JobPowerOff, Epoch: agent.Epoch}}))
}

// buildJob is the job for the step at the cursor.
func (p *process) buildJob(
	desired inventory.Desired, record inventory.Record, action act.Action,
) (hub.Assignment, error) {
	op := record.Operation
	job := wire.Job{ID: op.JobID(), Attempt: op.Attempt, Kind: wire.JobStep, Epoch: record.Boot.Epoch}
	due, known := op.Step()
	if desired.Workload == nil || !known || op.Cursor >= len(desired.Workload.Steps) ||
		desired.Workload.Steps[op.Cursor].Name != due.Name {
		return hub.Assignment{}, fmt.Errorf("step %d of operation %s is not one of the workload", op.Cursor+1, op.ID)
	}
	step := desired.Workload.Steps[op.Cursor]
	next := wire.Step{Name: step.Name, Timeout: time.Duration(step.Seconds) * time.Second}
	switch step.Name {
	case schemas.StepInstall, schemas.StepWriteImage:
		install, err := p.buildInstall(desired, record, action)
		if err != nil {
			return hub.Assignment{}, err
		}
		next.Install, job.Kind = install, wire.JobWrite
	case schemas.StepDescribe:
		for _, s := range desired.Workload.Steps {
			for _, plugin := range s.Plugins {
				next.Describe = append(next.Describe, wire.Script{Plugins: []wire.Plugin{{SHA256: plugin.SHA256, Step: plugin.Step}}})
			}
		}
		job.Kind = wire.JobDescribe
	case schemas.StepErase:
		next.Erase = &wire.Erase{Policy: "metadata"}
	case schemas.StepInjectFiles:
		next.Inject, job.Kind = &wire.Inject{Disk: refOf(op.Root().Disk, wire.ContentAny), Mark: op.Root().Mark}, wire.JobSystem
	default:
		next.Script = &wire.Script{Body: step.Script, Run: &wire.Run{Step: step.Name, ID: step.Key(), Attempts: 1}}
	}
	begun := op.Verified() || op.BeganWithLeave() || op.Root().Begun == inventory.BegunUnknown
	if len(due.Writes) > 0 {
		job.Kind, begun = wire.JobWriteStep, op.BeganWithLeave()
		for at, i := range op.StepDisks() {
			begun = begun || op.Disks[i].Begun == inventory.BegunUnknown
			named := wire.NamedDisk{Name: cmp.Or(op.Disks[i].Name, schemas.RootDiskName), DiskRef: refOf(op.Disks[i].Disk, action.Contents[at])}
			if next.Erase != nil {
				next.Erase.Disks = append(next.Erase.Disks, named)
				continue
			}
			next.Script.Disks = append(next.Script.Disks, named)
		}
	}
	job.Steps = []wire.Step{next}
	return hub.Assignment{Job: job, Operation: op.ID, Begun: begun}, nil
}

func (p *process) buildInstall(
	desired inventory.Desired, record inventory.Record, action act.Action,
) (*wire.Install, error) {
	op, epoch := record.Operation, record.Boot.Epoch
	ignition := map[string]any{"host": record.ID, "install": op.ID, "epoch": epoch, "attempt": op.Attempt,
		"commit": op.Commit}
	if desired.Workload.PhoneHome != schemas.PhoneHomeDisabled {
		ignition["token"] = p.hub.PhoneHomeToken(string(record.ID), op.ID, epoch, op.Attempt).Reveal()
	}
	data, err := json.Marshal(ignition)
	return &wire.Install{ID: op.ID, Ignition: data,
		Disk:            refOf(op.Root().Disk, action.Contents[0]),
		Image:           wire.Image{SHA256: desired.Workload.Image.SHA256, Size: int64(len(imageBytes)), Name: "os.raw"},
		KernelArguments: desired.Workload.KernelArguments, Mark: op.Root().Mark}, err
}

func refOf(disk inventory.DiskID, content string) wire.DiskRef {
	disk = disk.WithoutPlaceholders()
	return wire.DiskRef{Serial: disk.Serial, WWN: disk.WWN, Path: disk.Path, Size: disk.Size, Content: content}
}

func assigned(err error) act.Outcome {
	if errors.Is(err, hub.ErrStale) {
		return act.Outcome{Result: act.Waits, After: time.Second, Why: err.Error()}
	}
	return outcomeOf(err)
}

func outcomeOf(err error) act.Outcome {
	switch {
	case err == nil:
		return act.Outcome{Result: act.Done}
	case strings.Contains(err.Error(), "refuses the password"):
		return act.Outcome{Result: act.Stalled, Why: err.Error()}
	default:
		return act.Outcome{Result: act.Retry, Why: err.Error()}
	}
}

// slots are the slots of the rack.
func (w *world) slots() []*slot { return w.rack }

func (s *slot) address() string {
	return fmt.Sprintf("https://10.0.0.%d/redfish/v1/Systems/1", s.index+1)
}
