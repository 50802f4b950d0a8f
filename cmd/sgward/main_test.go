package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/functionstest"
	"sgward/internal/stack/stacktest"
	"sgward/localaws"
)

func TestMain(m *testing.M) { functionstest.Main(m) }

// program returns the built binary, with the credentials of a stack.
func program(t *testing.T, s *localaws.Stack, args ...string) (cmd *exec.Cmd, errs *bytes.Buffer) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sgward")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd, errs = exec.CommandContext(ctx, binary, args...), &bytes.Buffer{}
	cmd.Stderr = errs
	cmd.Env = []string{
		"AWS_ENDPOINT_URL=" + s.Endpoint(), "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=not-a-secret",
		"AWS_CONFIG_FILE=none", "AWS_SHARED_CREDENTIALS_FILE=none", "HOME=" + t.TempDir(),
	}
	return cmd, errs
}

func groupNames(t *testing.T, config aws.Config) (names []string) {
	t.Helper()
	out, err := ec2.NewFromConfig(config).DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{})
	require.NoError(t, err)
	for i := range out.SecurityGroups {
		names = append(names, aws.ToString(out.SecurityGroups[i].GroupName))
	}
	return names
}

// status returns the exit status; -1 if a signal ended the process.
func status(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// A terminal that closes sends SIGHUP, at times twice.
func TestASelfTestWhoseTerminalClosesDeletesItsGroup(t *testing.T) {
	s, config := stacktest.Start(t, nil)
	before := groupNames(t, config)
	s.FailHandOvers(1)                // nothing is ever judged: the test waits
	caught := make(chan os.Signal, 1) // else the command would inherit that it is ignored, as under nohup
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	cmd, errs := program(t, s, "doctor", "--self-test", "--yes", "--policy", "../../policy.yaml")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.Contains(lines.Text(), "opened") {
	}
	require.Len(t, groupNames(t, config), len(before)+1)
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	time.Sleep(5 * time.Millisecond)
	_ = cmd.Process.Signal(syscall.SIGHUP) // it may have ended
	_, _ = io.Copy(io.Discard, stdout)
	assert.Equal(t, 1, status(cmd.Wait()), errs.String())
	assert.Contains(t, errs.String(), "sgward: interrupted")
	assert.Equal(t, before, groupNames(t, config))
}

func TestASelfTestWhoseReaderIsGoneDeletesItsGroup(t *testing.T) {
	s, config := stacktest.Start(t, nil)
	before := groupNames(t, config)
	cmd, errs := program(t, s, "doctor", "--self-test", "--yes", "--quiet", "--policy", "../../policy.yaml")
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	cmd.Stdout = writer
	began := time.Now()
	err = cmd.Run()
	require.NoError(t, writer.Close())
	assert.Equal(t, 1, status(err))
	assert.Equal(t, 1, strings.Count(errs.String(), "\n"), "it says that the policy is not the deployed one, and ends quietly: %s", errs)
	assert.Less(t, time.Since(began), 40*time.Second)
	assert.Equal(t, before, groupNames(t, config))
}

func TestDryRunReleasesLettersWhoseReaderIsGone(t *testing.T) {
	s, _ := stacktest.Start(t, nil)
	dead, _ := s.Queue("DeadLetterQueue")
	for range 25 {
		_, err := dead.Send("of unknown shape")
		require.NoError(t, err)
	}
	cmd, errs := program(t, s, "redrive", "--dry-run", "--quiet")
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	cmd.Stdout = writer
	err = cmd.Run()
	require.NoError(t, writer.Close())
	assert.Equal(t, 1, status(err))
	assert.Empty(t, errs.String(), "it ends quietly")
	assert.Equal(t, 25, dead.Depth().Visible)
}
