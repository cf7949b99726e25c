package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/ignition"
	parts "github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/batches/store"
	"github.com/gitmetal/ingot/schemas"
)

// daemon is one machine that runs ingot: its state directory, its clock, and the process that runs, if any.
type daemon struct {
	w          *world
	index      int
	name       string
	dir        *stateDir
	clock      *clock
	dice       *dice
	proc       *process
	starts     int
	suspended  bool
	frozenAt   time.Duration // when it was suspended; by the world's time
	frozen     time.Duration // by its own wall clock, the last time
	resumed    time.Duration // when it went on after that
	stopped    time.Duration // when its last process ended
	takesFleet bool          // its next start takes the fleet from another daemon
	retired    bool          // it never starts again
	away       time.Duration // it does not start before
	effects    int           // counts effects, for crashes between two of them
	changes    int           // effects outside, for the rule of quiescence
	ambush     *ambush       // happens in the middle of its next look
	onWrite    *ambush       // happens after one of its next writes of a record
	writes     int           // that are left until then
	crashAt    int           // the effect at which it dies; 0 never
}

// process is one start of a daemon: the real loop, hub and repository.
type process struct {
	d        *daemon
	started  time.Duration
	loop     *reconcile.Loop
	hub      *hub.Hub
	repo     *gitrepo.Repo
	journal  *memoryJournal
	loaded   load.Cache
	hangUp   func()
	ctx      context.Context
	cancel   context.CancelFunc
	dead     bool
	busy     bool // in a turn
	due      *event
	ids      *dice
	jitter   *dice
	media    map[string]medium     // by host
	allowed  map[string]leave      // the accepted commit and the signatures when leave was given last, by job
	expected map[string]uint64     // the epoch of the boot that the hub lets in, by host
	ended    error                 // why the loop ended
	looked   inventory.MachineID   // the host that was observed last
	lookedAt time.Duration         // when
	asked    time.Duration         // when the loop looked at the repository last
	given    string                // the newest commit that the source gave to the loop
	freeOf   map[int]time.Duration // when the BMC of a slot said last that no job runs
}

// errDead is what every port says after the death of its process.
var errDead = errors.New("the process is dead")

func newDaemon(w *world, index int) *daemon {
	name := fmt.Sprintf("daemon %c", 'a'+index)
	return &daemon{w: w, index: index, name: name, dir: newStateDir(), clock: &clock{w: w, rate: 1},
		dice: newDice(w.seed, name)}
}

// start starts a process on the state directory.
func (d *daemon) start() {
	if d.proc != nil || d.retired {
		return
	}
	if d.w.now < d.away {
		d.w.after(d.away-d.w.now, d.start)
		return
	}
	w := d.w
	d.starts++
	d.dir.fence++
	p := &process{d: d, started: w.now, media: map[string]medium{}, allowed: map[string]leave{}, expected: map[string]uint64{}, freeOf: map[int]time.Duration{},
		ids: newDice(w.seed, fmt.Sprint(d.name, " ids ", d.starts)), jitter: newDice(w.seed, fmt.Sprint(d.name, " jitter ", d.starts))}
	d.clock.booted = d.clock.elapsed()
	dir := d.dir
	p.journal = &memoryJournal{dir: func() *stateDir { return dir }, fence: dir.fence, p: p}
	p.journal.carry = p.journal.carryWrite
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if err := p.open(); err != nil {
		w.say("%s does not start: %v", d.name, err)
		p.cancel()
		w.after(time.Minute, d.start)
		return
	}
	d.proc, d.takesFleet = p, false
	if d.stopped > 0 {
		w.checks.deaf = append(w.checks.deaf, absence{d.name, d.stopped, w.now})
	}
	w.say("%s starts", d.name)
	p.wake(0)
}

