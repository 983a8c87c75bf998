package main

import (
	"os"
	"testing"

	"github.com/zensus-io/zensus/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.Cleanup()
	os.Exit(code)
}
