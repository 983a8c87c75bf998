package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, engine *coretest.Fake, limits Limits) *Log {
	t.Helper()
	client, err := engine.Open(context.Background(), core.SessionOptions{Timeout: time.Minute, ACL: core.NodeACL()})
	require.NoError(t, err)
	_, _, err = client.Create(context.Background(), "/zensus", nil, core.CreateOptions{})
	require.True(t, err == nil || errors.Is(err, core.NodeExists), "%v", err)
	l, err := New(Config{Client: client, Limits: limits})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = client.Close()
	})
	<-l.Ready()
	return l
}

func all(t *testing.T, l *Log, f Filter) []Record {
	t.Helper()
	p, err := l.Query(context.Background(), f, 1, PageSizeMax)
	require.NoError(t, err)
	require.Equal(t, p.Total, len(p.Records))
	return p.Records
}

var some = Limits{Records: 100_000}

func TestARecordIsThereIfAndOnlyIfTheWriteIs(t *testing.T) {
	engine := coretest.NewFake()
	l := open(t, engine, some)
	c := l.Client(l.cfg.Client)
	for _, path := range []string{"/zensus/config", "/zensus/config/dev", "/zensus/config/dev/G"} {
		_, _, err := c.Create(t.Context(), path, nil, core.CreateOptions{})
		require.NoError(t, err)
	}
	ctx, act := l.Begin(auth.WithSubject(t.Context(), auth.Subject{Name: "tom"}), Record{From: "1.2.3.4", Remote: "1.2.3.4", Via: "http", Action: "POST /x"})
	results, _, err := c.Multi(ctx, core.CheckOp{Path: "/zensus/config/dev/G", Version: 0}, core.CreateOp{Path: "/zensus/config/dev/G/a%2Fb", Data: []byte("v")})
	require.NoError(t, err)
	require.Len(t, results, 2, "whoever writes sees the results of what he wrote")
	// A crash here loses neither: the record is there before the answer is.
	found := all(t, l, Filter{})
	require.Len(t, found, 1)
	found[0].Time = 0
	require.Equal(t, Record{
		User: "tom", From: "1.2.3.4", Via: "http", Action: "POST /x", Verb: Create, Result: OK,
		Target: Target{Kind: KindConfig, Namespace: "dev", Group: "G", Name: "a/b"},
	}, found[0])
	act.End(ctx, OK, "")
	require.Len(t, all(t, l, Filter{}), 1, "once")

	ctx, act = l.Begin(ctx, Record{Via: "http", Action: "POST /x"})
	_, err = c.Set(ctx, "/zensus/config/dev/G/a%2Fb", nil, 7)
	require.ErrorIs(t, err, core.BadVersion, "the error is that of the write")
	require.Len(t, all(t, l, Filter{}), 1)
	act.End(ctx, Denied, auth.ErrForbidden.Error())
	require.Eventually(t, func() bool { return len(all(t, l, Filter{Result: Denied})) == 1 }, 20*time.Second, time.Millisecond)

	// The calls that write one thing, and return what the plain ones do.
	ctx, _ = l.Begin(t.Context(), Record{Action: "each"})
	actual, st, err := c.Create(ctx, "/zensus/config/dev/G/b", []byte("v"), core.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, "/zensus/config/dev/G/b", actual)
	require.NotZero(t, st.Czxid)
	st, err = c.Set(ctx, "/zensus/config/dev/G/b", []byte("w"), st.Version)
	require.NoError(t, err)
	require.EqualValues(t, 1, st.Version)
	zxid, err := c.Delete(ctx, "/zensus/config/dev/G/b", st.Version)
	require.NoError(t, err)
	require.Greater(t, zxid, st.Mzxid)
	var verbs []string
	for _, r := range all(t, l, Filter{Action: "ea*"}) {
		verbs = append(verbs, r.Verb)
	}
	require.Equal(t, []string{Delete, Update, Create}, verbs, "newest first")
}