// open makes the parts of a daemon, as internal/daemon does.
func (p *process) open() error {
	d := p.d
	accepted, err := p.journal.Accepted(p.ctx)
	if err != nil {
		return err
	}
	identity := siteIdentity()
	url, hangUp := p.w().git.connect(p)
	p.hangUp = hangUp
	p.repo, err = gitrepo.Open(gitrepo.Config{URL: url, Branch: trunk, StatusBranch: statusBranch,
		Accepted: accepted.Commit, TagPatterns: load.TagPatterns, RememberedTags: p.journal.Tags(), Now: p.now,
		TagSigners: p.w().releases.signers(), TwoSigners: p.w().releases.needTwo()})
	if err != nil {
		return err
	}
	p.hub = hub.New(hub.Config{Identity: identity, Store: p.journal, Images: imageShelf{}, Now: p.now, Notify: p.notify,
		Shows: func(host, install string) bool { return p.loop.ShowsInstall(inventory.MachineID(host), install) }})
	var kept store.Documents
	if p.w().farm != nil {
		kept = p.journal
	}
	p.loop, err = reconcile.New(reconcile.Config{Batches: kept,
		Source: &countedSource{p, parts.NewSource(p.repo, identity, p.journal)}, Load: p.load, Journal: p.journal, Ages: p.journal,
		Observer: p, Executor: p, Publisher: parts.NewPublisher(p.repo, identity), NewID: p.newID, Mark: p.hub.DiskMark, Now: p.now, Jitter: p.jitter.float, Host: d.name, TakeFleet: d.takesFleet,
		Limits: reconcile.Limits{Installs: p.w().places(), Workers: 1},
	})
	return err
}

func (p *process) w() *world { return p.d.w }

func (p *process) now() time.Time { return p.d.clock.read() }

// pass lets time pass while the process waits, and while it is suspended in the middle of a turn.
func (p *process) pass(d time.Duration) {
	w := p.w()
	end := w.now + d + longestSuspension
	for w.pass(d); p.d.suspended && !p.dead && !w.over(); {
		if w.pass(time.Minute); w.now > end {
			w.checks.breaks("every wait ends", "%s is suspended for more than %s", p.d.name, longestSuspension)
		}
	}
}

// longestSuspension is above the time for which a story suspends a daemon.
const longestSuspension = 24 * time.Hour

func (p *process) newID() string { return fmt.Sprintf("%c%011x", 'a'+p.d.index, p.ids.next()>>20) }

func (p *process) load(sources inventory.Sources) (inventory.Fleet, []schemas.Finding) {
	fleet, findings, cache := load.FleetWithCache(p.loaded, sources, ignition.Checker{})
	p.loaded = cache
	for _, finding := range findings {
		if schemas.Fatal([]schemas.Finding{finding}) {
			p.w().say("%s refuses %.8s: %v", p.d.name, sources.Trunk.Commit, finding)
			break
		}
	}
	return load.ApplyEraseRules(fleet, load.EraseRules{Reinstall: p.w().people.reinstall, TwoSigners: p.w().releases.needTwo()}), findings
}

// suspend stops the daemon's machine, or its process, with its memory.
func (d *daemon) suspend() { d.suspended, d.frozenAt, d.frozen = true, d.w.now, -d.clock.wall() }

// resumeAgain lets a suspended daemon go on.
func (d *daemon) resumeAgain() {
	if !d.suspended {
		return
	}
	d.suspended, d.resumed = false, d.w.now
	d.frozen += d.clock.wall()
	d.w.checks.deaf = append(d.w.checks.deaf, absence{d.name, d.frozenAt, d.w.now})
}

// call is the beginning of every call of a port: a dead process does nothing more.
func (p *process) call() error {
	if p.dead {
		return errDead
	}
	return nil
}

// crashes reports whether the process dies at this effect, and counts the effect. Call it before and after an effect.
func (p *process) crashes() bool {
	d := p.d
	if p.dead {
		return true
	}
	d.effects++
	if d.crashAt == 0 || d.effects < d.crashAt {
		return false
	}
	d.crashAt = 0
	p.w().reach(crashAtEffect)
	p.w().say("%s dies at an effect", d.name)
	p.die()
	return true
}

