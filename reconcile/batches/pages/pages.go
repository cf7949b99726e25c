// Package pages writes the state of a Workload's runs as documents, for the journal and for the status branch, and reads
// the documents back. A batch has a document for each 500 items, so that one run changes a small one.
//
// Call Encode for the documents by path, and Decode for the states behind the documents of the journal or of the branch.
// Do not count anything here: package runs does. Pure.
package pages

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// Kind is the kind of a document.
const Kind = "RunStatus"

// perPage is how many items a document has.
const perPage = 500

// Page is one document of a batch. The first of a batch has everything beside the items.
type Page struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Workload   string `json:"workload"`
	Batch      string `json:"batch"`
	First      int    `json:"first"` // number of the first item here
	Head       *Head  `json:"head,omitempty"`
	Items      []Item `json:"items"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Head is what a batch has beside its items.
type Head struct {
	// Counts are for people: the items say them too.
	Counts      Counts        `json:"counts"`
	Total       int           `json:"total"` // number of items
	Text        string        `json:"text,omitempty"`
	Commit      string        `json:"commit"`
	Completions int           `json:"completions"`
	Retries     int           `json:"retries,omitempty"`
	StopAfter   int           `json:"stopAfter,omitempty"`
	Began       time.Time     `json:"began"`
	Ended       time.Time     `json:"ended,omitzero"`
	Stopped     string        `json:"stopped,omitempty"`
	Orphans     []runs.Orphan `json:"orphans,omitempty"`
	// Present is set for the batch of the accepted commit; the others belong to the Workload too, and stand there only.
	Present   bool         `json:"present,omitempty"`
	Claims    []runs.Claim `json:"claims,omitempty"`
	Done      []string     `json:"done,omitempty"`
	Cancelled string       `json:"cancelled,omitempty"`
	Now       bool         `json:"now,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Counts are the items of a batch by state.
