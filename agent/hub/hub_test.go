package hub_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

func TestAnAgentGoesFromTokenToPhoneHome(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	state := r.state("web-03")
	if state.Boot != "boot1" || state.Epoch != 4 || state.Facts == nil || state.Facts.System.Serial != "5XKJ2M3" ||
		state.Facts.Epoch != 4 || !state.Facts.Disks[0].Content.Blank {
		t.Fatalf("state after the facts = %+v", state)
	}

	polled := make(chan []byte)
	go func() {
		_, body := agent.post(wire.PathNextJob, wire.Poll{})
		polled <- body
	}()
	r.assign("web-03", install("op1", 1, 4))
	var job wire.Job
	if err := json.Unmarshal(<-polled, &job); err != nil || job.ID != "op1" || job.Steps[0].Install == nil {
		t.Fatalf("polled job = %+v, %v", job, err)
	}
	if got := r.state("web-03").Job; got.State != inventory.JobRunning || got.ID != "op1" {
		t.Errorf("job after the poll = %+v, want Running", got)
	}

	r.letWrite(agent)
	status, part := agent.do(http.MethodGet, wire.PathImages+digestOf(content), nil, "bytes=3-12")
	if status != http.StatusPartialContent || !bytes.Equal(part, content[3:13]) {
		t.Errorf("image range = %d %q, want 206 %q", status, part, content[3:13])
	}

	events, stop := r.Subscribe()
	defer stop()
	agent.want("/v1/jobs/op1/progress",
		wire.Progress{Attempt: 1, Step: "install", Done: 10, Total: 40, Lines: []string{"writing"}},
		http.StatusNoContent)
	if e := <-events; e.Host != "web-03" || e.Job != "op1" || e.Progress.Done != 10 || len(e.Progress.Lines) != 1 {
		t.Errorf("event = %+v", e)
	}
	if got := r.state("web-03").Job; got.Done != 10 || got.Total != 40 || got.Step != "install" {
		t.Errorf("job after progress = %+v", got)
	}

	for range 2 {
		agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, OK: true}, http.StatusNoContent)
	}
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, OK: false, Error: "second thoughts"},
		http.StatusNoContent)
	if got := r.state("web-03").Job; got.State != inventory.JobSucceeded || got.Error != "" {
		t.Errorf("job after its results = %+v, want the first word to stand", got)
	}
	if status, _ := agent.do(http.MethodGet, wire.PathImages+digestOf(content), nil, ""); status != http.StatusNotFound {
		t.Errorf("image after the job ended = %d, want 404", status)
	}

	home := wire.PhoneHome{Host: "web-03", Install: "op1", Epoch: 4, Commit: "abc", Token: r.PhoneHomeToken("web-03", "op1", 4, 0).Reveal()}
	r.caller().want(wire.PathPhoneHome, home, http.StatusNoContent)
	if got := r.state("web-03").PhoneHome; got == nil || got.Install != "op1" || got.Commit != "abc" {
		t.Errorf("phone-home = %+v", got)
	}
}

