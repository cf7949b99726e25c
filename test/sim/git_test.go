package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/gitmetal/ingot/inventory/gitrepo/gittree"
)

const (
	trunk        = "main"
	statusBranch = "ingot/status"
)

// gitServer is the Git server of a world: refs and objects in memory. Daemons reach it through go-git's client, as they
// reach any server.
type gitServer struct {
	w     *world
	store *memory.Storage
	refs  map[plumbing.ReferenceName]plumbing.Hash
}

// gitServers are the servers of all worlds by path, as go-git finds transports per process.
var gitServers struct {
	sync.Mutex
	once   sync.Once
	byPath map[string]*gitLine
	next   int
}

// gitLine is the line from one daemon to its server.
type gitLine struct {
	server *gitServer
	caller *process
}

func newGitServer(w *world) *gitServer {
	return &gitServer{w: w, store: memory.NewStorage(), refs: map[plumbing.ReferenceName]plumbing.Hash{}}
}

// connect gives the address at which one process reaches the server.
func (s *gitServer) connect(p *process) (url string, hangUp func()) {
	g := &gitServers
	g.once.Do(func() { client.InstallProtocol("file", gitTransport{}) })
	g.Lock()
	defer g.Unlock()
	if g.byPath == nil {
		g.byPath = map[string]*gitLine{}
	}
	g.next++
	url = fmt.Sprintf("/simulated/%d", g.next)
	g.byPath[url] = &gitLine{s, p}
	return url, func() {
		g.Lock()
		defer g.Unlock()
		delete(g.byPath, url)
	}
}

// commit adds a commit to a branch and moves the branch; a nil content deletes a file. Parent zero begins a history.
func (s *gitServer) commit(branch string, parent plumbing.Hash, changed map[string][]byte, title string) plumbing.Hash {
	made, err := s.makeCommit(parent, changed, title)
	if err != nil {
		panic(err)
	}
	s.move(branch, made)
	return made
}

func (s *gitServer) makeCommit(parent plumbing.Hash, changed map[string][]byte, title string) (plumbing.Hash, error) {
	writer := gittree.NewWriter(s.store)
	base := plumbing.ZeroHash
	signature := object.Signature{Name: "Ada", Email: "ada@example.com", When: epoch.Add(s.w.now).Round(0)}
	next := &object.Commit{Author: signature, Committer: signature, Message: title}
	if !parent.IsZero() {
		before, err := object.GetCommit(s.store, parent)
		if err != nil {
			return parent, err
		}
		base, next.ParentHashes = before.TreeHash, []plumbing.Hash{parent}
	}
	tree, err := writer.ApplyChanges(base, changed)
	if err != nil {
		return parent, err
	}
	next.TreeHash = tree
	made, err := writer.AddCommit(next)
	if err != nil {
		return parent, err
	}
	return made, writer.StoreObjects()
}

func (s *gitServer) move(branch string, to plumbing.Hash) {
	name := plumbing.NewBranchReferenceName(branch)
	if to.IsZero() {
		delete(s.refs, name)
	} else {
		s.refs[name] = to
	}
}

func (s *gitServer) tip(branch string) plumbing.Hash {
	return s.refs[plumbing.NewBranchReferenceName(branch)]
}

// contains reports whether a commit is in the history of another.
func (s *gitServer) contains(tip, wanted plumbing.Hash) bool {
	for at := tip; !at.IsZero(); {
		if at == wanted {
			return true
		}
		commit, err := object.GetCommit(s.store, at)
		if err != nil || len(commit.ParentHashes) == 0 {
			return false
		}
		at = commit.ParentHashes[0]
	}
	return false
}

// file is a file at the tip of a branch; nil without one.
func (s *gitServer) file(branch, path string) []byte {
	tip := s.tip(branch)
	if tip.IsZero() {
		return nil
	}
	commit, err := object.GetCommit(s.store, tip)
	if err != nil {
		return nil
	}
	tree, err := object.GetTree(s.store, commit.TreeHash)
	if err != nil {
		return nil
	}
	file, err := tree.File(path)
	if err != nil {
		return nil
	}
	text, err := file.Contents()
	if err != nil {
		return nil
	}
	return []byte(text)
}

