package consoles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/lab/serial"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// Whose console is read, and why another's is not.
func TestJudge(t *testing.T) {
	t.Parallel()
	base := func() reconcile.HostView {
		h := reconcile.HostView{ID: "a", Name: "a", Desired: inventory.Desired{ID: "a", Name: "a", Lifecycle: schemas.Managed, BMC: &schemas.BMC{Console: &schemas.BMCConsole{}}}}
		h.Observed.BMC.Reach, h.Document.Phase = inventory.Reached, plan.Installing
		return h
	}
	phase := func(p plan.Phase) func(*reconcile.HostView) {
		return func(h *reconcile.HostView) { h.Document.Phase = p }
	}
	for _, test := range []struct {
		name   string
		change func(*reconcile.HostView)
		want   choice
	}{
		{"Installing", phase(plan.Installing), choice{read: true, urgency: underWay}},
		{"Inspecting", phase(plan.Inspecting), choice{read: true, urgency: underWay}},
		{"Starting", phase(plan.Starting), choice{read: true, urgency: underWay}},
		{"Failed", phase(plan.Failed), choice{read: true, urgency: failed}},
		{"Waiting", phase(plan.Waiting), choice{read: true, urgency: waiting}},
		{"Held", phase(plan.Held), choice{read: true, urgency: held}},
		{"Pending", phase(plan.Pending), choice{read: true, urgency: held}},
		{"Active", phase(plan.Active), choice{state: Idle, urgency: held}},
		{"no workload", phase(plan.Unmanaged), choice{state: Idle, urgency: held}},
		{"not looked at", phase(""), choice{state: Idle, urgency: held}},
		{"orphaned", func(h *reconcile.HostView) { h.Orphaned = true }, choice{state: Off}},
		{"protected", func(h *reconcile.HostView) { h.Desired.Protect = true }, choice{state: Off}},
		{"Unmanaged", func(h *reconcile.HostView) { h.Desired.Lifecycle = schemas.Unmanaged }, choice{state: Off}},
		{"Retired", func(h *reconcile.HostView) { h.Desired.Lifecycle = schemas.Retired }, choice{state: Off}},
		{"no BMC", func(h *reconcile.HostView) { h.Desired.BMC = nil }, choice{state: Off}},
		{"not asked for", func(h *reconcile.HostView) { h.Desired.BMC.Console = nil }, choice{state: Off}},
		{"BMC away", func(h *reconcile.HostView) { h.Observed.BMC.Reach = inventory.Unreachable }, choice{state: Waits, urgency: underWay}},
		{"BMC away, Held", func(h *reconcile.HostView) {
			h.Observed.BMC.Reach, h.Document.Phase = inventory.Unreachable, plan.Held
		}, choice{state: Waits, urgency: held}},
		{"BMC away, Active", func(h *reconcile.HostView) {
			h.Observed.BMC.Reach, h.Document.Phase = inventory.Unreachable, plan.Active
		}, choice{state: Waits, urgency: held}},
		{"credentials refused", func(h *reconcile.HostView) { h.Observed.BMC.Reach = inventory.Unauthorized }, choice{state: Waits, urgency: underWay}},
	} {
		h := base()
		test.change(&h)
		got := decideReading(&h, noon, noon, noon)
		if why := got.why; (why == "") != (got.read || got.state == Idle) {
			t.Errorf("%s: why it is not read: %q", test.name, why)
		}
		if got.why = ""; got != test.want {
			t.Errorf("judge(%s) = %+v, want %+v", test.name, got, test.want)
		}
	}
	active := base()
	active.Document.Phase = plan.Active
	if got := decideReading(&active, noon.Add(time.Second), noon, noon); got != (choice{read: true, urgency: settling}) {
		t.Errorf("of a host that became Active a moment ago: %+v", got)
	}
	for phase, rank := range map[plan.Phase]urgency{plan.Active: watched, plan.Held: watched, plan.Installing: underWay} {
		h := base()
		h.Document.Phase = phase
		if got := decideReading(&h, noon, noon.Add(time.Second), noon); got != (choice{read: true, urgency: rank}) {
			t.Errorf("of a host that is %s and looked at: %+v", phase, got)
		}
	}
	protected := base()
	protected.Desired.Protect = true
	if got := decideReading(&protected, noon, noon.Add(time.Second), noon); got.read || got.state != Off {
		t.Errorf("of a host that is protected and looked at: %+v", got)
	}
	for _, p := range plan.Phases {
		if rank, steady := rankPhase(p); steady != (rank == settling) {
			t.Errorf("%s: %d, steady %t", p, rank, steady)
		}
	}
}

