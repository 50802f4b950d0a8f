package runtimeapi

import (
	"bytes"
	"sync"
)

// maxLineBytes is where Lambda cuts a log line.
const maxLineBytes = 256 << 10

// lineWriter hands whole lines to a callback; nil drops them.
type lineWriter struct {
	line func(string)

	mu  sync.Mutex
	buf []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p...)
	for {
		end := bytes.IndexByte(w.buf, '\n')
		switch {
		case end >= 0:
			w.emit(w.buf[:end])
			w.buf = w.buf[end+1:]
		case len(w.buf) > maxLineBytes:
			w.emit(w.buf[:maxLineBytes])
			w.buf = w.buf[maxLineBytes:]
		default:
			return len(p), nil
		}
	}
}

// flush emits a last line without an end.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buf) > 0 {
		w.emit(w.buf)
		w.buf = nil
	}
}

func (w *lineWriter) emit(line []byte) {
	if w.line != nil {
		w.line(string(bytes.TrimSuffix(line, []byte("\r"))))
	}
}
