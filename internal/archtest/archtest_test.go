package archtest

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

const module = "github.com/gitmetal/ingot/"

// pure is the core: values in, values out.
var pure = []string{
	"inventory",
	"inventory/arrivals",
	"inventory/discovery",
	"inventory/discovery/account",
	"inventory/discovery/repair",
	"inventory/rotation",
	"inventory/butane",
	"inventory/digest",
	"inventory/diskid",
	"inventory/fleetdiff",
	"inventory/format",
	"inventory/hardware",
	"inventory/load",
	"inventory/made",
	"inventory/pick",
	"inventory/proposal",
	"inventory/refs",
	"inventory/remains",
	"inventory/requests",
	"inventory/retirement",
	"inventory/rules",
	"inventory/ruleset",
	"inventory/runs",
	"inventory/secrets/section",
	"inventory/settings",
	"inventory/standing",
	"inventory/standing/claims",
	"inventory/steps",
	"inventory/uuid",
	"inventory/work",
	"internal/glob",
	"reconcile/act",
	"reconcile/admission",
	"reconcile/admit",
	"reconcile/attended",
	"reconcile/batches",
	"reconcile/batches/pages",
	"reconcile/cause",
	"reconcile/notices",
	"reconcile/plan",
	"reconcile/plan/bootmethod",
	"reconcile/plan/change",
	"reconcile/plan/deadlines",
	"reconcile/plan/conditions",
	"reconcile/plan/evidence",
	"reconcile/plan/kernelboot",
	"reconcile/plan/requested",
	"reconcile/plan/upkeep",
	"reconcile/receipts",
	"reconcile/review",
	"reconcile/review/claimed",
	"reconcile/review/opened",
	"reconcile/status",
	"reconcile/statusbranch",
	"reconcile/view",
	"schemas",
	"schemas/annotate",
	"schemas/decode",
	"schemas/strict",
	"schemas/yamltext",
}

// impureImports may not occur in the pure core, nor anything below them but what pureExceptions lists.
var impureImports = []string{
	"os", "os/exec", "net", "net/http", "context", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "sync", "syscall", "io/ioutil",
	"github.com/go-git/go-git/v5", "github.com/stmcginnis/gofish", "go.etcd.io/etcd",
}

// impureCalls may not be called in the pure core.
var impureCalls = []string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.NewTimer", "time.NewTicker", "time.Tick"}

// rule says which of our packages a package (or everything below a pattern ending in /...) may import.
type rule struct {
	packages string
	may      []string
}

