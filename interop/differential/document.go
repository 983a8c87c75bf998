package differential

import (
	"fmt"
	"strings"
)

// Document is the page docs/protocol/zookeeper-differences.md.
func Document() string {
	var b strings.Builder
	b.WriteString(`# Where the client port differs from Apache ZooKeeper 3.8

This page is made from the list that the differential run (` + "`interop/differential`" + `) compares with; a test holds the two
together. The run plays the same random requests, valid and not, to ` + "`zensus serve`" + ` and to Apache ZooKeeper 3.8.0 and compares
every frame that comes back: codes, zxids, every field of a Stat, access lists, notifications and their place among the
replies, and whether the connection is closed. What differs is of one of the classes below, or the run fails.

"3.9" says that Zensus does what ZooKeeper 3.9 does, "neither" that it does what is said here.

`)
	for _, c := range classes {
		fmt.Fprintf(&b, "## %s\n\nFollows: %s.%s\n\n%s\n\nWhy: %s\n\n", c.Name, c.Follows, rarely(c), c.What, c.Reason)
	}
	b.WriteString("## What is left out of the run\n\n| input | reason |\n|---|---|\n")
	for _, e := range Excluded {
		fmt.Fprintf(&b, "| %s | %s |\n", e.What, e.Reason)
	}
	b.WriteString("\n## Codes that a standalone server does not send\n\n| code | reason |\n|---|---|\n")
	for _, u := range Unreached {
		fmt.Fprintf(&b, "| %d %s | %s |\n", int32(u.Code), u.Code.Error(), u.Reason)
	}
	return b.String()
}

func rarely(c Class) string {
	if c.Rare {
		return " Rarely met in the run."
	}
	return ""
}
