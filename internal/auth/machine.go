package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/picture"
	"github.com/zensus-io/zensus/internal/segment"
)

// Bounds of tokens for machines.
const (
	TokensMax        = 1000
	DefaultTokenLife = 365 * 24 * time.Hour
	TokenLifeMax     = 10 * DefaultTokenLife
	tokenLifeMin     = time.Minute
	maxNoteBytes     = 256
)

// The texts of machines' tokens begin with machineTokenPrefix, the names under which they
// act with machinePrefix, which no user's name has.
const (
	machineTokenPrefix = "zmt_"
	machinePrefix      = "token:"
)

// Token is a machine's: it is sent in place of a login's, has the rights of a role, and is
// good until it ends or is revoked. Of its text a hash is kept.
type Token struct {
	Name string
	Role string // AdminRole stands for an administrator
	Note string // what it is for
	By   string // who made it; blank for the server itself
	// Created and Expires are zero where there is none: the admin token does not expire.
	Created, Expires time.Time
}

// tokenValue is a token as it is kept. Without a hash it is one that was revoked and
// must not be made again by itself.
type tokenValue struct {
	SHA256  []byte `json:"sha256,omitempty"`
	Role    string `json:"role,omitempty"` // blank is AdminRole
	Note    string `json:"note,omitempty"`
	By      string `json:"by,omitempty"`
	Created int64  `json:"created,omitempty"` // milliseconds since 1970
	Expires int64  `json:"expires,omitempty"` // likewise; 0 is never
}

func (v *tokenValue) token(name string) *Token {
	t := &Token{Name: name, Role: cmp.Or(v.Role, AdminRole), Note: v.Note, By: v.By}
	if v.Created != 0 {
		t.Created = time.UnixMilli(v.Created)
	}
	if v.Expires != 0 {
		t.Expires = time.UnixMilli(v.Expires)
	}
	return t
}

func (t *Token) expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// subject is who acts with the token.
func (t *Token) subject() Subject {
	return Subject{Name: machinePrefix + t.Name, Roles: []string{t.Role}, Admin: t.Role == AdminRole}
}

// machine is whose token a text is. It is found by its hash: the time that this takes
// tells nothing about any other text.
func (x *index) machine(text string) (Subject, error) {
	t := x.tokens[sha256.Sum256([]byte(text))]
	switch {
	case t == nil:
		return Subject{}, ErrUnauthenticated
	case t.expired(time.Now()):
		return Subject{}, errExpired
	}
	return t.subject(), nil
}

// Tokens are all tokens that were not revoked, by name.
func (d *Directory) Tokens() []Token {
	var all []Token
	for _, t := range d.current().named {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Token) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func tokenPath(name string) string { return core.JoinPath(tokensPath, segment.Escape(name)) }

// CreateToken makes a token with t's name, role and note that is good for life, the
// default being DefaultTokenLife, and returns it with its text, which cannot be had again.
// The role need not be anybody's else. It returns ErrExists or ErrInvalid.
func (d *Directory) CreateToken(ctx context.Context, t Token, life time.Duration) (Token, string, error) {
	if life == 0 {
		life = DefaultTokenLife
	}
	if err := errors.Join(validName("name", t.Name), validName("role", t.Role)); err != nil {
		return Token{}, "", say(ErrInvalid, err.Error())
	}
	switch {
	case len(t.Note) > maxNoteBytes:
		return Token{}, "", say(ErrInvalid, fmt.Sprintf("description is longer than %d bytes", maxNoteBytes))
	case life < tokenLifeMin || life > TokenLifeMax:
		return Token{}, "", say(ErrInvalid, fmt.Sprintf("ttlSeconds is not between %d and %d", int64(tokenLifeMin.Seconds()), int64(TokenLifeMax.Seconds())))
	case len(d.current().named) >= TokensMax:
		return Token{}, "", say(ErrInvalid, fmt.Sprintf("there are %d tokens already", TokensMax))
	}
	text := machineTokenPrefix + rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(text))
	now := time.Now()
	v := tokenValue{
		SHA256: sum[:], Role: t.Role, Note: t.Note, By: t.By,
		Created: now.UnixMilli(), Expires: now.Add(life).UnixMilli(),
	}
	value, err := picture.Encode(v)
	if err != nil {
		return Token{}, "", err
	}
	if err := core.Ensure(ctx, d.client, tokensPath); err != nil {
		return Token{}, "", err
	}
	exists := say(ErrExists, "token '"+t.Name+"' already exist!")
	if err := d.write(ctx, exists, nil, core.CreateOp{Path: tokenPath(t.Name), Data: value}); err != nil {
		return Token{}, "", err
	}
	return *v.token(t.Name), text, nil
}

// RevokeToken ends a token; what is not there is no error. The admin token can be revoked
// once there is an administrator, ErrInvalid before, and does not come back.
func (d *Directory) RevokeToken(ctx context.Context, name string) error {
	if err := validName("name", name); err != nil {
		return err
	}
	if name != adminTokenName {
		return d.writeIfThere(ctx, core.DeleteOp{Path: tokenPath(name), Version: core.AnyVersion})
	}
	if !d.HasAdmin() {
		return say(ErrInvalid, "nobody would administer this server any more")
	}
	value, err := picture.Encode(tokenValue{})
	if err != nil {
		return err
	}
	return d.writeIfThere(ctx, core.SetOp{Path: tokenPath(name), Data: value, Version: core.AnyVersion})
}
