package bmc

import "time"

// Faults are the misbehaviours of real BMCs, a switch per fault. A counter is the number of times that the fault
// happens. The zero Faults is a well-behaved BMC. Log().Counts().Faults tells which faults happened.
type Faults struct {
	// The network and the account.
	Hang            bool          // requests are accepted and never answered
	Delay           time.Duration // every answer is late by this much
	Unavailable     int           // requests answered 503 with Retry-After
	RefuseLogin     bool          // every credential is refused
	NoSessions      bool          // no session service: POST gives 405, no link in the root
	RefuseIdentity  bool          // Accept-Encoding: identity gives 406
	Redirect        string        // authenticated GETs of the System are redirected to this URL
	ForeignLinks    string        // origin that links in the System point to, for example https://10.9.9.9
	MustChange      string        // this user may do nothing but change the password, until it was changed
	LockOutAfter    int           // refused logins in a row after which every login is refused; 0 is never
	DropConnections int           // requests whose connection is cut without an answer

	// The documents.
	Garbage         bool  // 200 with HTML
	Oversized       int64 // pads the System with this many bytes
	ErrorWith200    bool  // reads of the System give 200 with an error document
	SecondDocument  bool  // reads of the System give the document, then a second document in the same body
	NumbersAsText   bool  // numbers in the System are strings
	PowerStateNull  bool  // PowerState is null
	WeakETags       bool  // W/"…", which If-Match then refuses
	IfMatchRefused  bool  // every If-Match gives 412
	StaleETags      int   // PATCHes that find the System changed under them: 412
	MediaUnder      Place // where virtual media are listed; default UnderManager
	DecoySlot       bool  // a first slot of CD type whose InsertMedia gives 405
	AllowableHidden bool  // no @Redfish.AllowableValues on Reset

	// Power.
	PowerOnConflicts int  // after every power-off this many power-ons give 409
	GracefulIgnored  bool // GracefulShutdown is accepted and nothing happens
	ResetAsTask      bool // Reset gives 202 and a task monitor
	TaskPolls        int  // reads of a task that say Running before its end
	TaskVanishes     bool // a finished task monitor gives 404
	ShowTransitions  bool // PowerState says PoweringOff between the request and the end

	// Boot override.
	OverrideIgnored    bool // accepted, not kept
	OverrideRefused    int  // PATCHes of Boot answered 400 UnableToModifyDuringSystemPOST
	OverrideNeedsAll   bool // Target, Enabled and Mode must come together
	ContinuousAsOnce   bool // Continuous is kept as Once
	OverrideUnderReset bool // a ForceRestart does not honour the override

	// Virtual media.
	InsertFails   int      // InsertMedia answered 500
	InsertNeeds   []string // parameters without which InsertMedia gives 400 naming the first missing parameter
	NoMediaAction bool     // no InsertMedia and EjectMedia actions: PATCH only
	StillInserted int      // reads of the slot after an eject that still show the medium
	EjectIgnored  bool     // accepted, the medium stays

	// BIOS settings.
	BIOS        Habit // how settings are applied
	NoBIOS      bool  // there are no BIOS settings
	NoRegistry  bool  // the registry of the attributes is missing
	JobRuns     bool  // the job that applies settings runs on
	JobCritical bool  // the job ends as Completed with the status Critical, and applies nothing
	JobLies     bool  // the job ends as Completed, and applies nothing
	JobVanishes bool  // the job is gone when it has ended
}

// Place is where a BMC lists its virtual media.
type Place string

// Places of virtual media.
const (
	UnderManager Place = ""
	UnderSystem  Place = "Systems"
	UnderBoth    Place = "both"
)

// Inject changes the faults while the BMC runs.
func (b *BMC) Inject(change func(*Faults)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.faults)
}

// currentFaults returns a copy of the faults.
func (b *BMC) currentFaults() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.faults
}

// spendFault uses up a count of a counted fault and reports whether there was a count left.
func (b *BMC) spendFault(name string, counter func(*Faults) *int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := counter(&b.faults)
	if *left <= 0 {
		return false
	}
	*left--
	b.log.CountFault(name)
	return true
}

// meetFault records a fault that is switched on, and returns on.
func (b *BMC) meetFault(name string, on bool) bool {
	if !on {
		return false
	}
	b.log.CountFault(name)
	return true
}
