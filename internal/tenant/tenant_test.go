package tenant

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpellingsOfANamespace(t *testing.T) {
	for name, want := range map[string]string{
		"": Public, " ": Public, "null": Public, " null\t": Public, "public": Public, " public ": Public,
		"dev": "dev", " dev ": "dev", "Null": "Null", "NULL": "NULL", "Public": "Public",
	} {
		require.Equal(t, want, Namespace(name), "%q", name)
		require.Equal(t, want, Namespace(want), "canonical once is canonical")
	}
}
