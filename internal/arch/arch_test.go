package arch

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/zensus-io/zensus/"

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string
	Standard   bool

	TestGoFiles, XTestGoFiles []string
	TestImports, XTestImports []string
}

// packages lists the packages of the product, by path below the module.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,TestGoFiles,XTestGoFiles,TestImports,XTestImports", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	require.NoError(t, err)
	pkgs := make(map[string]pkg)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		pkgs[strings.TrimPrefix(p.ImportPath, module)] = p
	}
	require.NotEmpty(t, pkgs)
	return pkgs
}

// matches reports whether path is pattern, or below it if that ends in /... .
func matches(pattern, path string) bool {
	if root, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == root || strings.HasPrefix(path, root+"/")
	}
	return path == pattern
}

// forbidden says what a package must not import, and why.
var forbidden = []struct{ pkg, never, why string }{
	{"core/...", "registry/...", "the engine knows nothing of what is built on it"},
	{"core/...", "configcenter/...", "the engine knows nothing of what is built on it"},
	{"core/...", "sdk/...", "the engine knows nothing of what is built on it"},
	{"core/...", "console/...", "the engine knows nothing of what is built on it"},
	{"core/...", "internal/...", "the engine stands alone"},
	{"core/...", "github.com/gin-gonic/gin", "the engine speaks no HTTP framework"},
	{"core/...", "github.com/spf13/viper", "packages take plain structs as settings"},
	{"registry/...", "configcenter/...", "the two are neighbours and strangers"},
	{"configcenter/...", "registry/...", "the two are neighbours and strangers"},
	{"registry/...", "internal/audit", "who keeps a record of writes wraps the client; the domain knows nothing of him"},
	{"configcenter/...", "internal/audit", "who keeps a record of writes wraps the client; the domain knows nothing of him"},
	{"sdk/...", "github.com/gin-gonic/gin", "users of the SDK compile in little"},
	{"sdk/...", "github.com/hashicorp/go-hclog", "the SDK logs through log/slog"},
	{"sdk/...", "github.com/prometheus/client_golang/...", "users of the SDK compile in little"},
	{"sdk/...", "registry/...", "the SDK speaks to servers, it is none"},
	{"sdk/...", "configcenter/...", "the SDK speaks to servers, it is none"},
	{"core/zkclient", "github.com/hashicorp/go-hclog", "the SDK compiles it in"},
	{"core/mirror", "github.com/hashicorp/go-hclog", "the SDK compiles it in"},
	{"internal/...", "registry/...", "imports run upwards only"},
	{"internal/...", "configcenter/...", "imports run upwards only"},
	{"internal/...", "console/...", "imports run upwards only"},
	{"...", "gopkg.in/yaml.v2", "unmaintained; go.yaml.in/yaml/v3 is ours"},
	{"...", "gopkg.in/yaml.v3", "unmaintained; go.yaml.in/yaml/v3 is ours"},
	{"...", "github.com/pkg/errors", "the standard library wraps errors"},
	{"...", "github.com/golang/protobuf/...", "superseded by google.golang.org/protobuf"},
	{"...", "text/template", "it keeps the linker from dropping dead code: 8 MB"},
	{"...", "html/template", "it keeps the linker from dropping dead code: 8 MB"},
	{"...", "github.com/go-zookeeper/zk", "foreign clients stay in the interop module"},
	{"...", "github.com/nacos-group/nacos-sdk-go/...", "foreign clients stay in the interop module"},
}

// only says who alone may import a package.
var only = []struct {
	never string
	may   []string
	why   string
}{
	{"github.com/spf13/viper", []string{"internal/settings", "sdk/viperremote"}, "one package knows where settings come from"},
	{
		"github.com/gin-gonic/gin",
		[]string{"internal/nacos/rest", "console", "cmd/zensus/..."},
		"one package knows how Nacos's interfaces are served, beside what has an HTTP of its own",
	},
	{
		"internal/nacos/wire",
		[]string{
			"internal/nacos/...", "registry/nacosapi", "configcenter/nacosapi", "internal/auth/nacosapi", "internal/namespace/nacosapi",
			"internal/quota/nacosapi", "internal/lock/nacosapi", "internal/audit/nacosapi", "internal/cluster", "sdk/...", "cmd/zensus/...",
		},
		"the domain knows no protocol: it refuses with errors of its own, whose codes and words are found at the edge",
	},
	{"log", []string{"internal/telemetry"}, "logs go through hclog or slog"},
	{"golang.org/x/sys/unix", []string{"core/vfs"}, "one package knows the operating system"},
}

func TestNobodyImportsWhatHeMustNot(t *testing.T) {
	for path, p := range packages(t) {
		for _, imp := range p.Imports {
			imp = strings.TrimPrefix(imp, module)
			for _, rule := range forbidden {
				if (rule.pkg == "..." || matches(rule.pkg, path)) && matches(rule.never, imp) {
					t.Errorf("%s imports %s: %s", path, imp, rule.why)
				}
			}
			for _, rule := range only {
				if imp != rule.never {
					continue
				}
				allowed := false
				for _, may := range rule.may {
					allowed = allowed || matches(may, path)
				}
				if !allowed {
					t.Errorf("%s imports %s: %s", path, imp, rule.why)
				}
			}
			if (matches("registry/...", path) || matches("configcenter/...", path)) &&
				strings.HasPrefix(imp, "core/") && imp != "core/mirror" {
				t.Errorf("%s imports %s: the registry and the config center know only core and core/mirror", path, imp)
			}
		}
	}
}

