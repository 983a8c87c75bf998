// Package quota keeps how much a namespace, or a group of the public one, may hold.
//
// A quota is a znode below /zensus/quotas, read from a picture of them and written through
// core.Client. It says limits only. How much is used is the business of those who hold it:
// the config center and the registry count what they show, and ask here what they may take.
//
// Two of them cannot both take the last place: whoever adds configs under a limit changes
// the quota's znode in the same transaction (see Hold). Services and instances are
// registered too often for that; those who register at the same moment at several nodes may
// together pass a limit by as many as they are.
//
// The package starts no goroutines but those of the picture, which Run owns.
package quota

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/names"
	"github.com/zensus-io/zensus/internal/picture"
	"github.com/zensus-io/zensus/internal/segment"
)

// Root is where the quotas live.
const Root = "/zensus/quotas"

// quotasMax bounds the quotas of each kind.
const quotasMax = 20_000

// NameBytesMax is the longest name of a namespace or a group (Nacos).
const NameBytesMax = 128

// IllegalCharacter is the reason for which a name is refused that is not too long.
const IllegalCharacter = "holds an illegal character"

// changeTries bounds how often a change begins again because another one cut in.
const changeTries = 32

var (
	// ErrTooMany is returned for a new quota when there are as many as there may be.
	ErrTooMany = errors.New("there are too many quotas")
	// ErrContended is returned when a quota was changed by others all the time. Nothing
	// was written.
	ErrContended = errors.New("quota is being changed by others")
	// ErrStarting is returned while the quotas have not been read yet: what a scope may
	// hold is not known then, which is not that it may hold anything.
	ErrStarting = errors.New("quotas are not known yet")
)

// InvalidError says which name or limit is none.
type InvalidError struct{ Field, Reason string }

// Error names the field first.
func (e *InvalidError) Error() string { return e.Field + " " + e.Reason }

// Scope is what a quota is for: a namespace, or with a blank namespace a group of the
// public one, or with two blank names everything together.
type Scope struct{ Namespace, Group string }

// Scopes are the quotas that a config is under. public says that its namespace is the
// public one, whose groups have quotas of their own.
func Scopes(namespace, group string, public bool) []Scope {
	scopes := []Scope{{}, {Namespace: namespace}}
	if public {
		scopes = append(scopes, Scope{Group: group})
	}
	return scopes
}

// String says what the quota is for.
func (s Scope) String() string {
	switch {
	case s.Namespace != "":
		return "namespace " + s.Namespace
	case s.Group != "":
		return "group " + s.Group
	}
	return "all namespaces"
}

const all, namespaces, groups = Root + "/all", Root + "/namespaces", Root + "/groups"

func (s Scope) path() string {
	switch {
	case s.Namespace != "":
		return core.JoinPath(namespaces, segment.Escape(s.Namespace))
	case s.Group != "":
		return core.JoinPath(groups, segment.Escape(s.Group))
	}
	return all
}

// Validate checks the names by Nacos's rules. It returns an *InvalidError.
func (s Scope) Validate() error {
	if err := checkName("namespace", s.Namespace, "_-"); err != nil {
		return err
	}
	return checkName("group", s.Group, "_-:.")
}

func checkName(field, name, marks string) error {
	if len(name) > NameBytesMax {
		return &InvalidError{field, fmt.Sprintf("is longer than %d bytes", NameBytesMax)}
	}
	if !names.Word(name, marks) {
		return &InvalidError{field, IllegalCharacter}
	}
	return nil
}

// Limits are what a scope may hold; 0 is no limit.
type Limits struct {
	Configs int `json:"configs,omitempty"`
	// ContentBytes is the longest content of one config, in bytes.
	ContentBytes int `json:"contentBytes,omitempty"`
	// Bytes is all contents together, gray versions included.
	Bytes int64 `json:"bytes,omitempty"`
	// Services and Instances are those of the registry; of a group they mean nothing.
	Services  int `json:"services,omitempty"`
	Instances int `json:"instances,omitempty"`
	// AggrConfigs and AggrBytes are kept and shown, for clients that set them: since its
	// version 2 Nacos has no aggregated configs either.
	AggrConfigs int `json:"aggrConfigs,omitempty"`
	AggrBytes   int `json:"aggrBytes,omitempty"`
}

// Validate returns an *InvalidError for a limit that is none: Nacos knows them as integers
// of 32 bits.
func (l *Limits) Validate() error {
	for _, f := range []struct {
		name  string
		value int64
		max   int64
	}{
		{"configs", int64(l.Configs), math.MaxInt32},
		{"contentBytes", int64(l.ContentBytes), math.MaxInt32},
		{"bytes", l.Bytes, math.MaxInt64},
		{"services", int64(l.Services), math.MaxInt32},
		{"instances", int64(l.Instances), math.MaxInt32},
		{"aggrConfigs", int64(l.AggrConfigs), math.MaxInt32},
		{"aggrBytes", int64(l.AggrBytes), math.MaxInt32},
	} {
		if f.value < 0 || f.value > f.max {
			return &InvalidError{f.name, fmt.Sprintf("is not between 0, for no limit, and %d", f.max)}
		}
	}
	return nil
}

