package effects

import (
	"context"
	"errors"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile/plan/bootmethod"
	"github.com/gitmetal/ingot/reconcile/plan/upkeep"
)

// Observe looks at one host: at the agent's reports, the BMC, the boot medium, the image and the config. Observe
// changes nothing. While the agent asks for leave to write the BMC is not asked: the answer rests on the disks and the
// fleet.
func (e *Effects) Observe(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Observed {
	agent, err := e.config.Hub.State(ctx, string(desired.ID))
	observed := inventory.Observed{
		Record:  record,
		Media:   e.observeMedia(record),
		Image:   e.observeImage(desired),
		Config:  e.observeConfig(desired, record),
		Ramdisk: e.config.Media.WhyUnusable(),
		Agent:   inventory.Served{Unknown: explainUnknownAgent(err)}.Agent(agent, record.Epoch),
	}
	e.observeRun(desired, record, &observed)
	if agent.Job.Question == nil {
		observed.BMC = e.observeBMC(ctx, desired, record, observed.Agent)
	}
	observed.BMC.Error = e.config.Mask(observed.BMC.Error)
	e.bmcs.logReach(desired.ID, observed.BMC)
	return observed
}

// explainUnknownAgent says why the agent's reports are unknown, or "". An unknown report must not read as "no agent".
func explainUnknownAgent(err error) string {
	if err == nil {
		return ""
	}
	return "the daemon cannot tell what the agent said: " + err.Error()
}

// observeBMC asks for little: the System, and the drives where a decision may rest on them.
func (e *Effects) observeBMC(ctx context.Context, desired inventory.Desired, record inventory.Record,
	agent inventory.AgentState) inventory.BMCState {
	if desired.BMC == nil {
		return inventory.BMCState{}
	}
	state := inventory.BMCState{At: e.config.Now()}
	client, err := e.bmcs.openClient(ctx, desired)
	if err != nil {
		// Without a client the BMC was not asked.
		state.Reach, state.Error = inventory.Unauthorized, err.Error()
		if errors.As(err, new(secretError)) {
			state.Reach = inventory.SecretUnusable
		}
		return state
	}
	system, err := client.System(ctx)
	if err == nil && bootmethod.NeedsDrives(record, agent, system.Power) {
		state.Media, err = e.observeDrives(ctx, client, record)
		e.bmcs.saveProfile(ctx, desired)
	}
	if err != nil {
		state.Reach, state.Error, state.Media = classifyError(err), err.Error(), nil
		var said *redfish.Error
		if errors.As(err, &said) {
			state.Certificate = said.Certificate
		}
		return state
	}
	if want := upkeep.Wanted(desired, record); !want.Empty() {
		state.Settings = e.observeSettings(ctx, client, want, record)
	}
	state.Reach, state.Power = inventory.Reached, system.Power
	state.System = inventory.System{Manufacturer: system.Manufacturer, Product: system.Model, Serial: system.Serial,
		UUID: system.UUID}
	state.Override = inventory.Override{Target: translateOverride(system.Override.Target),
		Enabled: system.Override.Enabled}
	return state
}

// observeSettings compares the wanted BIOS settings with the machine's. What the BMC says of them is masked.
func (e *Effects) observeSettings(ctx context.Context, client *redfish.Client, want settings.Wanted,
	record inventory.Record) settings.Found {
	var work *settings.Work
	if record.Settings != nil {
		work = record.Settings.Work
	}
	found := client.Settings(ctx, want, work)
	found.Error, found.Jobs = e.config.Mask(found.Error), e.config.Mask(found.Jobs)
	if found.Job != nil {
		found.Job.Name, found.Job.Message = e.config.Mask(found.Job.Name), e.config.Mask(found.Job.Message)
	}
	return found
}

// observeDrives gives the virtual CDs. The inserted medium is shown by the daemon's own URL, whatever the BMC makes of
// the URL, also if an earlier daemon inserted the medium.
func (e *Effects) observeDrives(ctx context.Context, client *redfish.Client,
	record inventory.Record) ([]inventory.Slot, error) {
	slots, err := client.Media(ctx)
	if err != nil {
		return nil, err
	}
	ours := e.config.Media.URL(mediumKey(record))
	found := []inventory.Slot{}
	for _, s := range slots {
		if s.Inserted && redfish.ShowsURL(s.Image, ours) {
			s.Image = ours
		}
		if s.Usable {
			found = append(found, inventory.Slot{ID: s.ID, Inserted: s.Inserted, Image: s.Image})
		}
	}
	return found, nil
}

// translateOverride gives the target in the planner's words: a virtual CD has several names.
func translateOverride(target string) string {
	if target == "UsbCd" {
		return string(redfish.FromMedium)
	}
	return target
}

func classifyError(err error) inventory.Reach {
	var said *redfish.Error
	if errors.As(err, &said) {
		return said.Reach()
	}
	return inventory.Unreachable
}

// Jobs gives the jobs of the host's BMC that have not ended.
func (e *Effects) Jobs(ctx context.Context, desired inventory.Desired) ([]settings.Job, error) {
	if desired.BMC == nil {
		return nil, nil
	}
	client, err := e.bmcs.openClient(ctx, desired)
	if err != nil {
		return nil, err
	}
	jobs, err := client.Jobs(ctx)
	if err != nil {
		return nil, errors.New(e.config.Mask(err.Error()))
	}
	for i := range jobs {
		jobs[i].Name, jobs[i].Message = e.config.Mask(jobs[i].Name), e.config.Mask(jobs[i].Message)
	}
	return jobs, nil
}
