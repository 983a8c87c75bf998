package store

import (
	"context"
	"errors"
	"testing"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// asked counts what a Store asks the engine for.
type asked struct {
	core.Client
	reads, writes int
}

func (a *asked) Exists(ctx context.Context, path string) (core.Stat, error) {
	a.reads++
	return a.Client.Exists(ctx, path)
}

func (a *asked) Get(ctx context.Context, path string) ([]byte, core.Stat, error) {
	a.reads++
	return a.Client.Get(ctx, path)
}

func (a *asked) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	a.writes++
	return a.Client.Multi(ctx, ops...)
}

// picture is what a Store is shown; it comes forward when it is told to.
type picture struct {
	t    *testing.T
	from *Store
	item *configcenter.Item
	stat core.Stat
}

func (p *picture) catchUp() {
	p.t.Helper()
	var err error
	if p.item, p.stat, _, err = p.from.get(p.t.Context(), key); err != nil && !errors.Is(err, configcenter.ErrNotFound) {
		p.t.Fatal(err)
	}
}

func (p *picture) shows(configcenter.Key) (*configcenter.Item, core.Stat) { return p.item, p.stat }

// newShown makes a Store with a picture, and another one of the same tree.
func newShown(t *testing.T, limits configcenter.Limits) (s, other *Store, client *asked, shown *picture, now *clock) {
	t.Helper()
	other, plain, now := newStore(t, limits)
	client, shown = &asked{Client: plain}, &picture{t: t, from: other}
	s = New(client, limits, other.now)
	s.Shows(shown.shows)
	return s, other, client, shown, now
}

func TestWhoPublishesAgainReadsNothing(t *testing.T) {
	s, other, client, shown, now := newShown(t, configcenter.DefaultLimits())
	publish(t, s, "A")
	for _, content := range []string{"B", "C"} {
		shown.catchUp()
		*client = asked{Client: client.Client}
		before := shown.item.MD5
		if _, err := s.Publish(t.Context(), &configcenter.Publish{Key: key, Content: content, CASMD5: before}); err != nil {
			t.Fatal(err)
		}
		if client.reads != 0 || client.writes != 1 {
			t.Errorf("%s took %d reads and %d writes", content, client.reads, client.writes)
		}
	}
	now.now += configcenter.DefaultLimits().HistoryAgeMillis / 2
	shown.catchUp()
	*client = asked{Client: client.Client}
	if publish(t, s, "D"); client.reads == 0 {
		t.Error("a history that may have begun anew was not looked at")
	}
	v, err := other.Version(t.Context(), key, 4)
	if err != nil || v.Content != "D" || v.Before.Content != "C" {
		t.Fatalf("the history says %+v, %v", v, err)
	}
}

func TestWhatAPictureHasNotSeenYetIsNotOverwritten(t *testing.T) {
	for name, between := range map[string]func(t *testing.T, other *Store){
		"published elsewhere": func(t *testing.T, other *Store) { publish(t, other, "X") },
		"removed and made again": func(t *testing.T, other *Store) {
			remove(t, other)
			publish(t, other, "X")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, other, _, shown, _ := newShown(t, configcenter.DefaultLimits())
			r := publish(t, s, "A")
			shown.catchUp()
			between(t, other)
			_, err := s.Publish(t.Context(), &configcenter.Publish{Key: key, Content: "B", CASMD5: r.Item.MD5})
			if !errors.Is(err, configcenter.ErrCASMismatch) {
				t.Fatalf("the picture is behind, and a publish that expects what it shows gives %v", err)
			}
			if _, err := s.Publish(t.Context(), &configcenter.Publish{Key: key, Content: "B", CASMD5: configcenter.Sum("X")}); err != nil {
				t.Fatal("what is there was expected:", err)
			}
			entries, _, err := other.History(t.Context(), key, 0, 1)
			if err != nil || len(entries) != 1 {
				t.Fatal(entries, err)
			}
			v, err := other.Version(t.Context(), key, entries[0].Seq)
			if err != nil || v.Content != "B" || v.Before.Content != "X" {
				t.Fatalf("the history says %+v, %v", v, err)
			}
		})
	}
	t.Run("removed", func(t *testing.T) {
		s, other, _, shown, _ := newShown(t, configcenter.DefaultLimits())
		first := publish(t, s, "A")
		shown.catchUp()
		remove(t, other)
		r, err := s.Publish(t.Context(), &configcenter.Publish{Key: key, Content: "B"})
		if err != nil || !r.Created || r.Item.ID == first.Item.ID {
			t.Fatalf("got %+v, %v", r, err)
		}
	})
	t.Run("a gray version published", func(t *testing.T) {
		s, other, _, shown, _ := newShown(t, configcenter.DefaultLimits())
		publish(t, s, "A")
		shown.catchUp()
		g := &configcenter.GrayPublish{Publish: configcenter.Publish{Key: key, Content: "G"}, Name: configcenter.GrayBeta, Rule: configcenter.BetaRule("10.0.0.1")}
		if _, err := other.PublishGray(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		publish(t, s, "B")
		if _, total, err := other.History(t.Context(), key, 0, 10); err != nil || total != 3 {
			t.Fatal("changes:", total, err)
		}
	})
}

func TestLatestChangesAreBounded(t *testing.T) {
	var l latest
	for i := range latestMax + 100 {
		l.note(configcenter.MakeKey("", "g", seqName(uint64(i))), change{revision: 1})
	}
	if len(l.made) != latestMax {
		t.Errorf("%d are kept", len(l.made))
	}
	l = latest{}
	l.note(key, change{revision: 7, version: 3})
	l.note(key, change{revision: 6, version: 2}) // ended first and was noted last
	if got, _ := l.of(key); got.version != 3 {
		t.Errorf("an older change replaced a newer one: %+v", got)
	}
}

func TestTwoPruneAtOnce(t *testing.T) {
	limits := configcenter.Limits{HistoryEntriesMax: 3, ContentCharsMax: 100, ContentBytesMax: 100}
	s, client, _ := newStore(t, limits)
	for range 10 {
		publish(t, s, "x")
	}
	between := &meddler{Client: client, before: func() {
		if _, err := client.Delete(t.Context(), core.JoinPath(historyPath(key), seqName(2)), core.AnyVersion); err != nil {
			t.Error(err)
		}
	}}
	if _, err := New(between, limits, s.now).Prune(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if seqs, _, err := s.seqs(t.Context(), key); err != nil || len(seqs) != 4 || seqs[0] != 7 {
		t.Fatalf("left: %v, %v", seqs, err)
	}
}
