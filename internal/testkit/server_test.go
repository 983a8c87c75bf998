package testkit

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	Cleanup()
	os.Exit(code)
}

func TestServerAnswersOnEveryPortUntilItIsKilledAndAgainAfterwards(t *testing.T) {
	s := Start(t, Options{Nacos: true})
	first := s.PID()
	check := func() {
		t.Helper()
		word, err := FourLetterWord(s.ZooKeeper, "ruok")
		if err != nil || word != "imok" {
			t.Fatalf("ruok: %q, %v", word, err)
		}
		res, err := http.Get("http://" + s.HTTP + "/nacos/v1/console/namespaces")
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("namespaces: %v, %v", res.Status, err)
		}
	}
	check()
	s.Kill()
	if _, err := FourLetterWord(s.ZooKeeper, "ruok"); err == nil {
		t.Fatal("a killed server answers")
	}
	s.Restart()
	check()
	if s.PID() == first {
		t.Fatalf("process %d was not started again", first)
	}
	s.Stop()
	if state := s.process.cmd.ProcessState; !state.Success() {
		t.Fatalf("asked to end, the server ended with %v\n%s", state, s.Log(20))
	}
}

func TestStartSaysWhyAServerDoesNotStart(t *testing.T) {
	s := &Server{t: t, Dir: t.TempDir()}
	s.pickPorts(Options{})
	s.configure(Options{Config: map[string]string{"tickTime": "never"}})
	err := s.start()
	if err == nil || !strings.Contains(err.Error(), "tickTime") {
		t.Fatalf("got %v, want the server's own words about tickTime", err)
	}
}

// The tests of several packages run beside each other, and a port that was given stays free
// until its server listens.
func TestAPortIsGivenToOneProcess(t *testing.T) {
	port := FreePort(t, 1)
	for _, p := range []int{port, port + 1} {
		if !isFree(p) {
			t.Errorf("somebody listens on %d", p)
		}
		if take([]int{p}) != nil {
			t.Errorf("%d is given to another process", p)
		}
	}
}

func TestTailKeepsTheLastLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte("1\n2\n3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := tail(file, 2); got != "2\n3" {
		t.Fatalf("got %q", got)
	}
	if got := tail(file, 9); got != "1\n2\n3" {
		t.Fatalf("got %q", got)
	}
}

func TestServerWithAuthKnowsItsAdministrator(t *testing.T) {
	s := Start(t, Options{Nacos: true, Auth: true})
	login := func(password string) int {
		t.Helper()
		res, err := http.PostForm("http://"+s.HTTP+"/nacos/v1/auth/login", url.Values{"username": {"root"}, "password": {password}})
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	s.AddAdmin("root", "correct horse battery")
	if got := login("wrong"); got != http.StatusForbidden {
		t.Fatalf("a wrong password: %d", got)
	}
	if got := login("correct horse battery"); got != http.StatusOK {
		t.Fatalf("the right password: %d", got)
	}
}

func TestServerOnAnApacheZooKeeperKeepsNothingAndEndsWhenItIsAsked(t *testing.T) {
	s := StartOnApache(t, Options{Nacos: true}, 1)[0]
	config := "http://" + s.HTTP + "/nacos/v1/cs/configs?dataId=kept&group=g"
	res, err := http.PostForm(config, url.Values{"content": {"one"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("publish: %v, %v", res.Status, err)
	}
	res, err = http.PostForm("http://"+s.HTTP+"/nacos/v1/ns/instance", url.Values{"serviceName": {"s"}, "ip": {"10.0.0.1"}, "port": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("register: %v, %v", res.Status, err)
	}
	s.Stop()
	if state := s.process.cmd.ProcessState; !state.Success() {
		t.Fatalf("asked to end, the server ended with %v\n%s", state, s.Log(20))
	}
	if err := os.RemoveAll(s.DataDir()); err != nil { // the secret is elsewhere
		t.Fatal(err)
	}
	s.Restart()
	for path, want := range map[string]string{config: "one", "http://" + s.HTTP + "/nacos/v1/ns/instance/list?serviceName=s": `"ip":"10.0.0.1"`} {
		res, err := http.Get(path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s after a restart without a data directory: %s, %v", path, body, err)
		}
	}
}
