package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

func TestWhatPassesNetHTTPBy(t *testing.T) {
	for _, c := range []struct {
		method, target string
		want           bool
	}{
		{"GET", "/nacos/v1/cs/configs?dataId=a", true},
		{"POST", "/nacos/v1/cs/configs?dataId=a", true},
		{"POST", "/nacos/v2/cs/config", true},
		{"DELETE", "/nacos/v1/cs/configs?dataId=a", false},
		{"GET", "/nacos/v1/cs/configs?search=blur", false},
		{"GET", "/nacos/v1/cs/configs?exportV2=true", false},
		{"POST", "/nacos/v1/cs/configs?import=true", false},
		{"POST", "/nacos/v1/cs/configs?clone=true", false},
		{"POST", "/nacos/v1/cs/configs/listener", false}, // which is held
		{"GET", "/nacos/v3/client/cs/config", true},
		{"POST", "/nacos/v3/client/cs/config", false},
		{"GET", "/nacos/v1/ns/instance/list?serviceName=a", true},
		{"POST", "/nacos/v1/ns/instance", true},
		{"DELETE", "/nacos/v2/ns/instance", true},
		{"PUT", "/nacos/v1/ns/instance", false},
		{"PUT", "/nacos/v1/ns/instance/beat", true},
		{"POST", "/nacos/v1/ns/instance/beat", false},
		{"POST", "/nacos/v1/ns/service", false},
		{"GET", "/", false},
	} {
		path, query, _ := strings.Cut(c.target, "?")
		require.Equal(t, c.want, takesPlain(c.method, path, query), "%s %s", c.method, c.target)
	}
}

// TestWritesThatPassNetHTTPByAreAnsweredAsByIt does the same things to two services and two
// configs, on one connection by net/http and on one past it.
func TestWritesThatPassNetHTTPByAreAnsweredAsByIt(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	server := testkit.Start(t, testkit.Options{Nacos: true})
	form := "Content-Type: application/x-www-form-urlencoded\r\n"
	send := func(method, target, headers, body string) string {
		if body != "" {
			headers += fmt.Sprintf("Content-Length: %d\r\n", len(body))
		}
		return method + " " + target + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n" + body
	}
	var requests []string
	for _, v := range []string{"v1", "v2"} {
		instance := "/nacos/" + v + "/ns/instance"
		named := "serviceName=NAME." + v + "&ip=10.0.0.1&port=80"
		requests = append(requests,
			send("POST", instance+"?"+named, "", ""),
			send("POST", instance, form+"Content-Length: 0\r\n", ""), // says nothing
			send("POST", instance+"?"+named, form, "weight=2&metadata=%7B%22a%22%3A%22b%22%7D&ip=10.9.9.9"),
			send("POST", instance+"?"+named+"&port=-1", form, "port=99999999"),
			send("POST", instance+"?serviceName=NAME/x&ip=10.0.0.1&port=80", "", ""),
			send("POST", instance+"?"+named, "Content-Type: application/json\r\n", "{no json"),
			send("GET", instance+"/list?serviceName=NAME."+v, "", ""),
			send("PUT", instance+"/beat?"+named, "", ""),
			send("PUT", instance+"/beat", form, "serviceName=NAME."+v+"&ip=10.0.0.2&port=80"),
			send("PUT", instance+"/beat?beat=x&serviceName=NAME."+v, "", ""),
			send("DELETE", instance+"?"+named, "", ""),
			send("DELETE", instance+"?"+named, "", ""),
			send("DELETE", instance+"?ip=10.0.0.1", "", ""),
		)
	}
	for _, path := range []string{"/nacos/v1/cs/configs", "/nacos/v2/cs/config"} {
		requests = append(requests,
			send("POST", path, form, "dataId=NAME&group=g&content=one%3D1&type=properties"),
			send("GET", path+"?dataId=NAME&group=g", "", ""),
			send("POST", path, form+"casMd5: 0\r\n", "dataId=NAME&group=g&content=two"),
			send("POST", path+"?dataId=NAME", form, "group=g&content="+strings.Repeat("x", 3000)),
			send("POST", path, form, "dataId=NAME&group=g"),
			send("POST", path, form, "dataId=NAME%2F&group=g&content=x"),
			send("GET", path+"?dataId=NAME&group=g", "", ""),
		)
	}
	usual, other := dial(t, server.HTTP), dial(t, server.HTTP)
	usual.ask(t, send("GET", "/readyz", "", "")) // from here on it is net/http's
	// NAME stands for a name of the same length.
	done := 0
	for _, r := range requests {
		want := usual.ask(t, strings.ReplaceAll(r, "NAME", "NAM1"))
		got := other.ask(t, strings.ReplaceAll(r, "NAME", "NAM2"))
		require.Equal(t, strings.ReplaceAll(want, "NAM1", "NAME"), strings.ReplaceAll(got, "NAM2", "NAME"), r)
		if strings.HasPrefix(got, "200") {
			done++
		}
	}
	require.GreaterOrEqual(t, done, len(requests)/2)
}

// line is a connection of a client.
type line struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, addr string) *line {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return &line{c, bufio.NewReader(c)}
}

// timeless is what differs with the time in a body.
var timeless = regexp.MustCompile(`\d{13}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,15}`)

// ask sends a request and is the answer, without what differs with the time and the place
// in the log.
func (l *line) ask(t *testing.T, request string) string {
	t.Helper()
	_, err := io.WriteString(l, request)
	require.NoError(t, err)
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(l.in, &http.Request{Method: method})
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	var text strings.Builder
	for _, name := range []string{"Date", "Zensus-Zxid", "Last-Modified", "Content-Length"} {
		res.Header.Del(name)
	}
	_ = res.Header.Write(&text)
	return res.Status + "\n" + text.String() + "\n" + timeless.ReplaceAllString(string(body), "N")
}
