package configcenter

import (
	"crypto/md5"
	"encoding/hex"
	"strings"
	"unsafe"

	"github.com/zensus-io/zensus/core"
)

// Item is a config as it stands. Content is any bytes; what travels in JSON is
// expected to be UTF-8.
type Item struct {
	Key     Key
	Content string
	MD5     string // lower-case hexadecimal, over Content
	Attributes
	Created  int64 // wall time of the first publish in milliseconds since 1970
	Modified int64 // of the latest one
	// CreatedBy is who published it first, ChangedBy who did so last.
	CreatedBy Origin
	ChangedBy Origin
	// Revision is the zxid of the transaction that published this content. It
	// rises with every publish, also across a deletion.
	Revision core.Zxid
	// ID is the zxid of the transaction that created the config.
	ID core.Zxid
}

// Attributes are what a publisher says about a config beside its content.
type Attributes struct {
	Type             string // see NormalType
	AppName          string
	Tags             string // comma list
	Desc             string
	Use              string
	Effect           string
	Schema           string // see HasSchema
	EncryptedDataKey string // made and used by clients only
}

// HasSchema reports whether Schema is a JSON Schema, which is an object that asks for
// something. Any other text is a remark, as it is to Nacos.
func (a *Attributes) HasSchema() bool {
	inner, ok := strings.CutPrefix(strings.TrimSpace(a.Schema), "{")
	return ok && strings.TrimSpace(inner) != "}"
}

// Origin is where a change came from.
type Origin struct {
	IP   string
	User string
}

// Sum is the md5 of content as clients compute it: lower-case hexadecimal over
// the UTF-8 bytes. A config that does not exist has the sum "".
func Sum(content string) string {
	sum := md5.Sum(Bytes(content))
	return hex.EncodeToString(sum[:])
}

// Bytes are the bytes of a content, which may be large, without a copy of it: they are only
// to be read.
func Bytes(content string) []byte { return unsafe.Slice(unsafe.StringData(content), len(content)) }

// NormalType is the config type that a publish with type t stores: an unknown or
// missing one is text.
func NormalType(t string) string {
	switch t = strings.ToLower(strings.TrimSpace(t)); t {
	case "text", "json", "xml", "yaml", "html", "properties", "toml", "unset":
		return t
	}
	return "text"
}
