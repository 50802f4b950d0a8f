//go:build linux

package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// terminal opens a terminal of so many columns. What is written on screen is read from the
// other end.
func terminal(t *testing.T, columns int) (screen, other *os.File) {
	t.Helper()
	other, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { _ = other.Close() })
	call := func(request uintptr, argument unsafe.Pointer) {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, other.Fd(), request, uintptr(argument))
		require.Zero(t, errno)
	}
	var number, unlock int32
	call(syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	call(syscall.TIOCGPTN, unsafe.Pointer(&number))
	size := [4]uint16{24, uint16(columns)}
	call(syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	return screen, other
}

// shown runs a command with standard output and error on a terminal and returns what it
// shows there.
func shown(t *testing.T, columns int, env map[string]string, args ...string) string {
	t.Helper()
	screen, other := terminal(t, columns)
	done := make(chan string)
	go func() { // ends with the terminal
		var b bytes.Buffer
		_, _ = io.Copy(&b, other) // ends with an error when the screen is closed
		done <- b.String()
	}()
	Run(context.Background(), Invocation{
		Args: args, Stdin: strings.NewReader(""), Stdout: screen, Stderr: screen, Build: Build{Version: "v0.0.0-test"},
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	require.NoError(t, screen.Close())
	return strings.ReplaceAll(<-done, "\r\n", "\n")
}

// Every command wraps its lines at the width of the terminal, help and errors too.
func TestTextFitsTheTerminal(t *testing.T) {
	t.Chdir("../..")
	for _, args := range []string{
		"", "audit --help", "undo --help", "group create --help", "help policy",
		"explain --port 3306 --cidr 0.0.0.0/0", "explain --event events/ingress-request-and-response-omitted.json",
		"explain --port 22 --cidr 0.0.0.0/0 --actor alice", "policy lint no-such-policy.yaml", "policy lint internal/cli/testdata/files/unsound.yaml",
		"audit --from-file internal/inventory/testdata", "replay internal/cli/testdata/files/history", "audit internal/inventory/testdata --details", "replay --details internal/cli/testdata/files/history",
	} {
		t.Run(args, func(t *testing.T) {
			for _, columns := range []int{60, 120} {
				out := shown(t, columns, map[string]string{"NO_COLOR": "1"}, strings.Fields(args)...)
				require.NotEmpty(t, out)
				assert.NotContains(t, out, "\x1b[1m", "NO_COLOR")
				examples := false // which are for pasting, and stay whole
				for line := range strings.Lines(out) {
					line = strings.TrimPrefix(line, erase) // of the progress
					examples = strings.HasPrefix(line, "Examples:") || examples && strings.HasPrefix(line, " ")
					if !examples && !strings.Contains(line, "close it: aws") && strings.Contains(strings.TrimSpace(line), " ") {
						assert.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), columns, line)
					}
				}
			}
		})
	}
	assert.Contains(t, shown(t, 80, nil, "audit", "--help"), "\x1b[1mUsage:\x1b[0m")
}

func TestProgramsGetWholeLines(t *testing.T) {
	t.Chdir("../..")
	out := shown(t, 60, nil, "explain", "--format", "json", "--port", "3306", "--cidr", "0.0.0.0/0")
	assert.Equal(t, 1, strings.Count(out, "\n"), out)
}

func TestTerminalGetsNoPage(t *testing.T) {
	t.Chdir("../..")
	out := shown(t, 200, nil, "audit", "--format", "html", "internal/inventory/testdata")
	assert.Equal(t, "sgward: --format html: a terminal cannot show a page: write it with --out report.html\n", out)
}
