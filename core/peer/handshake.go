package peer

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/zensus-io/zensus/core"
)

// The handshake, in frames: the dialer says hello with a nonce, the other answers with
// one of its own and a proof that it knows the secret, and the dialer proves the same.
// A proof is a MAC over who speaks to whom and both nonces, with another label on each
// side: none can be played back, nor turned around. Within TLS the secret is bound to
// the connection (bind), so that none can be passed on either.
const (
	magic     = "ZNSP"
	version   = 1 // of the protocol; both sides must know the other's
	nonceSize = 32
	helloMax  = 256
)

// errStranger is returned for one who does not know the secret, or is none of the
// ensemble's.
var errStranger = errors.New("peer: not a member of this ensemble")

// hello is the first frame of either side.
type hello struct {
	from, to core.PeerID
	nonce    [nonceSize]byte
	proof    []byte // empty from the dialer
}

func (h *hello) encode() []byte {
	dst := []byte(magic)
	dst = append(dst, version, byte(h.from), byte(h.to))
	dst = append(dst, h.nonce[:]...)
	return append(dst, h.proof...)
}

func decodeHello(b []byte) (h hello, err error) {
	const fixed = len(magic) + 3 + nonceSize
	switch {
	case len(b) < fixed || string(b[:len(magic)]) != magic:
		return h, fmt.Errorf("%w: no greeting", errStranger)
	case b[len(magic)] != version:
		return h, fmt.Errorf("peer: version %d is not known to this one", b[len(magic)])
	case len(b) != fixed && len(b) != fixed+sha256.Size:
		return h, fmt.Errorf("%w: a greeting of %d bytes", errStranger, len(b))
	}
	h.from, h.to = core.PeerID(b[len(magic)+1]), core.PeerID(b[len(magic)+2])
	copy(h.nonce[:], b[len(magic)+3:])
	h.proof = b[fixed:]
	return h, nil
}

// prove is what only one who knows the secret can say.
func prove(secret []byte, label string, from, to core.PeerID, own, theirs [nonceSize]byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(label))
	mac.Write([]byte{byte(from), byte(to)})
	mac.Write(own[:])
	mac.Write(theirs[:])
	return mac.Sum(nil)
}

const (
	labelDialer   = "zensus peer dialer"
	labelAcceptor = "zensus peer acceptor"
)

func sendFrame(w io.Writer, body []byte) error {
	b, mark := beginFrame(nil)
	b = append(b, body...)
	endFrame(b, mark)
	_, err := w.Write(b)
	return err
}

// greet is the dialer's side of the handshake.
func greet(c io.ReadWriter, secret []byte, self, to core.PeerID) error {
	own := hello{from: self, to: to}
	_, _ = rand.Read(own.nonce[:])
	if err := sendFrame(c, own.encode()); err != nil {
		return err
	}
	b, err := readFrame(c, helloMax)
	if err != nil {
		return fmt.Errorf("peer: no answer to the greeting: %w", err)
	}
	theirs, err := decodeHello(b)
	if err != nil {
		return err
	}
	want := prove(secret, labelAcceptor, to, self, theirs.nonce, own.nonce)
	if theirs.from != to || theirs.to != self || !hmac.Equal(theirs.proof, want) {
		return errStranger
	}
	return sendFrame(c, prove(secret, labelDialer, self, to, own.nonce, theirs.nonce))
}

// welcome is the other side. mayCome returns why somebody may not.
func welcome(c io.ReadWriter, secret []byte, self core.PeerID, mayCome func(core.PeerID) error) (core.PeerID, error) {
	b, err := readFrame(c, helloMax)
	if err != nil {
		return 0, err
	}
	theirs, err := decodeHello(b)
	if err != nil {
		return 0, err
	}
	if theirs.to != self {
		return 0, fmt.Errorf("%w: server %d for server %d", errStranger, theirs.from, theirs.to)
	}
	if err := mayCome(theirs.from); err != nil {
		return 0, err
	}
	own := hello{from: self, to: theirs.from}
	_, _ = rand.Read(own.nonce[:])
	own.proof = prove(secret, labelAcceptor, self, theirs.from, own.nonce, theirs.nonce)
	if err := sendFrame(c, own.encode()); err != nil {
		return 0, err
	}
	proof, err := readFrame(c, helloMax)
	if err != nil {
		return 0, err
	}
	if !hmac.Equal(proof, prove(secret, labelDialer, theirs.from, self, theirs.nonce, own.nonce)) {
		return 0, errStranger
	}
	return theirs.from, nil
}
