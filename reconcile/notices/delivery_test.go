package notices_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/notices"
)

// about is an event of machines, queued for the receiver ops.
func about(memory *notices.Memory, id string, machines ...string) notices.Event {
	e := notices.Event{ID: id, Time: noon, Event: notices.Held, Count: len(machines)}
	for _, m := range machines {
		e.Hosts = append(e.Hosts, notices.Named{Name: m, ID: inventory.MachineID(m)})
	}
	memory.Queue([]notices.Event{e}, func(notices.Kind) []string { return []string{"ops"} })
	return e
}

// TestOrderPerMachine wants the events of a machine in their order, and those of other machines past a failed one.
func TestOrderPerMachine(t *testing.T) {
	t.Parallel()
	memory, attempts := notices.NewMemory(0), notices.Attempts{}
	first := about(memory, "1", "a")
	about(memory, "2", "a", "b")
	about(memory, "3", "b")
	about(memory, "4", "c")
	all := about(memory, "5", "d")
	memory.Pending[4].Event.Count = all.Count + 1 // it speaks of machines that it does not list
	about(memory, "6", "e")
	attempts.Fail(first, notices.Failure{}, noon)
	var order []string
	for {
		e, found, wait := memory.NextFor("ops", attempts, noon)
		if !found {
			if wait != time.Minute {
				t.Errorf("wait %s, want a minute", wait)
			}
			break
		}
		order = append(order, e.ID)
		memory.Settle("ops", e.ID)
	}
	if !slices.Equal(order, []string{"4"}) {
		t.Errorf("sent %v while the first failed, want 4 alone", order)
	}
	order = nil
	for e, found, _ := memory.NextFor("ops", attempts, noon.Add(time.Minute)); found; e, found, _ = memory.NextFor("ops", attempts, noon.Add(time.Minute)) {
		order = append(order, e.ID)
		memory.Settle("ops", e.ID)
	}
	if !slices.Equal(order, []string{"1", "2", "3", "5", "6"}) || len(memory.Pending) != 0 {
		t.Errorf("sent %v, %d are left", order, len(memory.Pending))
	}
}

// TestFiveTriesInAnHour fails every try, and wants the times of the tries.
func TestFiveTriesInAnHour(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failure notices.Failure
		age     time.Duration
		want    []time.Duration
	}{
		"refused":         {notices.Failure{}, 0, []time.Duration{0, 1 * time.Minute, 5 * time.Minute, 15 * time.Minute, 59 * time.Minute}},
		"down":            {notices.Failure{Down: true}, 0, []time.Duration{0, 1 * time.Minute, 5 * time.Minute, 15 * time.Minute, 59 * time.Minute}},
		"asks for 30 min": {notices.Failure{Down: true, RetryAfter: 30 * time.Minute}, 0, []time.Duration{0, 30 * time.Minute, 60 * time.Minute}},
		"asks for a year": {notices.Failure{Down: true, RetryAfter: 9000 * time.Hour}, 0, []time.Duration{0, time.Hour}},
		"an old event":    {notices.Failure{}, 2 * time.Hour, []time.Duration{0}},
	} {
		memory, attempts := notices.NewMemory(0), notices.Attempts{}
		about(memory, "1", "a")
		memory.Pending[0].Event.Time = noon.Add(-test.age)
		now := noon
		var tries []time.Duration
		for {
			e, found, wait := memory.NextFor("ops", attempts, now)
			if !found {
				now = now.Add(wait)
				continue
			}
			tries = append(tries, now.Sub(noon))
			if attempts.Fail(e, test.failure, now) {
				break
			}
		}
		if !slices.Equal(tries, test.want) {
			t.Errorf("%s: tries at %v, want %v", name, tries, test.want)
		}
	}
}

