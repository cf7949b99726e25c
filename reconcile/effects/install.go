package effects

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/boot/images"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/schemas"
)

// fetchImage is done when the mirror holds the verified image. An image that fails is the store's to fetch again, once for
// all hosts.
func (e *Effects) fetchImage(desired inventory.Desired) act.Outcome {
	refs := listRefs(desired)
	if len(refs) == 0 && desired.Workload == nil {
		return act.Outcome{Result: act.Stalled, Why: "there is no workload whose image could be fetched"}
	}
	for _, ref := range refs {
		e.config.Images.Ensure(ref)
	}
	state := e.observeImage(desired)
	switch state.State {
	case inventory.ImageReady:
		return act.Outcome{Result: act.Done}
	case inventory.ImageFailed:
		return act.Outcome{Result: act.Waits, After: imagePause, Why: state.Error}
	default:
		return act.Outcome{Result: act.Waits, After: imagePause, Why: describeFetch(state)}
	}
}

func describeFetch(state inventory.ImageState) string {
	if state.Total == 0 {
		return "the image is being fetched"
	}
	return fmt.Sprintf("the image is being fetched: %d%% of %d MB", state.Done*100/state.Total, state.Total/1_000_000)
}

// listRefs lists the files that the mirror must hold before the machine boots for what the fleet asks of it. A workload that
// only erases disks needs none, and is ready.
func listRefs(desired inventory.Desired) (refs []images.Ref) {
	if desired.Workload != nil {
		for _, file := range steps.ListFetched(desired.Workload.Image, desired.Workload.Steps) {
			refs = append(refs, imageRef(file))
		}
	} else if desired.Run != nil {
		for i, file := range desired.Run.BootFiles() {
			ref := images.Ref{URL: file.URL, SHA256: file.SHA256, Boot: fmt.Sprintf("boot.initrds[%d]", i-1)}
			if i == 0 {
				ref.Boot = "boot.kernel"
			}
			if desired.Run.ISO != nil {
				ref.Boot = "iso"
			}
			refs = append(refs, ref)
		}
	}
	return refs
}

func (e *Effects) observeImage(desired inventory.Desired) inventory.ImageState {
	refs := listRefs(desired)
	if len(refs) == 0 && desired.Workload == nil {
		return inventory.ImageState{}
	}
	found := inventory.ImageState{State: inventory.ImageReady}
	for _, ref := range refs {
		if next := e.observeFile(ref); imageOrder[next.State] > imageOrder[found.State] {
			found = next
		}
	}
	return found
}

// imageOrder says which state stands for all files of a workload: the worst.
var imageOrder = map[inventory.ImagePhase]int{
	inventory.ImageReady: 0, inventory.ImageFetching: 1, inventory.ImageMissing: 2, inventory.ImageFailed: 3,
}

// observeFile is the state of one file of a workload.
func (e *Effects) observeFile(ref images.Ref) inventory.ImageState {
	state := e.config.Images.State(ref)
	if (ref.Plugin != "" || ref.Injected) && state.Phase == images.Ready && state.Total > wire.MaxPlugin {
		what := "a plug-in of " + ref.Plugin
		if ref.Injected {
			what = "a file of inject-files"
		}
		return inventory.ImageState{State: inventory.ImageFailed, Error: fmt.Sprintf("%s has %d bytes, at most %d can be delivered: "+
			"make it smaller", what, state.Total, wire.MaxPlugin)}
	}
	return inventory.ImageState{State: phases[state.Phase], Done: state.Done, Total: state.Total, Error: state.Error}
}

var phases = map[images.Phase]inventory.ImagePhase{
	images.Missing: inventory.ImageMissing, images.Fetching: inventory.ImageFetching,
	images.Ready: inventory.ImageReady, images.Failed: inventory.ImageFailed,
}

func imageRef(file steps.Fetched) images.Ref {
	ref := images.Ref{URL: file.URL, SHA256: file.SHA256, Written: file.Written, Injected: file.Injected}
	if file.Step != "" {
		ref.Plugin = "Step " + file.Step
	}
	return ref
}

// describeImage is a ready image in the form that agents are served.
func (e *Effects) describeImage(image schemas.Image) (wire.Image, error) {
	file, size, err := e.config.Images.Open(image.SHA256)
	if err != nil {
		return wire.Image{}, err
	}
	at, err := url.Parse(image.URL)
	if err = errors.Join(err, file.Close()); err != nil {
		return wire.Image{}, err
	}
	return wire.Image{SHA256: image.SHA256, Size: size, Name: path.Base(at.Path)}, nil
}

