// Package accounts makes BMC accounts for discovered machines: it does what package inventory/discovery/account
// decides. Every step is stored in the machine's discovery record before the next begins, so that a daemon that dies
// anywhere goes on where it was.
//
// Open gives a Runner. Runner.Run works until its context ends; Runner.Answer takes the report of a waiting agent, and
// gives its next order. Call Runner.Wake after a change of a record. Nothing here sends a power or boot command. Do not
// log an order, nor what a Sealer opens.
package accounts

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/gitmetal/ingot/boot/redfish/accounts"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/account"
)

// Records are the discovery records. Without an error Update has stored the change.
type Records interface {
	List() []discovery.Record
	Get(id discovery.ID) (discovery.Record, error)
	Update(id discovery.ID, change func(*discovery.Record) error) error
}

// Branch is the proposal branch of a record.
type Branch interface {
	// PushSecret puts the ciphertext of a record's Secret on the record's proposal branch, marked as unverified. Without
	// an error the remote repository has it. The error is ErrEnded where the branch will never have it.
	PushSecret(ctx context.Context, id discovery.ID, document string) error
}

// Sealer encrypts the Secret of a machine, and opens it again.
type Sealer interface {
	// Seal makes the Secret's document, for the recipients of the accepted fleet and the daemon itself.
	Seal(ctx context.Context, id discovery.ID, username string, password secret.Value) (document string, err error)
	// Open gives the password of a document that Seal made, also after a restart. Config.Mask masks it from then on.
	Open(ctx context.Context, document string) (secret.Value, error)
}

// BMC is a BMC's Redfish service.
type BMC interface {
	LogIn(ctx context.Context, t accounts.Target, m accounts.Machine) account.Login
	ChangePassword(ctx context.Context, t accounts.Target, next secret.Value) error
	Delete(ctx context.Context, t accounts.Target) error
}

// Config is what a Runner needs. All but Now and Log are required.
type Config struct {
	Records Records
	Branch  Branch
	Sealer  Sealer
	BMC     BMC
	// Mask masks every password that Sealer made or opened, in all its encodings.
	Mask func(string) string
	// Asked reports whether a rule of the accepted fleet asks for an account of this machine, and the daemon's
	// configuration allows it.
	Asked func(discovery.Record) bool
	// MayAct says why this daemon may change nothing now, such as another daemon that runs the fleet, or nil.
	MayAct func() error
	Random io.Reader        // crypto/rand.Reader
	Now    func() time.Time // default time.Now
	Log    *slog.Logger     // default: nothing
}

// Limits of a Runner.
const (
	workers    = 8               // machines at a time: a BMC that does not answer takes its time
	lookEvery  = time.Minute     // all records are looked at, also those that nobody woke
	stepTime   = 2 * time.Minute // of one step
	retryEvery = 30 * time.Second
	// deleteEvery is the pause after an account of a declined proposal could not be deleted.
	deleteEvery = time.Hour
	maxError    = 400 // bytes of what a BMC or an agent says
)

// Runner makes accounts. The methods are safe for concurrent use.
type Runner struct {
	config Config

	mu   sync.Mutex
	due  map[discovery.ID]time.Time // when a record is looked at next
	busy map[discovery.ID]bool      // a worker has the record
	wake chan struct{}
}

// Open gives a runner.
func Open(c Config) *Runner {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Runner{config: c, due: map[discovery.ID]time.Time{}, busy: map[discovery.ID]bool{}, wake: make(chan struct{}, 1)}
}

// Wake has a record looked at soon. It does not block.
func (r *Runner) Wake(id discovery.ID) { r.schedule(id, 0) }

// Retry begins a failed account anew, on an operator's word; an error says why there is nothing to begin. Where the BMC
// still has our name, the slot is freed first, and the account fails again with the free slot.
func (r *Runner) Retry(id discovery.ID) error {
	record, err := r.config.Records.Get(id)
	if err != nil {
		return err
	}
	s := r.situation(record)
	next := record.Account.Retry(s, r.fresh())
	switch {
	case next == nil:
		return errors.New("the record has no failed account: `ingot discovered get --record` shows it")
	case !s.Asked:
		return errors.New("no rule asks for an account of this machine, or discovery.credentials of the daemon's configuration is off")
	case s.Merged || s.Declined || !s.Clear:
		return errors.New("the proposal was merged or declined, or something speaks against the record: `ingot discovered list`")
	case !s.Live:
		return errors.New("the record's agent is silent: start the machine from its discovery medium first")
	}
	if err := r.store(record, next); err != nil {
		return err
	}
	r.Wake(id)
	return nil
}

func (r *Runner) schedule(id discovery.ID, after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.config.Now().Add(after)
	if before, known := r.due[id]; !known || at.Before(before) {
		r.due[id] = at
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, and waits for its workers.
func (r *Runner) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	places := make(chan struct{}, workers)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	r.wakeAll()
	for {
		wait := r.startDue(ctx, &running, places)
		timer := time.NewTimer(wait)
		select {
		case <-r.wake:
		case <-timer.C:
		case <-look.C:
			r.wakeAll()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

func (r *Runner) wakeAll() {
	for _, record := range r.config.Records.List() {
		r.Wake(record.ID)
	}
}

// startDue starts a worker for each record that is due, and says how long until the next.
func (r *Runner) startDue(ctx context.Context, running *sync.WaitGroup, places chan struct{}) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := lookEvery
	for id, at := range r.due {
		if left := at.Sub(r.config.Now()); left > 0 {
			wait = min(wait, left)
			continue
		}
		if r.busy[id] {
			continue // its worker wakes the loop
		}
		select {
		case places <- struct{}{}:
		default:
			return wait // a worker that ends wakes the loop
		}
		delete(r.due, id)
		r.busy[id] = true
		running.Go(func() {
			after, err := r.Step(ctx, id)
			if err != nil && ctx.Err() == nil {
				r.config.Log.Warn("a BMC account is tried again", "record", id, "in", after, "error", err)
			}
			<-places
			r.mu.Lock()
			delete(r.busy, id)
			r.mu.Unlock()
			if after > 0 || err != nil {
				r.schedule(id, after)
			} else {
				r.nudge()
			}
		})
	}
	return wait
}

func (r *Runner) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// errChanged means that a record's account was changed by somebody else meanwhile: the step is decided anew.
var errChanged = errors.New("the record changed meanwhile")
