package daemon_test

import (
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/status"
)

// TestEventsMissWhoWasRenamedMeanwhile has a daemon die after it renamed a host, before it told that: what it tells after its restart misses the name.
func TestEventsMissWhoWasRenamedMeanwhile(t *testing.T) {
	t.Parallel()
	fleet := func(commit string) daemon.Event { return daemon.Event{Fleet: &daemon.View{Commit: commit}} }
	is := func(name string) daemon.Event {
		return daemon.Event{Host: &daemon.HostView{Document: status.Document{Metadata: status.Metadata{Name: name}}}}
	}
	all := daemon.Event{All: true}
	for name, test := range map[string]struct {
		connections [][]daemon.Event
		want        string
	}{
		"renamed while it was away": {
			[][]daemon.Event{{fleet("1"), is("a"), is("old"), all}, {fleet("1"), is("a"), is("new"), all}},
			"a old all | a new -old all"},
		"told before it went": {
			[][]daemon.Event{{fleet("1"), is("old"), all, is("new"), {Name: "old", Gone: true}}, {fleet("1"), is("new"), all}},
			"old all new -old | new all"},
		"it went before it had told all": {
			[][]daemon.Event{{fleet("1"), is("a"), is("old")}, {fleet("1"), is("a")}, {fleet("1"), is("a"), is("new"), all}},
			"a old | a | a new -old all"},
		"it does not know its hosts yet": {
			[][]daemon.Event{{fleet("1"), is("a"), is("old"), all}, {fleet(""), all, is("a"), fleet("1"), is("new")}, {fleet("1"), is("a"), is("new"), all}},
			"a old all | all a | a new -old all"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			var connection atomic.Int32
			client := daemon.Connect(streams(t, &connection, test.connections))
			last := int32(0)
			err := client.Events(t.Context(), func(e daemon.Event) bool {
				now := connection.Load()
				if now != last && last > 0 {
					got = append(got, "|")
				}
				last = now
				switch {
				case e.Gone:
					got = append(got, "-"+e.Name)
				case e.All:
					got = append(got, "all")
				case e.Host != nil:
					got = append(got, e.Of())
				}
				return e.All && int(now) == len(test.connections)
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// streams is the socket of a daemon that tells these events, and goes, on each connection.
func streams(t *testing.T, connection *atomic.Int32, connections [][]daemon.Event) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		encoder := json.NewEncoder(w)
		for _, e := range connections[connection.Add(1)-1] {
			if err := encoder.Encode(e); err != nil {
				return // who read has seen enough
			}
		}
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return socket
}
