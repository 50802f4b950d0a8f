package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
	"sgward/internal/functionstest"
)

// reader is somebody who goes through docs/TUTORIAL.md: types what it says, with the
// ids that the commands before have printed, and compares.
type reader struct {
	*testing.T
	sgward   program
	make     func()                   // what "make build" does
	setenv   func(name, value string) // of the second terminal
	checkout string                   // as if it were one: builds, template and policy
	local    *screen                  // the first terminal
	endpoint string                   // of sgward local
	ids      map[string]string        // the page's -> those here
	theirs   map[string]string        // and the other way round
	vars     map[string]string        // of the second terminal's shell, by name
	status   int                      // of the last command
	alerts   int                      // that have been seen
}

// program runs sgward until it ends, or ctx interrupts it, and returns its exit status.
type program func(ctx context.Context, args []string, out, errs io.Writer) int

// screen is a terminal that can be read while a program writes to it.
type screen struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func TestTutorialIsAsItSays(t *testing.T) {
	r := newReader(t)
	r.sgward = func(ctx context.Context, args []string, out, errs io.Writer) int {
		return cli.Run(ctx, cli.Invocation{Args: args, Stdin: strings.NewReader(""), Stdout: out, Stderr: errs, LookupEnv: os.LookupEnv})
	}
	r.make, r.setenv = r.build, t.Setenv
	for name, value := range map[string]string{"AWS_CA_BUNDLE": "", "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "", "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none"} {
		t.Setenv(name, value)
	}
	r.tutorial()
}

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{T: t, checkout: t.TempDir(), ids: map[string]string{}, theirs: map[string]string{}, vars: map[string]string{}}
	for _, file := range []string{"template.yaml", "policy.yaml"} {
		writeFile(t, filepath.Join(r.checkout, file), readFile(t, "../../"+file))
	}
	return r
}

// tutorial goes through the whole page.
func (r *reader) tutorial() {
	r.Helper()
	page := readFile(r.T, "../../docs/TUTORIAL.md")
	commands := 0
	blocks := regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(page, -1)
	for _, block := range blocks {
		if block[1] == "text" { // what the first terminal shows
			r.compare("sgward local", block[2], r.local.String(), true)
			continue
		}
		require.Equal(r, "console", block[1], "the block is of a kind that is run")
		for _, step := range strings.Split("\n"+block[2], "\n$ ")[1:] {
			command, shown, _ := strings.Cut(step, "\n")
			printed := r.enter(command)
			r.compare(command, shown, printed, false)
			commands++
		}
	}
	require.Greater(r, commands, 15, "the page was read")
}

// enter runs what is typed and returns what it prints, on both outputs.
func (r *reader) enter(line string) string {
	r.Helper()
	line = idForm.ReplaceAllStringFunc(line, func(id string) string {
		if mine, ok := r.ids[id]; ok {
			return mine
		}
		return id
	})
	if set := assignment.FindStringSubmatch(line); set != nil {
		r.vars[set[1]] = set[2]
		return ""
	}
	line = variable.ReplaceAllStringFunc(line, func(v string) string {
		value, ok := r.vars[v[1:]]
		require.True(r, ok, "%s is used before it is set: %s", v, line)
		return value
	})
	line, file, redirected := strings.Cut(line, " > ")
	words := shellWords(line)
	var out, errs bytes.Buffer
	switch words[0] {
	case "make":
		r.make()
		r.Chdir(r.checkout)
	case "export":
		r.export(words[1:])
	case "echo":
		require.Equal(r, "$?", words[1])
		fmt.Fprintln(&out, r.status)
	case "ls":
		entries, err := os.ReadDir(words[1])
		require.NoError(r, err)
		for _, e := range entries {
			fmt.Fprintln(&out, e.Name())
		}
	case "curl":
		r.curl(words[1:])
		r.awaitAlert()
	case "build/sgward":
		require.Equal(r, "local", words[1])
		return r.startLocal(words[1:])
	case "sgward":
		both := &out
		if redirected {
			both = &errs
		}
		r.status = r.sgward(context.Background(), words[1:], &out, both)
		if words[1] == "undo" && opened.MatchString(out.String()) {
			r.awaitAlert()
		}
	default:
		r.Fatalf("the page says %q, which this test cannot do", line)
	}
	if redirected {
		require.NoError(r, os.WriteFile(file, out.Bytes(), 0o600))
		return errs.String()
	}
	return out.String()
}

// A line that sets a variable, and a variable that a command uses. $PWD is the shell's own, in an export.
var (
	assignment = regexp.MustCompile(`^([A-Z]+)=(\S+)$`)
	variable   = regexp.MustCompile(`\$(VPC|WEB|DB)\b`)
)

