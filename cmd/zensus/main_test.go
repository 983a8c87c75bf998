package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.Cleanup()
	os.Exit(code)
}

func TestACommandThatDoesNotExistFails(t *testing.T) {
	for _, args := range [][]string{{"bogus"}, {"cluster", "bogus"}, {"cluster", "--timeout", "1s", "transfer", "2"}, {"data", "bogus"}, {"user", "bogus"}, {"bench", "bogus"}} {
		root := rootCommand()
		root.SetArgs(args)
		root.SetOut(io.Discard)
		require.ErrorContains(t, root.Execute(), "unknown command", "%q", args)
	}
	root := rootCommand()
	root.SetArgs([]string{"cluster"})
	var out strings.Builder
	root.SetOut(&out)
	require.NoError(t, root.Execute())
	require.Contains(t, out.String(), "transfer-leader")
}
