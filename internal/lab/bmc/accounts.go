package bmc

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc/accounts"
	"github.com/gitmetal/ingot/internal/lab/bmc/document"
	"github.com/gitmetal/ingot/internal/secret"
)

// SetPassword changes the first account's password, as an operator at the BMC would.
func (b *BMC) SetPassword(password secret.Value) {
	b.accounts.Change("1", func(a *accounts.Account) bool { a.Password = password; return true })
}

// mayWrite reports whether an account may send a request that changes something, by the privileges of DSP8011: accounts
// are for ConfigureUsers, one's own password for ConfigureSelf, sessions for their owner, everything else for
// ConfigureComponents.
func (b *BMC) mayWrite(who accounts.Account, r *http.Request) bool {
	under := func(collection string) bool { return strings.HasPrefix(r.URL.Path, collection+"/") }
	own := r.URL.Path == document.Accounts+"/"+who.ID && r.Method == http.MethodPatch
	switch {
	case who.MayWrite("ConfigureUsers"):
		return true
	case own:
		return who.MayWrite("ConfigureSelf")
	case r.URL.Path == document.Accounts || under(document.Accounts) || under(document.Roles):
		return false
	case under(document.Sessions):
		return b.ownsSession(who, strings.TrimPrefix(r.URL.Path, document.Sessions+"/"))
	default:
		return who.MayWrite("ConfigureComponents")
	}
}

func (b *BMC) accountDocument(a accounts.Account) document.Document {
	return document.NewAccount(a.ID, a.User, a.Role, a.Enabled)
}

func (b *BMC) getAccount(w http.ResponseWriter, r *http.Request) {
	a, found := b.accounts.Get(r.PathValue("id"))
	if !found {
		sendMissing(w, r)
		return
	}
	b.sendDocument(w, r, b.accountDocument(a))
}

func (b *BMC) postAccount(w http.ResponseWriter, r *http.Request) {
	var want struct {
		UserName, Password string
		Role               string `json:"RoleId"`
		Enabled            *bool
	}
	if !decodeBody(w, r, &want) {
		return
	}
	for _, given := range [][2]string{{"UserName", want.UserName}, {"Password", want.Password}, {"RoleId", want.Role}} {
		if given[1] == "" {
			sendJSON(w, http.StatusBadRequest,
				document.NewError("PropertyMissing", "the property "+given[0]+" is missing", given[0]))
			return
		}
	}
	if !slices.Contains(accounts.Roles, want.Role) {
		sendJSON(w, http.StatusBadRequest,
			document.NewError("PropertyValueNotInList", "there is no role "+want.Role, "RoleId"))
		return
	}
	made, added := b.accounts.Add(accounts.Account{User: want.UserName, Role: want.Role,
		Password: secret.New(want.Password), Enabled: want.Enabled == nil || *want.Enabled})
	if !added {
		sendJSON(w, http.StatusConflict,
			document.NewError("ResourceAlreadyExists", "there is an account of this name already", "UserName"))
		return
	}
	w.Header().Set("Location", document.Accounts+"/"+made.ID)
	doc := b.accountDocument(made)
	_, tag := b.encodeDocument(doc)
	w.Header().Set("ETag", tag)
	sendJSON(w, http.StatusCreated, doc)
}

// patchAccount changes an account. The ETag is checked and the account changed as one act: of several requests with one
// ETag a single request wins. A request with a property that cannot be changed changes nothing.
func (b *BMC) patchAccount(w http.ResponseWriter, r *http.Request) {
	var patch map[string]any
	if err := json.NewDecoder(r.Body).Decode(&patch); err != nil {
		sendJSON(w, http.StatusBadRequest, document.NewError("MalformedJSON", "the body is no JSON object", ""))
		return
	}
	for name := range patch {
		if strings.Contains(name, "@") {
			delete(patch, name) // annotations are no properties
		}
	}
	if len(patch) == 0 {
		sendJSON(w, http.StatusBadRequest, document.NewError("NoOperation", "nothing is to be changed", ""))
		return
	}
	answered := false
	changed, done := b.accounts.Change(r.PathValue("id"), func(a *accounts.Account) bool {
		if answered = !b.checkIfMatch(w, r, b.accountDocument(*a)); answered {
			return false
		}
		problem := applyAccount(a, patch)
		if answered = problem != nil; answered {
			sendJSON(w, http.StatusBadRequest, problem)
		}
		return !answered
	})
	switch {
	case answered:
	case !done:
		sendMissing(w, r)
	default:
		b.sendDocument(w, r, b.accountDocument(changed))
	}
}

// applyAccount applies a PATCH to an account, or says in an error document which property cannot be changed so.
func applyAccount(a *accounts.Account, patch map[string]any) document.Document {
	for name, value := range patch {
		text, isText := value.(string)
		on, isBool := value.(bool)
		switch {
		case name == "Password" && isText && text != "":
			a.Password = secret.New(text)
		case name == "UserName" && isText && text != "":
			a.User = text
		case name == "RoleId" && slices.Contains(accounts.Roles, text):
			a.Role = text
		case name == "Enabled" && isBool:
			a.Enabled = on
		case slices.Contains([]string{"Password", "UserName", "RoleId", "Enabled"}, name):
			return document.NewError("PropertyValueTypeError", "the value of "+name+" is not accepted", name)
		default:
			return document.NewError("PropertyUnknown", "the property "+name+" cannot be changed", name)
		}
	}
	return nil
}

// deleteAccount deletes an account, but for the first: somebody must be able to log in.
func (b *BMC) deleteAccount(w http.ResponseWriter, r *http.Request) {
	id, answered := r.PathValue("id"), false
	deleted := b.accounts.Delete(id, func(a accounts.Account) bool {
		if answered = id == "1"; answered {
			sendJSON(w, http.StatusBadRequest,
				document.NewError("ResourceCannotBeDeleted", "the first account cannot be deleted", ""))
			return false
		}
		answered = !b.checkIfMatch(w, r, b.accountDocument(a))
		return !answered
	})
	switch {
	case answered:
	case deleted:
		w.WriteHeader(http.StatusNoContent)
	default:
		sendMissing(w, r)
	}
}
