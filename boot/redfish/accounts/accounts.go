// Package accounts works with the accounts of a BMC's Redfish service: Service.LogIn proves an account that was made
// in-band, ChangePassword changes an account's own password, Delete deletes an account. Each call opens a session and
// ends it; none sends a power or boot command.
package accounts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery/account"
)

// Target is an account at a BMC.
type Target struct {
	Address  string // IP address, or spec.bmc.address
	Username string
	Password secret.Value
	// Fingerprint is the pinned certificate; "" trusts the certificate of this call, and says which it was.
	Fingerprint string
	// New says that the account was just made, and is not known to work: its caller spaces the logins.
	New bool
	// TLS is what the BMC must show, in place of Fingerprint; nil for Fingerprint.
	TLS *conn.TLS
}

// Service calls Redfish services. Base has the deadlines, the clock and the dialer; the other members are set here.
type Service struct{ Base conn.Config }

// Machine is what the machine behind the BMC must show: one of these that is no placeholder.
type Machine struct{ Serials, UUIDs []string }

// URL is the address of a Redfish service at an IP address.
func URL(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil && ip.Is6() {
		return "https://[" + ip.String() + "]"
	}
	return address
}

func (s Service) open(t Target) (*conn.Conn, error) {
	config := s.Base
	config.Address, config.Username, config.Password = URL(t.Address), t.Username, t.Password
	config.TLS, config.NewAccount = conn.TLS{Fingerprint: t.Fingerprint, FirstUse: t.Fingerprint == ""}, t.New
	if t.TLS != nil {
		config.TLS = *t.TLS
	}
	return conn.Open(config)
}

// endTime bounds the end of a session after a call that was cut short.
const endTime = 10 * time.Second

// with opens a connection for one call, and ends the session. A session that cannot be ended runs out at the BMC.
func (s Service) with(ctx context.Context, t Target, do func(*conn.Conn) error) error {
	c, err := s.open(t)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer cancel()
		_ = c.Close(ctx)
	}()
	return do(c)
}

// LogIn logs in once, looks for the machine among the systems of the service, and says how that ended. Only a system
// with the machine's UUID or serial counts.
func (s Service) LogIn(ctx context.Context, t Target, m Machine) account.Login {
	var end account.Login
	err := s.with(ctx, t, func(c *conn.Conn) error {
		path, seen, is, err := findSystem(ctx, c, m)
		switch {
		case err != nil:
			return err
		case path == "":
			end = account.Login{Kind: account.Other, Error: fmt.Sprintf("the BMC at %s is that of another machine: it shows %s",
				t.Address, seen)}
		default:
			end = account.Login{Kind: account.LoggedIn, System: c.Base() + path, Fingerprint: c.Fingerprint(),
				Serial: is.SerialNumber, UUID: is.UUID}
		}
		return nil
	})
	if err != nil {
		return explain(err)
	}
	return end
}

// explain sorts the errors of a login.
func explain(err error) account.Login {
	end := account.Login{Kind: account.NoAnswer, Error: err.Error()}
	said := conn.AsError(err)
	switch {
	case said == nil:
	case said.MessageID == passwordChange:
		end.Kind = account.MustChange
	case said.Kind == conn.Unauthorized && said.Status != 0, said.Status == http.StatusForbidden:
		end.Kind = account.NotLetIn
	}
	return end
}

// passwordChange is the message by which a BMC refuses everything but a change of the password: DSP0266, 13.3.7.
const passwordChange = "PasswordChangeRequired"

// findSystem gives the path of the system with the machine's UUID or serial, and what it shows, or what the systems show
// instead.
func findSystem(ctx context.Context, c *conn.Conn, m Machine) (path, seen string, is system, err error) {
	call := c.Call(ctx, "log in with the new account")
	root, err := call.ReadRoot()
	if err != nil {
		return "", "", is, err
	}
	members, err := call.ListMembers(root.Systems)
	if err != nil {
		return "", "", is, err
	}
	var shown []string
	for _, member := range members {
		got, err := conn.Get[system](call, member)
		if err != nil {
			return "", "", is, err
		}
		if got.Doc.is(m) {
			return member, "", *got.Doc, nil
		}
		shown = append(shown, fmt.Sprintf("serial %q, UUID %q", cut(got.Doc.SerialNumber), cut(got.Doc.UUID)))
	}
	if len(shown) == 0 {
		return "", "no system", is, nil
	}
	return "", strings.Join(shown[:min(len(shown), 3)], "; "), is, nil
}

func cut(text string) string { return text[:min(len(text), 40)] }

// system is the part of a ComputerSystem that says which machine it is. Dell's SKU is the service tag that SMBIOS shows
// as the serial.
type system struct{ UUID, SerialNumber, SKU string }

