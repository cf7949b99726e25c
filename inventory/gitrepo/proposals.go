package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"

	"github.com/gitmetal/ingot/inventory/gitrepo/gittree"
	"github.com/gitmetal/ingot/inventory/gitrepo/remote"
)

// ErrRaced means that a branch was not where it was expected: nothing was pushed.
var ErrRaced = remote.ErrRaced

// ProposalPrefix is where the branches of proposals are: fleets of one repository must not share them.
func ProposalPrefix(path string) string {
	if path == "" {
		return "ingot/proposals/"
	}
	return "ingot/" + path + "/proposals/"
}

// Change is one commit on a branch of proposals.
type Change struct {
	// Name is that of the branch behind ProposalPrefix.
	Name string
	// Old is the commit that the branch must be at, "" for no branch.
	Old     string
	Files   map[string][]byte // by path in the fleet
	Message string
	// Before is called with the new commit before the push, so that a caller who is killed knows the commit for its own;
	// with an error nothing is pushed. nil for nothing.
	Before func(commit string) error
}

// ListProposals gives the tips of all branches of proposals, by their names behind ProposalPrefix, and the tip of the
// trunk at the same moment: a branch that was deleted after its merge is missing only where the trunk has the merge.
func (r *Repo) ListProposals(ctx context.Context) (tips map[string]string, trunk string, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Timeout)
	defer cancel()
	refs, err := r.server.ListRefs(ctx)
	if err != nil {
		return nil, "", err
	}
	tips = map[string]string{}
	for name, tip := range refs {
		if branch, is := strings.CutPrefix(name.String(), "refs/heads/"+ProposalPrefix(r.config.Path)); is {
			tips[branch] = tip.String()
		}
	}
	return tips, refs[plumbing.NewBranchReferenceName(r.config.Branch)].String(), nil
}

// Propose pushes one commit on the accepted commit of the trunk, and gives the new tip of the branch. The server moves
// the branch only from Change.Old; with another tip the error is ErrRaced. A commit of an earlier proposal is not in
// the new history. The trunk is never written. No other call waits for the push.
func (r *Repo) Propose(ctx context.Context, c Change) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Timeout)
	defer cancel()
	branch, err := r.proposalBranch(c.Name)
	if err != nil {
		return "", err
	}
	next, pack, err := r.makeProposal(c)
	if err == nil && c.Before != nil {
		err = c.Before(next.String())
	}
	if err != nil {
		return "", err
	}
	command := packp.Command{Name: branch, Old: plumbing.NewHash(c.Old), New: next}
	if err := r.server.PushRef(ctx, command, pack); err != nil {
		return "", r.explainProposal(ctx, command, err)
	}
	return next.String(), nil
}

// makeProposal makes the commit of a proposal, and the pack of its objects.
func (r *Repo) makeProposal(c Change) (next plumbing.Hash, pack io.Reader, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.accepted.IsZero() || !r.hasObject(r.accepted) {
		return next, nil, errors.New("no commit of the trunk was read yet: propose again after the next look at the fleet")
	}
	base, err := object.GetCommit(r.repo.Storer, r.accepted)
	if err != nil {
		return next, nil, fmt.Errorf("read the trunk: %w", err)
	}
	files := map[string][]byte{}
	for name, data := range c.Files {
		if !fs.ValidPath(name) || name == "." || data == nil {
			return next, nil, fmt.Errorf("%q cannot be a file of a proposal", name)
		}
		files[path.Join(r.config.Path, name)] = data
	}
	w := gittree.NewWriter(r.repo.Storer)
	tree, err := w.ApplyChanges(base.TreeHash, files)
	author := object.Signature{Name: r.config.Author.Name, Email: r.config.Author.Email, When: r.config.Now().UTC()}
	if err == nil {
		next, err = w.AddCommit(&object.Commit{Author: author, Committer: author, Message: c.Message, TreeHash: tree,
			ParentHashes: []plumbing.Hash{base.Hash}})
	}
	if err == nil {
		pack, err = w.EncodePack()
	}
	if err != nil {
		return next, nil, fmt.Errorf("make a proposal: %w", err)
	}
	return next, pack, nil
}

// Withdraw deletes a branch of proposals that is at a commit. A branch that is gone is no error.
func (r *Repo) Withdraw(ctx context.Context, name, old string) error {
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Timeout)
	defer cancel()
	branch, err := r.proposalBranch(name)
	if err != nil {
		return err
	}
	tips, _, err := r.ListProposals(ctx)
	switch {
	case err != nil:
		return err
	case tips[name] == "":
		return nil
	case tips[name] != old:
		return fmt.Errorf("delete %s: %w", branch.Short(), ErrRaced)
	}
	command := packp.Command{Name: branch, Old: plumbing.NewHash(old), New: plumbing.ZeroHash}
	if err := r.server.DeleteRef(ctx, command); err != nil {
		return r.explainProposal(ctx, command, err)
	}
	return nil
}

// proposalBranch is the ref of a proposal: a name is one part of lower case letters, digits and dashes.
func (r *Repo) proposalBranch(name string) (plumbing.ReferenceName, error) {
	isFit := func(c rune) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' }
	if name == "" || len(name) > 63 || strings.TrimFunc(name, isFit) != "" {
		return "", fmt.Errorf("%q is no name of a proposal", name)
	}
	return plumbing.NewBranchReferenceName(ProposalPrefix(r.config.Path) + name), nil
}

// explainProposal tells a lost race from a refusal.
func (r *Repo) explainProposal(ctx context.Context, command packp.Command, err error) error {
	attempt := fmt.Sprintf("push %s to %s", command.Name.Short(), r.server)
	failed, refused := errors.As(err, new(*remote.Failure)), errors.Is(err, remote.ErrRefused)
	if refused {
		if refs, listErr := r.server.ListRefs(ctx); listErr == nil && refs[command.Name] != command.Old {
			return fmt.Errorf("%s: %w", attempt, ErrRaced)
		}
	}
	switch {
	case failed:
		return err
	case !refused:
		return fmt.Errorf("%s: %w", attempt, err)
	}
	return fmt.Errorf("%s: %w: check the rules and hooks of branches below %s", attempt, err, ProposalPrefix(r.config.Path))
}

// ReadProposal reads one file of a branch of proposals, by its path in the fleet, with the tip of the branch: no data without
// the file, and no tip without the branch. It fetches into a store of its own, so that no other call waits for it.
func (r *Repo) ReadProposal(ctx context.Context, name, file string) (data []byte, tip string, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Limits.Timeout)
	defer cancel()
	branch, err := r.proposalBranch(name)
	store, also := r.server.NewStore()
	if err := errors.Join(err, also); err != nil {
		return nil, "", err
	}
	err = r.server.FetchRefs(ctx, store, map[plumbing.ReferenceName]plumbing.ReferenceName{branch: branch}, 1)
	if errors.Is(err, remote.ErrNoRef) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	at, err := store.Reference(branch, true)
	if err == nil {
		data, err = gittree.ReadFile(store.Storer, at.Hash(), path.Join(r.config.Path, file), r.config.Limits.Blob)
	}
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", branch.Short(), err)
	}
	return data, at.Hash().String(), nil
}
