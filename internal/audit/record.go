package audit

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zensus-io/zensus/internal/names"
	"github.com/zensus-io/zensus/internal/refusal"
)

// Result is what became of an act.
type Result string

// The results.
const (
	OK      Result = "ok"
	Denied  Result = "denied"  // who asked is not known, or may not
	Refused Result = "refused" // it was asked for wrongly: invalid, not there, changed meanwhile
	Failed  Result = "failed"  // it may or may not have taken effect
)

var everyResult = []Result{OK, Denied, Refused, Failed}

// Kind is what sort of thing was written.
type Kind string

// The kinds.
const (
	KindConfig    Kind = "config"
	KindNaming    Kind = "naming"
	KindNamespace Kind = "namespace"
	KindQuota     Kind = "quota"
	KindAccess    Kind = "access" // users, roles, permissions, tokens
	KindSwitches  Kind = "switches"
	KindCluster   Kind = "cluster" // members, connections, everything else
	KindZnode     Kind = "znode"   // through the console
)

var everyKind = []Kind{KindConfig, KindNaming, KindNamespace, KindQuota, KindAccess, KindSwitches, KindCluster, KindZnode}

// Target is what was written. What is blank does not apply or is not known.
type Target struct {
	Kind      Kind   `json:"type,omitempty"`
	Namespace string `json:"namespaceId,omitempty"`
	Group     string `json:"groupName,omitempty"`
	Name      string `json:"name,omitempty"`   // dataId, service, users/tom, the path of a znode
	Detail    string `json:"detail,omitempty"` // a gray version, an instance
}

// Record is one line of the audit.
type Record struct {
	Time   int64  `json:"time"` // milliseconds since 1970, by the clock of the node that was asked
	User   string `json:"user"` // blank where nobody is known; machines are token:<name>
	From   string `json:"srcIp"`
	Remote string `json:"remoteIp,omitempty"` // where the connection came from, if that is another address
	Via    string `json:"via"`                // http, grpc
	Action string `json:"action"`             // method and route, or the type of the payload
	Verb   string `json:"operation,omitempty"`
	Target
	Result Result `json:"result"`
	Text   string `json:"message,omitempty"` // why not
	// Omitted counts refusals before this one that are not on record: there were too many.
	Omitted int64 `json:"omitted,omitempty"`
}

// The verbs of a write.
const (
	Create = "create"
	Update = "update"
	Delete = "delete"
)

// Bounds of a record's texts, in bytes as they are written: JSON has up to six for one.
// Names have bounds of their own where they are written; here they may be those of a
// request that was refused. So a whole batch is far below valueBytesMax.
const (
	userBytesMax   = 128
	addrBytesMax   = 64
	actionBytesMax = 128
	nameBytesMax   = 1024
	textBytesMax   = 256
)

// clipped is r with all texts within their bounds and of valid UTF-8.
func (r Record) clipped() Record {
	r.User, r.Action, r.Text = clip(r.User, userBytesMax), clip(r.Action, actionBytesMax), clip(r.Text, textBytesMax)
	r.From, r.Remote = clip(r.From, addrBytesMax), clip(r.Remote, addrBytesMax)
	r.Namespace, r.Group = clip(r.Namespace, nameBytesMax), clip(r.Group, nameBytesMax)
	r.Name, r.Detail = clip(r.Name, nameBytesMax), clip(r.Detail, nameBytesMax)
	return r
}

func clip(s string, most int) string {
	for i, r := range s {
		if most -= jsonBytes(r); most < 0 {
			s = s[:i]
			break
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// jsonBytes is how many bytes of JSON a character of a text is; at most so many for what is
// none.
func jsonBytes(r rune) int {
	switch {
	case r == '"' || r == '\\':
		return 2
	case r < ' ', r == '<', r == '>', r == '&', r == 0x7f, r == '\u2028', r == '\u2029':
		return 6
	}
	return utf8.RuneLen(r) // for what is none, that of U+FFFD
}

// The first byte of a value says how it is written.
const (
	formatPlain  = 1 // a JSON array of records
	formatPacked = 2 // the same, deflated
)

// valueBytesMax bounds a value, unpacked: what one transaction carries with ease.
const valueBytesMax = 512 << 10

var errValue = errors.New("audit: the value is no list of records")

// encode writes records, oldest first.
func encode(records []Record, format byte) ([]byte, error) {
	text, err := json.Marshal(records)
	if err != nil {
		return nil, fmt.Errorf("audit: encode: %w", err)
	}
	if format == formatPlain {
		return append([]byte{formatPlain}, text...), nil
	}
	var b bytes.Buffer
	b.WriteByte(formatPacked)
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		return nil, fmt.Errorf("audit: encode: %w", err)
	}
	if _, err = w.Write(text); err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("audit: encode: %w", err)
	}
	return b.Bytes(), nil
}

// decode reads what encode wrote, and never more than valueBytesMax.
func decode(value []byte) ([]Record, error) {
	if len(value) == 0 {
		return nil, errValue
	}
	text := value[1:]
	switch value[0] {
	case formatPlain:
	case formatPacked:
		r := flate.NewReader(bytes.NewReader(text))
		defer r.Close()
		var err error
		if text, err = io.ReadAll(io.LimitReader(r, valueBytesMax+1)); err != nil || len(text) > valueBytesMax {
			return nil, errValue
		}
	default:
		return nil, errValue
	}
	var records []Record
	if err := json.Unmarshal(text, &records); err != nil {
		return nil, fmt.Errorf("%w: %w", errValue, err)
	}
	return records, nil
}

// Filter selects records. The zero Filter selects all.
type Filter struct {
	User, Action, Namespace, Group, Name string // equal, or with asterisks that stand for anything
	Kind                                 Kind
	Result                               Result
	From, To                             time.Time // From <= time < To; zero is open
}

// Validate refuses what no record has, and a time that is none: such a filter would find
// nothing, which looks as if nothing had been done.
func (f *Filter) Validate() error {
	if f.Kind != "" && !slices.Contains(everyKind, f.Kind) {
		return noneOf("type", f.Kind, everyKind)
	}
	if f.Result != "" && !slices.Contains(everyResult, f.Result) {
		return noneOf("result", f.Result, everyResult)
	}
	if !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From) {
		return refusal.New(refusal.Invalid, "endTime is before startTime")
	}
	return nil
}

func noneOf[T ~string](parameter string, value T, all []T) error {
	known := make([]string, len(all))
	for i, one := range all {
		known[i] = string(one)
	}
	return refusal.New(refusal.Invalid, fmt.Sprintf("%s is %q, which is none of %s",
		parameter, names.Clip(string(value), 32, "..."), strings.Join(known, ", ")))
}

// Matches reports whether the filter selects r.
func (f *Filter) Matches(r *Record) bool {
	switch {
	case f.Kind != "" && f.Kind != r.Kind,
		f.Result != "" && f.Result != r.Result,
		!f.From.IsZero() && r.Time < f.From.UnixMilli(),
		!f.To.IsZero() && r.Time >= f.To.UnixMilli():
		return false
	}
	return like(f.User, r.User) && like(f.Action, r.Action) && like(f.Namespace, r.Namespace) &&
		like(f.Group, r.Group) && like(f.Name, r.Name)
}

// like compares with a pattern in which an asterisk stands for anything; a blank one
// matches all.
func like(pattern, text string) bool { return pattern == "" || names.Match(pattern, text) }