// Faults of the server.
var (
	errNoServer  = errors.New("dial tcp: connection refused")
	errPushHook  = errors.New("pre-receive hook declined")
	errNoAnswer  = errors.New("read tcp: i/o timeout")
	errSlowClone = errors.New("context deadline exceeded")
)

// gitTransport finds the line of an address.
type gitTransport struct{}

func (gitTransport) find(e *transport.Endpoint) (*gitLine, error) {
	g := &gitServers
	g.Lock()
	defer g.Unlock()
	line := g.byPath[e.Path]
	if line == nil {
		return nil, transport.ErrRepositoryNotFound
	}
	return line, nil
}

// NewUploadPackSession implements transport.Transport.
func (t gitTransport) NewUploadPackSession(
	e *transport.Endpoint, _ transport.AuthMethod,
) (transport.UploadPackSession, error) {
	line, err := t.find(e)
	if err != nil {
		return nil, err
	}
	return &gitSession{line: line, for_: "fetch"}, nil
}

// NewReceivePackSession implements transport.Transport.
func (t gitTransport) NewReceivePackSession(
	e *transport.Endpoint, _ transport.AuthMethod,
) (transport.ReceivePackSession, error) {
	line, err := t.find(e)
	if err != nil {
		return nil, err
	}
	return &gitSession{line: line, for_: "push"}, nil
}

// gitSession is one conversation.
type gitSession struct {
	line *gitLine
	for_ string
}

// Close implements transport.Session.
func (g *gitSession) Close() error { return nil }

// AdvertisedReferences implements transport.Session.
func (g *gitSession) AdvertisedReferences() (*packp.AdvRefs, error) {
	return g.AdvertisedReferencesContext(context.Background())
}

// AdvertisedReferencesContext implements transport.Session.
func (g *gitSession) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	s, p := g.line.server, g.line.caller
	if err := p.call(); err != nil {
		return nil, err
	}
	who := p.d.index
	switch {
	case s.w.meets(gitDown, who):
		s.w.pass(100 * time.Millisecond)
		return nil, errNoServer
	case s.w.meets(gitSlow, who):
		s.w.pass(20 * time.Second)
	case s.w.meets(gitHangs, who):
		s.w.pass(2 * time.Minute)
		return nil, errSlowClone
	case s.w.meets(gitForbids, who):
		return nil, transport.ErrAuthorizationFailed
	}
	ads := packp.NewAdvRefs()
	if err := ads.Capabilities.Set(capability.OFSDelta); err != nil {
		return nil, err
	}
	if err := ads.Capabilities.Set(capability.ReportStatus); err != nil {
		return nil, err
	}
	for name, hash := range s.refs {
		ads.References[name.String()] = hash
		if commit := s.peel(hash); commit != hash {
			ads.Peeled[name.String()] = commit
		}
	}
	if len(s.refs) == 0 {
		return nil, transport.ErrEmptyRemoteRepository
	}
	return ads, nil
}

// UploadPack implements transport.UploadPackSession.
func (g *gitSession) UploadPack(_ context.Context, r *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	s := g.line.server
	depth := 0
	if commits, is := r.Depth.(packp.DepthCommits); is {
		depth = int(commits)
	}
	wanted, shallow, err := s.collect(r.Wants, r.Haves, depth)
	if err != nil {
		return nil, err
	}
	var pack bytes.Buffer
	if _, err := packfile.NewEncoder(&pack, s.store, false).Encode(wanted, 0); err != nil {
		return nil, err
	}
	data := pack.Bytes()
	if s.w.meets(gitHalfPack, g.line.caller.d.index) {
		data = data[:len(data)/2]
	}
	answer := packp.NewUploadPackResponseWithPackfile(r, io.NopCloser(bytes.NewReader(data)))
	answer.Shallows = shallow
	return answer, nil
}

