package nacosapi

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSwitchesOfNacosDoWhatTheyDoThere(t *testing.T) {
	w := startWeb(t)
	set := func(entry, value string) {
		t.Helper()
		require.Equal(t, "ok", w.ok("PUT", "/v1/ns/operator/switches", "entry="+entry+"&value="+value))
	}
	light := "serviceName=DEFAULT_GROUP@@shop&ip=10.0.0.1&port=80"
	set("clientBeatInterval", "7000")
	set("lightBeatEnabled", "false")
	require.Equal(t, map[string]any{"clientBeatInterval": 7000.0, "code": 20404.0, "lightBeatEnabled": false}, w.json("PUT", "/v1/ns/instance/beat", light))
	require.InDelta(t, 7000, w.json("GET", "/v2/ns/ops/switches", "")["data"].(map[string]any)["clientBeatInterval"], 0)

	set("pushCacheMillis", "30000")
	require.InDelta(t, 30_000, w.json("GET", "/v1/ns/instance/list", "serviceName=shop")["cacheMillis"], 0)
	require.Equal(t, int64(30_000), dial(t, w.addr).subscribe("").CacheMillis)

	set("defaultInstanceEphemeral", "false")
	w.ok("POST", "/v1/ns/instance", "serviceName=lasting&ip=10.0.0.1&port=80")
	require.Equal(t, false, w.hosts("lasting")[0].(map[string]any)["ephemeral"])
	w.ok("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80&ephemeral=true")
	require.Equal(t, true, w.hosts("shop")[0].(map[string]any)["ephemeral"])
	set("defaultInstanceEphemeral", "true")

	set("limitedUrlMap", "/nacos/v1/ns/catalog:429,/nacos/v3/client:404")
	status, _ := w.do("GET", "/v1/ns/catalog/services", "")
	require.Equal(t, 429, status)
	status, _ = w.do("GET", "/v3/client/ns/instance/list", "serviceName=shop")
	require.Equal(t, 404, status)
	w.hosts("shop")

	set("overriddenServerStatus", "READ_ONLY")
	w.hosts("shop")
	status, body := w.do("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.2&port=80")
	require.Equal(t, 503, status)
	require.Equal(t, "server is READ_ONLYnow, please try again later!", body)
	require.Equal(t, "READ_ONLY", w.json("GET", "/v1/ns/operator/metrics", "")["status"])
	set("overriddenServerStatus", "null") // which is a write
	w.ok("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.2&port=80")

	state := w.json("GET", "/v1/ns/operator/push/state", "detail=true")
	require.Equal(t, state["total"], state["succeed"])
	status, body = w.do("PUT", "/v1/ns/operator/switches", "entry=noSuchSwitch&value=1")
	require.Equal(t, 400, status, body)
}

func TestNothingIsPushedWhileThatIsSwitchedOff(t *testing.T) {
	w := startWeb(t)
	c := dial(t, w.addr)
	c.subscribe("")
	c.pushed(0)
	w.ok("PUT", "/v3/admin/ns/ops/switches", "entry=pushEnabled&value=false")
	w.ok("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80")
	time.Sleep(200 * time.Millisecond)
	require.Empty(t, c.pushes)
	w.ok("PUT", "/v3/admin/ns/ops/switches", "entry=pushEnabled&value=true")
	c.pushed(1)
	require.Eventually(t, func() bool {
		state := w.json("GET", "/v1/ns/operator/push/state", "detail=true")
		return state["total"] == 2.0 && state["ratio"] == 1.0
	}, patience, 10*time.Millisecond)
	w.ok("GET", "/v1/ns/operator/push/state", "reset=true")
	require.InDelta(t, 0, w.json("GET", "/v1/ns/operator/push/state", "")["total"], 0)
}
