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

// ChunkName is the name of the i-th piece.
func ChunkName(i int) string { return "~" + strconv.Itoa(i) }

func chunkPath(parent string, i int) string { return core.JoinPath(parent, ChunkName(i)) }

func seqName(seq uint64) string { return fmt.Sprintf("%010d", seq) }

// parseSeq reads what seqName wrote, and nothing else.
func parseSeq(name string) (uint64, bool) {
	seq, err := strconv.ParseUint(name, 10, 63)
	if err != nil || seqName(seq) != name {
		return 0, false
	}
	return seq, true
}
