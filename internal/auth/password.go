package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/crypto/bcrypt"
)

// maxPasswordBytes is what bcrypt reads; it would pass over the rest.
const maxPasswordBytes = 72

// defaultHashCost is Nacos's.
const defaultHashCost = 10

func hashPassword(password string, cost int) (string, error) {
	switch {
	case password == "":
		return "", say(ErrInvalid, "password is blank")
	case len(password) > maxPasswordBytes:
		return "", say(ErrInvalid, "password is longer than 72 bytes")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	return string(hash), err
}

// verifier compares passwords with hashes. Clients of Node.js send name and
// password with every request, so what was right lately is remembered, under a
// key that is good in this process only.
type verifier struct {
	key   [32]byte
	right *lru.Cache[[32]byte, time.Time] // until when
	slots chan struct{}                   // bounds the processors that bcrypt may take
	dummy string                          // a hash for users that are not there: they cost as much
}

// How many right passwords are remembered, and for how long.
const (
	rightMax = 4096
	rightTTL = 5 * time.Minute
)

func newVerifier(cost int) (*verifier, error) {
	right, err := lru.New[[32]byte, time.Time](rightMax)
	if err != nil {
		return nil, err
	}
	v := &verifier{right: right, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	if _, err := rand.Read(v.key[:]); err != nil {
		return nil, err
	}
	v.dummy, err = dummyHash(cost)
	return v, err
}

// bcryptText is how bcrypt writes bytes.
var bcryptText = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)

// dummyHash has the form of a hash with that cost, and is of no password that anybody
// knows. It is not computed, for which a server would start a while later.
func dummyHash(cost int) (string, error) {
	var salt [16]byte
	var digest [23]byte
	for _, part := range [][]byte{salt[:], digest[:]} {
		if _, err := rand.Read(part); err != nil {
			return "", err
		}
	}
	if cost < bcrypt.MinCost { // as bcrypt has it
		cost = bcrypt.DefaultCost
	}
	return fmt.Sprintf("$2a$%02d$%s%s", cost, bcryptText.EncodeToString(salt[:]), bcryptText.EncodeToString(digest[:])), nil
}

// knows reports whether this was the password of hash lately.
func (v *verifier) knows(hash, password string) bool {
	until, ok := v.right.Get(v.fingerprint(hash, password))
	return ok && hash != "" && time.Now().Before(until)
}

// enter waits for its turn to check; done ends the waiting. The caller leaves when the
// outcome is noted.
func (v *verifier) enter(done <-chan struct{}) (leave func(), err error) {
	select {
	case v.slots <- struct{}{}:
		return func() { <-v.slots }, nil
	case <-done:
		return nil, errors.New("gave up waiting for a check of the password")
	}
}

// check reports whether password is the one of hash, "" being a user that does
// not exist, which takes as long. Call it between enter and leave.
func (v *verifier) check(hash, password string) bool {
	if hash == "" || len(password) > maxPasswordBytes {
		_ = bcrypt.CompareHashAndPassword([]byte(v.dummy), []byte("wrong"))
		return false
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil {
		return false
	}
	v.right.Add(v.fingerprint(hash, password), time.Now().Add(rightTTL))
	return true
}

func (v *verifier) fingerprint(hash, password string) [32]byte {
	m := hmac.New(sha256.New, v.key[:])
	m.Write([]byte(hash))
	m.Write([]byte{0})
	m.Write([]byte(password))
	return [32]byte(m.Sum(nil))
}
