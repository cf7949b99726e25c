package redfish_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
)

func secretOf(text string) secret.Value { return secret.New(text) }

func TestWrongPasswordIsTriedOnce(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	now := time.Now()
	wrong := func(config *redfish.Config) {
		config.Password = secretOf("wrong secret")
		config.Now = func() time.Time { return now }
	}
	for range 3 { // three clients, as after three restarts of a loop
		_, err := open(t, b, wrong).System(t.Context())
		got := asKind(t, err, redfish.Unauthorized)
		if got.Reach() != inventory.Unauthorized || strings.Contains(err.Error(), "wrong secret") {
			t.Errorf("error = %v, reach %s", err, got.Reach())
		}
	}
	if refused := b.Log().Counts().RefusedLogins; refused != 1 {
		t.Errorf("%d logins were refused, want 1: the account would be locked", refused)
	}
	if _, err := open(t, b, nil).System(t.Context()); err != nil {
		t.Errorf("with the right password: %v", err)
	}
	now = now.Add(redfish.LoginBackoff)
	_, err := open(t, b, wrong).System(t.Context())
	wantKind(t, err, redfish.Unauthorized)
	if refused := b.Log().Counts().RefusedLogins; refused != 2 {
		t.Errorf("%d logins were refused, want 2 after the backoff", refused)
	}
}

func TestExpiredSessionIsRenewedOnce(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	c := open(t, b, nil)
	for range 2 {
		_, err := c.System(t.Context())
		must(t, err)
		b.ExpireSessions()
	}
	_, err := c.System(t.Context())
	must(t, err)
	if got := b.Log().Counts(); got.Logins != 3 || got.RefusedLogins != 0 {
		t.Errorf("counts = %+v, want 3 logins", got)
	}
	b.SetPassword(secretOf("changed"))
	b.ExpireSessions()
	_, err = c.System(t.Context())
	wantKind(t, err, redfish.Unauthorized)
}

func TestSessionLimitFallsBackToBasic(t *testing.T) {
	t.Parallel()
	b := serve(t, func(config *bmc.Config) { config.Sessions = 1 })
	first, second := open(t, b, nil), open(t, b, nil)
	for _, c := range []*redfish.Client{first, second} {
		_, err := c.System(t.Context())
		must(t, err)
	}
	if b.Sessions() != 1 {
		t.Errorf("%d sessions, want 1", b.Sessions())
	}
	report, err := second.Check(t.Context())
	must(t, err)
	if finding := report.Findings[1]; finding.Topic != "account" || finding.Verdict != redfish.Limited {
		t.Errorf("finding = %+v, want the account limited", finding)
	}
}

func TestHangEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	b := serve(t, func(config *bmc.Config) { config.Faults.Hang = true })
	c := open(t, b, func(config *redfish.Config) { config.Request = 150 * time.Millisecond }) // 60 s when nothing is said
	started := time.Now()
	_, err := c.System(t.Context())
	got := asKind(t, err, redfish.Unreachable)
	if took := time.Since(started); took > 50*time.Second || !got.Temporary || got.Reach() != inventory.Unreachable {
		t.Errorf("after %s: %+v", took, got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := open(t, b, nil).Reset(ctx, redfish.ForceOff); err == nil {
		t.Error("a caller's deadline was not kept")
	}
}

func TestNothingListens(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	c := open(t, b, func(config *redfish.Config) {
		config.Dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: net.ErrClosed}
		}
	})
	system, err := c.System(t.Context())
	wantKind(t, err, redfish.Unreachable)
	if system.Power != inventory.PowerUnknown {
		t.Errorf("power = %q without an answer", system.Power)
	}
}

