package gitrepo_test

import (
	"fmt"
	"maps"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/internal/lab/bigfleet"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/gitrepo/trust"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/reconcile/status"
)

const benchHosts = 10_000

// bench is a large fleet behind git's own http-backend, and a clone of it in which the git CLI does its part.
type bench struct {
	*testing.B
	dir, bare, clone string
	url              string
	fleet            inventory.Fleet
	edits            int
}

func newBench(b *testing.B, statusCommits int) *bench {
	b.Helper()
	w := &bench{B: b, dir: b.TempDir()}
	w.bare, w.clone = filepath.Join(w.dir, "fleet.git"), filepath.Join(w.dir, "clone.git")
	var err error
	if w.fleet, err = bigfleet.Make(b.Context(), w.bare, benchHosts, 200, statusCommits); err != nil {
		b.Fatal(err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(w.git(".", "--exec-path"), "git-http-backend"),
		Env:  append(bigfleet.Environment(), "GIT_PROJECT_ROOT="+w.dir, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=robot"),
	}
	server := httptest.NewServer(backend)
	b.Cleanup(server.Close)
	w.url = server.URL + "/fleet.git"
	w.git(".", "clone", "--quiet", "--bare", w.url, w.clone)
	return w
}

func (w *bench) git(dir string, args ...string) string {
	w.Helper()
	out, err := bigfleet.Git(w.Context(), dir, args...)
	if err != nil {
		w.Fatal(err)
	}
	return out
}

func (w *bench) open(c gitrepo.Config) *gitrepo.Repo {
	w.Helper()
	c.URL, c.Branch, c.StatusBranch, c.TagPatterns = w.url, bigfleet.Branch, bigfleet.StatusBranch, load.TagPatterns
	repo, err := gitrepo.Open(c)
	if err != nil {
		w.Fatal(err)
	}
	return repo
}

func (w *bench) latest(repo *gitrepo.Repo) inventory.Sources {
	w.Helper()
	sources, err := repo.Latest(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return sources
}

// edit has the server's trunk change one host, as a pull request that is merged.
func (w *bench) edit() {
	w.Helper()
	w.edits++
	n := w.edits * 7 % benchHosts
	if err := bigfleet.Commit(w.Context(), w.bare, bigfleet.Branch, bigfleet.Branch,
		map[string]string{bigfleet.HostFile(n): bigfleet.EditHost(n, w.edits)}); err != nil {
		w.Fatal(err)
	}
}

// stopwatch keeps the times of one thing that is done again and again.
type stopwatch []time.Duration

func (s *stopwatch) time(do func()) {
	began := time.Now()
	do()
	*s = append(*s, time.Since(began))
}

// median is not disturbed by the odd slow one.
func (s *stopwatch) median() float64 {
	sorted := slices.Sorted(slices.Values(*s))
	return float64(sorted[len(sorted)/2]) / float64(time.Millisecond)
}

// beside reports two medians and their ratio.
func (w *bench) beside(ours, git *stopwatch) {
	w.ReportMetric(ours.median(), "ours-ms")
	w.ReportMetric(git.median(), "git-ms")
	w.ReportMetric(ours.median()/git.median(), "x-git")
}

// BenchmarkFleet is what the daemon does with a repository of 10,000 hosts, each beside the git CLI doing its part of it.
func BenchmarkFleet(b *testing.B) {
	w := newBench(b, shortHistory)
	for name, measure := range map[string]func(){"poll": w.poll, "fetch": w.fetch, "accept": w.accept,
		"push=1": w.push(1), "push=500": w.push(500)} {
		w.run(b, name, measure)
	}
}

// BenchmarkHistory pushes in turn to status branches of 10, 1,000 and 4,000 commits: whatever slows the machine down meets all of them. x-10 is how
// much longer the longest history takes than the shortest, and git-x-10 the same of the git CLI.
func BenchmarkHistory(b *testing.B) {
	histories := []int{shortHistory, 1000, longHistory}
	var worlds []*bench
	for _, commits := range histories {
		worlds = append(worlds, newBench(b, commits))
	}
	for _, hosts := range []int{1, 500} {
		b.Run(fmt.Sprintf("push=%d", hosts), func(b *testing.B) {
			var pushers []*pusher
			for _, w := range worlds {
				w.B = b
				pushers = append(pushers, w.pusher(hosts))
			}
			for b.Loop() {
				for _, p := range pushers {
					p.push()
				}
			}
			for i, p := range pushers {
				b.ReportMetric(p.ours.median(), fmt.Sprintf("%d-ms", histories[i]))
			}
			first, last := pushers[0], pushers[len(pushers)-1]
			b.ReportMetric(last.ours.median()/first.ours.median(), "x-10")
			b.ReportMetric(last.git.median()/first.git.median(), "git-x-10")
		})
	}
}

// Commits of the status branch.
const shortHistory, longHistory = 10, 4000

func (w *bench) run(b *testing.B, name string, measure func()) {
	b.Run(name, func(b *testing.B) {
		w.B = b
		measure()
	})
}

// poll asks a server that has nothing new, beside git ls-remote.
func (w *bench) poll() {
	repo := w.open(gitrepo.Config{})
	w.latest(repo)
	var ours, git stopwatch
	for w.Loop() {
		ours.time(func() { w.latest(repo) })
		git.time(func() { w.git(w.clone, "ls-remote", w.url, "refs/heads/main", "refs/tags/*") })
	}
	w.beside(&ours, &git)
}

// fetch takes a commit that changes one file, up to the tree with all files, beside git fetch.
func (w *bench) fetch() {
	repo := w.open(gitrepo.Config{})
	w.latest(repo)
	var ours, git stopwatch
	for w.Loop() {
		w.edit()
		ours.time(func() { w.latest(repo) })
		git.time(w.gitFetch)
	}
	w.beside(&ours, &git)
}

func (w *bench) gitFetch() {
	w.Helper()
	w.git(w.clone, "fetch", "--quiet", "origin", "+refs/heads/main:refs/heads/main")
}

// accept is the whole way of a signed commit that changes one host: fetched, its signature checked, the fleet loaded, planned. The git CLI fetches
// and verifies.
func (w *bench) accept() {
	policy, err := trust.New(trust.Config{AllowedSigners: w.sign()})
	if err != nil {
		w.Fatal(err)
	}
	w.signedEdit()
	repo := w.open(gitrepo.Config{Signers: policy})
	fleet, _, cache := load.FleetWithCache(load.Cache{}, w.latest(repo), ignition.Checker{})
	records := bigfleet.Records(w.fleet)
	var ours, git, take, resolve, plan stopwatch
	for w.Loop() {
		w.signedEdit()
		ours.time(func() {
			var sources inventory.Sources
			take.time(func() { sources = w.latest(repo) })
			head := fleet
			resolve.time(func() { head, _, cache = load.FleetWithCache(cache, sources, ignition.Checker{}) })
			plan.time(func() {
				if r := review.Compare(fleet, head, review.Known{Records: records}); len(r.Hosts) != 1 {
					w.Fatalf("%d hosts change, want 1", len(r.Hosts))
				}
			})
			fleet = head
		})
		git.time(func() {
			w.gitFetch()
			w.git(w.clone, "-c", "gpg.ssh.allowedSignersFile="+filepath.Join(w.dir, "signers"), "verify-commit", "main")
		})
	}
	w.beside(&ours, &git)
	w.ReportMetric(take.median(), "fetch+verify-ms")
	w.ReportMetric(resolve.median(), "load-ms")
	w.ReportMetric(plan.median(), "plan-ms")
}

// sign makes a key, and gives the allowed signers.
func (w *bench) sign() []byte {
	w.Helper()
	key := filepath.Join(w.dir, "key")
	if out, err := exec.CommandContext(w.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
		key).CombinedOutput(); err != nil {
		w.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		w.Fatal(err)
	}
	signers := append([]byte("a@example.com "), public...)
	if err := os.WriteFile(filepath.Join(w.dir, "signers"), signers, 0o600); err != nil {
		w.Fatal(err)
	}
	return signers
}

// signedEdit is edit by somebody who signs. It changes a host of a ring that follows the trunk.
func (w *bench) signedEdit() {
	w.Helper()
	w.edits++
	n := w.edits % 25
	if err := bigfleet.Commit(w.Context(), w.bare, bigfleet.Branch, "unsigned",
		map[string]string{bigfleet.HostFile(n): bigfleet.EditHost(n, w.edits)}); err != nil {
		w.Fatal(err)
	}
	signed := w.git(w.bare, "-c", "gpg.format=ssh", "-c", "user.signingkey="+filepath.Join(w.dir, "key.pub"),
		"commit-tree", "-S", "-m", "change", "-p", bigfleet.Branch, "unsigned^{tree}")
	w.git(w.bare, "update-ref", "refs/heads/"+bigfleet.Branch, signed)
}

// pusher pushes the pages of some hosts, beside the git CLI, which makes the same commit out of the same pages in a clone that is up to date, and
// pushes it.
type pusher struct {
	*bench
	repo      *gitrepo.Repo
	hosts     int
	ours, git stopwatch
}

func (w *bench) pusher(hosts int) *pusher {
	w.Helper()
	p := &pusher{bench: w, repo: w.open(gitrepo.Config{}), hosts: hosts}
	if _, err := p.repo.Read(w.Context()); err != nil {
		w.Fatal(err)
	}
	return p
}

func (p *pusher) push() {
	p.Helper()
	changed := p.pages(p.hosts)
	p.ours.time(func() {
		if _, err := p.repo.Publish(p.Context(), changed, "status\n"); err != nil {
			p.Fatal(err)
		}
	})
	p.bench.git(p.clone, "fetch", "--quiet", "origin", "+refs/heads/ingot/*:refs/heads/ingot/*")
	changed = p.pages(p.hosts)
	p.git.time(func() {
		if err := bigfleet.PushPages(p.Context(), p.clone, changed); err != nil {
			p.Fatal(err)
		}
	})
}

func (w *bench) push(hosts int) func() {
	return func() {
		p := w.pusher(hosts)
		for w.Loop() {
			p.push()
		}
		w.beside(&p.ours, &p.git)
	}
}

// pages are new pages of some hosts.
func (w *bench) pages(hosts int) map[string][]byte {
	w.edits++
	records := bigfleet.Records(w.fleet)
	pages := map[string][]byte{}
	for k, name := range slices.Sorted(maps.Keys(w.fleet.Hosts)) {
		if k >= hosts {
			break
		}
		record := records[name]
		record.Epoch = uint64(w.edits)
		pages[status.Path(name)] = bigfleet.Document(w.fleet.Hosts[name], record)
	}
	return pages
}
