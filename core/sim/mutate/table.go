package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

const head = `# Mistakes that the simulator finds

Each row is a mistake that was put back into the product, and the seed with which the simulator has found it. The first
table is what others have paid for: lost data, split ensembles, watches that never fired. The second is our own.
` + "`make mutants`" + ` runs all of it and writes this page; the mistakes are in core/sim/mutate/mutants.txt. The seed was run
without the mistake as well, and finds nothing then.
`

const columns = `
| mistake | what is wrong | rule | world | seed | found |
|---|---|---|---|---|---|
`

// readTable reads what a page says of mistakes that were found; nothing if there is none.
func readTable(file string) map[string]caught {
	known := map[string]caught{}
	text, err := os.ReadFile(file)
	if err != nil {
		return known
	}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(strings.Trim(line, "| \n"), " | "); len(cells) == 6 && seedText.MatchString(cells[4]) {
			known[cells[0]] = caught{cells[4], cells[5]}
		}
	}
	return known
}

var seedText = regexp.MustCompile(`^[1-9][0-9]*$`)

// page is the table of all mistakes.
func page(list []*mutant, known map[string]caught) string {
	var b strings.Builder
	b.WriteString(head + columns)
	ours := false
	for _, m := range list {
		if m.ours && !ours {
			b.WriteString("\n## Our own\n" + columns)
			ours = true
		}
		b.WriteString(m.row(known[m.name]))
	}
	return b.String()
}

// foundMax bounds what is told of a finding.
const foundMax = 140

// row is the line of a mistake.
func (m *mutant) row(c caught) string {
	world := m.world
	if m.only != "" {
		world += ", only: " + m.only
	}
	if m.pending != "" {
		world = ""
	}
	found := strings.ReplaceAll(c.found, "|", "/")
	if len(found) > foundMax+4 {
		found = strings.ToValidUTF8(found[:foundMax], "") + " ..."
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", m.name, m.what, m.rule, world, c.seed, found)
}
