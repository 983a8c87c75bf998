package audit

import (
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/segment"
)

const above = "/zensus/"

// targetOf is what a transaction writes, by the paths of its operations; false if it
// writes nothing that is on record: places for other znodes, pieces of contents. With
// ofParts, see OfParts, the things themselves are places.
func targetOf(ops []core.Op, ofParts bool) (found Target, verb string, ok bool) {
	for _, op := range ops {
		path, how := written(op)
		t, named := targetAt(path)
		switch {
		case !named, ofParts && t.Detail == "":
		case t.Kind == KindQuota && len(ops) > 1: // it is only counted under
		case t.Kind == KindAccess && how == Delete && verb == Create: // what an earlier one of that name left behind
		case t.Detail == "": // a thing itself: whatever is done to its parts belongs to that
			if how == Delete {
				return t, how, true
			}
			t.Detail, verb = found.Detail, how
			found = t
		case found.Name == "":
			found, verb = t, how
		default:
			found.Detail = t.Detail
		}
	}
	return found, verb, verb != ""
}

func written(op core.Op) (path, verb string) {
	switch op := op.(type) {
	case core.CreateOp:
		return op.Path, Create
	case core.SetOp:
		return op.Path, Update
	case core.DeleteOp:
		return op.Path, Delete
	}
	return "", "" // a check
}

// kinds are the roots below which there is something that is on record.
var kinds = map[string]bool{"config": true, "naming": true, "overrides": true, "namespaces": true, "access": true, "switches": true, "quotas": true}

// targetAt is what a path stands for.
func targetAt(path string) (Target, bool) {
	rel, ours := strings.CutPrefix(path, above)
	switch {
	case path == "" || path+"/" == above:
		return Target{}, false
	case !ours:
		return Target{Kind: KindZnode, Name: path}, true
	}
	if kind, _, _ := strings.Cut(rel, "/"); !kinds[kind] { // most of what a publish writes is none
		return Target{}, false
	}
	parts := strings.Split(rel, "/")
	for i, part := range parts {
		plain, err := segment.Unescape(part)
		if err != nil {
			plain = part
		}
		parts[i] = plain
	}
	named := func(kind Kind) Target {
		return Target{Kind: kind, Namespace: parts[1], Group: parts[2], Name: parts[3]}
	}
	switch n := len(parts); {
	case parts[0] == "config" && n == 4:
		return named(KindConfig), true
	case parts[0] == "config" && n == 5 && strings.HasPrefix(parts[4], "gray-"):
		t := named(KindConfig)
		t.Detail = parts[4]
		return t, true
	case parts[0] == "naming" && n == 4:
		return named(KindNaming), true
	case parts[0] == "overrides" && n == 5:
		t := named(KindNaming)
		t.Detail = parts[4]
		return t, true
	case parts[0] == "namespaces" && n == 2:
		return Target{Kind: KindNamespace, Namespace: parts[1], Name: parts[1]}, true
	case parts[0] == "quotas" && n == 3:
		t := Target{Kind: KindQuota, Name: strings.Join(parts[1:], "/")}
		switch parts[1] {
		case "namespaces":
			t.Namespace = parts[2]
		case "groups": // which are those of the public namespace
			t.Namespace, t.Group = "public", parts[2]
		}
		return t, true
	case parts[0] == "quotas" && n == 2 && parts[1] == "all":
		return Target{Kind: KindQuota, Name: parts[1]}, true
	case parts[0] == "access" && (n == 3 && (parts[1] == "users" || parts[1] == "tokens") || n == 4):
		return Target{Kind: KindAccess, Name: strings.Join(parts[1:], "/")}, true
	case parts[0] == "switches":
		return Target{Kind: KindSwitches, Name: strings.Join(parts[1:], "/")}, true
	}
	return Target{}, false
}
