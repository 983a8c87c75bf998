package center_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/core/coretest"
)

func TestAConfigGoesBackToAnyVersion(t *testing.T) { onEngines(t, aConfigGoesBackToAnyVersion) }

func aConfigGoesBackToAnyVersion(t *testing.T, engine opener) {
	c := start(t, engine, configcenter.Limits{})
	k := key("back.yaml")
	for i, content := range []string{"a: 1\n", "a: 1\nb: 2\n", strings.Repeat("c: 3 # long\n", 1) + strings.Repeat("#", 600<<10)} {
		_, err := c.Publish(t.Context(), &configcenter.Publish{
			Key: k, Content: content, Attributes: configcenter.Attributes{Type: "yaml", Desc: strings.Repeat("d", i)}, Origin: configcenter.Origin{User: "ann"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Remove(t.Context(), &configcenter.Remove{Key: k}); err != nil {
		t.Fatal(err)
	}
	by := configcenter.Origin{User: "bob", IP: "10.0.0.1"}
	for _, seq := range []uint64{2, 3, 5} { // 5 is the way back to 2
		it, err := c.Rollback(t.Context(), &center.Rollback{Key: k, Seq: seq, Origin: by})
		if err != nil {
			t.Fatalf("to %d: %v", seq, err)
		}
		was, err := c.Version(t.Context(), k, seq)
		if err != nil || it.Content != was.Content || it.Attributes != was.Attributes {
			t.Errorf("to %d: %.20q %+v, want %.20q %+v, %v", seq, it.Content, it.Attributes, was.Content, was.Attributes, err)
		}
		entries, _, err := c.History(t.Context(), k, 0, 1)
		if err != nil || entries[0].Restored != seq || entries[0].Origin != by {
			t.Errorf("the history of the way to %d: %+v, %v", seq, entries, err)
		}
	}
	if now, err := c.Get(t.Context(), k); err != nil || now.Content != "a: 1\nb: 2\n" || now.Desc != "d" {
		t.Errorf("now: %+v, %v", now, err)
	}
	if _, err := c.Rollback(t.Context(), &center.Rollback{Key: k, Seq: 1, Origin: by, CASMD5: "0"}); !errors.Is(err, configcenter.ErrCASMismatch) {
		t.Errorf("with another md5: %v", err)
	}
	if _, err := c.Rollback(t.Context(), &center.Rollback{Key: k, Seq: 4, Origin: by}); !errors.Is(err, configcenter.ErrInvalid) {
		t.Errorf("to a deletion: %v", err)
	}
	if _, err := c.Rollback(t.Context(), &center.Rollback{Key: k, Seq: 99, Origin: by}); !errors.Is(err, configcenter.ErrNotFound) {
		t.Errorf("to a version that there is not: %v", err)
	}
	if entries, _, err := c.History(t.Context(), k, 0, 1); err != nil || entries[0].Seq != 7 {
		t.Errorf("refusals left traces: %+v, %v", entries, err)
	}
}

func TestAGrayVersionGoesBackToo(t *testing.T) {
	c := start(t, coretest.NewFake(), configcenter.Limits{})
	k := key("gray")
	publish(t, c, "gray", "formal")
	for _, content := range []string{"one", "two"} {
		if _, err := c.PublishGray(t.Context(), &configcenter.GrayPublish{
			Name: "some", Rule: configcenter.TagRule(content), Publish: configcenter.Publish{Key: k, Content: content},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Rollback(t.Context(), &center.Rollback{Key: k, Seq: 2}); err != nil {
		t.Fatal(err)
	}
	cfg, err := c.Config(t.Context(), k)
	if err != nil || cfg.Formal.Content != "formal" || len(cfg.Grays) != 1 || cfg.Grays[0].Item.Content != "one" || cfg.Grays[0].Rule != configcenter.TagRule("one") {
		t.Errorf("got %+v, %v", cfg, err)
	}
	if v, err := c.Version(t.Context(), k, 4); err != nil || v.Restored != 2 || v.Gray != "some" {
		t.Errorf("history: %+v, %v", v, err)
	}
}

// Somebody who went back to an entry of the history sent a part of his clients to a
// version that had been withdrawn long ago.
func TestAGrayVersionThatIsGoneComesBackOnlyByItsName(t *testing.T) {
	c := start(t, coretest.NewFake(), configcenter.Limits{})
	k := key("gray")
	publish(t, c, "gray", "formal")
	if _, err := c.PublishGray(t.Context(), &configcenter.GrayPublish{
		Name: "some", Rule: configcenter.TagRule("t"), Publish: configcenter.Publish{Key: k, Content: "one"},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Promote(t.Context(), k, "some", configcenter.Origin{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Rollback(t.Context(), &center.Rollback{Key: k, Seq: 2}); !errors.Is(err, configcenter.ErrGrayGone) || !strings.Contains(err.Error(), "some") {
		t.Errorf("not named: %v", err)
	}
	for seq, name := range map[uint64]string{1: "some", 2: "other"} {
		if _, err := c.Rollback(t.Context(), &center.Rollback{Key: k, Seq: seq, Gray: name}); !errors.Is(err, configcenter.ErrInvalid) {
			t.Errorf("%d as %s: %v", seq, name, err)
		}
	}
	if cfg, err := c.Config(t.Context(), k); err != nil || len(cfg.Grays) != 0 {
		t.Errorf("refused, and there: %+v, %v", cfg, err)
	}
	if _, err := c.Rollback(t.Context(), &center.Rollback{Key: k, Seq: 2, Gray: "some"}); err != nil {
		t.Errorf("named: %v", err)
	}
	if cfg, err := c.Config(t.Context(), k); err != nil || len(cfg.Grays) != 1 || cfg.Grays[0].Item.Content != "one" {
		t.Errorf("named: %+v, %v", cfg, err)
	}
}

func TestTheNewestOfAVersionIsNotThatOfAnother(t *testing.T) {
	c := start(t, coretest.NewFake(), configcenter.Limits{})
	k := key("gray")
	publish(t, c, "gray", "formal")
	publish(t, c, "gray", "formal too")
	for i := range 40 { // more than are read at once
		if _, err := c.PublishGray(t.Context(), &configcenter.GrayPublish{
			Name: "some", Rule: configcenter.TagRule("t"), Publish: configcenter.Publish{Key: k, Content: strings.Repeat("x", i+1)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, c, "gray", "formal three")
	for i := range 40 {
		name := "other"
		if _, err := c.PublishGray(t.Context(), &configcenter.GrayPublish{
			Name: name, Rule: configcenter.TagRule("u"), Publish: configcenter.Publish{Key: k, Content: strings.Repeat("y", i+1)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[uint64]uint64{1: 43, 2: 43, 3: 42, 42: 42, 44: 83} {
		d, err := c.Diff(t.Context(), k, from, 0)
		if err != nil || d.To.Seq != to || d.To.Gray != d.From.Gray {
			t.Errorf("from %d: to %d of %q, %v; want %d", from, d.To.Seq, d.To.Gray, err, to)
		}
	}
}

func TestTwoVersionsAreCompared(t *testing.T) {
	c := start(t, coretest.NewFake(), configcenter.Limits{})
	k := key("a.yaml")
	publish(t, c, "a.yaml", "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\n")
	publish(t, c, "a.yaml", "a: 1\nb: 2\nc: 3\nd: 4\ne: 6\nf: 6")
	publish(t, c, "a.yaml", "x")
	if _, err := c.Remove(t.Context(), &configcenter.Remove{Key: k}); err != nil {
		t.Fatal(err)
	}
	for _, d := range []struct {
		from, to uint64
		want     string
	}{
		{1, 2, "--- a.yaml@1\n+++ a.yaml@2\n@@ -2,5 +2,5 @@\n b: 2\n c: 3\n d: 4\n-e: 5\n-f: 6\n+e: 6\n+f: 6\n\\ No newline at end of file\n"},
		{3, 4, "--- a.yaml@3\n+++ a.yaml@4\n@@ -1 +0,0 @@\n-x\n\\ No newline at end of file\n"},
		{2, 2, ""},
	} {
		got, err := c.Diff(t.Context(), k, d.from, d.to)
		if err != nil || got.Unified != d.want || got.From.Seq != d.from || got.To.Seq != d.to {
			t.Errorf("from %d to %d: %v\n%s\nwant\n%s", d.from, d.to, err, got.Unified, d.want)
		}
	}
	if _, err := c.Diff(t.Context(), k, 1, 9); !errors.Is(err, configcenter.ErrNotFound) {
		t.Errorf("a version that there is not: %v", err)
	}
	publish(t, c, "a.yaml", strings.Repeat("x", center.DiffBytesMax+1))
	if _, err := c.Diff(t.Context(), k, 1, 5); !errors.Is(err, configcenter.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}
