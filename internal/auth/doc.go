// Package auth knows who may do what on the Nacos side: users with hashed
// passwords, roles, permissions, login tokens.
//
// The model is Nacos's: a user has roles, a role has permissions, a permission
// is a resource and an action; the role ROLE_ADMIN may do everything. Allow is
// the decision and is pure. Directory keeps users, roles and permissions in the
// znode tree under /zensus/access and reads them from a mirror of it, so that a
// change counts on every node at once. Auth puts both together: it logs users
// in, checks tokens, and answers Check for every request over HTTP and gRPC.
//
// There is no default password and no default key. The first start makes an
// admin token whose text is in a file that only its owner can read; with it the
// first user is made (Bootstrap). Passwords are hashed with bcrypt, tokens are
// JWTs signed with a key that all members derive from the same secret, and
// comparisons take constant time. Attempts to log in are throttled.
//
// Access on the ZooKeeper port is ZooKeeper's own: ACLs, not this package.
package auth