// rack is machines with their consoles, and what reads them.
type rack struct {
	*Reader
	mu      sync.Mutex
	servers map[string]*serial.Server
	ports   map[string]int
	feeds   map[string]*serial.Feed
	cut     map[string]context.CancelFunc // ends all sessions of a console
}

var account = map[string]secret.Value{"username": secret.New("admin"), "password": secret.New("correct horse")}

func newRack(t *testing.T, most int, hosts ...string) *rack {
	t.Helper()
	r := &rack{servers: map[string]*serial.Server{}, ports: map[string]int{}, feeds: map[string]*serial.Feed{}, cut: map[string]context.CancelFunc{}}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	for _, host := range hosts {
		server, err := serial.New(serial.Config{Stream: r.stream(host), Check: func(user string, password secret.Value) bool {
			return user == "admin" && password.Equal(account["password"])
		}})
		if err != nil {
			t.Fatal(err)
		}
		var listen net.ListenConfig
		listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.servers[host], r.ports[host], r.feeds[host] = server, listener.Addr().(*net.TCPAddr).Port, &serial.Feed{}
		serving.Go(func() { _ = server.Serve(ctx, listener) }) // it ends when it is told to
	}
	secrets := func(name string) map[string]secret.Value {
		return map[string]map[string]secret.Value{"bmc": account, "bmc-2": account, "app": {"token": secret.New("hunter2")}}[name]
	}
	masked := new(console.Secrets)
	r.Reader = NewReader(Config{
		Dir: console.Dir(t.TempDir()), MaxSessions: most, Pauses: Pauses{First: time.Millisecond, Max: time.Millisecond, Refused: time.Hour},
		Offered: func(host inventory.MachineID) (redfish.SerialConsole, error) {
			if host == "none" {
				return redfish.SerialConsole{}, errors.New("its BMC offers none")
			}
			return redfish.SerialConsole{Enabled: true, Port: r.ports[string(host)]}, nil
		},
		Open: func(_ context.Context, name string) (map[string]secret.Value, error) {
			for key, value := range secrets(name) {
				if key != "username" {
					masked.Add(value)
				}
			}
			return secrets(name), nil
		},
		Secrets: masked,
	})
	arranging := make(chan struct{})
	go func() {
		defer close(arranging)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			r.arrangeSessions(ctx, time.Now())
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-arranging
		r.running.Wait()
		serving.Wait()
	})
	return r
}

// stream streams a host's feed until it is cut.
func (r *rack) stream(host string) func(context.Context, io.Writer) error {
	return func(ctx context.Context, out io.Writer) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		r.mu.Lock()
		r.cut[host] = cancel
		feed := r.feeds[host]
		r.mu.Unlock()
		return feed.Stream(ctx, out)
	}
}

func (r *rack) host(name string, phase plan.Phase) reconcile.HostView {
	h := reconcile.HostView{ID: inventory.MachineID(name), Name: name, Desired: inventory.Desired{ID: inventory.MachineID(name), Name: name, Lifecycle: schemas.Managed, BMC: &schemas.BMC{Address: "https://127.0.0.1", Credentials: "bmc"}}}
	h.Desired.Workload = &inventory.Workload{Secrets: []refs.Secret{{Name: "app", Key: "token"}}}
	h.Observed.BMC.Reach, h.Document.Phase = inventory.Reached, phase
	fingerprint := "SHA256:x"
	if server := r.servers[name]; server != nil {
		fingerprint = server.Fingerprint()
	}
	h.Desired.BMC.Console = &schemas.BMCConsole{Fingerprint: fingerprint}
	return h
}

