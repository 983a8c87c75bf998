package validate

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/zensus-io/zensus/internal/names"
)

// Fault is what is wrong with a content. Line and Column begin at 1 and are where somebody
// should look; Column counts characters.
type Fault struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Path   string `json:"path,omitempty"` // of the value, as a JSON Pointer; only with a schema
	Reason string `json:"reason"`
}

// Error begins with the place.
func (f *Fault) Error() string {
	s := fmt.Sprintf("line %d, column %d: %s", f.Line, f.Column, f.Reason)
	if f.Path != "" {
		s += " (at " + f.Path + ")"
	}
	return s
}

// faultAt is a fault at a byte of content.
func faultAt(content string, offset int, reason string) *Fault {
	f := &Fault{Reason: reason}
	f.Line, f.Column = place(content, offset)
	return f
}

// place is the line and column of a byte of content.
func place(content string, offset int) (line, column int) {
	before := content[:min(max(offset, 0), len(content))]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before[:start], "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

// clip bounds what a reason quotes of a content.
func clip(s string) string { return names.Clip(s, 80, "…") }
