package config

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/internal/desired"
	"github.com/zensus-io/zensus/sdk/internal/link"
)

// DefaultGroup is the group of a Key that names none.
const DefaultGroup = "DEFAULT_GROUP"

// confirmEvery is how often the server is told again what is listened to, with
// what is there: as often as other SDKs do.
const confirmEvery = 3 * time.Minute

// Key names a config in the client's namespace.
type Key struct {
	Group  string // blank is DefaultGroup
	DataID string
}

func (k Key) canonical() Key {
	if k.Group == "" {
		k.Group = DefaultGroup
	}
	return k
}

// Item is a config at one moment.
type Item struct {
	Key Key
	// Exists is false for a config that is not there; the rest is then zero.
	Exists           bool
	Content          string
	MD5              string // see Sum
	Type             string // json, yaml, ...
	EncryptedDataKey string // of a content that a client has encrypted
	Modified         time.Time
}

// Sum is the md5 of a content as the server computes it.
func Sum(content string) string {
	sum := md5.Sum([]byte(content))
	return hex.EncodeToString(sum[:])
}

var (
	// ErrNotFound is returned by Get for a config that is not there.
	ErrNotFound = errors.New("zensus: config not found")
	// ErrCASMismatch is returned by a publish with IfMD5 when the config is
	// another one by now. Nothing was published.
	ErrCASMismatch = errors.New("zensus: config has changed")
	// ErrInvalid is returned for a key without a dataId.
	ErrInvalid = errors.New("zensus: dataId is required")
)

// Config is the config side of a client. It is safe for concurrent use.
type Config struct {
	client *sdk.Client
	link   *link.Link
	table  *desired.Table[Key]

	mu struct {
		sync.Mutex
		followed map[Key]*following
	}
}

// New makes the config side of a client. One is enough for a program.
func New(client *sdk.Client) *Config {
	c := &Config{client: client}
	c.table = desired.New(confirmEvery, func(k Key, failures int, err error) {
		client.Logger().Warn("config cannot be followed yet", "group", k.Group, "data_id", k.DataID, "failures", failures, "err", err)
	})
	c.mu.followed = make(map[Key]*following)
	client.Attach("config", func(cfg link.Config) sdk.Part {
		cfg.OnPush = c.pushed
		l, err := link.New(cfg)
		if err != nil { // only without servers, which Dial has refused
			panic(err)
		}
		c.link = l
		return part{c}
	})
	return c
}

// part keeps what the client calls out of the API.
type part struct{ c *Config }

// Run works until ctx ends.
func (p part) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	tasks.Go(func() { p.c.link.Run(ctx) })
	tasks.Go(func() { p.c.table.Run(ctx, p.c.link, p.c.apply) })
	tasks.Wait()
}

// Withdraw has nothing to take back: listeners end with the connection.
func (part) Withdraw(context.Context) {}

func (c *Config) key(k Key) wire.ConfigKey {
	return wire.ConfigKey{DataID: k.DataID, Group: k.Group, Tenant: c.client.Namespace()}
}

// Get reads a config from the server. It returns ErrNotFound, the server's
// refusal, or the context's error; it tries until then.
func (c *Config) Get(ctx context.Context, k Key) (Item, error) {
	if k.DataID == "" {
		return Item{}, ErrInvalid
	}
	k = k.canonical()
	var reply wire.ConfigQueryResponse
	err := c.link.Call(ctx, &wire.ConfigQueryRequest{ConfigKey: c.key(k)}, &reply, true)
	return itemOf(k, &reply, err)
}

// codeNotFound is how the server says that a config is not there.
const codeNotFound = 300

// itemOf reads the answer to a query.
func itemOf(k Key, reply *wire.ConfigQueryResponse, err error) (Item, error) {
	var refused *sdk.Error
	if errors.As(err, &refused) && refused.Code == codeNotFound && refused.Message == "config data not exist" {
		return Item{Key: k}, ErrNotFound
	}
	if err != nil {
		return Item{Key: k}, err
	}
	return Item{
		Key: k, Exists: true, Content: reply.Content, MD5: reply.MD5, Type: reply.ContentType,
		EncryptedDataKey: reply.EncryptedDataKey, Modified: time.UnixMilli(reply.LastModified),
	}, nil
}

type publishing struct {
	casMD5   string
	addition map[string]string
}

// PublishOption sets one thing about a publish.
type PublishOption func(*publishing)

// IfMD5 publishes only if the config still has this md5. A config that is not
// there is created all the same.
func IfMD5(sum string) PublishOption { return func(p *publishing) { p.casMD5 = sum } }

// Type says what the content is: json, yaml, properties, toml, xml, html, text.
func Type(t string) PublishOption {
	return func(p *publishing) { p.addition[wire.AdditionType] = t }
}

// Describe adds a description.
func Describe(text string) PublishOption {
	return func(p *publishing) { p.addition[wire.AdditionDesc] = text }
}

// Tags are for searching.
func Tags(tags ...string) PublishOption {
	return func(p *publishing) { p.addition[wire.AdditionConfigTags] = strings.Join(tags, ",") }
}

// AppName says which application the config belongs to.
func AppName(name string) PublishOption {
	return func(p *publishing) { p.addition[wire.AdditionAppName] = name }
}

// EncryptedDataKey goes with a content that the caller has encrypted.
func EncryptedDataKey(key string) PublishOption {
	return func(p *publishing) { p.addition[wire.AdditionEncryptedDataKey] = key }
}

// Publish sets the content of a config. A Get by this client sees it when Publish
// has returned. It returns ErrCASMismatch or the server's refusal; if
// ErrUnknownOutcome is in the error's chain, it may have been published.
func (c *Config) Publish(ctx context.Context, k Key, content string, opts ...PublishOption) error {
	if k.DataID == "" {
		return ErrInvalid
	}
	p := publishing{addition: map[string]string{}}
	for _, o := range opts {
		o(&p)
	}
	request := &wire.ConfigPublishRequest{
		ConfigKey: c.key(k.canonical()), Content: content, CASMD5: p.casMD5, AdditionMap: p.addition,
	}
	err := c.link.Call(ctx, request, &wire.ConfigPublishResponse{}, false)
	var refused *sdk.Error
	if p.casMD5 != "" && errors.As(err, &refused) && strings.HasPrefix(refused.Message, "Cas publish fail") {
		return ErrCASMismatch
	}
	return err
}

// Remove deletes a config. One that is not there is no error.
func (c *Config) Remove(ctx context.Context, k Key) error {
	if k.DataID == "" {
		return ErrInvalid
	}
	return c.link.Call(ctx, &wire.ConfigRemoveRequest{ConfigKey: c.key(k.canonical())}, &wire.ConfigRemoveResponse{}, true)
}

// Connected reports whether there is a connection to a server.
func (c *Config) Connected() bool { return c.link.Connected() }
