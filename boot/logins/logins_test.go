package logins_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gitmetal/ingot/boot/logins"
	"github.com/gitmetal/ingot/internal/secret"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// TestBudget: a refused password waits 20 minutes, and an account gets 3 refused logins an hour, whatever the password and
// the service.
func TestBudget(t *testing.T) {
	t.Parallel()
	a := logins.Account{Host: "10.0.0.13:443", User: "admin"}
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	password := func(n int) secret.Value { return secret.New(fmt.Sprint("p", n)) }
	check := func(about string, got time.Time, minute int) {
		t.Helper()
		want := time.Time{}
		if minute > 0 {
			want = at(minute)
		}
		if !got.Equal(want) {
			t.Errorf("%s: until %v, want %v", about, got, want)
		}
	}
	check("nothing known", logins.Until(a, logins.Redfish, password(1), at(0)), 0)
	logins.Refused(a, logins.Redfish, password(1), at(0))
	check("the same password", logins.Until(a, logins.Redfish, password(1), at(1)), 20)
	check("the same password of a new account", logins.UntilNew(a, at(1)), 0)
	check("another password", logins.Until(a, logins.Redfish, password(2), at(1)), 0)
	check("another account", logins.Until(logins.Account{Host: a.Host, User: "x"}, logins.Redfish, password(1), at(1)), 0)
	logins.Refused(a, logins.Redfish, password(2), at(5))
	logins.Refused(a, logins.Redfish, password(3), at(10))
	check("a fourth password", logins.Until(a, logins.Redfish, password(4), at(11)), 60)
	check("of a new account", logins.UntilNew(a, at(11)), 60)
	check("after 20 minutes", logins.Until(a, logins.Redfish, password(1), at(25)), 60)
	check("after an hour", logins.Until(a, logins.Redfish, password(4), at(60)), 0)
	logins.Refused(a, logins.Redfish, password(4), at(60))
	check("again full", logins.Until(a, logins.Redfish, password(5), at(61)), 65)
	logins.Accepted(a)
	check("accepted", logins.Until(a, logins.Redfish, password(5), at(61)), 0)
}

// TestTheConsoleLeavesOneLogin: a console that refuses the account does not keep Redfish from logging in.
func TestTheConsoleLeavesOneLogin(t *testing.T) {
	t.Parallel()
	a, right := logins.Account{Host: "10.0.0.14", User: "admin"}, secret.New("right")
	logins.Refused(a, logins.Console, right, noon)
	if until := logins.Until(a, logins.Redfish, right, noon); !until.IsZero() {
		t.Errorf("Redfish waits until %v for what SSH refused", until)
	}
	if until := logins.Until(a, logins.Console, right, noon); !until.Equal(noon.Add(20 * time.Minute)) {
		t.Errorf("the console waits until %v", until)
	}
	logins.Refused(a, logins.Console, right, noon.Add(20*time.Minute))
	if until := logins.Until(a, logins.Console, right, noon.Add(40*time.Minute)); !until.Equal(noon.Add(time.Hour)) {
		t.Errorf("the console takes the last login: it waits until %v", until)
	}
	if until := logins.Until(a, logins.Redfish, right, noon.Add(40*time.Minute)); !until.IsZero() {
		t.Errorf("Redfish waits until %v", until)
	}
	b := logins.Account{Host: "10.0.0.15", User: "admin"}
	logins.Refused(b, logins.Redfish, right, noon)
	if until := logins.Until(b, logins.Console, right, noon); until.IsZero() {
		t.Error("the console tries what Redfish refused")
	}
}

func TestAccountAt(t *testing.T) {
	t.Parallel()
	want := logins.Account{Host: "bmc-1.example", User: "admin"}
	for _, address := range []string{"https://BMC-1.example/redfish/v1/Systems/1", "bmc-1.example", "https://bmc-1.example:443"} {
		if got := logins.AccountAt(address, "admin"); got != want {
			t.Errorf("AccountAt(%q) = %+v", address, got)
		}
	}
	if got := logins.AccountAt("https://[2001:db8::13]:8443/redfish/v1", "admin"); got.Host != "[2001:db8::13]:8443" {
		t.Errorf("an IPv6 address = %+v", got)
	}
}
