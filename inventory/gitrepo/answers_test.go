package gitrepo_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/gitrepo"
)

// longestLine is the most characters of an error in a terminal.
const longestLine = 180

// checkLine fetches, and compares the error. Server and path of this machine are longer than those of people; they count as
// an address of 50 characters.
func checkLine(t *testing.T, c gitrepo.Config, want string) {
	t.Helper()
	_, err := open(t, c).Latest(t.Context())
	if err == nil {
		t.Errorf("Latest = nil, want %q", want)
		return
	}
	address := c.URL
	if scheme, rest, ok := strings.Cut(c.URL, "://"); ok {
		address = scheme + "://" + rest[strings.Index(rest, "@")+1:]
	}
	got := err.Error()
	if full := fmt.Sprintf("fetch %s from %s: %s", c.Branch, address, want); got != full {
		t.Errorf("Latest = %q, want %q", got, full)
	}
	if strings.Contains(got, password) || strings.Contains(got, "\n") || len([]rune(got))-len(address)+50 > longestLine {
		t.Errorf("Latest = %q: want one line without credentials of at most %d characters", got, longestLine)
	}
}

// Whatever a server over http answers in place of Git's answer, the error says what that means and what to do.
func TestAnswersOfTheServer(t *testing.T) {
	t.Parallel()
	says := func(code int, body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	const limited = "the server asked for a pause (403 Forbidden, its limit of requests): ingot asks again after it"
	const forbidden = "the server forbids it (403): let the account of fleet.username read the repository and push to ingot's branches"
	const notGit = "the answer is not Git's, but perhaps a page to log in: write the URL that `git clone` takes into fleet.url"
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"401":                 {says(401, "who\nare you", "WWW-Authenticate", "Basic"), "the server refuses our credentials (401): check fleet.username and fleet.passwordFile"},
		"403":                 {says(403, "<html>no</html>"), forbidden},
		"404":                 {says(404, "not found"), "there is no such repository, or not for this account: check fleet.url, then what the account may read"},
		"400":                 {says(400, "Client sent an HTTP request to an HTTPS server."), "the server does not take the request (400 Bad Request): check fleet.url, and whether it must be https"},
		"429":                 {says(429, "slow"), "the server has had too many requests (429 Too Many Requests): if that stays so, raise fleet.poll"},
		"429, Retry-After":    {says(429, "slow", "Retry-After", "120"), "the server asked for a pause (429 Too Many Requests): ingot asks again after it"},
		"403, Retry-After":    {says(403, "limit", "Retry-After", "60"), limited},
		"403 of GitHub":       {says(403, "limit", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "4102444800"), limited},
		"403, a reset gone":   {says(403, "limit", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1600000000"), limited},
		"403 with room":       {says(403, "no", "X-RateLimit-Remaining", "4999", "X-RateLimit-Reset", "4102444800"), forbidden},
		"429 of GitLab":       {says(429, "slow", "RateLimit-Remaining", "0", "RateLimit-Reset", "4102444800"), "the server asked for a pause (429 Too Many Requests): ingot asks again after it"},
		"500":                 {says(500, "a\nb"), "the server, or a proxy before it, fails (500 Internal Server Error): look at its log; ingot asks again"},
		"502":                 {says(502, "<html>\n<body>Bad gateway"), "the server, or a proxy before it, fails (502 Bad Gateway): look at its log; ingot asks again"},
		"503, Retry-After":    {says(503, "", "Retry-After", "120"), "the server asked for a pause (503 Service Unavailable): ingot asks again after it"},
		"a status of its own": {says(599, ""), "the server, or a proxy before it, fails (599): look at its log; ingot asks again"},
		"a page to log in":    {says(200, "<!DOCTYPE html><html><body>Sign in</body></html>\n", "Content-Type", "text/html"), notGit},
		"nothing":             {says(200, ""), notGit},
		"a redirect to log in": {func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/login" {
				_, _ = io.WriteString(w, "<html>sign in")
				return
			}
			http.Redirect(w, q, "/login", http.StatusFound)
		}, notGit},
		"a circle": {func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, q.URL.String(), http.StatusFound)
		}, "it redirects in a circle: write the URL that `git clone` takes into fleet.url, or mend the proxy before it"},
		"a circle over another name": {func(w http.ResponseWriter, q *http.Request) {
			_, port, _ := net.SplitHostPort(q.Host)
			http.Redirect(w, q, "http://localhost:"+port+q.URL.String(), http.StatusFound)
		}, "it redirects in a circle: write the URL that `git clone` takes into fleet.url, or mend the proxy before it"},
		"a closed connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "the server closed the connection early: look at its log; ingot asks again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.answer)
			t.Cleanup(server.Close)
			c := gitrepo.Config{URL: server.URL + "/fleet.git", Branch: "main", StatusBranch: "s", Username: "robot", Password: secret.New(password)}
			checkLine(t, c, test.want)
			if name == "401" {
				c.Username, c.Password = "", secret.Value{}
				checkLine(t, c, "the server asks for credentials (401): set fleet.username and fleet.passwordFile")
			}
			// A push fails in the same words, once.
			_, err := open(t, c).Publish(t.Context(), map[string][]byte{"a": []byte("b")}, "status")
			if err == nil || strings.Count(err.Error(), server.URL) != 1 || strings.Contains(err.Error(), password) {
				t.Errorf("Publish = %v, want the server named once", err)
			}
		})
	}
}

