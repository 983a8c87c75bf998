package tree

import (
	"bytes"
	"strconv"
	"strings"
)

// The znodes below /zookeeper/quota/<path> that make a quota.
const (
	limitsName = "zookeeper_limits"
	statsName  = "zookeeper_stats"
)

// Quota is what is allowed at and below a path, and what is used. -1 is no limit.
type Quota struct {
	Path      string
	Count     int64 // znodes, soft: going over it is only worth a warning
	Bytes     int64 // of data, soft
	CountHard int64
	BytesHard int64
	UsedCount int64 // znodes, the one at Path included; -1 if the text cannot be read
	UsedBytes int64
}

// QuotaFor is the quota of the deepest of path and its ancestors that has a limits
// znode; as in ZooKeeper one on the root itself never applies, and one without a
// stats znode limits nothing, for its usage is unknown. Usage is what the stats
// znode says, which clients may overwrite. Text that cannot be read limits nothing.
func (t *Tree) QuotaFor(path string) (q Quota, ok bool) {
	path, limits := t.limitsFor(path)
	if limits == None {
		return Quota{}, false
	}
	stats := t.Child(t.Parent(limits), statsName)
	if stats == None {
		return Quota{}, false
	}
	l, used := parseQuota(t.Data(limits)), parseQuota(t.Data(stats))
	return Quota{
		Path: strings.Clone(path), Count: l.count, Bytes: l.bytes, CountHard: l.countHard, BytesHard: l.bytesHard,
		UsedCount: used.count, UsedBytes: used.bytes,
	}, true
}

// limitsFor is the deepest limited path at or above path, and its limits znode.
func (t *Tree) limitsFor(path string) (string, Ref) {
	if len(t.quotas) == 0 {
		return "", None
	}
	for len(path) > 1 {
		if limits, ok := t.quotas[path]; ok {
			if path == SystemPath {
				return "", None
			}
			return path, limits
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
	return "", None
}

// quotaTarget is the path to which a znode of quotas belongs, "" for the root's.
func quotaTarget(path, name string) (target string, ok bool) {
	below, ok := strings.CutPrefix(path, QuotaPath)
	if !ok {
		return "", false
	}
	target, ok = strings.CutSuffix(below, name)
	if !ok {
		return "", false
	}
	target, ok = strings.CutSuffix(target, "/")
	return target, ok && (target == "" || target[0] == '/')
}

// quotaCreated reacts to a new znode: quotas begin to hold where a limits znode
// appears, usage is counted where a stats znode does.
func (t *Tree) quotaCreated(r Ref, path string, size int) {
	if target, ok := quotaTarget(path, limitsName); ok && target != "" {
		t.quotas[strings.Clone(target)] = r
	}
	if target, ok := quotaTarget(path, statsName); ok && target != "" { // the root's never counts, and is everything
		t.recount(target, r)
	}
	t.quotaAdd(path, 1, size)
}

func (t *Tree) quotaDeleted(path string, size int) {
	if target, ok := quotaTarget(path, limitsName); ok {
		delete(t.quotas, target)
	}
	t.quotaAdd(path, -1, -size)
}

// quotaAdd changes the usage that is counted for path. It is no transaction: the
// stats znode keeps its version and mzxid.
func (t *Tree) quotaAdd(path string, count, size int) {
	_, limits := t.limitsFor(path)
	if limits == None {
		return
	}
	stats := t.Child(t.Parent(limits), statsName)
	if stats == None {
		return
	}
	used := parseQuota(t.Data(stats))
	used.count += int64(count)
	used.bytes += int64(size)
	t.text = used.append(t.text[:0])
	t.setBytes(stats, t.text)
}

// recount writes the real usage at and below target to a stats znode.
func (t *Tree) recount(target string, stats Ref) {
	used := quotaText{countHard: -1, bytesHard: -1}
	if r := t.Find(target); r != None {
		t.Walk(r, func(r Ref, _ int) bool {
			used.count++
			used.bytes += int64(t.node(r).dataBytes())
			return true
		})
	}
	t.text = used.append(t.text[:0])
	t.setBytes(stats, t.text)
}

// RecountQuotas computes the usage of all quotas anew. It is for trees that came
// from a fuzzy snapshot of ZooKeeper, whose stats znodes cannot be trusted; our
// own snapshots are one cut, stats included.
func (t *Tree) RecountQuotas() {
	for target, limits := range t.quotas {
		if stats := t.Child(t.Parent(limits), statsName); stats != None {
			t.recount(target, stats)
		}
	}
}

// quotaText is the content of a limits or stats znode; -1 is absent.
type quotaText struct {
	count, bytes, countHard, bytesHard int64
}

// parseQuota reads "count=5,bytes=-1=;byteHardLimit=7;countHardLimit=9". The
// equals sign behind bytes is there for old parsers.
func parseQuota(data []byte) quotaText {
	none := quotaText{-1, -1, -1, -1}
	q := none
	for len(data) > 0 {
		field := data
		if i := bytes.IndexAny(data, ",;"); i >= 0 {
			field, data = data[:i], data[i+1:]
		} else {
			data = nil
		}
		key, value, _ := bytes.Cut(field, []byte{'='})
		value = bytes.TrimRight(value, "=")
		n := int64(-1)
		if len(value) > 0 {
			var err error
			if n, err = strconv.ParseInt(text(value), 10, 64); err != nil {
				return none
			}
		}
		switch string(key) {
		case "count":
			q.count = n
		case "bytes":
			q.bytes = n
		case "countHardLimit":
			q.countHard = n
		case "byteHardLimit":
			q.bytesHard = n
		}
	}
	return q
}

// append writes what parseQuota reads.
func (q quotaText) append(dst []byte) []byte {
	dst = append(dst, "count="...)
	dst = strconv.AppendInt(dst, q.count, 10)
	dst = append(dst, ",bytes="...)
	dst = strconv.AppendInt(dst, q.bytes, 10)
	if q.bytesHard == -1 && q.countHard == -1 {
		return dst
	}
	dst = append(dst, '=')
	if q.bytesHard != -1 {
		dst = append(dst, ";byteHardLimit="...)
		dst = strconv.AppendInt(dst, q.bytesHard, 10)
	}
	if q.countHard != -1 {
		dst = append(dst, ";countHardLimit="...)
		dst = strconv.AppendInt(dst, q.countHard, 10)
	}
	return dst
}
