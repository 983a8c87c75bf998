package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// lowBits is the part of an id below the byte of the server that made it.
const lowBits = 56

const lowMask = 1<<lowBits - 1

// IDs makes the ids of the sessions that one server creates.
type IDs struct {
	peer core.PeerID
	base uint64 // where to go on after the last id of all
	next uint64
}

// NewIDs makes ids for the server peer, 1 to 254, with that in the top byte, the
// low 40 bits of the wall clock below it and 16 bits to count in. above is the
// highest id with peer in its top byte that is known to have been given out, 0
// for none: ids begin above it, so that a clock that went back repeats none.
func NewIDs(peer core.PeerID, wallMillis int64, above core.SessionID) *IDs {
	if peer == 0 || peer == 255 {
		panic("session: the ids of servers are 1 to 254") // else an id could be 0 or look like a TTL node's owner
	}
	ids := &IDs{peer: peer, base: uint64(wallMillis) & (1<<40 - 1) << 16}
	ids.next = ids.base
	if PeerOf(above) == peer {
		ids.next = max(ids.next, uint64(above)&lowMask+1)
	}
	return ids
}

// Next is an id that this server has not given out before. It is never 0, nor
// the owner of a container or of a TTL znode.
func (ids *IDs) Next() core.SessionID {
	if ids.next > lowMask {
		ids.next = ids.base
	}
	if ids.next == 0 { // 0x80 in the top byte and nothing below is a container's owner
		ids.next++
	}
	id := uint64(ids.peer)<<lowBits | ids.next
	ids.next++
	return core.SessionID(id)
}

// PeerOf is the server that created the session.
func PeerOf(id core.SessionID) core.PeerID { return core.PeerID(uint64(id) >> lowBits) }

// Password is the password of a session: a MAC of its id under the secret that
// the members share, so that every server can check it and nobody can guess it.
func Password(secret []byte, id core.SessionID) [wire.PasswordBytes]byte {
	return NewPasswords(secret).Of(id)
}

// Passwords are the passwords under one secret, for one who needs many of them. It is not
// safe for concurrent use.
type Passwords struct {
	mac hash.Hash
	id  [8]byte
	sum [sha256.Size]byte
}

// NewPasswords prepares what all passwords under a secret have in common.
func NewPasswords(secret []byte) *Passwords { return &Passwords{mac: hmac.New(sha256.New, secret)} }

// Of is Password.
func (p *Passwords) Of(id core.SessionID) [wire.PasswordBytes]byte {
	p.mac.Reset()
	binary.BigEndian.PutUint64(p.id[:], uint64(id))
	p.mac.Write(p.id[:])
	return [wire.PasswordBytes]byte(p.mac.Sum(p.sum[:0])[:wire.PasswordBytes])
}

// ReadOnlyPassword is the password of a session that one server alone knows while it
// has no quorum: no other server, and not this one later, takes it for one of theirs.
func ReadOnlyPassword(secret []byte, id core.SessionID) [wire.PasswordBytes]byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("read-only"))
	return Password(mac.Sum(nil), id)
}

// The generator of java.util.Random, and what Apache ZooKeeper seeds it with.
const (
	javaMultiplier = 0x5DEECE66D
	javaIncrement  = 0xB
	javaMask       = 1<<48 - 1
	apacheSalt     = 0xB3415C00
)

// ApachePassword is the password that Apache ZooKeeper gives a session. It is
// no secret, and is used only for sessions that were imported from there.
func ApachePassword(id core.SessionID) [wire.PasswordBytes]byte {
	state := (uint64(id) ^ apacheSalt ^ javaMultiplier) & javaMask
	var password [wire.PasswordBytes]byte
	for i := 0; i < len(password); i += 4 {
		state = (state*javaMultiplier + javaIncrement) & javaMask
		binary.LittleEndian.PutUint32(password[i:], uint32(state>>16))
	}
	return password
}

// SamePassword reports whether got is want, in a time that does not tell where
// they differ.
func SamePassword(want [wire.PasswordBytes]byte, got []byte) bool {
	return subtle.ConstantTimeCompare(want[:], got) == 1
}

// Negotiate is the timeout that a client gets for the one it asked for: within
// [minMillis, maxMillis].
func Negotiate(requestedMillis, minMillis, maxMillis int32) int32 {
	return min(max(requestedMillis, minMillis), maxMillis)
}
