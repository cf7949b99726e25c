package bmc

import (
	"maps"
	"net/http"
	"strconv"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
)

// Habit is how a BMC applies BIOS settings.
type Habit string

// Habits, as far as the vendors' public manuals say.
const (
	// AsTask: a write of the settings object gives a task, which waits for a reset and runs while the machine starts.
	AsTask Habit = ""
	// AtReset: there is no task; the next start has the settings (HPE, Supermicro).
	AtReset Habit = "at reset"
	// AsJob: the BMC declares no apply times, and a write is kept only: the job that applies it is asked for (old iDRACs).
	AsJob Habit = "as job"
)

// bios is the BIOS of the machine. The state is guarded by the BMC's mu.
type bios struct {
	current map[string]any
	pending map[string]any
	job     *task // that applies pending; nil without one
}

func newBIOS() bios {
	b := bios{current: map[string]any{}}
	for _, a := range document.BIOSAttributes {
		b.current[a.Name] = a.Value
		if n, is := a.Value.(int); is {
			b.current[a.Name] = float64(n)
		}
	}
	b.pending = maps.Clone(b.current)
	return b
}

// addBIOS adds the BIOS's documents that can only be read, by path.
func (b *BMC) addBIOS(all map[string]func() document.Document) {
	all[document.BIOS] = b.biosDocument
	all[document.Registries] = func() document.Document {
		if b.meetFault("NoRegistry", b.currentFaults().NoRegistry) {
			return document.NewCollection(document.Registries, "MessageRegistryFile")
		}
		return document.NewCollection(document.Registries, "MessageRegistryFile", document.BIOSRegistry)
	}
	all[document.Registries+"/"+document.BIOSRegistry] = document.NewRegistryFile
	all[document.BIOSRegistryFile] = document.NewBIOSRegistry
}

// BIOS gives the BIOS attributes as the machine runs.
func (b *BMC) BIOS() map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.bios.current)
}

// SetBIOS changes BIOS attributes behind everybody's back, as a person in the setup of the firmware does.
func (b *BMC) SetBIOS(attributes map[string]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.Copy(b.bios.current, attributes)
	maps.Copy(b.bios.pending, attributes)
}

// StartJob begins a job of somebody else, such as a firmware update that an administrator began. It runs until EndJob.
func (b *BMC) StartJob(name string) (id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tasks = append(b.tasks, &task{name: name, state: "Running"})
	return strconv.Itoa(len(b.tasks))
}

// EndJob ends a job of StartJob.
func (b *BMC) EndJob(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if number, err := strconv.Atoi(id); err == nil && number >= 1 && number <= len(b.tasks) {
		b.tasks[number-1].state, b.tasks[number-1].done = "", true
	}
}

func (b *BMC) biosDocument() document.Document {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advanceBIOS()
	return document.NewBIOS(b.bios.current, b.applies())
}

func (b *BMC) biosSettingsDocument() document.Document {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advanceBIOS()
	return document.NewBIOSSettings(b.bios.pending)
}

// applies are the apply times that the BMC declares. The caller holds b.mu.
func (b *BMC) applies() []string {
	if b.faults.BIOS != AsTask {
		return nil
	}
	return document.Applies
}

// patchBIOSSettings takes a change of the settings object.
func (b *BMC) patchBIOSSettings(w http.ResponseWriter, r *http.Request) {
	if !b.checkIfMatch(w, r, b.biosSettingsDocument()) {
		return
	}
	var patch struct {
		Attributes map[string]any
		Apply      struct{ ApplyTime string } `json:"@Redfish.SettingsApplyTime"`
	}
	if !decodeBody(w, r, &patch) {
		return
	}
	if name, problem := document.FindProblem(patch.Attributes); problem != "" {
		sendJSON(w, http.StatusBadRequest, document.NewError(problem, "the attribute "+name+" is not accepted", name))
		return
	}
	b.mu.Lock()
	applies, busy := b.applies(), b.bios.job != nil
	wrong := patch.Apply.ApplyTime != "" && (len(applies) == 0 || patch.Apply.ApplyTime != applies[0])
	b.mu.Unlock()
	switch {
	case wrong:
		sendJSON(w, http.StatusBadRequest, document.NewError("PropertyValueNotInList", "this apply time is not offered",
			"ApplyTime"))
	case busy:
		sendJSON(w, http.StatusConflict, document.NewError("ResourceInUse", "a job with BIOS settings is pending", ""))
	default:
		b.keepBIOS(patch.Attributes)
		b.answerBIOS(w, patch.Apply.ApplyTime != "")
	}
}

