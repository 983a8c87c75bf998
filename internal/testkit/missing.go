package testkit

import (
	"os"
	"testing"
)

// Missing skips a test that needs a program of somebody else, which is not there.
// Where ZENSUS_REQUIRE_INTEROP is 1, nothing may be missing: there the test fails.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("ZENSUS_REQUIRE_INTEROP") == "1" {
		t.Fatalf("%s, and ZENSUS_REQUIRE_INTEROP is 1", why)
	}
	t.Skip(why)
}
