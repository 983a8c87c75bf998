package console

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zensus-io/zensus/core"
)

// nasty are names that a page or an address could trip over.
var nasty = []string{
	"a/b", "100%", "%2e%2e", "..", "<script>alert(1)</script>", `quo"te's`, "名称 with 空格",
	"שלום", "a?b=c&d#e", "a+b", "{{name}}",
}

// fakeServices keep services as the registry would: a change is seen by the
// next read, and an instance that is not there cannot be changed.
type fakeServices struct {
	mu       sync.Mutex
	services map[ServiceKey]*Service
	down     error // what every call answers while it is set
	stale    bool
}

func (f *fakeServices) put(s Service) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.services == nil {
		f.services = map[ServiceKey]*Service{}
	}
	f.services[s.ServiceKey] = &s
}

func (f *fakeServices) List(_ context.Context, q ServiceQuery) (ServicePage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return ServicePage{}, f.down
	}
	var all []ServiceSummary
	for key, s := range f.services {
		if key.Namespace != q.Namespace || !within(key.Name, q.Name) || !within(key.Group, q.Group) ||
			q.HideEmpty && len(s.Instances) == 0 {
			continue
		}
		clusters := map[string]bool{}
		row := ServiceSummary{Group: key.Group, Name: key.Name, Instances: len(s.Instances), Protected: s.Protected}
		for _, i := range s.Instances {
			clusters[i.Cluster] = true
			if i.Healthy {
				row.Healthy++
			}
		}
		row.Clusters = len(clusters)
		all = append(all, row)
	}
	slices.SortFunc(all, func(a, b ServiceSummary) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.Name, b.Name))
	})
	return ServicePage{Total: len(all), Items: Cut(all, q.Page), Stale: f.stale}, nil
}

func within(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

func (f *fakeServices) Get(_ context.Context, key ServiceKey) (Service, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return Service{}, f.down
	}
	s, ok := f.services[key]
	if !ok {
		return Service{}, fmt.Errorf("service %s: %w", key.Name, ErrNotFound)
	}
	out := *s
	out.Stale = f.stale
	out.Instances = slices.Clone(s.Instances)
	return out, nil
}

func (f *fakeServices) UpdateInstance(_ context.Context, _ Actor, up InstanceUpdate) (Instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.down != nil:
		return Instance{}, f.down
	case f.stale:
		return Instance{}, ErrNoQuorum
	}
	if s, ok := f.services[up.Service]; ok {
		for i := range s.Instances {
			inst := &s.Instances[i]
			if inst.Cluster != up.Cluster || inst.IP != up.IP || inst.Port != up.Port || inst.Ephemeral != up.Ephemeral {
				continue
			}
			if up.Enabled != nil {
				inst.Enabled = *up.Enabled
			}
			if up.Weight != nil {
				inst.Weight = *up.Weight
			}
			return *inst, nil
		}
	}
	return Instance{}, fmt.Errorf("instance %s:%d: %w", up.IP, up.Port, ErrNotFound)
}

// fakeConfigs compare and set as the config center does.
type fakeConfigs struct {
	mu    sync.Mutex
	items map[ConfigKey]Config
	clock int64 // milliseconds; every publish is a second after the last
}

func md5Of(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (f *fakeConfigs) List(_ context.Context, q ConfigQuery) (ConfigPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []ConfigSummary
	for key, c := range f.items {
		if key.Namespace == q.Namespace && within(key.Group, q.Group) && within(key.DataID, q.DataID) {
			all = append(all, c.ConfigSummary)
		}
	}
	slices.SortFunc(all, func(a, b ConfigSummary) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.DataID, b.DataID))
	})
	return ConfigPage{Total: len(all), Items: Cut(all, q.Page)}, nil
}

func (f *fakeConfigs) Get(_ context.Context, key ConfigKey) (Config, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.items[key]
	if !ok {
		return Config{}, fmt.Errorf("config %s: %w", key.DataID, ErrNotFound)
	}
	return c, nil
}