func (b *BMC) keepBIOS(attributes map[string]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.Copy(b.bios.pending, attributes)
	b.recordOp(oplog.Settings, "")
}

// answerBIOS answers a good change: with a task where the BMC makes one.
func (b *BMC) answerBIOS(w http.ResponseWriter, timed bool) {
	b.mu.Lock()
	habit := b.faults.BIOS
	b.mu.Unlock()
	if habit == AtReset || habit == AsJob && !timed {
		sendJSON(w, http.StatusOK, document.NewError("SystemResetRequired", "a reset applies it", ""))
		return
	}
	b.answerJob(w, b.addBIOSJob())
}

func (b *BMC) answerJob(w http.ResponseWriter, id string) {
	w.Header().Set("Location", document.Monitors+"/"+id)
	sendJSON(w, http.StatusAccepted, document.NewTask(id, "", "Pending"))
}

// postJob makes the job that applies the settings object (Dell: Managers/…/Jobs).
func (b *BMC) postJob(w http.ResponseWriter, r *http.Request) {
	var want struct{ TargetSettingsURI string }
	if !decodeBody(w, r, &want) {
		return
	}
	if want.TargetSettingsURI != document.BIOSSettings {
		sendJSON(w, http.StatusBadRequest, document.NewError("PropertyValueNotInList", "there are no such settings",
			"TargetSettingsURI"))
		return
	}
	id := b.addBIOSJob()
	w.Header().Set("Location", document.Tasks+"/"+id)
	w.WriteHeader(http.StatusAccepted)
}

func (b *BMC) addBIOSJob() (id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bios.job = &task{name: "BIOS settings", state: "Pending"}
	b.tasks = append(b.tasks, b.bios.job)
	return strconv.Itoa(len(b.tasks))
}

// passFirmware is the BIOS's part in a start of the machine. The caller holds b.mu.
func (b *BMC) passFirmware() {
	switch job := b.bios.job; {
	case job != nil && job.state == "Pending":
		job.state, job.polls = "Running", b.faults.TaskPolls
	case job == nil && b.faults.BIOS == AtReset:
		b.applyBIOS()
	}
	b.advanceBIOS()
}

// advanceBIOS ends the job that applies settings once it has been looked at often enough. The caller holds b.mu.
func (b *BMC) advanceBIOS() {
	job := b.bios.job
	if job == nil || job.state != "Running" || b.faults.JobRuns {
		return
	}
	if job.polls--; job.polls >= 0 {
		return
	}
	job.state, job.done, b.bios.job = "", true, nil
	switch {
	case b.faults.JobCritical:
		b.log.CountFault("JobCritical")
		job.status = "Critical"
		b.bios.pending = maps.Clone(b.bios.current)
	case b.faults.JobLies:
		b.log.CountFault("JobLies")
		b.bios.pending = maps.Clone(b.bios.current)
	default:
		b.applyBIOS()
	}
	if b.faults.JobVanishes {
		b.log.CountFault("JobVanishes")
		job.gone = true
	}
}

// applyBIOS has the machine run with the settings object. The caller holds b.mu.
func (b *BMC) applyBIOS() {
	if b.faults.JobLies {
		b.bios.pending = maps.Clone(b.bios.current)
		return
	}
	maps.Copy(b.bios.current, b.bios.pending)
}

// noteBrick records a power command while a job runs: on real machines a firmware job that is cut bricks the machine.
// The caller holds b.mu.
func (b *BMC) noteBrick() {
	for _, t := range b.tasks {
		if t.state == "Running" && !t.gone {
			b.recordOp(oplog.CutJob, t.name)
		}
	}
}