// TestNobodyGetsInWithoutARight crosses every route of agents with everybody who must not use it.
func TestNobodyGetsInWithoutARight(t *testing.T) {
	t.Parallel()
	strangers := map[string]func(*rig) *caller{
		"no certificate": func(r *rig) *caller {
			r.agent("web-03", "boot1", 4)
			return r.caller()
		},
		"an older epoch": func(r *rig) *caller {
			old := r.agent("web-03", "boot1", 4)
			r.agent("web-03", "boot2", 5)
			return old
		},
		"expired, on a connection from before": func(r *rig) *caller {
			late := r.agent("web-03", "boot1", 4)
			r.advance(25 * time.Hour)
			return late
		},
		"shut out by an alarm": func(r *rig) *caller {
			first := r.agent("web-03", "boot1", 4)
			r.caller().enrol("web-03", "boot1", 4)
			return first
		},
		"a certificate of another authority": func(r *rig) *caller {
			r.agent("web-03", "boot1", 4)
			other := newRig(r.t).agent("web-03", "boot1", 4)
			foreign := r.caller()
			foreign.key = other.key
			foreign.use(other.leaf)
			return foreign
		},
		"the server's kind of certificate": func(r *rig) *caller {
			r.agent("web-03", "boot1", 4)
			c := r.caller()
			config, err := r.identity.ServerTLS(nil)
			if err != nil {
				r.t.Fatal(err)
			}
			c.key = config.Certificates[0].PrivateKey.(*ecdsa.PrivateKey)
			c.use(config.Certificates[0].Certificate[0])
			return c
		},
	}
	routes := map[string]func(*caller) int{
		"facts":    func(c *caller) int { s, _ := c.post(wire.PathFacts, facts()); return s },
		"next job": func(c *caller) int { s, _ := c.post(wire.PathNextJob, wire.Poll{}); return s },
		"progress": func(c *caller) int {
			s, _ := c.post("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "taken over"})
			return s
		},
		"result": func(c *caller) int {
			s, _ := c.post("/v1/jobs/op1/result", wire.Result{Attempt: 1, OK: true})
			return s
		},
		"image": func(c *caller) int {
			s, _ := c.do(http.MethodGet, wire.PathImages+digestOf(content), nil, "")
			return s
		},
	}
	for who, appear := range strangers {
		for route, call := range routes {
			t.Run(who+"/"+route, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				stranger := appear(r)
				_ = r.Assign(t.Context(), "web-03", hub.Assignment{Job: install("op1", 1, max(4, r.state("web-03").Epoch))})
				before := r.state("web-03")
				if got := call(stranger); got != http.StatusUnauthorized && got != 0 {
					t.Errorf("status = %d, want 401 or no connection", got)
				}
				after := r.state("web-03")
				if !reflect.DeepEqual(after.Job, before.Job) || !after.Seen.Equal(before.Seen) {
					t.Errorf("state changed from %+v to %+v", before, after)
				}
			})
		}
	}
}

func TestACertificateSpeaksForItsOwnHostOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := r.agent("db-01", "boot9", 2)
	r.agent("web-03", "boot1", 4)
	r.assign("web-03", install("op1", 1, 4))
	other.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, OK: true}, http.StatusServiceUnavailable)
	other.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "x"}, http.StatusServiceUnavailable)
	if status, _ := other.do(http.MethodGet, wire.PathImages+digestOf(content), nil, ""); status != http.StatusNotFound {
		t.Errorf("image of another host's job = %d, want 404", status)
	}
	if got := r.state("web-03").Job; got.State != inventory.JobAssigned || got.Step != "" {
		t.Errorf("web-03's job = %+v, want untouched", got)
	}
}

func TestEnrolmentIsRefusedAlikeForEveryReason(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*rig, *wire.Enrol){
		"wrong token":          func(_ *rig, m *wire.Enrol) { m.Token = base64.RawURLEncoding.EncodeToString(make([]byte, 32)) },
		"token of another":     func(r *rig, m *wire.Enrol) { m.Token = r.BootToken("db-01", "boot1", 4).Reveal() },
		"older epoch":          func(r *rig, m *wire.Enrol) { m.Epoch = 3; m.Token = r.BootToken("web-03", "boot1", 3).Reveal() },
		"later epoch":          func(r *rig, m *wire.Enrol) { m.Epoch = 5; m.Token = r.BootToken("web-03", "boot1", 5).Reveal() },
		"unexpected boot":      func(r *rig, m *wire.Enrol) { m.Boot = "bootX"; m.Token = r.BootToken("web-03", "bootX", 4).Reveal() },
		"host nobody expects":  func(r *rig, m *wire.Enrol) { m.Host = "new"; m.Token = r.BootToken("new", "boot1", 4).Reveal() },
		"first use too late":   func(r *rig, _ *wire.Enrol) { r.advance(61 * time.Minute) },
		"CSR of somebody else": func(_ *rig, m *wire.Enrol) { m.CSR[len(m.CSR)-1] ^= 1 },
	}
	bodies := map[string]bool{}
	var mu sync.Mutex
	t.Run("cases", func(t *testing.T) {
		for name, spoil := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.expect("web-03", "boot1", 4)
				c := r.caller()
				m := wire.Enrol{Version: wire.Version, Host: "web-03", Boot: "boot1", Epoch: 4, Token: r.BootToken("web-03", "boot1", 4).Reveal(), CSR: c.csr()}
				spoil(r, &m)
				body := c.want(wire.PathEnrol, m, http.StatusUnauthorized)
				if got := r.state("web-03"); got.Boot != "" || got.Alarm != "" {
					t.Errorf("state = %+v, want nobody enrolled", got)
				}
				mu.Lock()
				defer mu.Unlock()
				bodies[string(body)] = true
			})
		}
	})
	if len(bodies) != 1 {
		t.Errorf("refusals read differently: %v", bodies)
	}
}

