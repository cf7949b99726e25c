package proposals

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/internal/httppost"
	"github.com/gitmetal/ingot/internal/lab/secretfile"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/account"
	"github.com/gitmetal/ingot/inventory/forge"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/proposal"
	"github.com/gitmetal/ingot/schemas"
)

const machine = discovery.ID("7f3a9c21e0b4")

// rig is a Proposer over a real repository, with records in memory and a forge that remembers.
type rig struct {
	*testing.T
	*Proposer
	bare    string
	clone   string
	repo    *failing
	forge   *recordedForge
	records *memory
	now     time.Time
	trunk   proposal.Trunk
}

// failing is the repository, which fails or dies where a test says so.
type failing struct {
	*gitrepo.Repo
	dieBefore, dieBehind bool // the push
}

var errKilled = errors.New("killed")

func (f *failing) Propose(ctx context.Context, c gitrepo.Change) (string, error) {
	if f.dieBefore {
		before := c.Before
		c.Before = func(commit string) error { return errors.Join(before(commit), errKilled) }
	}
	tip, err := f.Repo.Propose(ctx, c)
	if err == nil && f.dieBehind {
		return "", errKilled
	}
	return tip, err
}

// memory are records in memory.
type memory struct {
	mu      sync.Mutex
	records map[discovery.ID]discovery.Record
	gets    int
	behind  func(*discovery.Record) // what happens to a record behind the next Get, once
}

func (m *memory) List() (list []discovery.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.records {
		r.Facts = nil
		list = append(list, r)
	}
	return list
}

func (m *memory) Get(id discovery.ID) (discovery.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	r, known := m.records[id]
	if !known {
		return r, errors.New("there is no such record")
	}
	if m.behind != nil {
		later := r
		m.behind(&later)
		m.records[id], m.behind = later, nil
	}
	return r, nil
}

func (m *memory) Update(id discovery.ID, change func(*discovery.Record) error) error {
	r, err := m.Get(id)
	if err != nil {
		return err
	}
	if err := change(&r); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records[id] = r
	return nil
}

// recordedForge is a forge with one list of what was asked.
type recordedForge struct {
	said   []string
	state  forge.PullState
	refuse error
}

func (f *recordedForge) say(format string, args ...any) httppost.Answer {
	f.said = append(f.said, fmt.Sprintf(format, args...))
	return httppost.Answer{Err: f.refuse}
}

func (f *recordedForge) OpenPull(_ context.Context, branch, into string, text forge.PullText) (forge.Pull, httppost.Answer) {
	return forge.Pull{Number: 7}, f.say("open %s into %s: %s", branch, into, text.Title)
}

func (f *recordedForge) ReadPull(_ context.Context, number int) (forge.Pull, httppost.Answer) {
	return forge.Pull{Number: number, State: f.state}, httppost.Answer{Err: f.refuse}
}

func (f *recordedForge) UpdatePull(_ context.Context, number int, text forge.PullText) httppost.Answer {
	return f.say("update %d: %s", number, text.Title)
}

func (f *recordedForge) ClosePull(_ context.Context, number int) httppost.Answer {
	return f.say("close %d", number)
}

func (f *recordedForge) Comment(_ context.Context, number int, text string) httppost.Answer {
	first, _, _ := strings.Cut(text, ",")
	return f.say("comment %d: %s", number, first)
}

func (f *recordedForge) MergePull(_ context.Context, number int, _ string) httppost.Answer {
	return f.say("merge %d", number)
}

