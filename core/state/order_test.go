package state

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// orderMachine has one znode for each way in which a request can be refused.
func orderMachine(t *testing.T, cfg Config) *machine {
	m := newMachine(t, cfg)
	m.create("/p", core.Persistent, core.OpenACL())
	m.create("/p/there", core.Persistent, core.OpenACL())
	m.create("/p/full", core.Persistent, core.OpenACL())
	m.create("/p/full/child", core.Persistent, core.OpenACL())
	m.create("/eph", core.Ephemeral, core.OpenACL())
	m.create("/locked", core.Persistent, only("bob", core.PermAll))
	m.create("/shut", core.Persistent, core.OpenACL())
	m.create("/shut/in", core.Persistent, core.OpenACL())
	body := wire.AppendSetACL(nil, "/shut", only("bob", core.PermAll), -1)
	require.Equal(t, core.OK, m.code(wire.OpSetACL, body))
	// No znode more, and no byte, may come below /quota.
	m.create("/quota", core.Persistent, core.OpenACL())
	m.create("/quota/one", core.Persistent, only("bob", core.PermAll&^core.PermWrite))
	m.create("/quota/two", core.Persistent, core.OpenACL())
	m.create("/quota/eph", core.Ephemeral, core.OpenACL())
	m.create("/zookeeper/quota/quota", core.Persistent, core.OpenACL())
	for _, name := range []string{"limits", "stats"} {
		limits := "count=-1,bytes=-1=;byteHardLimit=12;countHardLimit=4"
		body := wire.AppendCreate(nil, wire.OpCreate, "/zookeeper/quota/quota/zookeeper_"+name, []byte(limits), core.OpenACL(), 0, 0)
		require.Equal(t, core.OK, m.code(wire.OpCreate, body))
	}
	return m
}

// createBody is a create that is right but for what a case changes.
type createCase struct {
	name    string
	session core.SessionID
	op      wire.OpCode
	path    string
	acl     []core.ACL
	flags   int32
	ttl     int64
	body    []byte // instead of the above
	want    core.Code
}

func TestCreateIsRefusedForTheFirstReasonInOrder(t *testing.T) {
	bad := []core.ACL{{Perms: 31, Scheme: "unknown", ID: "x"}}
	whole := wire.AppendCreate(nil, wire.OpCreate, "/p/new", []byte("x"), core.OpenACL(), 0, 0)
	nullPath := append(wire.AppendInt(nil, -1), whole[10:]...)
	for _, c := range []createCase{
		{name: "a body that is cut, of a session that is over", session: nobody, body: whole[:len(whole)-1], want: core.MarshallingError},
		{name: "a null path", body: nullPath, want: core.MarshallingError},
		{name: "unknown flags before everything else", session: nobody, path: "abc", flags: 7, want: core.BadArguments},
		{name: "negative flags", session: nobody, path: "abc", flags: -1, want: core.BadArguments},
		{name: "a time to live of 0 before the session", session: nobody, op: wire.OpCreateTTL, path: "/p/new", flags: 5, ttl: 0, want: core.BadArguments},
		{name: "a time to live that is too long", session: nobody, op: wire.OpCreateTTL, path: "/p/new", flags: 6, ttl: core.MaxTTLMillis + 1, want: core.BadArguments},
		{name: "createTTL with flags of no TTL mode", session: nobody, op: wire.OpCreateTTL, path: "/p/new", flags: 0, ttl: 5, want: core.BadArguments},
		{name: "createTTL with flags of no TTL mode and ttl -1", session: nobody, op: wire.OpCreateTTL, path: "/p/new", flags: 0, ttl: -1, want: core.BadArguments},
		{name: "create with flags of a TTL mode", session: nobody, path: "/p/new", flags: 5, want: core.BadArguments},
		{name: "a session that is over before the path", session: nobody, path: "abc", acl: bad, want: core.SessionExpired},
		{name: "no slash before the access list", path: "abc", acl: bad, want: core.BadArguments},
		{name: "the empty path", path: "", acl: bad, want: core.BadArguments},
		{name: "a NUL before the access list", path: "/p/a\x00", acl: bad, want: core.BadArguments},
		{name: "the access list before the parent", path: "/none/x", acl: bad, want: core.InvalidACL},
		{name: "an empty access list", path: "/none/x", acl: []core.ACL{}, want: core.InvalidACL},
		{name: "world with another id than anyone", path: "/none/x", acl: []core.ACL{{Perms: 1, Scheme: "world", ID: "me"}}, want: core.InvalidACL},
		{name: "auth without an identity", path: "/none/x", acl: []core.ACL{{Perms: 1, Scheme: "auth"}}, want: core.InvalidACL},
		{name: "a missing parent before the name", path: "/none/\x01", want: core.NoNode},
		{name: "a trailing slash names a missing parent", path: "/p/x/", want: core.NoNode},
		{name: "CREATE on the parent before the name", path: "/locked/\x01", want: core.NoAuth},
		{name: "the name before whether the parent is ephemeral", path: "/eph/\x01", want: core.BadArguments},
		{name: "a trailing slash below a znode that is there", path: "/p/", want: core.BadArguments},
		{name: "a dot", path: "/p/.", want: core.BadArguments},
		{name: "the znode is there before the quota", path: "/quota/one", want: core.NodeExists},
		{name: "the root", path: "/", want: core.NodeExists},
		{name: "an ephemeral parent before the quota", path: "/quota/eph/x", want: core.NoChildrenForEphemerals},
		{name: "the quota last", path: "/quota/x", want: core.QuotaExceeded},
		{name: "a container may have children and a trailing slash takes a suffix", path: "/p/", flags: 2, want: core.OK},
		{name: "plain create with the container flag", path: "/p/plain", flags: 4, want: core.OK},
		{name: "container", op: wire.OpCreateContainer, path: "/p/box", flags: 0, want: core.OK},
		{name: "time to live", op: wire.OpCreateTTL, path: "/p/ttl", flags: 5, ttl: 1, want: core.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := orderMachine(t, Config{TTLNodes: true, EnforceQuota: true})
			require.Equal(t, c.want, m.do(c.request()).Err)
			m.settled()
		})
	}
}