func TestTheSameKeyGetsTheSameCertificate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.expect("web-03", "boot1", 4)
	c := r.caller()
	_, first := c.enrol("web-03", "boot1", 4)
	r.advance(2 * time.Hour) // the token's life is to its first use only
	r.start()
	status, second := c.enrol("web-03", "boot1", 4)
	if status != http.StatusOK || !bytes.Equal(first, second) {
		t.Errorf("second enrolment = %d, the same certificate: %v; want 200, true", status, bytes.Equal(first, second))
	}
	leaf, err := x509.ParseCertificate(second)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := leaf.URIs[0].String(), "ingot://agent/web-03/boot1/4?protocol=5"; got != want {
		t.Errorf("certificate speaks for %s, want %s", got, want)
	}
}

// TestABootForOneKey: a boot that a waiting agent takes over lets in that agent's key, also after a restart. Another key
// with the token is refused, and does not shut the agent out.
func TestABootForOneKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, other := r.caller(), r.caller()
	key, err := x509.MarshalPKIXPublicKey(c.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Expect(t.Context(), "web-03", "boot1", 4, digestOf(key)); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"before", "after a restart"} {
		if status, _ := other.enrol("web-03", "boot1", 4); status != http.StatusUnauthorized {
			t.Errorf("%s: another key is answered with %d", when, status)
		}
		if got := r.state("web-03"); got.Boot != "" || got.Alarm != "" {
			t.Errorf("%s: state = %+v, want nobody enrolled", when, got)
		}
		r.start()
	}
	if status, _ := c.enrol("web-03", "boot1", 4); status != http.StatusOK {
		t.Errorf("the agent is answered with %d", status)
	}
	if status, _ := other.enrol("web-03", "boot1", 4); status != http.StatusUnauthorized || r.state("web-03").Alarm != "" {
		t.Errorf("then another key is answered with %d, state %+v", status, r.state("web-03"))
	}
}

func TestTwoKeysRacingForATokenAreBothRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.expect("web-03", "boot1", 4)
	racers := []*caller{r.caller(), r.caller()}
	statuses := make([]int, len(racers))
	var wait sync.WaitGroup
	for i, c := range racers {
		wait.Go(func() {
			status, certificate := c.enrol("web-03", "boot1", 4)
			statuses[i] = status
			if status == http.StatusOK {
				c.use(certificate)
			}
		})
	}
	wait.Wait()
	if statuses[0] == statuses[1] || statuses[0]+statuses[1] != http.StatusOK+http.StatusUnauthorized {
		t.Errorf("statuses = %v, want one 200 and one 401", statuses)
	}
	if r.state("web-03").Alarm == "" {
		t.Error("no alarm")
	}
	for i, c := range racers {
		c.want(wire.PathFacts, facts(), http.StatusUnauthorized)
		if status, _ := c.enrol("web-03", "boot1", 4); status != http.StatusUnauthorized {
			t.Errorf("racer %d enrols after the alarm: %d, want 401", i, status)
		}
	}
	if err := r.Assign(t.Context(), "web-03", hub.Assignment{Job: install("op1", 1, 4)}); err == nil {
		t.Error("a job was assigned in spite of the alarm")
	}
	r.agent("web-03", "boot2", 5) // the next boot is a new start
	if got := r.state("web-03"); got.Alarm != "" || got.Boot != "boot2" {
		t.Errorf("state of the next boot = %+v", got)
	}
}

func TestStaleOrdersAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.agent("web-03", "boot1", 4)
	r.assign("web-03", install("op1", 2, 4))
	for name, err := range map[string]error{
		"older attempt":             r.Assign(t.Context(), "web-03", hub.Assignment{Job: install("op1", 1, 4)}),
		"older epoch":               r.Assign(t.Context(), "web-03", hub.Assignment{Job: install("op1", 3, 3)}),
		"lower boot":                r.Expect(t.Context(), "web-03", "boot0", 3, ""),
		"another boot of the epoch": r.Expect(t.Context(), "web-03", "bootX", 4, ""),
	} {
		if !errors.Is(err, hub.ErrStale) {
			t.Errorf("%s = %v, want ErrStale", name, err)
		}
	}
	if got := r.state("web-03"); got.Boot != "boot1" || got.Job.Attempt != 2 {
		t.Errorf("state = %+v, want it untouched", got)
	}
}

func TestAWithdrawnJobIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", install("op1", 1, 4))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "op1", Attempt: 1, Why: "spec.protect is true"}); err != nil {
		t.Fatal(err)
	}
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install"}, http.StatusGone)
	if got := r.state("web-03").Job; got.State != inventory.JobWithdrawn || got.Over || got.Error != "spec.protect is true" {
		t.Errorf("job = %+v, want it withdrawn", got)
	}
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, Error: "the job was withdrawn"}, http.StatusNoContent)
	if got := r.state("web-03").Job; got.State != inventory.JobWithdrawn || !got.Over {
		t.Errorf("job = %+v, want it withdrawn and over", got)
	}
}

func TestARestartedHubKnowsItsAgents(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", install("op1", 1, 4))

	r.start()
	agent.use(agent.leaf)
	if got := r.state("web-03"); got.Job.State != inventory.NoJob || got.Boot != "boot1" || got.Facts == nil || got.Seen.IsZero() {
		t.Errorf("state after a restart before the job was fetched = %+v, want the agent, without a job", got)
	}
	r.assign("web-03", install("op1", 1, 4))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	r.letWrite(agent)

	r.start()
	agent.use(agent.leaf)
	if got := r.state("web-03").Job; got.State != inventory.JobRunning || got.ID != "op1" {
		t.Errorf("job after a restart in the middle of it = %+v, want Running", got)
	}
	if status, got := agent.do(http.MethodGet, wire.PathImages+digestOf(content), nil, ""); status != http.StatusOK || !bytes.Equal(got, content) {
		t.Errorf("image after a restart = %d, want the running job's image", status)
	}
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, OK: false, Step: "install", Error: "disk full"}, http.StatusNoContent)

	r.start()
	if got := r.state("web-03").Job; got.State != inventory.JobFailed || got.Error != "disk full" || got.Step != "install" {
		t.Errorf("job after another restart = %+v, want its failure", got)
	}
}

// TestAJobIsHandedOutOverARestart has the daemon die after it noted that the agent has its job, and before the agent
// got it.
func TestAJobIsHandedOutOverARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", install("op1", 1, 4))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)

	r.start()
	agent.use(agent.leaf)
	asked := make(chan []byte)
	go func() {
		_, body := agent.post(wire.PathNextJob, wire.Poll{})
		asked <- body
	}()
	<-r.notified
	if got := r.state("web-03").Job; got.State != inventory.NoJob {
		t.Errorf("job after a restart, when its agent has none = %+v, want none: it is assigned again", got)
	}
	r.assign("web-03", install("op1", 1, 4))
	if body := <-asked; !bytes.Contains(body, []byte("op1")) {
		t.Errorf("the agent was given %s, want its job", body)
	}
	if got := r.state("web-03").Job; got.State != inventory.JobRunning {
		t.Errorf("job after it was handed out = %+v, want Running", got)
	}
}

func TestALostJournalDoesNotShutEnrolledAgentsOut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.store.data = map[string][]byte{}
	r.start()
	agent.use(agent.leaf)
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusUnauthorized)

	r.expect("web-03", "boot1", 4) // rebuilt from the status branch
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusPreconditionRequired)
	agent.want(wire.PathFacts, facts(), http.StatusNoContent)
	if got := r.state("web-03"); got.Boot != "boot1" || got.Facts == nil || got.Protocol != wire.Version {
		t.Errorf("state = %+v, want the agent back, with its protocol", got)
	}
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install"}, http.StatusServiceUnavailable) // not 410: it shall go on writing
	r.assign("web-03", install("op1", 1, 4))
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install"}, http.StatusNoContent)
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, OK: true}, http.StatusNoContent)
	second := r.caller()
	if status, _ := second.enrol("web-03", "boot1", 4); status != http.StatusUnauthorized || r.state("web-03").Alarm == "" {
		t.Errorf("another key with the used token = %d, want 401 and an alarm", status)
	}
}

