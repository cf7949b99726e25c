package conn

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
)

// TestABMCThatDoesNotAnswerIsGivenUpOn: the deadlines belong to the request. Whatever a BMC does not do, the request ends
// in time, with a caller that has all the time of the world.
func TestABMCThatDoesNotAnswerIsGivenUpOn(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	certificate := server.TLS.Certificates
	server.Close()
	const body = `{"@odata.id":"/redfish/v1/","Systems":{"@odata.id":"/systems"}}`
	root := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for name, test := range map[string]struct {
		listens bool     // a connection is made
		secure  bool     // with TLS
		answers []string // to the first requests
		patch   bool
		slow    bool // the body of the last answer comes after a while
		want    time.Duration
		says    string
	}{
		"nobody listens":        {want: 10 * time.Second, says: "no connection within 10s"},
		"it accepts, no TLS":    {listens: true, want: 10 * time.Second, says: "no connection within 10s"},
		"no answer to a GET":    {listens: true, secure: true, want: 25 * time.Second, says: "no answer within 25s"},
		"no answer to a PATCH":  {listens: true, secure: true, answers: []string{root}, patch: true, want: time.Minute, says: "deadline"},
		"half an answer":        {listens: true, secure: true, answers: []string{root[:60]}, want: time.Minute, says: "broke off"},
		"a body that takes 40s": {listens: true, secure: true, answers: []string{root, root}, slow: true, want: 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
					if !test.listens {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					ours, theirs := net.Pipe()
					go func() {
						defer theirs.Close()
						if !test.secure {
							_, _ = io.Copy(io.Discard, theirs)
							return
						}
						answerSome(tls.Server(theirs, &tls.Config{Certificates: certificate}), test.answers, test.slow)
					}()
					return ours, nil
				}
				c, err := Open(Config{Address: "https://10.0.0.1", Username: "u", Password: secret.New("p"),
					TLS: TLS{FirstUse: true}, Dial: dial})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				call := c.Call(t.Context(), "read the system")
				if test.patch {
					var got *http.Response
					if got, err = call.Patch("/systems/1", map[string]string{"Name": "x"}); err == nil {
						got.Body.Close()
					}
				} else {
					_, err = Get[map[string]any](call, "/systems/1")
				}
				took := time.Since(began)
				said := AsError(err)
				if test.says == "" {
					if err != nil || took != test.want {
						t.Errorf("after %s: %v, want an answer after %s", took, err, test.want)
					}
				} else if said == nil || said.Kind != Unreachable || took != test.want || !strings.Contains(said.Detail, test.says) {
					t.Errorf("after %s: %v, want no answer after %s, as %q", took, err, test.want, test.says)
				}
				c.dropHTTP()
			})
		})
	}
}

// answerSome answers the first requests, and reads on. A slow BMC sends the body of its last answer after a while.
func answerSome(c net.Conn, answers []string, slow bool) {
	defer c.Close()
	in := bufio.NewReader(c)
	for i, answer := range answers {
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		head := len(answer)
		if slow && i == len(answers)-1 {
			head = strings.Index(answer, "{")
		}
		_, _ = io.WriteString(c, answer[:head])
		if head < len(answer) {
			<-time.After(40 * time.Second)
			_, _ = io.WriteString(c, answer[head:])
		}
	}
	_, _ = io.Copy(io.Discard, in)
}
