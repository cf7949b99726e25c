// Package logins holds the one budget of failed logins for each account of a BMC. A BMC locks an account after some
// refused logins, over whichever service they came; so every service that the daemon logs in to asks here first:
// Redfish and the serial console over SSH.
//
// A password that Redfish refused is tried nowhere. One that the console refused may be right: the account may only not
// be allowed to use SSH. So the console never takes the last login of the budget, and Redfish still tries the password.
//
// Ask Until before a login, and tell Refused or Accepted afterwards. A login without an answer is no failed login: tell
// nothing. The budget is the process's, and is kept in memory only, with a keyed digest in place of each password.
package logins

import (
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/schemas"
)

// Limits of an account.
const (
	// SamePassword is how long a password that was refused is not tried again.
	SamePassword = 20 * time.Minute
	// Most is how many refused logins there may be within Window, whatever the password.
	Most   = 3
	Window = time.Hour
)

// Account is an account of a BMC. Host is the host with the port of the Redfish service, for all services of the BMC.
type Account struct{ Host, User string }

// AccountAt is the account at the BMC of an address, as spec.bmc.address spells it.
func AccountAt(address, user string) Account {
	return Account{Host: schemas.BMC{Address: address}.Service(), User: user}
}

// Service is a way to log in.
type Service int

// Services.
const (
	Redfish Service = iota
	Console
)

// account is what is known of an Account.
type account struct {
	refused   []time.Time // within Window, oldest first
	passwords map[password]time.Time
}

// password is a password that a service refused.
type password struct {
	service Service
	digest  [sha256.Size]byte
}

var budget = struct {
	sync.Mutex
	accounts map[Account]*account
	salt     string
}{accounts: map[Account]*account{}, salt: rand.Text()}

func digest(password secret.Value) [sha256.Size]byte {
	return sha256.Sum256([]byte(budget.salt + "\x00" + password.Reveal()))
}

// Until is when a password may be tried over a service; the zero time means now.
func Until(a Account, service Service, tried secret.Value, now time.Time) time.Time {
	budget.Lock()
	defer budget.Unlock()
	found, most := known(a, now), Most
	until := found.passwords[password{Redfish, digest(tried)}]
	if service == Console {
		most = Most - 1
		until = later(until, found.passwords[password{Console, digest(tried)}])
	}
	return future(later(until, found.fullUntil(most)), now)
}

// UntilNew is Until over Redfish for an account that was just made: the same password may be tried again, because a BMC
// takes its time to let a new account in. Its caller spaces the logins.
func UntilNew(a Account, now time.Time) time.Time {
	budget.Lock()
	defer budget.Unlock()
	return future(known(a, now).fullUntil(Most), now)
}

// fullUntil is when fewer than most logins were refused within Window.
func (a *account) fullUntil(most int) time.Time {
	if len(a.refused) < most {
		return time.Time{}
	}
	return a.refused[len(a.refused)-most].Add(Window)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func future(at, now time.Time) time.Time {
	if at.After(now) {
		return at
	}
	return time.Time{}
}

// known gives what is known of an account, without what is over. The caller holds the lock.
func known(a Account, now time.Time) *account {
	found := budget.accounts[a]
	if found == nil {
		return &account{passwords: map[password]time.Time{}}
	}
	found.refused = slices.DeleteFunc(found.refused, func(at time.Time) bool { return !at.Add(Window).After(now) })
	maps.DeleteFunc(found.passwords, func(_ password, until time.Time) bool { return !until.After(now) })
	if len(found.refused) == 0 && len(found.passwords) == 0 {
		delete(budget.accounts, a)
	}
	return found
}

// Refused counts a refused login.
func Refused(a Account, service Service, tried secret.Value, now time.Time) {
	budget.Lock()
	defer budget.Unlock()
	found := known(a, now)
	found.refused = append(found.refused, now)
	found.passwords[password{service, digest(tried)}] = now.Add(SamePassword)
	budget.accounts[a] = found
}

// Accepted ends the count: the BMC counts from the start, too.
func Accepted(a Account) {
	budget.Lock()
	defer budget.Unlock()
	delete(budget.accounts, a)
}
