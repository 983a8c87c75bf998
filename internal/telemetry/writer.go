package telemetry

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// maxQueuedBytes bounds what waits to be written.
const maxQueuedBytes = 1 << 20

// Writer passes lines on to another writer without ever making its caller wait.
// A goroutine exists only while there is something to write. Lines above the
// bound are dropped; the first line that fits again is preceded by one that says
// how many.
type Writer struct {
	to      io.Writer
	notice  func(dropped int64) []byte
	dropped atomic.Int64

	mu struct {
		sync.Mutex
		queue   [][]byte
		bytes   int
		lost    int64 // dropped and not told of yet
		writing bool
		idle    chan struct{} // closed when writing ends; nil while idle
		closed  bool
	}
}

// NewWriter makes a Writer in front of to. notice makes the line about dropped
// ones; nil is a plain sentence.
func NewWriter(to io.Writer, notice func(dropped int64) []byte) *Writer {
	if notice == nil {
		notice = func(n int64) []byte { return fmt.Appendf(nil, "%d log lines were dropped\n", n) }
	}
	return &Writer{to: to, notice: notice}
}

// Write queues a line. It always reports success.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.closed || w.mu.bytes+len(line) > maxQueuedBytes {
		w.mu.lost++
		w.dropped.Add(1)
		return len(line), nil
	}
	if w.mu.lost > 0 {
		w.enqueueLocked(w.notice(w.mu.lost))
		w.mu.lost = 0
	}
	w.enqueueLocked(append([]byte(nil), line...)) // the caller reuses its buffer
	if !w.mu.writing {
		w.mu.writing = true
		w.mu.idle = make(chan struct{})
		go w.drain()
	}
	return len(line), nil
}

func (w *Writer) enqueueLocked(line []byte) {
	w.mu.queue = append(w.mu.queue, line)
	w.mu.bytes += len(line)
}

// drain writes until nothing is left, many lines at a time.
func (w *Writer) drain() {
	var batch []byte
	for {
		w.mu.Lock()
		if len(w.mu.queue) == 0 {
			w.mu.writing = false
			close(w.mu.idle)
			w.mu.Unlock()
			return
		}
		batch = batch[:0]
		for _, line := range w.mu.queue {
			batch = append(batch, line...)
		}
		w.mu.queue, w.mu.bytes = nil, 0
		w.mu.Unlock()
		// There is nowhere to report an error of the log to.
		_, _ = w.to.Write(batch)
	}
}

// Dropped is how many lines were dropped so far.
func (w *Writer) Dropped() int64 { return w.dropped.Load() }

// Flush waits until what was logged before is written, at most patience. It
// reports whether it is.
func (w *Writer) Flush(patience time.Duration) bool {
	w.mu.Lock()
	idle, writing := w.mu.idle, w.mu.writing
	w.mu.Unlock()
	if !writing {
		return true
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}

// Close flushes for at most a second; later lines are dropped.
func (w *Writer) Close() error {
	w.mu.Lock()
	w.mu.closed = true
	w.mu.Unlock()
	w.Flush(time.Second)
	return nil
}
