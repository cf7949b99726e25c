package status_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	source "github.com/yuin/goldmark/text"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

// fleetOf is a fleet in which everything is said that a board can say, each time in the same words.
func fleetOf(words string) (status.Fleet, []status.Document) {
	document := func(name, ring string, change func(*status.Document)) status.Document {
		d := status.Summarize(status.Document{}, result(inventory.Record{ID: inventory.MachineID(name)}))
		d.File, d.Hold, d.Waits, d.Ring = "hosts/"+name+".yaml", nil, "", ring
		change(&d)
		return d
	}
	installed := func(commit string) *inventory.Installed {
		return &inventory.Installed{ID: "o", Commit: commit, Disk: inventory.DiskID{Serial: words}}
	}
	hosts := []status.Document{
		document("a-1", "canary",
			func(d *status.Document) { d.Phase, d.Installed = plan.Active, installed("2222222222222222") }),
		document("a-2", "prod",
			func(d *status.Document) { d.Phase, d.Installed = plan.Active, installed("1111111111111111") }),
		document("held-1", "prod", func(d *status.Document) {
			d.Phase, d.Installed, d.Commit, d.Waits = plan.Held, installed("1111111111111111"), "3333333333333333",
				"a person"
			d.Hold = &status.Hold{Reason: change.NeedsConsent, Message: words, Consent: []string{words + "/cc"}}
		}),
		document("failed-1", "canary", func(d *status.Document) {
			d.Phase, d.Error = plan.Failed, words
			d.LastOperation = &inventory.Operation{ID: "o", Kind: inventory.Install, Commit: "2222222222222222",
				Outcome: inventory.Quarantined}
		}),
		document("pending-1", "prod", func(d *status.Document) { d.Phase, d.Waits = plan.Pending, words }),
		document("waiting-1", words,
			func(d *status.Document) { d.Phase, d.Pending, d.Workload = plan.Waiting, words, words }),
		document("new-1", "", func(d *status.Document) {
			d.Phase, d.Operation, d.File = plan.Installing,
				&inventory.Operation{ID: "o", Kind: inventory.Install, Commit: "3333333333333333"}, "hosts/"+words
		}),
	}
	fleet := status.Fleet{
		Commit: "3333333333333333", Title: words, Refused: "fedcba9876543210", Frozen: words, Paused: words,
		Rings: []admit.Progress{
			{Name: "canary", Tag: words, Commit: "2222222222222222", Hosts: 2, Done: 1, Failed: []string{"failed-1"},
				Paused: words},
			{Name: "prod", Commit: "3333333333333333", Hosts: 3, Done: 1, Held: []string{"held-1"}, Waiting: 1,
				Trouble: words},
			{Name: "empty", Trouble: "no tag is like v*"},
		},
		Commits: []status.Commit{{Commit: "3333333333333333", Title: words}, {Commit: "2222222222222222", Title: words},
			{Commit: "1111111111111111", Title: "first"}, {Commit: "0000000000000000"}},
	}
	findings := []schemas.Finding{{Position: schemas.Position{File: words, Line: 3, Col: 5}, Severity: schemas.Error,
		Message: words}}
	return status.NewFleet(fleet, findings, hosts), hosts
}

// The board shows what needs a person first.
func TestBoard(t *testing.T) {
	t.Parallel()
	fleet, hosts := fleetOf("disk <script>x</script> | `[click](http://evil)`\n# title @all #12")
	got := status.Board(fleet, hosts)
	const file = "testdata/board.md"
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if hosts[0].Metadata.Name != "a-1" {
		t.Error("Board sorted the documents it was given")
	}
	slices.Reverse(hosts)
	if again := status.Board(fleet, hosts); !bytes.Equal(got, again) {
		t.Errorf("the hosts in another order, another board: %s", cmp.Diff(string(got), string(again)))
	}
}

// structure is what a forge makes of a page, but for the words: each node with its depth, and where links lead.
func structure(page []byte) []string {
	var nodes []string
	depth := 0
	_ = ast.Walk(goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(source.NewReader(page)),
		func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			if !entering {
				depth--
				return ast.WalkContinue, nil
			}
			depth++
			line := fmt.Sprint(depth, " ", n.Kind())
			if link, ok := n.(*ast.Link); ok {
				line += " " + string(link.Destination)
			}
			if n.Kind() != ast.KindText && n.Kind() != ast.KindString {
				nodes = append(nodes, line)
			}
			return ast.WalkContinue, nil
		})
	return nodes
}

// What a machine, a commit or a BMC says is text on the board, whatever it says.
func TestWordsAreNoMarkup(t *testing.T) {
	t.Parallel()
	want := structure(status.Board(fleetOf("plain")))
	if n := slices.IndexFunc(want, func(node string) bool { return strings.Contains(node, east.KindTable.String()) }); n < 0 {
		t.Fatalf("the page has no table: nothing would be proved: %q", want)
	}
	check := func(t rapid.TB, words string) {
		if diff := cmp.Diff(want, structure(status.Board(fleetOf(words)))); diff != "" {
			t.Fatalf("%q became markup (-want +got):\n%s", words, diff)
		}
	}
	for _, words := range []string{
		"<script>alert(1)</script>", "<b>b</b>", "<!-- c", "[click](http://evil)", "![i](http://evil)", "http://evil.example", "www.evil.example", "<http://evil>",
		"a@evil.example", "*b* __c__ ~~d~~", "`c`", "``", "```\ncode", "a | b", "| - |", "# title", "## t", "- item", "+ item", "1. item", "12) item", "> quote", "---", "===",
		"x\n\n# title", "x\r\n- y", "a\\", "\\|", "&lt;b&gt;", "&#60;b>", "[x]: http://evil", "[^1]", "- [ ] task", "ftp://evil.example/a", "xmpp:a@b.c", "\u2028# t", "\x00", "\t\tcode", "    code",
	} {
		check(t, words)
		check(t, "a "+words)
		check(t, words+" z")
	}
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SampledFrom([]string{"<", ">", "[", "]", "(", ")", "!", "`", "*", "_", "~", "|", "\\", "#", "-", "+", "=", "1.", " ", "\n", "\t", "http://a.b", "www.a.b", "a@b.c", "&", ";", ":", "x"})
		check(t, strings.Join(rapid.SliceOfN(pieces, 1, 12).Draw(t, "words"), "")+"x")
	})
}

