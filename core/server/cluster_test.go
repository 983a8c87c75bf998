package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/member"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/quorum"
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

func TestChangesThatAreNotUnderstood(t *testing.T) {
	s := &Server{} // nothing of it is asked
	for _, q := range []struct{ path, want string }{
		{"/cluster/drain?on=maybe", "neither true nor false"},
		{"/cluster/promote", "the id of a server is missing"},
		{"/cluster/remove?id=", "the id of a server is missing"},
		{"/cluster/remove?id=255", "no id from 1 to 254"},
		{"/cluster/transfer?id=x", "no id from 1 to 254"},
	} {
		r := httptest.NewRequest(http.MethodPost, q.path, http.NoBody)
		r.Header.Set(ClusterHeader, "1")
		w := httptest.NewRecorder()
		s.Cluster("/cluster").ServeHTTP(w, r)
		require.Equal(t, http.StatusBadRequest, w.Code, q.path)
		require.Contains(t, w.Body.String(), q.want, q.path)
	}
}

// It was drained, which does nothing, and told that it tolerates -1 failures.
func TestASingleServerHasNobodyToHandOverTo(t *testing.T) {
	s := &Server{} // nothing of it is asked
	s.SetMembers(&member.Members{})
	for _, verb := range []string{"drain", "transfer"} {
		_, err := s.changeCluster(t.Context(), verb, nil)
		require.ErrorContains(t, err, "this is a single server")
	}
	var c ClusterStatus
	c.count(quorum.Set{}, 0)
	require.Zero(t, c)
}

// It was "connection loss", whether or not the change was made.
func TestAChangeOfUnknownOutcomeIsCalledThat(t *testing.T) {
	for _, err := range []error{core.ConnectionLoss, errors.Join(core.OperationTimeout, context.DeadlineExceeded)} {
		said := inWords(&core.OpError{Op: "reconfig", Err: err})
		no := (*refusal)(nil)
		require.ErrorAs(t, said, &no)
		require.Equal(t, http.StatusGatewayTimeout, no.status)
		require.ErrorContains(t, said, "it is not known whether the change was made")
		require.ErrorContains(t, said, "zensus cluster status")
	}
	certain := fmt.Errorf("%w, and nothing was done", node.ErrNoLeader)
	require.Equal(t, certain, inWords(certain))
}
