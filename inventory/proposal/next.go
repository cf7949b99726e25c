package proposal

import "github.com/gitmetal/ingot/inventory/discovery"

// Seen is what is known of a record's proposal before a step.
type Seen struct {
	Proposal discovery.Proposal // the zero value before the first
	// Tip is the commit of the branch on the server; "" without a branch.
	Tip string
	// Merged says that the trunk has a Host with the record's machine id.
	Merged bool
	// Behind says that the server's trunk has commits that are not accepted yet: one of them may be the merge.
	Behind bool
	// Closed says that the pull request was closed, and not merged.
	Closed bool
	// Asked says that an operator asked for the proposal.
	Asked bool
	// Proposes says that the record is clear, and that the rules propose it.
	Proposes bool
	// Facts is the digest of the record's facts, Files that of the files as they would be pushed now.
	Facts, Files string
}

// Step is what is done for a proposal next.
type Step string

// Steps.
const (
	Nothing  Step = ""
	Push     Step = "Push"     // one commit on the newest trunk, in place of Tip
	Finish   Step = "Finish"   // merged: the daemon's own branch goes
	Decline  Step = "Decline"  // a person said no: the daemon's own branch goes
	Withdraw Step = "Withdraw" // what was proposed is not to be merged any more: branch and pull request go
	Tell     Step = "Tell"     // somebody else pushed there: only a comment says what changed
	Blocked  Step = "Blocked"  // a branch of that name is there, and is not the daemon's
)

// Next decides what is done for a proposal.
//
//	the trunk has the host                                        Finish, once
//	never proposed, withdrawn, declined with other facts, or
//	asked for: and the rules propose it
//	    no branch, or the daemon's own                            Push
//	    somebody else's branch                                    Blocked
//	open: the branch was deleted, or the request closed           Decline; Nothing while the trunk may have the merge
//	open, the tip is the daemon's own
//	    not proposed any more                                     Withdraw
//	    other files                                               Push
//	open, somebody else pushed, other files                       Tell, once
//	anything else                                                 Nothing
func Next(s Seen) Step {
	p := s.Proposal
	isOurs := s.Tip != "" && (s.Tip == p.Tip || s.Tip == p.Next)
	isOpen := p.State == discovery.Open
	wasOpen := isOpen && (p.Tip != "" || p.Next != "" && s.Tip != "")
	isWanted := s.Asked || p.State == "" || p.State == discovery.Withdrawn || isOpen && !wasOpen ||
		p.State == discovery.Declined && p.Facts != s.Facts
	switch {
	case s.Merged && p.State == discovery.Merged && !isOurs:
		return Nothing
	case s.Merged:
		return Finish
	case wasOpen && !s.Asked && (s.Tip == "" || s.Closed):
		if s.Behind { // a branch is deleted, and a request closed, after a merge too
			return Nothing
		}
		return Decline
	case isWanted && !s.Proposes && !isOpen:
		return Nothing
	case isWanted && s.Proposes && s.Tip != "" && !isOurs:
		return Blocked
	case isWanted && s.Proposes:
		return Push
	case !isOpen:
		return Nothing
	case isOurs && !s.Proposes:
		return Withdraw
	case isOurs && p.Files != s.Files:
		return Push
	case !isOurs && p.Files != s.Files && s.Proposes:
		return Tell
	default:
		return Nothing
	}
}
