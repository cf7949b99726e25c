package proposals

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/arrivals"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/forge"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/proposal"
	"github.com/gitmetal/ingot/inventory/rotation"
	"github.com/gitmetal/ingot/inventory/ruleset"
)

// look is what is known before a step.
type look struct {
	trunk  proposal.Trunk
	tip    string // of the branch
	behind bool   // the server's trunk is at another commit than the accepted one
	asked  bool   // by an operator
}

// rendered is a record's proposal as it would be pushed now.
type rendered struct {
	proposal.Proposal
	verdict ruleset.Verdict
	trouble string // why nothing is proposed; "" where something is
	facts   string
	files   string
	secret  string // digest of the Secret
	awaits  bool   // the BMC account that the rules ask for does not hold yet
}

// asksForAccount reports whether a rule asks for an account at the machine's BMC.
func (r rendered) asksForAccount() bool {
	return r.verdict.Credentials != nil && r.verdict.Credentials.Create
}

// keepProposal takes the next step for a record, and the pull request's.
func (p *Proposer) keepProposal(ctx context.Context, id discovery.ID, l look) error {
	r, err := p.config.Records.Get(id)
	if err != nil {
		return err
	}
	before := discovery.Proposal{}
	if r.Proposal != nil {
		before = *r.Proposal
	}
	seen := proposal.Seen{Proposal: before, Tip: l.tip, Behind: l.behind, Asked: l.asked, Facts: r.FactsDigest()}
	if isLost := l.tip == "" && before.Tip != "" || before.State == discovery.Declined; r.Rotation != nil && isLost {
		seen.Asked = true // without the branch the daemon alone knows the password
	}
	if seen.Merged = proposal.IsMerged(r, l.trunk); !seen.Merged {
		merging, err := p.askForge(ctx, r, &seen)
		if err != nil || merging { // the trunk with the host is read soon
			return err
		}
	}
	now := rendered{facts: seen.Facts}
	if isSettled := !seen.Asked && before.State == discovery.Declined && before.Facts == seen.Facts; !seen.Merged && !isSettled {
		if now, err = p.render(r, l.trunk); err != nil {
			return err
		}
		seen.Files, seen.Proposes = now.files, now.trouble == ""
		if r, err = p.noteAccount(r, now); err != nil {
			return err
		}
	}
	return p.takeStep(ctx, proposal.Next(seen), r, l, now)
}

// noteAccount notes in a record whether the rules ask for an account at the machine's BMC.
func (p *Proposer) noteAccount(r discovery.Record, now rendered) (discovery.Record, error) {
	asks := now.trouble == "" && now.asksForAccount()
	if asks == (r.Proposal != nil && r.Proposal.Account) {
		return r, nil
	}
	if err := p.keep(r.ID, func(s *discovery.Proposal) { s.Account = asks }); err != nil {
		return r, err
	}
	return p.config.Records.Get(r.ID)
}

func (p *Proposer) takeStep(ctx context.Context, step proposal.Step, r discovery.Record, l look, now rendered) error {
	before := discovery.Proposal{}
	if r.Proposal != nil {
		before = *r.Proposal
	}
	isOurs := l.tip != "" && (l.tip == before.Tip || l.tip == before.Next)
	switch step {
	case proposal.Push:
		return p.push(ctx, r, l, now)
	case proposal.Finish, proposal.Decline:
		if isOurs {
			if err := p.config.Repo.Withdraw(ctx, string(r.ID), l.tip); err != nil {
				return err
			}
		}
		state := discovery.Merged
		if step == proposal.Decline {
			state = discovery.Declined
		}
		p.config.Log.Info("a proposal ended", "record", r.ID, "state", state)
		return p.keep(r.ID, func(s *discovery.Proposal) { s.State, s.Facts, s.Next, s.Trouble = state, now.facts, "", "" })
	case proposal.Withdraw:
		return p.withdraw(ctx, r, l, now)
	case proposal.Tell:
		return p.tell(ctx, r, now)
	case proposal.Blocked:
		return p.keep(r.ID, func(s *discovery.Proposal) {
			s.Trouble = fmt.Sprintf("branch %s is at %.12s, which is not the daemon's: merge it or delete it", p.branch(r.ID), l.tip)
		})
	default:
		if now.trouble != "" && now.trouble != before.Trouble {
			return p.keep(r.ID, func(s *discovery.Proposal) { s.Trouble = now.trouble })
		}
		if before.State == discovery.Open && isOurs && (before.Pull == 0 || p.accepts(r, now)) {
			return p.openPull(ctx, r.ID, l.tip, now)
		}
		return nil
	}
}

