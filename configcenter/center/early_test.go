package center_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

// slowToList is a session whose picture is long in coming: when all configs were read it
// closes listed and waits for list, and what has changed is heard of from hear on.
type slowToList struct {
	core.Client
	listed, list, hear chan struct{}
}

func (s slowToList) Watch(ctx context.Context, path string, mode core.WatchMode) (core.Watch, error) {
	w, err := s.Client.Watch(ctx, path, mode)
	return slowToHear{w, s.hear}, err
}

func (s slowToList) Get(ctx context.Context, path string) ([]byte, core.Stat, error) {
	data, st, err := s.Client.Get(ctx, path)
	if strings.HasSuffix(path, "/gray-beta") { // all configs have been read
		close(s.listed)
		<-s.list
	}
	return data, st, err
}

type slowToHear struct {
	core.Watch
	hear chan struct{}
}

func (s slowToHear) Next(ctx context.Context) ([]core.Event, error) {
	<-s.hear // whatever becomes of ctx: what is there is to be given even then
	return s.Watch.Next(ctx)
}

// startSlow starts a center on a config "x" and one "gray", which has a gray version. Its
// picture waits for list, and hears of nothing before hear.
func startSlow(t *testing.T) (c, other *center.Center, listed <-chan struct{}, list, hear func()) {
	t.Helper()
	engine := coretest.NewFake()
	other = start(t, engine, configcenter.Limits{})
	publish(t, other, "x", "1")
	publish(t, other, "gray", "1")
	if _, err := other.PublishGray(t.Context(), &configcenter.GrayPublish{
		Name: configcenter.GrayBeta, Rule: configcenter.BetaRule("10.0.0.1"), Publish: configcenter.Publish{Key: key("gray"), Content: "2"},
	}); err != nil {
		t.Fatal(err)
	}
	session, err := engine.Open(t.Context(), core.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	client := slowToList{session, make(chan struct{}), make(chan struct{}), make(chan struct{})}
	if c, err = center.New(center.Config{Client: client}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	list, hear = sync.OnceFunc(func() { close(client.list) }), sync.OnceFunc(func() { close(client.hear) })
	t.Cleanup(func() { cancel(); list(); hear(); <-done; session.Close() })
	return c, other, client.listed, list, hear
}

func TestAGrayVersionThatWasGoneBeforeThePictureWasThereDoesNotComeBack(t *testing.T) {
	c, other, listed, list, hear := startSlow(t)
	<-listed
	if there, err := other.RemoveGray(t.Context(), key("gray"), configcenter.GrayBeta, configcenter.Origin{}); err != nil || !there {
		t.Fatal(there, err)
	}
	if cfg, err := c.Config(t.Context(), key("gray")); err != nil || len(cfg.Grays) > 0 {
		t.Fatalf("before the picture is there: %+v, %v", cfg, err)
	}
	list()
	<-c.Ready()
	soon, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer end()
	if cfg, err := c.Config(soon, key("gray")); err == nil && len(cfg.Grays) > 0 {
		t.Error("it has its gray version again")
	}
	hear()
	if cfg, err := c.Config(t.Context(), key("gray")); err != nil || len(cfg.Grays) > 0 {
		t.Errorf("with the picture: %+v, %v", cfg, err)
	}
}

func TestWhatWasReadBeforeThePictureWasThereDoesNotGoBack(t *testing.T) {
	c, other, listed, list, hear := startSlow(t)
	if it, err := c.Get(t.Context(), key("x")); err != nil || it.Content != "1" {
		t.Fatalf("before the picture is there: %+v, %v", it, err)
	}
	for _, dataID := range []string{"nothing", "gray"} { // of which one answer of the tree does not say all
		soon, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if cfg, err := c.Config(soon, key(dataID)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %+v, %v", dataID, cfg, err)
		}
		end()
	}
	<-listed
	publish(t, other, "x", "2")
	if cfg, err := c.Config(t.Context(), key("x")); err != nil || cfg.Formal.Content != "2" || len(cfg.Grays) > 0 {
		t.Fatalf("before the picture is there: %+v, %v", cfg, err)
	}
	list()
	<-c.Ready()
	soon, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer end()
	if it, err := c.Get(soon, key("x")); err == nil && it.Content != "2" {
		t.Errorf("it went back to %q", it.Content)
	}
	hear()
	if it, err := c.Get(t.Context(), key("x")); err != nil || it.Content != "2" {
		t.Errorf("with the picture: %+v, %v", it, err)
	}
	if _, err := c.Get(t.Context(), key("nothing")); !errors.Is(err, configcenter.ErrNotFound) {
		t.Errorf("nothing: %v", err)
	}
}
