package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	modulePath = "github.com/zensus-io/zensus"
	buildTime  = 10 * time.Minute // a first build on two cores takes a minute or two
)

var binary struct {
	once sync.Once
	path string
	err  error
}

// Binary returns the path of the zensus command, built once for this process.
// ZENSUS_BINARY names one that is to be used as it is.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("ZENSUS_BINARY"); path != "" {
		return path
	}
	binary.once.Do(func() { binary.path, binary.err = build() })
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

// Cleanup removes what Binary built and ends what tests share. Call it from
// TestMain, after m.Run.
func Cleanup() {
	stopApache()
	if binary.path != "" {
		_ = os.RemoveAll(filepath.Dir(binary.path))
	}
}

func build() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "zensus-testkit-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "zensus")
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/zensus") //nolint:gosec // the path is a folder made here
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("testkit: go build: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return path, nil
}

// moduleRoot finds the product's module above the working directory, which is
// the folder of the package under test.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.Contains(string(text), "module "+modulePath+"\n") {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("testkit: no module " + modulePath + " above the working directory")
		}
		dir = up
	}
}
