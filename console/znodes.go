package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
)

const (
	// SystemRoot is where registry, config center and users live in the tree.
	// The tree screen shows it and never writes there: a change past the domain
	// packages could break what they rely on.
	SystemRoot = "/zensus"
	// secretRoot holds password hashes and tokens; the tree screen shows that the
	// znodes are there, but not their data.
	secretRoot = SystemRoot + "/access"

	childrenMax = 500 // names in one answer; each costs a look at its Stat
)

type znodeQuery struct {
	Path string `form:"path" binding:"required"`
}

type childrenQuery struct {
	Path  string `form:"path" binding:"required"`
	After string `form:"after"` // names up to and including this one were seen
	Text  string `form:"text"`  // part of the name
	Limit int    `form:"limit"`
}

type znodeDeleteQuery struct {
	Path    string `form:"path" binding:"required"`
	Version *int32 `form:"version" binding:"required"`
}

type znodeCreateBody struct {
	Path      string          `json:"path"`
	Data      []byte          `json:"data"`
	Mode      core.CreateMode `json:"mode"`
	TTLMillis int64           `json:"ttlMillis"`
}

type znodeSetBody struct {
	Path    string `json:"path"`
	Data    []byte `json:"data"`
	Version *int32 `json:"version"`
}

// znodeView is one znode. Numbers of 64 bits travel in hexadecimal: a script's
// numbers would round them.
type znodeView struct {
	Path     string    `json:"path"`
	Data     []byte    `json:"data"` // base64; null data is null
	Hidden   bool      `json:"hidden"`
	ReadOnly bool      `json:"readOnly"`
	Stat     statView  `json:"stat"`
	ACL      []aclView `json:"acl"`
}

type statView struct {
	Czxid          string `json:"czxid"`
	Mzxid          string `json:"mzxid"`
	Pzxid          string `json:"pzxid"`
	Ctime          int64  `json:"ctime"`
	Mtime          int64  `json:"mtime"`
	Version        int32  `json:"version"`
	Cversion       int32  `json:"cversion"`
	Aversion       int32  `json:"aversion"`
	EphemeralOwner string `json:"ephemeralOwner"`
	DataLength     int32  `json:"dataLength"`
	NumChildren    int32  `json:"numChildren"`
}

type aclView struct {
	Perms  string `json:"perms"` // of the letters cdrwa, as zkCli prints them
	Scheme string `json:"scheme"`
	ID     string `json:"id"`
}

type childPage struct {
	Total int         `json:"total"` // of those that match
	Items []childView `json:"items"`
	Next  string      `json:"next"` // as the next call's after; empty at the end
}

type childView struct {
	Name        string `json:"name"`
	NumChildren int32  `json:"numChildren"`
	DataLength  int32  `json:"dataLength"`
	Ephemeral   bool   `json:"ephemeral"`
}

// znode checks a path and whether who may go there.
func (c *Console) znode(ctx context.Context, who Actor, path string, write bool) error {
	if c.znodes == nil {
		return fmt.Errorf("tree: %w", ErrAbsent)
	}
	if err := core.ValidatePath(path); err != nil {
		return fmt.Errorf("path: %w", err)
	}
	if write && core.HasPathPrefix(path, SystemRoot) {
		return fmt.Errorf("%s: %w: what lies below %s is changed on its own screens only", path, ErrForbidden, SystemRoot)
	}
	return c.allow(ctx, who, Access{Write: write, Kind: AccessZnode, Name: path})
}

func (c *Console) getZnode(ctx context.Context, who Actor, in znodeQuery) (any, error) {
	if err := c.znode(ctx, who, in.Path, false); err != nil {
		return nil, err
	}
	view := znodeView{
		Path: in.Path, ACL: []aclView{},
		Hidden:   core.HasPathPrefix(in.Path, secretRoot),
		ReadOnly: core.HasPathPrefix(in.Path, SystemRoot),
	}
	data, st, err := c.znodes.Get(ctx, in.Path)
	if err != nil {
		return nil, err
	}
	view.Stat = viewStat(st)
	if !view.Hidden {
		view.Data = data
	}
	acl, _, err := c.znodes.ACL(ctx, in.Path)
	if err != nil {
		return nil, err
	}
	for _, a := range acl {
		view.ACL = append(view.ACL, aclView{Perms: permLetters(a.Perms), Scheme: a.Scheme, ID: shownID(a)})
	}
	return view, nil
}

// shownID is an identity without its password's hash.
func shownID(a core.ACL) string {
	if a.Scheme != "digest" {
		return a.ID
	}
	name, _, _ := strings.Cut(a.ID, ":")
	return name + ":x"
}