// until waits for a host's console; words are said again and again meanwhile, for whoever reads.
func (r *rack) until(t *testing.T, h reconcile.HostView, what string, holds func(Serial) bool) Serial {
	t.Helper()
	deadline := time.After(3 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		if feed := r.feeds[h.Name]; feed != nil {
			_, _ = fmt.Fprintf(feed, "%s: line %d of hunter2\n", what, i)
		}
		s, err := r.ReadSerial(h)
		if err != nil {
			t.Fatal(err)
		}
		if holds(s) {
			return s
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s of %s: %+v", what, h.Name, s)
		}
	}
}

func says(words string) func(Serial) bool {
	return func(s Serial) bool { return s.State == Reads && strings.Contains(strings.Join(s.Lines, "\n"), words) }
}

func is(state State) func(Serial) bool { return func(s Serial) bool { return s.State == state } }

// What was opened for a workload that came after the session began is masked, and what was, for one that the fleet does not name any more.
func TestSecretsOfOtherWorkloads(t *testing.T) {
	t.Parallel()
	r := newRack(t, 10, "a")
	h := r.host("a", plan.Held)
	r.recordHost(h, time.Now())
	r.until(t, h, "held", says("held: line"))
	h.Desired.Workload = &inventory.Workload{Secrets: []refs.Secret{{Name: "db", Key: "token"}}}
	h.Document.Phase = plan.Installing
	r.recordHost(h, time.Now())
	r.config.Secrets.Add(secret.New("swordfish")) // as the installation does that gives it to the machine
	s := r.until(t, h, "installing, password swordfish", says("installing, password"))
	if text := strings.Join(s.Lines, "\n"); strings.Contains(text, "swordfish") {
		t.Errorf("the new workload's secret is told:\n%s", text)
	}
	r.mu.Lock()
	r.cut["a"]()
	r.mu.Unlock()
	s = r.until(t, h, "resumed, password swordfish", func(s Serial) bool {
		_, after, resumed := strings.Cut(strings.Join(s.Lines, "\n"), "ingot: not read any more")
		return resumed && strings.Contains(after, "resumed, password")
	})
	if text := strings.Join(s.Lines, "\n"); strings.Contains(text, "hunter2") || strings.Contains(text, "swordfish") {
		t.Errorf("a secret is told:\n%s", text)
	}
}

// A stream that is cut is taken up again, after what was kept; secrets of the workload are masked.
func TestACutStreamIsResumed(t *testing.T) {
	t.Parallel()
	r := newRack(t, 10, "a")
	h := r.host("a", plan.Installing)
	r.recordHost(h, time.Now())
	r.until(t, h, "before", says("before: line"))
	r.mu.Lock()
	r.cut["a"]()
	r.mu.Unlock()
	s := r.until(t, h, "after", func(s Serial) bool {
		_, after, resumed := strings.Cut(strings.Join(s.Lines, "\n"), "ingot: not read any more: the connection to")
		return s.State == Reads && resumed && strings.Contains(after, "read from here on") && strings.Contains(after, "after: line")
	})
	text := strings.Join(s.Lines, "\n")
	if !strings.Contains(text, "before: line") || !strings.Contains(text, "of ***") || strings.Contains(text, "hunter2") || !strings.Contains(text, "ingot: not read any more: the connection to") {
		t.Errorf("it shows\n%s", text)
	}
	h.Observed.BMC.Reach = inventory.Unreachable // Redfish does not answer: that is when a console is wanted
	r.recordHost(h, time.Now())
	r.arrangeSessions(t.Context(), time.Now())
	r.until(t, h, "meanwhile", says("meanwhile: line"))
	again := NewReader(r.config)
	if kept, err := again.ReadText("a"); err != nil || !strings.Contains(kept, "before: line") {
		t.Errorf("after a restart %q, %v", kept, err)
	}
}

