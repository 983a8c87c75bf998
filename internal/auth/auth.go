package auth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/picture"
	"github.com/zensus-io/zensus/internal/segment"
)

// Config configures an Auth.
type Config struct {
	// Client reads and writes below Root. Its default ACL is that of new znodes.
	Client core.Client
	// Enabled requires an identity of every request. When it is off, everybody may
	// do everything, and a login still gives a token, since clients that are
	// configured with a name log in regardless.
	Enabled bool
	// Key signs tokens; all members have the same. At least 32 bytes.
	Key []byte
	// TokenTTL is how long a token is good; default 5 h, as Nacos's.
	TokenTTL time.Duration
	// HashCost is bcrypt's; default 10, as Nacos's.
	HashCost   int
	Log        *slog.Logger          // default: none
	Registerer prometheus.Registerer // default: metrics are kept and not shown
}

// Auth logs users in and checks requests. It is safe for concurrent use.
type Auth struct {
	cfg Config
	// Directory is the users and their rights.
	Directory *Directory

	parser   *jwt.Parser
	verifier *verifier
	throttle *throttle
	metrics  *metrics
}

// minKeyBytes is what HS256 asks for.
const minKeyBytes = 32

// disabledToken is what a login gives while authentication is off.
const disabledToken = "AUTH_DISABLED"

// New makes an Auth; Run fills it.
func New(cfg Config) (*Auth, error) {
	if cfg.Client == nil {
		return nil, errors.New("auth: no client")
	}
	if len(cfg.Key) < minKeyBytes {
		return nil, errors.New("auth: the key has fewer than 32 bytes")
	}
	if cfg.TokenTTL <= 0 {
		cfg.TokenTTL = 5 * time.Hour
	}
	if cfg.HashCost == 0 {
		cfg.HashCost = defaultHashCost
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Registerer == nil {
		cfg.Registerer = prometheus.NewRegistry()
	}
	a := &Auth{
		cfg:    cfg,
		parser: jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired()),
	}
	var err error
	if a.throttle, err = newThrottle(); err != nil {
		return nil, err
	}
	if a.verifier, err = newVerifier(cfg.HashCost); err != nil {
		return nil, err
	}
	if a.Directory, err = newDirectory(cfg.Client, cfg.Log, cfg.HashCost); err != nil {
		return nil, err
	}
	a.metrics, err = newMetrics(cfg.Registerer)
	return a, err
}

// Run keeps the picture of users and rights until ctx ends.
func (a *Auth) Run(ctx context.Context) error { return a.Directory.picture.Run(ctx) }

// Ready is closed when users and rights are known. Until then whoever asks waits, for a
// while, and is told ErrStarting: nothing is refused that might be allowed.
func (a *Auth) Ready() <-chan struct{} { return a.Directory.picture.Ready() }

// await returns when users and rights are known, or ErrStarting: nobody is to be refused,
// nor counted as one who guesses, because the server does not know him yet.
func (a *Auth) await(ctx context.Context) error { return a.Directory.Await(ctx) }

// Enabled reports whether requests need an identity.
func (a *Auth) Enabled() bool { return a.cfg.Enabled }

// HasUsers reports whether anybody administers this server yet; if not, the
// admin token makes the first user. It returns ErrStarting before users are known.
func (a *Auth) HasUsers(ctx context.Context) (bool, error) {
	if err := a.await(ctx); err != nil {
		return false, err
	}
	return a.Directory.HasAdmin(), nil
}

// NeedsAdmin reports whether it is known that nobody administers this server.
func (a *Auth) NeedsAdmin() bool { return a.Directory.picture.Known() && !a.Directory.HasAdmin() }

// Session is what a login gives.
type Session struct {
	Token   string
	TTL     time.Duration
	Expires time.Time
	Subject Subject
}

// Login checks a password. The address is where the attempt comes from. It
// returns ErrUnknownUser for a wrong name just as for a wrong password, and
// ErrThrottled after too many failures, ErrStarting before users are known. While
// authentication is off every name is let in.
func (a *Auth) Login(ctx context.Context, address, name, password string) (Session, error) {
	if !a.cfg.Enabled {
		return Session{Token: disabledToken, TTL: a.cfg.TokenTTL, Expires: time.Now().Add(a.cfg.TokenTTL), Subject: Subject{Name: name, Admin: true}}, nil
	}
	if err := a.await(ctx); err != nil {
		return Session{}, err
	}
	s, hash, err := a.authenticate(ctx, address, name, password)
	if err != nil {
		return Session{}, err
	}
	return a.session(s, hash)
}

func (a *Auth) session(s Subject, hash string) (Session, error) {
	expires := time.Now().Add(a.cfg.TokenTTL).Truncate(time.Second)
	token, err := a.sign(s.Name, hash, expires)
	return Session{Token: token, TTL: a.cfg.TokenTTL, Expires: expires, Subject: s}, err
}

