package crash_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/crash"
)

const crashing = "SGWARD_TEST_CRASH"

func TestCrashOfAGoroutineHasAStatusOfItsOwn(t *testing.T) {
	if os.Getenv(crashing) != "" { // the program below
		go func() {
			defer crash.Exit()
			var none *strings.Builder
			none.WriteString("to nobody")
		}()
		select {}
	}
	program := exec.CommandContext(t.Context(), os.Args[0], "-test.run", t.Name())
	program.Env = append(os.Environ(), crashing+"=1")
	said, err := program.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, crash.Status, exit.ExitCode())
	for _, want := range []string{"sgward: crashed: ", "nil pointer", "report it", "sgward version", "crash_test.go:"} {
		assert.Contains(t, string(said), want)
	}
}

func TestGoroutineThatEndsIsNoCrash(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer crash.Exit()
	}()
	<-done
}