// Quotas is all quotas. It is safe for concurrent use.
type Quotas struct {
	client  core.Client
	picture *picture.Picture
	log     *slog.Logger
}

// New makes the picture; Run fills it.
func New(client core.Client, log *slog.Logger) (*Quotas, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p, err := picture.New(picture.Config{Client: client, Root: Root, Starting: ErrStarting, Log: log})
	if err != nil {
		return nil, err
	}
	return &Quotas{client: client, picture: p, log: log}, nil
}

// Run keeps the picture until ctx ends.
func (q *Quotas) Run(ctx context.Context) error { return q.picture.Run(ctx) }

// Ready is closed when the quotas are known.
func (q *Quotas) Ready() <-chan struct{} { return q.picture.Ready() }

// Get is the limits of a scope as this node knows them; none where nobody set any. It
// returns ErrStarting.
func (q *Quotas) Get(ctx context.Context, s Scope) (Limits, error) {
	if err := q.picture.Await(ctx); err != nil {
		return Limits{}, err
	}
	return q.Shown(s), nil
}

// Shown is Get for who only shows them: before they are known there are none.
func (q *Quotas) Shown(s Scope) Limits {
	node, ok := q.picture.Get(s.path())
	if !ok {
		return Limits{}
	}
	l, err := decode(node.Data)
	if err != nil {
		q.log.Warn("quota cannot be read", "path", node.Path, "err", err)
	}
	return l
}

// Held is a quota as it was read for a change under it.
type Held struct {
	Limits
	// As is the zxid of the last change under the quota: whoever counts must have seen it.
	As core.Zxid

	path    string
	version int32
	data    []byte
}

// Op makes the transaction that it is in fail with BadVersion if anybody else has added
// something under the quota since it was held, or changed the quota.
func (h *Held) Op() core.Op { return core.SetOp{Path: h.path, Data: h.data, Version: h.version} }

// Hold reads a quota for a change under it. It returns nil where there is none, and
// ErrStarting.
func (q *Quotas) Hold(ctx context.Context, s Scope) (*Held, error) {
	if err := q.picture.Await(ctx); err != nil {
		return nil, err
	}
	if _, ok := q.picture.Get(s.path()); !ok {
		return nil, nil
	}
	data, st, err := q.client.Get(ctx, s.path())
	if errors.Is(err, core.NoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("quota of %s: %w", s, err)
	}
	return &Held{Limits: l, As: st.Mzxid, path: s.path(), version: st.Version, data: data}, nil
}

// Change sets limits of a scope. It returns an *InvalidError, ErrTooMany or ErrContended.
func (q *Quotas) Change(ctx context.Context, s Scope, change func(*Limits)) error {
	if err := s.Validate(); err != nil {
		return err
	}
	for range changeTries {
		zxid, again, err := q.tryChange(ctx, s, change)
		if err != nil {
			return err
		}
		if !again {
			q.picture.Shown(ctx, zxid)
			return nil
		}
		if _, err := q.client.Sync(ctx, s.path()); err != nil {
			return err
		}
	}
	return ErrContended
}

func (q *Quotas) tryChange(ctx context.Context, s Scope, change func(*Limits)) (zxid core.Zxid, again bool, err error) {
	data, st, err := q.client.Get(ctx, s.path())
	if err != nil && !errors.Is(err, core.NoNode) {
		return 0, false, err
	}
	there := err == nil
	var l Limits
	if there {
		if l, err = decode(data); err != nil {
			return 0, false, fmt.Errorf("quota of %s: %w", s, err)
		}
	}
	change(&l)
	if err := l.Validate(); err != nil {
		return 0, false, err
	}
	value, err := picture.Encode(l)
	if err != nil {
		return 0, false, err
	}
	if there {
		st, err = q.client.Set(ctx, s.path(), value, st.Version)
	} else {
		if len(q.picture.Children(core.ParentPath(s.path()))) >= quotasMax {
			return 0, false, ErrTooMany
		}
		if err = core.Ensure(ctx, q.client, core.ParentPath(s.path())); err == nil {
			_, st, err = q.client.Create(ctx, s.path(), value, core.CreateOptions{})
		}
	}
	switch {
	case errors.Is(err, core.BadVersion), errors.Is(err, core.NodeExists), errors.Is(err, core.NoNode):
		return 0, true, nil
	case err != nil:
		return 0, false, err
	}
	return st.Mzxid, false, nil
}

func decode(data []byte) (l Limits, err error) {
	err = picture.Decode(data, &l)
	return l, err
}