func (f *fakeConfigs) Publish(_ context.Context, who Actor, p ConfigPublish) (Config, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, exists := f.items[p.Key]
	switch {
	case p.Content == "":
		return Config{}, fmt.Errorf("content: %w: is empty", ErrInvalid)
	case p.ExpectMD5 == "" && exists:
		return Config{}, fmt.Errorf("config %s: %w", p.Key.DataID, ErrExists)
	case p.ExpectMD5 != "" && (!exists || old.MD5 != p.ExpectMD5):
		return Config{}, fmt.Errorf("config %s: %w", p.Key.DataID, ErrConflict)
	}
	if f.items == nil {
		f.items = map[ConfigKey]Config{}
		f.clock = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC).UnixMilli()
	}
	f.clock += 1000
	c := Config{
		ConfigSummary: ConfigSummary{
			Group: p.Key.Group, DataID: p.Key.DataID, Type: p.Type, MD5: md5Of(p.Content), SizeBytes: len(p.Content),
			App: p.App, Description: p.Description, Tags: p.Tags, ModifiedMillis: f.clock, ModifiedBy: who.User.Name,
		},
		Content: p.Content,
	}
	f.items[p.Key] = c
	return c, nil
}

func (f *fakeConfigs) Delete(_ context.Context, _ Actor, key ConfigKey, md5 string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.items[key]
	switch {
	case !ok:
		return fmt.Errorf("config %s: %w", key.DataID, ErrNotFound)
	case c.MD5 != md5:
		return fmt.Errorf("config %s: %w", key.DataID, ErrConflict)
	}
	delete(f.items, key)
	return nil
}

// fakeZnodes are a small tree with ZooKeeper's rules of versions and children.
type fakeZnodes struct {
	mu    sync.Mutex
	nodes map[string]*fakeZnode
	zxid  core.Zxid
}

type fakeZnode struct {
	data []byte
	stat core.Stat
	acl  []core.ACL
}

func newFakeZnodes() *fakeZnodes {
	return &fakeZnodes{
		nodes: map[string]*fakeZnode{"/": {acl: core.OpenACL()}},
		zxid:  core.MakeZxid(1, 0),
	}
}

func opError(op, path string, code core.Code) error {
	return &core.OpError{Op: op, Path: path, Err: code}
}

func (f *fakeZnodes) now() int64 {
	return time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC).UnixMilli() + int64(f.zxid.Counter())*1000
}

func (f *fakeZnodes) Create(_ context.Context, path string, data []byte, opt core.CreateOptions) (string, core.Stat, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	parent, ok := f.nodes[core.ParentPath(path)]
	if !ok {
		return "", core.Stat{}, opError("create", path, core.NoNode)
	}
	if parent.stat.EphemeralOwner != 0 {
		return "", core.Stat{}, opError("create", path, core.NoChildrenForEphemerals)
	}
	if opt.Mode.IsSequential() {
		path += fmt.Sprintf("%010d", parent.stat.Cversion)
	}
	if err := core.ValidatePath(path); err != nil {
		return "", core.Stat{}, opError("create", path, core.BadArguments)
	}
	if _, ok := f.nodes[path]; ok {
		return "", core.Stat{}, opError("create", path, core.NodeExists)
	}
	f.zxid++
	acl := opt.ACL
	if acl == nil {
		acl = core.OpenACL()
	}
	n := &fakeZnode{data: data, acl: acl, stat: core.Stat{
		Czxid: f.zxid, Mzxid: f.zxid, Pzxid: f.zxid, Ctime: f.now(), Mtime: f.now(), DataLength: int32(len(data)),
	}}
	if opt.Mode.IsEphemeral() {
		n.stat.EphemeralOwner = 0x100000012345678
	}
	f.nodes[path] = n
	parent.stat.Cversion++
	parent.stat.NumChildren++
	parent.stat.Pzxid = f.zxid
	return path, n.stat, nil
}

func (f *fakeZnodes) Get(_ context.Context, path string) ([]byte, core.Stat, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.nodes[path]
	if !ok {
		return nil, core.Stat{}, opError("getData", path, core.NoNode)
	}
	return n.data, n.stat, nil
}

func (f *fakeZnodes) Set(_ context.Context, path string, data []byte, version int32) (core.Stat, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.nodes[path]
	if !ok {
		return core.Stat{}, opError("setData", path, core.NoNode)
	}
	if version != core.AnyVersion && version != n.stat.Version {
		return core.Stat{}, opError("setData", path, core.BadVersion)
	}
	f.zxid++
	n.data = data
	n.stat.Version++
	n.stat.Mzxid, n.stat.Mtime, n.stat.DataLength = f.zxid, f.now(), int32(len(data))
	return n.stat, nil
}