// A server that is refused at the push alone is named with what the push needs.
func TestAnswersToAPush(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		403: "the server forbids it (403): let the account of fleet.username read the repository and push to ingot's branches",
		502: "the server, or a proxy before it, fails (502 Bad Gateway): look at its log; ingot asks again",
	} {
		for _, at := range []string{"/info/refs?service=git-receive-pack", "/git-receive-pack"} {
			r := overHTTP(t)
			r.history(t, 1)
			r.before = func(w http.ResponseWriter, q *http.Request) bool {
				refused := strings.HasSuffix(q.URL.String(), at)
				if refused {
					http.Error(w, "no", code)
				}
				return refused
			}
			_, err := open(t, r.config).Publish(t.Context(), map[string][]byte{"a": []byte("b")}, "status")
			if full := fmt.Sprintf("push ingot/status to %s: %s", r.config.URL, want); err == nil || err.Error() != full {
				t.Errorf("%d at %s: Publish = %v, want %q", code, at, err, full)
			}
		}
	}
}

// A pause that a server asks for is kept: it gets no request before the pause is over, and no wish is kept longer than an
// hour. Some say so with 403, of which go-git drops the header; it is read over TLS with authorities of fleet.ca too.
func TestAPauseIsKept(t *testing.T) {
	t.Parallel()
	begin := time.Unix(1_800_000_000, 0)
	reset := fmt.Sprint(begin.Add(2 * time.Minute).Unix())
	const minutes = 2 * time.Minute
	for name, test := range map[string]struct {
		code   int
		header map[string]string
		kept   time.Duration
		tls    bool
	}{
		"Retry-After":               {429, map[string]string{"Retry-After": "120"}, minutes, false},
		"Retry-After, days":         {429, map[string]string{"Retry-After": "864000"}, time.Hour, false},
		"a maintenance":             {503, map[string]string{"Retry-After": "120"}, minutes, false},
		"a limit of GitHub":         {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}, minutes, false},
		"a limit of GitHub, TLS":    {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}, minutes, true},
		"a second limit of GitHub":  {403, map[string]string{"Retry-After": "120"}, minutes, false},
		"a limit without an end":    {403, map[string]string{"X-RateLimit-Remaining": "0"}, time.Minute, false},
		"a limit of GitLab":         {429, map[string]string{"RateLimit-Remaining": "0", "RateLimit-Reset": reset}, minutes, false},
		"a limit, seconds from now": {429, map[string]string{"RateLimit-Remaining": "0", "RateLimit-Reset": "120"}, minutes, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := overHTTP(t)
			if test.tls {
				r = overTLS(t, r)
			}
			commits := r.history(t, 2)
			now, limited := begin, true
			r.config.Now = func() time.Time { return now }
			r.before = func(w http.ResponseWriter, _ *http.Request) bool {
				if limited {
					for name, value := range test.header {
						w.Header().Set(name, value)
					}
					http.Error(w, "slow down", test.code)
				}
				return limited
			}
			repo := open(t, r.config)
			want := fmt.Sprintf("the server asked for a pause (%d ", test.code)
			for range 3 {
				if _, err := repo.Latest(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Latest = %v, want %q", err, want)
				}
				if _, err := repo.Publish(t.Context(), map[string][]byte{"a": nil}, "s"); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Publish = %v, want %q", err, want)
				}
				now = now.Add(test.kept / 4)
			}
			if n := r.requests.Load(); n != 1 {
				t.Errorf("the server got %d requests in the pause, want 1", n)
			}
			limited, now = false, now.Add(test.kept/4)
			if got, err := repo.Latest(t.Context()); err != nil || got.Trunk.Commit != commits[1] {
				t.Errorf("Latest after the pause = %.12s, %v, want %.12s", got.Trunk.Commit, err, commits[1])
			}
		})
	}
}

