package interop

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// TestGoZooKeeperReconfigures removes and adds servers of an ensemble as clients of
// ZooKeeper do. What is refused, and with which error, is what Apache ZooKeeper 3.8.0
// answered to the same requests.
func TestGoZooKeeperReconfigures(t *testing.T) {
	t.Parallel()
	sum := sha1.Sum([]byte("super:pw"))
	all := testkit.StartEnsemble(t, testkit.Options{Config: map[string]string{
		"reconfigEnabled": "true", "DigestAuthenticationProvider.superDigest": "super:" + base64.StdEncoding.EncodeToString(sum[:]),
	}}, 3, 1)
	c, _ := dialZK(t, all[0].ZooKeeper, 10*time.Second)
	text, _, err := c.Get("/zookeeper/config")
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	require.Len(t, lines, 5)
	fourth := lines[3]
	require.Contains(t, fourth, ":observer")

	_, err = c.IncrementalReconfig(nil, []string{"4"}, -1)
	require.ErrorIs(t, err, zk.ErrNoAuth, "only who may write the config")
	require.NoError(t, c.AddAuth("digest", []byte("super:pw")))

	_, _, changes, err := c.GetW("/zookeeper/config")
	require.NoError(t, err)
	stat, err := c.IncrementalReconfig([]string{strings.Replace(fourth, ":observer", ":participant", 1)}, nil, -1)
	require.NoError(t, err)
	require.EqualValues(t, -1, stat.Version)
	require.Equal(t, zk.EventNodeDataChanged, receive(t, changes, "a change of the config").Type)
	text, stat, err = c.Get("/zookeeper/config")
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(string(text), ":participant"))
	require.Contains(t, string(text), fmt.Sprintf("version=%x", stat.Mzxid), "the version is the zxid")

	for _, refused := range []struct {
		joining, leaving []string
		version          int64
		want             string
	}{
		{[]string{"x"}, nil, -1, zk.ErrBadArguments.Error()},
		{nil, []string{"1", "2", "3", "4"}, -1, zk.ErrBadArguments.Error()},
		{nil, []string{"4"}, 5, zk.ErrBadVersion.Error()},
		{[]string{"server.5=127.0.0.1:5:5;5", "server.6=127.0.0.1:6:6;6", "server.7=127.0.0.1:7:7;7", "server.8=127.0.0.1:8:8;8"}, nil, -1, "unknown error: -13"}, // no quorum of the new: this client has no name for it
	} {
		_, err := c.IncrementalReconfig(refused.joining, refused.leaving, refused.version)
		require.EqualError(t, err, refused.want, "%+v", refused)
	}

	_, err = c.IncrementalReconfig(nil, []string{"9"}, stat.Mzxid)
	require.NoError(t, err, "who is no member may leave")
	_, err = c.Reconfig([]string{lines[0], lines[1], lines[2], fourth}, -1)
	require.NoError(t, err)
	text, _, err = c.Get("/zookeeper/config")
	require.NoError(t, err)
	require.Equal(t, lines[:4], strings.Split(string(text), "\n")[:4])

	// Three of three and an observer again: one may die, and the members stay.
	all[2].Kill()
	eventually(t, 15*time.Second, "a write, perhaps after a new leader", func() bool {
		_, err := c.Create("/after", nil, 0, open)
		return err == nil || errors.Is(err, zk.ErrNodeExists)
	})
	all[2].Restart()
	other, _ := dialZK(t, all[2].ZooKeeper, 10*time.Second)
	eventually(t, 15*time.Second, "the same members at the server that came back", func() bool {
		again, _, err := other.Get("/zookeeper/config")
		return err == nil && string(again) == string(text)
	})
}
