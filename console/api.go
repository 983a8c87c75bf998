package console

import (
	"context"
	"time"

	"github.com/zensus-io/zensus/core"
)

// Page asks for one page of a list. Number counts from 1. The console has
// checked both: 1 <= Number, 1 <= Size <= PageSizeMax.
type Page struct {
	Number int
	Size   int
}

// PageSizeMax is the most entries that one answer holds.
const PageSizeMax = 200

// Cut is the part of items that p asks for; empty beyond the end.
func Cut[T any](items []T, p Page) []T {
	if p.Number < 1 || p.Size < 1 || p.Number-1 > len(items)/p.Size {
		return nil
	}
	from := min((p.Number-1)*p.Size, len(items))
	return items[from:min(from+p.Size, len(items))]
}

// Actor is who asks, for permissions, history and audit.
type Actor struct {
	User    User   // the zero User while authentication is off
	Address string // of the client, as the HTTP server sees it
}

// User is somebody who has signed in.
type User struct {
	Name  string `json:"name"`
	Admin bool   `json:"admin"`
}

// Services are the registry as the console sees it. Implementations return
// ErrNotFound, ErrInvalid, ErrNoQuorum or anything that wraps them.
type Services interface {
	// List returns one page of a namespace's services, ordered by group and name.
	List(ctx context.Context, q ServiceQuery) (ServicePage, error)
	// Get returns a service with all its instances.
	Get(ctx context.Context, key ServiceKey) (Service, error)
	// UpdateInstance changes what the update names and returns the instance as
	// the caller will now see it.
	UpdateInstance(ctx context.Context, who Actor, up InstanceUpdate) (Instance, error)
}

// ServiceKey names a service.
type ServiceKey struct {
	Namespace string `json:"namespace"`
	Group     string `json:"group"`
	Name      string `json:"name"`
}

// ServiceQuery selects services whose group and name contain the texts given,
// regardless of case; an empty text matches all.
type ServiceQuery struct {
	Namespace string
	Group     string
	Name      string
	HideEmpty bool // leave out services without instances
	Page      Page
}

// ServicePage is one page of services; Total counts all that match.
type ServicePage struct {
	Total int              `json:"total"`
	Items []ServiceSummary `json:"items"`
	Stale bool             `json:"stale"` // the picture may lag behind the tree
}

// ServiceSummary is a row of the list of services.
type ServiceSummary struct {
	Group     string `json:"group"`
	Name      string `json:"name"`
	Clusters  int    `json:"clusters"`
	Instances int    `json:"instances"`
	Healthy   int    `json:"healthy"`
	Protected bool   `json:"protected"` // the protect threshold is reached
}

// Service is a service with its instances.
type Service struct {
	ServiceKey
	ProtectThreshold float64           `json:"protectThreshold"`
	Protected        bool              `json:"protected"`
	Metadata         map[string]string `json:"metadata"`
	Stale            bool              `json:"stale"`
	Instances        []Instance        `json:"-"` // answered in pages of their own
}

// Instance is one provider of a service.
type Instance struct {
	IP        string            `json:"ip"`
	Port      int               `json:"port"`
	Cluster   string            `json:"cluster"`
	Weight    float64           `json:"weight"`
	Healthy   bool              `json:"healthy"`
	Enabled   bool              `json:"enabled"`
	Ephemeral bool              `json:"ephemeral"`
	Metadata  map[string]string `json:"metadata"`
}

// InstanceUpdate changes one instance; nil leaves a field as it is. The console
// has checked that a weight lies in 0 to WeightMax.
type InstanceUpdate struct {
	Service   ServiceKey
	Cluster   string
	IP        string
	Port      int
	Ephemeral bool // which of the two instances that may share an address
	Enabled   *bool
	Weight    *float64
}

// WeightMax is the largest weight of an instance, as in Nacos.
const WeightMax = 10000

// Configs are the config center as the console sees it. Implementations return
// ErrNotFound, ErrConflict, ErrExists, ErrInvalid, ErrTooLarge, ErrNoQuorum or
// anything that wraps them.
type Configs interface {
	// List returns one page of a namespace's configs, ordered by group and dataId.
	List(ctx context.Context, q ConfigQuery) (ConfigPage, error)
	// Get returns a config with its content.
	Get(ctx context.Context, key ConfigKey) (Config, error)
	// Publish writes a config if it is still as expected: ErrConflict if not,
	// ErrExists if it was to be new and is there. Its answer is what Get returns.
	Publish(ctx context.Context, who Actor, p ConfigPublish) (Config, error)
	// Delete removes a config if its content still has the md5 given.
	Delete(ctx context.Context, who Actor, key ConfigKey, md5 string) error
}

