package archtest

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// readsWWNs are the files that may read the WWN of a disk or of a hint, with the reason. Every other file asks
// inventory.MachineDisk and inventory.DiskID, which know what identifies a disk.
var readsWWNs = map[string]string{
	"inventory/diskid/id.go":               "the rule",
	"inventory/diskid/own.go":              "the rule",
	"inventory/hardware/machinedisk.go":    "gives all reports of a machine to the rule",
	"inventory/hardware.go":                "gives the hints of the fleet to the rule",
	"inventory/pick/names.go":              "says which WWN is wanted and which reported",
	"inventory/load/inputs.go":             "spells a hint for the digest of the inputs",
	"inventory/rules/facts.go":             "shows an expression the WWN that is the disk's own",
	"schemas/kinds.go":                     "gives the hints of an item as hints",
	"inventory/load/disks.go":              "hints of the fleet that mean the same disk are a finding",
	"agent/steps/writing.go":               "tells a script what the agent saw",
	"inventory/load/defaults.go":           "a placeholder in the fleet is a finding",
	"schemas/decode/check.go":              "the grammar of a hint",
	"agent/hub/reported/reported.go":       "translates an agent's report",
	"agent/hub/erased.go":                  "translates an agent's receipt",
	"agent/steps/erasing.go":               "writes into a receipt what the agent saw",
	"agent/steps/install.go":               "the agent compares an open disk with the names that the daemon gives",
	"inventory/discovery/repair/change.go": "writes the name of a new disk into the hints of a file",
	"reconcile/effects/install.go":         "names a disk for the agent",
}

// TestDisksAreIdentifiedInOnePlace: nobody reads a disk's WWN, makes an identity by hand, or asks the rule about fewer
// than all disks of a machine. An identity from one report alone may be the identity of two disks.
func TestDisksAreIdentifiedInOnePlace(t *testing.T) {
	t.Parallel()
	met := map[string]bool{}
	for _, p := range packages(t) {
		if strings.HasPrefix(p.rel, "internal/lab") || slices.Contains(testOnly, p.rel) {
			continue // machines, not what is known of machines
		}
		p.inspect(t, func(name string, _ *token.FileSet, node ast.Node) {
			at := p.rel + "/" + name
			switch node := node.(type) {
			case *ast.SelectorExpr:
				reads := node.Sel.Name == "WWN"
				if met[at] = met[at] || reads; reads && readsWWNs[at] == "" {
					t.Errorf("%s reads a WWN: compare and label disks by inventory.MachineDisk or inventory.DiskID", at)
				}
				if isSelector(node, "diskid", "Own") && at != "inventory/hardware/machinedisk.go" {
					t.Errorf("%s calls diskid.Own: call inventory.IdentifyDisks with all disks of a machine", at)
				}
			case *ast.CompositeLit:
				made := isSelector(node.Type, "inventory", "DiskID") || isSelector(node.Type, "diskid", "ID")
				if made && len(node.Elts) > 0 {
					t.Errorf("%s makes a disk's identity by hand: call inventory.IdentifyDisks or inventory.NamedDisk", at)
				}
			}
		})
	}
	for at := range readsWWNs {
		if !met[at] {
			t.Errorf("%s is listed, and reads no WWN", at)
		}
	}
}

// isSelector reports whether an expression is package.name.
func isSelector(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}
