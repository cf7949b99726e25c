package account

import "time"

// Situation is what the daemon knows beside the account.
type Situation struct {
	// Asked says that a rule asks for an account, and that the daemon's configuration allows it.
	Asked bool
	// Clear says that nothing speaks against the record: no conflict, no second agent, and no host of the fleet with the
	// BMC's address.
	Clear    bool
	Declined bool   // the proposal was declined, or the record is to be forgotten
	Merged   bool   // the fleet has the host: nothing more can be proposed
	Address  string // the BMC's IP address, as the agent found it; "" unknown
	Agent    string // key of the record's agent
	Live     bool   // the agent spoke lately
	Now      time.Time
}

// Do is what is due for an account.
type Do string

// What may be due.
const (
	Nothing Do = ""
	Begin   Do = "Begin"  // make an account with a name, and store it: New
	Forget  Do = "Forget" // drop the account from the record: there is none at the BMC
	Seal    Do = "Seal"   // make a password, encrypt it, store it: Account.WithSealed
	Push    Do = "Push"   // push the ciphertext, then Account.WithPushed
	Tell    Do = "Tell"   // answer the waiting agent with an order
	Undo    Do = "Undo"   // Account.WithUndoing, then Tell
	LogIn   Do = "LogIn"  // log in over the network
	Change  Do = "Change" // change the password over the network, then Account.WithChanged
	Delete  Do = "Delete" // delete the account over the network
)

// Next says what is due, and when to look again if time alone makes something due.
//
//	stage                  situation                                         due
//	none                   asked, clear, not merged, live agent, address     Begin
//	Surveying              asked and clear, not merged; or not               Tell; Forget
//	Chosen, Sealed         asked and clear; or not                           Seal, Push; Forget, or Undo with Before
//	Pushed                 asked and clear; or not                           Tell (Creating is stored first); Forget
//	Creating               asked, clear, the same agent; or not              Tell; Undo
//	Made                   asked, clear, the same agent, a login left; not   LogIn; Undo
//	Changing               as Made                                           Change
//	Undoing                                                                  Tell
//	Verified               declined                                          Delete
//	Deleting                                                                 Delete, every hour
//	Failed, Deleted                                                          nothing
func (a *Account) Next(s Situation) (do Do, after time.Duration) {
	wanted := s.Asked && s.Clear && !s.Declined
	if a == nil || a.Stage == "" {
		if wanted && !s.Merged && s.Live && s.Address != "" {
			return Begin, 0
		}
		return Nothing, 0
	}
	sameAgent := a.Agent == s.Agent && s.Agent != ""
	switch a.Stage {
	case Surveying:
		return either(wanted && !s.Merged, Tell, Forget), 0
	case Chosen, Sealed:
		return a.nextPassword(wanted, sameAgent), 0
	case Pushed:
		return either(wanted, Tell, Forget), 0
	case Creating:
		return either(wanted && sameAgent, Tell, Undo), 0
	case Made:
		return a.nextLogin(wanted && sameAgent, s.Now)
	case Changing:
		return either(wanted && sameAgent, Change, Undo), 0
	case Undoing:
		return Tell, 0
	case Verified:
		return either(s.Declined, Delete, Nothing), 0
	case Deleting:
		return Delete, 0
	default: // Failed, Deleted, and a newer ingot's stages
		return Nothing, 0
	}
}

func either(condition bool, yes, no Do) Do {
	if condition {
		return yes
	}
	return no
}

// nextPassword makes a password, and pushes it. With Before, an account is at the BMC already.
func (a *Account) nextPassword(wanted, sameAgent bool) Do {
	switch {
	case a.Before != "" && (!wanted || !sameAgent):
		return Undo
	case !wanted:
		return Forget
	case a.Stage == Chosen:
		return Seal
	default:
		return Push
	}
}

// nextLogin spaces the logins: at most MaxLogins are refused, LoginPause apart, one at a time.
func (a *Account) nextLogin(wanted bool, now time.Time) (Do, time.Duration) {
	if !wanted || len(a.Logins) >= MaxLogins { // a daemon died in the last login
		return Undo, 0
	}
	if wait := a.Tried.Add(LoginPause).Sub(now); wait > 0 {
		return Nothing, min(wait, LoginPause)
	}
	return LogIn, 0
}

// Fresh are random values, for what an event may begin.
type Fresh struct {
	Name  string // "ingot-" and 6 hex digits
	Order string // id of an agent's order
}

// New is a new account in the stage Surveying.
func New(s Situation, f Fresh) *Account {
	return &Account{Stage: Surveying, Address: s.Address, Name: f.Name, Agent: s.Agent, Order: f.Order, Since: s.Now}
}

// Retry is a failed account begun anew, on an operator's word or for another agent; nil where that cannot be done.
// Where a slot was left with our name, the slot is undone first.
func (a *Account) Retry(s Situation, f Fresh) *Account {
	switch {
	case a == nil || a.Stage != Failed:
		return nil
	case a.Left == Free || a.Left == "":
		return New(s, f)
	}
	next := *a
	next.Stage, next.Order, next.Since, next.Agent = Undoing, f.Order, s.Now, s.Agent
	return &next
}