// die ends the process at once. It starts again some time later.
func (p *process) die() {
	if p.dead {
		return
	}
	p.dead = true
	p.cancel()
	p.hangUp()
	p.due.cancel()
	if p.d.proc == p {
		p.d.proc, p.d.stopped = nil, p.w().now
		p.w().after(p.d.dice.between(time.Second, 2*time.Minute), p.d.start)
	}
}

// notify is the hub's word that something about a host is new.
func (p *process) notify(host string) {
	if p.loop != nil {
		p.loop.RequestLook(inventory.MachineID(host))
	}
	p.wake(0)
	p.w().wakeAgent(host)
}

// wakeAgent ends the long poll of a host's agent.
func (w *world) wakeAgent(host string) {
	for _, m := range w.machines {
		if m.agent != nil && m.agent.config.Host == host {
			m.agent.wake()
		}
	}
}

// wake has the process look for something to do after a time.
func (p *process) wake(wait time.Duration) {
	at := p.w().now + wait
	if p.dead || p.due != nil && !p.due.off && p.due.at <= at {
		return
	}
	p.due.cancel()
	p.due = p.w().after(wait, p.turn)
}

// turn lets the loop do one thing.
func (p *process) turn() {
	switch {
	case p.dead, p.busy:
		return
	case p.d.suspended:
		return
	}
	p.busy = true
	done, next, err := p.loop.Turn(p.ctx)
	p.busy = false
	switch {
	case p.dead:
		return
	case err != nil:
		p.ended = err
		p.w().say("%s ends: %v", p.d.name, err)
		p.die()
	case done:
		p.w().step()
		p.w().checks.turnEnds(p)
		p.wake(time.Millisecond)
	case !next.IsZero():
		wait := time.Duration(float64(next.Sub(p.now())) / p.d.clock.rate)
		p.wake(max(wait, time.Millisecond))
	}
}

// serve answers a call of a machine.
func (p *process) serve(w http.ResponseWriter, r *http.Request) {
	if p.dead {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if r.URL.Path == wire.PathNextJob || strings.HasSuffix(r.URL.Path, "/leave") {
		cancel() // nobody waits: the world wakes long polls
	}
	p.hub.ServeHTTP(w, r.WithContext(ctx))
}

// countedSource notes what the loop was given.
type countedSource struct {
	p *process
	reconcile.Source
}

// Latest implements reconcile.Source.
func (s *countedSource) Latest(ctx context.Context) (inventory.Sources, error) {
	if err := s.p.call(); err != nil {
		return inventory.Sources{}, err
	}
	sources, err := s.Source.Latest(ctx)
	s.p.asked = s.p.w().now
	if err == nil {
		s.p.given = sources.Trunk.Commit
	}
	return sources, err
}

// imageShelf has every image.
type imageShelf struct{}

type openImage struct{ *bytes.Reader }

func (openImage) Close() error { return nil }

var imageBytes = bytes.Repeat([]byte("an operating system"), 40)

// Open implements hub.Images.
func (imageShelf) Open(string) (io.ReadSeekCloser, int64, error) {
	return openImage{bytes.NewReader(imageBytes)}, int64(len(imageBytes)), nil
}

// medium is a boot medium that a process serves.
type medium struct {
	url    string
	config wire.BootConfig
	reads  int
	last   time.Time
}

func (p *process) serveMedium(url string) (wire.BootConfig, bool) {
	if p.dead {
		return wire.BootConfig{}, false
	}
	for host, m := range p.media {
		if m.url == url {
			m.reads++
			m.last = p.now()
			p.media[host] = m
			return m.config, true
		}
	}
	return wire.BootConfig{}, false
}

// noteEffect counts a change that a process made outside.
func (d *daemon) noteEffect(kind string) {
	if d.changes++; kind != "push" {
		d.w.changes++
	}
}
