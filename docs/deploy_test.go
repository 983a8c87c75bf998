package docs_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/settings"
	"github.com/zensus-io/zensus/internal/testkit"
)

// instructions are those of a Dockerfile, continued lines joined.
func instructions(t *testing.T, file string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	text := strings.ReplaceAll(read(t, file), "\\\n", " ")
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, args, ok := strings.Cut(line, " ")
		require.True(t, ok, line)
		require.Regexp(t, `^[A-Z]+$`, name)
		out[name] = append(out[name], strings.TrimSpace(args))
	}
	return out
}

// environmentOfImage is what the Dockerfile sets.
func environmentOfImage(t *testing.T) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, args := range instructions(t, filepath.Join(root, "deploy", "Dockerfile"))["ENV"] {
		for pair := range strings.FieldsSeq(args) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
	}
	return env
}

func TestImageHoldsTheBinaryAloneAndOpensWhatItSays(t *testing.T) {
	file := filepath.Join(root, "deploy", "Dockerfile")
	is := instructions(t, file)
	require.Equal(t, []string{"scratch"}, is["FROM"])
	require.Equal(t, []string{"bin/zensus /zensus"}, is["COPY"])
	require.Contains(t, read(t, filepath.Join(root, "Makefile")), "BIN         := bin/zensus\n", "what make build builds is what is copied")
	require.Contains(t, read(t, filepath.Join(root, "Makefile")), "export CGO_ENABLED ?= 0\n", "there is no libc in scratch")
	require.Empty(t, is["RUN"], "there is no shell in scratch")
	require.Equal(t, []string{`["/zensus"]`}, is["ENTRYPOINT"])
	require.Equal(t, []string{`["serve"]`}, is["CMD"])

	// The environment is what the server reads, and the ports are those that it names.
	ports := map[string]bool{}
	for name, value := range environmentOfImage(t) {
		t.Setenv(name, value)
		if i := strings.LastIndexByte(value, ':'); i >= 0 {
			ports[value[i+1:]] = true
		}
	}
	s, err := settings.Load("", nil)
	require.NoError(t, err)
	require.True(t, s.AuthEnabled(), "others reach the ports, so logins are required")
	require.Equal(t, []string{`["` + s.DataDir + `"]`}, is["VOLUME"])
	require.Len(t, is["EXPOSE"], 1)
	exposed := strings.Fields(is["EXPOSE"][0])
	require.Len(t, exposed, len(ports))
	for _, p := range exposed {
		require.True(t, ports[p], "port %s is exposed and not opened", p)
	}
}

func TestUnitIsHardenedAndSystemdTakesIt(t *testing.T) {
	file := filepath.Join(root, "deploy", "zensus.service")
	text := read(t, file)
	section := ""
	seen := map[string][]string{}
	for line := range strings.SplitSeq(text, "\n") {
		switch line = strings.TrimSpace(line); {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = line
		default:
			key, value, ok := strings.Cut(line, "=")
			require.True(t, ok, line)
			require.NotEmpty(t, section)
			seen[section+key] = append(seen[section+key], value)
		}
	}
	for key, want := range map[string]string{
		"[Service]DynamicUser": "yes", "[Service]NoNewPrivileges": "yes", "[Service]ProtectSystem": "strict",
		"[Service]CapabilityBoundingSet": "", "[Service]MemoryDenyWriteExecute": "yes", "[Service]Restart": "on-failure",
		"[Install]WantedBy": "multi-user.target",
	} {
		require.Equal(t, []string{want}, seen[key], key)
	}
	s, err := settings.Load(filepath.Join(root, "deploy", "zensus.yaml"), nil)
	require.NoError(t, err)
	require.Equal(t, "/var/lib/"+seen["[Service]StateDirectory"][0], s.DataDir, "the unit makes the directory that the sample names")

	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		testkit.Missing(t, "systemd-analyze is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, tool, "verify", "--man=no", file).CombinedOutput()
	// The binary need not be installed where the tests run, and other units of
	// the machine are not ours.
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		if ours.MatchString(line) && !strings.Contains(line, "is not executable: No such file") {
			t.Errorf("systemd-analyze: %s (%v)", line, err)
		}
	}
}

var ours = regexp.MustCompile(`zensus\.service`)
