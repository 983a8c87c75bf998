package testkit

import (
	"context"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/pool"
	"github.com/zensus-io/zensus/core/zkclient"
)

// Engines makes the engines of tests that are about none in particular: a
// coretest.Fake each, but while they run on an Apache ZooKeeper. The tests of a
// package share one value; those that run by it are not parallel.
type Engines struct{ onApache bool }

// New is an engine that nobody else uses.
func (e *Engines) New(t testing.TB) coretest.Nodes {
	if e.onApache {
		return OnApache(t)
	}
	return coretest.NewFake()
}

// RunOnApache runs tests once more, on places of their own on an Apache ZooKeeper.
func (e *Engines) RunOnApache(t *testing.T, tests ...func(t *testing.T)) {
	e.onApache = true
	defer func() { e.onApache = false }()
	for _, test := range tests {
		name := runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
		t.Run(name[strings.LastIndexByte(name, '.')+1:], test)
	}
}

// OnApache is a fresh place on an Apache ZooKeeper, for nodes that have it as their
// backend. Where there is none the test skips. The package's TestMain must call Cleanup.
func OnApache(t testing.TB) coretest.Nodes { return NewApacheNodes(t) }

// ApacheNodes is a place on an Apache ZooKeeper, as seen by some of the nodes there.
type ApacheNodes struct {
	Addr    string // of the server, or of what stands in between
	Timeout time.Duration

	chroot string
}

// NewApacheNodes is OnApache for tests that come in between.
func NewApacheNodes(t testing.TB) ApacheNodes {
	t.Helper()
	addr, chroot, _ := strings.Cut(strings.TrimPrefix(apacheBackend(t), "zookeeper://"), "/")
	return ApacheNodes{Addr: addr, Timeout: pool.TimeoutDefault, chroot: "/" + chroot}
}

// Node runs a Pool until the test ends.
func (a ApacheNodes) Node(t testing.TB) (core.Client, core.Sessions) {
	t.Helper()
	p, err := pool.New(pool.Config{
		Servers: []string{a.Addr}, Chroot: a.chroot, Root: "/zensus", Timeout: a.Timeout,
		Auth: zkclient.Auth{Scheme: "digest", Auth: []byte("zensus:a secret of the tests")},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	failed := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { failed <- p.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	select {
	case <-p.Ready():
	case err := <-failed:
		t.Fatal(err)
	case <-time.After(startTime):
		t.Fatal("testkit: the ZooKeeper is not reached")
	}
	return p.Client(), p
}