func TestOneRequestAtATime(t *testing.T) {
	t.Parallel()
	var inFlight, most atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := inFlight.Add(1)
		defer inFlight.Add(-1)
		for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
		}
		timer := time.NewTimer(5 * time.Millisecond)
		defer timer.Stop()
		<-timer.C
		_, _ = w.Write([]byte(`{"@odata.id":"` + r.URL.Path + `","PowerState":"On"}`))
	}))
	defer server.Close()
	done := make(chan error, 8)
	for range cap(done) {
		c, err := redfish.Open(redfish.Config{
			Address: server.URL + "/redfish/v1/Systems/1", Username: "admin", Password: secretOf(password), TLS: redfish.TLS{FirstUse: true},
		})
		must(t, err)
		go func() { _, err := c.System(t.Context()); done <- err }()
	}
	for range cap(done) {
		if err := <-done; err != nil && !strings.Contains(err.Error(), "lists no systems") {
			t.Error(err)
		}
	}
	if most.Load() != 1 {
		t.Errorf("%d requests were in flight at a time, want 1", most.Load())
	}
}

func TestAnswersThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault func(*bmc.Faults)
		kind  redfish.Kind
		says  string
	}{
		"garbage":            {func(f *bmc.Faults) { f.Garbage = true }, redfish.Protocol, "no JSON"},
		"too large":          {func(f *bmc.Faults) { f.Oversized = 9 << 20 }, redfish.Protocol, "larger than 8 MiB"},
		"error with 200":     {func(f *bmc.Faults) { f.ErrorWith200 = true }, redfish.Refused, "data sources"},
		"redirect elsewhere": {func(f *bmc.Faults) { f.Redirect = "https://203.0.113.9/redfish/v1/Systems/1" }, redfish.Protocol, "leads away"},
		"redirect to itself": {func(f *bmc.Faults) { f.Redirect = "/redfish/v1/Systems/1" }, redfish.Protocol, "redirects without end"},
		"unavailable":        {func(f *bmc.Faults) { f.Unavailable = 1 }, redfish.Refused, "not ready"},
		"cut connection":     {func(f *bmc.Faults) { f.DropConnections = 9 }, redfish.Unreachable, "EOF"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, nil)
			c := open(t, b, nil)
			_, err := c.System(t.Context())
			must(t, err)
			b.Inject(test.fault)
			system, err := c.System(t.Context())
			wantKind(t, err, test.kind)
			if system.Power != inventory.PowerUnknown || !strings.Contains(err.Error(), test.says) {
				t.Errorf("System = %q, %v, want unknown power and %q", system.Power, err, test.says)
			}
			if len(b.Log().Counts().Faults) != 1 {
				t.Errorf("faults reached: %v, want one", b.Log().Counts().Faults)
			}
		})
	}
}

func TestNullPowerStateIsUnknown(t *testing.T) {
	t.Parallel()
	c := open(t, serve(t, func(config *bmc.Config) { config.Faults.PowerStateNull = true }), nil)
	got, err := c.System(t.Context())
	must(t, err)
	if got.Power != inventory.PowerUnknown {
		t.Errorf("power = %q, want unknown", got.Power)
	}
}

// TestForeignLinksAreNotFollowed gives the BMC links to another server, which must not get a single request.
func TestForeignLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	canary := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer canary.Close()
	b := serve(t, func(config *bmc.Config) { config.Faults.ForeignLinks = canary.URL })
	c := open(t, b, nil)
	_, err := c.Insert(t.Context(), medium)
	wantKind(t, err, redfish.Protocol)
	wantKind(t, c.Reset(t.Context(), redfish.PowerOn), redfish.Protocol)
	wantKind(t, c.Eject(t.Context()), redfish.Protocol)
	if asked.Load() != 0 || b.Log().Counts().Writes != 0 {
		t.Errorf("the other server was asked %d times, the BMC written to %d times", asked.Load(), b.Log().Counts().Writes)
	}
}

func TestFaultsThatPass(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		faults bmc.Faults
		do     func(context.Context, *redfish.Client) error
		fails  int // times it fails before it succeeds
	}{
		"insert fails first": {bmc.Faults{InsertFails: 2}, insertIt, 2},
		"override refused in POST": {bmc.Faults{OverrideRefused: 2}, func(ctx context.Context, c *redfish.Client) error {
			_, err := c.SetBootOverride(ctx, redfish.FromMedium, redfish.Once)
			return err
		}, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, func(config *bmc.Config) { config.Faults = test.faults })
			c := open(t, b, nil)
			for range test.fails {
				if got := asKind(t, test.do(t.Context(), c), redfish.Refused); !got.Temporary {
					t.Errorf("error = %v, want it temporary", got)
				}
			}
			must(t, test.do(t.Context(), c))
			if len(b.Log().Counts().Faults) != 1 {
				t.Errorf("faults reached: %v, want one", b.Log().Counts().Faults)
			}
		})
	}
}

