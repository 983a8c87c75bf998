package acl

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"

	"github.com/zensus-io/zensus/core"
)

// Authenticator turns auth packets into identities. The zero value knows no
// digest scheme; NewAuthenticator does. It is safe for concurrent use as long as
// its fields stay unchanged.
type Authenticator struct {
	// SuperDigest is the digest identity, "super:" and a hash, whose bearer passes
	// every access list. Empty: there is no super user.
	SuperDigest string
	// DigestEnabled says whether clients can authenticate by name and password.
	DigestEnabled bool
}

// NewAuthenticator is ZooKeeper's default: digest without a super user.
func NewAuthenticator() *Authenticator { return &Authenticator{DigestEnabled: true} }

// Authenticate checks an auth packet of a connection from remoteIP. If ok, the
// connection has the identities add from now on, beside those that it had (a
// caller adds none twice). If not, the answer is AuthFailed and the connection
// ends; its session does not.
//
// The schemes are digest and ip, which any data satisfies. world, auth, sasl,
// x509 and the servers' own scheme cannot be authenticated with.
func (a *Authenticator) Authenticate(scheme string, auth []byte, remoteIP string) (add []core.Identity, ok bool) {
	switch scheme {
	case schemeDigest:
		if !a.DigestEnabled || auth == nil {
			return nil, false
		}
		id := Digest(auth)
		if a.SuperDigest != "" && subtle.ConstantTimeCompare([]byte(id), []byte(a.SuperDigest)) == 1 {
			add = append(add, core.Identity{Scheme: schemeSuper})
		}
		return append(add, core.Identity{Scheme: schemeDigest, ID: id}), true
	case schemeIP:
		return []core.Identity{{Scheme: schemeIP, ID: remoteIP}}, true
	}
	return nil, false
}

// Digest is the id in the digest scheme of whoever knows userPassword, a user's
// name, a colon and a password: the name, a colon and the base64 of the SHA-1 of
// the whole. Without a colon all of it is the name.
func Digest(userPassword []byte) string {
	user, _, _ := bytes.Cut(userPassword, []byte(":"))
	sum := sha1.Sum(userPassword)
	id := make([]byte, 0, len(user)+1+base64.StdEncoding.EncodedLen(len(sum)))
	id = append(append(id, user...), ':')
	return string(base64.StdEncoding.AppendEncode(id, sum[:]))
}
