package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

func publishGray(t *testing.T, s *Store, name, content string) GrayResult {
	t.Helper()
	r, err := s.PublishGray(t.Context(), &configcenter.GrayPublish{
		Name: name, Rule: configcenter.TagRule("blue"),
		Publish: configcenter.Publish{Key: key, Content: content, Origin: configcenter.Origin{User: "u"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// below are the znodes of the config, pieces left out.
func below(t *testing.T, client core.Client) (names []string, pieces int) {
	t.Helper()
	children, _, err := client.Children(t.Context(), ItemPath(key))
	if errors.Is(err, core.NoNode) {
		return nil, 0
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range children {
		if isChunk(child) {
			pieces++
		} else {
			names = append(names, child)
		}
	}
	return names, pieces
}

func TestAGrayVersionIsThereAndGoesAgain(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "in pieces": 2*ChunkBytes + 1} {
		t.Run(name, func(t *testing.T) {
			s, client, _ := newStore(t, configcenter.DefaultLimits())
			for _, formal := range []bool{false, true} {
				if formal {
					publish(t, s, noise(ChunkBytes+5))
				}
				_, before := below(t, client)
				for _, content := range []string{strings.Repeat("a", size), strings.Repeat("b", size)} {
					r := publishGray(t, s, "tag_blue", content)
					g, err := s.Gray(t.Context(), key, "tag_blue")
					if err != nil || g.Item.Content != content || g.Rule != configcenter.TagRule("blue") || g.Item.Revision != r.Zxid {
						t.Fatalf("%+v, %v", g, err)
					}
				}
				if it, err := s.Get(t.Context(), key); formal != (err == nil) || formal && len(it.Content) != ChunkBytes+5 {
					t.Fatalf("the config itself: %v", err)
				}
				r, err := s.RemoveGray(t.Context(), key, "tag_blue", configcenter.Origin{User: "u"})
				if err != nil || r.Gray == nil {
					t.Fatalf("remove: %+v, %v", r, err)
				}
				if names, pieces := below(t, client); len(names) != 0 || pieces != before {
					t.Fatalf("it left %v and %d pieces", names, pieces-before)
				}
				if _, err := client.Exists(t.Context(), ItemPath(key)); formal == errors.Is(err, core.NoNode) {
					t.Fatalf("formal %v, and its place: %v", formal, err)
				}
			}
			if r, err := s.RemoveGray(t.Context(), key, "tag_blue", configcenter.Origin{}); err != nil || r.Gray != nil {
				t.Fatalf("again: %+v, %v", r, err)
			}
		})
	}
}

func TestGrayVersionsGoWithTheirConfig(t *testing.T) {
	s, client, _ := newStore(t, configcenter.DefaultLimits())
	publish(t, s, "formal")
	publishGray(t, s, "tag_blue", noise(2*ChunkBytes))
	publishGray(t, s, "beta", "small")
	remove(t, s)
	if _, err := client.Exists(t.Context(), ItemPath(key)); !errors.Is(err, core.NoNode) {
		t.Fatalf("still there: %v", err)
	}
	// Each is told of, the config last, and what it was.
	entries, total, err := s.History(t.Context(), key, 0, 9)
	if err != nil || total != 6 {
		t.Fatalf("%d changes, %v", total, err)
	}
	want := map[string]string{"tag_blue": noise(2 * ChunkBytes), "beta": "small", "": "formal"}
	for i, e := range entries[:3] {
		v, err := s.Version(t.Context(), key, e.Seq)
		if err != nil || v.Op != configcenter.Deleted || v.Zxid != entries[0].Zxid || (i == 0) != (v.Gray == "") {
			t.Fatalf("%d: %+v, %v", i, e, err)
		}
		if v.Before == nil || v.Before.Content != want[v.Gray] {
			t.Errorf("%q was something else", v.Gray)
		}
		delete(want, v.Gray)
	}
	if len(want) > 0 {
		t.Errorf("of %d nothing is told", len(want))
	}
}

func TestTheHistoryTellsGrayVersionsApart(t *testing.T) {
	s, _, _ := newStore(t, configcenter.DefaultLimits())
	publish(t, s, "one")
	publishGray(t, s, "tag_blue", "gray one")
	publish(t, s, "two")
	publishGray(t, s, "tag_blue", "gray two")
	if _, err := s.RemoveGray(t.Context(), key, "tag_blue", configcenter.Origin{User: "u"}); err != nil {
		t.Fatal(err)
	}
	want := []struct {
		op           configcenter.ChangeOp
		gray, before string
	}{
		{configcenter.Inserted, "", ""},
		{configcenter.Inserted, "tag_blue", ""},
		{configcenter.Updated, "", "one"},
		{configcenter.Updated, "tag_blue", "gray one"},
		{configcenter.Deleted, "tag_blue", "gray two"},
	}
	for i, c := range want {
		v, err := s.Version(t.Context(), key, uint64(i+1))
		if err != nil || v.Op != c.op || v.Gray != c.gray || (v.Before == nil) != (c.before == "") || v.Before != nil && v.Before.Content != c.before {
			t.Errorf("%d: %+v, %v", i+1, v, err)
		}
		if c.gray != "" && v.Rule != configcenter.TagRule("blue") {
			t.Errorf("%d: the rule is %+v", i+1, v.Rule)
		}
	}
}

func TestAGrayVersionIsPromoted(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "in pieces": ChunkBytes + 1} {
		t.Run(name, func(t *testing.T) {
			s, client, _ := newStore(t, configcenter.DefaultLimits())
			for i, formal := range []bool{false, true} {
				content := noise(size + i)
				publishGray(t, s, "tag_blue", content)
				r, err := s.Promote(t.Context(), key, "tag_blue", configcenter.Origin{User: "boss"})
				if err != nil || r.Created == formal || r.Item.Content != content || r.Item.ChangedBy.User != "boss" {
					t.Fatalf("%+v, %v", r, err)
				}
				if it, err := s.Get(t.Context(), key); err != nil || it.Content != content || it.Revision != r.Zxid {
					t.Fatalf("the config: %v", err)
				}
				if names, pieces := below(t, client); len(names) != 0 || pieces != len(split(content, ChunkBytes)) {
					t.Fatalf("there are %v and %d pieces", names, pieces)
				}
			}
			entries, _, err := s.History(t.Context(), key, 0, 9)
			said := ""
			for _, e := range entries {
				said += e.Op.String() + e.Gray + " "
			}
			if err != nil || said != "Dtag_blue U Itag_blue Dtag_blue I Itag_blue " {
				t.Errorf("the history says %q, %v", said, err)
			}
			if _, err := s.Promote(t.Context(), key, "tag_blue", configcenter.Origin{}); !errors.Is(err, configcenter.ErrNotFound) {
				t.Errorf("again: %v", err)
			}
		})
	}
}

func TestGrayVersionsAreBounded(t *testing.T) {
	s, _, _ := newStore(t, configcenter.DefaultLimits())
	for i := range configcenter.GraysMax {
		publishGray(t, s, fmt.Sprint("g", i), "x")
	}
	p := &configcenter.GrayPublish{Name: "one-more", Rule: configcenter.BetaRule("10.0.0.1"), Publish: configcenter.Publish{Key: key, Content: "x"}}
	if _, err := s.PublishGray(t.Context(), p); !errors.Is(err, configcenter.ErrTooManyGrays) {
		t.Errorf("one more: %v", err)
	}
	publishGray(t, s, "g3", "another content")
	p.Name, p.CASMD5 = "g3", "not that"
	if _, err := s.PublishGray(t.Context(), p); !errors.Is(err, configcenter.ErrCASMismatch) {
		t.Errorf("compared: %v", err)
	}
	if p.Name = "a/b"; !errors.Is(p.Validate(configcenter.DefaultLimits()), configcenter.ErrInvalid) {
		t.Error("a name that is a path")
	}
	if _, err := s.RemoveGray(t.Context(), key, "../x", configcenter.Origin{}); !errors.Is(err, configcenter.ErrInvalid) {
		t.Errorf("a name that is a path: %v", err)
	}
}

// Whoever publishes at the same time, the config itself or gray versions of it, large and
// small: nothing is lost, and no piece is left behind.
func TestGrayAndFormalAtOnce(t *testing.T) {
	s, client, _ := newStore(t, configcenter.DefaultLimits())
	var wg sync.WaitGroup
	for who := range 4 {
		wg.Go(func() {
			for i := range 8 {
				content := noise(10 + (i%2)*ChunkBytes + who)
				var err error
				if who == 0 {
					_, err = s.Publish(t.Context(), &configcenter.Publish{Key: key, Content: content})
				} else {
					_, err = s.PublishGray(t.Context(), &configcenter.GrayPublish{
						Name: fmt.Sprint("g", who), Rule: configcenter.TagRule("t"), Publish: configcenter.Publish{Key: key, Content: content},
					})
				}
				if err != nil && !errors.Is(err, configcenter.ErrContended) {
					t.Errorf("%d: %v", who, err)
				}
			}
		})
	}
	wg.Wait()
	for who := 1; who < 4; who++ {
		publishGray(t, s, fmt.Sprint("g", who), "small")
	}
	publish(t, s, "small")
	if names, pieces := below(t, client); len(names) != 3 || pieces != 0 {
		t.Errorf("there are %v and %d pieces", names, pieces)
	}
}

func TestTheSweepSparesGrayVersions(t *testing.T) {
	s, client, c := newStore(t, configcenter.DefaultLimits())
	publishGray(t, s, "beta", noise(2*ChunkBytes))
	if _, err := s.stage(t.Context(), ItemPath(key), []string{"of one who died"}); err != nil {
		t.Fatal(err)
	}
	_, all := below(t, client)
	c.now = time.Now().UnixMilli() + 2*remnantAge
	for range 2 {
		if err := s.Sweep(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if g, err := s.Gray(t.Context(), key, "beta"); err != nil || len(g.Item.Content) != 2*ChunkBytes {
		t.Errorf("it took the gray version: %v", err)
	}
	if _, pieces := below(t, client); pieces != all-1 {
		t.Errorf("%d pieces of %d", pieces, all)
	}
}
