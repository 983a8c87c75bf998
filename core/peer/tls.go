package peer

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// TLSMode says which links are encrypted. The two modes in the middle take an ensemble
// that runs from plain text to TLS, or back, one server after the other: every server
// is restarted in TLSAccept before the first is in TLSPrefer, and every one in that
// before the first is in TLSRequire.
type TLSMode int

// The modes.
const (
	TLSOff     TLSMode = iota // neither dialed nor taken
	TLSAccept                 // dialed plain, taken either way
	TLSPrefer                 // dialed with TLS, taken either way
	TLSRequire                // dialed with TLS, taken with nothing else
)

// ClientAuth is what a server that dials must show to the one that it dials. It always
// shows its certificate if it is asked.
type ClientAuth int

// What may be asked for.
const (
	ClientAuthNeed ClientAuth = iota // a certificate of the authorities
	ClientAuthWant                   // likewise, or none
	ClientAuthNone                   // none is asked for: the secret alone keeps strangers out
)

// TLS is how links are encrypted. The files are PEM; they are read again when they have
// changed.
type TLS struct {
	Mode TLSMode
	// CertFile has this server's certificate, and behind it those that lead to an
	// authority's; KeyFile has its key, without a password. Blank is CertFile.
	CertFile, KeyFile string
	// CAFile has the certificates of the authorities whose word is taken.
	CAFile     string
	ClientAuth ClientAuth
	// AnyAcceptor takes the certificate of who was dialed for whatever name it is, else
	// it must be for the host that was dialed. AnyDialer likewise, of who dials: it must
	// be for one of the hosts under which the configuration knows that server.
	AnyAcceptor, AnyDialer bool
}

// Certificates are what the files of a TLS say. They are safe for concurrent use.
type Certificates struct {
	tls TLS
	log hclog.Logger

	mu struct {
		sync.Mutex
		id     *identity
		failed [sha256.Size]byte // of files that could not be used: they are told of once
		next   time.Time         // when the files are looked at again
	}
}

// identity is what the files said at one time.
type identity struct {
	cert  tls.Certificate
	roots *x509.CertPool
	sum   [sha256.Size]byte // of the files
}

const (
	// lookTime is how old what is known of the files may be at a handshake, and watchTime
	// how often they are looked at without one.
	lookTime  = time.Second
	watchTime = 10 * time.Second
	// certBytesMax bounds what is read of a file: a larger one is something else.
	certBytesMax = 1 << 20
)

// OpenCertificates reads the files. The error names the one that cannot be used.
func OpenCertificates(cfg TLS, log hclog.Logger) (*Certificates, error) {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	if cfg.KeyFile == "" {
		cfg.KeyFile = cfg.CertFile
	}
	c := &Certificates{tls: cfg, log: log}
	files, err := c.files()
	if err != nil {
		return nil, err
	}
	if c.mu.id, err = c.parse(files); err != nil {
		return nil, err
	}
	c.mu.next = time.Now().Add(lookTime)
	log.Info("certificates read", "good_until", c.mu.id.cert.Leaf.NotAfter.Format(time.RFC3339))
	return c, nil
}

// pemFiles are the contents of the three files.
type pemFiles struct{ cert, key, ca []byte }

func (f *pemFiles) sum() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, b := range [][]byte{f.cert, f.key, f.ca} {
		part := sha256.Sum256(b)
		h.Write(part[:])
	}
	h.Sum(sum[:0])
	return sum
}

func (c *Certificates) files() (f pemFiles, err error) {
	if f.cert, err = readPEM(c.tls.CertFile); err != nil {
		return f, err
	}
	if f.key = f.cert; c.tls.KeyFile != c.tls.CertFile {
		if f.key, err = readPEM(c.tls.KeyFile); err != nil {
			return f, err
		}
	}
	f.ca, err = readPEM(c.tls.CAFile)
	return f, err
}

