package nacosapi

import (
	"cmp"
	"slices"

	"github.com/zensus-io/zensus/internal/nacos/rpc"
)

// burden is how many clients a node has.
type burden struct {
	node, address string
	clients       int
}

// balance says how many clients each node sends to which others so that they are even.
// While no node is further from the average than factor, a share of it, nobody moves.
// The fullest give first, and the emptiest are filled first.
func balance(have []burden, factor float64) map[string][]rpc.Target {
	if len(have) < 2 {
		return nil
	}
	total := 0
	for _, b := range have {
		total += b.clients
	}
	average := float64(total) / float64(len(have))
	low, high := total/len(have), (total+len(have)-1)/len(have)
	if !slices.ContainsFunc(have, func(b burden) bool {
		n := float64(b.clients)
		return n > max(average*(1+factor), float64(high)) || n < min(average*(1-factor), float64(low))
	}) {
		return nil
	}
	full := slices.Clone(have)
	slices.SortFunc(full, func(x, y burden) int { return cmp.Or(-cmp.Compare(x.clients, y.clients), cmp.Compare(x.node, y.node)) })
	even := func(i int) int { // the first keep one more where it cannot be even
		if i < total%len(full) {
			return high
		}
		return low
	}
	moves := map[string][]rpc.Target{}
	for i, j := 0, len(full)-1; i < j; {
		n := min(full[i].clients-even(i), even(j)-full[j].clients)
		if n > 0 {
			host, port := splitAddress(full[j].address)
			moves[full[i].node] = append(moves[full[i].node], rpc.Target{IP: host, Port: port, Count: n})
			full[i].clients -= n
			full[j].clients += n
		}
		if full[j].clients >= even(j) {
			j--
		} else {
			i++
		}
	}
	return moves
}