func (c *createCase) request() *Request {
	req := &Request{Session: c.session, Cxid: 9, Op: c.op, Body: c.body}
	if req.Session == 0 {
		req.Session = alice
	}
	if req.Op == 0 {
		req.Op = wire.OpCreate
	}
	if req.Body == nil {
		list := c.acl
		if list == nil {
			list = core.OpenACL()
		}
		req.Body = wire.AppendCreate(nil, req.Op, c.path, []byte("more than there is room for"), list, c.flags, c.ttl)
	}
	return req
}

func TestTimeToLiveIsUnimplementedUnlessSwitchedOn(t *testing.T) {
	m := orderMachine(t, Config{})
	c := createCase{session: nobody, op: wire.OpCreateTTL, path: "abc", flags: 5, ttl: 0}
	require.Equal(t, core.Unimplemented, m.do(c.request()).Err, "before the time itself, the session and the path")
}

func TestDeleteIsRefusedForTheFirstReasonInOrder(t *testing.T) {
	for _, c := range []struct {
		name    string
		session core.SessionID
		path    string
		version int32
		want    core.Code
	}{
		{"a session that is over before the path", nobody, "abc", -1, core.SessionExpired},
		{"no slash", alice, "abc", -1, core.BadArguments},
		{"a NUL", alice, "/none/x\x00", -1, core.BadArguments},
		{"the root", alice, "/", 5, core.BadArguments},
		{"a znode of the system", alice, "/zookeeper/config", 5, core.BadArguments},
		{"the system itself", alice, "/zookeeper", 5, core.BadArguments},
		{"the quotas", alice, "/zookeeper/quota", 5, core.BadArguments},
		{"a missing parent", alice, "/none/x", -1, core.NoNode},
		{"DELETE on the parent before the znode", alice, "/locked/none", 5, core.NoAuth},
		{"nothing on the znode itself is asked for", alice, "/locked", 0, core.OK},
		{"a missing znode", alice, "/p/none", 5, core.NoNode},
		{"no check of the whole path", alice, "/p/there/", 5, core.NoNode},
		{"the version before the children", alice, "/p/full", 5, core.BadVersion},
		{"children", alice, "/p/full", 0, core.NotEmpty},
		{"the last of the parent", alice, "/shut/in", -1, core.NoAuth},
		{"done", alice, "/p/there", 0, core.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := orderMachine(t, Config{})
			got := m.do(&Request{Session: c.session, Cxid: 9, Op: wire.OpDelete, Body: wire.AppendPathVersion(nil, c.path, c.version)})
			require.Equal(t, c.want, got.Err)
			m.settled()
		})
	}
}

func TestSetDataIsRefusedForTheFirstReasonInOrder(t *testing.T) {
	for _, c := range []struct {
		name    string
		session core.SessionID
		path    string
		data    string
		version int32
		want    core.Code
	}{
		{"a session that is over before the path", nobody, "abc", "", 5, core.SessionExpired},
		{"the whole path", alice, "/none/", "", 5, core.BadArguments},
		{"a missing znode", alice, "/none", "", 5, core.NoNode},
		{"WRITE before the quota", alice, "/quota/one", "far too much", 5, core.NoAuth},
		{"the quota before the version", alice, "/quota/two", "far too much", 5, core.QuotaExceeded},
		{"the version", alice, "/quota/two", "", 5, core.BadVersion},
		{"less data where it is too much still", alice, "/quota/two", "x", 0, core.QuotaExceeded},
		{"less data, and little enough", alice, "/quota/two", "", 0, core.OK},
		{"done", alice, "/p", "new", 0, core.OK},
		{"the root", alice, "/", "new", 0, core.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := orderMachine(t, Config{EnforceQuota: true})
			got := m.do(&Request{Session: c.session, Cxid: 9, Op: wire.OpSetData, Body: wire.AppendSetData(nil, c.path, []byte(c.data), c.version)})
			require.Equal(t, c.want, got.Err)
			m.settled()
		})
	}
}

