package server

import (
	"context"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnswersAreJSONWhateverTheyHold(t *testing.T) {
	for name, f := range map[string]fields{
		"keys that only Go would quote": {{"/a\x07\x7f\U0010ffff\xff\"\\", "x"}, {"/b", fields{{"\v", 1}}}},
		"a value that is no JSON":       {{"latency", math.NaN()}},
		"nothing":                       nil,
	} {
		var got map[string]any
		require.NoError(t, json.Unmarshal(answerJSON(f, "name", nil), &got), name)
		require.Equal(t, "name", got["command"], name)
		require.Equal(t, name == "a value that is no JSON", got["error"] != nil, name)
	}
}

func TestInitialConfigurationIsToldWithoutSecrets(t *testing.T) {
	s := &Server{}
	s.cfg.About.InitialConfig = "tickTime=2000\nssl.keyStore.password=hush\n"
	f, err := s.adminIcfg(context.Background(), nil)
	require.NoError(t, err)
	require.Equal(t, fields{{"initial_configuration", "tickTime=2000\nssl.keyStore.password=[redacted]\n"}}, f)
}
