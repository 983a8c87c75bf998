package server

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/member"
)

// It looked for the server among those of the answer, and died of an index.
func TestChangeOfAServerThatHasJustJoined(t *testing.T) {
	members, err := member.Parse("server.1=a:1:1\nserver.2=a:2:2:observer\nversion=100000002")
	require.NoError(t, err)
	s := &Server{}
	s.SetMembers(members)
	status := &ClusterStatus{Servers: []ClusterServer{{ID: 1}}} // asked for a moment before
	for _, verb := range []string{"promote", "remove"} {
		_, err = s.changeOf(verb, 2, "", status)
		require.ErrorContains(t, err, "have changed meanwhile")
	}
}
