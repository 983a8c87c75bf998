package nacosapi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/registry"
)

func TestPrometheusFindsItsTargets(t *testing.T) {
	w := startWeb(t)
	w.ok("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80&clusterName=c1&metadata=app.name%3Dshop,my-zone%3Da")
	w.ok("POST", "/v1/ns/instance", "serviceName=shop&groupName=other&ip=10.0.0.2&port=81&enabled=false")
	w.ok("POST", "/v1/ns/instance", "serviceName=till&ip=10.0.0.3&port=82&namespaceId=dev")
	const (
		shop = `{"targets":["10.0.0.1:80"],"labels":{"__meta_clusterName":"c1","app_name":"shop","my_zone":"a"}}`
		more = `{"targets":["10.0.0.2:81"],"labels":{"__meta_clusterName":"DEFAULT"}}`
		till = `{"targets":["10.0.0.3:82"],"labels":{"__meta_clusterName":"DEFAULT"}}`
	)
	for path, want := range map[string]string{
		"/prometheus":                                     "[" + till + "," + shop + "," + more + "]",
		"/prometheus/namespaceId/dev":                     "[" + till + "]",
		"/prometheus/namespaceId/public/service/shop":     "[" + shop + "," + more + "]",
		"/prometheus/namespaceId/public/service/unknown":  "[]",
		"/prometheus/namespaceId/unknown":                 "[]",
		"/prometheus/namespaceId/unknown/service/unknown": "[]",
	} {
		status, body := w.do("GET", path, "")
		require.Equal(t, 200, status, path)
		require.Equal(t, want, body, path)
	}
}

// One instance with a key as those of Kubernetes kept Prometheus 2 from all targets.
func TestNamesOfLabelsAreWhatPrometheusTakes(t *testing.T) {
	for name, want := range map[string]string{
		"version": "version", "preserved.register.source": "preserved_register_source", "a-b": "a_b",
		"app.kubernetes.io/name": "app_kubernetes_io_name", "höhe": "h_he", "8": "_8", "": "_", "a b": "a_b", "__scheme__": "__scheme__",
	} {
		require.Equal(t, want, labelName(name), name)
	}
	i := registry.Instance{IP: "10.0.0.1", Port: 80, Cluster: "C", Metadata: map[string]string{"a.b": "1", "a-b": "2", "a/b": "3"}}
	for range 20 {
		require.Equal(t, map[string]string{"__meta_clusterName": "C", "a_b": "3"}, targetOf(&i).Labels)
	}
}
