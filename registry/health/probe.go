package health

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/registry"
)

const (
	connectTimeout = 500 * time.Millisecond
	answerTimeout  = 2 * time.Second
	answerMax      = 64 << 10 // bytes read of an answer, so that its connection ends well
	headersMax     = 64 << 10 // bytes read before it: of headers, and of all answers that come first (1xx)
)

// Ask checks an instance as its cluster's settings say: by a TCP connection, or
// by an HTTP request that must be answered with 200. For HTTP a 503 or a 302 is
// a doubt; another status, or a refused connection, leaves none.
func Ask(ctx context.Context, i *registry.Instance, settings *registry.Cluster) Result {
	port := i.Port
	if !settings.UseInstancePort {
		port = settings.CheckPort
	}
	address := net.JoinHostPort(i.IP, strconv.Itoa(port))
	if settings.Checker.Type == registry.CheckHTTP {
		return askHTTP(ctx, address, &settings.Checker)
	}
	d := net.Dialer{Timeout: connectTimeout}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return Down
	}
	_ = c.Close() // nothing was written
	return Up
}

func askHTTP(ctx context.Context, address string, c *registry.Checker) Result {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	path := c.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		return DownHard // the path is none
	}
	for pair := range strings.SplitSeq(c.Headers, "|") {
		if k, v, ok := strings.Cut(pair, ":"); ok {
			if k = strings.TrimSpace(k); strings.EqualFold(k, "Host") {
				r.Host = strings.TrimSpace(v)
			} else {
				r.Header.Set(k, strings.TrimSpace(v))
			}
		}
	}
	end, _ := ctx.Deadline()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			d := net.Dialer{Timeout: connectTimeout}
			c, err := d.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// The context ends no read of a connection that was answered with 101.
			if err := c.SetDeadline(end); err != nil {
				_ = c.Close()
				return nil, err
			}
			return c, nil
		},
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: headersMax,
		DisableCompression:     true, // else answerMax would bound what a body unpacks to, and not what is read of it
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		var refused *net.OpError
		if errors.As(err, &refused) && !refused.Timeout() {
			return DownHard
		}
		return Down
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, answerMax)) // only the status counts
	switch answer.StatusCode {
	case http.StatusOK:
		return Up
	case http.StatusServiceUnavailable, http.StatusFound:
		return Down
	}
	return DownHard
}
