package cause_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// edit changes a case.
type edit = func(*cause.Case)

// newCase is a machine that runs what the fleet asks for, with changes.
func newCase(edits ...edit) cause.Case {
	c := cause.Case{
		Desired: &inventory.Desired{ID: "web-3", Name: "web-3", File: "hosts/web-3.yaml", Lifecycle: schemas.Managed, Ring: "prod",
			BMC: &schemas.BMC{Address: "https://10.0.0.3/redfish/v1/Systems/1"}, Workload: &inventory.Workload{Name: "web", Inputs: "in"}},
		Observed: &inventory.Observed{Record: inventory.Record{ID: "web-3"}, BMC: inventory.BMCState{Reach: inventory.Reached, Power: inventory.PoweredOn, At: noon}},
		Plan:     &plan.Plan{Phase: plan.Active}, Looked: noon,
		Fleet: &cause.Fleet{Commit: "c1"},
	}
	for _, change := range edits {
		change(&c)
	}
	return c
}

func phase(p plan.Phase) edit { return func(c *cause.Case) { c.Plan.Phase = p } }

func waits(p plan.Phase, text string) edit {
	return func(c *cause.Case) { c.Plan.Phase, c.Plan.Waits = p, text }
}

func held(reason change.Reason) edit {
	return func(c *cause.Case) {
		c.Plan.Phase, c.Plan.Hold = plan.Held, &change.Hold{Reason: reason, Message: "what the hold says"}
	}
}

func turn(reason admit.Reason) edit {
	return func(c *cause.Case) {
		c.Plan.Phase, c.Plan.Waits, c.Plan.Turn = plan.Pending, "what it waits for", string(reason)
	}
}

func action(kind act.Kind, result act.Result) edit {
	return func(c *cause.Case) {
		c.Plan.Phase, c.Action, c.Outcome = plan.Installing, kind, act.Outcome{Result: result, Why: "why it failed"}
		c.Plan.Action = &act.Action{Kind: kind, Reason: "a reason"}
	}
}

// unsent is a power command that was kept back.
func unsent(result act.Result) edit {
	return func(c *cause.Case) {
		action(act.PowerOff, result)(c)
		c.Outcome.Unsent = true
	}
}

// ramdisk is a machine that was powered on for the ramdisk.
func ramdisk(c *cause.Case) {
	c.Plan.Phase, c.Plan.Waits = plan.Installing, "the agent in the ramdisk to enrol"
	c.Observed.Record.Boot = &inventory.Boot{ID: "b1", Target: inventory.FromRamdisk, Stage: inventory.Running, Attempt: 1, Started: noon}
	c.Observed.Media = inventory.MediaState{URL: "u", Reads: 7, Last: noon}
}

func said(sign cause.Sign) edit {
	return func(c *cause.Case) {
		c.Observed.Console = inventory.ConsoleState{Sign: string(sign), Line: "what the console says"}
	}
}

// read is a medium with a known layout that was read up to a part.
func read(upTo string) edit {
	return func(c *cause.Case) {
		reads := int64(100)
		for _, name := range []string{inventory.MediumDirectory, inventory.MediumShim, inventory.MediumGRUB, inventory.MediumKernel, inventory.MediumInitrd, inventory.MediumOverlay} {
			c.Observed.Media.Parts = append(c.Observed.Media.Parts, inventory.MediumPart{Name: name, Size: 100, Read: reads})
			if name == upTo {
				reads = 0
			}
		}
	}
}

// agent is a machine whose agent has a job.
func agent(job inventory.Job) edit {
	return func(c *cause.Case) {
		ramdisk(c)
		job.ID, job.Attempt = "o1-1-0", 1
		c.Plan.Waits, c.Observed.Agent = "", inventory.AgentState{Boot: "b1", Enrolled: noon, Seen: noon, Job: job}
		c.Observed.Record.Operation = operation(inventory.Working)
	}
}

func operation(stage inventory.Stage) *inventory.Operation {
	return &inventory.Operation{ID: "o1", Workload: "web", Stage: stage, Attempt: 1, Disks: []inventory.OperationDisk{{Disk: inventory.DiskID{Serial: "D1"}}},
		Steps: []inventory.StepState{{Name: "check"}, {Name: schemas.StepInstall}}}
}

// started is a machine that was started from its disk.
func started(c *cause.Case) {
	c.Plan.Phase, c.Plan.Waits = plan.Starting, "the installed system to phone home"
	c.Observed.Record.Operation = operation(inventory.Confirming)
	c.Observed.Record.Boot = &inventory.Boot{ID: "b2", Target: inventory.FromDisk, Stage: inventory.Running, Attempt: 1, Started: noon}
}