// TestACallIsAcknowledgedWhenTheBranchShowsIt has a system call before and after the push: a call that only the daemon's
// own memory has must come again, and costs its caller nothing.
func TestACallIsAcknowledgedWhenTheBranchShowsIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	pushed := false
	r.shows = func(host, install string) bool { return pushed && host == "web-03" && install == "op1" }
	r.start()
	home := wire.PhoneHome{Host: "web-03", Install: "op1", Epoch: 4, Token: r.PhoneHomeToken("web-03", "op1", 4, 0).Reveal(), BootID: "x"}
	for range 40 {
		r.caller().want(wire.PathPhoneHome, home, http.StatusServiceUnavailable)
	}
	if got := r.state("web-03").PhoneHome; got == nil || got.Install != "op1" {
		t.Errorf("phone-home = %+v, want the call that came", got)
	}
	pushed = true
	r.caller().want(wire.PathPhoneHome, home, http.StatusNoContent)
}

// TestACallOfAnotherMachine: the disk was moved, and the call of the other machine counts, whatever boot id its kernel says.
func TestACallOfAnotherMachine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start()
	home := wire.PhoneHome{Host: "web-03", Install: "op1", Epoch: 4, Token: r.PhoneHomeToken("web-03", "op1", 4, 0).Reveal(), BootID: "x"}
	for _, machine := range []string{"4C4C-1", "4c4c-2", "4c4c-1"} {
		home.Machine = machine
		r.caller().want(wire.PathPhoneHome, home, http.StatusNoContent)
		if got := r.state("web-03").PhoneHome; got == nil || got.Machine != strings.ToLower(machine) {
			t.Errorf("the newest call is %+v, want that of %s", got, machine)
		}
	}
}

func TestNothingIsAcknowledgedBeforeItIsStored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", install("op1", 1, 4))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	r.store.fail(errors.New("no quorum"))
	home := wire.PhoneHome{Host: "web-03", Install: "op1", Epoch: 4, Token: r.PhoneHomeToken("web-03", "op1", 4, 0).Reveal()}
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, OK: true}, http.StatusServiceUnavailable)
	agent.want(wire.PathPhoneHome, home, http.StatusServiceUnavailable)
	if got := r.state("web-03"); got.Job.State != inventory.JobRunning || got.PhoneHome != nil {
		t.Errorf("state = %+v, want what the store holds", got)
	}
	r.store.fail(nil)
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, OK: true}, http.StatusNoContent)
	agent.want(wire.PathPhoneHome, home, http.StatusNoContent)

	r.start()
	if got := r.state("web-03"); got.Job.State != inventory.JobSucceeded || got.PhoneHome == nil {
		t.Errorf("state after a restart = %+v, want the result and the phone-home", got)
	}
}

