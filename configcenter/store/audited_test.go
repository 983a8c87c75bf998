package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/audit"
)

func TestWhatIsOnRecordOfAPublishIsWhatItDid(t *testing.T) {
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{ACL: core.NodeACL()})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.Create(t.Context(), "/zensus", nil, core.CreateOptions{}); err != nil && !errors.Is(err, core.NodeExists) {
		t.Fatal(err)
	}
	log, err := audit.New(audit.Config{Client: client, Limits: audit.Limits{Records: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = log.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-log.Ready()
	lost := &meddler{Client: log.Client(client)}
	s := New(lost, configcenter.DefaultLimits(), func() int64 { return time.Now().UnixMilli() })
	s.Mark(Marks{OfParts: audit.OfParts, Creating: audit.Creating})
	if err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	large := noise(2 * ChunkBytes)
	publish := func(dataID, content string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.Publish(ctx, &configcenter.Publish{Key: configcenter.MakeKey("dev", "g", dataID), Content: content})
			return err
		}
	}
	gray := func(ctx context.Context) error {
		_, err := s.PublishGray(ctx, &configcenter.GrayPublish{
			Publish: configcenter.Publish{Key: configcenter.MakeKey("dev", "g", "gray"), Content: large}, Name: "beta",
			Rule: configcenter.TagRule("blue"),
		})
		return err
	}
	for _, c := range []struct {
		name string
		do   func(context.Context) error
		want []string // verb, name and detail
	}{
		{"a first large one", publish("large", large), []string{"create large "}},
		{"the next", publish("large", large+"x"), []string{"update large "}},
		{"a small one", publish("small", "x"), []string{"create small "}},
		{"a first large one that fails", func(ctx context.Context) error {
			lost.fail = core.BadArguments
			defer func() { lost.fail = nil }()
			if publish("failed", large)(ctx) == nil {
				return errors.New("it did not fail")
			}
			return nil
		}, nil},
		{"a large gray version without a config", gray, []string{"create gray gray-beta"}},
		{"and away", func(ctx context.Context) error {
			_, err := s.RemoveGray(ctx, configcenter.MakeKey("dev", "g", "gray"), "beta", configcenter.Origin{})
			return err
		}, []string{"delete gray gray-beta"}},
		{"a config goes with its gray versions", func(ctx context.Context) error {
			_, err := s.Remove(ctx, &configcenter.Remove{Key: configcenter.MakeKey("dev", "g", "large")})
			return err
		}, []string{"delete large "}},
	} {
		before, err := log.Query(t.Context(), audit.Filter{}, 1, audit.PageSizeMax)
		if err != nil {
			t.Fatal(err)
		}
		acting, _ := log.Begin(t.Context(), audit.Record{Action: "x"})
		if err := c.do(acting); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		after, err := log.Query(t.Context(), audit.Filter{}, 1, audit.PageSizeMax)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range after.Records[:len(after.Records)-len(before.Records)] {
			got = append(got, r.Verb+" "+r.Name+" "+r.Detail)
		}
		if len(got) != len(c.want) || len(got) == 1 && got[0] != c.want[0] {
			t.Errorf("%s: on record is %q, want %q", c.name, got, c.want)
		}
	}
}
