package remote

import (
	"context"
	nethttp "net/http"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// exchange is what one request to a server tells our transports, and what they tell of it. It travels in the context.
type exchange struct {
	multiAck capability.Capability // asked for, although go-git leaves it out; "" for none
	moved    string                // scheme and host of another server to which this one redirects
	web      *nethttp.Transport    // of the server's authorities; nil for those of the system
	code     int                   // of the last answer over http; 0 for none
	header   nethttp.Header        // of that answer
}

type exchangeKey struct{}

func withExchange(ctx context.Context, e *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, e)
}

func exchangeOf(ctx context.Context) *exchange {
	if e, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return e
	}
	return &exchange{}
}

// noteRedirect notes a redirect to another server, which gets no credentials. For http.Client.CheckRedirect.
func noteRedirect(request *nethttp.Request, via []*nethttp.Request) error {
	if first := via[0].URL; first.Host != request.URL.Host || first.Scheme != request.URL.Scheme {
		exchangeOf(request.Context()).moved = request.URL.Scheme + "://" + request.URL.Host
	}
	return nil
}

// watchedTransport sends a request by the transport of its exchange, and notes what was answered: of 401, 403 and 404
// go-git drops the header.
type watchedTransport struct{ system *nethttp.Transport }

// RoundTrip implements http.RoundTripper.
func (t watchedTransport) RoundTrip(request *nethttp.Request) (*nethttp.Response, error) {
	e, transport := exchangeOf(request.Context()), t.system
	if e.web != nil {
		transport = e.web
	}
	e.code, e.header = 0, nil
	answer, err := transport.RoundTrip(request)
	if err == nil {
		e.code, e.header = answer.StatusCode, answer.Header
	}
	return answer, err
}

// ackTransport makes sessions that can ask for multi_ack. go-git takes that capability off what every server announces
// (transport.UnsupportedCapabilities), as it does not negotiate in rounds; it understands the answers to one round.
type ackTransport struct{ transport.Transport }

// NewUploadPackSession implements transport.Transport.
func (t ackTransport) NewUploadPackSession(
	e *transport.Endpoint, auth transport.AuthMethod,
) (transport.UploadPackSession, error) {
	session, err := t.Transport.NewUploadPackSession(e, auth)
	return ackSession{session}, err
}

type ackSession struct{ transport.UploadPackSession }

// AdvertisedReferencesContext implements transport.Session.
func (s ackSession) AdvertisedReferencesContext(ctx context.Context) (*packp.AdvRefs, error) {
	advertised, err := s.UploadPackSession.AdvertisedReferencesContext(ctx)
	if ask := exchangeOf(ctx).multiAck; err == nil && ask != "" {
		err = advertised.Capabilities.Set(ask)
	}
	return advertised, err
}

// demandsMultiAck are hosts whose servers take no request without multi_ack: Azure DevOps.
var demandsMultiAck = []string{"dev.azure.com", "ssh.dev.azure.com", ".visualstudio.com"}

func isDemanding(host string) bool {
	host = strings.ToLower(host)
	for _, known := range demandsMultiAck {
		if host == known || known[0] == '.' && strings.HasSuffix(host, known) {
			return true
		}
	}
	return false
}

// isBadRequest reports whether a server answered over http that it does not take a request: 400.
func isBadRequest(err error) bool {
	code, _ := statusOf(err)
	return code == nethttp.StatusBadRequest
}

// fetchInOneRound runs a fetch, with multi_ack where the server is known to demand it. A server that refuses the
// request is asked again with multi_ack, and known from then on. The context has an exchange.
func (s *Server) fetchInOneRound(ctx context.Context, fetch func(context.Context) error) error {
	known, _ := s.multiAck.Load().(capability.Capability)
	e := exchangeOf(ctx)
	e.multiAck = known
	err := fetch(ctx)
	for _, ask := range []capability.Capability{capability.MultiACK, capability.MultiACKDetailed} {
		if known != "" || !isBadRequest(err) || ctx.Err() != nil {
			break
		}
		e.multiAck = ask
		again := fetch(ctx)
		if !isBadRequest(again) {
			s.multiAck.Store(ask)
			return again
		}
	}
	return err
}

// movedError is a failure behind a redirect to another server.
type movedError struct {
	to  string
	err error
}

// Error names the other server.
func (e movedError) Error() string { return "it redirects to " + e.to + ": " + e.err.Error() }

// Unwrap gives the failure.
func (e movedError) Unwrap() error { return e.err }

func explainMove(e *exchange, err error) error {
	if err == nil || e.moved == "" {
		return err
	}
	return movedError{e.moved, err}
}
