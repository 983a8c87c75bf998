package session

import (
	"encoding/hex"
	"testing"
)

func TestApachePasswordIsZooKeepers(t *testing.T) {
	got := ApachePassword(0x0100001b64b50000)
	if want := "81798d817ad3e7f1c7722db053f18ecf"; hex.EncodeToString(got[:]) != want {
		t.Fatalf("got %x, want %s", got, want)
	}
}
