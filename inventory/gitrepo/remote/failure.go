package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"unicode"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/http"

	"github.com/gitmetal/ingot/inventory/gitrepo/knownhosts"
)

// Failure is an exchange with a server that did not come to its end: one line says what was attempted, with which
// server, what happened and what to do next. The line holds no credentials and no words of the server, and stays the same
// while the server fails the same way.
type Failure struct {
	attempt, server, text string
	err                   error
}

// Error implements error.
func (f *Failure) Error() string { return f.attempt + " " + f.server + ": " + f.text }

// Unwrap gives the failure as the transport told it.
func (f *Failure) Unwrap() error { return f.err }

// explainError translates an error of a transport. The attempt ends with from or to.
func (s *Server) explainError(attempt string, err error) error {
	if errors.Is(err, transport.ErrEmptyRemoteRepository) || errors.As(err, new(git.NoMatchingRefSpecError)) {
		err = fmt.Errorf("%w: %w", ErrNoRef, err)
	}
	text := s.describe(err)
	if text == "" {
		said := strings.Join(strings.FieldsFunc(withoutURL(err).Error(), isControl), "; ")
		text = fmt.Sprintf("%.100s: check fleet.url and that the server is reachable", said)
	}
	return &Failure{attempt: attempt, server: s.String(), text: text, err: err}
}

// describe says what an error of a transport means, and what to do; "" for an error that is not known.
func (s *Server) describe(err error) string {
	for _, known := range []func(error) string{
		s.describeRepository, s.describeAnswer, s.describeHostKey, s.describeCertificate, s.describeConnection,
	} {
		if text := known(err); text != "" {
			return text
		}
	}
	return ""
}

const errObjectFormat = "the repository has SHA-256 object ids, which ingot does not read: keep the fleet in one of " +
	"`git init --object-format=sha1`"

// describeRepository tells of a repository that the server has not, or not as it must be.
func (s *Server) describeRepository(err error) string {
	local := s.endpoint.Protocol == "file"
	switch {
	case isObjectFormat(err):
		return errObjectFormat
	case errors.Is(err, errPack):
		return withoutURL(err).Error()
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return ErrNoRef.Error() + ", the repository is empty: push a first commit"
	case errors.As(err, new(git.NoMatchingRefSpecError)):
		return ErrNoRef.Error() + ": check fleet.branch, or push the branch again"
	case errors.Is(err, transport.ErrRepositoryNotFound) && local:
		return "there is no repository in this directory: check fleet.url"
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return "there is no such repository, or not for this account: check fleet.url, then what the account may read"
	default:
		return ""
	}
}

// describeAnswer tells of what a server over http answered in place of git's answer.
func (s *Server) describeAnswer(err error) string {
	var moved movedError
	var wait quietError
	code, status := statusOf(err)
	redirect, isMoved := describeRedirect(err), errors.As(err, &moved)
	switch {
	case redirect != "" && (redirect != notGit || !isMoved):
		return redirect
	case isMoved:
		return fmt.Sprintf("it redirects to another server, %s, which is sent no credentials: "+
			"write that server's address into fleet.url", moved.to)
	case errors.Is(err, transport.ErrAuthenticationRequired) && s.auth == nil:
		return "the server asks for credentials (401): set fleet.username and fleet.passwordFile"
	case errors.Is(err, transport.ErrAuthenticationRequired):
		return "the server refuses our credentials (401): check fleet.username and fleet.passwordFile"
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return "the server forbids it (403): let the account of fleet.username read the repository and push to " +
			"ingot's branches"
	case errors.As(err, &wait):
		return fmt.Sprintf("the server asked for a pause (%s): ingot asks again after it", wait.status)
	case code == nethttp.StatusTooManyRequests:
		return fmt.Sprintf("the server has had too many requests (%s): if that stays so, raise fleet.poll", status)
	case code >= nethttp.StatusInternalServerError:
		return fmt.Sprintf("the server, or a proxy before it, fails (%s): look at its log; ingot asks again", status)
	case code != 0 && s.endpoint.Protocol == "http":
		return fmt.Sprintf("the server does not take the request (%s): check fleet.url, and whether it must be https",
			status)
	case code != 0:
		return fmt.Sprintf("the server does not take the request (%s): check fleet.url", status)
	case errors.Is(err, pktline.ErrInvalidPktLen), errors.Is(err, packp.ErrEmptyInput):
		return notGit
	default:
		return ""
	}
}