// A board of a large fleet stays a page that forges show, with a count of what was left out.
func TestALargeBoardIsCut(t *testing.T) {
	t.Parallel()
	var hosts []status.Document
	for i := range 10_000 {
		d := status.Summarize(status.Document{}, result(full()))
		d.Metadata.Name = fmt.Sprintf("host-%05d", i)
		hosts = append(hosts, d)
	}
	page := status.Board(status.NewFleet(status.Fleet{Commit: "c", Commits: []status.Commit{{Commit: "c"}}}, nil, hosts), hosts)
	if len(page) > 256<<10 {
		t.Errorf("the board has %d bytes: forges show 512 KiB at most", len(page))
	}
	for _, line := range []string{"| Held | 10000 |", "**10000 hosts** Held", "…and 9500 more."} {
		if !strings.Contains(string(page), line) {
			t.Errorf("the board does not say %q", line)
		}
	}
}

func TestAcceptKeepsTheNewest(t *testing.T) {
	t.Parallel()
	var commits []status.Commit
	for i := range 12 {
		commits = status.Accept(commits, status.Commit{Commit: fmt.Sprint(i)})
	}
	commits = status.Accept(commits, status.Commit{Commit: "5"}) // an operator went back
	commits = status.Accept(commits, status.Commit{Commit: "5"}) // a restart
	var got []string
	for _, c := range commits {
		got = append(got, c.Commit)
	}
	if want := []string{"5", "11", "10", "9", "8", "7", "6", "4", "3", "2"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTheFleetsDocumentIsReadBack(t *testing.T) {
	t.Parallel()
	fleet, _ := fleetOf("yes: no\n# \u0085")
	page := fleet.Encode()
	read, err := status.ParseFleet(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page), string(read.Encode())); diff != "" {
		t.Errorf("written, read and written again: %s", diff)
	}
	for what, text := range map[string]string{"a newer reader": string(page) + "minReader: 99\n",
		"a name twice": string(page) + "extra: 1\nextra: 1\n", "another kind": strings.Replace(string(page),
			"FleetStatus", "HostStatus", 1), "nothing": ""} {
		if _, err := status.ParseFleet([]byte(text)); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// What lacks a second signature is held with what to type, whole: a forge shows it as it is copied.
func TestTheBoardSaysHowToCountersign(t *testing.T) {
	t.Parallel()
	d := status.Summarize(status.Document{}, status.Result{
		Desired:  &inventory.Desired{Name: "web-1"},
		Observed: &inventory.Observed{},
		Plan:     &plan.Plan{Phase: plan.Held, Hold: &change.Hold{Reason: change.NeedsSigners, Unsigned: "v1.4.0", Message: "two must sign tag v1.4.0, which jo alone signed"}},
	})
	board := string(status.Board(status.NewFleet(status.Fleet{}, nil, []status.Document{d}), []status.Document{d}))
	const want = "two must sign tag v1.4.0, which jo alone signed\n  To sign the tag too, somebody else who may sign tags runs:\n\n" +
		"  ```sh\n  git tag -s -m ok countersign/v1.4.0/$USER v1.4.0\n  git push origin countersign/v1.4.0/$USER\n  ```\n"
	if !strings.Contains(board, want) {
		t.Errorf("the board says\n%s\nwant in it\n%s", board, want)
	}
}

// TestBoardGroupsWhatIsTheSame has many hosts with one cause: a line with the count, the way to list them and the command
// that allows all, in place of a line for each.
func TestBoardGroupsWhatIsTheSame(t *testing.T) {
	t.Parallel()
	var hosts []status.Document
	for i := range status.MaxAlike + 1 {
		hosts = append(hosts, status.Document{Phase: plan.Held, Workload: "web",
			Metadata: status.Metadata{Name: fmt.Sprintf("web-%02d", i)},
			Hold:     &status.Hold{Reason: change.NeedsConsent, Message: "it needs consent", Consent: []string{"D/0123"}}})
	}
	board := string(status.Board(status.Fleet{}, hosts))
	people, _, _ := strings.Cut(board[strings.Index(board, "## Needs a look"):], "## Hosts")
	for _, part := range []string{"**11 hosts** Held (NeedsConsent): web-00,", "and 3 more",
		"All: `ingot status --phase Held --cause NeedsConsent`", "`ingot consent --workload web`"} {
		if !strings.Contains(people, part) {
			t.Errorf("%q is missing in:\n%s", part, people)
		}
	}
	if lines := strings.Count(people, "it needs consent"); lines != 1 {
		t.Errorf("the message stands there %d times:\n%s", lines, people)
	}
}
