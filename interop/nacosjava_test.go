package interop

import (
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

var (
	nacosJavaSteps = []string{
		"naming", "maintenance", "batch", "persistent", "providerLost", "config", "oddConfigs", "largeConfig", "manyChanges", "namespaces",
	}
	nacosJava1Steps = []string{
		"naming", "maintenance", "persistent", "providerLost", "config", "oddConfigs", "largeConfig", "manyChanges", "namespaces",
	}
)

// withoutNacos is what the programs are compiled to, in front of the class path of a module
// with another version of the client than they were compiled against.
func withoutNacos(t *testing.T, module string) string {
	t.Helper()
	classes := filepath.SplitList(classpath(t))[0]
	return strings.Join([]string{classes, modulePath(t, module)}, string(filepath.ListSeparator))
}

// aDayOfNacosJava plays NacosClient on a class path, in the middle of which the server is
// killed and restarted.
func aDayOfNacosJava(t *testing.T, path string, auth bool, steps ...string) *testkit.Server {
	t.Helper()
	s := testkit.Start(t, testkit.Options{Nacos: true, Auth: auth})
	args := []string{javaPackage + "NacosClient", s.HTTP, "dev"}
	if auth {
		s.AddAdmin(adminName, adminPassword)
		args = append(args, adminName, adminPassword)
	}
	makeNamespace(t, s, auth, "dev")
	makeNamespace(t, s, auth, "elsewhere")
	p := startNacosJava(t, path, args...)
	for _, step := range steps {
		p.expect("ok " + step)
	}
	p.expect("please restart")
	s.Kill()
	s.Restart()
	// The client may not be back yet: it is told all the same.
	require.Equal(t, "true", post(t, s, "/nacos/v1/cs/configs", withToken(t, s, auth, url.Values{
		"tenant": {"dev"}, "dataId": {"kept"}, "group": {"shop"}, "content": {"meanwhile"},
	})))
	p.say("go on")
	p.steps("restart", "end")
	return s
}

func startNacosJava(t *testing.T, path string, args ...string) *program {
	t.Helper()
	// It keeps its caches and logs below its home.
	return startJava(t, 5*time.Minute, path, "-Duser.home="+t.TempDir(), args...)
}

func makeNamespace(t *testing.T, s *testkit.Server, auth bool, id string) {
	t.Helper()
	require.Equal(t, "true", post(t, s, "/nacos/v1/console/namespaces", withToken(t, s, auth, url.Values{
		"customNamespaceId": {id}, "namespaceName": {id}, "namespaceDesc": {"for tests"},
	})))
}

// withToken adds the administrator's token to a form, if the server wants one.
func withToken(t *testing.T, s *testkit.Server, auth bool, form url.Values) url.Values {
	t.Helper()
	if auth {
		var answer struct {
			AccessToken string `json:"accessToken"`
		}
		text := post(t, s, "/nacos/v1/auth/login", url.Values{"username": {adminName}, "password": {adminPassword}})
		require.NoError(t, json.Unmarshal([]byte(text), &answer))
		form.Set("accessToken", answer.AccessToken)
	}
	return form
}

func TestNacosJava1WorksForADay(t *testing.T) {
	t.Parallel()
	aDayOfNacosJava(t, withoutNacos(t, "nacos1"), false, nacosJava1Steps...)
}

func TestNacosJava1LogsInWhereTheServerRequiresIt(t *testing.T) {
	t.Parallel()
	aDayOfNacosJava(t, withoutNacos(t, "nacos1"), true, nacosJava1Steps...)
}

func TestNacosJava2WorksForADay(t *testing.T) {
	t.Parallel()
	aDayOfNacosJava(t, classpath(t), false, nacosJavaSteps...)
}

func TestNacosJava2LogsInWhereTheServerRequiresIt(t *testing.T) {
	t.Parallel()
	path := classpath(t)
	s := aDayOfNacosJava(t, path, true, nacosJavaSteps...)
	refused := startNacosJava(t, path, javaPackage+"NacosClient", s.HTTP, "dev", adminName, "wrong")
	if err := <-refused.done; err == nil {
		t.Fatal("a wrong password is as good as the right one")
	} else {
		refused.done <- err
	}
	require.Zero(t, refused.out.count("ok naming"))
}

func TestNacosJava3WorksForADay(t *testing.T) {
	t.Parallel()
	aDayOfNacosJava(t, withoutNacos(t, "nacos3"), false, nacosJavaSteps...)
}

func TestNacosJava3LogsInWhereTheServerRequiresIt(t *testing.T) {
	t.Parallel()
	aDayOfNacosJava(t, withoutNacos(t, "nacos3"), true, nacosJavaSteps...)
}