func TestPlacesAndPiecesAreNotOnRecord(t *testing.T) {
	l := open(t, coretest.NewFake(), some)
	c := l.Client(l.cfg.Client)
	ctx, act := l.Begin(t.Context(), Record{Action: "x"})
	for _, path := range []string{"/zensus/config", "/zensus/config/dev", "/zensus/locks"} {
		_, _, err := c.Create(ctx, path, nil, core.CreateOptions{})
		require.NoError(t, err)
	}
	require.Empty(t, all(t, l, Filter{}))
	On(ctx, Target{Kind: KindConfig, Namespace: "dev"})
	By(ctx, "ann")
	act.End(ctx, OK, "")
	found := all(t, l, Filter{})
	require.Len(t, found, 1, "the end appends what rode nowhere, and is back when that is durable")
	require.Equal(t, "ann", found[0].User)
	require.Equal(t, "dev", found[0].Namespace)
}

func TestWhatIsWrittenHasItsName(t *testing.T) {
	for path, want := range map[string]Target{
		"/zensus/config/public/G/a.yaml":                   {Kind: KindConfig, Namespace: "public", Group: "G", Name: "a.yaml"},
		"/zensus/config/public/G/a.yaml/gray-beta":         {Kind: KindConfig, Namespace: "public", Group: "G", Name: "a.yaml", Detail: "gray-beta"},
		"/zensus/config/public/G/a.yaml/~0":                {},
		"/zensus/config/public/G":                          {},
		"/zensus/history/public/G/a.yaml/0000000001":       {},
		"/zensus/naming/public/G/s":                        {Kind: KindNaming, Namespace: "public", Group: "G", Name: "s"},
		"/zensus/naming/public/G/s/DEFAULT~1.2.3.4:80-e01": {},
		"/zensus/overrides/public/G/s/DEFAULT~1.2.3.4:80":  {Kind: KindNaming, Namespace: "public", Group: "G", Name: "s", Detail: "DEFAULT~1.2.3.4:80"},
		"/zensus/namespaces/dev":                           {Kind: KindNamespace, Namespace: "dev", Name: "dev"},
		"/zensus/quotas/namespaces/dev":                    {Kind: KindQuota, Namespace: "dev", Name: "namespaces/dev"},
		"/zensus/quotas/groups/G":                          {Kind: KindQuota, Namespace: "public", Group: "G", Name: "groups/G"},
		"/zensus/quotas/all":                               {Kind: KindQuota, Name: "all"},
		"/zensus/quotas/groups":                            {},
		"/zensus/access/users/tom":                         {Kind: KindAccess, Name: "users/tom"},
		"/zensus/access/roles/dev":                         {},
		"/zensus/access/roles/dev/tom":                     {Kind: KindAccess, Name: "roles/dev/tom"},
		"/zensus/access/permissions/dev/a:*:*~rw":          {Kind: KindAccess, Name: "permissions/dev/a:*:*~rw"},
		"/zensus/access/tokens/ci":                         {Kind: KindAccess, Name: "tokens/ci"},
		"/zensus/access/users":                             {},
		"/zensus/locks/x":                                  {},
		"/zensus/audit/x":                                  {},
		"/zensus":                                          {},
		"/app":                                             {Kind: KindZnode, Name: "/app"},
	} {
		got, ok := targetAt(path)
		require.Equal(t, want, got, path)
		require.Equal(t, want != Target{}, ok, path)
	}
}

// contact is a client that may be out of it.
type contact struct {
	core.Client
	there bool
}

func (c *contact) Connected() bool { return c.there }

// Pictures were not marked stale without a quorum: nobody could ask for it through the
// client that records.
func TestTheClientTellsOfItsContact(t *testing.T) {
	under := &contact{}
	c, ok := new(Log).Client(under).(interface{ Connected() bool })
	require.True(t, ok)
	require.False(t, c.Connected())
	under.there = true
	require.True(t, c.Connected())
}