// pure lists the packages without goroutine, lock, clock, file, socket, global
// randomness or logger.
var pure = []string{
	"core", "core/check", "core/wire", "core/acl", "core/tree", "core/watch", "core/session", "core/quorum",
	"core/member",
	"core/state", "core/zab", "core/replica",
}

// impure are standard packages that bring what a pure package must not have.
// sync/atomic is allowed to core/tree alone, for the one flag by which another
// goroutine lets go of a view.
var impure = []string{
	"os", "os/...", "net", "net/http", "log", "log/slog", "io/fs", "math/rand", "math/rand/v2", "crypto/rand",
	"sync", "sync/atomic", "syscall", "runtime", "context",
}

func TestPurePackagesArePure(t *testing.T) {
	pkgs := packages(t)
	for _, path := range pure {
		p, ok := pkgs[path]
		require.True(t, ok, "no package %s", path)
		for _, imp := range p.Imports {
			own := strings.TrimPrefix(imp, module)
			if own != imp {
				if !contains(pure, own) {
					t.Errorf("%s is pure and imports %s, which is not", path, own)
				}
				continue
			}
			if strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
				t.Errorf("%s is pure and imports %s", path, imp)
			}
			for _, bad := range impure {
				switch {
				case !matches(bad, imp):
				case path == "core/tree" && imp == "sync/atomic":
				case path == "core" && imp == "context": // it names contexts in its interfaces
				default:
					t.Errorf("%s is pure and imports %s", path, imp)
				}
			}
		}
		for _, name := range p.GoFiles {
			pureFile(t, path, filepath.Join(p.Dir, name))
		}
	}
}

// TestWhatTheRaceDetectorLeavesOutIsAlone compares the packages that `make race` leaves out
// with what starts no goroutine: neither they nor their tests, nor what these are made of.
func TestWhatTheRaceDetectorLeavesOutIsAlone(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	require.NoError(t, err)
	_, list, found := strings.Cut(string(makefile), "\nALONE :=")
	require.True(t, found)
	list, _, found = strings.Cut(strings.ReplaceAll(list, "\\\n", " "), "\n")
	require.True(t, found)
	pkgs := packages(t)
	starts := make(map[string]bool)
	for path, p := range pkgs {
		starts[path] = slices.ContainsFunc(p.GoFiles, func(name string) bool { return startsGoroutine(t, filepath.Join(p.Dir, name)) })
	}
	require.True(t, starts["core/node"])
	var through func(path string) bool
	through = func(path string) bool {
		return starts[path] || slices.ContainsFunc(pkgs[path].Imports, func(imp string) bool {
			own := strings.TrimPrefix(imp, module)
			return own != imp && through(own)
		})
	}
	for _, path := range strings.Fields(list) {
		p, ok := pkgs[path]
		require.True(t, ok, "no package %s", path)
		require.False(t, through(path), "%s starts goroutines", path)
		for _, name := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			require.False(t, startsGoroutine(t, filepath.Join(p.Dir, name)), "%s/%s starts goroutines", path, name)
		}
		for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
			if own := strings.TrimPrefix(imp, module); own != imp {
				require.False(t, through(own), "the tests of %s import %s, which starts goroutines", path, own)
			}
		}
	}
}

// startsGoroutine tells of go statements, and of the methods and functions that stand for
// one: (*sync.WaitGroup).Go, (*testing.T).Parallel, time.AfterFunc and their like.
func startsGoroutine(t *testing.T, file string) (found bool) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = true
		case *ast.SelectorExpr:
			switch n.Sel.Name {
			case "Go", "Parallel", "RunParallel", "AfterFunc":
				found = true
			}
		}
		return true
	})
	return found
}

// pureFile looks for goroutines, channels of time and clocks.
func pureFile(t *testing.T, path, file string) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, 0)
	require.NoError(t, err)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%s: %s starts a goroutine", path, fset.Position(n.Pos()))
		case *ast.SelectStmt:
			t.Errorf("%s: %s waits on channels", path, fset.Position(n.Pos()))
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if ok && x.Name == "time" {
				switch n.Sel.Name {
				case "Duration", "Millisecond", "Second", "Nanosecond", "Microsecond", "Minute":
				default:
					t.Errorf("%s: %s uses time.%s", path, fset.Position(n.Pos()), n.Sel.Name)
				}
			}
		}
		return true
	})
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// Bounds of a package's doc comment, in lines.
const docLinesMin, docLinesMax = 3, 45

func TestPackageDocs(t *testing.T) {
	for path, p := range packages(t) {
		lines := 0
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			require.NoError(t, err)
			if f.Doc != nil {
				lines += strings.Count(strings.TrimSpace(f.Doc.Text()), "\n") + 1
			}
		}
		if len(p.GoFiles) > 0 && (lines < docLinesMin || lines > docLinesMax) && !strings.HasSuffix(path, "/web") {
			t.Errorf("%s has a package comment of %s lines; %d to %d are asked for", path, strconv.Itoa(lines), docLinesMin, docLinesMax)
		}
	}
}