// What fails before a server over http or ssh answers is told with its cause.
func TestNoWayToTheServer(t *testing.T) {
	t.Parallel()
	unknown := tlsServer(t, x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, http.NotFoundHandler())
	_, port, _ := net.SplitHostPort(unknown.Listener.Addr().String())
	stale := tlsServer(t, x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(-time.Hour)}, http.NotFoundHandler())
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	free := freePort(t)
	for name, test := range map[string]struct {
		url, want string
		ca        []byte
	}{
		"unknown authority": {unknown.URL, "the certificate is of an authority that this machine does not know: name the authority's file in fleet.ca", nil},
		"another name":      {"https://localhost:" + port, "the certificate is not for localhost: write a name that it has into fleet.url", caOf(unknown)},
		"expired":           {stale.URL, "the certificate has expired or is not valid yet: renew it, or set this machine's clock", caOf(stale)},
		"no TLS":            {"https" + strings.TrimPrefix(plain.URL, "http"), "the server speaks no TLS at this port: check port and https in fleet.url", nil},
		"TLS":               {"http" + strings.TrimPrefix(unknown.URL, "https"), "the server does not take the request (400 Bad Request): check fleet.url, and whether it must be https", nil},
		"no such name":      {"https://git.example.invalid:3000", "no name server knows git.example.invalid: check fleet.url and this machine's resolver", nil},
		"nothing listens":   {"https://127.0.0.1:" + free, "nothing listens there (connection refused): check the port in fleet.url and that the server runs", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := gitrepo.Config{URL: test.url + "/fleet.git", CA: test.ca, Branch: "main", StatusBranch: "s", Username: "robot", Password: secret.New(password)}
			checkLine(t, c, test.want)
		})
	}
	t.Run("a redirect to http", func(t *testing.T) {
		t.Parallel()
		server := tlsServer(t, x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}},
			http.RedirectHandler(plain.URL+"/fleet.git/info/refs", http.StatusFound))
		c := gitrepo.Config{URL: server.URL + "/fleet.git", CA: caOf(server), Branch: "main", StatusBranch: "s"}
		checkLine(t, c, "it redirects from https to http, where anybody could read along: have the server, or its proxy, say https")
	})
	t.Run("the right authority", func(t *testing.T) {
		t.Parallel()
		c := gitrepo.Config{URL: unknown.URL + "/fleet.git", CA: caOf(unknown), Branch: "main", StatusBranch: "s"}
		checkLine(t, c, "there is no such repository, or not for this account: check fleet.url, then what the account may read")
	})
}

// overTLS puts a TLS server before a remote over http, with a certificate that fleet.ca names.
func overTLS(t *testing.T, r *remote) *remote {
	t.Helper()
	behind, err := url.Parse(strings.TrimSuffix(r.config.URL, "/fleet.git"))
	if err != nil {
		t.Fatal(err)
	}
	server := tlsServer(t, x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, httputil.NewSingleHostReverseProxy(behind))
	r.config.URL, r.config.CA = server.URL+"/fleet.git", caOf(server)
	return r
}

// tlsServer is a server with a certificate that it signed itself.
func tlsServer(t *testing.T, certificate x509.Certificate, handler http.Handler) *httptest.Server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate.SerialNumber, certificate.IsCA, certificate.BasicConstraintsValid = big.NewInt(1), true, true
	certificate.NotBefore = time.Now().Add(-24 * time.Hour)
	if certificate.NotAfter.IsZero() {
		certificate.NotAfter = time.Now().Add(24 * time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, &certificate, &certificate, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func caOf(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.TLS.Certificates[0].Certificate[0]})
}

// What a real sshd refuses is told with its cause.
func TestAnswersOfSSH(t *testing.T) {
	t.Parallel()
	r := overSSH(t)
	dir := filepath.Dir(r.config.KnownHosts)
	checkLine(t, r.config, "there is no such branch or tag, the repository is empty: push a first commit")
	r.history(t, 1)

	c := r.config
	c.Branch = "release"
	checkLine(t, c, "there is no such branch or tag: check fleet.branch, or push the branch again")
	c = r.config
	c.URL += "x"
	checkLine(t, c, "there is no such repository, or not for this account: check fleet.url, then what the account may read")

	run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "stranger"))
	c = r.config
	c.SSHKey = filepath.Join(dir, "stranger")
	checkLine(t, c, "the server refuses fleet.sshKey for user "+run(t, "id", "-un")+": add its public key there")

	c = r.config
	c.KnownHosts = filepath.Join(t.TempDir(), "known_hosts")
	write(t, c.KnownHosts, strings.Fields(read(t, r.config.KnownHosts))[0]+" "+read(t, filepath.Join(dir, "stranger.pub")))
	checkLine(t, c, "the server's key is not the one we know: ask its people whether they changed it, then fleet.knownHosts")

	r.down()
	checkLine(t, r.config, "nothing listens there (connection refused): check the port in fleet.url and that the server runs")
	c = r.config
	c.URL = "ssh://git@git.example.invalid/fleet.git"
	checkLine(t, c, "no name server knows git.example.invalid: check fleet.url and this machine's resolver")
}

// A directory in place of a server.
func TestAnswersOfAPath(t *testing.T) {
	t.Parallel()
	r := overPath(t)
	checkLine(t, r.config, "there is no such branch or tag, the repository is empty: push a first commit")
	r.history(t, 1)
	r.config.Branch = "release"
	checkLine(t, r.config, "there is no such branch or tag: check fleet.branch, or push the branch again")
	r.down()
	checkLine(t, r.config, "there is no repository in this directory: check fleet.url")
}