// render makes the proposal of a record.
func (p *Proposer) render(r discovery.Record, trunk proposal.Trunk) (rendered, error) {
	switch {
	case r.Repair != nil:
		return p.renderRepair(r, trunk)
	case r.Rotation != nil:
		return p.renderRotation(*r.Rotation, r.FactsDigest(), trunk), nil
	}
	now := rendered{facts: r.FactsDigest()}
	m := ruleset.Machine{ID: r.ID.Machine(), Facts: r.Facts, Key: r.Key}
	if d := trunk.Fleet.Settings.Discovery; d != nil {
		for _, key := range d.Keys {
			if key.ID == r.Key {
				m.Labels = key.Labels
			}
		}
	}
	if m.Delivery, m.Expected = arrivals.FindExpected(trunk.Fleet.Deliveries, r.Identity, p.config.Now()); m.Delivery != "" && r.Delivery == "" {
		r.Doubts = append(slices.Clone(r.Doubts), "the serial is one of Delivery "+m.Delivery+", by the agent's word alone")
	}
	now.verdict = p.rules.Decide(m)
	switch v := now.verdict; {
	case !r.IsClear():
		now.trouble = "something speaks against the record: `ingot discovered list` says what"
	case len(v.Refused) > 0:
		now.trouble = "refused by " + strings.Join(v.Refused, "; ")
	case len(v.Findings) > 0:
		now.trouble = v.Findings[0].String()
	case len(v.Problems) > 0:
		now.trouble = strings.Join(v.Problems, "; ")
	}
	if now.trouble != "" {
		return now, nil
	}
	now.awaits = p.config.Accounts && now.asksForAccount() && !r.Account.Holds()
	secret, err := p.config.Secret(r)
	if err != nil {
		return now, err
	}
	now.secret = secret.Digest()
	now.Proposal, err = proposal.Render(proposal.Input{Record: r, Verdict: now.verdict, Secret: secret, Signed: p.config.Signed}, trunk)
	now.files = now.digestFiles()
	return now, err
}

// renderRepair makes the proposal of a known machine that came back with another part.
func (p *Proposer) renderRepair(r discovery.Record, trunk proposal.Trunk) (now rendered, err error) {
	now.facts = r.FactsDigest()
	switch {
	case r.Repair.Ended:
		now.trouble = "the machine is as its file says again"
	case !r.Repair.IsOpen():
		now.trouble = strings.Join(r.Repair.Says, "; ")
	default:
		now.Proposal, err = proposal.RenderRepair(*r.Repair, trunk, p.config.Signed)
	}
	if errors.Is(err, proposal.ErrNotRepaired) {
		now.trouble, err = err.Error(), nil
	}
	now.files = now.digestFiles()
	return now, err
}

// renderRotation makes the proposal of a Secret with another password.
func (p *Proposer) renderRotation(r rotation.Rotation, facts string, trunk proposal.Trunk) rendered {
	now := rendered{facts: facts, secret: (&proposal.Secret{Document: []byte(r.Document)}).Digest()}
	switch {
	case r.Ended:
		now.trouble = "nothing is left to change"
	case r.Stage == rotation.Failed:
		now.trouble = r.Error
	default:
		now.Proposal = proposal.RenderRotation(r, trunk, p.config.Signed)
	}
	now.files = now.digestFiles()
	return now
}

// digestFiles is a digest of the files that are pushed; "" without files.
func (r rendered) digestFiles() string {
	parts := []string{}
	for _, path := range slices.Sorted(maps.Keys(r.Files)) {
		parts = append(parts, path, string(r.Files[path]))
	}
	if len(parts) == 0 {
		return ""
	}
	return inventory.Digest(parts...)
}

// push pushes a proposal. The commit is in the record before it is pushed.
func (p *Proposer) push(ctx context.Context, r discovery.Record, l look, now rendered) error {
	p.pushes = append(p.pushes, p.config.Now())
	isNew := r.Proposal == nil || r.Proposal.State != discovery.Open
	tip, err := p.config.Repo.Propose(ctx, gitrepo.Change{Name: string(r.ID), Old: l.tip, Files: now.Files,
		Message: describeCommit(now), Before: func(commit string) error {
			return p.keep(r.ID, func(s *discovery.Proposal) {
				if isNew {
					s.Tip, s.Pull = "", 0
				}
				s.State, s.Next, s.Facts, s.Trouble = discovery.Open, commit, now.facts, ""
			})
		}})
	if err != nil {
		return err
	}
	if err := p.keep(r.ID, func(s *discovery.Proposal) {
		s.Tip, s.Next, s.Files, s.Path, s.Secret = tip, "", now.files, now.Path, now.secret
	}); err != nil {
		return err
	}
	delete(p.closed, r.ID)
	p.config.Log.Info("a machine is proposed", "record", r.ID, "branch", p.branch(r.ID), "file", now.Path)
	return p.openPull(ctx, r.ID, tip, now)
}

