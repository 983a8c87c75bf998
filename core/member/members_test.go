package member

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/quorum"
)

const three = `server.1=a:2888:3888:participant;0.0.0.0:2181
server.2=b:2888:3888:participant
server.3=[2001:db8::3]:2888:3888|c:2888:3888:observer;c:2181;c:2281
version=1000000ff`

func TestTextIsReadAndWritten(t *testing.T) {
	m, err := Parse(three)
	require.NoError(t, err)
	require.Equal(t, three, m.String())
	require.Equal(t, core.Zxid(0x1000000ff), m.Version)
	require.Equal(t, quorum.Of(1, 2), m.Voters())
	require.Equal(t, quorum.Of(3), m.Observers())
	s, ok := m.Server(3)
	require.True(t, ok)
	require.Equal(t, Endpoint{Host: "c", Port: 2281}, s.Secure)
	_, ok = m.Server(4)
	require.False(t, ok)
	for _, bad := range []string{"server.1=a", "server.0=a:1:2", "version=x", "version=1\nversion=1", "who=1", three + "\nserver.1=d:1:2", three + "\nserver.4=A:2888:1"} {
		_, err := Parse(bad)
		require.Error(t, err, "%q", bad)
	}
}

func TestChangesLeadToMembers(t *testing.T) {
	tests := []struct {
		name                  string
		joining, leaving, all string
		voters, observers     quorum.Set
		parse, apply          bool // fails
	}{
		{"one more", "server.4=d:1:2;2181", "", "", quorum.Of(1, 2, 4), quorum.Of(3), false, false},
		{"an observer becomes a voter", "server.3=c:2888:3888:participant", "", "", quorum.Of(1, 2, 3), quorum.Set{}, false, false},
		{"two in one text", "server.4=d:1:2,server.5=e:1:2:observer", "", "", quorum.Of(1, 2, 4), quorum.Of(3, 5), false, false},
		{"one less, and one that is none", "", "2, 9", "", quorum.Of(1), quorum.Of(3), false, false},
		{"who leaves and joins stays", "server.2=b2:1:2", "2", "", quorum.Of(1, 2), quorum.Of(3), false, false},
		{"all others", "", "", "server.7=g:1:2\nserver.8=h:1:2;2181\nversion=5", quorum.Of(7, 8), quorum.Set{}, false, false},
		{"nothing changes", "", "", "", quorum.Of(1, 2), quorum.Of(3), false, false},
		{"nobody would vote", "", "1,2", "", quorum.Set{}, quorum.Set{}, false, true},
		{"an address is taken", "server.4=A:2888:1", "", "", quorum.Set{}, quorum.Set{}, false, true},
		{"one twice", "server.4=d:1:2,server.4=e:1:2", "", "", quorum.Set{}, quorum.Set{}, false, true},
		{"no server", "x", "", "", quorum.Set{}, quorum.Set{}, true, false},
		{"no id", "", "two", "", quorum.Set{}, quorum.Set{}, true, false},
		{"an id too high", "", "255", "", quorum.Set{}, quorum.Set{}, true, false},
		{"both forms", "server.4=d:1:2", "", "server.7=g:1:2", quorum.Set{}, quorum.Set{}, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			was, err := Parse(three)
			require.NoError(t, err)
			c, err := ParseChange(tt.joining, tt.leaving, tt.all)
			if tt.parse {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			next, err := was.Apply(c, 9)
			if tt.apply {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.voters, next.Voters())
			require.Equal(t, tt.observers, next.Observers())
			again, err := Parse(next.String())
			require.NoError(t, err)
			require.Equal(t, next, again)
			require.Equal(t, three, was.String(), "what was is left as it is")
		})
	}
}

// Members that are too long for what servers tell one another of them could be agreed on,
// a part at a time; nobody understood anybody any more in the next election.
func TestMembersAreNoLongerThanTheirBound(t *testing.T) {
	was, err := Parse(three)
	require.NoError(t, err)
	for id := 4; ; id++ {
		long := fmt.Sprintf("server.%d=%s", id, strings.TrimSuffix(strings.Repeat("h"+strconv.Itoa(id)+":1:2|", 9000), "|"))
		c, err := ParseChange(long, "", "")
		require.NoError(t, err)
		next, err := was.Apply(c, 9)
		if err != nil {
			require.ErrorContains(t, err, "are the most")
			require.Greater(t, id, 4)
			return
		}
		require.LessOrEqual(t, len(next.String()), TextBytesMax)
		was = next
	}
}

func FuzzParse(f *testing.F) {
	f.Add(three)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(m.String())
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}