// ConfigKey names a config.
type ConfigKey struct {
	Namespace string `json:"namespace"`
	Group     string `json:"group"`
	DataID    string `json:"dataId"`
}

// ConfigQuery selects configs whose group and dataId contain the texts given,
// regardless of case; an empty text matches all.
type ConfigQuery struct {
	Namespace string
	Group     string
	DataID    string
	Page      Page
}

// ConfigPage is one page of configs; Total counts all that match.
type ConfigPage struct {
	Total int             `json:"total"`
	Items []ConfigSummary `json:"items"`
}

// ConfigSummary is a row of the list of configs: a config without its content.
type ConfigSummary struct {
	Group          string   `json:"group"`
	DataID         string   `json:"dataId"`
	Type           string   `json:"type"` // text, json, xml, yaml, html, properties, toml
	MD5            string   `json:"md5"`
	SizeBytes      int      `json:"sizeBytes"`
	App            string   `json:"app"`
	Description    string   `json:"description"`
	Tags           []string `json:"tags"`
	ModifiedMillis int64    `json:"modifiedMillis"` // wall time since 1970; 0 if not known
	ModifiedBy     string   `json:"modifiedBy"`
}

// Config is a config with its content. Content that is not UTF-8 does not
// travel: the answer then says so, and the page offers no editor.
type Config struct {
	ConfigSummary
	Content string `json:"content"`
}

// ConfigPublish is what to write, and what must still hold for it.
type ConfigPublish struct {
	Key         ConfigKey
	Content     string
	Type        string
	App         string
	Description string
	Tags        []string
	// ExpectMD5 is the md5 that the content must still have; empty where the
	// config must not exist yet.
	ExpectMD5 string
}

// Namespaces are the tenants that registry and config center share.
type Namespaces interface {
	// List returns all namespaces, the public one first.
	List(ctx context.Context) ([]Namespace, error)
}

// Namespace is one of them. The public one has the id "public".
type Namespace struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Znodes are the tree: what the console needs of core.Client and core.Admin.
// Whatever the session behind it may read, whoever may open the tree screen
// sees; see SystemRoot for what is kept from them.
type Znodes interface {
	Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (string, core.Stat, error)
	Get(ctx context.Context, path string) ([]byte, core.Stat, error)
	Set(ctx context.Context, path string, data []byte, version int32) (core.Stat, error)
	Delete(ctx context.Context, path string, version int32) (core.Zxid, error)
	Exists(ctx context.Context, path string) (core.Stat, error)
	Children(ctx context.Context, path string) ([]string, core.Stat, error)
	ACL(ctx context.Context, path string) ([]core.ACL, core.Stat, error)
}

// Auth are the users. It must be safe for concurrent use and is asked on every
// request, so Verify and Allow answer from memory.
type Auth interface {
	// Enabled reports whether a sign-in is required.
	Enabled() bool
	// HasUsers reports whether anybody can sign in yet; if not, the page offers
	// to make the first user with the admin token.
	HasUsers(ctx context.Context) (bool, error)
	// Login checks a password. It returns ErrUnauthenticated for a wrong name
	// just as for a wrong password, and ErrThrottled after too many attempts.
	Login(ctx context.Context, address, name, password string) (Session, error)
	// Bootstrap makes the first user, an admin, for whoever has the admin token.
	// It returns ErrUnauthenticated for a wrong token, ErrExists once there is a
	// user, ErrInvalid for a name or password that will not do, ErrThrottled.
	Bootstrap(ctx context.Context, address, token, name, password string) (Session, error)
	// Verify returns whose session a token is, ErrUnauthenticated, or ErrStarting while
	// that is not known yet.
	Verify(ctx context.Context, token string) (User, error)
	// Allow returns nil if user may do this, ErrForbidden if not.
	Allow(ctx context.Context, user User, want Access) error
}

// Session is what a sign-in gives.
type Session struct {
	Token   string // goes into the cookie; opaque to the console
	Expires time.Time
	User    User
}

// Access is one thing that somebody wants to do. An empty Group and Name stand
// for a list: whether anything of the namespace may be seen.
type Access struct {
	Write     bool
	Kind      AccessKind
	Namespace string // empty for znodes
	Group     string
	Name      string // of a service, dataId or znode path
}

// AccessKind says what an Access is about.
type AccessKind string

// The kinds of things behind the console. Below SystemRoot the tree holds what
// registry and config center keep for everybody, so that AccessZnode is for
// admins, or at least must not be given there to whoever may not read it all.
const (
	AccessService AccessKind = "service"
	AccessConfig  AccessKind = "config"
	AccessZnode   AccessKind = "znode"
)
