package bmc

import (
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
	"github.com/gitmetal/ingot/internal/secret"
)

type session struct {
	id string
}

// checkCredentials admits a request that needs no credentials or carries good credentials, and answers 401 otherwise.
func (b *BMC) checkCredentials(w http.ResponseWriter, r *http.Request) bool {
	open := r.URL.Path == document.Root && r.Method == http.MethodGet || r.URL.Path == "/redfish" ||
		r.URL.Path == document.Sessions && r.Method == http.MethodPost
	if open || b.hasCredentials(r) {
		return true
	}
	sendJSON(w, http.StatusUnauthorized, document.NewError("NoValidSession", "valid credentials are needed", ""))
	return false
}

func (b *BMC) hasCredentials(r *http.Request) bool {
	if token := r.Header.Get("X-Auth-Token"); token != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		_, known := b.sessions[token]
		return known
	}
	user, password, given := r.BasicAuth()
	return given && b.checkLogin(user, password)
}

// checkLogin checks a name and a password and counts refusals.
func (b *BMC) checkLogin(user, password string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	locked := b.faults.LockOutAfter > 0 && b.refused >= b.faults.LockOutAfter
	good := user == b.config.Username && b.password.Equal(secret.New(password))
	if good && !locked && !b.faults.RefuseLogin {
		b.refused = 0
		return true
	}
	if locked {
		b.log.CountFault("LockOutAfter")
	}
	if b.faults.RefuseLogin {
		b.log.CountFault("RefuseLogin")
	}
	b.refused++
	b.recordOp(oplog.LoginRefused, "")
	return false
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
	if !b.checkLogin(want.UserName, want.Password) {
		sendJSON(w, http.StatusUnauthorized,
			document.NewError("ResourceAtUriUnauthorized", "the user name or the password is wrong", ""))
		return
	}
	id, token, free := b.openSession()
	if !free {
		sendJSON(w, http.StatusServiceUnavailable,
			document.NewError("SessionLimitExceeded", "the session limit is reached", ""))
		return
	}
	w.Header().Set("X-Auth-Token", token)
	w.Header().Set("Location", document.Sessions+"/"+id)
	sendJSON(w, http.StatusCreated, document.NewSession(id, b.config.Username))
}

func (b *BMC) openSession() (id, token string, free bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.sessions) >= b.config.Sessions {
		return "", "", false
	}
	b.serial++
	id, token = strconv.Itoa(b.serial), rand.Text()
	b.sessions[token] = session{id: id}
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

func (b *BMC) getSession(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !slices.Contains(b.sessionIDs(), id) {
		sendJSON(w, http.StatusNotFound, document.NewError("ResourceMissingAtURI", "there is no session "+id, ""))
		return
	}
	b.sendDocument(w, r, document.NewSession(id, b.config.Username))
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
	sendJSON(w, http.StatusNotFound, document.NewError("ResourceMissingAtURI", "there is no such session", ""))
}

// SetPassword changes the account's password, as an operator at the BMC would.
func (b *BMC) SetPassword(password secret.Value) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.password = password
}