// rules is the table of the design, first match wins. "core" stands for the pure core.
var rules = []rule{
	{"internal/secret", nil},
	{"internal/archtest", nil},
	{"internal/glob", nil},
	{"internal/throttle", nil},
	{"internal/results/uploads", []string{"agent/wire", "inventory/runs", "internal/results", "internal/throttle"}},
	{"internal/results", []string{"inventory/format", "inventory/runs"}},
	{"internal/httppost", []string{"internal/secret"}},
	{"internal/schemagen", []string{"schemas", "reconcile/cause", "reconcile/plan/change", "reconcile/review"}},
	{"internal/starter", []string{"schemas", "inventory/secrets", "internal/secret"}},
	{"schemas/yamltext", nil},
	{"schemas/strict", []string{"schemas/yamltext"}},
	{"schemas/decode", []string{"schemas", "schemas/strict", "schemas/yamltext"}},
	{"schemas/annotate", []string{"schemas"}},
	{"schemas", []string{"schemas/yamltext", "schemas/strict", "internal/secret"}},
	{"inventory/refs", []string{"schemas", "schemas/yamltext"}},
	{"inventory/format", nil},
	{"inventory/requests", []string{"schemas", "inventory/format"}},
	{"inventory/settings", []string{"schemas", "schemas/yamltext", "inventory/format", "inventory/refs", "inventory/steps"}},
	{"inventory/steps", []string{"schemas", "inventory/format", "inventory/refs"}},
	{"inventory/diskid", []string{"inventory/format"}},
	{"inventory/hardware", []string{"inventory/diskid", "inventory/format"}},
	{"inventory/uuid", nil},
	{"inventory/digest", nil},
	{"inventory/made", []string{"inventory/digest"}},
	{"inventory/butane", []string{"schemas", "inventory/digest"}},
	{"inventory/runs", []string{"inventory/format", "internal/glob"}},
	{"inventory", []string{"inventory/requests", "schemas", "inventory/digest", "inventory/made", "inventory/diskid", "inventory/format", "inventory/hardware", "inventory/refs", "inventory/runs", "inventory/settings", "inventory/steps", "inventory/uuid", "internal/secret"}},
	{"inventory/standing", []string{"schemas", "inventory"}},
	{"inventory/retirement", []string{"schemas", "inventory", "inventory/steps"}},
	{"inventory/work", []string{"schemas", "inventory", "inventory/refs", "inventory/rules", "inventory/runs"}},
	{"inventory/standing/claims", []string{"schemas", "inventory", "inventory/rules", "inventory/runs"}},
	{"inventory/pick", []string{"schemas", "inventory", "inventory/diskid"}},
	{"inventory/remains", []string{"inventory"}},
	{"inventory/discovery/account", []string{"inventory/format", "internal/secret"}},
	{"inventory/rotation", []string{"schemas", "inventory", "inventory/format", "inventory/requests"}},
	{"inventory/discovery/repair", []string{"schemas", "inventory", "inventory/format", "inventory/pick"}},
	{"inventory/discovery", []string{"schemas", "inventory", "inventory/discovery/account", "inventory/discovery/repair", "inventory/format", "inventory/rotation"}},
	{"inventory/rules", []string{"schemas", "inventory", "inventory/steps"}},
	{"inventory/arrivals", []string{"schemas", "inventory"}},
	{"inventory/proposal", []string{"schemas", "schemas/decode", "schemas/yamltext", "inventory", "inventory/discovery", "inventory/discovery/repair", "inventory/rotation", "inventory/load", "inventory/ruleset"}},
	{"inventory/ruleset", []string{"schemas", "schemas/decode", "inventory", "inventory/arrivals", "inventory/rules"}},
	{"inventory/fleetdiff", []string{"inventory", "inventory/refs"}},
	{"inventory/load/steplist", []string{"schemas", "schemas/yamltext", "inventory", "inventory/refs", "inventory/rules", "inventory/settings", "inventory/steps"}},
	{"inventory/load", []string{"schemas", "schemas/decode", "schemas/yamltext", "inventory", "inventory/arrivals", "inventory/butane", "inventory/ruleset", "inventory/diskid", "inventory/load/steplist", "inventory/refs", "inventory/retirement", "inventory/runs", "inventory/secrets/section", "inventory/settings", "inventory/steps", "inventory/work", "internal/secret"}},
	{"inventory/secrets/section", []string{"schemas", "schemas/yamltext"}},
	{"inventory/gitrepo", []string{"core", "inventory/gitrepo/gitprogram", "inventory/gitrepo/gittree", "inventory/gitrepo/remote", "inventory/gitrepo/tags", "inventory/gitrepo/versions", "internal/secret"}},
	{"inventory/gitrepo/gitprogram", nil},
	{"inventory/gitrepo/gittree", nil},
	{"inventory/gitrepo/versions", []string{"schemas"}},
	{"inventory/gitrepo/knownhosts", []string{"internal/glob"}},
	{"inventory/gitrepo/remote", []string{"inventory/gitrepo/knownhosts", "internal/httppost", "internal/secret"}},
	{"inventory/forge", []string{"reconcile/notices", "internal/httppost", "internal/secret"}},
	{"inventory/...", []string{"core", "internal/secret"}},
	{"reconcile", []string{"core", "reconcile/batches/store", "reconcile/journal", "reconcile/ports", "reconcile/recovery", "reconcile/queue", "reconcile/watch", "internal/secret"}},
	{"reconcile/ports", []string{"core", "reconcile/batches/store", "reconcile/journal", "reconcile/queue"}},
	{"reconcile/batches/pages", []string{"schemas", "inventory/format", "inventory/runs", "reconcile/batches", "reconcile/status"}},
	{"reconcile/batches/store", []string{"inventory/runs", "reconcile/batches", "reconcile/batches/pages"}},
	{"reconcile/batches", []string{"inventory", "inventory/format", "inventory/runs", "inventory/standing/claims"}},
	{"reconcile/view", []string{"schemas", "inventory", "reconcile/act", "reconcile/plan", "reconcile/status"}},
	{"reconcile/recovery", []string{"inventory/requests", "inventory", "inventory/format", "reconcile/journal", "reconcile/act", "reconcile/plan",
		"reconcile/status"}},
	{"reconcile/queue", []string{"inventory", "reconcile/act", "reconcile/plan"}},
	{"reconcile/watch", []string{"inventory"}},
	{"reconcile/plan/change", []string{"schemas", "inventory", "inventory/made", "inventory/pick", "inventory/retirement", "inventory/rules"}},
	{"reconcile/plan/bootmethod", []string{"schemas", "inventory", "reconcile/act"}},
	{"reconcile/plan/upkeep", []string{"schemas", "inventory", "inventory/settings", "reconcile/act", "reconcile/plan/change"}},
	{"reconcile/act", []string{"inventory/runs", "schemas", "inventory/requests", "inventory", "inventory/pick", "inventory/settings", "inventory/steps", "reconcile/plan/change"}},
	{"reconcile/attended", []string{"inventory", "reconcile/act"}},
	{"reconcile/plan/deadlines", []string{"inventory"}},
	{"reconcile/plan/conditions", []string{"inventory", "inventory/rules", "inventory/steps"}},
	{"reconcile/plan/evidence", []string{"inventory/runs", "inventory", "reconcile/act", "reconcile/plan/bootmethod", "reconcile/plan/change", "reconcile/plan/deadlines"}},
	{"reconcile/plan/kernelboot", []string{"inventory", "reconcile/act"}},
	{"reconcile/plan/requested", []string{"inventory/runs", "schemas", "inventory", "inventory/requests", "inventory/rotation", "reconcile/act", "reconcile/plan/change"}},
	{"reconcile/plan", []string{"inventory/retirement", "inventory/runs", "reconcile/plan/bootmethod", "reconcile/plan/conditions", "reconcile/plan/deadlines", "reconcile/plan/evidence", "reconcile/plan/kernelboot", "reconcile/plan/requested", "reconcile/plan/upkeep", "inventory/requests", "schemas", "inventory", "inventory/settings", "inventory/pick", "inventory/rules", "inventory/steps", "reconcile/act", "reconcile/plan/change", "internal/secret"}},
	{"reconcile/admit", []string{"reconcile/plan/upkeep", "inventory/requests", "schemas", "inventory", "inventory/settings", "reconcile/plan/change"}},
	{"reconcile/admission", []string{"schemas", "inventory", "reconcile/act", "reconcile/plan", "reconcile/plan/change", "reconcile/admit"}},
	{"reconcile/cause", []string{"reconcile/plan/kernelboot", "inventory/requests", "schemas", "inventory", "inventory/settings", "reconcile/act", "reconcile/plan", "reconcile/plan/change", "reconcile/admit"}},
	{"reconcile/statusbranch", []string{"inventory", "inventory/format", "reconcile/receipts", "reconcile/status"}},
	{"reconcile/receipts", []string{"schemas", "inventory", "inventory/format", "reconcile/status"}},
	{"reconcile/status", []string{"inventory/runs", "inventory/requests", "schemas", "inventory", "inventory/settings", "inventory/format", "inventory/remains", "reconcile/act", "reconcile/plan", "reconcile/plan/change", "reconcile/admit", "reconcile/cause", "internal/secret"}},
	{"reconcile/notices", []string{"inventory", "inventory/format", "reconcile/admit", "reconcile/plan", "reconcile/status"}},
	{"reconcile/review/opened", []string{"inventory", "inventory/refs", "inventory/secrets/section"}},
	{"reconcile/review/claimed", []string{"inventory", "inventory/runs", "inventory/standing/claims"}},
	{"reconcile/review", []string{"inventory/rotation", "inventory/retirement", "inventory/runs", "reconcile/review/claimed", "reconcile/review/opened", "schemas", "inventory", "inventory/settings", "inventory/fleetdiff", "inventory/rules", "inventory/steps", "inventory/standing", "reconcile/admit", "reconcile/plan/change", "reconcile/plan/requested", "reconcile/status", "internal/secret"}},
	{"reconcile/journal", []string{"core", "internal/secret"}},
	{"reconcile/journal/journaltest", []string{"inventory", "inventory/format", "reconcile/journal"}},
	{"reconcile/effects", []string{"core", "boot/...", "agent/hub", "agent/wire", "internal/secret"}},
	{"boot/...", []string{"core", "boot/...", "agent/wire", "internal/secret"}},
	{"agent/hub/imagefile", nil},
	{"agent/hub", []string{"core", "agent/hub/imagefile", "agent/hub/reported", "agent/wire", "internal/secret", "internal/throttle"}},
	{"agent/hub/reported", []string{"inventory", "inventory/hardware", "agent/wire"}},
	{"agent/hub/door", []string{"core", "agent/hub", "agent/hub/reported", "agent/wire", "inventory/discovery/records", "internal/secret", "internal/throttle"}},
	{"agent/wire", nil},
	{"agent/passthrough", nil},
	{"agent/facts", []string{"agent/facts/efi", "agent/facts/partitions", "agent/facts/superblocks", "agent/passthrough", "agent/wire"}},
	{"agent/facts/...", []string{"agent/wire"}},
	{"agent/programs", nil},
	{"agent/steps", []string{"agent/facts", "agent/facts/partitions", "agent/programs", "agent/steps/erase", "agent/steps/holders", "agent/wire"}},
	{"agent/imagewriter", []string{"agent/facts/partitions", "agent/steps", "agent/steps/diskimage", "agent/wire"}},
	{"agent/steps/diskimage", nil},
	{"agent/steps/holders", nil},
	{"agent/steps/erase", []string{"agent/passthrough"}},
	{"agent/volumes", []string{"agent/facts", "agent/steps", "agent/wire"}},
	{"agent/injection", []string{"agent/steps", "agent/volumes", "agent/wire"}},
	{"agent/execution", []string{"agent/steps", "agent/wire", "internal/glob"}},
	{"agent/plugins", []string{"agent/steps", "agent/wire"}},
	{"agent/ipmi", nil},
	{"agent/ipmi/account", []string{"agent/ipmi", "agent/wire"}},
	{"agent/logs", []string{"agent/programs"}},
	{"agent/units", []string{"agent/programs", "agent/wire"}},
	{"agent", []string{"agent/facts", "agent/logs", "agent/steps", "agent/wire"}},
	{"agent/...", []string{"agent", "agent/facts", "agent/steps", "agent/wire"}},
	{"cmd/ingot-agent", []string{"agent", "agent/imagewriter", "agent/injection", "agent/volumes", "agent/logs", "agent/units", "agent/steps/diskimage", "agent/steps/holders", "agent/execution", "agent/facts", "agent/facts/lldp", "agent/ipmi", "agent/ipmi/account",
		"agent/plugins", "agent/steps", "agent/wire"}},
	{"internal/daemon", []string{"..."}},
	{"internal/daemon/heap", nil},
	{"internal/daemon/sealedpages", []string{"core", "inventory/gitrepo"}},
	{"internal/daemon/control", []string{"reconcile/status"}},
	{"internal/daemon/metrics", []string{"core", "reconcile", "reconcile/batches", "reconcile/journal", "internal/daemon/notify", "agent/hub", "boot/images", "boot/redfish"}},
	{"internal/daemon/consoles", []string{"core", "reconcile", "boot/console", "boot/logins", "boot/redfish", "internal/secret"}},
	{"internal/daemon/accounts", []string{"core", "agent/wire", "boot/redfish/accounts", "inventory/secrets", "internal/secret"}},
	{"internal/daemon/waiting", []string{"core", "agent/hub", "agent/wire"}},
	{"internal/daemon/rotations", []string{"core", "boot/logins", "boot/redfish/accounts", "boot/redfish/conn", "inventory/secrets", "internal/secret"}},
	{"internal/daemon/known", []string{"core"}},
	{"internal/neighbours", nil},
	{"internal/daemon/deliveries", []string{"core", "boot/redfish/accounts", "inventory/discovery/records", "internal/secret"}},
	{"internal/daemon/repairs", []string{"core", "inventory/discovery/records", "reconcile/watch"}},
	{"internal/daemon/proposals", []string{"core", "inventory/forge", "inventory/gitrepo", "internal/httppost"}},
	{"internal/daemon/notify", []string{"core", "reconcile", "reconcile/watch", "internal/httppost", "internal/secret"}},
	{"internal/daemon/joblogs", []string{"core", "reconcile", "agent/hub", "agent/wire", "boot/console"}},
	{"internal/daemon/timeline", []string{"core", "reconcile", "agent/hub"}},
	{"internal/daemon/config", []string{"schemas", "schemas/strict", "schemas/yamltext", "inventory/forge", "inventory/gitrepo", "inventory/gitrepo/trust", "inventory/secrets/sops", "reconcile/notices"}},
	{"internal/sealing", []string{"schemas", "schemas/decode", "inventory/secrets", "internal/secret"}},
	{"internal/page", nil},
	{"internal/terminal", []string{"core", "internal/daemon"}},
	{"internal/lab/...", []string{"..."}},
	{"internal/lab", []string{"..."}},
	{"cmd/...", []string{"..."}},
	{"test/...", []string{"..."}},
}