func (f *fakeZnodes) Delete(_ context.Context, path string, version int32) (core.Zxid, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.nodes[path]
	switch {
	case !ok:
		return 0, opError("delete", path, core.NoNode)
	case version != core.AnyVersion && version != n.stat.Version:
		return 0, opError("delete", path, core.BadVersion)
	case n.stat.NumChildren > 0:
		return 0, opError("delete", path, core.NotEmpty)
	}
	f.zxid++
	delete(f.nodes, path)
	parent := f.nodes[core.ParentPath(path)]
	parent.stat.NumChildren--
	parent.stat.Cversion++
	parent.stat.Pzxid = f.zxid
	return f.zxid, nil
}

func (f *fakeZnodes) Exists(ctx context.Context, path string) (core.Stat, error) {
	_, st, err := f.Get(ctx, path)
	return st, err
}

func (f *fakeZnodes) Children(_ context.Context, path string) ([]string, core.Stat, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.nodes[path]
	if !ok {
		return nil, core.Stat{}, opError("getChildren", path, core.NoNode)
	}
	var names []string
	for p := range maps.Keys(f.nodes) { // in no particular order, as the engine's
		if p != "/" && core.ParentPath(p) == path {
			names = append(names, core.BaseName(p))
		}
	}
	return names, n.stat, nil
}

func (f *fakeZnodes) ACL(_ context.Context, path string) ([]core.ACL, core.Stat, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.nodes[path]
	if !ok {
		return nil, core.Stat{}, opError("getACL", path, core.NoNode)
	}
	return n.acl, n.stat, nil
}

type fakeNamespaces []Namespace

func (f fakeNamespaces) List(context.Context) ([]Namespace, error) { return f, nil }

// fakeAuth has users whose names say what they may: one called "reader" only
// reads, and only configs and services; all others do everything.
type fakeAuth struct {
	mu         sync.Mutex
	adminToken string
	passwords  map[string]string
	sessions   map[string]User
	attempts   int
}

const fakeAttemptsMax = 20

func (f *fakeAuth) Enabled() bool { return true }

func (f *fakeAuth) HasUsers(context.Context) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.passwords) > 0, nil
}

func (f *fakeAuth) Login(_ context.Context, _, name, password string) (Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.attempts >= fakeAttemptsMax {
		return Session{}, ErrThrottled
	}
	if want, ok := f.passwords[name]; !ok || want != password {
		f.attempts++
		return Session{}, fmt.Errorf("login: %w", ErrUnauthenticated)
	}
	return f.openLocked(name), nil
}

func (f *fakeAuth) openLocked(name string) Session {
	s := Session{Token: rand.Text(), Expires: time.Now().Add(time.Hour), User: User{Name: name, Admin: name != "reader"}}
	if f.sessions == nil {
		f.sessions = map[string]User{}
	}
	f.sessions[s.Token] = s.User
	return s
}

func (f *fakeAuth) Bootstrap(_ context.Context, _, token, name, password string) (Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case len(f.passwords) > 0:
		return Session{}, fmt.Errorf("first user: %w", ErrExists)
	case token != f.adminToken:
		return Session{}, fmt.Errorf("admin token: %w", ErrUnauthenticated)
	case len(password) < 8:
		return Session{}, fmt.Errorf("password: %w: too short", ErrInvalid)
	}
	f.passwords = map[string]string{name: password}
	return f.openLocked(name), nil
}

func (f *fakeAuth) Verify(_ context.Context, token string) (User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	user, ok := f.sessions[token]
	if !ok {
		return User{}, ErrUnauthenticated
	}
	return user, nil
}

// expire ends all sessions.
func (f *fakeAuth) expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions = nil
}

func (f *fakeAuth) Allow(_ context.Context, user User, want Access) error {
	if user.Name == "reader" && (want.Write || want.Kind == AccessZnode) {
		return fmt.Errorf("%s: %w", user.Name, ErrForbidden)
	}
	return nil
}
