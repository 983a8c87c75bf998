package core_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/zensus-io/zensus/core"
)

func TestValidatePath(t *testing.T) {
	tests := []struct {
		name, path string
		ok         bool
	}{
		{"the root", "/", true},
		{"a child of the root", "/a", true},
		{"several components", "/a/b/c", true},
		{"three dots are a name", "/...", true},
		{"a name may begin with a dot", "/.a/..b/c.", true},
		{"spaces and signs are names", "/a b/%2F~!@#", true},
		{"letters beyond ASCII", "/größe/サービス", true},
		{"the character before the surrogates", "/\ud7ff", true},
		{"the character after the private area", "/\uf900", true},
		{"the last character allowed", "/\uffef", true},
		{"the first after the controls", "/\u00a0", true},
		{"the empty path", "", false},
		{"a relative path", "a", false},
		{"a trailing slash", "/a/", false},
		{"two slashes", "//", false},
		{"an empty component", "/a//b", false},
		{"a dot", "/.", false},
		{"a dot inside", "/a/./b", false},
		{"two dots", "/a/..", false},
		{"two dots inside", "/../a", false},
		{"a NUL", "/a\x00", false},
		{"a control character", "/a\x1fb", false},
		{"DEL", "/\x7f", false},
		{"a control character of Latin-1", "/\u0080", false},
		{"the last control character", "/\u009f", false},
		{"a private character", "/\ue000", false},
		{"the last private character", "/\uf8ff", false},
		{"a special", "/\ufff0", false},
		{"the replacement character", "/\ufffd", false},
		{"a character outside of the basic plane", "/\U0001F600", false},
		{"a surrogate as bytes", "/\xed\xa0\x80", false},
		{"bytes that are not UTF-8", "/\xff", false},
		{"a cut character", "/\xe3\x81", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := core.ValidatePath(tt.path)
			if tt.ok && err != nil || !tt.ok && !errors.Is(err, core.BadArguments) {
				t.Errorf("%q: %v", tt.path, err)
			}
		})
	}
}

func TestPathParts(t *testing.T) {
	tests := []struct{ path, parent, base string }{
		{"/", "", ""}, {"/a", "/", "a"}, {"/a/b", "/a", "b"}, {"/a/b/c", "/a/b", "c"},
	}
	for _, tt := range tests {
		if got := core.ParentPath(tt.path); got != tt.parent {
			t.Errorf("parent of %s: got %q, want %q", tt.path, got, tt.parent)
		}
		if got := core.BaseName(tt.path); got != tt.base {
			t.Errorf("base of %s: got %q, want %q", tt.path, got, tt.base)
		}
		if tt.base != "" && core.JoinPath(tt.parent, tt.base) != tt.path {
			t.Errorf("%s and %s give %s", tt.parent, tt.base, core.JoinPath(tt.parent, tt.base))
		}
	}
	if got := core.ParentPath(""); got != "" {
		t.Errorf("parent of nothing: %q", got)
	}
}

func TestHasPathPrefix(t *testing.T) {
	tests := []struct {
		path, root string
		want       bool
	}{
		{"/a", "/a", true},
		{"/a/b", "/a", true},
		{"/ab", "/a", false},
		{"/a", "/a/b", false},
		{"/a", "/", true},
		{"/", "/", true},
		{"/a", "", true},
		{"/b/a", "/a", false},
	}
	for _, tt := range tests {
		if got := core.HasPathPrefix(tt.path, tt.root); got != tt.want {
			t.Errorf("%s below %s: got %v", tt.path, tt.root, got)
		}
	}
}

// FuzzPath: what is valid is made of its parts, and stays valid in parts.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/a//b", "/a/../b", "/\xff", "a", "/größe", "/\U0001F600/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if core.ValidatePath(path) != nil {
			return
		}
		if !utf8.ValidString(path) || strings.Contains(path, "//") || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r > 0xffff }) {
			t.Fatalf("%q is valid", path)
		}
		if path == "/" {
			return
		}
		parent, base := core.ParentPath(path), core.BaseName(path)
		if core.JoinPath(parent, base) != path || core.ValidatePath(parent) != nil || core.ValidatePath("/"+base) != nil {
			t.Fatalf("%q falls into %q and %q", path, parent, base)
		}
		if !core.HasPathPrefix(path, parent) || !core.HasPathPrefix(path, path) || core.HasPathPrefix(parent, path) {
			t.Fatalf("%q and its parent %q", path, parent)
		}
	})
}

func TestEveryCodeHasItsOwnWords(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		n += len(gen.Specs)
	}
	words := map[string]core.Code{}
	for c := core.Code(0); c > -200; c-- {
		text := c.Error()
		if strings.HasPrefix(text, "code ") {
			continue
		}
		if other, twice := words[text]; twice {
			t.Errorf("%d and %d are both %q", c, other, text)
		}
		words[text] = c
	}
	if n == 0 || len(words) != n {
		t.Errorf("%d codes have words, %d are declared", len(words), n)
	}
	if got := core.Code(-99).Error(); got != "code -99" {
		t.Errorf("an unknown code is %q", got)
	}
}

