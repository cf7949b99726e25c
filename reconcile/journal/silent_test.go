package journal_test

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/reconcile/journal"
)

// TestAClusterThatIsSilentIsNamed has nobody answer at an endpoint: it is named while it is waited for, and in the end.
func TestAClusterThatIsSilentIsNamed(t *testing.T) {
	t.Parallel()
	var listen net.ListenConfig
	silent, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0") // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	endpoint := silent.Addr().String()
	told := make(lines, 10)
	j := open(t, journal.Config{Endpoints: []string{"http://" + endpoint}, LeaseTTL: time.Second, Log: slog.New(slog.NewTextHandler(told, nil))})
	defer func() { _ = j.Close() }()
	err = j.Own(t.Context())
	if err == nil || !strings.Contains(err.Error(), "etcd http://"+endpoint+": ") || !strings.Contains(err.Error(), "etcd.endpoints") {
		t.Errorf("Own = %v, want the endpoint and what to do", err)
	}
	if got := <-told; !strings.Contains(got, "etcd does not answer") || !strings.Contains(got, endpoint) {
		t.Errorf("the log says %q, want the endpoint", got)
	}
	if len(told) > 0 {
		t.Errorf("the log also says %q", <-told)
	}
}

// lines are what a log says.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}
