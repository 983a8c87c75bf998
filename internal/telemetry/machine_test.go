package telemetry

import (
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMachine(t *testing.T) {
	files := map[string]string{
		"/proc/stat":      "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3\n",
		"/proc/self/stat": "42 (a) name) S 1 2 3 4 5 6 7 8 9 10 30 20 0 0",
		"/proc/loadavg":   "1.25 0.8 0.5 1/200 4242\n",
		"/proc/meminfo":   "MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\n",
	}
	now := time.Unix(0, 0)
	read := func(name string) ([]byte, error) {
		text, ok := files[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(text), nil
	}
	m := newMachine(read, func() time.Time { return now })
	first := m.Usage()
	require.InDelta(t, 0.2, first.System, 1e-9, "since the machine started")
	require.Equal(t, -1.0, first.Process)
	files["/proc/stat"] = "cpu  150 0 150 850 150 0 0 0 50 0\n" // 300 later, 100 of them busy
	files["/proc/self/stat"] = "42 (a) name) S 1 2 3 4 5 6 7 8 9 10 50 30 0 0"
	require.Equal(t, first, m.Usage(), "too soon")
	now = now.Add(time.Second)
	usage := m.Usage()
	require.InDelta(t, 1.0/3, usage.System, 1e-9)
	require.InDelta(t, 1.0/10, usage.Process, 1e-9)
	require.Equal(t, usage, m.Usage(), "until a second has passed")
	now = now.Add(time.Second)
	require.Equal(t, Usage{-1, -1}, m.Usage(), "no tick has passed")

	require.Equal(t, 1.25, m.LoadAverage())
	total, available := m.Memory()
	require.Equal(t, []uint64{2 << 20, 1 << 20}, []uint64{total, available})

	for _, junk := range []string{"", "x", "cpu", "cpu a b c d e"} {
		for name := range files {
			files[name] = junk
		}
		now = now.Add(time.Second)
		m.Usage()
		now = now.Add(time.Second)
		require.Equal(t, Usage{-1, -1}, m.Usage(), junk)
		require.Equal(t, -1.0, m.LoadAverage(), junk)
	}
	clear(files)
	require.Equal(t, Usage{-1, -1}, newMachine(read, time.Now).Usage(), "no Linux")
	require.Equal(t, -1.0, m.LoadAverage())
	total, available = m.Memory()
	require.Zero(t, total+available)
}
