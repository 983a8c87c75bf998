// Command mutate puts known mistakes into the product, one at a time, and has the
// simulator look for each of them. What it finds, it writes as a table; that every
// mistake was found is its exit status.
//
//	go run ./core/sim/mutate [-seeds 40] [-table docs/mutants.md] [name ...]
//
// The mistakes are in mutants.txt: some are made at the seams of the simulator, the
// others are changes of the product's source, which are built into a copy (the go
// command's -overlay). Nothing in the product knows of them.
package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed mutants.txt
var mutants string

func main() {
	seeds := flag.Int("seeds", 60, "how many seeds a mistake may survive")
	table := flag.String("table", "", "the file of the table; what is not looked for stays in it")
	flag.Parse()
	if err := run(*seeds, *table, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(seeds int, table string, names []string) (err error) {
	list, err := parse(mutants)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	known := readTable(table)
	h := hunter{dir: dir, seeds: seeds, controls: map[string]error{}}
	if h.plain, err = h.build("plain", nil); err != nil {
		return err
	}
	var failed []error
	for _, m := range list {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		began := time.Now()
		c, err := h.hunt(m, known[m.name].seed)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", m.name, err))
		}
		fmt.Printf("%-34s %4s  %5.1fs  %s\n", m.name, c.seed, time.Since(began).Seconds(), c.found)
		known[m.name] = c
		if table != "" {
			if err := os.WriteFile(table, []byte(page(list, known)), 0o644); err != nil {
				return err
			}
		}
	}
	return errors.Join(failed...)
}

// hunter builds the simulator with mistakes in it, and looks for them.
type hunter struct {
	dir   string
	plain string // the simulator without a mistake
	seeds int
	// controls are the worlds that were run without a mistake, and what was wrong.
	controls map[string]error
}

// caught is how a mistake was found.
type caught struct{ seed, found string }

// hunt looks for a mistake, with the seed first that has found it before.
func (h *hunter) hunt(m *mutant, before string) (c caught, err error) {
	if m.pending != "" {
		return caught{"", "not yet: " + m.pending}, nil
	}
	binary, args := h.plain, []string{"-world=" + m.world}
	if m.only != "" {
		args = append(args, "-only="+m.only)
	}
	control := slices.Clone(args)
	if m.seam {
		args = append(args, "-mutant="+m.name)
	} else {
		files, err := m.overlay(".")
		if err != nil {
			return caught{}, err
		}
		if binary, err = h.build(m.name, files); err != nil {
			return caught{}, err
		}
		defer func() { err = errors.Join(err, os.Remove(binary)) }()
	}
	if before != "" {
		c, err = h.run(binary, append(slices.Clone(args), "-hunt=1", "-from="+before))
	}
	if err == nil && c.seed == "" {
		c, err = h.run(binary, append(args, "-hunt="+strconv.Itoa(h.seeds)))
	}
	switch {
	case err != nil:
		return c, err
	case c.seed == "":
		return c, fmt.Errorf("it survives %d seeds", h.seeds)
	}
	return c, h.control(append(control, "-hunt=1", "-from="+c.seed))
}

// control runs a seed without a mistake: it must find nothing.
func (h *hunter) control(args []string) error {
	name := strings.Join(args, " ")
	err, done := h.controls[name]
	if !done {
		var without caught
		without, err = h.run(h.plain, args)
		if err == nil && without.seed != "" {
			err = fmt.Errorf("seed %s fails without it too: %s", without.seed, without.found)
		}
		h.controls[name] = err
	}
	return err
}

// build builds the simulator's tests.
func (h *hunter) build(name string, files map[string]string) (string, error) {
	binary := filepath.Join(h.dir, name+".test")
	args := []string{"test", "-c", "-o", binary}
	if len(files) > 0 {
		replace := map[string]string{}
		for file, text := range files {
			changed := filepath.Join(h.dir, strings.ReplaceAll(file, "/", "_"))
			if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
				return "", err
			}
			replace[file] = changed
		}
		b, err := json.Marshal(map[string]any{"Replace": replace})
		if err != nil {
			return "", err
		}
		overlay := filepath.Join(h.dir, "overlay.json")
		if err := os.WriteFile(overlay, b, 0o600); err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	out, err := exec.Command("go", append(args, "./core/sim")...).CombinedOutput() // #nosec G204 -- our own list
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
}

var caughtLine = regexp.MustCompile(`(?m)^caught ([0-9]+) (.*)$`)

// run looks for a mistake in one seed after the other.
func (h *hunter) run(binary string, args []string) (caught, error) {
	out, err := exec.Command(binary, append([]string{"-test.run=^TestHunt$", "-test.timeout=15m"}, args...)...).CombinedOutput() // #nosec G204
	if match := caughtLine.FindSubmatch(out); match != nil {
		return caught{string(match[1]), string(match[2])}, nil
	}
	if err != nil {
		return caught{}, fmt.Errorf("%w\n%s", err, out)
	}
	return caught{}, nil
}