const webRule = `apiVersion: ingot.dev/v1alpha1
kind: Rule
metadata: {name: web}
spec: {when: 'has(facts.system.serial)', set: {metadata.name: '"web-" + facts.system.serial'}, accept: true}
---
apiVersion: ingot.dev/v1alpha1
kind: Rule
metadata: {name: servers}
spec: {when: 'facts.system.manufacturer == "QEMU"', fail: this machine is no server}
`

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, bare: filepath.Join(t.TempDir(), "fleet.git"), clone: filepath.Join(t.TempDir(), "clone"),
		forge: &recordedForge{state: forge.PullOpen}, records: &memory{records: map[discovery.ID]discovery.Record{}},
		now: time.Date(2026, 11, 29, 5, 0, 0, 0, time.UTC)}
	r.git(".", "init", "-q", "--bare", "-b", "main", r.bare)
	r.git(".", "init", "-q", "-b", "main", r.clone)
	r.git(r.clone, "remote", "add", "origin", r.bare)
	repo, err := gitrepo.Open(gitrepo.Config{URL: r.bare, Branch: "main", StatusBranch: "ingot/status"})
	if err != nil {
		t.Fatal(err)
	}
	r.repo = &failing{Repo: repo}
	r.commit("secrets/bmc.yaml", secretfile.BMC)
	r.commit("defaults/all.yaml", "apiVersion: ingot.dev/v1alpha1\nkind: Defaults\nmetadata: {name: all}\nspec: {hosts: {allHosts: true}, defaults: {bmc: {credentials: bmc}}}\n")
	r.commit("rules/web.yaml", webRule)
	r.restart()
	return r
}

// restart is a new life of the daemon: nothing is remembered but the records.
func (r *rig) restart() {
	r.Proposer = New(Config{Records: r.records, Repo: r.repo, Forge: r.forge, Branch: "main", Now: func() time.Time { return r.now },
		Trunk: func() (proposal.Trunk, bool) { return r.trunk, true }})
}

