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
// the connection (bind), so that none can be passed on either. A nonce begins with the life
// of its process, and is random behind it.
//
// One that is on its own and does not know the dialer proves itself under a label that
// says so. The dialer then proves itself together with a claim, what it has to tell such
// a one, and there is no link.
const (
	magic     = "ZNSP"
	version   = 1 // of the protocol; both sides must know the other's
	nonceSize = 32
	helloMax  = 256
	// claimBytesMax bounds a claim. A longer one is not told.
	claimBytesMax = 64 << 10
)

// errStranger is returned for one who does not know the secret, or is none of the
// ensemble's.
var errStranger = errors.New("peer: not a member of this ensemble")

// errSecret is returned where somebody proves that he knows another secret than this server.
var errSecret = fmt.Errorf("%w: it has another secret than this server (secret_file)", errStranger)

// errAlone is returned to the dialer of one that is on its own.
var errAlone = errors.New("peer: it is on its own and does not know this server: it has not been told of this one yet (zensus cluster add), or it has lost its disk and its configuration names nobody else")

// hello is the first frame of either side.
type hello struct {
	from, to core.PeerID
	nonce    [nonceSize]byte
	proof    []byte // empty from the dialer
}

func newHello(own life, from, to core.PeerID) hello {
	h := hello{from: from, to: to}
	copy(h.nonce[:], own[:])
	_, _ = rand.Read(h.nonce[lifeSize:])
	return h
}

func (h *hello) life() life { return life(h.nonce[:lifeSize]) }

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
func prove(secret []byte, label string, from, to core.PeerID, own, theirs [nonceSize]byte, more ...byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(label))
	mac.Write([]byte{byte(from), byte(to)})
	mac.Write(own[:])
	mac.Write(theirs[:])
	mac.Write(more)
	return mac.Sum(nil)
}

const (
	labelDialer   = "zensus peer dialer"
	labelAcceptor = "zensus peer acceptor"
	labelAlone    = "zensus peer alone"
	labelClaim    = "zensus peer claim"
)

func sendFrame(w io.Writer, body []byte) error {
	b, mark := beginFrame(nil)
	b = append(b, body...)
	endFrame(b, mark)
	_, err := w.Write(b)
	return err
}

// greet is the dialer's side of the handshake; it returns the life of the other. claim is
// what one that is on its own is told; there is no link with it.
func greet(c io.ReadWriter, secret []byte, here life, self, to core.PeerID, claim func() []byte) (life, error) {
	own := newHello(here, self, to)
	if err := sendFrame(c, own.encode()); err != nil {
		return life{}, err
	}
	b, err := readFrame(c, helloMax)
	if err != nil {
		return life{}, fmt.Errorf("peer: no answer to the greeting, as from a server to which this one is no member (zensus cluster add): %w", err)
	}
	theirs, err := decodeHello(b)
	if err != nil {
		return life{}, err
	}
	proves := func(label string) bool {
		return hmac.Equal(theirs.proof, prove(secret, label, to, self, theirs.nonce, own.nonce))
	}
	switch {
	case theirs.from != to || theirs.to != self:
		return life{}, errStranger
	case proves(labelAcceptor):
		return theirs.life(), sendFrame(c, prove(secret, labelDialer, self, to, own.nonce, theirs.nonce))
	case proves(labelAlone):
		var tell []byte
		if claim != nil {
			tell = claim()
		}
		if len(tell) > claimBytesMax {
			tell = nil
		}
		if err := sendFrame(c, append(prove(secret, labelClaim, self, to, own.nonce, theirs.nonce, tell...), tell...)); err != nil {
			return life{}, err
		}
		return life{}, errAlone
	}
	return life{}, errSecret
}

// guest is who has proved to the one that was dialed that it knows the secret.
type guest struct {
	peer core.PeerID
	life life
	// claims says that it is none that is linked, and claim what it had to tell.
	claims bool
	claim  []byte
}

// welcome is the other side. mayCome returns why somebody may not, or that this server is
// on its own and does not know him.
func welcome(c io.ReadWriter, secret []byte, here life, self core.PeerID, mayCome func(core.PeerID) (alone bool, err error)) (guest, error) {
	b, err := readFrame(c, helloMax)
	if err != nil {
		return guest{}, fmt.Errorf("peer: no greeting: %w", err)
	}
	theirs, err := decodeHello(b)
	if err != nil {
		return guest{}, err
	}
	if theirs.to != self {
		return guest{}, fmt.Errorf("%w: server %d for server %d", errStranger, theirs.from, theirs.to)
	}
	g := guest{peer: theirs.from, life: theirs.life()}
	if g.claims, err = mayCome(g.peer); err != nil {
		return guest{}, err
	}
	ownLabel, theirLabel, most := labelAcceptor, labelDialer, helloMax
	if g.claims {
		ownLabel, theirLabel, most = labelAlone, labelClaim, sha256.Size+claimBytesMax
	}
	own := newHello(here, self, g.peer)
	own.proof = prove(secret, ownLabel, self, g.peer, own.nonce, theirs.nonce)
	if err := sendFrame(c, own.encode()); err != nil {
		return guest{}, err
	}
	proof, err := readFrame(c, most)
	if err != nil {
		return guest{}, fmt.Errorf("peer: server %d proves nothing, as one does to whom this one has another secret (secret_file): %w", g.peer, err)
	}
	if g.claims && len(proof) > sha256.Size {
		proof, g.claim = proof[:sha256.Size], proof[sha256.Size:]
	}
	if !hmac.Equal(proof, prove(secret, theirLabel, g.peer, self, theirs.nonce, own.nonce, g.claim...)) {
		return guest{}, errSecret
	}
	return g, nil
}
