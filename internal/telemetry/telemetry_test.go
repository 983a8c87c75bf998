package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipe is a reader of the log that can stand still.
type pipe struct {
	testkit.Buffer
	gate chan struct{} // a Write waits for it to be closed
}

func (p *pipe) Write(b []byte) (int, error) {
	if p.gate != nil {
		<-p.gate
	}
	return p.Buffer.Write(b)
}

func TestSlowReaderOfTheLogHoldsNobodyUp(t *testing.T) {
	p := &pipe{gate: make(chan struct{})}
	tel, err := New(Config{Output: p, Format: "json"})
	require.NoError(t, err)
	began := time.Now()
	line := strings.Repeat("x", 1000)
	for i := range 3000 {
		tel.Log.Info(line, "i", i)
	}
	require.Less(t, time.Since(began), 5*time.Second, "nobody waited")
	require.NotZero(t, tel.writer.Dropped())
	close(p.gate)
	require.True(t, tel.writer.Flush(20*time.Second))
	tel.Log.Info("after")
	require.NoError(t, tel.Close())
	lines := strings.Split(strings.TrimSpace(p.String()), "\n")
	var last map[string]any
	notices, told := 0, 0.0
	for _, line := range lines { // lines may have been taken between two notices
		last = nil
		require.NoError(t, json.Unmarshal([]byte(line), &last))
		if n, ok := last["lines"].(float64); ok {
			notices++
			told += n
		}
	}
	require.Equal(t, "after", last["@message"])
	require.NotZero(t, notices)
	require.EqualValues(t, tel.writer.Dropped(), told)
	require.Equal(t, int64(3000), tel.writer.Dropped()+int64(len(lines)-1-notices), "every line is written or counted")

	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Contains(t, w.Body.String(), fmt.Sprintf("zensus_log_dropped_total %d", tel.writer.Dropped()))
	require.Contains(t, w.Body.String(), "go_goroutines")
}

func TestLinesKeepTheirOrder(t *testing.T) {
	p := &pipe{}
	w := NewWriter(p, nil)
	var want strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&want, "line %d\n", i)
		_, err := fmt.Fprintf(w, "line %d\n", i)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.Equal(t, want.String(), p.String())
	_, err := w.Write([]byte("late\n"))
	require.NoError(t, err)
	require.EqualValues(t, 1, w.Dropped())
}

func TestFormatsAndLevels(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		json bool
	}{{Config{}, true}, {Config{Format: "auto"}, true}, {Config{Format: "text"}, false}, {Config{Format: "json"}, true}} {
		p := &pipe{}
		c.cfg.Output = p
		tel, err := New(c.cfg)
		require.NoError(t, err)
		tel.Log.Named("zab").Debug("quiet")
		tel.Log.Named("zab").Info("leading", "epoch", 3)
		require.NoError(t, tel.Close())
		require.NotContains(t, p.String(), "quiet")
		require.Equal(t, c.json, json.Valid([]byte(p.String())), p.String())
		require.Contains(t, p.String(), "zensus.zab")
	}
	_, err := New(Config{Level: "loud"})
	require.Error(t, err)
	_, err = New(Config{Format: "xml"})
	require.Error(t, err)
}

func TestSlogLogsThroughHclog(t *testing.T) {
	var b bytes.Buffer
	log := Slog(hclog.New(&hclog.LoggerOptions{Name: "mirror", Level: hclog.Info, Output: &b, JSONFormat: true}))
	log.Debug("quiet")
	require.Empty(t, b.String())
	log.With("root", "/zensus").WithGroup("watch").Warn("gap", "path", "/a", slog.Group("zxid", "from", 1, "to", 2), "err", errors.New("lost"), slog.Attr{})
	var line map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &line))
	delete(line, "@timestamp")
	require.Equal(t, map[string]any{
		"@level": "warn", "@message": "gap", "@module": "mirror", "root": "/zensus",
		"watch.path": "/a", "watch.zxid.from": 1.0, "watch.zxid.to": 2.0, "watch.err": "lost",
	}, line)
}
