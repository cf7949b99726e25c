package hub

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gitmetal/ingot/inventory/format"
)

// TestWhatWasWrittenIsWrittenAgain reads every document that an earlier version wrote of an install: it is written
// again as the same bytes.
func TestWhatWasWrittenIsWrittenAgain(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../reconcile/testdata/4176809/install/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	documents := 0
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			data := bytes.TrimSuffix(f.Data, []byte("\n")) // the archive's
			if f.Name != "agent.json" || len(data) == 0 {
				continue
			}
			documents++
			doc, err := decodeDocument(data)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			again, err := format.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(data), string(again)); diff != "" {
				t.Errorf("%s (-read +written):\n%s", file, diff)
			}
		}
	}
	if documents == 0 {
		t.Fatal("no document was read: nothing was proved")
	}
}

// TestACertificateOfEarlierVersions: the agents with a certificate that names no protocol speak protocol 1.
func TestACertificateOfEarlierVersions(t *testing.T) {
	t.Parallel()
	uri := &url.URL{Scheme: "ingot", Host: "agent", Path: "/web-03/boot1/4"}
	p, err := readPeer(&x509.Certificate{URIs: []*url.URL{uri}})
	if err != nil || p.host != "web-03" || p.boot != "boot1" || p.epoch != 4 || p.protocol != 0 {
		t.Errorf("readPeer(%s) = %+v, %v", uri, p, err)
	}
	uri.RawQuery = "protocol=two"
	if p, err := readPeer(&x509.Certificate{URIs: []*url.URL{uri}}); err == nil {
		t.Errorf("readPeer(%s) = %+v, want an error", uri, p)
	}
}

// fromTheFuture is a document of which a newer ingot knows more.
const fromTheFuture = `{"version":1,"boot":"b","epoch":4,"question":{"nonce":"n"},"facts":{"at":"2000-01-01T00:00:00Z","epoch":4,"system":{"serial":"S","chassis":"C"},"firmware":{"uefi":true,"secureBoot":true},` +
	`"cpu":{"count":1},"memory":1,"disks":[{"name":"vda","size":1,"rotational":false,"content":{"blank":true,"version":2},"eui":"e"}],"nics":[{"name":"eth0","mac":"m","link":true,"permanent":true}],"tpm":true},` +
	`"job":{"id":"o","attempt":1,"kind":"install","state":"Failed","since":"2000-01-01T00:00:00Z","result":{"attempt":1,"ok":false,"seen":["vda"]},"step":"write"},"phoneHome":{"Install":"i","Epoch":3,"Commit":"c","At":"2000-01-01T00:00:00Z","mark":"m"}}`

// What a newer ingot wrote is written back with what this one changes, and ends with what it is of.
func TestADocumentFromTheFuture(t *testing.T) {
	t.Parallel()
	doc, err := decodeDocument([]byte(fromTheFuture))
	if err != nil {
		t.Fatal(err)
	}
	ended := *doc.Job
	ended.Attempt = 2
	doc.Job = &ended
	data, err := format.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{`"question":{"nonce":"n"}`, `"chassis":"C"`, `"version":2`, `"eui":"e"`,
		`"permanent":true`, `"tpm":true`, `"seen":["vda"]`, `"step":"write"`, `"mark":"m"`, `"attempt":2`} {
		if !strings.Contains(string(data), member) {
			t.Errorf("%s is lost: %s", member, data)
		}
	}
	again, err := decodeDocument(data)
	if diff := cmp.Diff(doc, again); err != nil || diff != "" {
		t.Errorf("read again: %v (-written +read):\n%s", err, diff)
	}
	doc.Job, doc.Facts = &job{ID: "p", Kind: "install", State: "Assigned"}, nil
	if data, err = format.Marshal(doc); err != nil || strings.Contains(string(data), "seen") ||
		strings.Contains(string(data), "tpm") {
		t.Errorf("%s, %v: what was written of the job and the facts before is left", data, err)
	}
}

// What this ingot must not read, or cannot tell, is an error that says what to do: nothing is known of that agent then,
// and nothing else stops.
func TestADocumentThatIsNotKnown(t *testing.T) {
	t.Parallel()
	for change, newer := range map[string]bool{`"minReader":99,"epoch":4`: true, `"epoch":4,"minReader":"x"`: true,
		`"epoch":"4"`: false} {
		_, err := decodeDocument([]byte(strings.Replace(fromTheFuture, `"epoch":4`, change, 1)))
		if err == nil || errors.Is(err, format.ErrNewer) != newer {
			t.Errorf("with %s: %v", change, err)
		}
	}
	for _, change := range []string{`"state":"Asked"`, `"state":""`} {
		if _, err := decodeDocument([]byte(strings.Replace(fromTheFuture, `"state":"Failed"`, change, 1))); err == nil || !strings.Contains(err.Error(), "install the ingot") {
			t.Errorf("with %s: %v", change, err)
		}
	}
	if _, err := decodeDocument([]byte(strings.Replace(fromTheFuture, `"kind":"install"`, `"kind":"wipe"`, 1))); err == nil {
		t.Error("a job of an unknown kind is known")
	}
	if _, err := decodeDocument([]byte(strings.Replace(fromTheFuture, `"version":1`, `"version":2`, 1))); err == nil {
		t.Error("another version is read")
	}
}
