package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/internal/testkit"
)

const threeMembers = "dataDir=d\nclientPortAddress=127.0.0.1\nclientPort=2181\ninitLimit=1\nsyncLimit=1\nserver.1=127.0.0.1:1:2\nserver.2=127.0.0.1:3:4\nserver.3=127.0.0.1:5:6\n"

func TestStoresOfMembersThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string, parts ...[]byte) string {
		testkit.WriteFile(t, filepath.Join(dir, name), parts...)
		return filepath.Join(dir, name)
	}
	ca := testkit.NewAuthority(t, "ca")
	cert, key := ca.Issue(time.Now().Add(time.Hour), "127.0.0.1")
	trust, store := at("ca.pem", ca.PEM()), at("store.pem", key, cert)
	jks := at("keys.jks", []byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2})
	check := func(more string) (stdout string, err error) {
		t.Helper()
		data := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(data, "myid"), []byte("1"), 0o600))
		stdout, _, err = serveCheck(t, "zoo.cfg", strings.Replace(threeMembers, "dataDir=d", "dataDir="+data, 1)+more)
		return stdout, err
	}
	stores := func(key, trust string) string {
		return "ssl.quorum.keyStore.location=" + key + "\nssl.quorum.trustStore.location=" + trust + "\n"
	}
	_, err := check("sslQuorum=true\n" + stores(jks, trust))
	require.EqualError(t, err, "zoo.cfg: ssl.quorum.*: "+jks+": there is no PEM in it, and no other kind of store can be read")
	_, err = check("sslQuorum=true\n")
	require.ErrorContains(t, err, "ssl.quorum.keyStore.location: is required where sslQuorum or portUnification is true")

	const stranger, plain = "can join them, as with ZooKeeper", "may be in plain text"
	for more, want := range map[string][]string{
		"":                 {stranger},
		stores(jks, trust): {stranger, "ssl.quorum.keyStore.location is set, but sslQuorum is off"},
		"sslQuorum=true\n" + stores(store, trust):                                   {},
		"sslQuorum=true\nssl.quorum.clientAuth=none\n" + stores(store, trust):       {stranger},
		"sslQuorum=true\nportUnification=true\n" + stores(store, trust):             {stranger, plain},
		"portUnification=true\nssl.quorum.clientAuth=need\n" + stores(store, trust): {stranger, plain},
	} {
		out, err := check(more)
		require.NoError(t, err, more)
		for _, warning := range []string{stranger, plain, "sslQuorum is off"} {
			expected := false
			for _, w := range want {
				expected = expected || strings.Contains(w, warning)
			}
			require.Equal(t, expected, strings.Contains(out, warning), "%s: %s: %s", more, warning, out)
		}
	}
	_, _, err = serveCheck(t, "zensus.yaml", "members: ['1=a:2888']\nsecret_file: nowhere\npeer: {tls: {mode: require, cert_file: "+jks+", ca_file: "+trust+"}}\n")
	require.ErrorContains(t, err, "secret_file: ")
	secret := at("secret", make([]byte, 32))
	_, _, err = serveCheck(t, "zensus.yaml", "members: ['1=a:2888']\nsecret_file: "+secret+"\npeer: {tls: {mode: require, cert_file: "+jks+", ca_file: "+trust+"}}\n")
	require.EqualError(t, err, "zensus.yaml: peer.tls: "+jks+": there is no PEM in it, and no other kind of store can be read")
}

// reconfigure replaces lines of a server's zoo.cfg and restarts it.
func reconfigure(t *testing.T, s *testkit.Server, lines map[string]string) {
	t.Helper()
	name := filepath.Join(s.Dir, "zoo.cfg")
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	for key, value := range lines {
		text = append(regexp.MustCompile("(?m)^"+regexp.QuoteMeta(key)+"=.*\n").ReplaceAll(text, nil), key+"="+value+"\n"...)
	}
	require.NoError(t, os.WriteFile(name, text, 0o600))
	s.Stop()
	s.Restart()
}

// TestAnEnsembleGoesToTLSAndChangesItsCertificates: from plain text to TLS by three
// rounds of restarts, then to another authority by none, and it serves all the time.
func TestAnEnsembleGoesToTLSAndChangesItsCertificates(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts three servers a dozen times")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	first, second := testkit.NewAuthority(t, "first"), testkit.NewAuthority(t, "second")
	issue := func(ca *testkit.Authority) {
		cert, key := ca.Issue(time.Now().Add(time.Hour), "127.0.0.1")
		testkit.WriteFile(t, at("store.pem"), key, cert)
	}
	issue(first)
	testkit.WriteFile(t, at("ca.pem"), first.PEM())
	var (
		mu    sync.Mutex
		ports = map[int]string{} // where each listens for the others
	)
	servers := testkit.StartEnsemble(t, testkit.Options{
		Config: map[string]string{"ssl.quorum.keyStore.location": at("store.pem"), "ssl.quorum.trustStore.location": at("ca.pem")},
		Between: func(_, to int, addr string) string {
			mu.Lock()
			defer mu.Unlock()
			ports[to] = addr
			return addr
		},
	}, 3, 0)
	written := 0
	write := func() {
		t.Helper()
		for _, s := range servers {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			c, err := zkclient.Dial(ctx, []string{s.ZooKeeper}, zkclient.Options{Timeout: 10 * time.Second})
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				_, _, err := c.Create(ctx, fmt.Sprintf("/n%d", written), nil, core.CreateOptions{})
				return err == nil
			}, 20*time.Second, 10*time.Millisecond, "a write through %s", s.ZooKeeper)
			written++
			require.NoError(t, c.Close())
			cancel()
		}
	}
	write()
	for _, round := range []map[string]string{
		{"portUnification": "true"},
		{"portUnification": "true", "sslQuorum": "true"},
		{"portUnification": "false", "sslQuorum": "true"},
	} {
		for _, s := range servers {
			reconfigure(t, s, round)
			write()
		}
	}
	dialPlain := func() error {
		c, err := net.Dial("tcp", ports[1])
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
		_, _ = c.Write([]byte{0, 0, 0, 39, 0, 0, 0, 0})
		_, err = io.ReadFull(c, make([]byte, 1))
		return err
	}
	err := dialPlain()
	require.Error(t, err, "plain text is not taken any more")
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	for _, s := range servers {
		lives := strings.Split(s.Log(1000), `"stopped"`)
		require.Contains(t, lives[len(lives)-1], `"tls":true`)
		require.NotContains(t, lives[len(lives)-1], `"tls":false`)
	}

	// The authorities change, and nobody is restarted.
	shown := func() string { // whose certificate a server shows
		c, err := tls.Dial("tcp", ports[1], &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Issuer.CommonName
	}
	require.Equal(t, "first", shown())
	testkit.WriteFile(t, at("ca.pem"), first.PEM(), second.PEM())
	time.Sleep(1500 * time.Millisecond) // a handshake may know the files as they were a second ago
	issue(second)
	require.Eventually(t, func() bool { return shown() == "second" }, 20*time.Second, 50*time.Millisecond)
	write()
	testkit.WriteFile(t, at("ca.pem"), second.PEM())
	time.Sleep(1500 * time.Millisecond)
	write()
	for _, s := range servers { // new links, with what is new
		s.Stop()
		s.Restart()
		write()
	}
	c, err := zkclient.Dial(t.Context(), []string{servers[2].ZooKeeper}, zkclient.Options{Timeout: 10 * time.Second})
	require.NoError(t, err)
	defer c.Close()
	names, _, err := c.Children(t.Context(), "/")
	require.NoError(t, err)
	require.Len(t, names, written+1)
}