// attempt2 is an operation whose first attempt failed at a step.
func attempt2(step int) edit {
	return func(c *cause.Case) {
		c.Plan.Phase = plan.Installing
		op := operation(inventory.Working)
		op.Attempt, op.Error, op.Steps[step].State = 2, "exit status 3", inventory.StepFailed
		c.Observed.Record.Operation = op
	}
}

// gaveUp is an operation that was given up at a step; -1 is none.
func gaveUp(step int) edit {
	return func(c *cause.Case) {
		c.Plan.Phase = plan.Failed
		op := operation(inventory.Ended)
		op.Outcome, op.Error = inventory.Quarantined, "exit status 3"
		if step >= 0 {
			op.Steps[step].State = inventory.StepFailed
		}
		c.Observed.Record.Last = op
	}
}

// rows has at least one case for each row of the catalogue.
func rows() map[cause.Name][]edit {
	fleet := func(f cause.Fleet) edit { return func(c *cause.Case) { c.Fleet = &f } }
	return map[cause.Name][]edit{
		"AnotherDaemon":    {fleet(cause.Fleet{Commit: "c", Another: "page of web-3"}), held(change.NeedsConsent)},
		"NoCommitReadable": {fleet(cause.Fleet{Source: "no route to host"})},
		"NoCommitAccepted": {fleet(cause.Fleet{Refused: "hosts/x.yaml:1:1: error"})},
		"JournalUnread":    {func(c *cause.Case) { c.Outcome = act.Outcome{Result: act.Retry, Why: "no answer"} }},
		"JournalUnwritten": {action(act.PowerOn, act.Retry), func(c *cause.Case) { c.Outcome.Unwritten = true }},
		"NotLooked":        {phase("")},
		"RecordUnreadable": {held(change.NotBelieved)},
		"WriteEnds":        {agent(inventory.Job{State: inventory.JobRunning, Begun: true}), waits(plan.Protected, "the write ends")},
		"Orphaned":         {phase(plan.Orphaned)},
		"Protected":        {phase(plan.Protected)},
		"KnownAs":          {held(change.KnownAs)},
		"AnotherMachine":   {held(change.IdentityMismatch)},
		"MemoryOld":        {held("MemoryOld")},
		"Recalled":         {held(change.Recalled)},
		"TokenAlarm":       {held(change.TokenAlarm)},
		"Retired":          {waits(plan.Retired, "it is retired: every disk that spec.retire names is erased and read back: nothing is done to the machine")},
		"Unmanaged":        {waits(plan.Unmanaged, "spec.lifecycle is Adopted: nothing is done to the machine")},
		"IdleStaysOn":      {waits(plan.Unmanaged, "a workload, and the machine to go off")},
		"NoWorkload":       {waits(plan.Unmanaged, "a workload")},
		"BMCUnauthorized":  {held(change.BMCUnauthorized)},
		"SecretUnusable":   {held(change.SecretUnusable)},
		"BMCUnreachable":   {held(change.BMCUnreachable)},
		"PowerUnknown":     {held(change.BMCRefused), func(c *cause.Case) { c.Plan.Hold.Message = plan.PowerUntold }},
		"BMCRefused":       {held(change.BMCRefused), func(c *cause.Case) { c.Observed.BMC.Reach = inventory.Refused }},
		"NoBMC":            {waits(plan.Unmanaged, "a workload"), func(c *cause.Case) { c.Desired.BMC = nil }},
		"Unclaimed":        {waits(plan.Unmanaged, "a workload that claims it: another batch: this one is done")},
		"BMCNotAsked":      {waits(plan.Waiting, "a look at the BMC")},
		"FoundRunning":     {held(change.FoundRunning)},
		"SecureBootOff":    {held(change.SecureBootOff)},
		"NoDisk":           {held(change.NoDisk)}, "SeveralDisks": {held(change.SeveralDisks)}, "DiskChanged": {held(change.DiskChanged)},
		"DiskUnreadable": {held(change.DiskUnreadable)}, "DiskShared": {held(change.DiskShared)},
		"ContentChanged": {held(change.ConsentForOther), func(c *cause.Case) {
			c.Observed.Record.Last = &inventory.Operation{Outcome: inventory.Superseded, Error: "what is on disk D1 changed since the consent"}
		}},
		"PermissionWithdrawn": {attempt2(1), held(change.NeedsConsent)},
		"NeedsConsent":        {held(change.NeedsConsent)}, "ConsentSpent": {held(change.ConsentSpent)}, "ConsentForOther": {held(change.ConsentForOther)},
		"NeedsSigners": {held(change.NeedsSigners)}, "OtherDisks": {held(change.OtherDisks)}, "Frozen": {held(change.Frozen)},
		"ImageUnusable": {held(change.ImageUnusable)}, "ConfigUnusable": {held(change.ConfigUnusable)}, "RamdiskUnusable": {held("RamdiskUnusable")},
		"KernelUnusable":  {waits(plan.Unmanaged, "a medium that can be booted: the kernel URL http://images/vmlinuz: 404 Not Found")},
		"KernelUntrusted": {waits(plan.Unmanaged, "a kernel that Secure Boot lets start: Secure Boot is on, and the kernel is not signed")},
		"KernelFetched":   {waits(plan.Unmanaged, "what its run boots to be fetched and verified")},
		"ImageFetched":    {waits(plan.Waiting, "the image to be fetched and verified")},
		"LoaderRefused":   {ramdisk, said(cause.SignAccessDenied)}, "LoaderRevoked": {ramdisk, said(cause.SignSBAT)},
		"LoaderUnverified": {ramdisk, said(cause.SignSecurityViolation)}, "RamdiskTooLarge": {ramdisk, said(cause.SignMemory)},
		"RamdiskPanic": {ramdisk, said(cause.SignPanic)}, "MediumNotBootable": {ramdisk, said(cause.SignNothingBootable)},
		"MediumNotRead":     {ramdisk, waits(plan.Installing, "the BMC to read the boot medium"), func(c *cause.Case) { c.Observed.Media.Reads = 0 }},
		"StoppedAtFirmware": {ramdisk, read(inventory.MediumDirectory)}, "StoppedAtShim": {ramdisk, read(inventory.MediumShim)},
		"StoppedAtGRUB": {ramdisk, read(inventory.MediumGRUB)}, "StoppedAtKernel": {ramdisk, read(inventory.MediumKernel)},
		"AgentNotEnrolled": {ramdisk, read(inventory.MediumOverlay)},
		"BootFailed": {held(change.BootFailed), func(c *cause.Case) { c.Observed.Media.Reads = 0 }, func(c *cause.Case) {
			c.Observed.Record.Boot = &inventory.Boot{Target: inventory.FromDisk, Stage: inventory.Running}
		}},
		"BootRetried": {ramdisk, waits(plan.Installing, ""), func(c *cause.Case) {
			c.Observed.Record.Boot.Stage, c.Observed.Record.Boot.Attempt, c.Observed.Record.Boot.Before = inventory.Preparing, 2, "the machine went off"
		}},
		"MediumServed": {waits(plan.Installing, "the boot medium to be served")}, "SecondOff": {waits(plan.Waiting, "a second look that finds the machine off")},
		"FoundOn":          {waits(plan.Waiting, "the machine, which may have been on already when it was to be powered on, to read its boot medium")},
		"AgentTakesBoot":   {waits(plan.Inspecting, "the waiting agent, which is proved to run on the machine, to enrol")},
		"PoweringOff":      {action(act.PowerOff, act.Waits)},
		"BMCJobRuns":       {unsent(act.Waits)},
		"SettingsRefused":  {held(change.SettingsRefused)},
		"SettingsFailed":   {held(change.SettingsFailed)},
		"SettingsChanging": {waits(plan.Maintaining, "the BIOS settings: the machine to come up")},
		"BMCJobsUnread":    {unsent(act.Retry)},
		"StaysOn":          {held(change.StaysOn)},
		"SeveralBootDisks": {started, said(cause.SignSeveralBoot)}, "IgnitionFailed": {started, said(cause.SignIgnition)},
		"EmergencyShell": {started, said(cause.SignEmergency)}, "SystemPanic": {started, said(cause.SignPanic)},
		"DiskNotBootable": {started, said(cause.SignNothingBootable)}, "SystemRefused": {started, said(cause.SignAccessDenied)},
		"SystemIsUp":      {started, held(change.NoPhoneHome), said(cause.SignLogin)},
		"SystemPowersOff": {started, held(change.NoPhoneHome), func(c *cause.Case) { c.Observed.BMC.Power = inventory.PoweredOff }},
		"NoCall":          {started, held(change.NoPhoneHome)},
		"CalledElsewhere": {started, held(change.NoPhoneHome), func(c *cause.Case) {
			c.Observed.Record.Pinned = inventory.Pinned{SMBIOS: &inventory.SMBIOSIdentity{UUID: "4c4c4544-0000-4000-8000-000000000001"}}
			c.Observed.Agent.PhoneHome = &inventory.PhoneHome{Machine: "4c4c4544-0000-4000-8000-0000000000ff"}
		}},
		"KeptOn":       {waits(plan.Failed, "a person to look at the machine, which is left on (spec.onFailure)"), gaveUp(0)},
		"ScriptFailed": {gaveUp(0)}, "InstallFailed": {gaveUp(1)}, "GivenUp": {gaveUp(-1)},
		"StepOnHold":    {held(change.OnHold)},
		"ScriptRetried": {attempt2(0)}, "InstallRetried": {attempt2(1)},
		"PushRefused":  {action(act.Publish, act.Retry), fleet(cause.Fleet{Commit: "c", Publish: "the branch is protected"})},
		"PowerRefused": {action(act.PowerOn, act.Retry)}, "MediumRefused": {action(act.InsertMedia, act.Retry)},
		"OverrideRefused": {action(act.BootFromMedia, act.Retry)}, "StepNotHandedOut": {action(act.AssignStep, act.Stalled)},
		"ActionFailed":   {action(act.RecordFacts, act.Retry)},
		"LeaveAwaitsGit": {agent(inventory.Job{State: inventory.JobRunning, Question: &inventory.Question{At: noon}}), waits(plan.Installing, "a look at the fleet before anything is written: no route to host")},
		"LeaveAsked":     {agent(inventory.Job{State: inventory.JobRunning, Question: &inventory.Question{At: noon}})},
		"AgentUnknown":   {waits(plan.Waiting, "the daemon cannot tell what the agent said: no answer")},
		"AgentQuiet":     {waits(plan.Waiting, "the agent to say whether it works on a job")}, "FactsAwaited": {waits(plan.Inspecting, "the agent's report on the hardware")},
		"StepEnds":        {waits(plan.Installing, "the agent to end the step that it is at: it is not let write any more, as x")},
		"PowerOffAwaited": {waits(plan.Starting, "the machine to power off")}, "JobNotTaken": {waits(plan.Installing, "the agent to take the job up")},
		"Writing": {waits(plan.Installing, "the agent to write the image")}, "ScriptRuns": {waits(plan.Installing, "the agent to end step check")},
		"FleetPaused": {turn(admit.FleetPaused)}, "RingPaused": {turn(admit.RingPaused)}, "RingFailed": {turn(admit.RingFailed)},
		"WorkloadFailed": {turn("WorkloadFailed")}, "RingAfter": {turn(admit.RingAfter)}, "Canaries": {turn(admit.Canaries)}, "Window": {turn(admit.Window)},
		"Unavailable": {turn(admit.Unavailable)}, "ManyErases": {turn("ManyErases")}, "DomainBusy": {turn("DomainBusy")}, "Places": {turn(admit.Places)},
		"OtherTurn": {turn("Another")}, "ReleasePending": {phase(plan.Pending), func(c *cause.Case) { c.Desired.Pending = "image" }},
		"Pending":     {waits(plan.Pending, "its ring")},
		"CallAwaited": {started}, "ShutsDown": {waits(plan.Starting, "the system to shut down for a reboot that was requested")}, "KeptOff": {waits(plan.Waiting, "kept off by ups (spec.offBy): nothing is installed before")}, "ComesOn": {waits(plan.Starting, "the machine to come on")}, "Forgotten": {waits(plan.Waiting, "a look, as what was known of it is forgotten")},
		"Pushing":             {action(act.Publish, act.Waits)},
		"FleetUnread":         {fleet(cause.Fleet{Commit: "c", Source: "no route to host"})},
		"CommitRefused":       {fleet(cause.Fleet{Commit: "c", Refused: "hosts/x.yaml:1:1: error"})},
		"UnderWay":            {action(act.PowerOn, act.Done)},
		"NotPushed":           {fleet(cause.Fleet{Commit: "c", Publish: "the branch is protected"})},
		"ActiveChangePending": {func(c *cause.Case) { c.Desired.Pending = "image" }},
		"Claimed":             {waits(plan.Unmanaged, "workload pi, which has claimed it: its turn")},
		"RunUnderWay":         {waits(plan.Running, "the end of item 3 of workload pi, attempt 1")},
		"Active":              {}, "OtherHold": {held("Tomorrow")}, "OtherWait": {waits(plan.Waiting, "something new")}, "Unknown": {phase(plan.Waiting)},
	}
}

