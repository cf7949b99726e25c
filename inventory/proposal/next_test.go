package proposal_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/proposal"
)

// TestNext is the table of Next.
func TestNext(t *testing.T) {
	t.Parallel()
	open := discovery.Proposal{State: discovery.Open, Tip: "t1", Facts: "f1", Files: "x1"}
	with := func(p discovery.Proposal, state discovery.ProposalState) discovery.Proposal {
		p.State = state
		return p
	}
	pushing := discovery.Proposal{State: discovery.Open, Tip: "t1", Next: "t2", Facts: "f1", Files: "x1"}
	first := discovery.Proposal{State: discovery.Open, Next: "t1", Facts: "f1"}
	for name, test := range map[string]struct {
		seen proposal.Seen
		want proposal.Step
	}{
		"new":                                       {proposal.Seen{Proposes: true}, proposal.Push},
		"new, refused by a rule":                    {proposal.Seen{}, proposal.Nothing},
		"new, a branch is there":                    {proposal.Seen{Proposes: true, Tip: "zz"}, proposal.Blocked},
		"merged":                                    {proposal.Seen{Proposal: open, Tip: "t1", Merged: true}, proposal.Finish},
		"merged, and told so":                       {proposal.Seen{Proposal: with(open, discovery.Merged), Merged: true}, proposal.Nothing},
		"merged, the branch is still there":         {proposal.Seen{Proposal: with(open, discovery.Merged), Merged: true, Tip: "t1"}, proposal.Finish},
		"merged after edits of a person":            {proposal.Seen{Proposal: open, Tip: "zz", Merged: true}, proposal.Finish},
		"merged by hand, never proposed":            {proposal.Seen{Merged: true}, proposal.Finish},
		"open, the same":                            {proposal.Seen{Proposal: open, Tip: "t1", Proposes: true, Facts: "f1", Files: "x1"}, proposal.Nothing},
		"open, other files":                         {proposal.Seen{Proposal: open, Tip: "t1", Proposes: true, Facts: "f2", Files: "x2"}, proposal.Push},
		"open, killed behind the push":              {proposal.Seen{Proposal: pushing, Tip: "t2", Proposes: true, Files: "x2"}, proposal.Push},
		"open, killed before the push":              {proposal.Seen{Proposal: pushing, Tip: "t1", Proposes: true, Files: "x2"}, proposal.Push},
		"the first push, killed before":             {proposal.Seen{Proposal: first, Proposes: true, Files: "x1"}, proposal.Push},
		"the first push, killed behind":             {proposal.Seen{Proposal: first, Tip: "t1", Proposes: true, Files: "x1"}, proposal.Push},
		"open, the branch was deleted":              {proposal.Seen{Proposal: open, Proposes: true, Files: "x2"}, proposal.Decline},
		"open, deleted, perhaps after the merge":    {proposal.Seen{Proposal: open, Proposes: true, Files: "x2", Behind: true}, proposal.Nothing},
		"open, closed, perhaps after the merge":     {proposal.Seen{Proposal: open, Tip: "t1", Closed: true, Behind: true, Proposes: true, Files: "x1"}, proposal.Nothing},
		"open, other files, the trunk is behind":    {proposal.Seen{Proposal: open, Tip: "t1", Behind: true, Proposes: true, Files: "x2"}, proposal.Push},
		"open, the request was closed":              {proposal.Seen{Proposal: open, Tip: "t1", Closed: true, Proposes: true, Files: "x1"}, proposal.Decline},
		"open, closed after edits of a person":      {proposal.Seen{Proposal: open, Tip: "zz", Closed: true, Proposes: true}, proposal.Decline},
		"open, now in conflict":                     {proposal.Seen{Proposal: open, Tip: "t1", Files: ""}, proposal.Withdraw},
		"open, edits of a person, now in conflict":  {proposal.Seen{Proposal: open, Tip: "zz", Files: ""}, proposal.Nothing},
		"open, edits of a person":                   {proposal.Seen{Proposal: open, Tip: "zz", Proposes: true, Files: "x1"}, proposal.Nothing},
		"open, edits of a person, other files":      {proposal.Seen{Proposal: open, Tip: "zz", Proposes: true, Files: "x2"}, proposal.Tell},
		"declined":                                  {proposal.Seen{Proposal: with(open, discovery.Declined), Proposes: true, Facts: "f1", Files: "x2"}, proposal.Nothing},
		"declined, other facts":                     {proposal.Seen{Proposal: with(open, discovery.Declined), Proposes: true, Facts: "f2"}, proposal.Push},
		"declined, other facts, branch of a person": {proposal.Seen{Proposal: with(open, discovery.Declined), Proposes: true, Facts: "f2", Tip: "zz"}, proposal.Blocked},
		"declined, asked for":                       {proposal.Seen{Proposal: with(open, discovery.Declined), Asked: true, Proposes: true, Facts: "f1"}, proposal.Push},
		"declined, asked for, refused by a rule":    {proposal.Seen{Proposal: with(open, discovery.Declined), Asked: true}, proposal.Nothing},
		"open, asked for over a person's edits":     {proposal.Seen{Proposal: open, Tip: "zz", Asked: true, Proposes: true}, proposal.Blocked},
		"withdrawn, clear again":                    {proposal.Seen{Proposal: with(open, discovery.Withdrawn), Proposes: true, Facts: "f1"}, proposal.Push},
	} {
		if got := proposal.Next(test.seen); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