func (s system) is(m Machine) bool {
	for _, uuid := range m.UUIDs {
		if key := inventory.UUIDKey(uuid); key != "" && key == inventory.UUIDKey(s.UUID) {
			return true
		}
	}
	for _, serial := range m.Serials {
		key := inventory.SerialKey(serial)
		if key != "" && (key == inventory.SerialKey(s.SerialNumber) || key == inventory.SerialKey(s.SKU)) {
			return true
		}
	}
	return false
}

// accountsPath is where the accounts are, as the service's documents link to them.
func accountsPath(call conn.Call) (string, error) {
	var doc struct{ AccountService, Accounts conn.Link }
	for _, at := range []string{"/redfish/v1/", "/redfish/v1/AccountService"} {
		if link := doc.AccountService.ID; link != "" {
			resolved, err := call.ResolveLink(link)
			if err != nil {
				return "", err
			}
			at = resolved
		}
		got, err := conn.Get[struct{ AccountService, Accounts conn.Link }](call, at)
		if err != nil {
			return "", err
		}
		doc = *got.Doc
		if doc.Accounts.ID != "" {
			break
		}
	}
	if doc.Accounts.ID == "" {
		return "", call.RefusedError("the service lists no accounts", "change the account in the BMC's own interface")
	}
	return call.ResolveLink(doc.Accounts.ID)
}

// found is an account as the service lists it.
type found struct {
	path string
	etag string
}

// find looks for the account with a name; nil if there is none.
func find(call conn.Call, name string) (*found, error) {
	at, err := accountsPath(call)
	if err != nil {
		return nil, err
	}
	members, err := call.ListMembers(at)
	if err != nil {
		return nil, err
	}
	for _, member := range members {
		got, err := conn.Get[struct{ UserName string }](call, member)
		if err != nil {
			return nil, err
		}
		if got.Doc.UserName == name {
			return &found{member, got.ETag}, nil
		}
	}
	return nil, nil
}

// Delete deletes the account with which it logs in. BMCs with a fixed table of accounts refuse that: there the account
// is disabled, and its name cleared where the BMC does that. An account that cannot log in any more, after an earlier
// Delete whose answer was lost, is an error: nobody can tell whether it is gone or has another password. So is one that
// logs in and that the service does not list.
func (s Service) Delete(ctx context.Context, t Target) error {
	return s.with(ctx, t, func(c *conn.Conn) error {
		call := c.Call(ctx, "delete the account "+t.Username)
		mine, err := find(call, t.Username)
		switch {
		case err != nil:
			return err
		case mine == nil: // and yet it logs in
			return call.RefusedError("the service lists no account of this name", "delete the account in the BMC's own interface")
		}
		answer, err := call.DeleteWithHeaders(mine.path, map[string]string{"If-Match": mine.etag})
		if err == nil {
			return answer.Body.Close()
		}
		if said := conn.AsError(err); said == nil || said.Kind != conn.Refused {
			return err
		}
		if cleared, second := call.Change(mine.path, mine.etag, map[string]any{"Enabled": false, "UserName": ""}); second == nil {
			return cleared.Body.Close()
		}
		disabled, second := call.Change(mine.path, "", map[string]any{"Enabled": false})
		if second != nil {
			return errors.Join(err, second)
		}
		return disabled.Body.Close()
	})
}

// ChangePassword changes the password of the account with which it logs in. A service that lets the account do nothing
// but that (PasswordChangeRequired) names the account in its refusal.
func (s Service) ChangePassword(ctx context.Context, t Target, next secret.Value) error {
	return s.with(ctx, t, func(c *conn.Conn) error {
		call := c.Call(ctx, "change the password of the account "+t.Username)
		mine, err := find(call, t.Username)
		if said := conn.AsError(err); said != nil && said.MessageID == passwordChange {
			if at := said.NamedBelow("/redfish/v1/AccountService/Accounts"); at != "" {
				mine, err = &found{path: at}, nil
			}
		}
		switch {
		case err != nil:
			return err
		case mine == nil:
			return call.RefusedError("the service lists no account of this name", "change the password in the BMC's own interface")
		}
		answer, err := call.Change(mine.path, mine.etag, map[string]any{"Password": next.Reveal()})
		if err != nil {
			return maskPassword(err, next)
		}
		return answer.Body.Close()
	})
}

// maskPassword takes the new password out of a refusal that repeats it.
func maskPassword(err error, hidden secret.Value) error {
	if said := conn.AsError(err); said != nil && strings.Contains(said.Detail, hidden.Reveal()) {
		said.Detail = strings.ReplaceAll(said.Detail, hidden.Reveal(), secret.Mask)
	}
	return err
}
