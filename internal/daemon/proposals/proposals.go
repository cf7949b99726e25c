// Package proposals keeps a branch, and where a forge is configured a pull request, for each discovered machine: from the
// records of package inventory/discovery to what package inventory/proposal renders. The trunk is never written.
//
// Make a Proposer with New and call Run; Proposer.Propose makes one proposal at once. What is done for a proposal decides
// proposal.Next: do not decide here. The state of a proposal is in its record: a daemon that is killed at any moment goes
// on, as a commit is recorded before it is pushed.
package proposals

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gitmetal/ingot/internal/httppost"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/forge"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/proposal"
	"github.com/gitmetal/ingot/inventory/ruleset"
)

// Records are the records of discovered machines; see package inventory/discovery/records.
type Records interface {
	List() []discovery.Record // without facts
	Get(id discovery.ID) (discovery.Record, error)
	Update(id discovery.ID, change func(*discovery.Record) error) error
}

// Repo is the fleet's repository.
type Repo interface {
	ListProposals(ctx context.Context) (tips map[string]string, trunk string, err error)
	Propose(ctx context.Context, c gitrepo.Change) (string, error)
	Withdraw(ctx context.Context, name, old string) error
}

// Forge has pull requests.
type Forge interface {
	OpenPull(ctx context.Context, branch, into string, text forge.PullText) (forge.Pull, httppost.Answer)
	ReadPull(ctx context.Context, number int) (forge.Pull, httppost.Answer)
	UpdatePull(ctx context.Context, number int, text forge.PullText) httppost.Answer
	ClosePull(ctx context.Context, number int) httppost.Answer
	Comment(ctx context.Context, number int, text string) httppost.Answer
}

// Merger merges pull requests without a person.
type Merger interface {
	MergePull(ctx context.Context, number int, head string) httppost.Answer
}

// Config configures a Proposer. Forge, Secret, Accept, Changed, Now and Log may be nil.
type Config struct {
	Records Records
	Repo    Repo
	Forge   Forge
	// Trunk is the accepted fleet; false while none is known.
	Trunk func() (proposal.Trunk, bool)
	// Secret gives the sealed Secret of a record's BMC account; nil for a record without one.
	Secret func(discovery.Record) (*proposal.Secret, error)
	// Accept says whether proposals of an enrolment key may be merged without a person.
	Accept func(key string) bool
	// Accounts says that the daemon makes the BMC accounts that rules ask for. A proposal with such an account is merged
	// without a person only once the account holds.
	Accounts bool
	Branch   string // the trunk's
	Path     string // the fleet's directory in the repository
	Signed   bool   // commits on the trunk must be signed
	// Changed is told after each pass how many proposals wait to be merged.
	Changed func(waiting int)
	Now     func() time.Time
	Log     *slog.Logger
}

// Limits.
const (
	perMinute  = 20              // pushes
	perPass    = 20              // records that are looked at in one pass
	lookEvery  = time.Minute     // when nothing happens
	askEvery   = 2 * time.Minute // the forge, for one pull request
	betweenTwo = time.Second     // passes at least
)

// Proposer makes proposals. Its methods are safe for concurrent use.
type Proposer struct {
	config Config
	wake   chan struct{}

	mu     sync.Mutex
	rules  *ruleset.Set
	commit string                     // of rules
	done   map[discovery.ID]string    // what a record was when nothing was left to do
	asked  map[discovery.ID]time.Time // when the forge was asked for the pull request
	closed map[discovery.ID]bool      // what the forge said
	later  map[discovery.ID]time.Time // when a record whose look failed is looked at again
	pushes []time.Time                // of the last minute
	failed string                     // the last failure in the log
}

// New makes a Proposer; it contacts nobody.
func New(c Config) *Proposer {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Secret == nil {
		c.Secret = func(discovery.Record) (*proposal.Secret, error) { return nil, nil }
	}
	if c.Changed == nil {
		c.Changed = func(int) {}
	}
	if c.Accept == nil {
		c.Accept = func(string) bool { return false }
	}
	return &Proposer{config: c, wake: make(chan struct{}, 1), done: map[discovery.ID]string{},
		asked: map[discovery.ID]time.Time{}, closed: map[discovery.ID]bool{},
		later: map[discovery.ID]time.Time{}}
}

// Wake has Run look at the records soon.
func (p *Proposer) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Count is how many proposals wait to be merged.
func (p *Proposer) Count() (open int) {
	for _, r := range p.config.Records.List() {
		if r.Proposal != nil && r.Proposal.State == discovery.Open && r.Proposal.Tip != "" {
			open++
		}
	}
	return open
}