// testOnly are packages for tests alone.
var testOnly = []string{"reconcile/journal/journaltest"}

// Budgets of STYLE rule 18.
const (
	maxFunction    = 60
	maxFunctionP95 = 45
	maxParameters  = 4
	maxFile        = 400
	maxPackage     = 2500
)

// exceptions to the budgets, each with its reason: "kind path[:function]".
var exceptions = map[string]string{}

func TestImportsFollowTheHouse(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		allowed, known := allowedImports(p.rel)
		if !known {
			t.Errorf("package %s has no place in the house: add a row to the table, and say why in its commit", p.rel)
			continue
		}
		for _, imported := range p.Imports {
			rel, ours := strings.CutPrefix(imported, module)
			if ours && rel != p.rel && !matchesAny(allowed, rel) {
				t.Errorf("%s imports %s: the house does not allow that (allowed: %s)", p.rel, rel, strings.Join(allowed, ", "))
			}
			if ours && strings.HasPrefix(rel, "internal/lab") && !strings.HasPrefix(p.rel, "cmd/") && !strings.HasPrefix(p.rel, "internal/lab") && !strings.HasPrefix(p.rel, "test/") {
				t.Errorf("%s imports %s: only cmd and tests may", p.rel, rel)
			}
			if ours && slices.Contains(testOnly, rel) {
				t.Errorf("%s imports %s: only tests may", p.rel, rel)
			}
		}
	}
}

