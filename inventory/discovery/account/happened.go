package account

import (
	"slices"
	"time"
)

// at is a copy in another stage.
func (a Account) at(stage Stage, now time.Time) *Account {
	a.Stage, a.Since = stage, now
	a.Logins = slices.Clone(a.Logins)
	return &a
}

// fail is a copy that failed with nothing at the BMC but what left says.
func (a Account) fail(now time.Time, problem, text, left string) *Account {
	a.Problem, a.Error, a.Left = problem, text, left
	return a.at(Failed, now)
}

// WithSealed is the account with a new ciphertext.
func (a Account) WithSealed(document string, now time.Time) *Account {
	a.Sealed = document
	return a.at(Sealed, now)
}

// WithPushed is the account once its ciphertext is on the proposal branch.
func (a Account) WithPushed(now time.Time) *Account {
	if a.Before != "" { // a password that the BMC asked to be changed
		return a.at(Changing, now)
	}
	return a.at(Pushed, now)
}

// WithoutPush is the account after its ciphertext cannot be pushed for a reason that time does not mend. order is random.
func (a Account) WithoutPush(text, order string, now time.Time) *Account {
	if a.Before != "" {
		return a.WithUndoing(NoPush, text, order, now)
	}
	return a.fail(now, NoPush, text, "")
}

// WithCreating is the account as it is stored before the agent is told the password for the first time. The agent is
// the one that is told.
func (a Account) WithCreating(agent, order string, now time.Time) *Account {
	a.Agent, a.Order, a.Tested, a.Logins, a.Tried = agent, order, false, nil, time.Time{}
	return a.at(Creating, now)
}

// WithUndoing is the account that the agent shall take away. order is random.
func (a Account) WithUndoing(problem, text, order string, now time.Time) *Account {
	a.Problem, a.Error, a.Order, a.Left = problem, text, order, Unclear
	return a.at(Undoing, now)
}

// Report is what an agent reported, without what is for people only.
type Report struct {
	Order   string
	Problem string // of wire.AccountReport
	Error   string
	Slot    int
	Left    string
	Tested  bool
}

// passwordRefused is wire.AccountPasswordRefused.
const passwordRefused = "PasswordRefused"

// WithReport is the account after the report of its order; nil where the report is of no order that is open. A report
// may come twice.
//
//	stage       report                                            afterwards
//	Surveying   a slot                                            Chosen
//	Surveying   a problem                                         Failed, nothing was changed
//	Creating    done                                              Made
//	Creating    the password is refused, the slot is free         Chosen, with the next form of password; Failed after the last
//	Creating    a problem, the slot is free or was not touched    Failed
//	Creating    a problem, the slot is not free                   Failed, and the ciphertext is kept
//	Undoing     the slot is free                                  Failed with the problem that led here; or Surveying, if
//	                                                              another form of password may help
//	Undoing     a problem                                         Failed with the problem that led here, and what is left
func (a Account) WithReport(r Report, f Fresh, now time.Time) *Account {
	if r.Order == "" || r.Order != a.Order {
		return nil
	}
	switch a.Stage {
	case Surveying:
		if r.Problem != "" || r.Slot < 1 {
			return a.fail(now, r.Problem, r.Error, "")
		}
		a.Slot, a.Problem, a.Error, a.Left = r.Slot, "", "", ""
		return a.at(Chosen, now)
	case Creating:
		if r.Problem == "" {
			a.Tested, a.Problem, a.Error, a.Left = r.Tested, "", "", ""
			return a.at(Made, now)
		}
		if r.Problem == passwordRefused && r.Left == Free && a.Form < LastForm {
			return a.withNextForm(now)
		}
		return a.fail(now, r.Problem, r.Error, r.Left)
	case Undoing:
		if r.Problem == "" || r.Left == Free {
			return a.undone(f, now)
		}
		a.Left = Unclear
		if r.Left != "" {
			a.Left = r.Left
		}
		return a.fail(now, a.Problem, a.Error+"; and it cannot be taken away: "+r.Error, a.Left)
	default:
		return nil
	}
}

