package ctl

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zensus-io/zensus/internal/testkit"
)

// waitWatches waits until the server has that many watches: waitwatches N.
func waitWatches(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	last := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		last, err = testkit.FourLetterWord(ts.Getenv("ZK"), "mntr")
		ts.Check(err)
		for line := range strings.SplitSeq(last, "\n") {
			if key, value, _ := strings.Cut(line, "\t"); key == "zk_watch_count" && value == strconv.Itoa(want) {
				return
			}
		}
	}
	ts.Fatalf("not %d watches:\n%s", want, last)
}

// glob sets FOUND to the first file that a pattern names.
func glob(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("%s names no file", args[0])
	}
	ts.Setenv("FOUND", files[0])
}
