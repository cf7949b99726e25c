package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Faults that somebody meets while a window is open.
const (
	gitDown            = "git: the server does not answer"
	gitSlow            = "git: an answer takes 20 s"
	gitHangs           = "git: the server hangs"
	gitForbids         = "git: the server refuses the credentials"
	gitHalfPack        = "git: a pack ends in the middle"
	pushRefused        = "git: a hook refuses the push"
	pushUnanswered     = "git: a push has no answer"
	pushLate           = "git: a push arrives later, without an answer"
	webhookLost        = "git: the webhook is lost"
	journalLost        = "journal: a write never arrives"
	journalUnanswered  = "journal: a write arrives, its answer is lost"
	journalLate        = "journal: a write arrives later, without an answer"
	journalFull        = "journal: no space"
	journalUnread      = "journal: a read fails"
	documentLost       = "journal: an agent's document is not saved"
	documentUnanswered = "journal: an agent's document is saved, the answer is lost"
	crashAtEffect      = "daemon: dies between two effects"
	bmcDown            = "bmc: no route"
	bmcHangs           = "bmc: hangs"
	bmcRefuses         = "bmc: the password is refused"
	bmcStale           = "bmc: the session ended"
	bmcNotReady        = "bmc: 400 not ready"
	bmcFails           = "bmc: 503"
	bmcGarbage         = "bmc: two JSON documents in one body"
	bmcForeignCert     = "bmc: another certificate"
	bmcSlow            = "bmc: slow"
	jobRuns            = "bmc: a job of somebody else runs"
	jobLies            = "bmc: the job of a BIOS setting ends, and nothing changed"
	jobVanishes        = "bmc: the job of a BIOS setting is gone when it has ended"
	jobsUnread         = "bmc: does not say which jobs there are"
	bmcOmitsSerial     = "bmc: leaves serial and UUID out"
	powerUnknown       = "bmc: does not say whether the machine is on"
	powerStale         = "bmc: says the power of before for a while"
	saysOff            = "bmc: says off, the machine is on"
	saysOn             = "bmc: says on, the machine is off"
	onTooSoon          = "bmc: 409 on a power-on soon after a power-off"
	resetIgnored       = "bmc: accepts a reset and does nothing"
	resetLate          = "bmc: accepts a reset and does it later"
	resetErrs          = "bmc: does a reset and answers 404"
	staysOn            = "bmc: a hard power-off does nothing"
	noMediaSlot        = "bmc: shows no virtual drive"
	noLicense          = "bmc: 403 virtual media need a license"
	insertFailsFirst   = "bmc: the first insert fails"
	insertIgnored      = "bmc: accepts an insert and does nothing"
	ejectWhileOff      = "bmc: ejects only while the machine is off"
	ejectIgnored       = "bmc: an eject does nothing"
	stillInserted      = "bmc: shows the medium after the eject"
	overrideInPost     = "bmc: refuses the override in the self-test"
	overrideETag       = "bmc: 412 on the override"
	overrideLost       = "bmc: accepts an override and does nothing"
	overrideIgnored    = "firmware: ignores the override"
	continuousIsOnce   = "firmware: a continuous override holds once"
	longPost           = "machine: the self-test takes half an hour"
	ignoresShutdown    = "machine: the system ignores a shutdown"
	slowSystem         = "machine: the system takes hours to start"
	mediaUnreachable   = "net: the BMC cannot read the medium"
	siteCut            = "net: a machine and its BMC are cut off"
	agentCut           = "net: machine and daemon are cut off"
	requestLost        = "net: a request of a machine is lost"
	answerLost         = "net: an answer to a machine is lost"
	agentSlow          = "net: a call of the agent is slow"
	callLost           = "net: a call of an installed system is lost"
	addressFlaps       = "net: machines reach another of two daemons"
	scriptFails        = "agent: a script fails"
	diskFails          = "agent: a write to the disk fails"
	agentDies          = "agent: its process starts again in the middle of a write"
	imageCorrupt       = "agent: the image arrives broken"
	configUnusable     = "daemon: a secret cannot be opened"
	imageMissing       = "daemon: the image is not fetched yet"
	imageFails         = "daemon: the image is broken"
)

// windowSpec says how often a fault is met while its window is open, and how long a window is.
type windowSpec struct {
	kind        string
	daemon      bool // who is a daemon, not a machine
	least, most float64
	long        time.Duration // longest window
}

