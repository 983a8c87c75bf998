package configcenter

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/zensus-io/zensus/core"
)

// Publish is a wish to set a config.
type Publish struct {
	Key     Key
	Content string
	Attributes
	Origin Origin
	// CASMD5, if not blank, is the md5 that the config must have. A config that
	// does not exist is created whatever it says: Nacos does so, and Dubbo, which
	// sends "0" for its first publish, counts on it.
	CASMD5 string
	// Revision, if not 0, is the revision that the config must have; then a
	// config that does not exist is a mismatch too.
	Revision core.Zxid
	// MustCreate refuses to change a config that exists.
	MustCreate bool
	// KeepAppName and KeepTags leave of a config that exists what the publisher says
	// nothing about. Nacos does so with these two, and with no other attribute.
	KeepAppName bool
	KeepTags    bool
	// KeepSchema leaves to a config the JSON Schema that it has, if the publisher says none,
	// and its type, if SaysNoType: a publish that says nothing is no way around the schema.
	KeepSchema bool
	// Restored, if not 0, is the change in the config's history whose content this is.
	Restored uint64
}

// Upon is what a config has beside its content when p is published upon old, nil for none.
func (p *Publish) Upon(old *Item) Attributes {
	a := p.Attributes
	a.Type = NormalType(a.Type)
	if old == nil {
		return a
	}
	if p.KeepAppName {
		a.AppName = old.AppName
	}
	if p.KeepTags {
		a.Tags = old.Tags
	}
	if p.KeepSchema && p.Schema == "" && old.HasSchema() {
		a.Schema = old.Schema
		if p.SaysNoType() {
			a.Type = old.Type
		}
	}
	return a
}

// SaysNoType reports whether the publisher leaves the type open. Text counts as that: the
// Java client says it for its user.
func (p *Publish) SaysNoType() bool {
	t := strings.TrimSpace(p.Type)
	return t == "" || strings.EqualFold(t, "text")
}

// Remove is a wish to delete a config.
type Remove struct {
	Key      Key
	Origin   Origin
	Revision core.Zxid // if not 0, the revision that the config must have
}

// Limits bound what may be published. Start from DefaultLimits.
type Limits struct {
	// ContentCharsMax is the longest content, in characters as Java counts them.
	ContentCharsMax int
	// ContentBytesMax is the longest content in bytes: it bounds a transaction.
	ContentBytesMax int
	// HistoryEntriesMax is how many versions of one config are kept.
	HistoryEntriesMax int
	// HistoryAgeMillis is how long a version is kept that is not needed to say
	// what a later one replaced.
	HistoryAgeMillis int64
}

// DefaultLimits are Nacos's, but for the quotas, which Nacos leaves switched off.
func DefaultLimits() Limits {
	return Limits{
		ContentCharsMax:   10 << 20,
		ContentBytesMax:   16 << 20,
		HistoryEntriesMax: 200,
		HistoryAgeMillis:  30 * 24 * 3600 * 1000,
	}
}

// The longest attributes, in characters.
const (
	tagsMax   = 5
	tagMax    = 64
	descMax   = 128
	useMax    = 32
	effectMax = 32
	schemaMax = 32768
	appMax    = 128
	// encryptedKeyMax is ours: Nacos has no limit but that of its column, 1024.
	encryptedKeyMax = 1024
)

// Validate checks p against the limits. It returns an *InvalidError.
func (p *Publish) Validate(l Limits) error {
	if err := p.Key.Validate(); err != nil {
		return err
	}
	if strings.TrimSpace(p.Content) == "" {
		return &InvalidError{Field: "content", Reason: "is blank", Nacos: "content is blank : "}
	}
	if len(p.Content) > l.ContentBytesMax {
		return &InvalidError{Field: "content", Reason: "is too large", Max: l.ContentBytesMax}
	}
	if len(p.Content) > l.ContentCharsMax && utf16Length(p.Content) > l.ContentCharsMax {
		return &InvalidError{Field: "content", Reason: "is too large", Max: l.ContentCharsMax}
	}
	return p.validate()
}

func (a *Attributes) validate() error {
	for _, f := range [...]struct {
		field, value string
		max          int
	}{
		{"desc", a.Desc, descMax},
		{"use", a.Use, useMax},
		{"effect", a.Effect, effectMax},
		{"schema", a.Schema, schemaMax},
		{"appName", a.AppName, appMax},
		{"encryptedDataKey", a.EncryptedDataKey, encryptedKeyMax},
	} {
		if len(f.value) > f.max && utf16Length(f.value) > f.max {
			return &InvalidError{Field: f.field, Reason: "is too long", Max: f.max, Nacos: fmt.Sprintf("too long %s, over %d", f.field, f.max)}
		}
	}
	if a.Tags == "" {
		return nil
	}
	if strings.Count(a.Tags, ",") >= tagsMax {
		return &InvalidError{Field: "config_tags", Reason: "has too many tags", Max: tagsMax, Nacos: fmt.Sprint("too much config_tags, over ", tagsMax)}
	}
	for tag := range strings.SplitSeq(a.Tags, ",") {
		if len(tag) > tagMax && utf16Length(tag) > tagMax {
			return &InvalidError{Field: "config_tags", Reason: "has a tag that is too long", Max: tagMax, Nacos: fmt.Sprint("too long tag, over ", tagMax)}
		}
	}
	return nil
}

// utf16Length is the length of s as Java has it.
func utf16Length(s string) int {
	n := 0
	for _, r := range s {
		if r > 0xffff {
			n++
		}
		n++
	}
	return n
}

// HasTag reports whether the comma list tags holds tag.
func HasTag(tags, tag string) bool {
	for t := range strings.SplitSeq(tags, ",") {
		if strings.TrimSpace(t) == tag {
			return true
		}
	}
	return false
}

// ValidText reports whether content can travel in JSON unchanged.
func ValidText(content string) bool { return utf8.ValidString(content) }