var field = regexp.MustCompile(`\{[a-z]*\}`)

// Each row of the catalogue decides its own case, in one sentence and one thing to do, without open fields.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	cases := rows()
	var names []cause.Name
	for _, row := range cause.Catalogue() {
		if slices.Contains(names, row.Name) {
			t.Errorf("the catalogue has %s twice", row.Name)
		}
		names = append(names, row.Name)
		edits, tested := cases[row.Name]
		if !tested {
			t.Errorf("row %s has no case", row.Name)
			continue
		}
		c := newCase(edits...)
		got := cause.Find(c)
		if got.Cause != row.Name {
			t.Errorf("Find(case of %s) = %s: %s", row.Name, got.Cause, got.Why)
		}
		for _, text := range []string{got.Why, got.Do} {
			if text == "" || field.MatchString(text) || strings.Contains(text, "no error was told") {
				t.Errorf("%s says %q", row.Name, text)
			}
		}
		if n := len(got.Why); n > 240 {
			t.Errorf("the sentence of %s has %d characters: %s", row.Name, n, got.Why)
		}
		if again := cause.Find(c); again != got {
			t.Errorf("%s: another answer at the second time: %v", row.Name, again)
		}
	}
	if len(names) != len(cases) {
		t.Errorf("%d rows, %d cases", len(names), len(cases))
	}
}

