package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/console"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
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