// opened is a line of undo about a rule that is open again, so that sgward closes it.
var opened = regexp.MustCompile(`(?m)^put back`)

// shellWords splits a command: 'quoted' words may hold blanks.
func shellWords(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// build is what make build does, for the folder that stands for a checkout.
func (r *reader) build() {
	r.Helper()
	functionstest.Into(r, filepath.Join(r.checkout, "build"), functionstest.Policy(r), "detect", "remediate", "sweep")
}

// export sets what the page sets, but for the port: that is a free one here.
func (r *reader) export(words []string) {
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		if name != "PATH" {
			r.setenv(name, strings.Replace(value, "http://127.0.0.1:4566", r.endpoint, 1))
		}
	}
}

// startLocal starts the first terminal's program and returns what it shows first.
func (r *reader) startLocal(args []string) string {
	r.Helper()
	r.local = &screen{}
	ctx, interrupt := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() { ended <- r.sgward(ctx, append(args, "--listen", "127.0.0.1:0"), r.local, r.local) }()
	r.Cleanup(func() {
		interrupt()
		require.Equal(r, cli.StatusClean, <-ended, r.local)
	})
	const last = "--cidr 0.0.0.0/0\n"
	require.Eventually(r, func() bool { return strings.Contains(r.local.String(), last) }, 30*time.Second, 5*time.Millisecond, r.local)
	r.endpoint = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(r.local.String())
	return r.local.String()
}

// curl sends the form that the page has curl send.
func (r *reader) curl(words []string) {
	r.Helper()
	form := url.Values{}
	for i, word := range words {
		if word == "-d" {
			name, value, _ := strings.Cut(words[i+1], "=")
			form.Set(name, value)
		}
	}
	require.Contains(r, words, "http://127.0.0.1:4566")
	answer, err := http.PostForm(r.endpoint, form)
	require.NoError(r, err)
	defer func() { _ = answer.Body.Close() }()
	require.Equal(r, http.StatusOK, answer.StatusCode)
}

// awaitAlert waits, as a reader would, until the first terminal tells of the end.
func (r *reader) awaitAlert() {
	r.Helper()
	r.alerts++
	require.Eventually(r, func() bool { return strings.Count(r.local.String(), "kept as ") == r.alerts }, 30*time.Second, 5*time.Millisecond, r.local)
}

// idForm is what differs for each reader and has to be the same throughout the page.
var idForm = regexp.MustCompile(`\b(vpc|sg|sgr|allow-tcp-\d+)-[0-9a-f]{8,17}\b`)

// passing is what differs with every run and means nothing.
var passing = regexp.MustCompile(`\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d UTC)?|http://127\.0\.0\.1:\d+| *\d+\.\d ms`)

// compare holds the lines that the page shows against those that were printed. Lines
// that are left out stand for any; at the beginning too, where anywhere is set.
func (r *reader) compare(command, shown, printed string, anywhere bool) {
	r.Helper()
	want := strings.Split(strings.TrimRight(shown, "\n"), "\n")
	got := strings.Split(strings.TrimRight(printed, "\n"), "\n")
	skip := anywhere
	at := 0
	for _, line := range want {
		if line == "..." {
			skip = true
			continue
		}
		for at < len(got) && !r.matches(line, got[at]) {
			if !skip {
				r.Fatalf("$ %s\nthe page shows %q\nprinted is     %q\nin all:\n%s", command, line, got[at], printed)
			}
			at++
		}
		if at == len(got) {
			r.Fatalf("$ %s\nthe page shows %q\nwhich is not printed:\n%s", command, line, printed)
		}
		skip = false
		at++
	}
	if at < len(got) && !skip && !anywhere {
		r.Fatalf("$ %s\nthe page ends, and more is printed: %q", command, got[at])
	}
}

// matches compares two lines, and learns the ids that are new on the page.
func (r *reader) matches(page, line string) bool {
	plain := func(s string) string {
		s = passing.ReplaceAllString(s, "~")
		return idForm.ReplaceAllString(s, "$1-~")
	}
	if plain(page) != plain(line) {
		return false
	}
	theirs, mine := idForm.FindAllString(page, -1), idForm.FindAllString(line, -1)
	for i, id := range theirs {
		known, ok := r.ids[id]
		other, taken := r.theirs[mine[i]]
		if ok && known != mine[i] || taken && other != id {
			return false
		}
	}
	for i, id := range theirs {
		r.ids[id], r.theirs[mine[i]] = mine[i], id
	}
	return true
}
