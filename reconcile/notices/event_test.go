package notices_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/notices"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const commit = "1a2b3c4d5e6f708090a0b0c0d0e0f00010203040"

// page is a host in a phase; reason is the cause, consent is what a held host waits for.
func page(name string, phase plan.Phase, reason, consent string) notices.Host {
	d := status.Document{Metadata: status.Metadata{Name: name}, Phase: phase, Commit: commit, Ring: "canary", Workload: "web"}
	if reason != "" {
		d.Cause = &cause.Answer{Cause: cause.Name(reason), Why: "It is " + reason + ".", Do: "Look at it."}
	}
	if consent != "" {
		d.Hold = &status.Hold{Message: "consent is missing", Consent: schemas.EraseConsents{consent}}
	}
	return notices.Host{Desired: inventory.Desired{ID: inventory.MachineID(name), Name: name, Ring: "canary",
		Lifecycle: schemas.Managed, Workload: &inventory.Workload{Name: "web", Inputs: "new"}}, Document: d, Looked: true}
}

// look is what one pass finds.
type look struct {
	hosts []notices.Host
	want  []string // texts of the events, as far as their first sentence
}

// TestTell gives one pass after the other to a memory, a minute apart, and wants what each tells.
func TestTell(t *testing.T) {
	t.Parallel()
	hosts := func(all ...notices.Host) []notices.Host { return all }
	held, active := page("web-3", plan.Held, "NeedsConsent", "c1"), page("web-3", plan.Active, "", "")
	for name, passes := range map[string][]look{
		"nothing is wrong":      {{hosts(active), nil}},
		"held, and told once":   {{hosts(held), []string{"web-3 is held (NeedsConsent)"}}, {hosts(held), nil}},
		"held for another disk": {{hosts(held), []string{"web-3 is held (NeedsConsent)"}}, {hosts(page("web-3", plan.Held, "NeedsConsent", "c2")), nil}, {}, {}, {}, {hosts(page("web-3", plan.Held, "NeedsConsent", "c2")), []string{"web-3 is held (NeedsConsent)"}}},
		"held for something else": {{hosts(held), []string{"web-3 is held (NeedsConsent)"}},
			{hosts(page("web-3", plan.Held, "NoPhoneHome", "")), []string{"web-3 is held (NoPhoneHome)"}}},
		"failed after held": {{hosts(held), []string{"web-3 is held (NeedsConsent)"}},
			{hosts(page("web-3", plan.Failed, "InstallFailed", "")), []string{"web-3 is given up (InstallFailed)"}}},
		"again within five minutes waits": {{hosts(held), []string{"web-3 is held (NeedsConsent)"}}, {hosts(active), nil}, {hosts(held), nil},
			{hosts(held), nil}, {hosts(held), nil}, {hosts(held), []string{"web-3 is held (NeedsConsent)"}}},
		"an unknown page is no recovery": {{hosts(held), []string{"web-3 is held (NeedsConsent)"}},
			{hosts(page("web-3", "", "", "")), nil}, {}, {}, {}, {}, {hosts(held), nil}},
		"later hosts of a group share an event": {
			{hosts(held), []string{"web-3 is held (NeedsConsent)"}},
			{hosts(held, page("web-4", plan.Held, "NeedsConsent", "d")), nil},
			{hosts(held, page("web-4", plan.Held, "NeedsConsent", "d"), page("web-5", plan.Held, "NeedsConsent", "e")), nil}, {}, {},
			{hosts(held, page("web-4", plan.Held, "NeedsConsent", "d"), page("web-5", plan.Held, "NeedsConsent", "e")),
				[]string{"2 hosts are held (NeedsConsent): web-4, web-5"}}},
		"waiting is no event": {{hosts(page("web-3", plan.Waiting, "BMCUnreachable", "")), nil}},
	} {
		memory, at := notices.NewMemory(0), noon
		last := hosts()
		for i, pass := range passes {
			if pass.hosts != nil {
				last = pass.hosts
			}
			events, _ := memory.Tell(notices.Collect(notices.Fleet{}, last), notices.Fleet{}, at)
			if diff := cmp.Diff(pass.want, firstSentences(events)); diff != "" {
				t.Errorf("%s: pass %d: %s", name, i, diff)
			}
			at = at.Add(time.Minute)
		}
	}
}

func firstSentences(events []notices.Event) (texts []string) {
	for _, e := range events {
		text, _, _ := strings.Cut(strings.TrimPrefix(e.Text, "ingot: "), ". ")
		texts = append(texts, text)
	}
	return texts
}

// TestOneCauseForManyHosts has 3,000 hosts held in one pass: one event.
func TestOneCauseForManyHosts(t *testing.T) {
	t.Parallel()
	var hosts []notices.Host
	for i := range 3000 {
		hosts = append(hosts, page(fmt.Sprintf("web-%04d", i), plan.Held, "NeedsConsent", fmt.Sprint(i)))
	}
	memory := notices.NewMemory(0)
	events, _ := memory.Tell(notices.Collect(notices.Fleet{}, hosts), notices.Fleet{Path: "fleets/fra1"}, noon)
	if len(events) != 1 {
		t.Fatalf("%d events, want 1", len(events))
	}
	e := events[0]
	want := "ingot (fleets/fra1): 3000 hosts are held (NeedsConsent): web-0000, web-0001, web-0002, web-0003, web-0004, " +
		"web-0005, web-0006, web-0007 and 2992 more. web-0000: It is NeedsConsent. Look at it. Commit 1a2b3c4d5e6f, ring canary."
	if e.Text != want {
		t.Errorf("text = %s\nwant %s", e.Text, want)
	}
	if e.Count != 3000 || len(e.Hosts) != 50 || e.Host != "" || e.Workload != "web" || e.Commit != commit || e.Ring != "canary" {
		t.Errorf("event = %+v", e)
	}
	if bytes, err := memory.Encode(); err != nil || len(bytes) > 200<<10 {
		t.Errorf("the memory has %d bytes (%v), want a part of what the journal takes", len(bytes), err)
	}
}