func (r *rig) git(dir string, args ...string) string {
	r.Helper()
	command := exec.CommandContext(r.Context(), "git", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := command.CombinedOutput()
	if err != nil {
		r.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit pushes a file to the trunk, and has the daemon read it.
func (r *rig) commit(file, text string) {
	r.Helper()
	path := filepath.Join(r.clone, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
	r.git(r.clone, "add", "-A")
	r.git(r.clone, "commit", "-qm", "change")
	r.git(r.clone, "push", "-q", "origin", "HEAD:main")
	r.readTrunk()
}

func (r *rig) readTrunk() {
	r.Helper()
	sources, err := r.repo.Latest(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	fleet, findings, cache := load.FleetWithCache(load.Cache{}, sources, nil)
	if schemas.Fatal(findings) {
		r.Fatal(findings)
	}
	r.trunk = proposal.Trunk{Snapshot: sources.Trunk, Fleet: fleet, Cache: cache}
}

// register adds the record of a machine of the ruleset's shapes.
func (r *rig) register(id discovery.ID, shape, serial string) {
	r.Helper()
	data, err := os.ReadFile(filepath.Join("../../../inventory/ruleset/testdata/machines", shape+".json"))
	if err != nil {
		r.Fatal(err)
	}
	var facts inventory.Facts
	if err := format.Unmarshal(data, &facts); err != nil {
		r.Fatal(err)
	}
	facts.System.Serial = serial
	record := discovery.New(id, discovery.Registration{At: r.now, Key: "k", Agent: string(id), Facts: facts, Addresses: []string{"10.0.0.13"}}, discovery.Match{})
	if old, known := r.records.records[id]; known {
		record.Proposal = old.Proposal
	}
	r.records.records[id] = record
}

func (r *rig) look() time.Duration {
	r.Helper()
	r.now = r.now.Add(3 * time.Minute)
	return r.pass(r.Context())
}

func (r *rig) state(id discovery.ID) discovery.Proposal {
	if p := r.records.records[id].Proposal; p != nil {
		return *p
	}
	return discovery.Proposal{}
}

func (r *rig) tip(id discovery.ID) string {
	r.Helper()
	return r.git(r.bare, "for-each-ref", "--format=%(objectname)", "refs/heads/ingot/proposals/"+string(id))
}

// want checks the state, and that the tip on the server is the daemon's own, or that there is no branch.
func (r *rig) want(state discovery.ProposalState, branch bool) {
	r.Helper()
	s, tip := r.state(machine), r.tip(machine)
	if s.State != state || branch != (tip != "") || branch && tip != s.Tip {
		r.Fatalf("state %+v, tip %q, want %s, a branch: %v", s, tip, state, branch)
	}
}

func (r *rig) said(want ...string) {
	r.Helper()
	if !slices.Equal(r.forge.said, want) {
		r.Fatalf("the forge was told %q, want %q", r.forge.said, want)
	}
	r.forge.said = nil
}

const branch = "ingot/proposals/7f3a9c21e0b4"

// TestProposalStory is a machine's way: proposed, kept up to date, declined, asked for, merged.
func TestProposalStory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.register(machine, "dell", "AAA")
	r.register("000000000001", "vm", "X")
	r.look()
	r.want(discovery.Open, true)
	r.said("open " + branch + " into main: Discovered: web-aaa")
	if files := r.git(r.bare, "diff", "--name-only", "main", branch); files != "hosts/discovered/web-aaa.yaml" {
		t.Errorf("the proposal changes %s", files)
	}
	if refused := r.state("000000000001"); refused.Trouble != "refused by rule servers: this machine is no server" || refused.State != "" || r.tip("000000000001") != "" {
		t.Errorf("a refused machine: %+v", refused)
	}
	if r.Count() != 1 {
		t.Errorf("%d proposals wait", r.Count())
	}
	first := r.tip(machine)
	gets := r.records.gets
	r.look()
	if r.tip(machine) != first || len(r.forge.said) > 0 || r.records.gets > gets+2 {
		t.Errorf("a look without news pushed, told %q, or read %d records", r.forge.said, r.records.gets-gets)
	}

	r.commit("rules/web.yaml", strings.Replace(webRule, `"web-"`, `"www-"`, 1)) // other rules render it anew
	r.look()
	r.want(discovery.Open, true)
	r.said("update 7: Discovered: www-aaa")
	if parent := r.git(r.bare, "rev-parse", branch+"^"); parent != r.git(r.bare, "rev-parse", "main") {
		t.Error("the proposal is not one commit on the newest trunk")
	}

	r.git(r.bare, "update-ref", "-d", "refs/heads/"+branch) // declined
	r.look()
	r.want(discovery.Declined, false)
	r.look()
	r.restart()
	r.look()
	r.want(discovery.Declined, false)
	r.said()
	if err := r.Propose(t.Context(), machine); err != nil {
		t.Fatal(err)
	}
	r.want(discovery.Open, true)
	r.said("open " + branch + " into main: Discovered: www-aaa")

	r.forge.state = forge.PullClosed // declined on the forge
	r.look()
	r.want(discovery.Declined, false)
	r.forge.state = forge.PullOpen
	r.register(machine, "dell", "BBB") // other facts
	r.look()
	r.want(discovery.Open, true)
	r.said("open " + branch + " into main: Discovered: www-bbb")

	r.git(r.clone, "fetch", "-q", "origin", branch)
	r.git(r.clone, "merge", "-q", "--no-ff", "-m", "merge", "FETCH_HEAD")
	r.git(r.clone, "push", "-q", "origin", "HEAD:main")
	r.forge.state = forge.PullMerged
	r.look() // the trunk is not read yet
	r.want(discovery.Open, true)
	r.readTrunk()
	r.look()
	r.want(discovery.Merged, false)
	r.look()
	r.said()
}

// TestAMergeThatDeletesItsBranch says nothing: until the daemon has read the trunk with the merge, a branch that is gone
// and a request that is closed may be merged ones. A declined proposal has the machine's BMC account deleted.
// What becomes of a record during a look at it is news for the next look: a proof comes at any moment.
func TestNewsDuringALook(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.register(machine, "dell", "AAA")
	r.look()
	first := r.tip(machine)
	r.restart()          // has every record looked at
	r.config.Forge = nil // a forge is asked from time to time, which would be a look too
	r.records.behind = func(d *discovery.Record) { d.Doubts = append(d.Doubts, "it came during the look") }
	r.look()
	if r.tip(machine) != first || r.records.behind != nil {
		t.Fatal("the look knew what came behind it, or read nothing")
	}
	r.look()
	if text := r.git(r.bare, "show", r.tip(machine)+":"+r.state(machine).Path); !strings.Contains(text, "it came during the look") {
		t.Errorf("the branch stays as it was:\n%s", text)
	}
	last := r.tip(machine)
	r.look()
	r.look()
	if r.tip(machine) != last {
		t.Error("a branch that is as it should be is pushed again")
	}
}

func TestAMergeThatDeletesItsBranch(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"the branch is deleted", "the request is closed"} {
		r := newRig(t)
		r.register(machine, "dell", "AAA")
		r.look()
		r.git(r.clone, "fetch", "-q", "origin", branch)
		r.git(r.clone, "merge", "-q", "--no-ff", "-m", "merge", "FETCH_HEAD")
		r.git(r.clone, "push", "-q", "origin", "HEAD:main")
		if how == "the branch is deleted" {
			r.git(r.bare, "update-ref", "-d", "refs/heads/"+branch)
		} else {
			r.forge.state = forge.PullClosed
		}
		for range 3 {
			r.look()
			if s := r.state(machine).State; s != discovery.Open {
				t.Fatalf("%s: the trunk is not read yet, and the proposal is %s", how, s)
			}
		}
		r.readTrunk()
		r.look()
		r.want(discovery.Merged, false)
	}
}

// TestSomebodyElsesPush is never overwritten, and is told of once.
func TestSomebodyElsesPush(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.register(machine, "dell", "AAA")
	r.look()
	r.said("open " + branch + " into main: Discovered: web-aaa")
	r.git(r.clone, "fetch", "-q", "origin", branch)
	r.git(r.clone, "checkout", "-q", "FETCH_HEAD")
	r.git(r.clone, "commit", "-q", "--allow-empty", "-m", "a person's edit")
	r.git(r.clone, "push", "-q", "origin", "HEAD:refs/heads/"+branch)
	theirs := r.tip(machine)
	r.look()
	r.said()
	r.register(machine, "dell", "BBB")
	r.look()
	r.look()
	r.said("comment 7: Somebody pushed to this branch")
	if err := r.Propose(t.Context(), machine); err == nil || !strings.Contains(err.Error(), "which is not the daemon's: merge it or delete it") {
		t.Errorf("asked for over a person's edits: %v", err)
	}
	if r.tip(machine) != theirs {
		t.Error("a person's push was overwritten")
	}
	r.records.records[machine] = func(rec discovery.Record) discovery.Record {
		rec.Conflicts = []discovery.Conflict{{Kind: discovery.KnownMachine}}
		return rec
	}(r.records.records[machine])
	r.look()
	if r.tip(machine) != theirs {
		t.Error("a person's branch was withdrawn")
	}
}

// TestAConflictTakesTheProposalBack, and its end brings the proposal again.
func TestAConflictTakesTheProposalBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.register(machine, "dell", "AAA")
	r.look()
	clear := r.records.records[machine]
	conflict := clear
	conflict.Conflicts = []discovery.Conflict{{Kind: discovery.KnownMachine, Host: "web-1"}}
	r.records.records[machine] = conflict
	r.look()
	r.want(discovery.Withdrawn, false)
	r.said("open "+branch+" into main: Discovered: web-aaa", "close 7")
	clear.Proposal = r.records.records[machine].Proposal
	r.records.records[machine] = clear
	r.look()
	r.want(discovery.Open, true)
}

// TestAKilledDaemonKnowsItsOwnBranch, whether it was killed before the push or behind.
func TestAKilledDaemonKnowsItsOwnBranch(t *testing.T) {
	t.Parallel()
	for _, behind := range []bool{false, true} {
		r := newRig(t)
		r.register(machine, "dell", "AAA")
		r.repo.dieBefore, r.repo.dieBehind = !behind, behind
		r.look()
		if there := r.tip(machine) != ""; there != behind {
			t.Fatalf("a branch: %v, want %v", there, behind)
		}
		r.repo.dieBefore, r.repo.dieBehind = false, false
		r.restart()
		r.look()
		r.want(discovery.Open, true)
		r.register(machine, "dell", "BBB") // the same with a rewrite
		r.repo.dieBefore, r.repo.dieBehind = !behind, behind
		r.look()
		r.repo.dieBefore, r.repo.dieBehind = false, false
		r.restart()
		r.look()
		r.want(discovery.Open, true)
		if got := r.git(r.bare, "ls-tree", "--name-only", branch, "hosts/discovered/"); got != "hosts/discovered/web-bbb.yaml" {
			t.Errorf("killed behind %v: the proposal has %s", behind, got)
		}
	}
}

// TestTwentyAMinute: a pallet of machines does not fill the forge at once.
func TestTwentyAMinute(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 30 {
		r.register(discovery.ID(fmt.Sprintf("%012x", i)), "dell", fmt.Sprint("SN", i))
	}
	wait := r.look()
	for wait == betweenTwo {
		wait = r.pass(t.Context())
	}
	if count := strings.Count(r.git(r.bare, "for-each-ref", "refs/heads/ingot/proposals/"), "\n") + 1; count != perMinute || wait <= 0 || wait > time.Minute {
		t.Errorf("%d branches in the first minute, then %s", count, wait)
	}
	for range 10 {
		r.look()
	}
	if r.Count() != 30 {
		t.Errorf("%d proposals in the end", r.Count())
	}
}

// TestMergedWithoutAPerson only where rule and configuration say so.
func TestMergedWithoutAPerson(t *testing.T) {
	t.Parallel()
	for allowed, want := range map[string][]string{
		"":  {"open " + branch + " into main: Discovered: web-aaa"},
		"k": {"open " + branch + " into main: Discovered: web-aaa", "merge 7"},
	} {
		r := newRig(t)
		r.config.Accept = func(key string) bool { return key == allowed }
		r.register(machine, "dell", "AAA")
		r.look()
		r.said(want...)
	}
}

// TestNothingIsMergedBeforeItsAccountHolds: the merged file would name no credentials, or some that nobody has tried.
func TestNothingIsMergedBeforeItsAccountHolds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.commit("rules/web.yaml", strings.Replace(webRule, "accept: true", "accept: true, credentials: {create: true}", 1))
	r.config.Accept, r.config.Accounts = func(string) bool { return true }, true
	r.register(machine, "dell", "AAA")
	for _, stage := range []account.Stage{"", account.Pushed, account.Made, account.Failed, account.Verified} {
		record := r.records.records[machine]
		record.Account = &account.Account{Stage: stage}
		r.records.records[machine] = record
		r.look()
		if merged := slices.Contains(r.forge.said, "merge 7"); merged != (stage == account.Verified) {
			t.Errorf("stage %q, merged: %v", stage, merged)
		}
	}
	r = newRig(t) // a daemon that makes no accounts ignores the request
	r.commit("rules/web.yaml", strings.Replace(webRule, "accept: true", "accept: true, credentials: {create: true}", 1))
	r.config.Accept = func(string) bool { return true }
	r.register(machine, "dell", "AAA")
	r.look()
	r.said("open "+branch+" into main: Discovered: web-aaa", "merge 7")
}

// TestAForgeThatIsDown: the branch is there, and the request follows.
func TestAForgeThatIsDown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.register(machine, "dell", "AAA")
	r.forge.refuse = errors.New("down")
	r.look()
	r.want(discovery.Open, true)
	if n := r.state(machine).Pull; n != 0 {
		t.Errorf("a request of a forge that is down: %d", n)
	}
	r.forge.refuse, r.forge.said = nil, nil
	r.look()
	r.said("open " + branch + " into main: Discovered: web-aaa")
	if n := r.state(machine).Pull; n != 7 {
		t.Errorf("the request is %d", n)
	}
}

