package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/testkit"
)

// soon is until when certificates of these tests are good.
func soon() time.Time { return time.Now().Add(time.Hour) }

// folder holds the three files of one server.
type folder struct {
	t   *testing.T
	dir string
}

func newFolder(t *testing.T, ca *testkit.Authority, until time.Time, hosts ...string) *folder {
	t.Helper()
	f := &folder{t, t.TempDir()}
	f.write("ca.pem", ca.PEM())
	f.issue(ca, until, hosts...)
	return f
}

func (f *folder) write(name string, parts ...[]byte) {
	f.t.Helper()
	testkit.WriteFile(f.t, filepath.Join(f.dir, name), parts...)
}

func (f *folder) issue(ca *testkit.Authority, until time.Time, hosts ...string) {
	f.t.Helper()
	cert, key := ca.Issue(until, hosts...)
	f.write("key.pem", key)
	f.write("cert.pem", cert)
}

func (f *folder) tls(mode TLSMode) TLS {
	at := func(name string) string { return filepath.Join(f.dir, name) }
	return TLS{Mode: mode, CertFile: at("cert.pem"), KeyFile: at("key.pem"), CAFile: at("ca.pem")}
}

// notes are what a transport has logged.
type notes struct{ testkit.Buffer }

func (n *notes) has(text string) bool { return strings.Contains(n.String(), text) }

func (n *notes) count(text string) int { return strings.Count(n.String(), text) }

func (n *notes) logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: n, Level: hclog.Debug})
}

// secured is one of a pair of nodes: its certificates and how they are used; nil files
// are plain text.
type secured struct {
	files  *folder
	mode   TLSMode
	secret string
	change func(*TLS)
}

// pair runs two nodes, of which 2 dials 1 at host, which must be 127.0.0.1 by another
// name or by that.
func pair(t *testing.T, host string, one, two secured) (a, b *node, an, bn *notes) {
	t.Helper()
	la, lb := listen(t), listen(t)
	at := func(l net.Listener) string {
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return net.JoinHostPort(host, port)
	}
	start := func(self core.PeerID, l net.Listener, peers map[core.PeerID][]string, s secured) (*node, *notes) {
		said := &notes{}
		cfg := Config{Self: self, Listener: l, Peers: peers, Secret: []byte(s.secret), Logger: said.logger()}
		if s.files != nil {
			files := s.files.tls(s.mode)
			if s.change != nil {
				s.change(&files)
			}
			var err error
			cfg.Certificates, err = OpenCertificates(files, cfg.Logger)
			require.NoError(t, err)
		}
		return runConfig(t, cfg), said
	}
	a, an = start(1, la, map[core.PeerID][]string{2: {at(lb)}}, one)
	b, bn = start(2, lb, map[core.PeerID][]string{1: {at(la)}}, two)
	return a, b, an, bn
}

func linked(a, b *node) bool { return a.log.gen(2) != 0 && b.log.gen(1) != 0 }

func TestLinksAreEncryptedAndBothSidesShowThemselves(t *testing.T) {
	ca := testkit.NewAuthority(t, "ca")
	a, b, an, _ := pair(t, "127.0.0.1",
		secured{newFolder(t, ca, soon(), "127.0.0.1"), TLSRequire, "s", nil},
		secured{newFolder(t, ca, soon(), "127.0.0.1"), TLSRequire, "s", nil})
	eventually(t, "a link", func() bool { return linked(a, b) })
	require.True(t, an.has("linked: peer=2 tls=true"))
	big := bytes.Repeat([]byte("x"), 3<<20)
	require.True(t, a.SendSlowly(2, a.log.gen(2), text(string(big))))
	b.say(1, "back")
	eventually(t, "messages", func() bool { return b.log.has("1: "+string(big)) && a.log.has("2: back") })
}

