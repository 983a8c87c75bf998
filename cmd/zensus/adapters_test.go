package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/console"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/auth"
)

func TestTheConsoleIsToldWhatIsWrongWithAContent(t *testing.T) {
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: 30 * time.Second, KeepAlive: true})
	require.NoError(t, err)
	defer client.Close()
	configs, err := center.New(center.Config{Client: client})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- configs.Run(ctx) }()
	defer func() {
		cancel()
		<-done
	}()
	_, err = consoleConfigs{configs}.Publish(ctx, console.Actor{}, console.ConfigPublish{
		Key: console.ConfigKey{Namespace: "public", Group: "g", DataID: "a.json"}, Type: "json", Content: "{\n",
	})
	require.ErrorIs(t, err, console.ErrInvalid)
	require.ErrorContains(t, err, "content is not valid json: line 1, column 2: unexpected end of JSON input")
	require.Zero(t, configs.Len())
}

// A console that was open was signed out by a restart of its server, for good: the page asks
// with its cookie before users are known.
func TestTheConsoleSignsNobodyOutWhileTheServerStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: time.Minute, KeepAlive: true})
		require.NoError(t, err)
		defer client.Close()
		users, err := auth.New(auth.Config{Client: client, Enabled: true, Key: make([]byte, 32)})
		require.NoError(t, err)
		a := consoleAuth{users}
		_, err = a.Verify(t.Context(), "cookie")
		require.ErrorIs(t, err, console.ErrStarting)
		require.NotErrorIs(t, err, console.ErrUnauthenticated)
		_, err = a.HasUsers(t.Context())
		require.ErrorIs(t, err, console.ErrStarting)
		_, err = a.Login(t.Context(), "10.0.0.1", "tom", "secret")
		require.ErrorIs(t, err, console.ErrStarting)
		_, err = a.Bootstrap(t.Context(), "10.0.0.1", "token", "tom", "secret")
		require.ErrorIs(t, err, console.ErrStarting)
	})
}
