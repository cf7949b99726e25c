package cause_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// unexplained are the rows for what another version of ingot says.
var unexplained = map[cause.Name]bool{"OtherHold": true, "OtherTurn": true, "OtherWait": true, "Unknown": true}

// Every reason of a hold has a cause.
func TestEveryHoldHasACause(t *testing.T) {
	t.Parallel()
	reasons := 0
	for _, file := range parse(t, "../plan/change/*.go") {
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			kind, typed := spec.Type.(*ast.Ident)
			if !typed || kind.Name != "Reason" {
				return true
			}
			reasons++
			reason := change.Reason(literal(spec.Values[0]))
			if got := cause.Find(newCase(held(reason))); unexplained[got.Cause] {
				t.Errorf("a hold for %s has no cause of its own: add a row to the catalogue", reason)
			}
			return true
		})
	}
	if reasons < 25 {
		t.Errorf("%d reasons were found: the test would prove nothing", reasons)
	}
}

// Every reason to wait for other machines has a cause.
func TestEveryTurnHasACause(t *testing.T) {
	t.Parallel()
	for _, reason := range admit.Reasons {
		if reason == admit.Frozen || reason == admit.DiskShared {
			continue // they hold the machine
		}
		if got := cause.Find(newCase(turn(reason))); unexplained[got.Cause] {
			t.Errorf("waiting because of %s has no cause of its own: add a row to the catalogue", reason)
		}
	}
}

// computedWaits are the waits of package plan that are no constant texts, by the expression, with a case of each.
var computedWaits = map[string][]edit{
	"h.Observed.Agent.Unknown":       {waits(plan.Waiting, "the daemon cannot tell what the agent said: no answer")},
	"h.Desired.Pending":              {waits(plan.Pending, "image"), func(c *cause.Case) { c.Desired.Pending = "image" }},
	`"the end of " + run.Describe()`: {waits(plan.Running, "the end of item 3 of workload pi, attempt 1")},
	"keptOff":                        {waits(plan.Waiting, "kept off by ups (spec.offBy)")},                                        // describeKeptOff
	"waits":                          {waits(plan.Installing, "a look at the fleet before anything is written: no route to host")}, // whyUndecided
	"why":                            {waits(plan.Orphaned, "its file is gone: orphaned: nothing is done to the machine")},         // keepHandsOff
}

// Every text of package plan that says what a machine waits for has a cause.
func TestEveryWaitHasACause(t *testing.T) {
	t.Parallel()
	found := 0
	for name, file := range parse(t, "../plan/*.go") {
		for _, wait := range findWaits(file) {
			found++
			edits := []edit{waits(plan.Waiting, wait.text)}
			if wait.text == "the BMC" { // checkBMC gives a hold with it
				edits = append(edits, held(change.BMCUnreachable))
			}
			if wait.text == "" {
				known := false
				if edits, known = computedWaits[wait.expression]; !known {
					t.Errorf("%s: the wait %q is no constant text: add a case of it to this test", name, wait.expression)
					continue
				}
			}
			c := newCase(edits...)
			if strings.HasPrefix(wait.text, "a workload") {
				c.Plan.Phase = plan.Unmanaged
			}
			if strings.HasSuffix(wait.text, " the medium") || strings.Contains(wait.text, "to enrol") || strings.Contains(wait.text, "boot medium") {
				boot := c.Plan.Waits
				ramdisk(&c)
				c.Plan.Waits = boot
				if strings.Contains(wait.text, "to read the boot medium") {
					c.Observed.Media = inventory.MediaState{URL: "u"}
				}
			}
			if got := cause.Find(c); unexplained[got.Cause] {
				t.Errorf("%s: waiting for %q has no cause of its own: add a row to the catalogue", name, wait.text)
			}
		}
	}
	if found < 15 {
		t.Errorf("%d waits were found: the test would prove nothing", found)
	}
}

// wait is what a plan waits for: a text, or the beginning of one; or another expression.
type wait struct{ text, expression string }

// waitSources are the functions whose last result is what a plan waits for.
var waitSources = []string{"prepareVirtualMedia", "whyUndecided"}

// findWaits finds the values of Plan.Waits: in composite literals and assignments; a variable has the texts that its
// function assigns to it. The second result of a boot method is a wait too.
func findWaits(file *ast.File) (waits []wait) {
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Body == nil {
			continue
		}
		ast.Inspect(function.Body, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Waits" {
					waits = append(waits, texts(function, n.Value)...)
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if selector, ok := left.(*ast.SelectorExpr); ok && selector.Sel.Name == "Waits" && len(n.Rhs) == len(n.Lhs) {
						waits = append(waits, texts(function, n.Rhs[i])...)
					}
				}
			case *ast.ReturnStmt:
				if len(n.Results) > 0 && slices.Contains(waitSources, function.Name.Name) {
					if text := literal(n.Results[len(n.Results)-1]); text != "" {
						waits = append(waits, wait{text: text})
					}
				}
			}
			return true
		})
	}
	return waits
}

// texts gives the texts that an expression can be.
func texts(function *ast.FuncDecl, expression ast.Expr) (found []wait) {
	if text := literal(expression); text != "" {
		return []wait{{text: text}}
	}
	name := describe(expression)
	variable, ok := expression.(*ast.Ident)
	if !ok {
		return []wait{{expression: name}}
	}
	ast.Inspect(function.Body, func(node ast.Node) bool {
		assign, ok := node.(*ast.AssignStmt)
		if !ok {
			return true
		}
		for i, left := range assign.Lhs {
			if to, ok := left.(*ast.Ident); ok && to.Name == variable.Name && len(assign.Rhs) == len(assign.Lhs) && literal(assign.Rhs[i]) != "" {
				found = append(found, wait{text: literal(assign.Rhs[i])})
			}
			if to, ok := left.(*ast.Ident); ok && to.Name == variable.Name && len(assign.Rhs) == 1 && len(assign.Lhs) > 1 {
				found = append(found, wait{text: "the boot medium to be served"}) // a boot method, found above too
			}
		}
		return true
	})
	if len(found) == 0 {
		return []wait{{expression: name}}
	}
	return found
}

// literal is a constant text, or the constant beginning of a text; else "".
func literal(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.BinaryExpr:
		return literal(e.X)
	case *ast.CallExpr: // fmt.Sprintf
		if len(e.Args) > 0 {
			text, _, _ := strings.Cut(literal(e.Args[0]), "%")
			return text
		}
	}
	return ""
}

// describe is the source of an expression, as far as this test knows it.
func describe(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return describe(e.X) + "." + e.Sel.Name
	case *ast.BinaryExpr:
		return describe(e.X)
	default:
		return "?"
	}
}

// parse parses the files of a pattern that are no tests.
func parse(t *testing.T, pattern string) map[string]*ast.File {
	t.Helper()
	return parseFiles(t, pattern, func(name string) bool { return !strings.HasSuffix(name, "_test.go") })
}

func parseFiles(t *testing.T, pattern string, wanted func(name string) bool) map[string]*ast.File {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*ast.File{}
	for _, name := range names {
		if !wanted(name) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = file
	}
	return files
}
