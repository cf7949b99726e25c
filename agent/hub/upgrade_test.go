package hub

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestWhatWasWrittenIsWrittenAgain reads every document that an earlier version wrote of an install: it is written again as the same bytes.
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
			again, err := json.Marshal(doc)
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
