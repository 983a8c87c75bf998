package sim

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Coverage counts what runs have met, by name.
type Coverage map[string]int

func (c Coverage) hit(name string) { c[name]++ }

// Add adds the counts of another run.
func (c Coverage) Add(other Coverage) {
	for name, n := range other {
		c[name] += n
	}
}

// String lists the counts, one a line, sorted by name.
func (c Coverage) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c)) {
		b.WriteString(name + " " + strconv.Itoa(c[name]) + "\n")
	}
	return b.String()
}
