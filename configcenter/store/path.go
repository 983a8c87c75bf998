package store

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/segment"
)

// The subtrees that hold configs and their history.
const (
	ConfigRoot  = "/zensus/config"
	HistoryRoot = "/zensus/history"
)

// ChunkBytes is the most that one znode holds of a content.
const ChunkBytes = 512 << 10

// entryInlineBytes is the most that the znode of a history entry holds itself.
// An item and an entry, both with the longest attributes, travel in one Multi,
// which has to stay below ZooKeeper's 1 MiB.
const entryInlineBytes = 128 << 10

// ItemPath is where the config named k lives.
func ItemPath(k configcenter.Key) string { return keyPath(ConfigRoot, k) }

func historyPath(k configcenter.Key) string { return keyPath(HistoryRoot, k) }

func keyPath(root string, k configcenter.Key) string {
	return root + "/" + segment.Escape(k.Namespace) + "/" + segment.Escape(k.Group) + "/" + segment.Escape(k.DataID)
}

// ParsePath tells what an absolute path at or below ConfigRoot is: depth 3 is an
// item, depth 4 one of its children, whose name is then returned too. Other
// depths have no key. ok is false for what no Store wrote.
func ParsePath(path string) (k configcenter.Key, child string, depth int, ok bool) {
	rest, found := strings.CutPrefix(path, ConfigRoot)
	if !found || rest != "" && rest[0] != '/' {
		return k, "", 0, false
	}
	if rest == "" {
		return k, "", 0, true
	}
	parts := strings.Split(rest[1:], "/")
	switch len(parts) {
	case 1, 2:
		return k, "", len(parts), true
	case 3, 4:
	default:
		return k, "", len(parts), false
	}
	for i, to := range []*string{&k.Namespace, &k.Group, &k.DataID} {
		name, err := segment.Unescape(parts[i])
		if err != nil {
			return configcenter.Key{}, "", len(parts), false
		}
		*to = name
	}
	if len(parts) == 4 {
		child = parts[3]
	}
	return k, child, len(parts), true
}

// stage names the pieces of one content. They are written before the change that
// refers to them, each under a name that nobody else uses, and never changed.
type stage uint64

// chunkName is the name of the i-th piece.
func (st stage) chunkName(i int) string { return fmt.Sprintf("~%016x.%d", uint64(st), i) }

// isChunk reports whether a child's name is that of a piece.
func isChunk(name string) bool { return strings.HasPrefix(name, "~") }

// stageOf reads what chunkName wrote.
func stageOf(name string) (stage, bool) {
	hex, _, ok := strings.Cut(strings.TrimPrefix(name, "~"), ".")
	n, err := strconv.ParseUint(hex, 16, 64)
	return stage(n), ok && isChunk(name) && err == nil
}

// grayPrefix begins the name of a gray version's znode, below that of its config.
const grayPrefix = "gray-"

// grayName is the gray version that a child's name is of.
func grayName(child string) (name string, ok bool) {
	name, ok = strings.CutPrefix(child, grayPrefix)
	return name, ok && name != ""
}

func grayPath(k configcenter.Key, name string) string {
	return core.JoinPath(ItemPath(k), grayPrefix+name)
}

func seqName(seq uint64) string { return fmt.Sprintf("%010d", seq) }

// parseSeq reads what seqName wrote, and nothing else.
func parseSeq(name string) (uint64, bool) {
	seq, err := strconv.ParseUint(name, 10, 63)
	if err != nil || seqName(seq) != name {
		return 0, false
	}
	return seq, true
}