// assignStep hands the agent the step at the operation's cursor.
func (e *Effects) assignStep(
	ctx context.Context, desired inventory.Desired, record inventory.Record, action act.Action,
) act.Outcome {
	job, err := e.buildJob(desired, record, action)
	if err != nil {
		return describeError(err)
	}
	return describeAssignment(e.config.Hub.Assign(ctx, string(record.ID), job))
}

// buildJob is the job for the step at the cursor, or for all steps in an attempt that ingot 4176809 began: such a job is
// for the agent that has it already, and no agent gets it.
func (e *Effects) buildJob(desired inventory.Desired, record inventory.Record, action act.Action) (hub.Assignment,
	error) {
	operation, due := record.Operation, desired.Workload.Steps
	job := wire.Job{ID: operation.JobID(), Attempt: operation.Attempt, Kind: wire.JobInstall, Epoch: record.Boot.Epoch}
	if !operation.IsWholeList() {
		state, known := operation.Step()
		step, listed := steps.FindStep(due, state.Key())
		if !known || !listed || step.Name != state.Name {
			return hub.Assignment{}, fmt.Errorf("step %d of operation %s is not one of workload %s", operation.Cursor+1,
				operation.ID, desired.Workload.Name)
		}
		due = []inventory.Step{step}
		job.Kind = kindOfJob(state)
		switch {
		case step.Mounts:
			job.Kind = wire.JobSystemScript
		case job.Kind == wire.JobWrite && !desired.Workload.Installer.IsZero():
			job.Kind = wire.JobWriteOptions
		}
	}
	if have, want := len(action.Contents), len(operation.StepDisks()); have < want {
		return hub.Assignment{}, fmt.Errorf("the action speaks of %d disks, the step of operation %s has %d: this is a bug in ingot",
			have, operation.ID, want)
	}
	for _, step := range due {
		next, err := e.buildStep(step, desired, record, action)
		if err != nil {
			return hub.Assignment{}, err
		}
		job.Steps = append(job.Steps, next)
	}
	begun := operation.Verified() || operation.BeganWithLeave() || operation.Root().Begun == inventory.BegunUnknown
	if job.Kind == wire.JobWriteStep {
		begun = operation.BeganWithLeave() || slices.ContainsFunc(operation.StepDisks(),
			func(i int) bool { return operation.Disks[i].Begun == inventory.BegunUnknown })
	}
	return hub.Assignment{Job: job, Operation: operation.ID, Begun: begun}, nil
}

// buildErase names the operation's disks that a step erases.
func buildErase(step inventory.Step, operation inventory.Operation, action act.Action) *wire.Erase {
	asked := step.ReadErase()
	return &wire.Erase{Policy: asked.Policy, OrClear: asked.OrClear, Disks: nameDisks(step, operation, action)}
}

// nameDisks names the operation's disks that the step at the cursor may write to.
func nameDisks(step inventory.Step, operation inventory.Operation, action act.Action) (disks []wire.NamedDisk) {
	for at, i := range listWritten(operation, step) {
		disk := operation.Disks[i]
		disks = append(disks, wire.NamedDisk{Name: cmp.Or(disk.Name, schemas.RootDiskName),
			DiskRef: referToDisk(disk, action.Contents[at])})
	}
	return disks
}

// listWritten are the indexes of the disks that the script of the step at the cursor may write to.
func listWritten(operation inventory.Operation, step inventory.Step) []int {
	if len(step.Writes) == 0 || operation.IsWholeList() {
		return nil
	}
	return operation.StepDisks()
}

// kindOfJob is the kind of the job for a step.
func kindOfJob(step inventory.StepState) string {
	switch {
	case step.Installs():
		return wire.JobWrite
	case step.Name == schemas.StepDescribe:
		return wire.JobDescribe
	case step.Name == schemas.StepCollectLogs, step.Name == schemas.StepStartUnit:
		return wire.JobOwn
	case step.Name == schemas.StepInjectFiles:
		return wire.JobSystem
	case len(step.Writes) > 0:
		return wire.JobWriteStep
	default:
		return wire.JobStep
	}
}