// Refused credentials are not tried again soon; what changes in the fleet is tried at once.
func TestRefusedCredentialsAreLeftAlone(t *testing.T) {
	t.Parallel()
	r := newRack(t, 10, "a")
	open := r.config.Open
	refuse := true
	r.config.Open = func(ctx context.Context, name string) (map[string]secret.Value, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if refuse {
			return map[string]secret.Value{"username": secret.New("admin"), "password": secret.New("battery staple")}, nil
		}
		return open(ctx, name)
	}
	h := r.host("a", plan.Failed)
	r.recordHost(h, time.Now())
	s := r.until(t, h, "refused", func(s Serial) bool { return strings.Contains(s.Text, "refuses the credentials") })
	if s.State != Waits || strings.Contains(s.Text, "battery") || !strings.Contains(s.Text, "tried again after") {
		t.Errorf("of refused credentials it is said %+v", s)
	}
	r.recordHost(h, time.Now()) // nothing changed
	r.until(t, h, "still refused", is(Waits))
	if counts := r.servers["a"].Counts(); counts.Logins != 1 {
		t.Errorf("%+v, want one login", counts)
	}
	r.mu.Lock()
	refuse = false
	r.mu.Unlock()
	h.Desired.BMC = &schemas.BMC{Address: h.Desired.BMC.Address, Credentials: "bmc-2", Console: h.Desired.BMC.Console}
	r.recordHost(h, time.Now())
	r.until(t, h, "other credentials", is(Reads))
}

// Where there are more consoles than may be read at a time, those come first for which something is under way; others give way.
func TestTheUrgentComeFirst(t *testing.T) {
	t.Parallel()
	r := newRack(t, 1, "a", "b")
	waits, urgent := r.host("a", plan.Held), r.host("b", plan.Installing)
	r.recordHost(waits, time.Now())
	r.until(t, waits, "first", says("first: line"))
	away := waits // its BMC is not reached, which ends no session, and is not urgent
	away.Observed.BMC.Reach = inventory.Unreachable
	r.recordHost(away, time.Now())
	r.recordHost(urgent, time.Now())
	r.until(t, urgent, "second", says("second: line"))
	r.recordHost(waits, time.Now())
	r.until(t, waits, "its turn", func(s Serial) bool { return s.State == Waits && strings.Contains(s.Text, "Others come first") })
	urgent.Orphaned = true
	r.recordHost(urgent, time.Now())
	r.until(t, waits, "third", says("third: line"))
	waits.Orphaned = true
	r.recordHost(waits, time.Now())
	r.until(t, waits, "the end", func(Serial) bool { return r.feeds["a"].Readers() == 0 && r.feeds["b"].Readers() == 0 })
}

// A host that has nothing more to do is read until it has settled.
func TestAHostSettles(t *testing.T) {
	t.Parallel()
	r := newRack(t, 10, "a")
	h := r.host("a", plan.Starting)
	r.recordHost(h, time.Now())
	r.until(t, h, "its start", says("its start: line"))
	h.Document.Phase = plan.Active
	r.recordHost(h, time.Now())
	r.until(t, h, "after its start", says("after its start: line"))
	r.Reader.mu.Lock()
	w := r.hosts["a"]
	if left := time.Until(w.until); left <= 0 || left > settles {
		t.Errorf("it has settled in %s, want %s at the most", left, settles)
	}
	w.until, r.due = time.Now(), time.Now() // ten minutes later
	r.Reader.mu.Unlock()
	r.until(t, h, "its end", func(s Serial) bool { return s.State == Idle && r.feeds["a"].Readers() == 0 })
}