func TestSetACLIsRefusedForTheFirstReasonInOrder(t *testing.T) {
	bad := []core.ACL{{Perms: 31, Scheme: "unknown", ID: "x"}}
	for _, c := range []struct {
		name    string
		session core.SessionID
		path    string
		list    []core.ACL
		version int32
		want    core.Code
	}{
		{"a session that is over before the path", nobody, "abc", bad, 5, core.SessionExpired},
		{"the path before the list", alice, "/none/", bad, 5, core.BadArguments},
		{"the list before the znode", alice, "/none", bad, 5, core.InvalidACL},
		{"a missing znode", alice, "/none", core.OpenACL(), 5, core.NoNode},
		{"ADMIN before the version", alice, "/locked", core.OpenACL(), 5, core.NoAuth},
		{"the version of the list", alice, "/p", core.OpenACL(), 5, core.BadVersion},
		{"done", alice, "/p", core.OpenACL(), 0, core.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := orderMachine(t, Config{})
			before := m.stat("/p")
			got := m.do(&Request{Session: c.session, Cxid: 9, Op: wire.OpSetACL, Body: wire.AppendSetACL(nil, c.path, c.list, c.version)})
			require.Equal(t, c.want, got.Err)
			if got.Err == core.OK {
				before.Aversion++
			}
			require.Equal(t, before, m.stat("/p"), "nothing but the version of the list changes")
			require.Empty(t, got.Effects, "nobody is told")
			m.settled()
		})
	}
}

func TestCheckIsRefusedForTheFirstReasonInOrder(t *testing.T) {
	for _, c := range []struct {
		name    string
		path    string
		version int32
		want    core.Code
	}{
		{"the whole path", "/none/", 5, core.BadArguments},
		{"a missing znode", "/none", 5, core.NoNode},
		{"READ before the version", "/locked", 5, core.NoAuth},
		{"the version", "/p", 5, core.BadVersion},
		{"done", "/p", 0, core.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := orderMachine(t, Config{})
			before := m.tree.Digest()
			body := wire.AppendPathVersion(wire.AppendMultiHeader(nil, wire.OpCheck, false, -1), c.path, c.version)
			got := m.do(&Request{Session: alice, Cxid: 9, Op: wire.OpMulti, Body: wire.AppendMultiEnd(body)})
			require.Equal(t, core.OK, got.Err)
			require.Equal(t, c.want, got.Multi[0].Err)
			require.Equal(t, before, m.tree.Digest())
			m.settled()
		})
	}
}

func TestReconfigurationAndInternalOperationsAreRefused(t *testing.T) {
	m := orderMachine(t, Config{})
	q := wire.Reconfig{CurConfigID: -1}
	require.Equal(t, core.ReconfigDisabled, m.code(wire.OpReconfig, q.Append(nil)))
	require.Equal(t, core.MarshallingError, m.code(wire.OpReconfig, nil))
	require.Equal(t, core.Unimplemented, m.code(wire.OpDeleteContainer, wire.AppendBuffer(nil, []byte("/p/there"))))
	require.Equal(t, core.Unimplemented, m.code(wire.OpCheck, wire.AppendPathVersion(nil, "/p", -1)))
	m.settled()
}

func TestSoftQuotaIsOnlyNoted(t *testing.T) {
	m := newMachine(t, Config{EnforceQuota: true})
	m.create("/q", core.Persistent, core.OpenACL())
	m.create("/zookeeper/quota/q", core.Persistent, core.OpenACL())
	for _, name := range []string{"limits", "stats"} {
		body := wire.AppendCreate(nil, wire.OpCreate, "/zookeeper/quota/q/zookeeper_"+name, []byte("count=1,bytes=-1"), core.OpenACL(), 0, 0)
		require.Equal(t, core.OK, m.code(wire.OpCreate, body))
	}
	m.create("/q/second", core.Persistent, core.OpenACL())
	path, over := m.TakeSoftQuota()
	require.True(t, over)
	require.Equal(t, "/q", path)
	_, over = m.TakeSoftQuota()
	require.False(t, over, "it is told once")
}

func TestHardQuotaIsNotEnforcedUnlessSwitchedOn(t *testing.T) {
	m := orderMachine(t, Config{})
	m.create("/quota/more", core.Persistent, core.OpenACL())
}
