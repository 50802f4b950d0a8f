package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// patience limits every wait for a process.
const patience = 60 * time.Second

// process is a program behind a Lambda Runtime API of its own. The API uses plain
// connections, because net/http's overhead belongs to neither side. It is for one
// goroutine.
type process struct {
	program  program
	cmd      *exec.Cmd
	exited   chan error // takes one
	listener net.Listener
	requests chan request
	ended    chan struct{} // closed by end
	log      *tail

	began time.Time
	start time.Duration // from before exec to the first poll
	poll  request       // the poll that waits for an invocation
	count int
}

// request is one complete request.
type request struct {
	conn net.Conn
	at   time.Time // when it was read to its end
	path string
	body []byte
}

// launch starts a program and waits until it polls.
func launch(ctx context.Context, p program) (*process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for %s: %w", p.name, err)
	}
	proc := &process{program: p, listener: listener, requests: make(chan request), ended: make(chan struct{}),
		exited: make(chan error, 1), log: &tail{}}
	go proc.accept()
	proc.cmd = exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	proc.cmd.Dir = filepath.Dir(p.argv[len(p.argv)-1])
	proc.cmd.Env = append(lambdaEnvironment(p.name, listener.Addr().String()), p.env...)
	// A pipe that is read, as on Lambda: logging has its price there too.
	proc.cmd.Stdout, proc.cmd.Stderr = proc.log, proc.log
	proc.began = time.Now()
	if err := proc.cmd.Start(); err != nil {
		_ = listener.Close()
		close(proc.ended)
		return nil, fmt.Errorf("starting %s: %w", p.name, err)
	}
	go func() { proc.exited <- proc.cmd.Wait() }()
	if proc.poll, err = proc.receive("/next"); err != nil {
		proc.end()
		return nil, err
	}
	proc.start = proc.poll.at.Sub(proc.began)
	return proc, nil
}

// lambdaEnvironment is Lambda's environment, as far as it matters to a start. Nothing of
// this process's environment is passed on: credentials and proxies would distort a
// comparison.
func lambdaEnvironment(name, api string) []string {
	return []string{
		"AWS_LAMBDA_RUNTIME_API=" + api, "AWS_LAMBDA_FUNCTION_NAME=" + name, "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "METRICS_STACK=sgward",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO",
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "_HANDLER=bootstrap", "LANG=en_US.UTF-8", "TZ=:UTC",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_SESSION_TOKEN=test", "PATH=" + os.Getenv("PATH"),
	}
}

func (p *process) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // end closed it
		}
		go p.read(conn)
	}
}

// read takes requests off a connection until the process is gone.
func (p *process) read(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for in := bufio.NewReader(conn); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		select {
		case p.requests <- request{conn, time.Now(), r.URL.Path, body}:
		case <-p.ended:
			return
		}
	}
}

// receive waits for the request whose path ends so.
func (p *process) receive(suffix string) (request, error) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case r := <-p.requests:
		if !strings.HasSuffix(r.path, suffix) {
			return r, fmt.Errorf("waiting for %q of %s: it sent %q: %s", suffix, p.program.name, r.path, r.body)
		}
		return r, nil
	case err := <-p.exited:
		p.exited <- err
		return request{}, errors.Join(fmt.Errorf("waiting for %s: it ended: %s", p.program.name, p.log), err)
	case <-timeout.C:
		return request{}, fmt.Errorf("waiting for %s: nothing came in %v: %s", p.program.name, patience, p.log)
	}
}

// invoke passes an event and returns the answer, and the time between. The process polls
// again before invoke returns.
func (p *process) invoke(event []byte) (answer []byte, took time.Duration, err error) {
	p.count++
	id := "00000000-0000-4000-8000-" + fmt.Sprintf("%012d", p.count)
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: " + id +
		"\r\nLambda-Runtime-Deadline-Ms: " + strconv.FormatInt(time.Now().Add(30*time.Second).UnixMilli(), 10) +
		"\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:" + p.program.name +
		"\r\nLambda-Runtime-Trace-Id: Root=1-65b0c5a0-000000000000000000000001;Sampled=0" +
		"\r\nContent-Length: " + strconv.Itoa(len(event)) + "\r\n\r\n")
	b.Write(event)
	handed := time.Now()
	if _, err := p.poll.conn.Write(b.Bytes()); err != nil {
		return nil, 0, fmt.Errorf("handing an event to %s: %w", p.program.name, err)
	}
	r, err := p.receive(id + "/response")
	if err != nil {
		return nil, 0, err
	}
	if _, err := io.WriteString(r.conn, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"); err != nil {
		return nil, 0, fmt.Errorf("accepting the answer of %s: %w", p.program.name, err)
	}
	if p.poll, err = p.receive("/next"); err != nil {
		return nil, 0, err
	}
	return r.body, r.at.Sub(handed), nil
}

var errNoPeak = errors.New("peak memory is read from /proc, which this system does not have")

// peakMemory returns the peak resident memory of the process so far, in bytes. It is VmHWM
// and not ru_maxrss: a process that another made by vfork and exec, as Go's os/exec does,
// starts with its parent's ru_maxrss.
func (p *process) peakMemory() (int64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if errors.Is(err, os.ErrNotExist) {
		return 0, errNoPeak
	}
	if err != nil {
		return 0, fmt.Errorf("reading the memory of %s: %w", p.program.name, err)
	}
	return vmHWM(string(status))
}

// vmHWM parses the peak in the text of /proc/PID/status, in bytes.
func vmHWM(status string) (int64, error) {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading VmHWM: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, errors.New("reading VmHWM: it is not there")
}

// end kills the process and waits for its end.
func (p *process) end() {
	_ = p.cmd.Process.Kill() // an error means that it has ended
	p.exited <- <-p.exited
	_ = p.listener.Close()
	close(p.ended)
}

// tail keeps the last lines that a process wrote, for error messages.
type tail struct {
	mu   sync.Mutex
	last []byte
}

// Write keeps the end of b. It never fails.
func (t *tail) Write(b []byte) (int, error) {
	const most = 2000
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, b...)
	if n := len(t.last); n > most {
		t.last = append(t.last[:0], t.last[n-most:]...)
	}
	return len(b), nil
}

// String returns what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.last)
}