// buildStep is a workload's step in the agent's form.
func (e *Effects) buildStep(
	step inventory.Step, desired inventory.Desired, record inventory.Record, action act.Action,
) (wire.Step, error) {
	next := wire.Step{Name: step.Key(), Timeout: time.Duration(step.Seconds) * time.Second}
	if step.Name == schemas.StepDescribe {
		var err error
		next.Describe, err = e.buildDescribe(desired, record)
		return next, err
	}
	switch step.Name {
	case schemas.StepErase:
		next.Erase = buildErase(step, *record.Operation, action)
		return next, nil
	case schemas.StepCollectLogs:
		next.Collect = &wire.Collect{}
		return next, nil
	case schemas.StepStartUnit:
		next.StartUnit = &wire.StartUnit{Unit: step.ReadUnit()}
		return next, nil
	}
	if step.Name == schemas.StepInjectFiles {
		var err error
		next.Inject, err = e.buildInject(step, desired, record)
		return next, err
	}
	if !schemas.InstallsSystem(step.Name) {
		run, err := e.buildRun(step, desired, record, e.openSecret)
		next.Script = &wire.Script{Body: step.Script, Run: run}
		if err == nil {
			next.Script.Plugins, err = e.listPlugins(step, record)
		}
		next.Script.Disks = nameDisks(step, *record.Operation, action)
		if step.Mounts {
			root := record.Operation.Root()
			next.Script.System = &wire.WrittenSystem{Disk: referToDisk(root, wire.ContentAny), Mark: root.Mark}
		}
		return next, err
	}
	install, err := e.buildInstall(desired, record, action)
	next.Name, next.Install = step.Name, install // whatever its id is: watchers know an install by its name
	return next, err
}

// buildInstall names exactly the operation's disks, the verified image and the rendered config.
func (e *Effects) buildInstall(desired inventory.Desired, record inventory.Record, action act.Action) (*wire.Install,
	error) {
	operation := record.Operation
	image, err := e.describeImage(desired.Workload.Image)
	if err != nil {
		return nil, fmt.Errorf("image of workload %s: %w", desired.Workload.Name, err)
	}
	config, drive, err := e.renderConfig(e.buildIgnitionRequest(desired, record), desired, operation.ID)
	if err != nil {
		return nil, fmt.Errorf("configuration of workload %s: %w", desired.Workload.Name, err)
	}
	install := DescribeInstaller(*desired.Workload)
	install.ID, install.Disk, install.Mark = operation.ID, referToDisk(operation.Root(), action.Contents[0]), operation.Root().Mark
	install.Image, install.Ignition, install.Drive = image, config, drive
	for at, i := range operation.InstallDisks() {
		if i > 0 {
			install.Others = append(install.Others, referToDisk(operation.Disks[i], action.Contents[at]))
		}
	}
	return &install, nil
}

// DescribeInstaller gives the part of an install that says what becomes of the image: coreos-installer's options, or that the
// image is written as it is.
func DescribeInstaller(w inventory.Workload) wire.Install {
	install := wire.Install{KernelArguments: w.KernelArguments, Plain: w.WritesImage()}
	if options := w.Installer; !options.IsZero() {
		install.Options = &wire.InstallerOptions{DeleteKernelArguments: options.DeleteKernelArguments, Platform: options.Platform,
			Consoles: options.Consoles}
	}
	return install
}

// referToDisk names a disk for the agent, with the content that the agent must find.
func referToDisk(allowed inventory.OperationDisk, content string) wire.DiskRef {
	disk := allowed.Disk.WithoutPlaceholders() // a placeholder would match another disk as well
	return wire.DiskRef{Serial: disk.Serial, WWN: disk.WWN, Path: disk.Path, Size: disk.Size, Content: content}
}

// buildIgnitionRequest is the input of the host's Ignition config: the network in the installed system, and the call
// home, unless the workload disables the call.
func (e *Effects) buildIgnitionRequest(desired inventory.Desired, record inventory.Record) ignition.Request {
	operation, workload, epoch := record.Operation, desired.Workload, record.Boot.Epoch
	request := ignition.NewRequest(desired)
	request.Secrets = e.openSecret
	if workload.PhoneHome != schemas.PhoneHomeDisabled {
		request.PhoneHome = &ignition.PhoneHome{
			Host: string(record.ID), URLs: e.config.URLs, Pin: e.config.Pin, Install: operation.ID, Epoch: epoch,
			Attempt: operation.Attempt, Commit: operation.Commit,
			Token: e.config.Hub.PhoneHomeToken(string(record.ID), operation.ID, epoch, operation.Attempt),
		}
	}
	return request
}

// openSecret opens one ${secret.name.key}.
func (e *Effects) openSecret(ref refs.Secret) (secret.Value, error) {
	data, err := e.config.Secrets(ref.Name)
	if err != nil {
		return secret.Value{}, err
	}
	value, ok := data[ref.Key]
	if !ok {
		return secret.Value{}, fmt.Errorf("secret %s has no key %q: add it, or change the reference", ref.Name, ref.Key)
	}
	return value, nil
}
