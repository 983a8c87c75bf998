package wire

import (
	"strings"
	"testing"
)

func TestParamsAreCheckedByTheirForm(t *testing.T) {
	const characters = "illegal characters should not appear in the param."
	for _, c := range []struct {
		what string
		p    Params
		want string // of the error, without "Param "
	}{
		{"nothing at all", Params{}, ""},
		{"blanks", Params{Namespace: " ", DataID: "\t", Service: " ", Group: " ", Clusters: " , ", Cluster: " ", IP: " "}, ""},
		{"what clients send", Params{
			Namespace: "dev-1", DataID: "app.yaml", Service: "providers:com.shop.Orders:1.0:", Group: "DEFAULT_GROUP", Clusters: "A,B-1", Cluster: "DEFAULT", IP: "::1", Port: 65535,
		}, ""},
		{"a service of other letters", Params{Service: "заказ%2F/100%?&=#"}, ""},
		{"a namespace with a dot", Params{Namespace: "a.b"}, "'namespaceId/tenant' is illegal, " + characters},
		{"a namespace that is too long", Params{Namespace: strings.Repeat("n", 65)}, "'namespaceId/tenant' is illegal, the param length should not exceed 64."},
		{"a dataId with a blank", Params{DataID: "a b"}, "'dataId' is illegal, " + characters},
		{"a service with its group", Params{Service: "g@@s"}, "'serviceName' is illegal, " + characters},
		{"a service that begins with @", Params{Service: "@s"}, "'serviceName' is illegal, " + characters},
		{"a service in CJK", Params{Service: "订单"}, "'serviceName' is illegal, " + characters},
		{"a service that is too long, as Java counts", Params{Service: strings.Repeat("😀", 257)}, "'serviceName' is illegal, the param length should not exceed 512."},
		{"a group with a slash", Params{Group: "a/b"}, "'group' is illegal, " + characters},
		{"the second of a list of clusters", Params{Clusters: "A,b c"}, "'cluster' is illegal, " + characters},
		{"a list is no cluster", Params{Cluster: "A,B"}, "'cluster' is illegal, " + characters},
		{"an address with a blank", Params{IP: "10.0.0.1 "}, "'ip' is illegal, " + characters},
		{"a port that is none", Params{Port: 65536}, "'port' is illegal, the value should be between 0 and 65535."},
		{"a port below zero", Params{Port: -1}, "'port' is illegal, the value should be between 0 and 65535."},
		{"the first of two", Params{Group: "a/b", Namespace: "a.b"}, "'namespaceId/tenant' is illegal, " + characters},
	} {
		got := ""
		if err := c.p.Check(); err != nil {
			got = strings.TrimPrefix(err.Error(), "Param ")
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
	}
}