func permLetters(p core.Perms) string {
	var b strings.Builder
	for _, l := range []struct {
		perm   core.Perms
		letter byte
	}{
		{core.PermCreate, 'c'},
		{core.PermDelete, 'd'},
		{core.PermRead, 'r'},
		{core.PermWrite, 'w'},
		{core.PermAdmin, 'a'},
	} {
		if p&l.perm != 0 {
			b.WriteByte(l.letter)
		}
	}
	return b.String()
}

func viewStat(s core.Stat) statView {
	v := statView{
		Czxid: s.Czxid.String(), Mzxid: s.Mzxid.String(), Pzxid: s.Pzxid.String(),
		Ctime: s.Ctime, Mtime: s.Mtime,
		Version: s.Version, Cversion: s.Cversion, Aversion: s.Aversion,
		DataLength: s.DataLength, NumChildren: s.NumChildren,
	}
	if s.EphemeralOwner != 0 {
		v.EphemeralOwner = s.EphemeralOwner.String()
	}
	return v
}

// listChildren answers one page of a znode's children by name. A child that
// goes away while the page is made is left out.
func (c *Console) listChildren(ctx context.Context, who Actor, in childrenQuery) (any, error) {
	if in.Limit == 0 {
		in.Limit = 100
	}
	if in.Limit < 1 || in.Limit > childrenMax {
		return nil, fmt.Errorf("limit: %w: must lie between 1 and %d", ErrInvalid, childrenMax)
	}
	if err := c.znode(ctx, who, in.Path, false); err != nil {
		return nil, err
	}
	names, _, err := c.znodes.Children(ctx, in.Path)
	if err != nil {
		return nil, err
	}
	page := childPage{Items: []childView{}}
	shown := make([]string, 0, len(names))
	for _, name := range names {
		if in.Text != "" && !strings.Contains(strings.ToLower(name), strings.ToLower(in.Text)) {
			continue
		}
		page.Total++
		if name > in.After || in.After == "" {
			shown = append(shown, name)
		}
	}
	slices.Sort(shown)
	if len(shown) > in.Limit {
		shown = shown[:in.Limit]
		page.Next = shown[in.Limit-1]
	}
	for _, name := range shown {
		st, err := c.znodes.Exists(ctx, core.JoinPath(in.Path, name))
		if core.CodeOf(err) == core.NoNode {
			continue
		}
		if err != nil {
			return nil, err
		}
		page.Items = append(page.Items, childView{
			Name: name, NumChildren: st.NumChildren, DataLength: st.DataLength, Ephemeral: st.EphemeralOwner != 0,
		})
	}
	return page, nil
}

// createZnode makes persistent, container and TTL znodes. An ephemeral one would
// belong to the server's own session, which outlives every page.
func (c *Console) createZnode(ctx context.Context, who Actor, in znodeCreateBody) (any, error) {
	if !in.Mode.Valid() || in.Mode.IsEphemeral() {
		return nil, fmt.Errorf("mode: %w: only persistent, container and TTL znodes are made here", ErrInvalid)
	}
	if in.Mode.IsTTL() != (in.TTLMillis != 0) || in.TTLMillis < 0 || in.TTLMillis > core.MaxTTLMillis {
		return nil, fmt.Errorf("ttlMillis: %w: goes with TTL modes only", ErrInvalid)
	}
	if err := c.znode(ctx, who, named(in), true); err != nil {
		return nil, err
	}
	actual, st, err := c.znodes.Create(ctx, in.Path, in.Data, core.CreateOptions{
		Mode: in.Mode, TTL: time.Duration(in.TTLMillis) * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	return struct {
		Path string   `json:"path"`
		Stat statView `json:"stat"`
	}{actual, viewStat(st)}, nil
}

// named is the path that a create will about have: a sequential name may be
// empty, for the number is still to come.
func named(in znodeCreateBody) string {
	if in.Mode.IsSequential() {
		return in.Path + "0000000000"
	}
	return in.Path
}

func (c *Console) setZnode(ctx context.Context, who Actor, in znodeSetBody) (any, error) {
	if in.Version == nil || *in.Version < 0 {
		return nil, fmt.Errorf("version: %w: say which version you saw", ErrInvalid)
	}
	if err := c.znode(ctx, who, in.Path, true); err != nil {
		return nil, err
	}
	st, err := c.znodes.Set(ctx, in.Path, in.Data, *in.Version)
	return viewStat(st), err
}

func (c *Console) deleteZnode(ctx context.Context, who Actor, in znodeDeleteQuery) (any, error) {
	if *in.Version < 0 {
		return nil, fmt.Errorf("version: %w: say which version you saw", ErrInvalid)
	}
	if err := c.znode(ctx, who, in.Path, true); err != nil {
		return nil, err
	}
	_, err := c.znodes.Delete(ctx, in.Path, *in.Version)
	return struct{}{}, err
}
