package sdk_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestAUserCompilesInAtMostNineModules: nobody should have to think twice before
// he takes this SDK.
func TestAUserCompilesInAtMostNineModules(t *testing.T) {
	const modulesMax = 9
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(string(out))
	slices.Sort(modules)
	modules = slices.Compact(modules)
	if len(modules) > modulesMax {
		t.Errorf("%d modules, at most %d: %v", len(modules), modulesMax, modules)
	}
	t.Log(modules)
	for _, never := range []string{
		"github.com/gin-gonic/gin", "github.com/hashicorp/go-hclog", "github.com/prometheus/client_golang", "github.com/spf13/viper",
	} {
		if slices.Contains(modules, never) {
			t.Errorf("%s is compiled in", never)
		}
	}
}