// withNextForm is the account with no password, to be made anew with the next form.
func (a Account) withNextForm(now time.Time) *Account {
	a.Form++
	a.Sealed, a.Before, a.Problem, a.Error, a.Left = "", "", "", "", ""
	return a.at(Chosen, now)
}

// undone is the account after its slot was read back as free. A BMC that could not confirm a long password, and refused
// it over the network, may have kept only a part of it.
func (a Account) undone(f Fresh, now time.Time) *Account {
	if a.Problem == LoginRefused && !a.Tested && a.Form == Long {
		next := New(Situation{Address: a.Address, Agent: a.Agent, Now: now}, f) // the old name's logins are used up
		next.Form = a.Form + 1
		return next
	}
	return a.fail(now, a.Problem, a.Error, Free)
}

// WithLogin is the account as it is stored before a login is tried: a daemon that dies in the login has used it up.
func (a Account) WithLogin(now time.Time) *Account {
	a.Logins, a.Tried = append(slices.Clone(a.Logins), now), now
	return &a
}

// Login is how a login ended.
type Login struct {
	Kind        LoginKind
	Error       string // for people
	System      string // URI of the Redfish system
	Fingerprint string
	// Serial and UUID are what the system there shows; "" unless LoggedIn.
	Serial, UUID string
}

// LoginKind is the way in which a login ended.
type LoginKind string

// Kinds of Login.
const (
	LoggedIn   LoginKind = "LoggedIn" // and the machine there has the record's UUID or serial
	Other      LoginKind = "Other"    // and the machine there has neither
	NotLetIn   LoginKind = "NotLetIn" // the credentials were refused
	NoAnswer   LoginKind = "NoAnswer" // no answer, or one that says nothing about the credentials
	MustChange LoginKind = "MustChange"
)

// WithLoginEnd is the account after a login ended. No answer is no failed login.
//
//	end                                        afterwards
//	let in, and it is the machine              Verified
//	let in, and it is another machine          Undoing: the agent is not where it says
//	refused, fewer than MaxLogins              Made, another login later
//	refused, MaxLogins                         Undoing
//	no answer, within AnswerWait               Made, another login later
//	no answer, for longer                      Undoing
//	the password must be changed first         Chosen, for another password
func (a Account) WithLoginEnd(l Login, f Fresh, now time.Time) *Account {
	if a.Stage != Made {
		return nil
	}
	switch l.Kind {
	case LoggedIn:
		a.System, a.Fingerprint, a.Problem, a.Error, a.Left, a.Before = l.System, l.Fingerprint, "", "", "", ""
		return a.at(Verified, now)
	case Other:
		return a.WithUndoing(OtherMachine, l.Error, f.Order, now)
	case MustChange:
		if a.Before != "" {
			return a.WithUndoing(LoginRefused, l.Error, f.Order, now) // it was changed, and is not enough
		}
		a.Before, a.Sealed = a.Sealed, ""
		return a.at(Chosen, now)
	case NotLetIn:
		if len(a.Logins) >= MaxLogins {
			return a.WithUndoing(LoginRefused, l.Error, f.Order, now)
		}
		a.Problem, a.Error = LoginRefused, l.Error
		return &a
	default: // NoAnswer
		if n := len(a.Logins); n > 0 {
			a.Logins = slices.Clone(a.Logins[:n-1])
		}
		if now.Sub(a.Since) >= AnswerWait {
			return a.WithUndoing(NoLogin, l.Error, f.Order, now)
		}
		a.Problem, a.Error = NoLogin, l.Error
		return &a
	}
}

// WithChanged is the account after the BMC took the new password.
func (a Account) WithChanged(now time.Time) *Account {
	a.Logins, a.Tried = nil, time.Time{}
	return a.at(Made, now)
}

// WithDeleted is the account after its deletion over the network, or after the deletion failed: the error is for
// people.
func (a Account) WithDeleted(failed string, now time.Time) *Account {
	if failed == "" {
		a.Problem, a.Error = "", ""
		return a.at(Deleted, now)
	}
	a.Error = failed
	return a.at(Deleting, now)
}
