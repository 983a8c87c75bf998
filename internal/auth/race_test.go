package auth

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/picture"
)

// late is a client of a node that others are quicker than: what is set runs once, before
// its next transaction.
type late struct {
	core.Client
	first atomic.Pointer[func()]
}

func (l *late) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	if f := l.first.Swap(nil); f != nil {
		(*f)()
	}
	return l.Client.Multi(ctx, ops...)
}

// twoNodes are one that is quick and one that is late, with the user tom and the role ops,
// which ann has.
func twoNodes(t *testing.T) (quick *Directory, slow *Directory, meanwhile func(func())) {
	t.Helper()
	engine := coretest.NewFake()
	l := new(late)
	quick = run(t, engine, nil).Directory
	slow = run(t, engine, func(cfg *Config) { l.Client, cfg.Client = cfg.Client, l }).Directory
	ctx := t.Context()
	require.NoError(t, quick.CreateUser(ctx, "tom", "secret"))
	require.NoError(t, quick.CreateUser(ctx, "ann", "secret"))
	require.NoError(t, quick.Grant(ctx, "ops", "ann"))
	require.NoError(t, quick.AddPermission(ctx, opsMay))
	require.Eventually(t, func() bool { return len(slow.Permissions()) == 1 }, 20*time.Second, time.Millisecond)
	return quick, slow, func(f func()) { l.first.Store(&f) }
}

var opsMay = Permission{Role: "ops", Resource: "*:*:*", Action: ReadWrite}

func rolesOf(t *testing.T, d *Directory, user string) []string {
	t.Helper()
	x, err := d.fresh(t.Context())
	require.NoError(t, err)
	return x.roles[user]
}

func TestNobodyIsGivenARoleWhileHeIsDeleted(t *testing.T) {
	quick, slow, meanwhile := twoNodes(t)
	ctx := t.Context()
	meanwhile(func() { require.NoError(t, quick.DeleteUser(ctx, "tom")) })
	require.ErrorIs(t, slow.Grant(ctx, "ops", "tom"), ErrNotFound)
	require.Empty(t, rolesOf(t, quick, "tom"))
	require.NoError(t, quick.CreateUser(ctx, "tom", "another"))
	require.Empty(t, rolesOf(t, quick, "tom"), "the next of that name is somebody else")
}

func TestWhoIsDeletedKeepsNoRoleThatHeIsJustGiven(t *testing.T) {
	quick, slow, meanwhile := twoNodes(t)
	ctx := t.Context()
	meanwhile(func() { require.NoError(t, quick.Grant(ctx, "ops", "tom")) })
	require.NoError(t, slow.DeleteUser(ctx, "tom"))
	require.NoError(t, slow.CreateUser(ctx, "tom", "another"))
	require.Empty(t, rolesOf(t, quick, "tom"))
}

// Servers of before left them behind.
func TestANewUserHasNoRolesOfAnEarlierOne(t *testing.T) {
	quick, slow, meanwhile := twoNodes(t)
	ctx := t.Context()
	require.NoError(t, quick.DeleteUser(ctx, "tom"))
	_, _, err := quick.client.Create(ctx, grantPath("ops", "tom"), []byte{picture.FormatVersion}, core.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, slow.CreateUser(ctx, "tom", "another"))
	require.Empty(t, rolesOf(t, slow, "tom"))

	// Of two who make him at once, one does; and what is granted to his stays.
	require.NoError(t, quick.DeleteUser(ctx, "tom"))
	_, _, err = quick.client.Create(ctx, grantPath("ops", "tom"), []byte{picture.FormatVersion}, core.CreateOptions{})
	require.NoError(t, err)
	meanwhile(func() {
		require.NoError(t, quick.CreateUser(ctx, "tom", "another"))
		require.NoError(t, quick.Grant(ctx, "ops", "tom"))
	})
	require.ErrorIs(t, slow.CreateUser(ctx, "tom", "yet another"), ErrExists)
	require.Equal(t, []string{"ops"}, rolesOf(t, slow, "tom"))
}

func TestARoleThatIsRemovedGetsNoPermissionMeanwhile(t *testing.T) {
	quick, slow, meanwhile := twoNodes(t)
	ctx := t.Context()
	meanwhile(func() { require.NoError(t, quick.Revoke(ctx, "ops", "")) })
	p := Permission{Role: "ops", Resource: "dev:*:*", Action: Read}
	require.ErrorIs(t, slow.AddPermission(ctx, p), ErrNotFound)
	x, err := quick.fresh(ctx)
	require.NoError(t, err)
	require.Empty(t, x.permissions["ops"])
}

func TestNothingIsLeftOfARoleThatIsRemoved(t *testing.T) {
	p := Permission{Role: "ops", Resource: "dev:*:*", Action: Read}
	for what, add := range map[string]func(context.Context, *Directory) error{
		"a permission": func(ctx context.Context, d *Directory) error { return d.AddPermission(ctx, p) },
		"a user":       func(ctx context.Context, d *Directory) error { return d.Grant(ctx, "ops", "tom") },
	} {
		quick, slow, meanwhile := twoNodes(t)
		ctx := t.Context()
		meanwhile(func() { require.NoError(t, add(ctx, quick), what) })
		require.NoError(t, slow.Revoke(ctx, "ops", ""), what)
		x, err := slow.fresh(ctx)
		require.NoError(t, err)
		require.Empty(t, x.permissions["ops"], what)
		require.Empty(t, x.roles["tom"], what)
		require.Empty(t, x.roles["ann"], what)
		// Whoever has the role next has what is given to it then.
		require.NoError(t, quick.Grant(ctx, "ops", "tom"))
		require.NoError(t, quick.AddPermission(ctx, p))
		x, err = quick.fresh(ctx)
		require.NoError(t, err)
		require.Equal(t, []Permission{p}, x.permissions["ops"])
	}
}

func TestAPermissionNeedsOneHolderOfTheRoleNotAll(t *testing.T) {
	quick, slow, meanwhile := twoNodes(t)
	ctx := t.Context()
	require.NoError(t, quick.Grant(ctx, "ops", "tom"))
	meanwhile(func() { require.NoError(t, quick.Revoke(ctx, "ops", "ann")) })
	require.NoError(t, slow.AddPermission(ctx, Permission{Role: "ops", Resource: "dev:*:*", Action: Read}))
}

// Something below a role that no release of ours wrote kept it from being removed for good.
func TestARoleGoesWithWhatCannotBeRead(t *testing.T) {
	quick, slow, _ := twoNodes(t)
	ctx := t.Context()
	for _, path := range []string{
		permissionsOf("ops") + "/%zz~rw", permissionsOf("ops") + "/x:*:*~everything", permissionsOf("ops") + "/no action",
		rolePath("ops") + "/%zz", rolePath("ops") + "/%zz/below",
	} {
		_, _, err := quick.client.Create(ctx, path, []byte{99}, core.CreateOptions{})
		require.NoError(t, err, path)
	}
	require.NoError(t, slow.Revoke(ctx, "ops", ""))
	for _, path := range []string{permissionsOf("ops"), rolePath("ops")} {
		_, err := quick.client.Exists(ctx, path)
		require.ErrorIs(t, err, core.NoNode, path)
	}
	require.Empty(t, rolesOf(t, quick, "ann"))
}
