package bmc

import (
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc/accounts"
	"github.com/gitmetal/ingot/internal/lab/bmc/document"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
)

type session struct {
	id      string
	account string
	user    string
}

// openPaths are the resources that need no credentials, by method: DSP0266, 13.3.
var openPaths = map[string][]string{
	http.MethodGet: {"/redfish", document.Root, document.OData, document.Metadata},
	// HEAD of the root is as open as GET
	http.MethodHead: {"/redfish", document.Root, document.OData, document.Metadata},
	http.MethodPost: {document.Sessions, document.Sessions + "/Members"},
}

// checkCredentials admits a request that needs no credentials, or carries good credentials with the privilege for the
// request; it answers 401 or 403 otherwise.
func (b *BMC) checkCredentials(w http.ResponseWriter, r *http.Request) bool {
	if slices.Contains(openPaths[r.Method], r.URL.Path) {
		return true
	}
	who, known := b.findRequester(r)
	if !known {
		w.Header().Set("WWW-Authenticate", `Basic realm="BMC"`)
		sendJSON(w, http.StatusUnauthorized, document.NewError("NoValidSession", "valid credentials are needed", ""))
		return false
	}
	if b.refuseUntilChanged(w, r, who) {
		return false
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !reads && !b.mayWrite(who, r) {
		sendJSON(w, http.StatusForbidden,
			document.NewError("InsufficientPrivilege", "the account may not do this", ""))
		return false
	}
	return true
}

// refuseUntilChanged refuses an account that must change its password first, but for that change (DSP0266, 13.3.7).
func (b *BMC) refuseUntilChanged(w http.ResponseWriter, r *http.Request, who accounts.Account) bool {
	own := document.Accounts + "/" + who.ID
	faults := b.currentFaults()
	if faults.MustChange == "" || faults.MustChange != who.User || r.Method == http.MethodDelete {
		return false
	}
	if r.URL.Path == own && r.Method == http.MethodPatch {
		b.Inject(func(f *Faults) { f.MustChange = "" })
		return false
	}
	b.meetFault("MustChange", true)
	sendJSON(w, http.StatusForbidden,
		document.NewError("PasswordChangeRequired", "the password must be changed first", own))
	return true
}

// findRequester gives the account that a request is from.
func (b *BMC) findRequester(r *http.Request) (accounts.Account, bool) {
	if token := r.Header.Get("X-Auth-Token"); token != "" {
		b.mu.Lock()
		open, known := b.sessions[token]
		b.mu.Unlock()
		if !known {
			return accounts.Account{}, false
		}
		who, found := b.accounts.Get(open.account)
		return who, found && who.Enabled && who.User == open.user // another account may have the slot now
	}
	user, password, given := r.BasicAuth()
	if !given {
		return accounts.Account{}, false
	}
	return b.checkLogin(user, password)
}

// checkLogin checks a name and a password and counts refusals.
func (b *BMC) checkLogin(user, password string) (accounts.Account, bool) {
	who, good := b.accounts.Find(user, password)
	b.mu.Lock()
	defer b.mu.Unlock()
	locked := b.faults.LockOutAfter > 0 && b.refused >= b.faults.LockOutAfter
	if good && !locked && !b.faults.RefuseLogin {
		b.refused = 0
		return who, true
	}
	if locked {
		b.log.CountFault("LockOutAfter")
	}
	if b.faults.RefuseLogin {
		b.log.CountFault("RefuseLogin")
	}
	b.refused++
	b.recordOp(oplog.LoginRefused, "")
	return accounts.Account{}, false
}

func (b *BMC) postSession(w http.ResponseWriter, r *http.Request) {
	if b.meetFault("NoSessions", b.currentFaults().NoSessions) {
		sendJSON(w, http.StatusMethodNotAllowed,
			document.NewError("OperationNotAllowed", "sessions are not offered", ""))
		return
	}
	var want struct{ UserName, Password string }
	if !decodeBody(w, r, &want) {
		return
	}
	who, good := b.checkLogin(want.UserName, want.Password)
	if !good {
		sendJSON(w, http.StatusUnauthorized,
			document.NewError("ResourceAtUriUnauthorized", "the user name or the password is wrong", ""))
		return
	}
	id, token, free := b.openSession(who)
	if !free {
		sendJSON(w, http.StatusServiceUnavailable,
			document.NewError("SessionLimitExceeded", "the session limit is reached", ""))
		return
	}
	w.Header().Set("X-Auth-Token", token)
	w.Header().Set("Location", document.Sessions+"/"+id)
	sendJSON(w, http.StatusCreated, document.NewSession(id, who.User))
}

func (b *BMC) openSession(who accounts.Account) (id, token string, free bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.sessions) >= b.config.Sessions {
		return "", "", false
	}
	b.serial++
	id, token = strconv.Itoa(b.serial), rand.Text()
	b.sessions[token] = session{id: id, account: who.ID, user: who.User}
	b.recordOp(oplog.Login, "")
	return id, token, true
}

// sessionIDs lists the open sessions in order.
func (b *BMC) sessionIDs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for open := range maps.Values(b.sessions) {
		ids = append(ids, open.id)
	}
	slices.SortFunc(ids, func(a, c string) int { return len(a) - len(c) + strings.Compare(a, c) })
	return ids
}

// ownsSession reports whether a session was opened by an account.
func (b *BMC) ownsSession(who accounts.Account, id string) bool {
	open, found := b.findSession(id)
	return found && open.account == who.ID
}

func (b *BMC) findSession(id string) (session, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for open := range maps.Values(b.sessions) {
		if open.id == id {
			return open, true
		}
	}
	return session{}, false
}

func (b *BMC) getSession(w http.ResponseWriter, r *http.Request) {
	open, found := b.findSession(r.PathValue("id"))
	if !found {
		sendMissing(w, r)
		return
	}
	who, _ := b.accounts.Get(open.account)
	b.sendDocument(w, r, document.NewSession(open.id, who.User))
}

func (b *BMC) deleteSession(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for token, open := range b.sessions {
		if open.id == r.PathValue("id") {
			delete(b.sessions, token)
			b.recordOp(oplog.Logout, "")
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	sendMissing(w, r)
}