// Run keeps the proposals until ctx ends.
func (p *Proposer) Run(ctx context.Context) error {
	for {
		wait := p.pass(ctx)
		p.config.Changed(p.Count())
		pause := time.NewTimer(betweenTwo) // whoever wakes the Proposer: each pass asks the repository
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
		timer := time.NewTimer(wait - betweenTwo)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-p.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// pass looks at the records, and gives the time until the next pass.
func (p *Proposer) pass(ctx context.Context) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	records := p.config.Records.List()
	trunk, known := p.config.Trunk()
	if !known || len(records) == 0 {
		return lookEvery
	}
	tips, newest, err := p.config.Repo.ListProposals(ctx)
	if err != nil {
		p.logFailure("the branches of proposals cannot be listed", err)
		return lookEvery
	}
	p.compileRules(trunk)
	p.forgetEnded(records)
	look := look{trunk: trunk, behind: newest != trunk.Fleet.Commit}
	due := p.listDue(records, tips, look)
	for _, r := range due[:min(len(due), perPass)] {
		if wait := p.untilPush(); wait > 0 {
			return wait
		}
		look.tip = tips[string(r.ID)]
		err := p.keepProposal(ctx, r.ID, look)
		switch {
		case errors.Is(err, gitrepo.ErrRaced): // looked at again with the new tip
		case err != nil:
			p.later[r.ID] = p.config.Now().Add(lookEvery)
			p.logFailure("a proposal is not kept up", fmt.Errorf("record %s: %w", r.ID, err))
		default:
			if after, err := p.config.Records.Get(r.ID); err == nil {
				seen := r // what others changed meanwhile, such as a proof, is news
				seen.Proposal = after.Proposal
				p.done[r.ID] = describeLook(seen, tipAfter(r, after, look.tip), look)
			}
		}
	}
	if len(due) > perPass {
		return betweenTwo
	}
	return lookEvery
}

// forgetEnded drops what is remembered of records that ended.
func (p *Proposer) forgetEnded(records []discovery.Record) {
	kept := make(map[discovery.ID]bool, len(records))
	for _, r := range records {
		kept[r.ID] = true
	}
	maps.DeleteFunc(p.done, func(id discovery.ID, _ string) bool { return !kept[id] })
	maps.DeleteFunc(p.asked, func(id discovery.ID, _ time.Time) bool { return !kept[id] })
	maps.DeleteFunc(p.later, func(id discovery.ID, _ time.Time) bool { return !kept[id] })
	maps.DeleteFunc(p.closed, func(id discovery.ID, _ bool) bool { return !kept[id] })
}

// listDue lists the records to look at: those with news, the oldest first, then those whose pull request is asked for.
// A record whose look failed waits, and comes behind the others: it holds no place that they need.
func (p *Proposer) listDue(records []discovery.Record, tips map[string]string, l look) []discovery.Record {
	slices.SortFunc(records, func(a, b discovery.Record) int {
		return cmp.Or(p.later[a.ID].Compare(p.later[b.ID]), a.Registered.Compare(b.Registered), cmp.Compare(a.ID, b.ID))
	})
	now := p.config.Now()
	var news, others []discovery.Record
	for _, r := range records {
		switch {
		case now.Before(p.later[r.ID]):
		case p.done[r.ID] != describeLook(r, tips[string(r.ID)], l):
			news = append(news, r)
		case p.mustAsk(r):
			others = append(others, r)
		}
	}
	return append(news, others...)
}

// tipAfter is the tip of a record's branch after a step, given the tip before: a push has moved it.
func tipAfter(before, after discovery.Record, tip string) string {
	if after.Proposal == nil || after.Proposal.Tip == "" ||
		before.Proposal != nil && before.Proposal.Tip == after.Proposal.Tip {
		return tip
	}
	return after.Proposal.Tip
}

// Propose makes or renews one proposal at once, also one that was declined, and returns when the branch is pushed.
func (p *Proposer) Propose(ctx context.Context, id discovery.ID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	trunk, known := p.config.Trunk()
	if !known {
		return errors.New("no fleet is accepted yet: `ingot status` says why")
	}
	tips, newest, err := p.config.Repo.ListProposals(ctx)
	if err != nil {
		return err
	}
	p.compileRules(trunk)
	if err := p.keepProposal(ctx, id, look{trunk: trunk, tip: tips[string(id)], behind: newest != trunk.Fleet.Commit, asked: true}); err != nil {
		return err
	}
	r, err := p.config.Records.Get(id)
	if err == nil && r.Proposal != nil && r.Proposal.Trouble != "" {
		err = errors.New(r.Proposal.Trouble)
	}
	return err
}

func (p *Proposer) compileRules(trunk proposal.Trunk) {
	if p.rules == nil || p.commit != trunk.Fleet.Commit {
		p.rules, _ = ruleset.Compile(trunk.Fleet.Rules, trunk.Fleet.Secrets) // findings are the commit's
		p.commit = trunk.Fleet.Commit
	}
}

// describeLook is what a look at a record depends on, but for the forge's word.
func describeLook(r discovery.Record, tip string, l look) string {
	r.LastWord, r.Facts = time.Time{}, nil
	body, err := json.Marshal(r)
	if err != nil {
		return "" // looked at each time
	}
	mayBeMerged := l.behind && tip == "" && r.Proposal != nil && r.Proposal.State == discovery.Open
	return inventory.Digest(string(body), tip, l.trunk.Fleet.Commit, strconv.FormatBool(mayBeMerged))
}

// untilPush is how long the next push must wait.
func (p *Proposer) untilPush() time.Duration {
	now := p.config.Now()
	p.pushes = slices.DeleteFunc(p.pushes, func(at time.Time) bool { return now.Sub(at) >= time.Minute })
	if len(p.pushes) < perMinute {
		return 0
	}
	return time.Minute - now.Sub(p.pushes[0])
}

// logFailure logs a failure once, until there is another.
func (p *Proposer) logFailure(what string, err error) {
	if text := err.Error(); text != p.failed {
		p.failed = text
		p.config.Log.Error(what, "error", err)
	}
}
