package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// springApp is an application of Spring Boot with Spring Cloud Alibaba.
type springApp struct {
	*program
	http string // where it answers
}

// startSpring starts the application under a name. It has its configuration of the config
// NAME.yaml and of one that it shares with others, and is ready when it registers.
func startSpring(t *testing.T, s *testkit.Server, auth bool, name string) *springApp {
	t.Helper()
	port := testkit.FreePort(t)
	args := []string{
		"-Duser.home=" + t.TempDir(), javaPackage + "SpringApp",
		"--spring.application.name=" + name, "--server.port=" + strconv.Itoa(port), "--server.address=127.0.0.1", "--spring.main.banner-mode=off",
		"--spring.config.import=nacos:" + name + ".yaml?group=shop,optional:nacos:shared.properties?group=shop",
		"--spring.cloud.nacos.server-addr=" + s.HTTP, "--spring.cloud.nacos.discovery.ip=127.0.0.1",
		"--spring.cloud.nacos.discovery.group=shop", "--logging.level.root=warn",
		"--spring.cloud.loadbalancer.cache.enabled=false",
	}
	if auth {
		args = append(args, "--spring.cloud.nacos.username="+adminName, "--spring.cloud.nacos.password="+adminPassword)
	}
	a := &springApp{program: startJava(t, 4*time.Minute, modulePath(t, "spring"), args[0], args[1:]...), http: "http://127.0.0.1:" + strconv.Itoa(port)}
	return a
}

// get asks the application; while it does not answer that is the empty text.
func (a *springApp) get(path string) string {
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get(a.http + path)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return ""
	}
	return string(text)
}

// sees waits until the application has a configuration.
func (a *springApp) sees(word string, times int, shared string) {
	a.t.Helper()
	want := map[string]any{"bound": word, "times": float64(times), "value": word, "shared": shared}
	var text string
	eventually(a.t, time.Minute, fmt.Sprintf("the configuration %v", want), func() bool {
		text = a.get("/config")
		var got map[string]any
		return json.Unmarshal([]byte(text), &got) == nil && fmt.Sprint(got) == fmt.Sprint(want)
	})
}

// reaches waits until calls of a name are answered by all those that are wanted and by
// nobody else.
func (a *springApp) reaches(name string, want ...*springApp) {
	a.t.Helper()
	names := map[string]bool{}
	for _, w := range want {
		names[name+w.http[len("http://127.0.0.1"):]] = true
	}
	eventually(a.t, time.Minute, fmt.Sprintf("answers of %v", names), func() bool {
		heard := map[string]bool{}
		for range 6 {
			heard[a.get("/call/"+name)] = true
		}
		return fmt.Sprint(heard) == fmt.Sprint(names)
	})
}

// aDayOfSpring has applications find, call and lose each other, and get their configuration
// anew, with a crash of the server in the middle.
func aDayOfSpring(t *testing.T, auth bool) {
	t.Helper()
	modulePath(t, "spring")
	s := testkit.Start(t, testkit.Options{Nacos: true, Auth: auth})
	if auth {
		s.AddAdmin(adminName, adminPassword)
	}
	publish := func(dataID, content string) {
		t.Helper()
		require.Equal(t, "true", post(t, s, "/nacos/v1/cs/configs", withToken(t, s, auth, url.Values{
			"dataId": {dataID}, "group": {"shop"}, "content": {content},
		})))
	}
	publish("front.yaml", "greeting:\n  word: 你好\n  times: 1\n")
	publish("stock.yaml", "greeting:\n  word: stock\n")
	front, one := startSpring(t, s, auth, "front"), startSpring(t, s, auth, "stock")
	front.reaches("stock", one)
	front.sees("你好", 1, "unset")
	publish("front.yaml", "greeting:\n  word: changed\n  times: 2\n")
	front.sees("changed", 2, "unset")
	publish("shared.properties", "shared.word=for all")
	front.sees("changed", 2, "for all")
	one.sees("stock", 0, "for all")

	two := startSpring(t, s, auth, "stock")
	front.reaches("stock", one, two)
	s.Kill()
	front.reaches("stock", one, two) // who knows an instance needs no registry
	s.Restart()
	publish("front.yaml", "greeting:\n  word: meanwhile\n  times: 3\n")
	front.sees("meanwhile", 3, "for all")
	front.reaches("stock", one, two)
	one.interrupt()
	front.reaches("stock", two)
	three := startSpring(t, s, auth, "stock")
	front.reaches("stock", two, three)
	two.kill()
	front.reaches("stock", three)
	var services []string
	require.NoError(t, json.Unmarshal([]byte(front.get("/services")), &services))
	require.ElementsMatch(t, []string{"front", "stock"}, services)
}

func TestSpringCloudAlibabaWorksForADay(t *testing.T) {
	t.Parallel()
	aDayOfSpring(t, false)
}

func TestSpringCloudAlibabaLogsInWhereTheServerRequiresIt(t *testing.T) {
	t.Parallel()
	aDayOfSpring(t, true)
}
