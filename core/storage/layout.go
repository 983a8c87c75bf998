package storage

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/core"
)

const (
	lockName    = "LOCK"
	metaName    = "meta"
	ballastName = "ballast"
	logDirName  = "log"
	snapDirName = "snap"
	// apacheDirName is where Apache ZooKeeper keeps its files.
	apacheDirName = "version-2"

	segmentSuffix  = ".log"
	snapshotSuffix = ".snap"
	tempSuffix     = ".tmp"
	damagedSuffix  = ".damaged"
	sparePrefix    = "spare-"
)

// place is what the name of a segment or snapshot says.
type place struct {
	lineage uint64
	zxid    core.Zxid // a segment's base, a snapshot's position
}

func (p place) name(suffix string) string {
	return fmt.Sprintf("%08x-%016x%s", p.lineage, uint64(p.zxid), suffix)
}

// parsePlace reads a name; only the one way to write a place is one.
func parsePlace(name, suffix string) (place, bool) {
	body, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return place{}, false
	}
	a, b, ok := strings.Cut(body, "-")
	if !ok {
		return place{}, false
	}
	lineage, err1 := strconv.ParseUint(a, 16, 64)
	zxid, err2 := strconv.ParseUint(b, 16, 64)
	p := place{lineage: lineage, zxid: core.Zxid(zxid)}
	return p, err1 == nil && err2 == nil && p.name(suffix) == name
}

func spareName(n uint64) string { return fmt.Sprintf("%s%06d", sparePrefix, n) }

func parseSpare(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, sparePrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && spareName(n) == name
}

// FileClass is the class of a file or directory of a data directory by its name,
// as tests of faults name them.
func FileClass(name string) string {
	base := filepath.Base(name)
	parent := filepath.Base(filepath.Dir(name))
	switch {
	case base == logDirName:
		return "logdir"
	case base == snapDirName:
		return "snapdir"
	case base == lockName, base == ballastName:
		return strings.ToLower(base)
	case strings.HasPrefix(base, metaName):
		return "meta"
	case parent == snapDirName:
		if strings.HasSuffix(base, tempSuffix) {
			return "snaptemp"
		}
		return "snapshot"
	case parent == logDirName:
		switch {
		case strings.HasPrefix(base, sparePrefix):
			return "spare"
		case strings.HasSuffix(base, damagedSuffix):
			return "damaged"
		}
		return "segment"
	}
	return "datadir"
}
