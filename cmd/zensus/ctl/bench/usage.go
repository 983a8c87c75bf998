package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// What processes use is read from /proc: on systems without it nothing is known.

// cpu is the processor time that what the commands started has used; 0 where it is
// not known.
func (s *Server) cpu() (used time.Duration) {
	if s.counted > 0 {
		return s.cpuOne(s.counted - 1)
	}
	for i := range s.processes {
		used += s.cpuOne(i)
	}
	return used
}

// cpuOne is likewise that of one process and what it started, the i-th from 0.
func (s *Server) cpuOne(i int) (used time.Duration) {
	if i >= len(s.processes) || s.processes[i] == nil {
		return 0
	}
	for _, st := range group(s.processes[i].cmd.Process.Pid) {
		used += st.cpu
	}
	return used
}

// Memory is the resident memory in bytes; 0 where it is not known.
func (s *Server) Memory() (bytes int64) {
	for _, p := range s.processes {
		if p == nil {
			continue
		}
		for _, st := range group(p.cmd.Process.Pid) {
			bytes += residentOf(st.pid)
		}
	}
	return bytes
}

// procStat is a line of /proc/pid/stat.
type procStat struct {
	pid, group int
	cpu        time.Duration
}

// group are the processes of a group, which is named after its first.
func group(first int) (list []procStat) {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name.Name())
		if err != nil {
			continue
		}
		if st, ok := statOf(pid); ok && st.group == first {
			list = append(list, st)
		}
	}
	return list
}

func statOf(pid int) (st procStat, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return st, false
	}
	// Fields 5, 14 and 15, counted from behind the name in parentheses.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return st, false
	}
	group, err1 := strconv.Atoi(fields[2])
	user, err2 := strconv.ParseInt(fields[11], 10, 64)
	system, err3 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return st, false
	}
	return procStat{pid, group, time.Duration(user+system) * time.Second / ticksPerSecond}, true
}

// ticksPerSecond is the unit of /proc/pid/stat; Linux has shown 100 everywhere
// for as long as it has had the file.
const ticksPerSecond = 100

func residentOf(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err == nil {
				return kb << 10
			}
		}
	}
	return 0
}