// TestStopped wants an event for a ring and for a workload that failures stopped, and none for what a person paused.
func TestStopped(t *testing.T) {
	t.Parallel()
	view := admit.New(0)
	ring := func(name string, paused bool) inventory.Ring {
		return inventory.Ring{Name: name, Commit: commit, Spec: schemas.RingSpec{Paused: paused}, Hosts: []inventory.MachineID{inventory.MachineID(name)}}
	}
	view.SetFleet(admit.Fleet{Rings: map[string]inventory.Ring{"canary": ring("canary", false), "broad": ring("broad", true)}})
	view.SetMachine("canary", admit.Machine{Name: "web-1", Ring: "canary", State: admit.Failed})
	view.SetMachine("broad", admit.Machine{Name: "web-2", Ring: "broad", State: admit.Failed})
	var fleet notices.Fleet
	for _, p := range view.RingsProgress() {
		fleet.Rings = append(fleet.Rings, p)
	}
	waits := page("web-5", plan.Waiting, "WorkloadFailed", "")
	waits.Turn = string(admit.WorkloadFailed)
	other := page("web-6", plan.Waiting, "WorkloadFailed", "")
	other.Turn = waits.Turn
	memory := notices.NewMemory(0)
	events, _ := memory.Tell(notices.Collect(fleet, []notices.Host{waits, other}), fleet, noon)
	want := []string{"ring canary is stopped", "workload web is stopped"}
	if diff := cmp.Diff(want, firstSentences(events)); diff != "" {
		t.Errorf("events: %s", diff)
	}
	if events[0].Event != notices.Stopped || events[0].Ring != "canary" || !strings.Contains(events[0].Text, "web-1 failed") {
		t.Errorf("ring: %+v", events[0])
	}
	if again, _ := memory.Tell(notices.Collect(fleet, []notices.Host{waits, other}), fleet, noon.Add(time.Hour)); again != nil {
		t.Errorf("told again: %v", again)
	}
}

// TestAdopt wants nothing told of what the pages said before there was a memory.
func TestAdopt(t *testing.T) {
	t.Parallel()
	held := notices.Collect(notices.Fleet{}, []notices.Host{page("web-3", plan.Held, "NeedsConsent", "c1")})
	memory := notices.NewMemory(0)
	memory.Adopt(held, noon)
	if events, _ := memory.Tell(held, notices.Fleet{}, noon); events != nil {
		t.Errorf("told %v", events)
	}
}

// TestIDs wants the ids of events to differ, and to be the same for the same event.
func TestIDs(t *testing.T) {
	t.Parallel()
	tell := func(consent string, at time.Time) string {
		events, _ := notices.NewMemory(0).Tell(notices.Collect(notices.Fleet{}, []notices.Host{page("web-3", plan.Held, "NeedsConsent", consent)}), notices.Fleet{}, at)
		return events[0].ID
	}
	first := tell("c", noon)
	if len(first) != 16 || first != tell("c", noon) || first == tell("d", noon) || first == tell("c", noon.Add(1)) {
		t.Errorf("ids: %s %s %s %s", first, tell("c", noon), tell("d", noon), tell("c", noon.Add(1)))
	}
}

// TestWordsOfMachinesAreNoMarkup wants no mention, no link and no second line in the text that a chat shows.
func TestWordsOfMachinesAreNoMarkup(t *testing.T) {
	t.Parallel()
	host := page("web-3", plan.Failed, "InstallFailed", "")
	host.Document.Cause.Why = "A BMC says <!channel> @all\r\n[look](https://evil.example.com) www.evil.example.com \u202e"
	events, _ := notices.NewMemory(0).Tell(notices.Collect(notices.Fleet{}, []notices.Host{host}), notices.Fleet{}, noon)
	want := "ingot: web-3 is given up (InstallFailed). A BMC says ‹!channel› @\u200ball  [look]\u200b(https:\u200b//evil.example.com) " +
		"www.\u200bevil.example.com  . Look at it. Commit 1a2b3c4d5e6f, ring canary."
	if events[0].Text != want {
		t.Errorf("text = %q, want %q", events[0].Text, want)
	}
}

// TestTheHintAllowsAllHosts: the hint of a notification of several hosts is the command for all of them.
func TestTheHintAllowsAllHosts(t *testing.T) {
	t.Parallel()
	for count, want := range map[int]string{1: "run `ingot consent web-0`.", 3: "run `ingot consent --workload web`."} {
		var hosts []notices.Host
		for i := range count {
			h := page(fmt.Sprintf("web-%d", i), plan.Held, "NeedsConsent", fmt.Sprint("c", i))
			h.Document.Cause.Do = "If the disk may be erased, run `ingot consent " + h.Document.Metadata.Name + "`."
			hosts = append(hosts, h)
		}
		m := notices.NewMemory(0)
		events, _ := m.Tell(notices.Collect(notices.Fleet{}, hosts), notices.Fleet{}, noon)
		if len(events) != 1 || !strings.Contains(events[0].Do, want) || !strings.Contains(events[0].Text, want) {
			t.Errorf("%d hosts: %+v, want %q", count, events, want)
		}
	}
}