// A machine whose BMC has refused an action for long has the cause of that action, also between two tries.
func TestARefusalForLong(t *testing.T) {
	t.Parallel()
	const words = "BMC 10.0.0.3: refused"
	for refused, want := range map[act.Kind]cause.Name{
		act.PowerOn: "PowerRefused", act.PowerOff: "PowerRefused", act.InsertMedia: "MediumRefused", act.EjectMedia: "MediumRefused",
		act.BootFromMedia: "OverrideRefused", act.BootFromDisk: "OverrideRefused", "": "BMCRefused",
	} {
		for _, edits := range [][]edit{nil, {action(act.InsertMedia, act.Retry)}} {
			got := cause.Find(newCase(append(edits, held(change.BMCRefused), func(c *cause.Case) {
				c.Plan.Phase, c.Plan.Hold.Message, c.Plan.Refused = plan.Waiting, words, refused
			})...))
			if got.Cause != want && len(edits) == 0 || !strings.Contains(got.Why, words) {
				t.Errorf("%s: %+v, want %s", refused, got, want)
			}
		}
	}
}

// TestASecretIsNotHidden: a host that waits for a person, and whose Secret cannot be opened, says both.
func TestASecretIsNotHidden(t *testing.T) {
	t.Parallel()
	const words = "the Secret bmc (secrets/bmc.yaml) cannot be opened: none of the age keys opens it"
	closed := func(c *cause.Case) {
		c.Observed.BMC = inventory.BMCState{Reach: inventory.SecretUnusable, Error: words}
	}
	got := cause.Find(newCase(held(change.NeedsConsent), closed))
	if got.Cause != "NeedsConsent" || !strings.HasSuffix(got.Why, ". Besides, "+words+".") {
		t.Errorf("a host without consent: %+v", got)
	}
	got = cause.Find(newCase(held(change.SecretUnusable), func(c *cause.Case) { c.Plan.Hold.Message = words }, closed))
	if got.Cause != "SecretUnusable" || strings.Count(got.Why, words) != 1 {
		t.Errorf("a host that waits for the Secret: %+v", got)
	}
}