// What goes over the wire must not be readable, and the secret must hold on the
// connection that it was proved on only.
func TestNobodyInTheMiddleReadsOrPassesOn(t *testing.T) {
	ca := testkit.NewAuthority(t, "ca")
	files := newFolder(t, ca, soon(), "127.0.0.1")
	la := listen(t)
	one, err := OpenCertificates(files.tls(TLSRequire), nil)
	require.NoError(t, err)
	said := &notes{}
	a := runConfig(t, Config{Self: 1, Listener: la, Peers: map[core.PeerID][]string{2: {"127.0.0.1:1"}}, Secret: []byte("s"), Certificates: one, Logger: said.logger()})

	// He has a certificate of the authority, ends TLS on both sides and passes on what
	// he reads.
	lm := listen(t)
	defer lm.Close()
	var seen notes
	go func() {
		for {
			c, err := lm.Accept()
			if err != nil {
				return
			}
			in := tls.Server(c, one.acceptor())
			out, err := tls.Dial("tcp", la.Addr().String(), one.dialer("127.0.0.1"))
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(io.MultiWriter(out, &seen), in); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
	two, err := OpenCertificates(files.tls(TLSRequire), nil)
	require.NoError(t, err)
	b := runConfig(t, Config{Self: 2, Listener: listen(t), Peers: map[core.PeerID][]string{1: {lm.Addr().String()}}, Secret: []byte("s"), Certificates: two})
	eventually(t, "his attempt", func() bool { return seen.count(magic) > 2 })
	require.Empty(t, a.log.events)
	require.Empty(t, b.log.events)
}

// TestStrangersWithAndWithoutCertificates: whoever lacks one thing of what is asked for
// does not get in, in either direction, and the log says why.
func TestStrangersWithAndWithoutCertificates(t *testing.T) {
	ca, other := testkit.NewAuthority(t, "ca"), testkit.NewAuthority(t, "ca") // of the same name
	good := func() secured { return secured{newFolder(t, ca, soon(), "127.0.0.1"), TLSRequire, "s", nil} }
	with := func(f *folder) secured { return secured{f, TLSRequire, "s", nil} }
	mixed := newFolder(t, other, soon(), "127.0.0.1") // its certificate is not of the authority that it knows
	mixed.write("ca.pem", ca.PEM())
	for _, c := range []struct {
		what     string
		one, two secured
		said     string // by who is dialed
		seen     string // by who dials
	}{
		{"a plain one dials TLS", good(), secured{secret: "s"}, "it does not speak TLS", ""},
		{"TLS dials a plain one", secured{secret: "s"}, good(), "it speaks TLS, which this server does not", ""},
		{"a certificate of another authority", good(), with(mixed), "unknown authority", "tls: "},
		{"who is dialed has one of another authority", with(mixed), good(), "", "unknown authority"},
		{"the right certificate and another secret", good(), secured{newFolder(t, ca, soon(), "127.0.0.1"), TLSRequire, "another", nil}, "server 2 proves nothing, as one does to whom this one has another secret", errSecret.Error()},
		{"a certificate for another host", good(), with(newFolder(t, ca, soon(), "127.0.0.9", "c.example")), "its certificate is not that of server 2", ""},
		{"who is dialed has one for another host", with(newFolder(t, ca, soon(), "c.example")), good(), "", "127.0.0.1"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			a, b, an, bn := pair(t, "127.0.0.1", c.one, c.two)
			eventually(t, "a refusal", func() bool {
				return bn.count("no link") > mistrustsMin && (c.said == "" || an.has(c.said)) && (c.seen == "" || bn.has(c.seen))
			})
			require.True(t, bn.has("[WARN]  no link"), "it is warned of")
			a.stop()
			b.stop()
			require.Empty(t, a.log.events)
			require.Empty(t, b.log.events)
		})
	}
}

func TestHostsNeedNotBeLookedAt(t *testing.T) {
	ca := testkit.NewAuthority(t, "ca")
	for what, change := range map[string]func(*TLS){
		"of nobody":    func(c *TLS) { c.AnyAcceptor, c.AnyDialer = true, true },
		"of who dials": func(c *TLS) { c.AnyDialer = true },
	} {
		t.Run(what, func(t *testing.T) {
			acceptor := "127.0.0.1"
			if what == "of nobody" {
				acceptor = "elsewhere.example"
			}
			a, b, _, _ := pair(t, "127.0.0.1",
				secured{newFolder(t, ca, soon(), acceptor), TLSRequire, "s", change},
				secured{newFolder(t, ca, soon(), "elsewhere.example"), TLSRequire, "s", change})
			eventually(t, "a link", func() bool { return linked(a, b) })
		})
	}
	// That the authority is, all the same.
	stranger := newFolder(t, testkit.NewAuthority(t, "ca"), soon(), "127.0.0.1")
	stranger.write("ca.pem", ca.PEM())
	skip := func(c *TLS) { c.AnyAcceptor = true }
	a, b, _, bn := pair(t, "127.0.0.1",
		secured{stranger, TLSRequire, "s", skip},
		secured{newFolder(t, ca, soon(), "127.0.0.1"), TLSRequire, "s", skip})
	eventually(t, "a refusal", func() bool { return bn.has("unknown authority") })
	require.Empty(t, a.log.events)
	require.Empty(t, b.log.events)
}

func TestACertificateForANameIsGoodForThatName(t *testing.T) {
	ca := testkit.NewAuthority(t, "ca")
	a, b, _, _ := pair(t, "localhost",
		secured{newFolder(t, ca, soon(), "localhost"), TLSRequire, "s", nil},
		secured{newFolder(t, ca, soon(), "localhost"), TLSRequire, "s", nil})
	eventually(t, "a link", func() bool { return linked(a, b) })
}

// Who is asked for no certificate shows the secret; a wrong one may be shown nowhere.
func TestWithoutACertificateOfWhoDials(t *testing.T) {
	ca, other := testkit.NewAuthority(t, "ca"), testkit.NewAuthority(t, "other")
	shows := func(cert, key []byte) func(*tls.Config) {
		var pair tls.Certificate // none
		if cert != nil {
			var err error
			pair, err = tls.X509KeyPair(cert, key)
			require.NoError(t, err)
		}
		return func(c *tls.Config) {
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
	}
	for _, c := range []struct {
		what string
		auth ClientAuth
		show func(*tls.Config) // what who dials does
		in   bool
	}{
		{"one is needed, and there is none", ClientAuthNeed, shows(nil, nil), false},
		{"one is wanted, and there is none", ClientAuthWant, shows(nil, nil), true},
		{"one is wanted, and it is another's", ClientAuthWant, shows(other.Issue(soon(), "127.0.0.1")), false},
		{"none is asked for", ClientAuthNone, shows(nil, nil), true},
		{"an expired one", ClientAuthNeed, shows(ca.Issue(time.Now().Add(-time.Minute), "127.0.0.1")), false},
		{"an old TLS", ClientAuthNeed, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }, false},
		{"the right one", ClientAuthNeed, func(*tls.Config) {}, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			files := newFolder(t, ca, soon(), "127.0.0.1").tls(TLSRequire)
			files.ClientAuth = c.auth
			certs, err := OpenCertificates(files, nil)
			require.NoError(t, err)
			l := listen(t)
			a := runConfig(t, Config{Self: 1, Listener: l, Peers: map[core.PeerID][]string{2: {"127.0.0.1:1"}}, Secret: []byte("s"), Certificates: certs})
			cfg := certs.dialer("127.0.0.1")
			c.show(cfg)
			raw, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			defer raw.Close()
			require.NoError(t, raw.SetDeadline(time.Now().Add(time.Minute)))
			secured := tls.Client(raw, cfg)
			channel, err := handshake(context.Background(), secured)
			if err == nil {
				_, err = greet(secured, bind([]byte("s"), channel), life{}, 2, 1, nil)
			}
			if err == nil { // who dials knows that it was let in when something comes
				_, err = readFrame(secured, FrameBytesMax)
			}
			if c.in {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			require.Zero(t, a.log.gen(2))
		})
	}
}

func TestFromPlainTextToTLSWithoutAPause(t *testing.T) {
	ca := testkit.NewAuthority(t, "ca")
	files := newFolder(t, ca, soon(), "127.0.0.1")
	modes := map[TLSMode]string{TLSOff: "off", TLSAccept: "accept", TLSPrefer: "prefer", TLSRequire: "require"}
	for one := range modes {
		for two := range modes {
			t.Run("from "+modes[two]+" to "+modes[one], func(t *testing.T) {
				t.Parallel()
				a, b, an, bn := pair(t, "127.0.0.1", secured{files, one, "s", nil}, secured{files, two, "s", nil})
				dialed := two >= TLSPrefer
				if dialed && one == TLSOff || !dialed && one == TLSRequire {
					eventually(t, "a refusal", func() bool { return an.has("refused a connection") && bn.count("no link") > 3 })
					a.stop()
					b.stop()
					require.Empty(t, a.log.events)
					return
				}
				eventually(t, "a link", func() bool { return linked(a, b) })
				require.Equal(t, dialed, an.has("tls=true"))
				a.say(2, "m")
				b.say(1, "n")
				eventually(t, "messages", func() bool { return b.log.has("1: m") && a.log.has("2: n") })
			})
		}
	}
}

// A link goes on when the certificates change, the next one has the new ones, and what
// is broken replaces nothing.
func TestCertificatesAreReadAgain(t *testing.T) {
	first, second := testkit.NewAuthority(t, "first"), testkit.NewAuthority(t, "second")
	fa, fb := newFolder(t, first, soon(), "127.0.0.1"), newFolder(t, first, soon(), "127.0.0.1")
	a, b, an, bn := pair(t, "127.0.0.1", secured{fa, TLSRequire, "s", nil}, secured{fb, TLSRequire, "s", nil})
	eventually(t, "a link", func() bool { return linked(a, b) })
	again := func(what string) {
		t.Helper()
		gen := a.log.gen(2)
		a.cut(2)
		eventually(t, what, func() bool { return a.log.gen(2) > gen && b.log.gen(1) != 0 })
	}
	look := func(n *node, next time.Time) {
		c := n.cfg.Certificates
		c.mu.Lock()
		defer c.mu.Unlock()
		c.mu.next = next
	}
	// The files change one after the other: nobody is to look in between.
	never := time.Now().Add(time.Hour)
	look(a, never)
	look(b, never)
	reread := func(n *node, said *notes, text string, times int) {
		t.Helper()
		look(n, time.Time{}) // it is time
		n.cfg.Certificates.current()
		eventually(t, text, func() bool { return said.count(text) == times })
		look(n, never)
	}

	// Both authorities are known before the first certificate changes.
	for _, f := range []*folder{fa, fb} {
		f.write("ca.pem", first.PEM(), second.PEM())
	}
	reread(a, an, "certificates read again", 1)
	reread(b, bn, "certificates read again", 1)
	later := time.Now().Add(3 * time.Hour)
	fa.issue(second, later, "127.0.0.1")
	reread(a, an, "certificates read again", 2)
	require.WithinDuration(t, later, a.cfg.Certificates.GoodUntil(), 2*time.Second)
	require.True(t, linked(a, b), "the link that was there stays")
	b.say(1, "still")
	eventually(t, "a message", func() bool { return a.log.has("2: still") })
	again("a link with the new certificate")

	// What is broken is told of once, and the last good ones go on.
	for i, breakIt := range []func(){
		func() { fa.write("cert.pem", []byte("nonsense")) },
		func() { cert, _ := second.Issue(soon(), "127.0.0.1"); fa.write("cert.pem", cert) }, // not of this key
		func() { fa.issue(second, time.Now().Add(-time.Minute), "127.0.0.1") },
		func() { fa.write("ca.pem", nil) },
		func() { require.NoError(t, os.Remove(filepath.Join(fa.dir, "key.pem"))) },
	} {
		breakIt()
		reread(a, an, "certificates cannot be read, the old ones stay", i+1)
		again("a link with the old certificate")
	}
	require.Equal(t, 2, an.count("certificates read again"))
	fa.write("ca.pem", second.PEM())
	fa.issue(second, soon(), "127.0.0.1")
	reread(a, an, "certificates read again", 3)
	a.cfg.Certificates.current()
	require.Equal(t, 3, an.count("certificates read again"), "what has not changed is not read")

	// 2 still shows one of the first authority, which 1 has forgotten.
	require.True(t, linked(a, b))
	a.cut(2)
	eventually(t, "a refusal", func() bool { return an.has("unknown authority") && a.log.gen(2) == 0 })
	fb.issue(second, soon(), "127.0.0.1")
	look(b, time.Time{})
	eventually(t, "a link", func() bool { return linked(a, b) })
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	ca := testkit.NewAuthority(t, "ca")
	for what, c := range map[string]struct {
		do   func(f *folder)
		want string
	}{
		"no certificate": {func(f *folder) { require.NoError(t, os.Remove(filepath.Join(f.dir, "cert.pem"))) }, "cert.pem: no such file"},
		"a JKS store":    {func(f *folder) { f.write("cert.pem", []byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2}) }, "cert.pem: there is no PEM in it"},
		"another's key":  {func(f *folder) { _, key := ca.Issue(soon()); f.write("key.pem", key) }, "private key does not match"},
		"an encrypted key": {func(f *folder) {
			f.write("key.pem", []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
		}, "key is encrypted"},
		"no authority":       {func(f *folder) { _, key := ca.Issue(soon()); f.write("ca.pem", key) }, "ca.pem: there is no certificate in it"},
		"one that was good":  {func(f *folder) { f.issue(ca, time.Now().Add(-time.Minute), "a") }, "cert.pem: the certificate was good until "},
		"a file without end": {func(f *folder) { f.write("ca.pem", bytes.Repeat([]byte("x"), certBytesMax+1)) }, "ca.pem: it has more than 1048576 bytes"},
	} {
		t.Run(what, func(t *testing.T) {
			f := newFolder(t, ca, soon(), "a")
			c.do(f)
			_, err := OpenCertificates(f.tls(TLSRequire), nil)
			require.ErrorContains(t, err, c.want)
		})
	}
	// One file may hold both, as a key store of ZooKeeper does.
	f := newFolder(t, ca, soon(), "a")
	cert, key := ca.Issue(soon(), "a")
	f.write("both.pem", key, cert)
	_, err := OpenCertificates(TLS{CertFile: filepath.Join(f.dir, "both.pem"), CAFile: filepath.Join(f.dir, "ca.pem")}, nil)
	require.NoError(t, err)
}

// TestSlowStrangersKeepNobodyOut: many who connect and say little or nothing are
// bounded in number and time, and members get through beside them.
func TestSlowStrangersKeepNobodyOut(t *testing.T) {
	t.Parallel()
	ca := testkit.NewAuthority(t, "ca")
	files := newFolder(t, ca, soon(), "127.0.0.1")
	certs, err := OpenCertificates(files.tls(TLSRequire), nil)
	require.NoError(t, err)
	la, lb := listen(t), listen(t)
	cfg := func(self core.PeerID, l net.Listener, peers map[core.PeerID][]string) Config {
		return Config{Self: self, Listener: l, Peers: peers, Secret: []byte("s"), Certificates: certs}
	}
	a := runConfig(t, cfg(1, la, map[core.PeerID][]string{2: {lb.Addr().String()}}))
	const many = 4 * strangersMax
	// crowd has that many connect, and returns when as many are gone as give way to others.
	crowd := func() (ended chan struct{}) {
		ended = make(chan struct{}, many)
		for i := range many {
			c, err := net.Dial("tcp", la.Addr().String())
			require.NoError(t, err)
			// Nothing; the beginning of a handshake; a record that promises much and brings
			// a byte now and then.
			_, _ = c.Write([][]byte{nil, {22, 3, 1}, {22, 3, 1, 0x40, 0, 1}, {0, 0, 0}}[i%4])
			go func() {
				defer func() { _ = c.Close(); ended <- struct{}{} }()
				go func() {
					for {
						if _, err := c.Write([]byte{1}); i%4 != 2 || err != nil {
							return
						}
						time.Sleep(500 * time.Millisecond)
					}
				}()
				_, _ = io.Copy(io.Discard, c)
			}()
		}
		for range many - strangersMax {
			<-ended
		}
		return ended
	}
	began := time.Now()
	ended := crowd()
	for tries := 1; time.Since(began) >= handshakeTime; tries++ { // the machine stands still, or nobody gives way
		require.Less(t, tries, 4, "the oldest are gone when their time is over, and not before")
		began = time.Now()
		ended = crowd()
	}
	b := runConfig(t, cfg(2, lb, map[core.PeerID][]string{1: {la.Addr().String()}}))
	eventually(t, "a link beside them", func() bool { return linked(a, b) })
	if left := strangersMax - len(ended); time.Since(began) < handshakeTime {
		require.Positive(t, left, "others are still there") // who speaks no TLS is refused at once
	}
	for range strangersMax { // and the others when their time is over
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Fatal("a stranger stays")
		}
	}
	a.say(2, "m")
	eventually(t, "a message", func() bool { return b.log.has("1: m") })
}

