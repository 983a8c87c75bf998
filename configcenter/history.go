package configcenter

import "github.com/zensus-io/zensus/core"

// ChangeOp says what a change did. The values are Nacos's.
type ChangeOp byte

// The changes that there are.
const (
	Inserted ChangeOp = 'I'
	Updated  ChangeOp = 'U'
	Deleted  ChangeOp = 'D'
)

// String is the letter that Nacos shows.
func (op ChangeOp) String() string { return string(rune(op)) }

// Valid reports whether op is one of the three.
func (op ChangeOp) Valid() bool { return op == Inserted || op == Updated || op == Deleted }

// Entry is one change in the history of a config.
type Entry struct {
	Key Key
	// Seq numbers the changes of one config from 1, without a gap, also across a
	// deletion; it starts again only after the whole history has aged away.
	Seq    uint64
	Op     ChangeOp
	Origin Origin
	Time   int64 // wall time in milliseconds since 1970
	// Zxid is the transaction of the change.
	Zxid core.Zxid
	// Attributes and Content are what the change left: both empty for Deleted.
	Attributes
	Content string
	MD5     string // of Content; "" for Deleted
	// Gray is the name of the gray version that was changed, and Rule its rule: blank
	// for the config itself.
	Gray string
	Rule Rule
	// Restored is the Seq of the change to which this one went back; 0 if it was none of
	// that kind.
	Restored uint64
}

// Version is one change with what was there before and after it.
//
// Nacos stores for an update the content before the change and shows it as the
// content of the record; Before and After say which is which.
type Version struct {
	Entry
	// Before is what the change replaced or deleted: nil for Inserted, and for
	// the oldest entry kept, whose predecessor has aged away.
	Before *Entry
}

// Replaced is the content that Nacos would store with the record: what was
// inserted, what was replaced, or what was deleted.
func (v *Version) Replaced() *Entry {
	if v.Op == Inserted || v.Before == nil {
		return &v.Entry
	}
	return v.Before
}
