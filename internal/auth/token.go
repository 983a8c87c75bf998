package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/picture"
)

// claims are Nacos's sub and exp, and a mark of the password, so that a new
// password ends the tokens that were made with the old one.
type claims struct {
	jwt.RegisteredClaims
	Password string `json:"pwd"`
}

// passwordMark says nothing about the password to whoever reads a token: it is a
// hash of a salted hash.
func passwordMark(hash string) string {
	sum := sha256.Sum256([]byte(hash))
	return hex.EncodeToString(sum[:8])
}

func (a *Auth) sign(user, hash string, expires time.Time) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{Subject: user, ExpiresAt: jwt.NewNumericDate(expires)},
		Password:         passwordMark(hash),
	})
	return t.SignedString(a.cfg.Key)
}

var errExpired = say(ErrUnauthenticated, "token expired!")

// maxTokenBytes bounds what is parsed at all.
const maxTokenBytes = 8 << 10

// verify returns whose token it is.
func (a *Auth) verify(token string) (Subject, error) {
	if token == "" || len(token) > maxTokenBytes {
		return Subject{}, ErrUnauthenticated
	}
	x := a.Directory.current()
	if strings.HasPrefix(token, adminTokenPrefix) || strings.HasPrefix(token, machineTokenPrefix) {
		return x.machine(token)
	}
	var c claims
	_, err := a.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return a.cfg.Key, nil })
	if err != nil {
		if errors.Is(err, jwt.ErrTokenExpired) {
			return Subject{}, errExpired
		}
		return Subject{}, ErrUnauthenticated
	}
	s, ok := x.subject(c.Subject)
	if !ok || subtle.ConstantTimeCompare([]byte(passwordMark(x.hashes[c.Subject])), []byte(c.Password)) != 1 {
		return Subject{}, ErrUnauthenticated
	}
	return s, nil
}

const (
	adminTokenPrefix = "zat_"
	adminTokenName   = "admin"
)

// isAdminToken reports whether a token stands for an administrator.
func (x *index) isAdminToken(token string) bool {
	s, err := x.machine(token)
	return err == nil && s.Admin
}

// EnsureAdminToken makes the admin token at the very first start of an ensemble:
// its hash goes into the tree, its text into file, which only its owner can read.
// It reports whether it made one. On a node that did not, there is no file.
func (a *Auth) EnsureAdminToken(ctx context.Context, file string) (made bool, err error) {
	d := a.Directory
	if err := d.prepare(ctx); err != nil {
		return false, fmt.Errorf("admin token: %w", err)
	}
	path := core.JoinPath(tokensPath, adminTokenName)
	_, err = d.client.Exists(ctx, path)
	if err == nil || !errors.Is(err, core.NoNode) {
		return false, err
	}
	token := adminTokenPrefix + rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(token))
	value, err := picture.Encode(tokenValue{SHA256: sum[:], Created: time.Now().UnixMilli()})
	if err != nil {
		return false, err
	}
	// The text first: a hash whose text nobody has would shut everybody out.
	if err := writePrivate(file, token+"\n"); err != nil {
		return false, fmt.Errorf("admin token: %w", err)
	}
	_, st, err := d.client.Create(ctx, path, value, core.CreateOptions{})
	switch {
	case errors.Is(err, core.NodeExists): // another node was first
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		return false, nil
	case err != nil:
		return false, fmt.Errorf("admin token: %w", err)
	}
	d.picture.Shown(ctx, st.Czxid)
	return true, nil
}

// writePrivate replaces a file by one that only its owner can read, and returns
// when it survives a crash.
func writePrivate(file, text string) (err error) {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // there is nothing to keep
		}
	}()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
