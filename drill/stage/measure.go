package stage

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"strconv"
	"time"
)

// Sample is what the processes hold at a moment. Where the system has no /proc, what comes from there is 0.
type Sample struct {
	After time.Duration
	// Functions are the running processes of each function by logical id.
	Functions map[string][]Usage
	// Stack is this process, which is the stand-in for AWS and the drill.
	Stack Usage
	// Goroutines are those of this process.
	Goroutines int
}

// Usage is what one process holds.
type Usage struct {
	PID         int
	MemoryKB    int // resident
	Threads     int
	Descriptors int
}

// measure takes samples until ctx ends.
func (s *stage) measure(ctx context.Context, began time.Time) {
	for {
		sample := Sample{After: time.Since(began), Functions: map[string][]Usage{}, Stack: usage(os.Getpid()), Goroutines: runtime.NumGoroutine()}
		for _, id := range []string{detect, remediate, sweep} {
			if f, ok := s.stack.Load().Function(id); ok {
				for _, p := range f.Processes() {
					sample.Functions[id] = append(sample.Functions[id], usage(p.PID))
				}
			}
		}
		s.samples = append(s.samples, sample)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func usage(pid int) Usage {
	folder := "/proc/" + strconv.Itoa(pid)
	u := Usage{PID: pid}
	status, err := os.ReadFile(folder + "/status")
	if err != nil {
		return u // it has ended, or there is no /proc
	}
	for line := range bytes.Lines(status) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		fields := bytes.Fields(value)
		if len(fields) == 0 {
			continue
		}
		n, _ := strconv.Atoi(string(fields[0]))
		switch string(name) {
		case "VmRSS":
			u.MemoryKB = n
		case "Threads":
			u.Threads = n
		}
	}
	if open, err := os.ReadDir(folder + "/fd"); err == nil {
		u.Descriptors = len(open)
	}
	return u
}
