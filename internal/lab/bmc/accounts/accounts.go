// Package accounts keeps the accounts of a virtual BMC, with Redfish's predefined roles. New makes the list with its
// first administrator; Find checks a login. The package decides who may do what (MayWrite) and does no HTTP.
//
// The list has a fixed number of slots, as the table of users of a real BMC: Redfish and IPMI show the same accounts.
// The account of slot N has the Redfish id N-1, because slot 1 is IPMI's null user, and none of Redfish's.
package accounts

import (
	"maps"
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
	ID, User string
	Role     string // "" may not log in over the network
	Password secret.Value
	Enabled  bool
	// Channels are the IPMI privileges on channels that are no network, by channel.
	Channels map[byte]byte
}

// MayWrite reports whether the account may write the BMC's resources with a privilege.
func (a Account) MayWrite(privilege string) bool {
	return slices.Contains(Privileges(a.Role), privilege)
}

// isEmpty reports whether a slot holds no account.
func (a Account) isEmpty() bool { return a.User == "" }

// Slots of a list.
const (
	FirstSlot = 2 // of the first administrator
	LastSlot  = 16
)

// List holds the accounts. Safe for concurrent use.
type List struct {
	mu    sync.Mutex
	slots [LastSlot + 1]Account // by slot; 0 and 1 are not used
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
	for _, a := range l.slots {
		if !a.isEmpty() && a.User == user && a.Enabled && a.Role != "" && !a.Password.Empty() &&
			a.Password.Equal(secret.New(password)) {
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
		return l.slots[i], true
	}
	return Account{}, false
}

// At gives what is in a slot: an account without a name where the slot is empty.
func (l *List) At(slot int) Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slots[slot]
}

// IDs are the ids of all accounts, in the order of the slots.
func (l *List) IDs() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.slots {
		if !a.isEmpty() {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// Add adds an account in the first empty slot; false if there is the user already, or no slot is empty.
func (l *List) Add(a Account) (Account, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.ContainsFunc(l.slots[:], func(known Account) bool { return known.User == a.User }) {
		return Account{}, false
	}
	for slot := FirstSlot; slot <= LastSlot; slot++ {
		if l.slots[slot].isEmpty() {
			a.ID = idOf(slot)
			l.slots[slot] = a
			return a, true
		}
	}
	return Account{}, false
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
	return l.change(i, change)
}

// ChangeSlot is Change by the slot, which may be empty.
func (l *List) ChangeSlot(slot int, change func(*Account) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, changed := l.change(slot, change)
	return changed
}

// change changes a slot. The caller holds the lock.
func (l *List) change(slot int, change func(*Account) bool) (Account, bool) {
	next := l.slots[slot]
	next.Channels = maps.Clone(next.Channels)
	if !change(&next) {
		return Account{}, false
	}
	next.ID = idOf(slot)
	l.slots[slot] = next
	return next, true
}

// Delete deletes the account with an id if may says so, which sees the account as it is; false if nothing was deleted.
func (l *List) Delete(id string, may func(Account) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.index(id)
	if i < 0 || !may(l.slots[i]) {
		return false
	}
	l.slots[i] = Account{}
	return true
}

// index is the slot of the account with an id, or -1. The caller holds the lock.
func (l *List) index(id string) int {
	return slices.IndexFunc(l.slots[:], func(a Account) bool { return !a.isEmpty() && a.ID == id })
}

func idOf(slot int) string { return strconv.Itoa(slot - 1) }