// TestEndedProposalsHoldNoPlace: neither merged machines nor those that the forge refuses keep others from being proposed.
func TestEndedProposalsHoldNoPlace(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"merged", "declined", "the forge refuses"} {
		r := newRig(t)
		if r.forge.refuse = nil; how == "the forge refuses" {
			r.forge.refuse = errors.New("403")
		}
		for i := range perPass + 2 {
			r.now = r.now.Add(time.Second)
			r.register(discovery.ID(fmt.Sprintf("%012x", i)), "dell", fmt.Sprint("SN", i))
		}
		for range 6 {
			r.look()
		}
		if r.Count() != perPass+2 {
			t.Fatalf("%s: %d proposals of %d", how, r.Count(), perPass+2)
		}
		switch how {
		case "merged":
			for i := range perPass + 2 {
				id := inventory.MachineID(fmt.Sprintf("m-%012x", i))
				r.trunk.Fleet.Hosts[id] = inventory.Desired{ID: id, Name: string(id)}
			}
		case "declined":
			for i := range perPass + 2 {
				r.git(r.bare, "update-ref", "-d", fmt.Sprintf("refs/heads/ingot/proposals/%012x", i))
			}
		}
		r.restart()
		for range 6 {
			r.look()
		}
		r.now = r.now.Add(time.Second)
		r.register(machine, "dell", "AAA")
		wait := r.look()
		r.want(discovery.Open, true)
		if how != "the forge refuses" && wait != lookEvery {
			t.Errorf("%s: the next pass is in %s", how, wait)
		}
	}
}

