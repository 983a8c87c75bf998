package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var program = regexp.MustCompile("(?s)```go\n(.*?)\n```")

func TestProgramsInDocumentsAreBuilt(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the compiler")
	}
	n := 0
	for _, file := range documents(t) {
		for _, m := range program.FindAllStringSubmatch(read(t, file), -1) {
			n++
			source := filepath.Join(t.TempDir(), fmt.Sprintf("program%d.go", n))
			require.NoError(t, os.WriteFile(source, []byte(m[1]+"\n"), 0o600))
			for _, args := range [][]string{{"vet", source}, {"build", "-o", os.DevNull, source}} {
				cmd := exec.Command("go", args...)
				cmd.Dir = root
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%s: go %s\n%s", file, args[0], out)
			}
		}
	}
	require.Positive(t, n)
}

var (
	registered = regexp.MustCompile(`-X POST '[^']*/ns/instance\?serviceName=([\w.-]+)[^']*ephemeral=false`)
	serviceOf  = regexp.MustCompile(`naming\.Service\{Name: "([^"]+)"`)
)

// A service has ephemeral instances or persistent ones: who goes through the
// documents with one server must not be refused.
func TestServicesOfProgramsAndCommandsAreOfOneKind(t *testing.T) {
	persistent, n := map[string]string{}, 0
	for _, file := range documents(t) {
		for _, m := range registered.FindAllStringSubmatch(read(t, file), -1) {
			persistent[m[1]] = file
		}
	}
	require.NotEmpty(t, persistent)
	for _, file := range documents(t) {
		for _, m := range serviceOf.FindAllStringSubmatch(read(t, file), -1) {
			n++
			require.NotContains(t, persistent, m[1], "%s: the program registers ephemeral instances", file)
		}
	}
	require.Positive(t, n)
}