func describeCommit(now rendered) string {
	var b strings.Builder
	b.WriteString(now.Title + "\n\n")
	for _, line := range now.Comments {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// withdraw takes back a proposal that must not be merged any more.
func (p *Proposer) withdraw(ctx context.Context, r discovery.Record, l look, now rendered) error {
	if err := p.config.Repo.Withdraw(ctx, string(r.ID), l.tip); err != nil {
		return err
	}
	if p.config.Forge != nil && r.Proposal.Pull != 0 {
		if a := p.config.Forge.ClosePull(ctx, r.Proposal.Pull); a.Err != nil {
			p.logFailure("a pull request is not closed", a.Err) // its branch is gone
		}
	}
	p.config.Log.Warn("a proposal is withdrawn", "record", r.ID, "why", now.trouble)
	return p.keep(r.ID, func(s *discovery.Proposal) {
		s.State, s.Tip, s.Next, s.Pull, s.Trouble = discovery.Withdrawn, "", "", 0, now.trouble
	})
}

// tell says what changed since somebody else pushed to the branch.
func (p *Proposer) tell(ctx context.Context, r discovery.Record, now rendered) error {
	if p.config.Forge != nil && r.Proposal.Pull != 0 {
		text := "Somebody pushed to this branch, so the daemon leaves it alone. By what is known of the machine now, the daemon " +
			"would write:\n\n````yaml\n" + string(now.Files[now.Path]) + "````\n"
		if a := p.config.Forge.Comment(ctx, r.Proposal.Pull, text); a.Err != nil {
			return a.Err
		}
	}
	return p.keep(r.ID, func(s *discovery.Proposal) {
		s.Files = now.files
		s.Trouble = "somebody pushed to the branch, and the daemon would write another file now: `ingot rules test` shows it"
	})
}

// keep changes the proposal of a record.
func (p *Proposer) keep(id discovery.ID, change func(*discovery.Proposal)) error {
	return p.config.Records.Update(id, func(r *discovery.Record) error {
		kept := discovery.Proposal{}
		if r.Proposal != nil {
			kept = *r.Proposal
		}
		change(&kept)
		r.Proposal = &kept
		return nil
	})
}

// branch is the branch of a record's proposal.
func (p *Proposer) branch(id discovery.ID) string {
	return gitrepo.ProposalPrefix(p.config.Path) + string(id)
}

// mustAsk reports whether the forge is to be asked for a record's pull request.
func (p *Proposer) mustAsk(r discovery.Record) bool {
	s := r.Proposal
	return p.config.Forge != nil && s != nil && s.State == discovery.Open && (s.Pull == 0 && s.Tip != "" ||
		s.Pull != 0 && p.config.Now().Sub(p.asked[r.ID]) >= askEvery)
}

// askForge asks for the state of a record's pull request.
func (p *Proposer) askForge(ctx context.Context, r discovery.Record, seen *proposal.Seen) (merging bool, err error) {
	if p.mustAsk(r) && r.Proposal.Pull != 0 {
		pull, a := p.config.Forge.ReadPull(ctx, r.Proposal.Pull)
		if a.Err != nil {
			return false, a.Err
		}
		p.asked[r.ID] = p.config.Now()
		if pull.State == forge.PullMerged {
			return true, nil
		}
		p.closed[r.ID] = pull.State == forge.PullClosed
	}
	seen.Closed = p.closed[r.ID]
	return false, nil
}

// openPull opens the pull request of a branch, or has it say what the branch says; and merges it where a rule and the
// daemon's configuration say so.
func (p *Proposer) openPull(ctx context.Context, id discovery.ID, tip string, now rendered) error {
	if p.config.Forge == nil {
		return nil
	}
	r, err := p.config.Records.Get(id)
	if err != nil {
		return err
	}
	text, number := forge.PullText{Title: now.Title, Body: now.Body}, r.Proposal.Pull
	if number != 0 {
		if a := p.config.Forge.UpdatePull(ctx, number, text); a.Err != nil {
			return a.Err
		}
	} else {
		pull, a := p.config.Forge.OpenPull(ctx, p.branch(id), p.config.Branch, text)
		if a.Err != nil {
			return fmt.Errorf("open a pull request: %w", a.Err)
		}
		number = pull.Number
		p.asked[id] = p.config.Now()
		if err := p.keep(id, func(s *discovery.Proposal) { s.Pull = number }); err != nil {
			return err
		}
	}
	if !p.accepts(r, now) {
		return nil
	}
	merger, _ := p.config.Forge.(Merger)
	p.config.Log.Info("a proposal is merged without a person", "record", id, "rule", now.verdict.Accept)
	if a := merger.MergePull(ctx, number, tip); a.Err != nil {
		return fmt.Errorf("merge the proposal of record %s: %w", id, a.Err)
	}
	return nil
}

// accepts reports whether a proposal is merged without a person.
func (p *Proposer) accepts(r discovery.Record, now rendered) bool {
	_, can := p.config.Forge.(Merger)
	return can && now.verdict.Accept != "" && now.trouble == "" && len(now.Refused) == 0 && !now.awaits && p.config.Accept(r.Key)
}
