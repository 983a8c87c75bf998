package watch

import (
	"cmp"
	"slices"
)

// lengths counts paths by their length, in order. From it a trigger knows which
// ancestors of a path can have recursive watches, and looks up no others: a deep
// path has many, and each look-up reads all of its ancestor's path.
type lengths []pathsOfLength

type pathsOfLength struct{ length, paths int }

func (ls lengths) search(length int) (i int, found bool) {
	return slices.BinarySearchFunc(ls, length, func(p pathsOfLength, n int) int { return cmp.Compare(p.length, n) })
}

func (ls *lengths) add(length int) {
	i, found := ls.search(length)
	if !found {
		*ls = slices.Insert(*ls, i, pathsOfLength{length: length})
	}
	(*ls)[i].paths++
}

func (ls *lengths) remove(length int) {
	i, found := ls.search(length)
	if !found {
		return
	}
	if (*ls)[i].paths--; (*ls)[i].paths == 0 {
		*ls = slices.Delete(*ls, i, i+1)
	}
}

// ancestors calls yield with path and those of its ancestors, upwards, that are
// as long as one of the paths counted.
func (ls lengths) ancestors(path string, yield func(string)) {
	i, found := ls.search(len(path))
	if found {
		i++
	}
	for i--; i >= 0; i-- {
		n := ls[i].length
		if n == len(path) || n > 0 && path[n] == '/' || n == 1 {
			yield(path[:n])
		}
	}
}