func TestMediumShownAfterItsEject(t *testing.T) {
	t.Parallel()
	b := serve(t, func(config *bmc.Config) { config.Faults.StillInserted = 2 })
	c := open(t, b, nil)
	must(t, insertIt(t.Context(), c))
	if err := c.Eject(t.Context()); !asKind(t, err, redfish.Refused).Temporary {
		t.Errorf("error = %v, want it temporary", err)
	}
	for tries := 0; c.Eject(t.Context()) != nil; tries++ {
		if tries == 3 {
			t.Fatal("the drive never became empty")
		}
	}
	slots, err := c.Media(t.Context())
	if err != nil || len(slots) != 1 || slots[0].Inserted || b.Log().Counts().Ejects != 1 {
		t.Errorf("Media = %+v, %v, story %q", slots, err, b.Log().Story())
	}
}

func insertIt(ctx context.Context, c *redfish.Client) error {
	_, err := c.Insert(ctx, medium)
	return err
}

func TestPowerOnShortlyAfterOff(t *testing.T) {
	t.Parallel()
	b := serve(t, func(config *bmc.Config) { config.Faults.PowerOnConflicts = 1 })
	c := open(t, b, nil)
	must(t, c.Reset(t.Context(), redfish.PowerOn))
	must(t, c.Reset(t.Context(), redfish.ForceOff))
	must(t, b.WaitOff(t.Context()))
	if got := asKind(t, c.Reset(t.Context(), redfish.PowerOn), redfish.Refused); !got.Temporary || got.Status != http.StatusConflict {
		t.Errorf("error = %v, want a temporary conflict", got)
	}
	must(t, c.Reset(t.Context(), redfish.PowerOn))
}

func TestLiesAreNoticed(t *testing.T) {
	t.Parallel()
	b := serve(t, func(config *bmc.Config) { config.Faults = bmc.Faults{OverrideIgnored: true, EjectIgnored: true} })
	c := open(t, b, nil)
	_, err := c.SetBootOverride(t.Context(), redfish.FromMedium, redfish.Once)
	wantKind(t, err, redfish.Refused)
	if !strings.Contains(err.Error(), "shows None/Disabled") {
		t.Errorf("error = %v", err)
	}
	must(t, insertIt(t.Context(), c))
	if err := c.Eject(t.Context()); !asKind(t, err, redfish.Refused).Temporary {
		t.Errorf("error = %v, want it temporary", err)
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	b, other := serve(t, nil), serve(t, nil)
	pin, err := b.Fingerprint()
	must(t, err)
	otherPin, err := other.Fingerprint()
	must(t, err)
	for name, trust := range map[string]redfish.TLS{"another pin": {Fingerprint: otherPin}, "no pin": {}} {
		c := open(t, b, func(config *redfish.Config) { config.TLS = trust })
		_, err := c.System(t.Context())
		if got := asKind(t, err, redfish.Protocol); !strings.Contains(got.Error(), pin) || got.Temporary {
			t.Errorf("%s: error = %v, want it to name %s", name, got, pin)
		}
	}
	if got := b.Log().Counts(); got.Requests != 0 {
		t.Errorf("%d requests were sent to a BMC that is not trusted", got.Requests)
	}
}

func TestErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":{"message":"cannot log in with ` + password + `"}}`))
	}))
	defer server.Close()
	c, err := redfish.Open(redfish.Config{
		Address: server.URL + "/redfish/v1/Systems/1", Username: "admin of " + t.Name(), Password: secretOf(password), TLS: redfish.TLS{FirstUse: true},
	})
	must(t, err)
	_, err = c.System(t.Context())
	wantKind(t, err, redfish.Refused)
	if strings.Contains(err.Error(), password) || !strings.Contains(err.Error(), "***") {
		t.Errorf("error = %v", err)
	}
}