func TestCoreIsPure(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if !slices.Contains(pure, p.rel) {
			continue
		}
		for _, imported := range p.Imports {
			if matchesImpure(imported) {
				t.Errorf("%s imports %s: the core is pure", p.rel, imported)
			}
		}
		p.inspect(t, func(file string, fset *token.FileSet, node ast.Node) {
			switch n := node.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a goroutine in the pure core", fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && slices.Contains(impureCalls, x.Name+"."+n.Sel.Name) {
					t.Errorf("%s: %s.%s in the pure core", fset.Position(n.Pos()), x.Name, n.Sel.Name)
				}
			}
		})
	}
}

func TestNobodySleeps(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		files := slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles)
		p.inspectFiles(t, files, func(_ string, fset *token.FileSet, node ast.Node) {
			n, ok := node.(*ast.SelectorExpr)
			if !ok || n.Sel.Name != "Sleep" {
				return
			}
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" {
				t.Errorf("%s: time.Sleep: wait for an event, with a deadline", fset.Position(n.Pos()))
			}
		})
	}
}

func TestBudgets(t *testing.T) {
	t.Parallel()
	var lengths []int
	for _, p := range packages(t) {
		total := 0
		for _, name := range p.GoFiles {
			file := path.Join(p.rel, name)
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if ast.IsGenerated(parsed) {
				continue
			}
			lines := fset.File(parsed.Pos()).LineCount()
			total += lines
			check(t, "file "+file, lines, maxFile)
			for _, declaration := range parsed.Decls {
				if f, ok := declaration.(*ast.FuncDecl); ok {
					length := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1
					lengths = append(lengths, length)
					check(t, "function "+file+":"+f.Name.Name, length, maxFunction)
					check(t, "parameters "+file+":"+f.Name.Name, parameters(f), maxParameters)
				}
			}
		}
		check(t, "package "+p.rel, total, maxPackage)
	}
	sort.Ints(lengths)
	if p95 := lengths[len(lengths)*95/100]; p95 > maxFunctionP95 {
		t.Errorf("the 95th percentile of function lengths is %d lines, want at most %d", p95, maxFunctionP95)
	}
}

