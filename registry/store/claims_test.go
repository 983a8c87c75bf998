package store

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/registry"
)

func TestOnlyWhatNobodyClaimsIsRemoved(t *testing.T) {
	f := coretest.NewFake()
	s, own := open(t, f)
	require.NoError(t, s.Prepare(t.Context()))
	client, err := f.Open(t.Context(), core.SessionOptions{ACL: core.NodeACL()})
	require.NoError(t, err)
	_, _, err = s.EnsureService(t.Context(), shop, true)
	require.NoError(t, err)
	var records []*Record
	for n := range opsMax + 10 { // more than one transaction takes
		records = append(records, &Record{Instance: registry.Instance{IP: fmt.Sprintf("10.0.0.%d", n), Port: 80, Cluster: "DEFAULT", Ephemeral: true}})
	}
	made, _, err := s.Replace(t.Context(), client, shop, nil, records)
	require.NoError(t, err)
	var paths []string
	for _, m := range made {
		paths = append(paths, m.Path)
	}
	owner := client.Session().ID
	children := func(path string) int {
		names, _, err := own.Children(t.Context(), path)
		require.NoError(t, err)
		return len(names)
	}

	require.NoError(t, s.Claim(t.Context(), client))
	require.NoError(t, s.Claim(t.Context(), client), "again")
	claimed, zxid, err := s.RemoveUnclaimed(t.Context(), owner, paths)
	require.NoError(t, err)
	require.True(t, claimed)
	require.Zero(t, zxid)
	require.Len(t, paths, children(ServicePath(shop)))

	require.NoError(t, s.Unclaim(t.Context(), owner))
	require.NoError(t, s.Unclaim(t.Context(), owner), "again")
	_, err = own.Delete(t.Context(), paths[3], core.AnyVersion)
	require.NoError(t, err)
	claimed, zxid, err = s.RemoveUnclaimed(t.Context(), owner, paths)
	require.NoError(t, err, "one that is gone already does not matter")
	require.False(t, claimed)
	require.Equal(t, f.Zxid(), zxid)
	require.Zero(t, children(ServicePath(shop)))
	require.Zero(t, children(ClaimsRoot), "nothing is left of looking")

	require.NoError(t, s.Claim(t.Context(), client))
	require.NoError(t, client.Close())
	require.Zero(t, children(ClaimsRoot), "a claim goes with its session")
}