// A host on which nothing is under way is read while somebody looks at it, one that is protected is not.
func TestAHostIsLookedAt(t *testing.T) {
	t.Parallel()
	r := newRack(t, 10, "a", "b")
	h, protected := r.host("a", plan.Active), r.host("b", plan.Active)
	protected.Desired.Protect = true
	r.recordHost(h, time.Now())
	r.recordHost(protected, time.Now())
	r.until(t, h, "nothing", is(Idle))
	r.ExtendLease("nobody", time.Now())
	r.ExtendLease("b", time.Now())
	r.until(t, h, "what it says", func(s Serial) bool {
		r.ExtendLease("a", time.Now()) // as the page does
		return says("what it says: line")(s)
	})
	r.Reader.mu.Lock()
	r.hosts["a"].leased, r.due = time.Now(), time.Now() // a minute later
	r.Reader.mu.Unlock()
	r.until(t, h, "its end", func(s Serial) bool { return s.State == Idle && r.feeds["a"].Readers() == 0 })
	if counts := r.servers["b"].Counts(); counts.Connections != 0 {
		t.Errorf("to a protected host's console somebody connected: %+v", counts)
	}
}

// What a BMC does not offer is said, and so is what protection stops.
func TestConsolesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := newRack(t, 10, "a")
	none := r.host("none", plan.Failed)
	r.recordHost(none, time.Now())
	r.until(t, none, "the reason", func(s Serial) bool { return s.State == Waits && strings.HasPrefix(s.Text, "Its BMC offers none.") })
	h := r.host("a", plan.Starting)
	r.recordHost(h, time.Now())
	r.until(t, h, "its console", is(Reads))
	h.Desired.Protect = true
	r.recordHost(h, time.Now())
	r.until(t, h, "the end", func(s Serial) bool { return s.State == Off && r.feeds["a"].Readers() == 0 })
	h.Desired.Protect, h.Desired.File = false, "hosts/a.yaml"
	h.Desired.BMC = &schemas.BMC{Address: "https://[2001:db8::1]/redfish/v1/Systems/1"}
	if s, err := r.ReadSerial(h); err != nil || s.State != Off || !strings.Contains(s.Text, fmt.Sprintf("write into hosts/a.yaml below spec.bmc: console: {fingerprint: \"SHA256:…\"}, with the fingerprint that `ssh-keyscan -p %d 2001:db8::1 | ssh-keygen -lf -`", r.ports["a"])) {
		t.Errorf("how to turn it on: %+v, %v", s, err)
	}
}

// However much is kept, a Serial is small.
func TestTail(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "a": 1, "a\n": 1, "a\n\nb": 3, strings.Repeat("x\n", 5000): shownLines, strings.Repeat(strings.Repeat("y", 1000)+"\n", 250): shownBytes / 1001} {
		if got := lastLines(text); len(got) != want {
			t.Errorf("of %d bytes %d lines are shown, want %d", len(text), len(got), want)
		}
	}
}

// A command that enters the console is typed where the BMC's command line takes it. Where the port is the console itself, it would go to the machine.
func TestNothingIsTypedIntoTheMachine(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{false, true} {
		r := newRack(t, 10, "a")
		r.config.Offered = func(host inventory.MachineID) (redfish.SerialConsole, error) {
			return redfish.SerialConsole{Enabled: true, Port: r.ports[string(host)], Shared: shared, Entry: "console com2"}, nil
		}
		want := ""
		if shared {
			want = "console com2\r"
		}
		h := r.host("a", plan.Installing)
		r.recordHost(h, time.Now())
		r.until(t, h, "it", func(s Serial) bool { return says("it: line")(s) && len(r.servers["a"].Typed()) >= len(want) })
		if typed := r.servers["a"].Typed(); typed != want {
			t.Errorf("shared with the BMC's command line %t: typed was %q, want %q", shared, typed, want)
		}
	}
}