func TestATransactionIsAboutOneThing(t *testing.T) {
	item, gray := "/zensus/config/d/G/a", "/zensus/config/d/G/a/gray-x"
	// A user, and what was granted to an earlier one of that name.
	tom, grant := "/zensus/access/users/tom", "/zensus/access/roles/ops/tom"
	got, verb, _ := targetOf([]core.Op{core.CreateOp{Path: tom}, core.DeleteOp{Path: grant}}, false)
	require.Equal(t, []string{Create, "users/tom"}, []string{verb, got.Name})
	got, verb, _ = targetOf([]core.Op{core.DeleteOp{Path: tom}, core.DeleteOp{Path: grant}}, false)
	require.Equal(t, []string{Delete, "users/tom"}, []string{verb, got.Name})
	for what, c := range map[string]struct {
		ops    []core.Op
		verb   string
		detail string
	}{
		"a publish":              {[]core.Op{core.CreateOp{Path: "/zensus/history/d/G/a/1"}, core.SetOp{Path: item}, core.CheckOp{Path: item}}, Update, ""},
		"a gray version":         {[]core.Op{core.CreateOp{Path: gray}}, Create, "gray-x"},
		"its promotion":          {[]core.Op{core.SetOp{Path: item}, core.DeleteOp{Path: gray}}, Update, "gray-x"},
		"its promotion, turned":  {[]core.Op{core.DeleteOp{Path: gray}, core.SetOp{Path: item}}, Update, "gray-x"},
		"a removal with grays":   {[]core.Op{core.DeleteOp{Path: gray}, core.DeleteOp{Path: item}}, Delete, ""},
		"a publish under quota":  {[]core.Op{core.SetOp{Path: item}, core.SetOp{Path: "/zensus/quotas/all"}}, Update, ""},
		"history and place only": {[]core.Op{core.SetOp{Path: "/zensus/history/d/G/a"}, core.CreateOp{Path: "/zensus/config/d/G"}}, "", ""},
	} {
		got, verb, ok := targetOf(c.ops, false)
		require.Equal(t, c.verb, verb, what)
		require.Equal(t, c.verb != "", ok, what)
		require.Equal(t, c.detail, got.Detail, what)
		require.NotEqual(t, KindQuota, got.Kind, what)
	}
}

func TestAFloodOfRefusalsLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, coretest.NewFake(), some)
		for range 10_000 {
			ctx, act := l.Begin(context.Background(), Record{Action: "flood"})
			act.End(ctx, Denied, auth.ErrUnauthenticated.Error())
		}
		time.Sleep(time.Second)
		require.Len(t, all(t, l, Filter{Action: "flood"}), refusedBurst)
		ctx, act := l.Begin(context.Background(), Record{Action: "later"})
		act.End(ctx, Denied, auth.ErrForbidden.Error())
		time.Sleep(time.Second)
		found := all(t, l, Filter{Action: "later"})
		require.Len(t, found, 1)
		require.EqualValues(t, 10_000-refusedBurst, found[0].Omitted)
	})
}

func TestRefusalsThatCannotBeRecordedDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: time.Minute})
		require.NoError(t, err)
		require.NoError(t, client.Close()) // nothing can be written
		registry := prometheus.NewRegistry()
		l, err := New(Config{Client: client, Limits: some, Log: slog.New(slog.NewTextHandler(&out, nil)), Registerer: registry})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); l.write(ctx) }()
		for range 60 * refusedPerSecond {
			l.refused(Record{User: "tom", Result: Failed})
			time.Sleep(time.Second / refusedPerSecond)
		}
		cancel()
		<-done
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Len(t, lines, 6, "one in ten seconds")
		require.Contains(t, lines[1], "more=49", "and how many there were")
		families, err := registry.Gather()
		require.NoError(t, err)
		require.Equal(t, "zensus_audit_lost_total", families[0].GetName())
		require.EqualValues(t, 300, families[0].GetMetric()[0].GetCounter().GetValue(), "each is counted")
	})
}