// collect gives the objects of the wanted histories that a client with the given commits lacks.
func (s *gitServer) collect(wants, haves []plumbing.Hash, depth int) (objects, shallow []plumbing.Hash, err error) {
	have, seen := map[plumbing.Hash]bool{}, map[plumbing.Hash]bool{}
	for _, hash := range haves {
		have[hash] = true
		if commit, err := object.GetCommit(s.store, hash); err == nil {
			if err := s.walkTree(commit.TreeHash, seen, nil); err != nil {
				return nil, nil, err
			}
		}
	}
	add := func(hash plumbing.Hash) { objects = append(objects, hash) }
	for _, at := range wants {
		for tag, err := object.GetTag(s.store, at); err == nil; tag, err = object.GetTag(s.store, at) {
			add(at)
			at = tag.Target
		}
		for count := 0; !at.IsZero() && !have[at] && !seen[at]; {
			commit, err := object.GetCommit(s.store, at)
			if err != nil {
				return nil, nil, err
			}
			seen[at] = true
			add(at)
			if err := s.walkTree(commit.TreeHash, seen, add); err != nil {
				return nil, nil, err
			}
			if len(commit.ParentHashes) == 0 {
				break
			}
			if count++; count == depth {
				shallow = append(shallow, at)
				break
			}
			at = commit.ParentHashes[0]
		}
	}
	return objects, shallow, nil
}

// walkTree visits the objects of a tree that were not seen.
func (s *gitServer) walkTree(hash plumbing.Hash, seen map[plumbing.Hash]bool, visit func(plumbing.Hash)) error {
	if seen[hash] {
		return nil
	}
	seen[hash] = true
	if visit != nil {
		visit(hash)
	}
	tree, err := object.GetTree(s.store, hash)
	if err != nil {
		return err
	}
	for _, entry := range tree.Entries {
		if !entry.Mode.IsFile() {
			if err := s.walkTree(entry.Hash, seen, visit); err != nil {
				return err
			}
			continue
		}
		if !seen[entry.Hash] && visit != nil {
			visit(entry.Hash)
		}
		seen[entry.Hash] = true
	}
	return nil
}

// ReceivePack implements transport.ReceivePackSession.
func (g *gitSession) ReceivePack(_ context.Context, r *packp.ReferenceUpdateRequest) (*packp.ReportStatus, error) {
	s, p := g.line.server, g.line.caller
	pack, err := io.ReadAll(r.Packfile)
	if err != nil {
		return nil, err
	}
	command := *r.Commands[0]
	take := func() error {
		if s.refs[command.Name] != command.Old {
			return errors.New("failed to update ref")
		}
		if err := packfile.UpdateObjectStorage(s.store, bytes.NewReader(pack)); err != nil {
			return err
		}
		s.move(strings.TrimPrefix(command.Name.String(), "refs/heads/"), command.New)
		p.d.noteEffect("push")
		s.w.history.statusIsPushed()
		return nil
	}
	who := p.d.index
	switch {
	case p.crashes(): // before the push
		return nil, errDead
	case s.w.meets(pushRefused, who):
		return nil, errPushHook
	case s.w.meets(pushUnanswered, who):
		_ = take()
		s.w.pass(30 * time.Second)
		return nil, errNoAnswer
	case s.w.meets(pushLate, who):
		s.w.after(time.Minute, func() { _ = take() })
		s.w.pass(30 * time.Second)
		return nil, errNoAnswer
	}
	if err := take(); err != nil {
		return nil, err
	}
	s.w.say("%s pushes %s", p.d.name, command.New.String()[:8])
	if p.crashes() { // after the push
		return nil, errDead
	}
	s.w.pass(150 * time.Millisecond)
	return packp.NewReportStatus(), nil
}
