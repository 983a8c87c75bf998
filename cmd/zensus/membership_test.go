package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/member"
)

func TestVotersChangeOnlySoThatQuorumsMeet(t *testing.T) {
	ids := func(list ...core.PeerID) []core.PeerID { return list }
	for _, c := range []struct {
		from, to []core.PeerID
		refused  string
	}{
		{ids(1, 2, 3), ids(1, 2, 3), ""},
		{ids(1, 2, 3), ids(1, 2, 3, 4), ""},
		{ids(1, 2, 3, 4), ids(1, 2, 3, 4, 5), ""},
		{ids(1, 2, 3), ids(1, 2), ""},
		{ids(1, 2), ids(1), ""},
		{ids(1, 2, 3), ids(1, 2, 3, 4, 5), "change one at a time"},
		{ids(1, 2, 3), ids(1, 2, 4), "change one at a time"},
		{ids(1, 2, 3), ids(1), "change one at a time"},
		{ids(1), ids(1, 2, 3), "add the others with `zensus cluster add`"},
		{ids(1), ids(1, 2), "single server"},
	} {
		err := (&membership{self: 1, voters: c.from}).mayBecome(&membership{self: 1, voters: c.to})
		if c.refused == "" {
			require.NoError(t, err, "%v", c)
		} else {
			require.ErrorContains(t, err, c.refused, "%v", c)
		}
	}
	require.ErrorContains(t, (&membership{self: 1, voters: ids(1)}).mayBecome(&membership{self: 2, voters: ids(2)}), "is of server 1")
}

func TestMembersAreNotedInTheDataDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := func(id core.PeerID, voters ...core.PeerID) *plan {
		return &plan{dataDir: dir, id: id, ensemble: &ensemble{voters: voters}}
	}
	require.NoError(t, p(2, 3, 1, 2).checkMembers(true))
	text, err := os.ReadFile(filepath.Join(dir, membersFile))
	require.NoError(t, err)
	require.Equal(t, "self=2\nvoters=1,2,3\n", string(text))

	next := p(2, 1, 2, 3, 4)
	require.NoError(t, next.checkMembers(false))
	require.ErrorContains(t, p(2, 1, 2, 3, 4, 5).checkMembers(false), "one at a time", "it has not served as one of four yet")
	require.NoError(t, next.noteMembers(next.members()))
	require.NoError(t, p(2, 1, 2, 3, 4, 5).checkMembers(false))
	require.ErrorContains(t, p(4, 1, 2, 3, 4).checkMembers(false), "is of server 2")

	require.NoError(t, next.noteMembers(&membership{self: 2, voters: []core.PeerID{7, 8, 9}, version: 0x1000000ff}))
	require.NoError(t, p(2, 1, 2, 3).checkMembers(false), "the log says who votes")
	require.ErrorContains(t, p(4, 1, 2, 3, 4).checkMembers(false), "is of server 2")
	require.ErrorContains(t, p(4, 1, 2, 3, 4).checkOwner(), "is of server 2", "nor when the log says who votes")
	require.NoError(t, p(2, 4, 5, 6).checkOwner())

	require.NoError(t, os.Remove(filepath.Join(dir, membersFile)))
	require.ErrorContains(t, p(2, 1, 2, 3).checkMembers(false), "single server", "a directory from before is of a single server")
	require.NoError(t, (&plan{dataDir: dir, id: 2}).checkMembers(false))
	require.NoError(t, p(2, 1, 2, 3).checkOwner())
	for _, text := range []string{"", "self=2\n", "self=x\nvoters=1\n", "self=2\nvoters=1,300\n", "what=1\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, membersFile), []byte(text), 0o600))
		require.ErrorContains(t, p(2, 1, 2, 3).checkMembers(false), membersFile, text)
	}
}

// The start warned of members that were added without the port for elections that the file
// gives them.
func TestWhatOfMembersMattersToOneAnother(t *testing.T) {
	read := func(text string) string {
		m, err := member.Parse(text)
		require.NoError(t, err)
		return forOneAnother(m.Servers)
	}
	const file = "server.1=a:2888:3888:participant;a:2181\nserver.2=b:2888:3888:participant\nversion=0"
	require.Equal(t, read(file), read("server.2=b:2888:2888:participant;2181\nserver.1=a:2888:2888:participant\nversion=100000007"))
	for _, other := range []string{
		"server.1=a:2888:3888:participant\nversion=0",
		"server.1=a:2888:3888:participant\nserver.2=b:2888:3888:observer\nversion=0",
		"server.1=a:2888:3888:participant\nserver.2=b:2889:3888:participant\nversion=0",
	} {
		require.NotEqual(t, read(file), read(other))
	}
}