type Counts struct {
	Waiting   int `json:"waiting"`
	Running   int `json:"running"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
}

// Item is one item; Number, State and On, the machine of the run under way, are for people.
type Item struct {
	Number int    `json:"item"`
	State  string `json:"state"`
	On     string `json:"on,omitempty"`
	runs.Item
}

var pagePath = regexp.MustCompile(`^runs/[a-z0-9-]{1,63}/b[0-9a-f]{16}(-[0-9]{1,3})?\.yaml$`)

// IsPage reports whether a path of the status branch is that of a document of this package.
func IsPage(path string) bool { return pagePath.MatchString(path) }

// IsOf reports whether a path is that of a document of a Workload.
func IsOf(path, workload string) bool {
	return IsPage(path) && strings.HasPrefix(path, "runs/"+workload+"/")
}

// pathOf is the path of a document; n counts from 1.
func pathOf(workload, batch string, n int) string {
	if n == 1 {
		return fmt.Sprintf("runs/%s/%s.yaml", workload, batch)
	}
	return fmt.Sprintf("runs/%s/%s-%d.yaml", workload, batch, n)
}

// Build gives the documents of a state by path; running are the runs under way of the present batch, by item.
func Build(s runs.State, running map[int]runs.UnderWay) map[string]Page {
	all := map[string]Page{}
	if s.Unreadable != "" {
		return all
	}
	for _, b := range []*runs.Batch{s.Batch, s.Before} {
		if b == nil {
			continue
		}
		present := b == s.Batch
		states := map[int]runs.UnderWay{}
		if present {
			states = running
		}
		for n := 0; n*perPage < len(b.Items) || n == 0; n++ {
			page := Page{APIVersion: schemas.APIVersion, Kind: Kind, Workload: s.Workload, Batch: b.ID, First: n * perPage}
			for i := n * perPage; i < min(len(b.Items), (n+1)*perPage); i++ {
				page.Items = append(page.Items, describeItem(i, b.Items[i], states))
			}
			if n == 0 {
				page.Head = describeHead(s, *b, present, states)
			}
			all[pathOf(s.Workload, b.ID, n+1)] = page
		}
	}
	return all
}

func describeHead(s runs.State, b runs.Batch, present bool, running map[int]runs.UnderWay) *Head {
	items := map[int]bool{}
	for i := range running {
		items[i] = true
	}
	t := b.Tally(items)
	h := &Head{Counts: Counts{t.Waiting, t.Running, t.Succeeded, t.Failed}, Total: len(b.Items), Text: b.Text, Commit: b.Commit,
		Completions: b.Completions, Retries: b.Retries, StopAfter: b.StopAfter, Began: b.Began, Ended: b.Ended,
		Stopped: b.Stopped, Orphans: b.Orphans, Unknown: b.Unknown}
	if present {
		h.Present, h.Claims, h.Done, h.Cancelled, h.Now = true, s.Claims, s.Done, s.Cancelled, s.Now
	}
	return h
}

func describeItem(number int, item runs.Item, running map[int]runs.UnderWay) Item {
	d := Item{Number: number, State: string(item.Outcome), Item: item}
	if run, works := running[number]; works && d.State == "" {
		d.State, d.On = string(run.Stage), run.Machine
	}
	d.State = cmp.Or(d.State, "Waiting")
	return d
}

// Encode gives the documents of a state as they stand on the status branch.
func Encode(s runs.State, running map[int]runs.UnderWay) map[string][]byte {
	files := map[string][]byte{}
	for path, page := range Build(s, running) {
		files[path] = status.Encode(page)
	}
	return files
}

// SortForWriting orders the documents of a state so that a process that is killed between two writes leaves documents that
// Decode can read: the items before the heads, and the head of the present batch before the one that was present.
func SortForWriting(s runs.State, files map[string][]byte) []string {
	present := ""
	if s.Batch != nil {
		present = pathOf(s.Workload, s.Batch.ID, 1)
	}
	return slices.SortedFunc(maps.Keys(files), func(a, b string) int {
		if a == present || b == present {
			return cmp.Or(cmp.Compare(len(b), len(a)), map[bool]int{true: -1, false: 1}[a == present])
		}
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
}

// IsHead reports whether a path is that of the first document of a batch of a Workload.
func IsHead(path, workload string) bool {
	return IsOf(path, workload) && !strings.Contains(strings.TrimPrefix(path, "runs/"+workload+"/"), "-")
}

// Decode reads the states of all Workloads from their documents. A Workload with a document that cannot be read is
// Unreadable: it must claim nothing.
func Decode(files map[string][]byte) []runs.State {
	heads, states := map[string]map[string]Page{}, map[string]runs.State{}
	items := map[string][]Page{}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if !IsPage(path) {
			continue
		}
		workload := strings.Split(path, "/")[1]
		s := states[workload]
		s.Workload = workload
		page, err := decodePage(path, files[path])
		switch {
		case err != nil:
			s.Unreadable = fmt.Sprintf("%s: %v", path, err)
		case page.Head != nil:
			if heads[workload] == nil {
				heads[workload] = map[string]Page{}
			}
			heads[workload][page.Batch] = page
		}
		items[workload+"/"+page.Batch] = append(items[workload+"/"+page.Batch], page)
		states[workload] = s
	}
	var all []runs.State
	for _, workload := range slices.Sorted(maps.Keys(states)) {
		all = append(all, join(states[workload], heads[workload], items))
	}
	return all
}

// join makes a state of its documents. Of two present batches the newer is: the write of the other head did not happen.
func join(s runs.State, heads map[string]Page, items map[string][]Page) runs.State {
	oldestFirst := func(a, b string) int {
		return cmp.Or(heads[a].Head.Began.Compare(heads[b].Head.Began), strings.Compare(a, b))
	}
	for _, id := range slices.SortedFunc(maps.Keys(heads), oldestFirst) {
		h := heads[id].Head
		b := runs.Batch{ID: id, Text: h.Text, Commit: h.Commit, Completions: h.Completions, Retries: h.Retries,
			StopAfter: h.StopAfter, Began: h.Began, Ended: h.Ended, Stopped: h.Stopped, Orphans: h.Orphans, Unknown: h.Unknown,
			Items: make([]runs.Item, max(0, min(h.Total, runs.MaxItems)))}
		known := 0
		for _, page := range items[s.Workload+"/"+id] {
			for i, item := range page.Items {
				if at := page.First + i; at >= 0 && at < len(b.Items) {
					b.Items[at], known = item.Item, known+1
				}
			}
		}
		if known != len(b.Items) && s.Unreadable == "" {
			s.Unreadable = fmt.Sprintf("batch %s has %d items, and documents for %d", id, len(b.Items), known)
		}
		if h.Present {
			s.Before = cmp.Or(s.Batch, s.Before)
			s.Batch, s.Claims, s.Done, s.Cancelled, s.Now = &b, h.Claims, h.Done, h.Cancelled, h.Now
		} else {
			s.Before = &b
		}
	}
	if s.Batch == nil && s.Unreadable == "" {
		s.Unreadable = "the document of its present batch is missing"
	}
	return s
}

func decodePage(path string, data []byte) (Page, error) {
	var page Page
	if len(data) == 0 {
		return page, fmt.Errorf("it has no genuine content")
	}
	if len(data) > status.MaxDocument {
		return page, fmt.Errorf("it has %d bytes, at most %d are read", len(data), status.MaxDocument)
	}
	if err := status.Decode(data, &page); err != nil {
		return page, err
	}
	if page.APIVersion != schemas.APIVersion || page.Kind != Kind || pathOf(page.Workload, page.Batch, page.First/perPage+1) != path {
		return page, fmt.Errorf("it is no %s of this path", Kind)
	}
	for _, item := range page.Items {
		if !item.Outcome.IsKnown() {
			return page, fmt.Errorf("outcome %q of item %d is not known", item.Outcome, item.Number)
		}
	}
	return page, nil
}