// A zero case, and a case of which only a hold is known, have an answer.
func TestLittleIsKnown(t *testing.T) {
	t.Parallel()
	for _, p := range []plan.Plan{{}, {Phase: plan.Held, Hold: &change.Hold{Reason: change.NeedsConsent}}, {Phase: plan.Failed, Hold: &change.Hold{Reason: change.BootFailed}}} {
		c := cause.Case{Desired: &inventory.Desired{}, Observed: &inventory.Observed{}, Plan: &p}
		if got := cause.Find(c); got.Why == "" || got.Do == "" {
			t.Errorf("Find(%+v) = %+v", c.Plan, got)
		}
		cause.Collect(c)
	}
}

// The page keeps the cause of a machine that stands still, and not the steps of one that goes on.
func TestIsKept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edits []edit
		want  bool
	}{
		"Active":                        {nil, false},
		"held":                          {[]edit{held(change.NoDisk)}, true},
		"Pending":                       {[]edit{turn(admit.Window)}, true},
		"the ramdisk starts":            {[]edit{ramdisk}, false},
		"the console shows a refusal":   {[]edit{ramdisk, said(cause.SignSBAT)}, true},
		"the second boot":               {[]edit{ramdisk, func(c *cause.Case) { c.Observed.Record.Boot.Attempt = 2 }}, true},
		"the agent writes":              {[]edit{agent(inventory.Job{State: inventory.JobRunning, Begun: true})}, false},
		"the second attempt":            {[]edit{attempt2(1)}, true},
		"Active, and BMC not reached":   {[]edit{held(change.BMCUnreachable), phase(plan.Active)}, true},
		"an action failed":              {[]edit{action(act.PowerOn, act.Retry)}, true},
		"not looked at since the start": {[]edit{phase("")}, false},
	} {
		c := newCase(test.edits...)
		if got := c.IsKept(); got != test.want {
			t.Errorf("%s: IsKept() = %v, want %v", name, got, test.want)
		}
	}
}

