package ctl

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zensus-io/zensus/internal/testkit"
)

// waitMonitor waits until the server's monitoring has a value: waitmonitor KEY VALUE.
func waitMonitor(ts *testscript.TestScript, _ bool, args []string) {
	last := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var err error
		last, err = testkit.FourLetterWord(ts.Getenv("ZK"), "mntr")
		ts.Check(err)
		for line := range strings.SplitSeq(last, "\n") {
			if line == args[0]+"\t"+args[1] {
				return
			}
		}
	}
	ts.Fatalf("%s is not %s:\n%s", args[0], args[1], last)
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
