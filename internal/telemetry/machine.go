package telemetry

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// Machine tells how busy the machine and this process are. It reads what Linux has
// below /proc; elsewhere nothing is known. It is safe for concurrent use.
type Machine struct {
	read func(name string) ([]byte, error)
	now  func() time.Time

	mu struct {
		sync.Mutex
		at    time.Time // of the last measurement
		total ticks
		own   uint64
		usage Usage
	}
}

// Usage is how busy the processors were between the last two measurements, 0 to 1; in
// the first second the system's is that since the machine started. Negative is not known.
type Usage struct{ System, Process float64 }

// ticks are those of all processors together since the machine started.
type ticks struct{ all, idle uint64 }

// usageEvery is the least time that is measured.
const usageEvery = time.Second

// NewMachine begins to measure.
func NewMachine() *Machine { return newMachine(os.ReadFile, time.Now) }

func newMachine(read func(string) ([]byte, error), now func() time.Time) *Machine {
	m := &Machine{read: read, now: now}
	m.mu.usage = Usage{-1, -1}
	m.mu.at = m.now()
	m.mu.total, m.mu.own = m.ticks(), m.ownTicks()
	if t := m.mu.total; t.all > 0 { // of all the time that the machine runs
		m.mu.usage.System = clamp(1 - float64(t.idle)/float64(t.all))
	}
	return m
}

// Usage measures since it did so last, if that is a second or more ago.
func (m *Machine) Usage() Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if now.Sub(m.mu.at) < usageEvery {
		return m.mu.usage
	}
	total, own := m.ticks(), m.ownTicks()
	passed := total.all - m.mu.total.all
	if total.all <= m.mu.total.all || total.idle < m.mu.total.idle || own < m.mu.own {
		m.mu.usage = Usage{-1, -1}
	} else {
		m.mu.usage = Usage{
			System:  clamp(1 - float64(total.idle-m.mu.total.idle)/float64(passed)),
			Process: clamp(float64(own-m.mu.own) / float64(passed)),
		}
	}
	m.mu.at, m.mu.total, m.mu.own = now, total, own
	return m.mu.usage
}

func clamp(share float64) float64 { return max(0, min(1, share)) }

// Processors is how many this process may use.
func (m *Machine) Processors() int { return runtime.GOMAXPROCS(0) }

// LoadAverage is that of the last minute; negative is not known.
func (m *Machine) LoadAverage() float64 {
	text, err := m.read("/proc/loadavg")
	if err != nil {
		return -1
	}
	first, _, _ := bytes.Cut(text, []byte(" "))
	load, err := strconv.ParseFloat(string(first), 64)
	if err != nil {
		return -1
	}
	return load
}

// Memory is what the machine has, and what of it can be had, in bytes; 0 is not known.
func (m *Machine) Memory() (total, available uint64) {
	text, err := m.read("/proc/meminfo")
	if err != nil {
		return 0, 0
	}
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) < 2 {
			continue
		}
		kilobytes, _ := strconv.ParseUint(string(f[1]), 10, 64)
		switch string(f[0]) {
		case "MemTotal:":
			total = kilobytes << 10
		case "MemAvailable:":
			available = kilobytes << 10
		}
	}
	return total, available
}

// ticks reads the first line of /proc/stat: user nice system idle iowait irq softirq
// steal; what follows is counted in the first two already.
func (m *Machine) ticks() (t ticks) {
	text, err := m.read("/proc/stat")
	if err != nil {
		return t
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	f := bytes.Fields(line)
	if len(f) < 5 || string(f[0]) != "cpu" {
		return t
	}
	for i, text := range f[1:min(len(f), 9)] {
		n, _ := strconv.ParseUint(string(text), 10, 64)
		t.all += n
		if i == 3 || i == 4 {
			t.idle += n
		}
	}
	return t
}

// ownTicks are those of this process, from /proc/self/stat: its 14th and 15th field,
// counted behind the name in parentheses, which may hold anything.
func (m *Machine) ownTicks() uint64 {
	text, err := m.read("/proc/self/stat")
	if err != nil {
		return 0
	}
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseUint(string(f[11]), 10, 64)
	system, _ := strconv.ParseUint(string(f[12]), 10, 64)
	return user + system
}