// authenticate checks a password, unless too many were wrong lately. How many attempts
// came at once makes no difference: each waits for its turn, and those before it count.
func (a *Auth) authenticate(ctx context.Context, address, name, password string) (Subject, string, error) {
	if len(name) > maxNameBytes {
		name = "" // nobody; and not remembered by the throttle
	}
	throttled := func() (Subject, string, error) {
		a.metrics.logins.WithLabelValues("throttled").Inc()
		return Subject{}, "", ErrThrottled
	}
	if a.throttle.blocked(address, name) {
		return throttled()
	}
	x := a.Directory.current()
	hash := x.hashes[name]
	right := a.verifier.knows(hash, password)
	if !right {
		leave, err := a.verifier.enter(ctx.Done())
		if err != nil {
			return Subject{}, "", errors.Join(ctx.Err(), err)
		}
		defer leave()
		if a.throttle.blocked(address, name) {
			return throttled()
		}
		right = a.verifier.check(hash, password)
	}
	s, ok := x.subject(name)
	if !right || !ok {
		a.throttle.failed(address, name)
		a.metrics.logins.WithLabelValues("refused").Inc()
		return Subject{}, "", ErrUnknownUser
	}
	a.metrics.logins.WithLabelValues("ok").Inc()
	return s, hash, nil
}

// Bootstrap makes the first administrator, for whoever has the admin token. It
// returns ErrUnauthenticated for a wrong token, ErrExists once there is an
// administrator or a user of that name, ErrInvalid, or ErrThrottled.
func (a *Auth) Bootstrap(ctx context.Context, address, token, name, password string) (Session, error) {
	if err := a.await(ctx); err != nil {
		return Session{}, err
	}
	const pseudo = "\x00admin-token" // no user has such a name
	if a.throttle.blocked(address, pseudo) {
		return Session{}, ErrThrottled
	}
	if !a.Directory.current().isAdminToken(token) {
		a.throttle.failed(address, pseudo)
		return Session{}, ErrUnauthenticated
	}
	if err := a.CreateAdmin(ctx, name, password); err != nil {
		return Session{}, err
	}
	x := a.Directory.current()
	s, _ := x.subject(name)
	return a.session(s, x.hashes[name])
}

// CreateAdmin makes the first administrator; the caller has checked who asks. It
// returns ErrExists once there is an administrator or a user of that name, or
// ErrInvalid.
func (a *Auth) CreateAdmin(ctx context.Context, name, password string) error {
	d := a.Directory
	if d.HasAdmin() {
		return say(ErrExists, "there is an administrator already")
	}
	create, err := d.createUser(name, password)
	if err != nil {
		return err
	}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	// The role's own znode is made in the same transaction: of two at once, one
	// finds it there.
	role := core.CreateOp{Path: core.JoinPath(rolesPath, segment.Escape(AdminRole))}
	return d.write(ctx, say(ErrExists, "there is such a user, or an administrator, already"), nil, role, create,
		core.CreateOp{Path: grantPath(AdminRole, name), Data: []byte{picture.FormatVersion}})
}

// Verify returns whose session a token is, ErrUnauthenticated, or ErrStarting before users
// are known.
func (a *Auth) Verify(ctx context.Context, token string) (Subject, error) {
	if !a.cfg.Enabled {
		return Subject{Admin: true}, nil
	}
	if err := a.await(ctx); err != nil {
		return Subject{}, err
	}
	return a.verify(token)
}

// Allow reports whether a subject may do what is needed, by the roles and rights that
// it has now: those of a user who is gone are none. The subject comes from Check or Verify,
// so that users are known.
func (a *Auth) Allow(s Subject, need Need) bool {
	if !a.cfg.Enabled {
		return true
	}
	x := a.Directory.current()
	s, _ = x.subject(s.Name)
	return Allow(s, x.permissionsOf(s), need)
}

// Check decides on one request: who makes it, and may they. The context that it
// returns names the subject, also of one that is forbidden. It returns ErrUnauthenticated, ErrForbidden,
// ErrThrottled, or ErrStarting before users are known.
func (a *Auth) Check(ctx context.Context, who Credentials, need Need) (context.Context, error) {
	if !a.cfg.Enabled {
		return ctx, nil
	}
	if err := a.await(ctx); err != nil {
		return ctx, err
	}
	s, err := a.identify(ctx, who)
	if err != nil {
		a.metrics.checks.WithLabelValues("unauthenticated").Inc()
		return ctx, err
	}
	ctx = WithSubject(ctx, s)
	if !a.Allow(s, need) {
		a.metrics.checks.WithLabelValues("forbidden").Inc()
		return ctx, ErrForbidden
	}
	a.metrics.checks.WithLabelValues("ok").Inc()
	return ctx, nil
}

func (a *Auth) identify(ctx context.Context, who Credentials) (Subject, error) {
	if who.Token != "" || who.Username == "" {
		return a.verify(who.Token)
	}
	s, _, err := a.authenticate(ctx, who.RemoteIP, who.Username, who.Password)
	if errors.Is(err, ErrUnknownUser) {
		return Subject{}, ErrUnauthenticated
	}
	return s, err
}
