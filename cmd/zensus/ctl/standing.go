package ctl

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"
)

// standingTime is how long a server is asked why it lets nobody in.
const standingTime = time.Second

// refusals says of each server that took a connection, and let nobody in, what is the
// matter with it. Empty if none did.
func (t *tries) refusals(ctx context.Context) string {
	t.mu.Lock()
	var reached []string
	for _, address := range slices.Sorted(maps.Keys(t.failed)) {
		if t.failed[address] == nil {
			reached = append(reached, address)
		}
	}
	t.mu.Unlock()
	var said []string
	for _, address := range reached {
		said = append(said, address+" "+standing(ctx, address))
	}
	return strings.Join(said, "; ")
}

// standing asks a server how it stands by ZooKeeper's word srvr, and says what that means
// for one whom it has not let in.
func standing(ctx context.Context, address string) string {
	ctx, cancel := context.WithTimeout(ctx, standingTime)
	defer cancel()
	answer, err := ask(ctx, address, "srvr")
	switch {
	case err != nil:
		return "takes connections, and answers nothing"
	case strings.Contains(answer, "not currently serving requests"):
		return "serves nobody: it starts, or has no quorum (its log and zensus cluster status say which)"
	case strings.Contains(answer, "Mode: read-only"):
		return "has no quorum, and serves only clients that ask for no more than reads"
	case strings.Contains(answer, "Mode: follower"), strings.Contains(answer, "Mode: leader"), strings.Contains(answer, "Mode: observer"):
		return "serves, but takes no new clients: it was drained (zensus cluster drain --undo has it take some again)"
	}
	return "takes connections, and lets no client in"
}

// ask sends a four-letter word.
func ask(ctx context.Context, address, word string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := fmt.Fprint(conn, word); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 4<<10))
	if err == nil && len(answer) == 0 {
		err = io.EOF
	}
	return string(answer), err
}
