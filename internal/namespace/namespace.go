// Package namespace keeps the namespaces that registry and config center share.
//
// A namespace is a znode below /zensus/namespaces with a name and a description;
// the public one is always there and has none. What it may hold is the business of
// internal/quota. Like all of the Nacos
// side the package reads from a picture, so that every node knows of a change at
// once, and writes through core.Client. Services and configs may lie in a
// namespace that nobody made: the clients of Nacos count on that, so nothing
// asks this package for permission to use a name.
//
// How many configs and services a namespace holds is the business of others; they
// are asked through Counter. The HTTP routes are in namespace/nacosapi.
package namespace

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/names"
	"github.com/zensus-io/zensus/internal/picture"
	"github.com/zensus-io/zensus/internal/refusal"
	"github.com/zensus-io/zensus/internal/segment"
	"github.com/zensus-io/zensus/internal/tenant"
)

// Root is where the namespaces live.
const Root = "/zensus/namespaces"

// Public is the id of the namespace that is always there.
const Public = tenant.Public

// Bounds as Nacos has them, in characters.
const (
	maxIDChars          = 128
	maxNameChars        = 256
	maxDescriptionChars = 256
	maxNamespaces       = 10_000
)

// Namespace is one namespace.
type Namespace struct {
	ID          string
	Name        string
	Description string
}

// value is what the znode holds.
type value struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// The refusals.
var (
	ErrExists   = refusal.New(refusal.Exists, "namespace already exist")
	ErrNotFound = refusal.New(refusal.NotFound, "namespace not exist")
	ErrIllegal  = refusal.New(refusal.Invalid, "illegal namespace")
	ErrStarting = refusal.New(refusal.Starting, "namespaces are not known yet")
)

// say gives one of the refusals above a text of its own. errors.Is still finds it.
func say(cause error, text string) error { return refusal.Say(cause, text) }

// Canonical is the id that a client's spelling means: blank is public. All other
// ids are their own.
func Canonical(id string) string {
	if id = strings.TrimSpace(id); id == "" {
		return Public
	}
	return id
}

// Namespaces is all namespaces. It is safe for concurrent use.
type Namespaces struct {
	client  core.Client
	picture *picture.Picture
	log     *slog.Logger
}

// New makes the picture; Run fills it.
func New(client core.Client, log *slog.Logger) (*Namespaces, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p, err := picture.New(picture.Config{Client: client, Root: Root, Starting: ErrStarting, Log: log})
	if err != nil {
		return nil, err
	}
	return &Namespaces{client: client, picture: p, log: log}, nil
}

// Run keeps the picture until ctx ends.
func (n *Namespaces) Run(ctx context.Context) error { return n.picture.Run(ctx) }

// Ready is closed when the namespaces are known.
func (n *Namespaces) Ready() <-chan struct{} { return n.picture.Ready() }

