package gitrepo

import "github.com/go-git/go-git/v5/plumbing"

// References are the names of what was fetched.
func References(r *Repo) []string {
	var names []string
	iter, err := r.repo.References()
	if err != nil {
		return nil
	}
	_ = iter.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() == plumbing.HashReference {
			names = append(names, ref.Name().String())
		}
		return nil
	})
	return names
}

// Has reports whether an object was fetched.
func Has(r *Repo, id string) bool {
	return r.repo.Storer.HasEncodedObject(plumbing.NewHash(id)) == nil
}
