package check

import (
	"errors"
	"testing"
)

func TestThatHoldsSilently(t *testing.T) { That(true, "never %d", 1) }

func TestThatPanicsWithATypedViolation(t *testing.T) {
	defer func() {
		got, ok := recover().(Violation)
		if !ok || got.Message != "tree: zxid 3 after 4" {
			t.Fatalf("recovered %#v", got)
		}
		var v Violation
		if !errors.As(error(got), &v) {
			t.Fatal("a Violation is not an error")
		}
	}()
	That(false, "tree: zxid %d after %d", 3, 4)
}