func readPEM(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, certBytesMax+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > certBytesMax:
		return nil, fmt.Errorf("%s: it has more than %d bytes", name, certBytesMax)
	}
	if block, _ := pem.Decode(b); block == nil {
		return nil, fmt.Errorf("%s: there is no PEM in it, and no other kind of store can be read", name)
	}
	return b, nil
}

// parse makes of the files what handshakes need.
func (c *Certificates) parse(f pemFiles) (*identity, error) {
	id := &identity{roots: x509.NewCertPool(), sum: f.sum()}
	if encrypted(f.key) {
		return nil, fmt.Errorf("%s: its key is encrypted: only one without a password can be read", c.tls.KeyFile)
	}
	var err error
	if id.cert, err = tls.X509KeyPair(f.cert, f.key); err != nil {
		return nil, fmt.Errorf("%s, %s: %w", c.tls.CertFile, c.tls.KeyFile, err)
	}
	if id.cert.Leaf.NotAfter.Before(time.Now()) {
		return nil, fmt.Errorf("%s: the certificate was good until %s", c.tls.CertFile, id.cert.Leaf.NotAfter.Format(time.RFC3339))
	}
	if !id.roots.AppendCertsFromPEM(f.ca) {
		return nil, fmt.Errorf("%s: there is no certificate in it", c.tls.CAFile)
	}
	return id, nil
}

// encrypted reports whether a key needs a password.
func encrypted(key []byte) bool {
	for {
		var block *pem.Block
		if block, key = pem.Decode(key); block == nil {
			return false
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return true
		}
	}
}

// current is what the files say, or said when they could last be used.
func (c *Certificates) current() *identity {
	c.mu.Lock()
	id, now := c.mu.id, time.Now()
	due := now.After(c.mu.next)
	if due {
		c.mu.next = now.Add(lookTime) // whoever comes meanwhile takes what there is
	}
	c.mu.Unlock()
	if !due {
		return id
	}
	files, err := c.files()
	sum := files.sum()
	if err == nil && sum == id.sum {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.mu.failed = [sha256.Size]byte{}
		return c.mu.id
	}
	var fresh *identity
	if err == nil {
		fresh, err = c.parse(files)
	}
	if err != nil {
		sum = sha256.Sum256(append(sum[:], err.Error()...))
		c.mu.Lock()
		told := c.mu.failed == sum
		c.mu.failed = sum
		c.mu.Unlock()
		if !told {
			c.log.Error("certificates cannot be read, the old ones stay", "err", err)
		}
		return id
	}
	c.mu.Lock()
	c.mu.id, c.mu.failed = fresh, [sha256.Size]byte{}
	c.mu.Unlock()
	c.log.Info("certificates read again", "good_until", fresh.cert.Leaf.NotAfter.Format(time.RFC3339))
	return fresh
}

// GoodUntil is when the certificate ends that this server shows.
func (c *Certificates) GoodUntil() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.id.cert.Leaf.NotAfter
}

// watch looks at the files every now and then, so that a mistake in them is told of
// before a link needs them.
func (c *Certificates) watch(ctx context.Context) {
	ticker := time.NewTicker(watchTime)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.current()
		}
	}
}

// protocol is named in TLS handshakes, so that nobody can be led to another port.
const protocol = "zensus-peer"

// acceptor is the configuration of who is dialed.
func (c *Certificates) acceptor() *tls.Config {
	id := c.current()
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{protocol}, SessionTicketsDisabled: true,
		Certificates: []tls.Certificate{id.cert}, ClientCAs: id.roots,
		ClientAuth: [...]tls.ClientAuthType{tls.RequireAndVerifyClientCert, tls.VerifyClientCertIfGiven, tls.NoClientCert}[c.tls.ClientAuth],
	}
}

