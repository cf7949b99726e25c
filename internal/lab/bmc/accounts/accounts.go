// Package accounts keeps the accounts of a virtual BMC, with Redfish's predefined roles. New makes the list with its
// first administrator; Find checks a login. The package decides who may do what (MayWrite) and does no HTTP.
package accounts

import (
	"slices"
	"strconv"
	"sync"

	"github.com/gitmetal/ingot/internal/secret"
)

// Predefined roles of DSP0266, 13.2.8.
const (
	Administrator = "Administrator"
	Operator      = "Operator"
	ReadOnly      = "ReadOnly"
)

// Roles are the predefined roles; no other role can be made.
var Roles = []string{Administrator, Operator, ReadOnly}

// Privileges are what a role may do.
func Privileges(role string) []string {
	switch role {
	case Administrator:
		return []string{"Login", "ConfigureManager", "ConfigureUsers", "ConfigureComponents", "ConfigureSelf"}
	case Operator:
		return []string{"Login", "ConfigureComponents", "ConfigureSelf"}
	case ReadOnly:
		return []string{"Login", "ConfigureSelf"}
	default:
		return nil
	}
}

// Account is one account.
type Account struct {
	ID, User, Role string
	Password       secret.Value
	Enabled        bool
}

// MayWrite reports whether the account may write the BMC's resources with a privilege.
func (a Account) MayWrite(privilege string) bool {
	return slices.Contains(Privileges(a.Role), privilege)
}

// List holds the accounts. Safe for concurrent use.
type List struct {
	mu       sync.Mutex
	accounts []Account
	made     int
}

// New is a list with one administrator, account 1.
func New(user string, password secret.Value) *List {
	l := &List{}
	l.Add(Account{User: user, Password: password, Role: Administrator, Enabled: true})
	return l
}

// Find gives the enabled account of a user with a password.
func (l *List) Find(user, password string) (Account, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.accounts {
		if a.User == user && a.Enabled && a.Password.Equal(secret.New(password)) {
			return a, true
		}
	}
	return Account{}, false
}

// Get gives the account with an id.
func (l *List) Get(id string) (Account, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.index(id); i >= 0 {
		return l.accounts[i], true
	}
	return Account{}, false
}

// IDs are the ids of all accounts, in the order of their making.
func (l *List) IDs() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.accounts {
		ids = append(ids, a.ID)
	}
	return ids
}

// Add adds an account under a new id; false if there is the user already.
func (l *List) Add(a Account) (Account, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.ContainsFunc(l.accounts, func(known Account) bool { return known.User == a.User }) {
		return Account{}, false
	}
	l.made++
	a.ID = strconv.Itoa(l.made)
	l.accounts = append(l.accounts, a)
	return a, true
}

// Change changes the account with an id as change does, which sees the account as it is: no other change happens
// between. The account stays as it was where change returns false.
func (l *List) Change(id string, change func(*Account) bool) (Account, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.index(id)
	if i < 0 {
		return Account{}, false
	}
	next := l.accounts[i]
	if !change(&next) {
		return Account{}, false
	}
	next.ID = id
	l.accounts[i] = next
	return next, true
}

// Delete deletes the account with an id if may says so, which sees the account as it is; false if nothing was deleted.
func (l *List) Delete(id string, may func(Account) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.index(id)
	if i < 0 || !may(l.accounts[i]) {
		return false
	}
	l.accounts = slices.Delete(l.accounts, i, i+1)
	return true
}

func (l *List) index(id string) int {
	return slices.IndexFunc(l.accounts, func(a Account) bool { return a.ID == id })
}