// An end must not wait for those who say nothing, nor for those who were dialed and say
// nothing.
func TestTheEndDoesNotWaitForStrangers(t *testing.T) {
	la, mute := listen(t), listen(t)
	defer mute.Close()
	began := time.Now() // no handshake is over before this and its time
	a := run(t, 2, la, map[core.PeerID][]string{1: {mute.Addr().String()}, 3: {"127.0.0.1:1"}}, "s")
	dialed, err := mute.Accept()
	require.NoError(t, err)
	defer dialed.Close()
	c, err := net.Dial("tcp", la.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	eventually(t, "a stranger", func() bool {
		a.strangers.mu.Lock()
		defer a.strangers.mu.Unlock()
		return len(a.strangers.mu.conns) == 1
	})
	a.stop()
	require.Less(t, time.Since(began), handshakeTime)
}

func TestGarbageOnATLSPort(t *testing.T) {
	ca := testkit.NewAuthority(t, "ca")
	certs, err := OpenCertificates(newFolder(t, ca, soon(), "127.0.0.1").tls(TLSAccept), nil)
	require.NoError(t, err)
	l := listen(t)
	a := runConfig(t, Config{Self: 1, Listener: l, Peers: map[core.PeerID][]string{2: {"127.0.0.1:1"}}, Secret: []byte("s"), Certificates: certs})
	hello := &hello{from: 2, to: 1}
	var plain bytes.Buffer
	require.NoError(t, sendFrame(&plain, hello.encode()))
	for _, say := range [][]byte{
		[]byte("GET / HTTP/1.0\r\n\r\n"),
		{22},
		{22, 3, 1, 0, 0},
		{22, 3, 1, 0xff, 0xff},
		{22, 3, 3, 0, 4, 1, 0, 0, 0},
		bytes.Repeat([]byte{22}, 70_000),
		{21, 3, 3, 0, 2, 2, 40},
		append(plain.Bytes(), 0, 0, 0, 32),
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		_, _ = c.Write(say)
		_ = c.(*net.TCPConn).CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		_, err = io.Copy(io.Discard, c)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "%x", say[:1])
		_ = c.Close()
	}
	require.Empty(t, a.log.events)
}