// TestADeadReceiverIsAskedOnceAMinute has a hundred events wait for a receiver that does not answer.
func TestADeadReceiverIsAskedOnceAMinute(t *testing.T) {
	t.Parallel()
	memory, attempts := notices.NewMemory(0), notices.Attempts{}
	for i := range 100 {
		about(memory, fmt.Sprint(i), fmt.Sprint(i))
	}
	tries := 0
	for now := noon; now.Before(noon.Add(time.Hour)); now = now.Add(time.Second) {
		if e, found, _ := memory.NextFor("ops", attempts, now); found {
			tries++
			attempts.Fail(e, notices.Failure{Down: true}, now)
		}
	}
	if tries != 60 {
		t.Errorf("%d tries in an hour, want 60", tries)
	}
	attempts.Succeed("0")
	if _, found, _ := memory.NextFor("ops", attempts, noon.Add(time.Hour)); !found {
		t.Error("nothing is sent after an answer")
	}
}

// TestQueueIsBounded wants the oldest events to give way, counted for each receiver.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	memory := notices.NewMemory(0)
	lost := map[string]int{}
	for i := range 400 {
		e := notices.Event{ID: fmt.Sprint(i), Time: noon, Event: notices.Held, Why: strings.Repeat("x", 1000), Count: 1}
		for name, n := range memory.Queue([]notices.Event{e}, func(notices.Kind) []string { return []string{"ops", "chat"} }) {
			lost[name] += n
		}
	}
	bytes, err := json.Marshal(memory.Pending)
	if err != nil || len(bytes) > notices.MaxPending || len(memory.Pending)+lost["ops"] != 400 || lost["ops"] != lost["chat"] || lost["ops"] == 0 {
		t.Errorf("%d bytes of %d events, lost %v (%v)", len(bytes), len(memory.Pending), lost, err)
	}
	if last := memory.Pending[len(memory.Pending)-1].Event.ID; last != "399" {
		t.Errorf("the newest event is %s, want 399", last)
	}
	memory.Queue([]notices.Event{{ID: "other", Event: notices.Failed}}, func(notices.Kind) []string { return nil })
	memory.KeepReceivers([]string{"chat"})
	if _, found, _ := memory.NextFor("ops", notices.Attempts{}, noon); found || slices.ContainsFunc(memory.Pending, func(p notices.Pending) bool { return p.Event.ID == "other" }) {
		t.Error("a receiver that is not configured, or takes no such events, has something to be sent")
	}
}

// TestMemoryOutlivesTheProcess wants the same memory back, with what a newer ingot wrote beside it.
func TestMemoryOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	memory := notices.NewMemory(0)
	about(memory, "1", "a")
	memory.Told["web-3"] = notices.Told{Kind: notices.Held, Since: noon.Unix(), Mark: "9f3ac41b"}
	memory.Told["web-4"] = notices.Told{Kind: notices.Failed, Since: noon.Unix()}
	memory.Groups["Held/NeedsConsent/web"] = noon
	memory.KeepSent(notices.CommitStatus{Commit: commit, Context: "ingot/canary", State: notices.StatePending}, noon)
	data, err := memory.Encode()
	if err != nil {
		t.Fatal(err)
	}
	data = compress(t, `{"later":{"a":1},`+uncompress(t, data)[1:])
	read := notices.NewMemory(0)
	if err := read.Decode(data); err != nil {
		t.Fatal(err)
	}
	memory.Unknown = `{"later":{"a":1}}`
	if diff := cmp.Diff(memory, read, cmp.AllowUnexported(notices.Memory{})); diff != "" {
		t.Error(diff)
	}
	if err := read.Decode(compress(t, `{"minReader":999}`)); !errors.Is(err, format.ErrNewer) {
		t.Errorf("a newer memory: %v, want ErrNewer", err)
	}
	if err := read.Decode(compress(t, `{}`)); err != nil {
		t.Fatal(err)
	}
	read.Tell(notices.Collect(notices.Fleet{}, []notices.Host{held("web-3")}), notices.Fleet{}, noon)
	read.KeepSent(notices.CommitStatus{}, noon)
	for _, bad := range [][]byte{compress(t, `{"told":{"a":"no"}}`), compress(t, "["), nil, []byte("{}"), data[:len(data)-4]} {
		if err := read.Decode(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func compress(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func uncompress(t *testing.T, data []byte) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