var windowSpecs = []windowSpec{
	{gitDown, true, 0.3, 1, 3 * time.Hour}, {gitSlow, true, 0.1, 0.5, time.Hour}, {gitHangs, true, 0.1, 0.5, time.Hour},
	{gitForbids, true, 0.5, 1, time.Hour}, {gitHalfPack, true, 0.2, 0.9, time.Hour}, {pushRefused, true, 0.2, 1, 2 * time.Hour},
	{pushUnanswered, true, 0.1, 0.7, time.Hour}, {pushLate, true, 0.1, 0.5, time.Hour}, {webhookLost, true, 0.5, 1, 5 * time.Hour},
	{journalLost, true, 0.05, 0.5, time.Hour}, {journalUnanswered, true, 0.05, 0.5, time.Hour},
	{journalLate, true, 0.05, 0.5, time.Hour}, {journalFull, true, 0.3, 1, time.Hour}, {journalUnread, true, 0.1, 0.8, time.Hour},
	{documentLost, true, 0.1, 0.6, time.Hour}, {documentUnanswered, true, 0.1, 0.6, time.Hour},
	{bmcDown, false, 0.3, 1, 6 * time.Hour}, {bmcHangs, false, 0.2, 1, 2 * time.Hour}, {bmcRefuses, false, 0.5, 1, time.Hour},
	{bmcStale, false, 0.1, 0.5, time.Hour}, {bmcNotReady, false, 0.3, 1, time.Hour}, {bmcFails, false, 0.1, 0.8, time.Hour},
	{bmcGarbage, false, 0.1, 0.6, time.Hour}, {bmcForeignCert, false, 1, 1, time.Hour}, {bmcSlow, false, 0.2, 0.8, time.Hour},
	{jobLies, false, 0.3, 1, 2 * time.Hour}, {jobVanishes, false, 0.5, 1, 8 * time.Hour}, {jobRuns, false, 1, 1, 2 * time.Hour}, {jobsUnread, false, 0.3, 1, time.Hour},
	{bmcOmitsSerial, false, 0.3, 1, time.Hour}, {powerUnknown, false, 0.2, 0.8, time.Hour}, {powerStale, false, 0.5, 1, 5 * time.Hour},
	{saysOff, false, 0.05, 0.3, time.Hour}, {saysOn, false, 0.05, 0.5, time.Hour}, {onTooSoon, false, 0.5, 1, 8 * time.Hour},
	{resetIgnored, false, 0.2, 0.8, 2 * time.Hour}, {resetLate, false, 0.2, 0.8, 2 * time.Hour}, {resetErrs, false, 0.2, 0.8, 2 * time.Hour},
	{staysOn, false, 0.3, 1, time.Hour}, {noMediaSlot, false, 0.3, 1, time.Hour}, {noLicense, false, 1, 1, time.Hour},
	{insertFailsFirst, false, 1, 1, 8 * time.Hour}, {insertIgnored, false, 0.3, 0.9, 2 * time.Hour},
	{ejectWhileOff, false, 1, 1, 8 * time.Hour}, {ejectIgnored, false, 0.5, 1, 2 * time.Hour}, {stillInserted, false, 0.5, 1, 2 * time.Hour},
	{overrideInPost, false, 1, 1, 8 * time.Hour}, {overrideETag, false, 0.3, 0.8, 2 * time.Hour}, {overrideLost, false, 0.3, 1, 2 * time.Hour},
	{overrideIgnored, false, 0.3, 1, 3 * time.Hour}, {continuousIsOnce, false, 1, 1, 8 * time.Hour},
	{longPost, false, 0.3, 1, 8 * time.Hour}, {ignoresShutdown, false, 0.5, 1, 8 * time.Hour}, {slowSystem, false, 0.3, 1, 4 * time.Hour},
	{mediaUnreachable, false, 0.3, 1, 2 * time.Hour}, {siteCut, false, 1, 1, 5 * time.Hour}, {agentCut, false, 1, 1, 5 * time.Hour}, {requestLost, false, 0.1, 0.5, 2 * time.Hour},
	{answerLost, false, 0.1, 0.5, 2 * time.Hour}, {agentSlow, false, 0.2, 0.8, 2 * time.Hour}, {callLost, false, 0.3, 1, 5 * time.Hour},
	{addressFlaps, false, 0.3, 0.8, 8 * time.Hour},
	{scriptFails, false, 0.3, 1, 2 * time.Hour}, {diskFails, false, 0.2, 0.6, 2 * time.Hour}, {agentDies, false, 0.2, 0.6, 2 * time.Hour},
	{imageCorrupt, false, 0.3, 1, 2 * time.Hour},
	{configUnusable, true, 0.3, 1, time.Hour}, {imageMissing, true, 0.3, 0.9, time.Hour}, {imageFails, true, 0.3, 0.9, time.Hour},
}

// deed is one thing of a story: a window of a fault, or something that a person, a power supply or a disk does.
type deed struct {
	at   time.Duration
	kind string
	who  int
	long time.Duration // of a window
	size float64       // in [0, 1)
	host string        // of what happens while an agent asks
}

func (d deed) String() string {
	text := fmt.Sprintf("%s  %s", stamp(d.at), d.kind)
	if d.long > 0 {
		text += fmt.Sprintf(", for %s", d.long.Round(time.Second))
	}
	return text + fmt.Sprintf(" [%d %.3f]", d.who, d.size)
}

// story is everything that is chosen about a world before it begins; the same story gives the same history.
type story struct {
	seed     uint64
	machines int
	chaos    time.Duration // faults end then
	farm     int           // items of a batch of runs; 0: machines install systems
	deeds    []deed
}

// newStory makes the story of a seed.
func newStory(seed uint64) story {
	d := newDice(seed, "story")
	s := story{seed: seed, machines: 3 + d.below(4), chaos: d.between(time.Hour, 3*time.Hour)}
	if d.chance(0.3) { // long enough for backups, rests of hours and several installs of a machine
		s.chaos = d.between(3*time.Hour, 7*time.Hour)
	}
	for range 4 + d.below(12) {
		spec := choose(d, windowSpecs)
		who := d.below(s.machines)
		if spec.daemon {
			who = -1
		}
		s.deeds = append(s.deeds, deed{at: d.between(0, s.chaos), kind: spec.kind, who: who,
			long: d.between(time.Minute, spec.long), size: spec.least + d.float()*(spec.most-spec.least)})
	}
	kinds := sortedActs()
	for range 4 + d.below(16) {
		s.deeds = append(s.deeds, deed{at: d.between(0, s.chaos), kind: choose(d, kinds), who: d.below(s.machines),
			size: d.float()})
	}
	slices.SortStableFunc(s.deeds, func(a, b deed) int { return cmp.Compare(a.at, b.at) })
	return s
}

func (s story) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %d machines, faults end at %s\n", s.seed, s.machines, stamp(s.chaos))
	for _, d := range s.deeds {
		fmt.Fprintln(&b, " ", d)
	}
	return b.String()
}