func TestRecognize(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lines []string
		sign  cause.Sign
		line  string
	}{
		"nothing": {[]string{"GNU GRUB", "Loading"}, "", ""},
		"db without the CA": {[]string{`BdsDxe: loading Boot0001 "UEFI QEMU DVD-ROM"`, `BdsDxe: failed to load Boot0001 "UEFI QEMU DVD-ROM QM00003 " from PciRoot(0x0): Access Denied`,
			"BdsDxe: No bootable option or device was found.", "BdsDxe: Press any key to enter the Boot Manager Menu."}, cause.SignAccessDenied, `BdsDxe: failed to load Boot0001 "UEFI QEMU DVD-ROM QM00003 " from PciRoot(0x0): Access Denied`},
		"SBAT":             {[]string{"Verifying shim SBAT data failed: Security Policy Violation", "Something has gone seriously wrong: SBAT self-check failed: Security Policy Violation"}, cause.SignSBAT, "Something has gone seriously wrong: SBAT self-check failed: Security Policy Violation"},
		"GRUB revoked":     {[]string{"  ERROR  ", "  Verification failed: (0x1A) Security Violation  "}, cause.SignSecurityViolation, "Verification failed: (0x1A) Security Violation"},
		"kernel unsigned":  {[]string{"error: ../../grub-core/kern/efi/sb.c:182:bad shim signature."}, cause.SignSecurityViolation, "error: ../../grub-core/kern/efi/sb.c:182:bad shim signature."},
		"nothing to start": {[]string{"BdsDxe: No bootable option or device was found."}, cause.SignNothingBootable, "BdsDxe: No bootable option or device was found."},
		"initrd too large": {[]string{"[    1.0] Initramfs unpacking failed: write error", "[    2.0] Kernel panic - not syncing: VFS: Unable to mount root fs"}, cause.SignMemory, "[    1.0] Initramfs unpacking failed: write error"},
		"Ignition, then dracut": {[]string{`ignition[712]: CRITICAL : failed to fetch config: invalid config`, "Press Enter for emergency shell or wait 5 minutes for reboot.", `Generating "/run/initramfs/rdsosreport.txt"`}, cause.SignIgnition,
			`ignition[712]: CRITICAL : failed to fetch config: invalid config`},
		"two boot disks": {[]string{"Error: System has 2 devices with a filesystem labeled 'boot': /dev/vda3 /dev/vdb3", "Failed to start ignition-fetch.service", "Press Enter for emergency shell"}, cause.SignSeveralBoot,
			"Error: System has 2 devices with a filesystem labeled 'boot': /dev/vda3 /dev/vdb3"},
		"up again after an emergency": {[]string{"You are in emergency mode.", "web-3 login:"}, cause.SignLogin, "web-3 login:"},
	} {
		sign, line, _ := cause.Recognize(test.lines)
		if sign != test.sign || line != test.line {
			t.Errorf("%s: Recognize = %q, %q; want %q, %q", name, sign, line, test.sign, test.line)
		}
	}
}

// Every look of a machine that stands still asks for its cause: the catalogue is made once, and a sentence computes only
// the fields that it names.
func TestACauseIsCheap(t *testing.T) {
	c := newCase(turn(admit.RingPaused))
	if n := testing.AllocsPerRun(100, func() { cause.Find(c) }); n > 16 {
		t.Errorf("Find allocates %v times", n)
	}
}
