//go:build unix

package docs_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/viper"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// composed is a service of the compose file.
type composed struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	Restart     string
	Secrets     []string
	Environment map[string]string
	Volumes     []string
	Ports       []string
	Healthcheck struct{ Test []string }
}

// compose reads the file, as YAML with its merges done.
func compose(t *testing.T) (services map[string]composed, volumes map[string]any, secrets map[string]struct{ File string }) {
	t.Helper()
	v := viper.New()
	v.SetConfigFile(filepath.Join(root, "deploy", "compose.yaml"))
	require.NoError(t, v.ReadInConfig())
	for key, into := range map[string]any{"services": &services, "volumes": &volumes, "secrets": &secrets} {
		require.NoError(t, v.UnmarshalKey(key, into), key)
	}
	for name, s := range services {
		env := environmentOfImage(t)
		for key, value := range s.Environment {
			env[strings.ToUpper(key)] = value // viper's keys are in lower case
		}
		s.Environment = env
		services[name] = s
	}
	return services, volumes, secrets
}

func TestComposeFileDescribesThreeServersOfOneEnsemble(t *testing.T) {
	services, volumes, secrets := compose(t)
	require.Len(t, services, 3)
	var members, published []string
	kept := map[string]bool{}
	for name, s := range services {
		env := s.Environment
		require.Equal(t, "deploy/Dockerfile", s.Build.Dockerfile)
		require.FileExists(t, filepath.Join(root, "deploy", s.Build.Context, s.Build.Dockerfile))
		require.Equal(t, "on-failure", s.Restart)
		members = append(members, env["ZENSUS_NODE_ID"]+"="+name+":2888")
		require.Equal(t, "0.0.0.0:2888", env["ZENSUS_LISTEN_PEER"])

		require.Len(t, s.Volumes, 1)
		volume, at, _ := strings.Cut(s.Volumes[0], ":")
		require.Equal(t, env["ZENSUS_DATA_DIR"], at)
		require.Contains(t, volumes, volume)
		require.False(t, kept[volume], "two servers have the volume %s", volume)
		kept[volume] = true

		require.Len(t, s.Secrets, 1)
		require.Equal(t, "/run/secrets/"+s.Secrets[0], env["ZENSUS_SECRET_FILE"])
		require.Equal(t, "./secret", secrets[s.Secrets[0]].File)

		opened := map[string]string{}
		for _, p := range s.Ports {
			outside, inside, _ := strings.Cut(p, ":")
			opened[inside] = outside
			published = append(published, outside)
		}
		for _, key := range []string{"ZENSUS_LISTEN_HTTP", "ZENSUS_LISTEN_GRPC", "ZENSUS_LISTEN_ZOOKEEPER"} {
			require.NotEmpty(t, opened[strings.TrimPrefix(env[key], "0.0.0.0:")], "%s: %s", name, key)
		}
		require.Len(t, opened, 3)
		var http, grpc int
		_, err := fmt.Sscan(opened["8848"], &http)
		require.NoError(t, err)
		_, err = fmt.Sscan(opened["9848"], &grpc)
		require.NoError(t, err)
		require.Equal(t, http+1000, grpc, "where Nacos's clients look for it")
	}
	slices.Sort(members)
	for _, s := range services {
		require.Equal(t, strings.Join(members, ","), s.Environment["ZENSUS_MEMBERS"])
	}
	slices.Sort(published)
	require.Len(t, slices.Compact(published), 9, "a port is published twice")
	require.Contains(t, read(t, filepath.Join(root, ".gitignore")), "/deploy/secret\n")
}

// secretOfTest writes what the servers have in common.
func secretOfTest(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("secret", 6)), 0o600))
	return file
}

func environ(env map[string]string) []string {
	list := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "ZENSUS_") })
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	return list
}

func TestSettingsOfTheComposeFileAreTaken(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	services, _, _ := compose(t)
	secret := secretOfTest(t)
	for name, s := range services {
		env := maps.Clone(s.Environment)
		env["ZENSUS_SECRET_FILE"], env["ZENSUS_DATA_DIR"] = secret, t.TempDir()
		cmd := exec.Command(testkit.Binary(t), "serve", "--check")
		cmd.Env = environ(env)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
		require.NotContains(t, string(out), "warning")
		require.Contains(t, string(out), `members: ["1=zensus-1:2888", "2=zensus-2:2888", "3=zensus-3:2888"]`)
		require.Contains(t, string(out), "id: "+env["ZENSUS_NODE_ID"]+"\n")
		require.Contains(t, string(out), "# resolved: auth.enabled: true")
	}
}

// TestServersOfTheComposeFileServe runs them, where names and ports are others.
func TestServersOfTheComposeFileServe(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	services, _, _ := compose(t)
	secret := secretOfTest(t)
	var hosts []string
	for name := range services {
		hosts = append(hosts, name+":2888", fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t)))
	}
	names := strings.NewReplacer(hosts...)
	ready := map[string]string{}
	for name, s := range services {
		env := maps.Clone(s.Environment)
		http := testkit.FreePort(t, 1000)
		maps.Copy(env, map[string]string{
			"ZENSUS_SECRET_FILE": secret, "ZENSUS_DATA_DIR": t.TempDir(), "ZENSUS_MEMBERS": names.Replace(env["ZENSUS_MEMBERS"]),
			"ZENSUS_LISTEN_PEER": names.Replace(name + ":2888"), "ZENSUS_LISTEN_HTTP": fmt.Sprintf("127.0.0.1:%d", http),
			"ZENSUS_LISTEN_GRPC": fmt.Sprintf("127.0.0.1:%d", http+1000), "ZENSUS_LISTEN_ZOOKEEPER": fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t)),
		})
		cmd := exec.Command(testkit.Binary(t), "serve")
		cmd.Env = environ(env)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGKILL)
			_ = cmd.Wait() // it was killed
		})
		ready[env["ZENSUS_LISTEN_HTTP"]] = env["ZENSUS_LISTEN_ZOOKEEPER"]
	}
	for addr, zookeeper := range ready {
		require.Eventually(t, func() bool {
			res, err := http.Get("http://" + addr + "/readyz")
			return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
		}, 30*time.Second, 20*time.Millisecond)
		// The health check, at a port that is not the usual one.
		for _, s := range services {
			test := slices.Clone(s.Healthcheck.Test)
			require.Equal(t, []string{"CMD", "/zensus", "zk"}, test[:3])
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			out, err := exec.CommandContext(ctx, testkit.Binary(t), slices.Insert(test[2:], 1, "--server", zookeeper)...).CombinedOutput()
			cancel()
			require.NoError(t, err, string(out))
			break
		}
	}
}
