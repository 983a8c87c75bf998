package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
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
	v.dummy, err = hashPassword(rand.Text(), cost)
	return v, err
}

// check reports whether password is the one of hash, "" being a user that does
// not exist. It waits its turn; done ends the waiting.
func (v *verifier) check(done <-chan struct{}, hash, password string) (bool, error) {
	known := v.fingerprint(hash, password)
	if until, ok := v.right.Get(known); ok && hash != "" && time.Now().Before(until) {
		return true, nil
	}
	select {
	case v.slots <- struct{}{}:
	case <-done:
		return false, errors.New("gave up waiting for a check of the password")
	}
	defer func() { <-v.slots }()
	if hash == "" || len(password) > maxPasswordBytes {
		_ = bcrypt.CompareHashAndPassword([]byte(v.dummy), []byte("wrong"))
		return false, nil
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil {
		return false, nil
	}
	v.right.Add(known, time.Now().Add(rightTTL))
	return true, nil
}

func (v *verifier) fingerprint(hash, password string) [32]byte {
	m := hmac.New(sha256.New, v.key[:])
	m.Write([]byte(hash))
	m.Write([]byte{0})
	m.Write([]byte(password))
	return [32]byte(m.Sum(nil))
}
