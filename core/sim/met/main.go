// Command met says what a long run of the simulator has met, in a page that is kept:
// how often each thing happened that has to happen at least so often, at which calls
// and steps processes were ended, and which of the rules that the product's comments
// name were executed.
//
//	go run ./core/sim/met -page docs/simulated.md -counts a.txt,b.txt -profiles a.cover,b.cover
//
// counts are the counts that the tests of core/sim write, profiles are Go's coverage
// profiles of the same run. Its exit status says whether the floor was met.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	page := flag.String("page", "", "the file to write")
	counts := flag.String("counts", "", "files of counts, with commas between")
	profiles := flag.String("profiles", "", "coverage profiles, likewise")
	flag.Parse()
	if err := run(*page, strings.Split(*counts, ","), strings.Split(*profiles, ",")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(page string, counts, profiles []string) error {
	met := map[string]int{}
	for _, name := range counts {
		if err := readCounts(name, met); err != nil {
			return err
		}
	}
	cover := coverage{}
	for _, name := range profiles {
		if err := cover.read(name); err != nil {
			return err
		}
	}
	sites, err := findSites("core")
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(head)
	missed := append(writeFloor(&b, met), writePoints(&b, met)...)
	missed = append(missed, writeRules(&b, sites, cover)...)
	if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
		return err
	}
	if len(missed) > 0 {
		return errors.New("not met:\n" + strings.Join(missed, "\n"))
	}
	return nil
}

// readCounts reads lines of a name and a number.
func readCounts(file string, met map[string]int) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		i := strings.LastIndexByte(lines.Text(), ' ')
		if i < 0 {
			return fmt.Errorf("%s: %q", file, lines.Text())
		}
		n, err := strconv.Atoi(lines.Text()[i+1:])
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		met[lines.Text()[:i]] += n
	}
	return lines.Err()
}

const head = `# What the simulation has met

A simulator that has gone quiet proves nothing. This page is written by a long run (` + "`make sim`" + `), and tests compare it with
what it must hold: the floor below, every call at which a process can end, and every rule that comments name.
`

// writeFloor writes how often each thing of the floor happened.
func writeFloor(b *strings.Builder, met map[string]int) (missed []string) {
	b.WriteString("\n## The floor\n\nHow often it happened in simulated ensembles and single servers, and how often it has to.\n\n| what | times | at least |\n|---|---|---|\n")
	for _, f := range floor() {
		fmt.Fprintf(b, "| %s | %d | %d |\n", f.name, met[f.name], f.least)
		if met[f.name] < f.least {
			missed = append(missed, fmt.Sprintf("%s: %d of %d", f.name, met[f.name], f.least))
		}
	}
	return missed
}

// byMatrix are the calls of a first start, and of the repair of a damaged log: processes
// end at them in the tests of core/storage (TestCrashMatrix, TestRepairSurvivesACrashAnywhere), which list every call.
var byMatrix = []string{
	"allocate of ballast", "sync of ballast", "remove of ballast", "rename of meta", "create of damaged", "write of damaged",
	"sync of damaged", "remove of spare",
}

// writePoints writes at which calls on a disk processes were ended.
func writePoints(b *strings.Builder, met map[string]int) (missed []string) {
	b.WriteString("\n## Where processes ended\n\nEvery call by which the storage changes a disk, as the run has found them, and how often a process ended before, in or behind it. What is done at the first start of all only, or to set damage aside, is left to the crash tests of `core/storage`.\n\n| call | made | ended there |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(met)) {
		call, ok := strings.CutPrefix(name, "call ")
		if !ok {
			continue
		}
		n := met["crash at "+call]
		where := strconv.Itoa(n)
		if n == 0 && slices.Contains(byMatrix, call) {
			where = "in core/storage"
		}
		fmt.Fprintf(b, "| %s | %d | %s |\n", call, met[name], where)
		if where == "0" {
			missed = append(missed, "no process ended at "+call)
		}
	}
	return missed
}

// writeRules writes which of the places that name a rule were executed.
func writeRules(b *strings.Builder, sites map[string][]site, cover coverage) (missed []string) {
	b.WriteString("\n## The rules\n\nThe functions whose comments name a rule of [the list](protocol/sources.md), and how often the run, or the scenarios of\n`core/zab`, came through the first statement behind that comment.\n\n| rule | where | times |\n|---|---|---|\n")
	for _, rule := range slices.Sorted(maps.Keys(sites)) {
		for _, s := range sites[rule] {
			n := cover.at(s)
			fmt.Fprintf(b, "| %s | %s, %s | %d |\n", rule, s.file, s.fn, n)
			if n == 0 {
				missed = append(missed, fmt.Sprintf("%s in %s of %s was not executed", rule, s.fn, s.file))
			}
		}
	}
	return missed
}