// describeRedirect tells of a redirect that Git does not follow. The words are go-git's.
func describeRedirect(err error) string {
	_, why, is := strings.Cut(err.Error(), "http redirect: ")
	switch {
	case !is:
		return ""
	case strings.HasPrefix(why, "too many"):
		return "it redirects in a circle: write the URL that `git clone` takes into fleet.url, or mend the proxy before it"
	case strings.HasPrefix(why, "changes scheme"):
		return "it redirects from https to http, where anybody could read along: have the server, or its proxy, say https"
	case strings.HasPrefix(why, "redirect on non-initial"):
		return "it redirects in the midst of an exchange, which Git does not follow: write the URL behind the redirect " +
			"into fleet.url"
	default:
		return notGit
	}
}

const notGit = "the answer is not Git's, but perhaps a page to log in: write the URL that `git clone` takes into fleet.url"

// statusOf gives the status of an answer over http and its code, 0 for none. go-git gives no answer for 401, 403, 404.
func statusOf(err error) (code int, status string) {
	var unexpected *plumbing.UnexpectedError
	var answer *http.Err
	if !errors.As(err, &unexpected) || !errors.As(unexpected.Err, &answer) {
		return 0, ""
	}
	return answer.StatusCode(), nameStatus(answer.StatusCode())
}

// nameStatus names a status of http.
func nameStatus(code int) string {
	return strings.TrimSpace(fmt.Sprint(code, " ", nethttp.StatusText(code)))
}

// describeHostKey tells of a server's key over ssh, and of ours.
func (s *Server) describeHostKey(err error) string {
	scan := fmt.Sprintf("check what `ssh-keyscan -p %s %s` prints, and add it", s.sshPort(), s.endpoint.Host)
	switch {
	case errors.Is(err, knownhosts.ErrUnknown):
		return "fleet.knownHosts has no key of this server: " + scan
	case errors.Is(err, knownhosts.ErrOtherKey):
		return "the server's key is not the one we know: ask its people whether they changed it, then fleet.knownHosts"
	case errors.Is(err, knownhosts.ErrRevoked):
		return "the server's key is revoked in fleet.knownHosts: somebody may pose as the server"
	case errors.Is(err, knownhosts.ErrCertificate):
		return "the certificate of the server's key has expired, or is not for this name: have it signed anew, or add its key"
	case errors.Is(err, knownhosts.ErrOtherKind):
		return "the server has no key of a kind that fleet.knownHosts has of it: " + scan
	case strings.Contains(err.Error(), "no common algorithm for host key"):
		return "the server's keys are of kinds that ssh does not trust any more, such as RSA with SHA-1: give it an ed25519 key"
	case strings.Contains(err.Error(), "unable to authenticate"):
		return fmt.Sprintf("the server refuses fleet.sshKey for user %s: add its public key there", s.sshUser())
	default:
		return ""
	}
}

// describeCertificate tells of TLS.
func (s *Server) describeCertificate(err error) string {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "the certificate is of an authority that this machine does not know: name the authority's file in fleet.ca"
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate is not for %s: write a name that it has into fleet.url", name.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired or is not valid yet: renew it, or set this machine's clock"
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return "the server speaks no TLS at this port: check port and https in fleet.url"
	case errors.As(err, new(*tls.CertificateVerificationError)), errors.As(err, &invalid):
		return fmt.Sprintf("the certificate does not hold (%v): have it made anew, or check fleet.ca", withoutURL(err))
	default:
		return ""
	}
}

// describeConnection tells of a server that is not reached, or goes away.
func (s *Server) describeConnection(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("no name server knows %s: check fleet.url and this machine's resolver", dns.Name)
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s cannot be looked up now: check this machine's name servers", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there (connection refused): check the port in fleet.url and that the server runs"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no network leads there: check this machine's routes and fleet.url"
	case errors.Is(err, errTooMuch):
		return errTooMuch.Error() + ": check that fleet.url is the fleet's repository"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time: check that the server is up, and the network and firewalls on the way"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection early: look at its log; ingot asks again"
	case strings.Contains(err.Error(), "invalid proxy address"): // with a password, perhaps
		return "the proxy in this machine's environment is no address: check HTTPS_PROXY and HTTP_PROXY"
	default:
		return ""
	}
}

// withoutURL takes the request from an error, which names the server already, and the addresses of a connection, which
// are others each time.
func withoutURL(err error) error {
	if outer := (*url.Error)(nil); errors.As(err, &outer) {
		err = outer.Err
	}
	if outer := (*net.OpError)(nil); errors.As(err, &outer) {
		err = outer.Err
	}
	return err
}

// isObjectFormat reports whether go-git does not read what a server announces because of SHA-256: the error quotes the line.
func isObjectFormat(err error) bool {
	return err != nil && strings.Contains(err.Error(), "object-format=sha256")
}

func isControl(r rune) bool { return !unicode.IsPrint(r) }
