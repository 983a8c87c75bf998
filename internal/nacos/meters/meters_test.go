package meters

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNames(t *testing.T) {
	for route, want := range map[string]string{
		"/nacos/v1/cs/configs":                      "/v1/cs/configs",
		"/nacos/v2/ns/instance/statuses/:key":       "/v2/ns/instance/statuses/{key}",
		"/nacos/prometheus/namespaceId/:ns/service": "/prometheus/namespaceId/{ns}/service",
		"/commands/*name":                           "/commands/{name}",
		"none":                                      "none",
	} {
		require.Equal(t, want, uriOf(route))
	}
	for kind, want := range map[string]string{
		"ConfigBatchListenRequest": "config", "InstanceRequest": "naming", "SubscribeServiceRequest": "naming",
		"NamingFuzzyWatchRequest": "naming", "ConfigFuzzyWatchRequest": "config", "LockOperationRequest": "lock",
		"HealthCheckRequest": "internal", "other": "internal",
	} {
		require.Equal(t, want, moduleOf(kind), kind)
	}
	for status, want := range map[int]string{101: "INFORMATIONAL", 200: "SUCCESS", 302: "REDIRECTION", 404: "CLIENT_ERROR", 503: "SERVER_ERROR", 0: "UNKNOWN", 700: "UNKNOWN"} {
		require.Equal(t, want, outcome(status))
	}
	require.Equal(t, reading, actOf("GET", "/v1/cs/configs"))
	require.Equal(t, reading, actOf("GET", "/v3/client/cs/config"))
	require.Equal(t, writing, actOf("POST", "/v2/cs/config"))
	require.Empty(t, actOf("DELETE", "/v2/cs/config"))
	require.Empty(t, actOf("GET", "/v1/cs/configs/listener"))
}