func TestRecordsArePackedAndTrimmedAndStayInOrder(t *testing.T) {
	engine := coretest.NewFake()
	l := open(t, engine, Limits{Records: 1500, Age: time.Hour})
	c := l.Client(l.cfg.Client)
	_, _, err := l.cfg.Client.Create(t.Context(), "/zensus/namespaces", nil, core.CreateOptions{})
	require.NoError(t, err)
	const acts = 2000
	for n := range acts {
		ctx, _ := l.Begin(t.Context(), Record{Action: "x", Via: "http"})
		_, _, err := c.Create(ctx, fmt.Sprintf("/zensus/namespaces/%d", n), nil, core.CreateOptions{})
		require.NoError(t, err)
	}
	other := open(t, engine, Limits{Records: 1500, Age: time.Hour}) // which tidies as well
	var tidied sync.WaitGroup
	for _, x := range []*Log{l, other} {
		tidied.Go(func() {
			for range 50 {
				if err := x.tidyOnce(context.Background()); err == nil {
					return
				}
			}
			t.Error("not tidied")
		})
	}
	tidied.Wait()
	places, err := l.places(t.Context())
	require.NoError(t, err)
	require.Less(t, len(places), 600)
	for page := 1; page <= 3; page++ {
		p, err := other.Query(t.Context(), Filter{}, page, 100)
		require.NoError(t, err)
		require.LessOrEqual(t, p.Total, 1500)
		require.Greater(t, p.Total, 1500-2*packSize)
		for i, r := range p.Records {
			require.Equal(t, fmt.Sprint(acts-1-(page-1)*100-i), r.Name)
		}
	}
	// And by age.
	left, err := l.trim(t.Context(), places, time.Now().Add(2*time.Hour))
	require.NoError(t, err)
	require.Empty(t, left)
	require.Empty(t, all(t, l, Filter{}))
}

func TestWithoutAnAuditNothingIsWrittenAndNobodyWaits(t *testing.T) {
	l := open(t, coretest.NewFake(), Limits{})
	ctx, act := l.Begin(t.Context(), Record{Action: "x"})
	_, _, err := l.Client(l.cfg.Client).Create(ctx, "/a", nil, core.CreateOptions{})
	require.NoError(t, err)
	act.End(ctx, OK, "")
	_, err = l.Query(t.Context(), Filter{}, 1, 1)
	require.ErrorIs(t, err, ErrOff)
	_, err = l.cfg.Client.Exists(t.Context(), Root)
	require.ErrorIs(t, err, core.NoNode)
}

func TestAWriteDoesNotFailForItsRecord(t *testing.T) {
	l := open(t, coretest.NewFake(), some)
	require.NoError(t, errOf(l.cfg.Client.Delete(t.Context(), Root, core.AnyVersion)))
	ctx, _ := l.Begin(t.Context(), Record{Action: "x"})
	actual, _, err := l.Client(l.cfg.Client).Create(ctx, "/a", nil, core.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, "/a", actual)
}

func errOf(_ core.Zxid, err error) error { return err }

func TestFilters(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	r := Record{Time: now.UnixMilli(), User: "tom", Action: "POST /nacos/v3/admin/cs/config", Result: OK, Target: Target{Kind: KindConfig, Namespace: "dev", Group: "G", Name: "app.yaml"}}
	for what, c := range map[string]struct {
		f    Filter
		want bool
	}{
		"nothing asked":     {Filter{}, true},
		"all of it":         {Filter{User: "tom", Action: "POST*config", Namespace: "dev", Group: "G", Name: "*.yaml", Kind: KindConfig, Result: OK, From: now, To: now.Add(1e6)}, true},
		"another user":      {Filter{User: "to"}, false},
		"another namespace": {Filter{Namespace: "public"}, false},
		"another kind":      {Filter{Kind: KindNaming}, false},
		"another result":    {Filter{Result: Denied}, false},
		"before":            {Filter{From: now.Add(time.Millisecond)}, false},
		"after":             {Filter{To: now}, false},
	} {
		require.Equal(t, c.want, c.f.Matches(&r), what)
	}
}