// dialer is the configuration of who dials a host.
func (c *Certificates) dialer(host string) *tls.Config {
	id := c.current()
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{protocol}, ServerName: host, RootCAs: id.roots,
		// Shown also to one who does not know its authority: he can say so then.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &id.cert, nil },
	}
	if c.tls.AnyAcceptor {
		cfg.InsecureSkipVerify = true // VerifyConnection does what it skips, but for the name
		cfg.VerifyConnection = func(s tls.ConnectionState) error {
			opts := x509.VerifyOptions{Roots: id.roots, Intermediates: x509.NewCertPool()}
			for _, cert := range s.PeerCertificates[1:] {
				opts.Intermediates.AddCert(cert)
			}
			_, err := s.PeerCertificates[0].Verify(opts)
			return err
		}
	}
	return cfg
}

// recordHandshake is the first byte of whoever speaks TLS; that of a frame is 0.
const recordHandshake = 22

// peeked is a connection of which the first byte was read already.
type peeked struct {
	net.Conn
	first []byte
}

func (p *peeked) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// handshake makes a TLS connection of one, and tells what both ends know of it and
// nobody else.
func handshake(ctx context.Context, c *tls.Conn) (channel []byte, err error) {
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	s := c.ConnectionState()
	return s.ExportKeyingMaterial("EXPORTER zensus peer", nil, sha256.Size)
}

// secureDialed encrypts a connection to who was dialed, if that is how it is dialed.
func (t *Transport) secureDialed(ctx context.Context, c net.Conn, addr string) (net.Conn, []byte, error) {
	if !t.cfg.Certificates.dials() {
		return c, nil, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, err
	}
	secured := tls.Client(c, t.cfg.Certificates.dialer(host))
	channel, err := handshake(ctx, secured)
	return secured, channel, err
}

// secureAccepted finds out how who has dialed speaks.
func (t *Transport) secureAccepted(ctx context.Context, c net.Conn) (net.Conn, []byte, error) {
	var first [1]byte
	if _, err := io.ReadFull(c, first[:]); err != nil {
		return nil, nil, err
	}
	c = &peeked{Conn: c, first: first[:]}
	mode := TLSOff
	if t.cfg.Certificates != nil {
		mode = t.cfg.Certificates.tls.Mode
	}
	switch {
	case first[0] != recordHandshake && mode == TLSRequire:
		return nil, nil, fmt.Errorf("%w: it does not speak TLS", errStranger)
	case first[0] != recordHandshake:
		return c, nil, nil
	case mode == TLSOff:
		return nil, nil, fmt.Errorf("%w: it speaks TLS, which this server does not", errStranger)
	}
	secured := tls.Server(c, t.cfg.Certificates.acceptor())
	channel, err := handshake(ctx, secured)
	return secured, channel, err
}

// dials reports whether links are dialed with TLS.
func (c *Certificates) dials() bool { return c != nil && c.tls.Mode >= TLSPrefer }

// bind is the secret as it holds on one connection only: a proof on one that somebody
// in the middle has opened is none on the one that leads on from there.
func bind(secret, channel []byte) []byte {
	if channel == nil {
		return secret
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("zensus peer channel"))
	mac.Write(channel)
	return mac.Sum(nil)
}

// vouches reports whether the certificate that came with a connection is for one of the
// hosts of some addresses, if that is looked at.
func (c *Certificates) vouches(conn net.Conn, addrs []string) bool {
	secured, ok := conn.(*tls.Conn)
	if !ok || c.tls.AnyDialer {
		return true
	}
	certs := secured.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return true // ClientAuth has let it through
	}
	for _, addr := range addrs {
		if host, _, err := net.SplitHostPort(addr); err == nil && certs[0].VerifyHostname(host) == nil {
			return true
		}
	}
	return false
}

// carrier is what a connection lies on. A link is cut off there: TLS says goodbye when
// it is closed, and would wait for one who takes nothing any more.
func carrier(c net.Conn) net.Conn {
	if secured, ok := c.(*tls.Conn); ok {
		return secured.NetConn()
	}
	return c
}