func check(t *testing.T, what string, have, most int) {
	t.Helper()
	if have > most && exceptions[what] == "" {
		t.Errorf("%s: %d, want at most %d", what, have, most)
	}
}

// parameters counts a function's parameters beside a leading context.
func parameters(f *ast.FuncDecl) int {
	count := 0
	for i, field := range f.Type.Params.List {
		if selector, ok := field.Type.(*ast.SelectorExpr); ok && i == 0 && selector.Sel.Name == "Context" {
			continue
		}
		count += max(1, len(field.Names))
	}
	return count
}

type pkg struct {
	ImportPath, Dir           string
	Imports, GoFiles          []string
	TestGoFiles, XTestGoFiles []string
	rel                       string
}

// packages lists every package of the module with the imports of its non-test files.
func packages(t *testing.T) []pkg {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Imports,GoFiles,TestGoFiles,XTestGoFiles", "./...")
	command.Dir = filepath.Join("..", "..")
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []pkg
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		p.rel = strings.TrimPrefix(p.ImportPath, module)
		list = append(list, p)
	}
	if len(list) < 5 {
		t.Fatalf("go list found %d packages: the check would prove nothing", len(list))
	}
	return list
}

func (p pkg) inspect(t *testing.T, visit func(string, *token.FileSet, ast.Node)) {
	t.Helper()
	p.inspectFiles(t, p.GoFiles, visit)
}

func (p pkg) inspectFiles(t *testing.T, files []string, visit func(string, *token.FileSet, ast.Node)) {
	t.Helper()
	for _, name := range files {
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			if node != nil {
				visit(name, fset, node)
			}
			return true
		})
	}
}

func allowedImports(rel string) ([]string, bool) {
	for _, r := range rules {
		if matches(r.packages, rel) {
			allowed := slices.Clone(r.may)
			if i := slices.Index(allowed, "core"); i >= 0 {
				allowed = slices.Replace(allowed, i, i+1, pure...)
			}
			return allowed, true
		}
	}
	return nil, false
}

func matchesAny(patterns []string, rel string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, rel) })
}

func matches(pattern, rel string) bool {
	prefix, below := strings.CutSuffix(pattern, "...")
	return rel == pattern || (below && strings.HasPrefix(rel+"/", prefix))
}

func matchesImpure(imported string) bool {
	return slices.ContainsFunc(impureImports, func(impure string) bool {
		return imported == impure || (strings.Contains(impure, ".") && strings.HasPrefix(imported, impure+"/"))
	})
}
