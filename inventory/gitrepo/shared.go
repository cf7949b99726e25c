package gitrepo

import (
	"strings"

	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

// listShared lists the directories that a fleet's settings share and that are outside of the fleet's directory.
// Mistakes in the settings are left to the loader.
func listShared(fleet string, files map[string]inventory.File) (outside []string) {
	settings, there := files[schemas.FleetFile]
	if !there || fleet == "" { // the whole repository is the fleet
		return nil
	}
	documents, findings := decode.DecodeFile(schemas.FleetFile, settings.Data)
	if schemas.Fatal(findings) {
		return nil
	}
	for _, d := range documents {
		if d.Kind != schemas.KindFleet {
			continue
		}
		for _, dir := range d.Fleet.Spec.Shared {
			if dir != fleet && !strings.HasPrefix(dir, fleet+"/") {
				outside = append(outside, dir)
			}
		}
	}
	return outside
}

// readShared reads the shared directories outside of the fleet, by the rules of the fleet's own files and within its
// limits. The files are by their paths in the repository.
func (rd *treeReader) readShared(commit *object.Commit) (map[string]inventory.File, error) {
	fleet := rd.repo.config.Path
	shared := treeReader{repo: rd.repo, files: map[string]inventory.File{}, blobs: rd.blobs, folded: map[string]string{},
		seen: rd.seen, total: rd.total, findings: rd.findings,
		above: strings.Repeat("../", strings.Count(fleet, "/")+1)}
	for _, dir := range listShared(fleet, rd.files) {
		if strings.HasPrefix(fleet, dir+"/") {
			rd.addFinding(schemas.FleetFile, "share a directory beside the fleet's", "spec.shared: %s contains the fleet itself", dir)
			continue
		}
		root, found, err := rd.repo.findDirectory(commit, dir)
		if err != nil {
			return nil, err
		}
		if !found {
			rd.addFinding(schemas.FleetFile, "take it out of spec.shared, or bring it back", "spec.shared: the repository has no directory %s", dir)
			continue
		}
		shared.findings = rd.findings
		if err := shared.readTree(root, dir, strings.Count(dir, "/")+1); err != nil {
			return nil, err
		}
		rd.findings = shared.findings
	}
	return shared.files, nil
}

// shown is the path of a file for people, relative to the fleet's directory.
func (rd *treeReader) shown(file string) string {
	if rd.above == "" {
		return file
	}
	return rd.above + file
}
