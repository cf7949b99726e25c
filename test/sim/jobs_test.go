package sim

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile/act"
)

// biosAttribute is the BIOS attribute of all machines: Enabled or Disabled.
const biosAttribute = "ProcVirtualization"

// biosJob is a job that applies the settings object.
type biosJob struct {
	path  string
	state string // Pending, Running, Completed
	gone  bool
}

// addSettings puts the step with BIOS settings in front of the steps of a Workload.
func (f fleetSpec) addSettings(text []byte) []byte {
	switch {
	case f.bios == "":
		return text
	case strings.Contains(string(text), "  steps: ["):
		return []byte(strings.Replace(string(text), "  steps: [", "  steps: [{step: bios}, ", 1))
	default:
		return append(text, "  steps: [{step: bios}, {step: install}]\n"...)
	}
}

// bmcLook is what a look asks of a BMC beside the System.
type bmcLook struct {
	drives bool
	want   settings.Wanted
	state  *settings.State
}

// readBIOS compares the wanted settings with the machine's, and looks at the job of the work.
func (s *slot) readBIOS(p *process, look bmcLook) settings.Found {
	if look.want.Empty() || s.machine == nil {
		return settings.Found{}
	}
	if err := s.request(p); err != nil {
		return settings.Found{Asked: true, Digest: look.want.Digest(), Error: err.Error()}
	}
	pending := s.pending
	if pending == "" {
		pending = s.machine.bios
	}
	found := settings.Compare(look.want, settings.Reading{Current: map[string]any{biosAttribute: s.machine.bios}, Pending: map[string]any{biosAttribute: pending},
		Registry: &settings.Registry{Attributes: []settings.Entry{{AttributeName: biosAttribute, Type: "Enumeration",
			Value: []settings.EntryValue{{ValueName: "Enabled"}, {ValueName: "Disabled"}}}}}})
	if look.state != nil && look.state.Work != nil && s.job != nil && s.job.path == look.state.Work.Job && !s.job.gone {
		found.Job = &settings.Job{Path: s.job.path, State: s.job.state}
	}
	return found
}

// writeBIOS writes the settings object. What it has already is not written again.
func (s *slot) writeBIOS(p *process, action act.Action) act.Outcome {
	if err := s.request(p); err != nil {
		return outcomeOf(err)
	}
	want, _ := action.Work.Bios[biosAttribute].(string)
	if s.machine == nil || want == s.machine.bios && s.pending == "" || want == s.pending {
		return act.Outcome{Result: act.Done}
	}
	p.d.noteEffect("settings")
	s.pending = want
	s.job = &biosJob{path: fmt.Sprint("/redfish/v1/TaskService/Tasks/", s.w.now.Nanoseconds()), state: "Pending"}
	s.w.say("%s writes %s=%s into slot %d", p.d.name, biosAttribute, want, s.index)
	return act.Outcome{Result: act.Done, Job: s.job.path}
}

// passFirmware begins the job that waits for a start of the machine.
func (s *slot) passFirmware() {
	job := s.jobThatWaits()
	if job == nil {
		return
	}
	job.state = "Running"
	s.w.say("%s of slot %d runs", job.path, s.index)
	s.w.after(s.dice.between(10*time.Second, 8*time.Minute), func() {
		s.w.step()
		job.state, job.gone = "Completed", s.w.meets(jobVanishes, s.index)
		if !s.w.meets(jobLies, s.index) && s.machine != nil && s.pending != "" {
			s.machine.bios = s.pending
		}
		s.pending = ""
	})
}

func (s *slot) jobThatWaits() *biosJob {
	if s == nil || s.job == nil || s.job.state != "Pending" {
		return nil
	}
	return s.job
}

// newSetting commits another value of the attribute.
func newSetting(w *world, d deed) bool {
	values := []string{"Enabled InTurn", "Disabled InTurn", "Enabled WithInstall", ""}
	w.people.now.bios = values[int(d.size*float64(len(values)))]
	w.people.commit("another BIOS setting")
	return true
}

// changesBIOS is a person in the setup of a machine's firmware.
func changesBIOS(w *world, d deed) bool {
	m := w.rack[d.who%len(w.rack)].machine
	if m == nil {
		return false
	}
	m.bios = map[string]string{"Enabled": "Disabled", "Disabled": "Enabled"}[m.bios]
	return true
}

// Jobs implements reconcile.Executor.
func (p *process) Jobs(_ context.Context, desired inventory.Desired) ([]settings.Job, error) {
	s := p.slotOf(desired)
	if s == nil {
		return nil, nil
	}
	if err := s.request(p); err != nil {
		return nil, err
	}
	if s.w.meets(jobsUnread, s.index) {
		return nil, bmcError{inventory.Refused, "500: the task service is not ready"}
	}
	var jobs []settings.Job
	if s.job != nil && s.job.state != "Completed" && !s.job.gone {
		jobs = append(jobs, settings.Job{Path: s.job.path, Name: "BIOS", State: s.job.state})
	}
	if s.w.meets(jobRuns, s.index) {
		jobs = append(jobs, settings.Job{Path: "/redfish/v1/TaskService/Tasks/1", Name: "Update", State: "Running"})
	}
	if settings.WhyNoPower(jobs, nil) == "" {
		p.freeOf[s.index] = s.w.now
	} else {
		delete(p.freeOf, s.index)
	}
	return jobs, nil
}

// longestReading is how old a reading of the jobs may be when a power command is sent: a BMC may be slow.
const longestReading = 2 * time.Minute

// powerIsSent checks that no power command is sent to a machine while a job runs at its BMC: the daemon has just read that
// none does.
func (c *checks) powerIsSent(p *process, desired inventory.Desired, action act.Action) {
	s := p.slotOf(desired)
	if s == nil || !action.Kind.ChangesPower() || action.Wait {
		return
	}
	read, free := p.freeOf[s.index]
	if !free || c.w.now-read > longestReading {
		c.breaks("no power command while a job runs", "%s is sent to slot %d, and the jobs of its BMC were not read", action.Kind,
			s.index)
	}
}

// settingsAreNoInputs checks that no BIOS setting is a part of what an installed system can differ by: no setting plans an
// erase.
func (c *checks) settingsAreNoInputs(id string, desired inventory.Desired) {
	spec, known := c.w.people.commits[desired.Commit]
	if !known || desired.Workload == nil || desired.Release != desired.Commit {
		return
	}
	h := spec.hosts[id]
	key := fmt.Sprintf("%t %s %+v %q %q %q %q %q", spec.plugins, id, spec.workloads[desired.Workload.Name], spec.reserved, spec.when, h.rootDisk(), h.data, desired.Workload.Name)
	if was, seen := c.inputs[key]; seen && was != desired.Workload.Inputs {
		c.breaks("no erase because of a setting", "host %s has the inputs %s with the BIOS setting %q, and %s with another", id,
			desired.Workload.Inputs, spec.bios, was)
	}
	c.inputs[key] = desired.Workload.Inputs
}
