package nacosapi_test

import (
	"testing"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// saysWhatItHolds answers as a Java client does when ask has it asked. It does so again where
// the answer came too late, which is then none: a client has a second for it.
func (c *client) saysWhatItHolds(none string, ask func() answer) (got answer) {
	c.t.Helper()
	for range 10 {
		done := make(chan answer, 1)
		go func() { done <- ask() }()
		var request wire.ClientConfigMetricRequest
		if err := wire.DecodeInto(<-c.pushes, &request); err != nil {
			c.t.Fatal(err)
		}
		if len(request.MetricsKeys) != 2 || request.MetricsKeys[0] != (wire.MetricsKey{Type: "cacheData", Key: "a+g+dev"}) {
			c.t.Errorf("asked for %+v", request.MetricsKeys)
		}
		c.send(&wire.ClientConfigMetricResponse{Response: wire.Succeeded(), Metrics: map[string]any{"client": "held"}}, request.RequestID)
		if got = <-done; got.body != none {
			break
		}
	}
	return got
}

func TestClientsSayWhatTheyHold(t *testing.T) {
	w := startWeb(t, engines.New(t))
	java := dial(t, w.node.addr, map[string]string{"version": "Nacos-Java-Client:v2.5.1"}, false)
	other := dial(t, w.node.addr, nil, false)
	other.listen(true, "dev", "a", sum("")) // the Java client has asked for nothing yet
	naming := dial(t, w.node.addr, map[string]string{"version": "Nacos-Java-Client:v2.5.1", "module": "naming"}, false)
	asked := []string{"ip", "127.0.0.1", "dataId", "a", "group", "g", "tenant", "dev"}
	for _, path := range []string{"/v1/cs/metrics/current", "/v1/cs/metrics/cluster"} {
		got := java.saysWhatItHolds(`{}`, func() answer { return w.do("GET", path, nil, asked...) })
		w.want(got, 200, `{"client":"held"}`)
	}
	other.quiet()
	naming.quiet()
	asked[1] = "10.9.9.9"
	w.want(w.do("GET", "/v1/cs/metrics/current", nil, asked...), 200, `{}`)
	w.want(w.do("GET", "/v1/cs/metrics/current", nil, "ip", "10.9.9.9"), 400, "caused: invalid dataId : ;")
}
