package ctl

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// historyMax bounds the lines that are kept, in memory and in the file.
const historyMax = 1000

// historyLineMax bounds a line that is kept, in bytes.
const historyLineMax = 64 << 10

func defaultHistoryFile() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".zensus_history")
}

// history keeps the lines of a shell, and those of former ones. It implements
// term.History. What does not reach the file is only forgotten.
type history struct {
	file  string
	lines []string // the oldest first
	err   error    // the first that came up with the file
}

// openHistory reads a history file; it need not be there. Blank is none.
func openHistory(file string) *history {
	h := &history{file: file}
	if file == "" {
		return h
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return h
	}
	if err != nil {
		h.err = err
		return h
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, historyLineMax)
	for s.Scan() {
		if h.lines = append(h.lines, s.Text()); len(h.lines) > 4*historyMax {
			h.lines = append([]string(nil), h.lines[3*historyMax:]...)
		}
	}
	long := len(h.lines) > historyMax
	h.lines = h.lines[max(0, len(h.lines)-historyMax):]
	if h.err = s.Err(); h.err == nil && long {
		h.err = h.rewrite()
	}
	return h
}

func (h *history) rewrite() error {
	f, err := os.CreateTemp(filepath.Dir(h.file), ".zensus_history.*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(h.lines, "\n") + "\n")
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), h.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Add keeps a line, unless it is blank, the same as the last one, or holds a
// credential.
func (h *history) Add(line string) {
	words := strings.Fields(line)
	switch {
	case len(words) == 0, words[0] == "addauth", len(line) > historyLineMax:
		return
	case len(h.lines) > 0 && h.lines[len(h.lines)-1] == line:
		return
	}
	if h.lines = append(h.lines, line); len(h.lines) > historyMax {
		h.lines = append([]string(nil), h.lines[1:]...)
	}
	if h.file == "" {
		return
	}
	f, err := os.OpenFile(h.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(line + "\n")
		err = errors.Join(err, f.Close())
	}
	if h.err == nil {
		h.err = err
	}
}

// Len is the number of lines.
func (h *history) Len() int { return len(h.lines) }

// At is a line; 0 is the last one.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
