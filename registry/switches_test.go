package registry

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSwitchesAreSetByBothOfTheirNames(t *testing.T) {
	for _, c := range []struct {
		entry, value string
		got          func(s *Switches) any
		want         any
	}{
		{"pushCacheMillis", "20000", func(s *Switches) any { return s.PushCacheMillis }, int64(20_000)},
		{"defaultPushCacheMillis", " 20000 ", func(s *Switches) any { return s.PushCacheMillis }, int64(20_000)},
		{"clientBeatInterval", "7000", func(s *Switches) any { return s.BeatMillis }, int64(7000)},
		{"check", "false", func(s *Switches) any { return s.HealthChecks }, false},
		{"healthCheckEnabled", "OFF", func(s *Switches) any { return s.HealthChecks }, false},
		{"healthCheckTimes", "5", func(s *Switches) any { return s.CheckTimes }, 5},
		{"tcpHealthParams", `{"max":6000}`, func(s *Switches) any { return s.TCP }, CheckPace{6000, 1000, 0.75}},
		{"httpHealthParams", `{"max":6000,"min":600,"factor":1}`, func(s *Switches) any { return s.HTTP }, CheckPace{6000, 600, 1}},
		{"overriddenServerStatus", "READ_ONLY", func(s *Switches) any { return s.ServerStatus }, "READ_ONLY"},
		{"limitedUrlMap", "/nacos/v1/ns/instance/list:503,/x:404", func(s *Switches) any { return s.LimitedURLs }, map[string]int{"/nacos/v1/ns/instance/list": 503, "/x": 404}},
		{"pushVersion", "go:1.2.3", func(s *Switches) any { return s.PushGo }, "1.2.3"},
		{"masters", "a,b", func(s *Switches) any { return s.Masters }, []string{"a", "b"}},
		{"distroThreshold", "0.5", func(s *Switches) any { return s.DistroThreshold }, 0.5},
	} {
		s := DefaultSwitches()
		require.NoError(t, s.Set(c.entry, c.value), c.entry)
		require.Equal(t, c.want, c.got(&s), c.entry)
	}
}

func TestEverySwitchHasAValueThatItTakesAndOneThatItRefuses(t *testing.T) {
	for _, entry := range SwitchNames() {
		s, taken := DefaultSwitches(), 0
		for _, value := range []string{"true", "10", "20000", "0.5", `{"max":5000,"min":500,"factor":0.5}`, "UP", "java:1.0.0", "/a:404"} {
			if s.Set(entry, value) == nil {
				taken++
			}
		}
		require.Positive(t, taken, entry)
		before := s
		require.ErrorIs(t, s.Set(entry, strings.Repeat("x,", switchMax)), ErrInvalid, entry)
		require.Equal(t, before, s, "a refusal changes nothing")
	}
}

func TestSwitchesRefuseWhatWouldHarm(t *testing.T) {
	for _, c := range [][2]string{
		{"noSuchSwitch", "true"},
		{"pushCacheMillis", "9999"},
		{"pushCacheMillis", "9999999999999"},
		{"defaultCacheMillis", "999"},
		{"clientBeatInterval", "0"},
		{"clientBeatInterval", "soon"},
		{"check", "perhaps"},
		{"healthCheckTimes", "0"},
		{"healthCheckTimes", "101"},
		{"tcpHealthParams", `{"min":499}`},
		{"tcpHealthParams", `{"max":2999}`},
		{"tcpHealthParams", `{"min":6000}`},
		{"httpHealthParams", `{"factor":1.1}`},
		{"httpHealthParams", `max`},
		{"overriddenServerStatus", "up"},
		{"limitedUrlMap", "/a"},
		{"limitedUrlMap", ":404"},
		{"limitedUrlMap", "/a:0"},
		{"limitedUrlMap", manyURLs()},
		{"pushVersion", "go:1.2"},
		{"pushVersion", "cobol:1.2.3"},
		{"distroThreshold", "NaN"},
		{"distroThreshold", "-1"},
	} {
		s := DefaultSwitches()
		require.ErrorIs(t, s.Set(c[0], c[1]), ErrInvalid, c)
		require.Equal(t, DefaultSwitches(), s, c)
	}
}

func TestServersThatAreToldTheirStatusRefuse(t *testing.T) {
	for status, want := range map[string][2]bool{ // reads, writes
		"": {false, false}, StatusUp: {false, false}, StatusReadOnly: {false, true}, StatusWriteOnly: {true, false}, "DOWN": {true, true},
	} {
		s := Switches{ServerStatus: status}
		require.Equal(t, want, [2]bool{s.Refuses(true), s.Refuses(false)}, status)
	}
	s := Switches{LimitedURLs: map[string]int{"/nacos/v1/ns/instance/list": 429}}
	require.Equal(t, 429, s.Limited("/nacos/v1/ns/instance/list?serviceName=a"))
	require.Zero(t, s.Limited("/nacos/v1/ns/instance?serviceName=a"))
}

// manyURLs are one more than can be limited.
func manyURLs() string {
	var all strings.Builder
	for n := range limitedMax + 1 {
		all.WriteString("/" + strings.Repeat("b", n) + ":404,")
	}
	return all.String()
}
