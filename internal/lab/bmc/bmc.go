package bmc

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gitmetal/ingot/internal/lab/bmc/accounts"
	"github.com/gitmetal/ingot/internal/lab/bmc/document"
	"github.com/gitmetal/ingot/internal/lab/bmc/inband"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
	"github.com/gitmetal/ingot/internal/lab/bmc/selfsigned"
	"github.com/gitmetal/ingot/internal/lab/rules"
	"github.com/gitmetal/ingot/internal/secret"
)

// Config configures a virtual BMC.
type Config struct {
	Identity Identity
	Username string
	Password secret.Value
	// Vendor shown in the service root; default "ingot lab".
	Vendor string
	// Sessions is how many sessions may be open at a time; default 8.
	Sessions int
	// Faults to start with; Inject changes the faults later.
	Faults Faults
	// InBand is the side that the machine itself talks to; without channels the machine has none.
	InBand inband.Config
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// startDeadline bounds Machine.Start and Machine.Stop.
const startDeadline = 60 * time.Second

// BMC is a virtual baseboard management controller. The methods are safe for concurrent use.
type BMC struct {
	config  Config
	machine Machine
	handler http.Handler
	keys    selfsigned.Certificate
	log     oplog.Log
	// accounts has a lock of its own; never call it with mu locked
	accounts *accounts.List
	inband   *inband.Controller
	rules    rules.Set

	// power is held during every call of the machine, so that there is a single call at a time. Lock power before mu.
	power sync.Mutex
	runs  sync.WaitGroup // watchers of the machine's runs

	mu       sync.Mutex // guards the fields below
	url      string
	faults   Faults
	run      *run // nil: off
	halted   bool // Close was called
	override Override
	media    Medium
	sessions map[string]session // by token
	tasks    []*task
	bios     bios
	volumes  []document.Volume
	// volumesMade numbers the volumes
	volumesMade int
	refused     int               // logins refused in a row
	serial      int               // of sessions
	console     document.Document // SerialConsole; nil: none

	conflictsLeft int // power-ons still to refuse after the last power-off
	staleReads    int // reads of the slot that still show lastURL
	lastURL       string
}

// run is a time during which the machine is on; a run may pass through the firmware several times.
type run struct {
	restart bool          // start again at the next exit
	ending  bool          // a stop was asked for
	over    chan struct{} // closed when the machine is off
}

// Override is the boot source override as Redfish names it.
type Override struct {
	Target  string // None, Cd, Hdd, Pxe, UefiHttp
	Enabled string // Disabled, Once, Continuous
	Mode    string // UEFI
	HTTPURI string
}

// Medium is the content of the virtual CD.
type Medium struct {
	URL      string // empty: no medium
	Inserted bool
}

// New makes a BMC in front of a machine that is off. Serve opens a listener; Handler serves in process.
func New(config Config, machine Machine) (*BMC, error) {
	if machine == nil || config.Username == "" || config.Password.Empty() {
		return nil, errors.New("bmc: a machine, a username and a password are needed")
	}
	config.Vendor = cmp.Or(config.Vendor, "ingot lab")
	config.Sessions = cmp.Or(config.Sessions, 8)
	if config.Now == nil {
		config.Now = time.Now
	}
	b := &BMC{
		config: config, machine: machine, faults: config.Faults,
		accounts: accounts.New(config.Username, config.Password),
		override: noOverride(), sessions: map[string]session{}, bios: newBIOS(),
	}
	config.InBand.Note = func(change string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.recordOp(oplog.InBand, change)
	}
	b.inband = inband.New(b.accounts, config.InBand)
	b.handler = b.countRequests(b.rules.Wrap(b.newRoutes()))
	return b, nil
}

// InBand is the side that the machine itself talks to.
func (b *BMC) InBand() *inband.Controller { return b.inband }

// Handler serves the Redfish service without TLS, for tests in process.
func (b *BMC) Handler() http.Handler { return b.handler }

// Serve answers HTTPS on the listener with the BMC's self-signed certificate until ctx ends, then closes the listener
// and all connections. The machine keeps running; Close stops it.
func (b *BMC) Serve(ctx context.Context, listener net.Listener) error {
	b.mu.Lock()
	b.url = "https://" + listener.Addr().String() + document.System
	b.mu.Unlock()
	return b.keys.Serve(ctx, listener, b.handler, b.config.Now())
}

// URL is the https URL of the machine's ComputerSystem, as a Host file names it; empty before Serve.
func (b *BMC) URL() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.url
}

// Fingerprint is "sha256:<hex>" of the DER of Serve's certificate.
func (b *BMC) Fingerprint() (string, error) { return b.keys.Fingerprint(b.config.Now()) }

// Replace puts another BMC in the place of this one: it shows another certificate from the next connection on.
func (b *BMC) Replace() { b.keys.Renew() }

// Override returns the boot source override.
func (b *BMC) Override() Override {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.override
}

// Medium returns the content of the virtual CD.
func (b *BMC) Medium() Medium {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.media
}

// ExpireSessions ends all sessions, like a BMC after a long pause or a reboot. Clients then get 401.
func (b *BMC) ExpireSessions() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.sessions)
}

// Sessions is the number of open sessions.
func (b *BMC) Sessions() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sessions)
}

// Login checks an account as the Redfish service does, for further services of the BMC.
func (b *BMC) Login(user string, password secret.Value) bool {
	_, good := b.checkLogin(user, password.Reveal())
	return good
}

// OfferConsole makes the BMC say that the serial console is read over SSH at a port.
func (b *BMC) OfferConsole(port int, entry string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.console = document.NewSerialConsole(port, entry)
}

// Log is the record of the BMC's operations, with totals.
func (b *BMC) Log() *oplog.Log { return &b.log }

// Rules change the BMC's answers beside Faults. They are also put and read at rules.Address while the BMC serves.
func (b *BMC) Rules() *rules.Set { return &b.rules }

// recordOp logs an operation. The caller holds b.mu.
func (b *BMC) recordOp(kind oplog.Kind, detail string) {
	b.log.AddOp(oplog.Op{At: b.config.Now(), Kind: kind, Detail: detail, On: b.run != nil})
}