// counted is a repository without branches, which counts how often it is asked.
type counted struct {
	Repo
	asked int
}

func (c *counted) ListProposals(context.Context) (map[string]string, string, error) {
	c.asked++
	return nil, "", nil
}

// TestOnePassASecond: whoever registers machines has the daemon ask the repository no more than once a second.
func TestOnePassASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		repo := &counted{}
		records := &memory{records: map[discovery.ID]discovery.Record{machine: {ID: machine, Rival: &discovery.Agent{}}}}
		p := New(Config{Records: records, Repo: repo, Trunk: func() (proposal.Trunk, bool) { return proposal.Trunk{}, true }})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		registers := time.NewTicker(10 * time.Millisecond)
		defer registers.Stop()
		for range 900 {
			<-registers.C
			p.Wake()
		}
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run() = %v", err)
		}
		if repo.asked < 5 || repo.asked > 11 {
			t.Errorf("the repository was asked %d times in 10 s", repo.asked)
		}
	})
}

// TestTheBranchHasTheSecret: a rule that asks for an account at the BMC is noted in the record, and what the branch has of the
// account's Secret, too: nobody is told a password before.
func TestTheBranchHasTheSecret(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var secret *proposal.Secret
	r.config.Secret = func(discovery.Record) (*proposal.Secret, error) { return secret, nil }
	r.register(machine, "dell", "AAA")
	r.look()
	if s := r.state(machine); s.Account || s.Secret != "" || s.Tip == "" {
		t.Errorf("without a rule: %+v", s)
	}
	r.commit("rules/web.yaml", strings.Replace(webRule, "accept: true", "credentials: {create: true}", 1))
	r.look()
	if s := r.state(machine); !s.Account || s.Secret != "" {
		t.Errorf("with the rule: %+v", s)
	}
	secret = &proposal.Secret{Name: "bmc-m-" + string(machine), Document: []byte(secretfile.SealFile("apiVersion: ingot.dev/v1alpha1\nkind: Secret\nmetadata: {name: bmc-m-" + string(machine) +
		"}\nspec: {scope: {hosts: [m-" + string(machine) + "]}, data: {password: hunter2}}\n" + secretfile.Marker)), Note: "not verified yet"}
	record := r.records.records[machine]
	record.Doubts = append(record.Doubts, "something changed") // in the daemon, the account in the record
	r.records.records[machine] = record
	r.look()
	s := r.state(machine)
	if s.Secret != secret.Digest() || s.Tip != r.tip(machine) {
		t.Errorf("with the Secret: %+v, the digest is %s", s, secret.Digest())
	}
	if pushed := r.git(r.bare, "show", s.Tip+":secrets/"+secret.Name+".yaml"); pushed != strings.TrimSpace(string(secret.Document)) {
		t.Errorf("the branch has %q", pushed)
	}
	r.commit("rules/web.yaml", webRule)
	r.look()
	if s := r.state(machine); s.Account {
		t.Errorf("the rule is gone: %+v", s)
	}
}
