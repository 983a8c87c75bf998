package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/member"
)

func TestClaimsAreReadAndWritten(t *testing.T) {
	m, err := member.Parse("server.1=a:2888:2888:participant\nserver.2=[::1]:2889:2889:observer\nversion=100000007")
	require.NoError(t, err)
	c := &claim{from: 2, since: time.UnixMilli(1_700_000_000_123), members: m}
	again, err := parseClaim(2, c.String())
	require.NoError(t, err)
	require.Equal(t, c, again)
	require.Equal(t, `["1=a:2888", "2=[::1]:2889;observer"]`, memberList(again.members))
	for _, text := range []string{"", "since=", "since=x\nversion=0", "since=1", "since=1\nserver.1=a", "server.1=a:1:1:participant\nversion=0"} {
		_, err := parseClaim(2, text)
		require.Error(t, err, "%q", text)
	}
}

func TestWhichClaimsAreFollowed(t *testing.T) {
	m, err := member.Parse("server.1=a:2888:2888:participant\nversion=100000007")
	require.NoError(t, err)
	c := &claim{from: 2, since: time.Unix(1000, 0), members: m}
	before, after := time.Unix(999, 0), time.Unix(1001, 0)
	require.True(t, c.follow(1, false, after), "its directory is younger than its membership")
	require.False(t, c.follow(1, false, before), "it has a history of its own, and was named later")
	require.False(t, c.follow(1, false, c.since), "when in doubt")
	require.False(t, c.follow(1, true, after), "whoever reaches the port could say so")
	require.False(t, c.follow(3, false, after), "it is no member")
}

// left waits until the server ends by itself, and returns what it has logged since it was
// started last.
func (m *proc) left(logged int) string {
	m.t.Helper()
	select {
	case err := <-m.done:
		require.Error(m.t, err)
		m.cmd = nil
	case <-time.After(20 * time.Second):
		require.Fail(m.t, "it goes on", "%s", m.log()[logged:])
	}
	return m.log()[logged:]
}

func (m *proc) log() string {
	m.t.Helper()
	text, err := os.ReadFile(m.dir + "/log")
	require.NoError(m.t, err)
	return string(text)
}

// restart starts the server, with an empty disk if it is to have lost it, and returns how
// much it had logged before.
func (m *proc) restart(wiped bool) int {
	m.t.Helper()
	if wiped {
		require.NoError(m.t, os.RemoveAll(m.dir+"/data"))
	}
	logged := len(m.log())
	m.start()
	return logged
}

// TestAServerThatLostItsDiskServesNoEmptyTree: an ensemble was grown from a server whose
// configuration names nobody else. It has the highest id, so that it is dialed by nobody.
func TestAServerThatLostItsDiskServesNoEmptyTree(t *testing.T) {
	first, second, third := threeToBe(t, 9, 1, 2)
	_, _, err := first.connect().Create(t.Context(), "/kept", []byte("x"), core.CreateOptions{})
	require.NoError(t, err)
	for _, m := range []*proc{second, third} {
		m.start() // it calls before it is added, and does no harm
		first.add(m)
		first.until("another server", serving(m.id))
		first.must("promote", fmt.Sprint(m.id))
	}

	// The others are there: nobody is served.
	first.end(syscall.SIGKILL)
	second.until("another leader", func(s status) bool { return s.Leader == 1 || s.Leader == 2 })
	for _, m := range []*proc{second, third} {
		require.NoError(t, m.cmd.Process.Signal(syscall.SIGSTOP)) // their claims come late
	}
	first.restart(true)
	require.Eventually(t, func() bool {
		_, err := os.Stat(first.dir + "/data/meta")
		return err == nil
	}, 10*time.Second, time.Millisecond)
	first.end(syscall.SIGKILL) // while it waits for them
	for _, m := range []*proc{second, third} {
		require.NoError(t, m.cmd.Process.Signal(syscall.SIGCONT))
	}
	text := first.left(first.restart(false))
	require.Contains(t, text, "this server seems to have lost its disk")
	require.NotContains(t, text, "acknowledged on its own, up to", "it served before it had heard of them")
	text = first.left(first.restart(true))
	require.Contains(t, text, "this server seems to have lost its disk")
	require.Contains(t, text, fmt.Sprintf(`["1=%s", "2=%s", "9=%s"]`, second.peer, third.peer, first.peer))
	require.NotContains(t, text, "serving", "it served clients")
	require.NotContains(t, text, "acknowledged on its own, up to")
	text = first.left(first.restart(false))
	require.Contains(t, text, "this server seems to have lost its disk", "nor is anybody after a restart")

	// They are not: it serves until they come back, and not after that.
	second.end(syscall.SIGTERM)
	third.end(syscall.SIGTERM)
	logged := first.restart(true)
	first.until("it serves on its own", serving(9))
	client := first.connect()
	_, _, err = client.Create(t.Context(), "/lost", nil, core.CreateOptions{})
	require.NoError(t, err)
	var acknowledged atomic.Int64 // the zxid, last
	writes, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for version := int32(0); writes.Err() == nil; version++ {
			st, err := client.Set(writes, "/lost", nil, version)
			if err != nil {
				return
			}
			acknowledged.Store(int64(st.Mzxid))
		}
	}()
	second.start()
	third.start()
	text = first.left(logged)
	found := regexp.MustCompile("acknowledged on its own, up to 0x([0-9a-f]+),").FindStringSubmatch(text)
	require.NotNil(t, found, text)
	upTo, err := strconv.ParseInt(found[1], 16, 64)
	require.NoError(t, err)
	stop()
	require.Positive(t, acknowledged.Load())
	require.LessOrEqual(t, acknowledged.Load(), upTo, "it acknowledged more than it told of")

	// An older history than the membership is not given up for what others say.
	require.NoError(t, os.Remove(first.dir+"/data/"+claimFile))
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(first.dir+"/data/"+membersFile, old, old))
	logged = first.restart(false)
	first.until("it serves on its own", serving(9))
	require.Eventually(t, func() bool {
		return strings.Contains(first.log()[logged:], "this one goes on on its own")
	}, 20*time.Second, 50*time.Millisecond)
	require.Never(t, func() bool { return !serving(9)(first.status()) }, 3*time.Second, 300*time.Millisecond)
	first.end(syscall.SIGTERM)

	// As it was told to be started it comes back.
	first.configure(first, second, third)
	first.restart(true)
	first.until("it is back", func(s status) bool { return serving(9)(s) && s.Voters == 3 && s.Serving == 3 })
	data, _, err := first.connect().Get(t.Context(), "/kept")
	require.NoError(t, err)
	require.Equal(t, "x", string(data))
}
