package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/mirror"
	"github.com/zensus-io/zensus/internal/picture"
	"github.com/zensus-io/zensus/internal/refusal"
	"github.com/zensus-io/zensus/internal/segment"
)

// Root is where users, roles, permissions and tokens live:
//
//	users/<name>                          hash of the password
//	roles/<role>/<user>                   the user has the role
//	permissions/<role>/<resource>~<action>
//	tokens/<name>                         hash of a machine's token, and its role
const Root = "/zensus/access"

const (
	usersPath       = Root + "/users"
	rolesPath       = Root + "/roles"
	permissionsPath = Root + "/permissions"
	tokensPath      = Root + "/tokens"
)

// maxNameBytes bounds names of users and roles; Nacos's table has 50 characters.
const (
	maxNameBytes     = 128
	maxResourceBytes = 1024
)

type userValue struct {
	Hash string `json:"hash"` // bcrypt
}

// Grant says that a user has a role.
type Grant struct {
	Role, Username string
}

// Directory is users, roles and permissions, kept in the tree and read from a
// picture of it. Writers return when this node's picture shows what they wrote.
type Directory struct {
	client  core.Client
	picture *picture.Picture
	log     *slog.Logger

	hashCost int

	changes atomic.Uint64 // counts what OnChange heard
	index   atomic.Pointer[index]
	rebuild sync.Mutex
}

// index is a picture of everything, made anew after a change.
type index struct {
	changes     uint64                  // the count at which it was made
	hashes      map[string]string       // of users
	roles       map[string][]string     // by user
	permissions map[string][]Permission // by role
	tokens      map[[sha256.Size]byte]*Token
	named       map[string]*Token // the same
	admins      int               // users that have the admin role
}

// newDirectory makes a directory; its picture runs in Run.
func newDirectory(client core.Client, log *slog.Logger, hashCost int) (*Directory, error) {
	d := &Directory{client: client, log: log, hashCost: hashCost}
	var err error
	d.picture, err = picture.New(picture.Config{
		Client: client, Root: Root, Starting: ErrStarting, Log: log,
		OnChange: func() { d.changes.Add(1) },
	})
	return d, err
}

// Await returns when users and rights are known, or ErrStarting. Where no login is required
// nobody has waited for that before he reads them.
func (d *Directory) Await(ctx context.Context) error { return d.picture.Await(ctx) }

// current is the index of what the picture shows now.
func (d *Directory) current() *index {
	if x := d.index.Load(); x != nil && x.changes == d.changes.Load() {
		return x
	}
	d.rebuild.Lock()
	defer d.rebuild.Unlock()
	seen := d.changes.Load() // before the picture is read
	if x := d.index.Load(); x != nil && x.changes == seen {
		return x
	}
	x := d.build()
	x.changes = seen
	d.index.Store(x)
	return x
}

func (d *Directory) build() *index {
	x := &index{
		hashes: map[string]string{}, roles: map[string][]string{}, permissions: map[string][]Permission{},
		tokens: map[[sha256.Size]byte]*Token{}, named: map[string]*Token{},
	}
	d.picture.Walk(Root, func(n *mirror.Node) bool {
		rel, ok := strings.CutPrefix(n.Path, Root+"/")
		if !ok {
			return true
		}
		parts := strings.Split(rel, "/")
		name, err := segment.Unescape(parts[len(parts)-1])
		switch {
		case len(parts) == 2 && parts[0] == "users" && err == nil:
			var v userValue
			if d.decode(n, &v) {
				x.hashes[name] = v.Hash
			}
		case len(parts) == 2 && parts[0] == "tokens" && err == nil:
			var v tokenValue
			if d.decode(n, &v) && len(v.SHA256) == sha256.Size {
				t := v.token(name)
				x.tokens[[sha256.Size]byte(v.SHA256)], x.named[name] = t, t
			}
		case len(parts) == 3 && parts[0] == "roles" && err == nil:
			if role, err := segment.Unescape(parts[1]); err == nil {
				x.roles[name] = append(x.roles[name], role)
				if role == AdminRole {
					x.admins++
				}
			}
		case len(parts) == 3 && parts[0] == "permissions":
			role, err := segment.Unescape(parts[1])
			resource, action, ok := strings.Cut(parts[2], "~")
			plain, err2 := segment.Unescape(resource)
			if err == nil && err2 == nil && ok {
				x.permissions[role] = append(x.permissions[role], Permission{role, plain, Action(action)})
			}
		}
		return true
	})
	for user := range x.roles {
		slices.Sort(x.roles[user])
	}
	return x
}

