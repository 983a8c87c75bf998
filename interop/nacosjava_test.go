package interop

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

var nacosJavaSteps = []string{"naming", "batch", "persistent", "providerLost", "config", "largeConfig"}

func startNacosJava(t *testing.T, s *testkit.Server, namespace string, credentials ...string) *program {
	t.Helper()
	// It keeps its caches and logs below its home.
	path := "-Duser.home=" + t.TempDir()
	return startJava(t, 3*time.Minute, classpath(t), path, append([]string{javaPackage + "NacosClient", s.HTTP, namespace}, credentials...)...)
}

func TestNacosJavaRegistersConfiguresListensAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	classpath(t)
	s := testkit.Start(t, testkit.Options{Nacos: true})
	require.Equal(t, "true", post(t, s, "/nacos/v1/console/namespaces", url.Values{
		"customNamespaceId": {"dev"}, "namespaceName": {"dev"}, "namespaceDesc": {"for tests"},
	}))
	restartInTheMiddle(startNacosJava(t, s, "dev"), s, nacosJavaSteps...)
}

func TestNacosJavaLogsInWhereTheServerRequiresIt(t *testing.T) {
	t.Parallel()
	classpath(t)
	s := testkit.Start(t, testkit.Options{Nacos: true, Auth: true})
	s.AddAdmin(adminName, adminPassword)
	p := startNacosJava(t, s, "", adminName, adminPassword)
	restartInTheMiddle(p, s, nacosJavaSteps...)

	refused := startNacosJava(t, s, "", adminName, "wrong")
	if err := <-refused.done; err == nil {
		t.Fatal("a wrong password is as good as the right one")
	} else {
		refused.done <- err
	}
	require.Zero(t, refused.out.count("ok naming"))
}
