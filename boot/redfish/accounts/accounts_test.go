package accounts_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/boot/redfish/accounts"
	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/bmc/bmctest"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/discovery/account"
)

const uuid = "6d3b0d7e-0000-4000-8000-000000000009"

// serve runs a BMC; its address is an IP address, at which the service dials the BMC's port.
func serve(t *testing.T, faults bmc.Faults) (*bmc.BMC, accounts.Service) {
	t.Helper()
	b, at := bmctest.Serve(t, bmc.Config{Username: "ingot-4be91c", Password: secret.New("correct horse"), Faults: faults,
		Identity: bmc.Identity{Serial: "LAB0009", UUID: uuid}})
	return b, accounts.Service{Base: conn.Config{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, at)
	}}}
}

// target is the account; host makes it one of its own for the budget of logins.
func target(host, password string) accounts.Target {
	return accounts.Target{Address: host, Username: "ingot-4be91c", Password: secret.New(password), New: true}
}

func TestLogIn(t *testing.T) {
	t.Parallel()
	for about, test := range map[string]struct {
		faults   bmc.Faults
		password string
		machine  accounts.Machine
		want     account.LoginKind
		text     string
	}{
		"by serial":            {machine: accounts.Machine{Serials: []string{"lab0009"}}, want: account.LoggedIn},
		"by UUID, other order": {machine: accounts.Machine{UUIDs: []string{strings.ToUpper("7e0d3b6d-0000-0040-8000-000000000009")}}, want: account.LoggedIn},
		"another machine":      {machine: accounts.Machine{Serials: []string{"LAB0010"}, UUIDs: []string{"6d3b0d7e-0000-4000-8000-000000000010"}}, want: account.Other, text: `serial "LAB0009"`},
		"placeholders":         {machine: accounts.Machine{Serials: []string{"Default string", ""}, UUIDs: []string{"", "00000000-0000-0000-0000-000000000000"}}, want: account.Other},
		"refused":              {password: "wrong", want: account.NotLetIn},
		"not let in yet":       {faults: bmc.Faults{RefuseLogin: true}, want: account.NotLetIn},
		"no answer":            {faults: bmc.Faults{DropConnections: 10}, want: account.NoAnswer},
		"not ready":            {faults: bmc.Faults{Unavailable: 10}, want: account.NoAnswer},
		"garbage":              {faults: bmc.Faults{Garbage: true}, want: account.NoAnswer},
		"must change":          {faults: bmc.Faults{MustChange: "ingot-4be91c"}, want: account.MustChange},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			b, service := serve(t, test.faults)
			password := "correct horse"
			if test.password != "" {
				password = test.password
			}
			got := service.LogIn(t.Context(), target("192.0.2."+strings.ReplaceAll(about[:1], " ", ""), password), test.machine)
			if got.Kind != test.want || !strings.Contains(got.Error, test.text) || strings.Contains(got.Error, password) {
				t.Errorf("LogIn = %+v, want %s", got, test.want)
			}
			if fingerprint, _ := b.Fingerprint(); got.Kind == account.LoggedIn && (got.Fingerprint != fingerprint || !strings.HasSuffix(got.System, "/redfish/v1/Systems/1")) {
				t.Errorf("LogIn = %+v, the certificate is %s", got, fingerprint)
			}
			if b.Sessions() != 0 || slices.ContainsFunc(b.Log().Story(), func(line string) bool { return line != "login-refused" }) {
				t.Errorf("sessions %d, story %v", b.Sessions(), b.Log().Story())
			}
		})
	}
}

// TestChangeAndDelete: a password is changed and the old one is no good any more, also where the BMC lets the account do
// nothing else; then the account is deleted.
func TestChangeAndDelete(t *testing.T) {
	t.Parallel()
	for about, faults := range map[string]bmc.Faults{"plain": {}, "must change": {MustChange: "ingot-4be91c"}} {
		b, service := serve(t, faults)
		host := "198.51.100.1"
		if about != "plain" {
			host = "198.51.100.2"
		}
		if err := service.ChangePassword(t.Context(), target(host, "correct horse"), secret.New("next")); err != nil {
			t.Fatalf("%s: %v", about, err)
		}
		if b.Login("ingot-4be91c", secret.New("correct horse")) || !b.Login("ingot-4be91c", secret.New("next")) {
			t.Errorf("%s: the password is not the new one", about)
		}
		// the lab's first account cannot be deleted: it is disabled
		err := service.Delete(t.Context(), target(host, "next"))
		if b.Login("ingot-4be91c", secret.New("next")) {
			t.Errorf("%s: the account still works after Delete = %v", about, err)
		}
	}
}

// TestDeleteUnlisted: an account that logs in and that the service does not list is not taken for deleted.
func TestDeleteUnlisted(t *testing.T) {
	t.Parallel()
	documents := map[string]string{
		"GET /redfish/v1/": `{"RedfishVersion":"1.15.0","AccountService":{"@odata.id":"/redfish/v1/AccountService"},"Systems":{"@odata.id":"/redfish/v1/Systems"},` +
			`"SessionService":{"@odata.id":"/redfish/v1/SessionService"},"Links":{"Sessions":{"@odata.id":"/redfish/v1/SessionService/Sessions"}}}`,
		"GET /redfish/v1/AccountService":            `{"Accounts":{"@odata.id":"/redfish/v1/AccountService/Accounts"}}`,
		"GET /redfish/v1/AccountService/Accounts":   `{"Members":[{"@odata.id":"/redfish/v1/AccountService/Accounts/1"}]}`,
		"GET /redfish/v1/AccountService/Accounts/1": `{"UserName":"root"}`,
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			w.Header().Set("X-Auth-Token", "token")
			w.Header().Set("Location", r.URL.Path+"/1")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"@odata.id":"`+r.URL.Path+`/1"}`)
			return
		}
		if document := documents[r.Method+" "+r.URL.Path]; document != "" {
			fmt.Fprint(w, document)
		}
	}))
	t.Cleanup(server.Close)
	service := accounts.Service{Base: conn.Config{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}}}
	err := service.Delete(t.Context(), target("198.51.100.3", "correct horse"))
	if err == nil || !strings.Contains(err.Error(), "lists no account of this name") {
		t.Errorf("Delete = %v, want it said that the account is not listed", err)
	}
}