func TestAnUnreadableStoreIsAnError(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{"garbage": "x", "empty": "", "another version": `{"version":7}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.store.data["web-03"] = []byte(document)
			if state, err := r.State(t.Context(), "web-03"); err == nil {
				t.Errorf("State = %+v, want an error", state)
			}
			if err := r.Expect(t.Context(), "web-03", "boot1", 4, ""); err == nil {
				t.Error("Expect wrote over what it could not read")
			}
		})
	}
}

// TestTheRepeatedCall has an installed system call after every start: the newest call counts, with what it says of its
// disk. A call with the token of another attempt, or of an attempt before, changes nothing.
func TestTheRepeatedCall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.caller()
	call := func(attempt int, boot string) wire.PhoneHome {
		return wire.PhoneHome{Host: "web-03", Install: "op1", Epoch: 4, Attempt: attempt, BootID: boot, Disk: "a-b",
			Filesystems: map[string]string{"c": "d"}, Token: r.PhoneHomeToken("web-03", "op1", 4, attempt).Reveal()}
	}
	want := func(attempt int, boot string) {
		t.Helper()
		got := r.state("web-03").PhoneHome
		if got == nil || got.Attempt != attempt || got.BootID != boot || got.Disk != "a-b" || got.Filesystems["c"] != "d" {
			t.Errorf("phone-home = %+v, want attempt %d of boot %s", got, attempt, boot)
		}
	}
	c.want(wire.PathPhoneHome, call(1, "x"), http.StatusNoContent)
	c.want(wire.PathPhoneHome, call(1, "y"), http.StatusNoContent)
	want(1, "y")
	c.want(wire.PathPhoneHome, call(2, "z"), http.StatusNoContent)
	want(2, "z")
	c.want(wire.PathPhoneHome, call(1, "y"), http.StatusNotFound)
	stolen := call(3, "z")
	stolen.Token = call(2, "z").Token
	c.want(wire.PathPhoneHome, stolen, http.StatusNotFound)
	older := call(3, "z")
	older.Attempt = 0
	c.want(wire.PathPhoneHome, older, http.StatusNotFound)
	want(2, "z")
}

// TestACallThatNamesNoBoot may be of another start of the system, so its time counts: a reboot waits for it.
func TestACallThatNamesNoBoot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	call := wire.PhoneHome{Host: "web-03", Install: "op1", Epoch: 4, Token: r.PhoneHomeToken("web-03", "op1", 4, 0).Reveal()}
	r.caller().want(wire.PathPhoneHome, call, http.StatusNoContent)
	first := r.state("web-03").PhoneHome.At
	r.advance(time.Minute)
	r.caller().want(wire.PathPhoneHome, call, http.StatusNoContent)
	if again := r.state("web-03").PhoneHome.At; again.Sub(first) != time.Minute {
		t.Errorf("the call counts at %v, the one before at %v", again, first)
	}
}

func TestPhoneHomeNeedsItsToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.caller()
	good := func(install string, epoch inventory.Epoch) wire.PhoneHome {
		return wire.PhoneHome{Host: "web-03", Install: install, Epoch: epoch, Token: r.PhoneHomeToken("web-03", install, epoch, 0).Reveal()}
	}
	other := good("op1", 4)
	other.Install = "op2"
	c.want(wire.PathPhoneHome, other, http.StatusNotFound)
	other = good("op1", 4)
	other.Host = "db-01"
	c.want(wire.PathPhoneHome, other, http.StatusNotFound)
	if got := r.state("web-03").PhoneHome; got != nil {
		t.Errorf("phone-home = %+v, want none", got)
	}
	c.want(wire.PathPhoneHome, good("op2", 5), http.StatusNoContent)
	c.want(wire.PathPhoneHome, good("op1", 4), http.StatusNotFound)
	if got := r.state("web-03").PhoneHome; got == nil || got.Install != "op2" {
		t.Errorf("phone-home = %+v, want the newer install's", got)
	}
}

func TestLargeBodiesAndFloodsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	agent.want(wire.PathFacts, wire.Facts{Errors: []string{string(make([]byte, 600<<10))}}, http.StatusRequestEntityTooLarge)
	agent.want("/v1/jobs/x/progress", wire.Progress{Lines: []string{string(make([]byte, wire.MaxBody))}}, http.StatusRequestEntityTooLarge)

	stranger := r.caller()
	last := 0
	for range 40 {
		last, _ = stranger.post(wire.PathPhoneHome, wire.PhoneHome{Host: "web-03", Token: "guess"})
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the 40th guess = %d, want 429", last)
	}
	agent.want(wire.PathFacts, facts(), http.StatusNoContent) // others are not held up
	r.advance(time.Minute)
	stranger.want(wire.PathPhoneHome, wire.PhoneHome{Host: "web-03", Token: "guess"}, http.StatusNotFound)
}

func TestASlowWatcherHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", install("op1", 1, 4))
	events, stop := r.Subscribe()
	for i := range 300 {
		r.advance(time.Second)
		agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install", Done: uint64(i)}, http.StatusNoContent)
	}
	stop()
	got := 0
	for range events {
		got++
	}
	if got == 0 || got >= 300 {
		t.Errorf("events = %d, want some but not all of 300", got)
	}
	if done := r.state("web-03").Job.Done; done != 299 {
		t.Errorf("done = %d, want the newest", done)
	}
}

func TestEveryWordWakesTheLoop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4) // enrolment, facts
	r.assign("web-03", install("op1", 1, 4))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, OK: true}, http.StatusNoContent)
	for i := range 5 {
		select {
		case host := <-r.notified:
			if host != "web-03" {
				t.Errorf("notified of %q", host)
			}
		case <-time.After(2 * time.Minute):
			t.Fatalf("only %d notifications", i)
		}
	}
}