func (d *Directory) decode(n *mirror.Node, v any) bool {
	err := picture.Decode(n.Data, v)
	switch {
	case errors.Is(err, picture.ErrFormat):
		d.log.Warn("value of an unknown format is passed over", "path", n.Path)
	case err != nil:
		d.log.Warn("value cannot be read", "path", n.Path, "err", err)
	}
	return err == nil
}

// subject is the user, or the machine, with its roles; false if there is none.
func (x *index) subject(name string) (Subject, bool) {
	if machine, ok := strings.CutPrefix(name, machinePrefix); ok {
		if t := x.named[machine]; t != nil && !t.expired(time.Now()) {
			return t.subject(), true
		}
		return Subject{}, false
	}
	if _, ok := x.hashes[name]; !ok {
		return Subject{}, false
	}
	roles := x.roles[name]
	return Subject{Name: name, Roles: roles, Admin: slices.Contains(roles, AdminRole)}, true
}

func (x *index) permissionsOf(s Subject) []Permission {
	if len(s.Roles) == 1 {
		return x.permissions[s.Roles[0]]
	}
	var all []Permission
	for _, role := range s.Roles {
		all = append(all, x.permissions[role]...)
	}
	return all
}

// Users are the names of all users, sorted.
func (d *Directory) Users() []string {
	x := d.current()
	names := make([]string, 0, len(x.hashes))
	for name := range x.hashes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Grants are all pairs of role and user, sorted.
func (d *Directory) Grants() []Grant {
	var all []Grant
	for user, roles := range d.current().roles {
		for _, role := range roles {
			all = append(all, Grant{role, user})
		}
	}
	slices.SortFunc(all, func(a, b Grant) int {
		if c := strings.Compare(a.Role, b.Role); c != 0 {
			return c
		}
		return strings.Compare(a.Username, b.Username)
	})
	return all
}

// Permissions are all permissions, sorted.
func (d *Directory) Permissions() []Permission {
	var all []Permission
	for _, ps := range d.current().permissions {
		all = append(all, ps...)
	}
	slices.SortFunc(all, func(a, b Permission) int {
		for _, c := range []int{strings.Compare(a.Role, b.Role), strings.Compare(a.Resource, b.Resource), strings.Compare(string(a.Action), string(b.Action))} {
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return all
}

// HasAdmin reports whether any user has the admin role.
func (d *Directory) HasAdmin() bool { return d.current().admins > 0 }

// changeTries bounds how often a change begins again because others cut in.
const changeTries = 16

// change calls try with what is committed, not only with what this node shows already, and
// again where try finds that others have changed it meanwhile: NoNode or NotEmpty.
func (d *Directory) change(ctx context.Context, try func(x *index) error) error {
	for range changeTries {
		x, err := d.fresh(ctx)
		if err != nil {
			return err
		}
		err = try(x)
		if !errors.Is(err, core.NoNode) && !errors.Is(err, core.NotEmpty) {
			return err
		}
	}
	return say(ErrExists, "users and roles are being changed by others, please try again")
}

// fresh is the index of all that was committed before the call.
func (d *Directory) fresh(ctx context.Context) (*index, error) {
	z, err := d.client.Sync(ctx, Root)
	if err != nil {
		return nil, err
	}
	if err := d.picture.Reach(ctx, z); err != nil {
		return nil, &refusal.Error{Kind: refusal.Busy, Text: "the server lags behind, please try later", Err: err}
	}
	return d.current(), nil
}

// CreateUser adds a user, who has no roles: grants that an earlier one of that name left
// behind go. It returns ErrExists or ErrInvalid.
func (d *Directory) CreateUser(ctx context.Context, name, password string) error {
	create, err := d.createUser(name, password)
	if err != nil {
		return err
	}
	exists := say(ErrExists, "user '"+name+"' already exist!")
	return d.change(ctx, func(x *index) error {
		if _, ok := x.hashes[name]; ok {
			return exists
		}
		// In the transaction of the creation, before which nobody can have been granted
		// anything: what it deletes cannot be what the new user has got.
		err := d.write(ctx, exists, nil, append([]core.Op{create}, x.takeRoles(name)...)...)
		if !errors.Is(err, core.NoNode) {
			return err
		}
		if err := d.prepare(ctx); err != nil { // the first of all, where no login is required
			return err
		}
		return core.NoNode
	})
}

// takeRoles are the operations that take all roles from a user.
func (x *index) takeRoles(user string) (ops []core.Op) {
	for _, role := range x.roles[user] {
		ops = append(ops, core.DeleteOp{Path: grantPath(role, user), Version: core.AnyVersion})
	}
	return ops
}

func (d *Directory) createUser(name, password string) (core.Op, error) {
	if err := validName("username", name); err != nil {
		return nil, err
	}
	if strings.HasPrefix(name, machinePrefix) {
		return nil, say(ErrInvalid, "username begins with '"+machinePrefix+"', as the names of machines do")
	}
	hash, err := hashPassword(password, d.hashCost)
	if err != nil {
		return nil, err
	}
	value, err := picture.Encode(userValue{Hash: hash})
	if err != nil {
		return nil, err
	}
	return core.CreateOp{Path: userPath(name), Data: value}, nil
}

// SetPassword replaces a user's password; tokens made with the old one end. It
// returns ErrNotFound or ErrInvalid.
func (d *Directory) SetPassword(ctx context.Context, name, password string) error {
	if err := validName("username", name); err != nil {
		return err
	}
	hash, err := hashPassword(password, d.hashCost)
	if err != nil {
		return err
	}
	value, err := picture.Encode(userValue{Hash: hash})
	if err != nil {
		return err
	}
	return d.write(ctx, nil, say(ErrNotFound, "user "+name+" not exist!"),
		core.SetOp{Path: userPath(name), Data: value, Version: core.AnyVersion})
}

// DeleteUser removes a user and what roles it has. An administrator is not
// deleted: ErrInvalid. A user that is not there is no error.
func (d *Directory) DeleteUser(ctx context.Context, name string) error {
	return d.change(ctx, func(x *index) error {
		if _, ok := x.hashes[name]; !ok {
			return nil
		}
		if s, _ := x.subject(name); s.Admin {
			return say(ErrInvalid, "cannot delete admin: "+name)
		}
		ops := []core.Op{core.DeleteOp{Path: userPath(name), Version: core.AnyVersion}}
		return d.write(ctx, nil, nil, append(ops, x.takeRoles(name)...)...)
	})
}

func userPath(name string) string { return core.JoinPath(usersPath, segment.Escape(name)) }

func grantPath(role, user string) string {
	return core.JoinPath(rolePath(role), segment.Escape(user))
}

// Grant gives a user a role. The admin role cannot be had this way: ErrInvalid.
// It returns ErrNotFound where the user is not there, ErrExists where it has it.
func (d *Directory) Grant(ctx context.Context, role, user string) error {
	if err := d.mutableRole(role); err != nil {
		return err
	}
	return d.change(ctx, func(x *index) error {
		if _, ok := x.hashes[user]; !ok {
			return say(ErrNotFound, "user '"+user+"' not found!")
		}
		if err := core.Ensure(ctx, d.client, rolePath(role)); err != nil {
			return err
		}
		// The check, lest a grant to one who is being deleted waits for the next of his name.
		return d.write(ctx, say(ErrExists, "user '"+user+"' already bound to the role '"+role+"'!"), nil,
			core.CheckOp{Path: userPath(user), Version: core.AnyVersion},
			core.CreateOp{Path: grantPath(role, user), Data: []byte{picture.FormatVersion}})
	})
}

func rolePath(role string) string { return core.JoinPath(rolesPath, segment.Escape(role)) }

// Revoke takes a role from a user, or from all if user is "", in which case its
// permissions go as well, and the tokens of machines that have it. What is not there is
// no error.
func (d *Directory) Revoke(ctx context.Context, role, user string) error {
	if err := d.mutableRole(role); err != nil {
		return err
	}
	if user != "" {
		return d.writeIfThere(ctx, core.DeleteOp{Path: grantPath(role, user), Version: core.AnyVersion})
	}
	return d.change(ctx, func(x *index) error { return d.revokeAll(ctx, x, role) })
}

// revokeAll leaves nothing of a role, not even what this version cannot read: grants first,
// then tokens, then permissions. The last is what all the rest is below: if anything was
// added meanwhile, that is NotEmpty.
func (d *Directory) revokeAll(ctx context.Context, x *index, role string) error {
	if err := d.removeBelow(ctx, rolePath(role)); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(x.named)) {
		if x.named[name].Role == role {
			if err := d.RevokeToken(ctx, name); err != nil {
				return err
			}
		}
	}
	if err := d.removeBelow(ctx, permissionsOf(role)); err != nil {
		return err
	}
	var ops []core.Op
	for _, path := range []string{permissionsOf(role), rolePath(role)} {
		if _, ok := d.picture.Get(path); ok {
			ops = append(ops, core.DeleteOp{Path: path, Version: core.AnyVersion})
		}
	}
	if len(ops) == 0 {
		return nil
	}
	return d.write(ctx, nil, nil, ops...)
}

// removeBelow removes everything that the picture shows below a path, one by one: each is
// on record by itself.
func (d *Directory) removeBelow(ctx context.Context, root string) error {
	var below []string
	d.picture.Walk(root, func(n *mirror.Node) bool {
		if n.Path != root {
			below = append(below, n.Path)
		}
		return true
	})
	for _, path := range slices.Backward(below) { // what is below others stands behind them
		if err := d.writeIfThere(ctx, core.DeleteOp{Path: path, Version: core.AnyVersion}); err != nil {
			return err
		}
	}
	return nil
}

func (d *Directory) mutableRole(role string) error {
	if err := validName("role", role); err != nil {
		return err
	}
	if role == AdminRole {
		return say(ErrInvalid, "role '"+AdminRole+"' is not permitted to create!")
	}
	return nil
}

// AddPermission lets a role do something. It returns ErrExists, ErrInvalid, or
// ErrNotFound where nobody has the role, no machine either.
func (d *Directory) AddPermission(ctx context.Context, p Permission) error {
	if err := validPermission(p); err != nil {
		return err
	}
	return d.change(ctx, func(x *index) error {
		holder, ok := x.holder(p.Role)
		if !ok {
			return say(ErrNotFound, "role "+p.Role+" not found!")
		}
		if err := core.Ensure(ctx, d.client, permissionsOf(p.Role)); err != nil {
			return err
		}
		// The check, lest it waits for the next role of a name that is being removed.
		return d.write(ctx, say(ErrExists, "permission already exists"), nil,
			core.CheckOp{Path: holder, Version: core.AnyVersion},
			core.CreateOp{Path: permissionPath(p), Data: []byte{picture.FormatVersion}})
	})
}

// holder is the path of what gives somebody a role, a user or a machine; false if there is
// nobody.
func (x *index) holder(role string) (path string, ok bool) {
	for user, roles := range x.roles {
		if slices.Contains(roles, role) {
			return grantPath(role, user), true
		}
	}
	for name, t := range x.named {
		if t.Role == role {
			return tokenPath(name), true
		}
	}
	return "", false
}

// RemovePermission takes it back. What is not there is no error.
func (d *Directory) RemovePermission(ctx context.Context, p Permission) error {
	if err := validPermission(p); err != nil {
		return err
	}
	return d.writeIfThere(ctx, core.DeleteOp{Path: permissionPath(p), Version: core.AnyVersion})
}

func permissionsOf(role string) string { return core.JoinPath(permissionsPath, segment.Escape(role)) }

func permissionPath(p Permission) string {
	return core.JoinPath(permissionsOf(p.Role), segment.Escape(p.Resource)+"~"+string(p.Action))
}

func validName(what, name string) error {
	if name == "" || len(name) > maxNameBytes || strings.TrimSpace(name) != name {
		return say(ErrInvalid, what+" is blank, too long, or begins or ends with a blank")
	}
	return nil
}

func validPermission(p Permission) error {
	if err := validName("role", p.Role); err != nil {
		return err
	}
	if p.Resource == "" || len(p.Resource) > maxResourceBytes || !p.Action.Valid() {
		return say(ErrInvalid, "a permission needs a resource and one of the actions r, w, rw")
	}
	return nil
}

// write does ops at once and waits until the picture shows them. exists and
// absent are the errors for NodeExists and NoNode.
func (d *Directory) write(ctx context.Context, exists, absent error, ops ...core.Op) error {
	_, zxid, err := d.client.Multi(ctx, ops...)
	switch {
	case err == nil:
		d.picture.Shown(ctx, zxid)
		return nil
	case exists != nil && errors.Is(err, core.NodeExists):
		return exists
	case absent != nil && errors.Is(err, core.NoNode):
		return absent
	}
	return err
}

// writeIfThere is write where what is not there is no error.
func (d *Directory) writeIfThere(ctx context.Context, ops ...core.Op) error {
	if err := d.write(ctx, nil, nil, ops...); err != nil && !errors.Is(err, core.NoNode) {
		return err
	}
	return nil
}

// prepare makes the znodes that everything else is below.
func (d *Directory) prepare(ctx context.Context) error {
	for _, path := range []string{usersPath, rolesPath, permissionsPath, tokensPath} {
		if err := core.Ensure(ctx, d.client, path); err != nil {
			return err
		}
	}
	return nil
}