// List is all namespaces, the public one first, the others by name. It returns ErrStarting
// before they are known.
func (n *Namespaces) List(ctx context.Context) ([]Namespace, error) {
	if err := n.picture.Await(ctx); err != nil {
		return nil, err
	}
	all := []Namespace{public}
	for _, child := range n.picture.Children(Root) {
		id, err := segment.Unescape(child)
		if err != nil {
			continue
		}
		if ns, ok := n.shown(id); ok && ns.ID != Public {
			all = append(all, ns)
		}
	}
	slices.SortStableFunc(all[1:], func(a, b Namespace) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, nil
}

var public = Namespace{ID: Public, Name: Public, Description: "Default Namespace"}

// Get is one namespace. It returns ErrNotFound if there is none of that id, and ErrStarting
// before that is known.
func (n *Namespaces) Get(ctx context.Context, id string) (Namespace, error) {
	if err := n.picture.Await(ctx); err != nil {
		return Namespace{}, err
	}
	if ns, ok := n.shown(id); ok {
		return ns, nil
	}
	return Namespace{}, notFound(id)
}

func notFound(id string) error { return say(ErrNotFound, "namespaceId [ "+id+" ] not exist") }

// shown is a namespace as the picture has it; false if it has none of that id.
func (n *Namespaces) shown(id string) (Namespace, bool) {
	if id = Canonical(id); id == Public {
		return public, true
	}
	node, ok := n.picture.Get(pathOf(id))
	if !ok {
		return Namespace{}, false
	}
	v, err := decode(node.Data)
	if err != nil {
		n.log.Warn("namespace cannot be read", "path", node.Path, "err", err)
		return Namespace{}, false
	}
	return Namespace{ID: id, Name: v.Name, Description: v.Description}, true
}

// Has reports whether there is a namespace of that id. It returns ErrStarting before the
// namespaces are known.
func (n *Namespaces) Has(ctx context.Context, id string) (bool, error) {
	_, err := n.Get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Create adds a namespace and returns its id: a new UUID where id is blank. It
// returns ErrExists or ErrIllegal.
func (n *Namespaces) Create(ctx context.Context, id, name, description string) (string, error) {
	if id = strings.TrimSpace(id); id == "" {
		id = uuid.NewString()
	}
	if err := validID(id); err != nil {
		return "", err
	}
	if id == Public {
		return "", say(ErrExists, "namespaceId ["+Public+"] is default namespace id and already exist.")
	}
	if tenant.Namespace(id) != id { // configs in it would be those of another
		return "", say(ErrIllegal, "namespaceId ["+id+"] means another namespace")
	}
	data, err := encode(name, description)
	if err != nil {
		return "", err
	}
	if len(n.picture.Children(Root)) >= maxNamespaces {
		return "", say(ErrIllegal, "there are too many namespaces")
	}
	if err := core.Ensure(ctx, n.client, Root); err != nil {
		return "", err
	}
	_, st, err := n.client.Create(ctx, pathOf(id), data, core.CreateOptions{})
	if errors.Is(err, core.NodeExists) {
		return "", say(ErrExists, "namespaceId ["+id+"] already exist.")
	}
	if err != nil {
		return "", err
	}
	n.picture.Shown(ctx, st.Czxid)
	return id, nil
}

// Update replaces name and description. It returns ErrNotFound or ErrIllegal.
func (n *Namespaces) Update(ctx context.Context, id, name, description string) error {
	if id = Canonical(id); id == Public {
		return say(ErrIllegal, "the public namespace cannot be changed")
	}
	if err := validID(id); err != nil {
		return err
	}
	data, err := encode(name, description)
	if err != nil {
		return err
	}
	st, err := n.client.Set(ctx, pathOf(id), data, core.AnyVersion)
	if errors.Is(err, core.NoNode) {
		return notFound(id)
	}
	if err != nil {
		return err
	}
	n.picture.Shown(ctx, st.Mzxid)
	return nil
}

// Delete removes a namespace, not what lies in it. One that is not there is no
// error; the public one is ErrIllegal.
func (n *Namespaces) Delete(ctx context.Context, id string) error {
	if id = Canonical(id); id == Public {
		return say(ErrIllegal, "the public namespace cannot be deleted")
	}
	if err := validID(id); err != nil {
		return err
	}
	zxid, err := n.client.Delete(ctx, pathOf(id), core.AnyVersion)
	if errors.Is(err, core.NoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	n.picture.Shown(ctx, zxid)
	return nil
}

func pathOf(id string) string { return core.JoinPath(Root, segment.Escape(id)) }

// validID allows letters, digits, _ and -, as Nacos does where one is made.
func validID(id string) error {
	if len(id) > maxIDChars {
		return say(ErrIllegal, "too long namespaceId, over 128")
	}
	if !names.Word(id, "_-") {
		return say(ErrIllegal, "namespaceId ["+clip(id)+"] mismatch the pattern")
	}
	return nil
}

func clip(s string) string { return names.Clip(s, maxIDChars, "") }

func encode(name, description string) ([]byte, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "" || utf8.RuneCountInString(name) > maxNameChars || strings.ContainsAny(name, "@#$%^&*"):
		return nil, say(ErrIllegal, "namespaceName ["+clip(name)+"] contains illegal char")
	case utf8.RuneCountInString(description) > maxDescriptionChars:
		return nil, say(ErrIllegal, "too long namespaceDesc, over 256")
	}
	return picture.Encode(value{Name: name, Description: description})
}

func decode(data []byte) (v value, err error) {
	err = picture.Decode(data, &v)
	return v, err
}