func TestCodesHaveZooKeepersValues(t *testing.T) {
	for code, want := range map[core.Code]int32{
		core.OK: 0, core.SystemError: -1, core.RuntimeInconsistency: -2, core.DataInconsistency: -3, core.ConnectionLoss: -4,
		core.MarshallingError: -5, core.Unimplemented: -6, core.OperationTimeout: -7, core.BadArguments: -8,
		core.NewConfigNoQuorum: -13, core.ReconfigInProgress: -14, core.APIError: -100, core.NoNode: -101, core.NoAuth: -102,
		core.BadVersion: -103, core.NoChildrenForEphemerals: -108, core.NodeExists: -110, core.NotEmpty: -111,
		core.SessionExpired: -112, core.InvalidCallback: -113, core.InvalidACL: -114, core.AuthFailed: -115,
		core.SessionMoved: -118, core.NotReadOnly: -119, core.EphemeralOnLocalSession: -120, core.NoWatcher: -121,
		core.RequestTimeout: -122, core.ReconfigDisabled: -123, core.SessionClosedRequireSASL: -124,
		core.QuotaExceeded: -125, core.ThrottledOp: -127,
	} {
		if int32(code) != want {
			t.Errorf("%v is %d, want %d", code, int32(code), want)
		}
	}
}

func TestErrorsKeepTheirCode(t *testing.T) {
	err := fmt.Errorf("registry: load: %w", &core.OpError{Op: "setData", Path: "/a", Err: core.BadVersion})
	if got := err.Error(); got != "registry: load: setData /a: bad version" {
		t.Errorf("got %q", got)
	}
	if !errors.Is(err, core.BadVersion) || errors.Is(err, core.NoNode) {
		t.Error("errors.Is finds the wrong code")
	}
	tests := []struct {
		name string
		err  error
		want core.Code
	}{
		{"none", nil, core.OK},
		{"a code", core.NoNode, core.NoNode},
		{"a wrapped one", err, core.BadVersion},
		{"a foreign error", errors.New("disk on fire"), core.SystemError},
	}
	for _, tt := range tests {
		if got := core.CodeOf(tt.err); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := (&core.OpError{Op: "ping", Err: core.ConnectionLoss}).Error(); got != "ping: connection loss" {
		t.Errorf("without a path: %q", got)
	}
}

func TestErrorsSayWhatIsKnown(t *testing.T) {
	tests := []struct {
		err           error
		unknown, over bool
	}{
		{core.ConnectionLoss, true, false},
		{core.OperationTimeout, true, false},
		{core.RequestTimeout, true, false},
		{core.NoNode, false, false},
		{core.SessionExpired, false, true},
		{core.ErrClosed, false, true},
		{errors.Join(errors.New("context"), core.OperationTimeout), true, false},
		{nil, false, false},
	}
	for _, tt := range tests {
		err := tt.err
		if err != nil {
			err = &core.OpError{Op: "create", Err: err}
		}
		if core.IsUnknownOutcome(err) != tt.unknown || core.IsSessionOver(err) != tt.over {
			t.Errorf("%v: unknown %v, over %v", tt.err, core.IsUnknownOutcome(err), core.IsSessionOver(err))
		}
	}
}

func TestZxid(t *testing.T) {
	z := core.MakeZxid(0x80000001, 0xffffffff)
	if z.Epoch() != 0x80000001 || z.Counter() != 0xffffffff || z.String() != "0x80000001ffffffff" {
		t.Errorf("got %v, epoch %x, counter %x", z, z.Epoch(), z.Counter())
	}
	if core.MakeZxid(2, 0) <= core.MakeZxid(1, 0xffffffff) {
		t.Error("a later epoch is not later")
	}
	if got := core.SessionID(-2).String(); got != "0xfffffffffffffffe" {
		t.Errorf("a session with the top bit is %s", got)
	}
}

func TestCreateModes(t *testing.T) {
	tests := []struct {
		mode                              core.CreateMode
		valid, ephemeral, sequential, ttl bool
	}{
		{core.Persistent, true, false, false, false},
		{core.Ephemeral, true, true, false, false},
		{core.PersistentSequential, true, false, true, false},
		{core.EphemeralSequential, true, true, true, false},
		{core.Container, true, false, false, false},
		{core.PersistentTTL, true, false, false, true},
		{core.PersistentSequentialTTL, true, false, true, true},
		{7, false, false, false, false},
		{-1, false, false, false, false},
	}
	for i, tt := range tests {
		if i < 7 && int(tt.mode) != i {
			t.Errorf("mode %d has the flags %d", i, tt.mode)
		}
		if tt.mode.Valid() != tt.valid || tt.mode.IsEphemeral() != tt.ephemeral || tt.mode.IsSequential() != tt.sequential || tt.mode.IsTTL() != tt.ttl {
			t.Errorf("mode %d is said to be %v %v %v %v", tt.mode, tt.mode.Valid(), tt.mode.IsEphemeral(), tt.mode.IsSequential(), tt.mode.IsTTL())
		}
	}
}

func TestEventTypesHaveZooKeepersNames(t *testing.T) {
	for typ, want := range map[core.EventType]string{
		1: "NodeCreated", 2: "NodeDeleted", 3: "NodeDataChanged", 4: "NodeChildrenChanged",
		core.Resync: "Resync", core.Progress: "Progress", 0: "unknown",
	} {
		if got := typ.String(); got != want {
			t.Errorf("%d: got %s, want %s", typ, got, want)
		}
	}
}

func TestAccessListsAreFreshAtEachCall(t *testing.T) {
	core.OpenACL()[0].Perms, core.ReadACL()[0].Perms, core.NodeACL()[0].Perms = 0, 0, 0
	if core.OpenACL()[0].Perms != core.PermAll || core.ReadACL()[0].Perms != core.PermRead || core.NodeACL()[0].Perms != core.PermAll {
		t.Error("a caller changed another's list")
	}
	if core.PermAll != core.PermRead|core.PermWrite|core.PermCreate|core.PermDelete|core.PermAdmin {
		t.Error("all is not all")
	}
}
