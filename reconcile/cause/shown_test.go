package cause_test

import (
	"go/ast"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/reconcile/cause"
)

// TestEveryCauseIsShown wants each row of the catalogue in testdata/shown.txt once, and each test that the file names
// to ask for its causes. TestSim checks the causes of the simulator.
func TestEveryCauseIsShown(t *testing.T) {
	t.Parallel()
	shown, functions := readShown(t), map[string]map[string]*ast.FuncDecl{}
	for _, row := range cause.Catalogue() {
		where, listed := shown[row.Name]
		delete(shown, row.Name)
		place, test, named := strings.Cut(where, " ")
		if place == "rack" {
			place, test, named = "internal/daemon", "whyCases", true
		}
		if named && functions[place] == nil {
			functions[place] = findFunctions(t, place)
		}
		switch {
		case !listed:
			t.Errorf("no test shows the cause %s: show it, and name the test in testdata/shown.txt", row.Name)
		case unexplained[row.Name] != (place == "later"):
			t.Errorf("%s stands as %q: later is for what another version says, and for nothing else", row.Name, where)
		case place == "later" || place == "simulator":
		case !named || !asksFor(functions[place][test], row.Name):
			t.Errorf("%s: %s does not ask for the cause", row.Name, where)
		}
	}
	for name := range shown {
		t.Errorf("testdata/shown.txt names %s, and the catalogue does not", name)
	}
}

// readShown reads where each cause is shown.
func readShown(t *testing.T) map[cause.Name]string {
	t.Helper()
	data, err := os.ReadFile("testdata/shown.txt")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[cause.Name]string{}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		name := cause.Name(words[0])
		if _, twice := shown[name]; twice {
			t.Errorf("testdata/shown.txt names %s twice", name)
		}
		shown[name] = strings.Join(words[1:], " ")
	}
	return shown
}

// findFunctions gives the functions of a package's tests by name; the package is named by its path in the repository.
func findFunctions(t *testing.T, path string) map[string]*ast.FuncDecl {
	t.Helper()
	functions := map[string]*ast.FuncDecl{}
	for _, file := range parseFiles(t, "../../"+path+"/*_test.go", func(string) bool { return true }) {
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok {
				functions[f.Name.Name] = f
			}
		}
	}
	return functions
}

// asksFor reports whether a function gives the cause to awaitCause or wantCause, or to a table of cases.
func asksFor(function *ast.FuncDecl, name cause.Name) (asks bool) {
	if function == nil {
		return false
	}
	isName := func(e ast.Expr) bool {
		text, ok := e.(*ast.BasicLit)
		return ok && text.Kind == token.STRING && text.Value == strconv.Quote(string(name))
	}
	ast.Inspect(function, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.CallExpr:
			called := describe(n.Fun)
			asks = asks || (strings.HasSuffix(called, "awaitCause") || called == "wantCause") && slices.ContainsFunc(n.Args, isName)
		case *ast.KeyValueExpr:
			key, ok := n.Key.(*ast.Ident)
			asks = asks || ok && key.Name == "want" && isName(n.Value)
		case *ast.CompositeLit:
			asks = asks || len(n.Elts) > 0 && isName(n.Elts[len(n.Elts)-1])
		}
		return true
	})
	return asks
}