// A misspelt type found nothing, as if nobody had done anything.
func TestAFilterThatNothingCanMatchIsRefused(t *testing.T) {
	l := open(t, coretest.NewFake(), some)
	now := time.Now()
	for text, f := range map[string]Filter{
		`type is "configs", which is none of config, naming, namespace, quota, access, switches, cluster, znode`: {Kind: "configs"},
		`result is "OK", which is none of ok, denied, refused, failed`:                                           {Result: "OK"},
		"endTime is before startTime": {From: now, To: now.Add(-time.Second)},
	} {
		_, err := l.Query(t.Context(), f, 1, 1)
		require.EqualError(t, err, text)
	}
	for _, kind := range everyKind {
		require.NoError(t, (&Filter{Kind: kind}).Validate(), kind)
	}
	for _, result := range everyResult {
		require.NoError(t, (&Filter{Result: result, From: now}).Validate(), result)
	}
}

func TestLongTextsAreClipped(t *testing.T) {
	long := strings.Repeat("é", 2000)
	r := Record{User: long, From: long, Action: long, Text: long, Target: Target{Namespace: long, Group: long, Name: long, Detail: "\xff"}}.clipped()
	value, err := encode([]Record{r}, formatPlain)
	require.NoError(t, err)
	require.Less(t, len(value), 8<<10)
	back, err := decode(value)
	require.NoError(t, err)
	require.Equal(t, []Record{r}, back)
	require.True(t, utf8.ValidString(r.User))
}

func FuzzDecode(f *testing.F) {
	for _, format := range []byte{formatPlain, formatPacked} {
		value, err := encode([]Record{{Time: 1, User: "tom", Result: OK}}, format)
		require.NoError(f, err)
		f.Add(value)
	}
	f.Add([]byte{formatPacked})
	f.Fuzz(func(t *testing.T, value []byte) {
		records, err := decode(value)
		if err != nil {
			return
		}
		again, err := encode(records, formatPacked)
		require.NoError(t, err)
		if len(again) < valueBytesMax {
			_, _ = decode(again) // may have grown past the bound
		}
	})
}

func FuzzPlace(f *testing.F) {
	f.Add("e019acc0e8f60-1a2b3c4d-1")
	f.Add("p019acc0e8f60-019acc0e8f99-256-1a2b3c4d-9")
	f.Fuzz(func(t *testing.T, name string) {
		if p, ok := parsePlace(name); ok {
			require.Positive(t, p.records)
			require.Equal(t, name, p.name)
		}
	})
}

// A batch of what one stranger asked for must not be more than can be written.
func TestABatchOfTheLongestRecordsCanBeWrittenAndPacked(t *testing.T) {
	for _, c := range []string{"\x01", "<", "&", "\u2028", "\xff", "\"", "\x7f", "x", "\U0001F600"} {
		long := strings.Repeat(c, 4096)
		r := Record{
			Time: 1 << 60, User: long, From: long, Remote: long, Via: "http", Action: long, Verb: Update, Result: Refused, Text: long, Omitted: 1 << 60,
			Target: Target{Kind: KindNamespace, Namespace: long, Group: long, Name: long, Detail: long},
		}.clipped()
		records := make([]Record, batchMax)
		for i := range records {
			records[i] = r
		}
		value, err := encode(records, formatPlain)
		require.NoError(t, err)
		require.Less(t, len(value), valueBytesMax, "%q", c)
		require.Equal(t, c != "\xff", len(r.Name) > 100, "%q", c) // many that are none become one
		packed, err := encode(records, formatPacked)
		require.NoError(t, err)
		got, err := decode(packed)
		require.NoError(t, err)
		require.Equal(t, records, got)
	}
}

func TestWhatIsTooLargeToPackStaysAsItIs(t *testing.T) {
	engine := coretest.NewFake()
	l := open(t, engine, Limits{Records: 100_000})
	value, err := encode([]Record{{User: "ann", Text: strings.Repeat("x", valueBytesMax)}}, formatPlain)
	require.NoError(t, err)
	_, _, err = l.cfg.Client.Create(t.Context(), core.JoinPath(Root, l.name()), value, core.CreateOptions{})
	require.NoError(t, err)
	places, err := l.places(t.Context())
	require.NoError(t, err)
	n, err := l.pack(t.Context(), places)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Len(t, all(t, l, Filter{User: "ann"}), 1)
}
