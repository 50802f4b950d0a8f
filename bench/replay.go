package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sgward/internal/logfile/logfiletest"
)

// density is how often a history holds a wanted call, with the target speed relative to
// zcat.
type density struct {
	name  string
	every int // records on average for each call
	bound float64
}

const recordsInFile = 400

// densities are those of an account where security groups seldom change, so that most
// files hold no wanted call, and of one where most files hold one.
func densities() []density {
	return []density{
		{"sparse: one opening in fifty files", 50 * recordsInFile, 5.5},
		{"dense: one opening in five hundred records", 500, 3.5},
	}
}

// replay compares judging histories with the least work of any reader: inflating them and
// counting their bytes. Both read the same files, from the page cache.
func (b *bench) replay(ctx context.Context) error {
	command, err := filepath.Abs(filepath.Join("build", "sgward"))
	if err != nil {
		return fmt.Errorf("resolving the command: %w", err)
	}
	if _, err := os.Stat(command); err != nil {
		return fmt.Errorf("looking for the command: %w: run \"make build\"", err)
	}
	for _, d := range densities() {
		if err := b.replayOf(ctx, command, d); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return nil
}

// replayOf measures the judging of one history.
func (b *bench) replayOf(ctx context.Context, command string, d density) error {
	const files = 1000 // CloudTrail writes a file for each five minutes
	folder, err := os.MkdirTemp("", "sgward-bench-")
	if err != nil {
		return fmt.Errorf("making a folder for logs: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // nothing depends on it
	generator := logfiletest.New(1)
	generator.AuthorizeEvery = d.every
	text, packed, err := generator.WriteHistory(folder, files, recordsInFile)
	if err != nil {
		return err
	}
	h := history{folder: folder, text: text, opened: generator.Opened, command: command}
	if h.logs, err = filepath.Glob(filepath.Join(folder, "AWSLogs", "*", "CloudTrail", "*", "*", "*", "*", "*.json.gz")); err != nil {
		return fmt.Errorf("listing the logs: %w", err)
	}

	runs := b.runsOr(15)
	zcat, replay := &series{name: "zcat *.gz | wc -c"}, &series{name: "sgward replay"}
	zcatCPU, replayCPU := &series{name: "zcat *.gz | wc -c, CPU"}, &series{name: "sgward replay, CPU"}
	const warmUp = 2
	for i := range warmUp + runs {
		for _, at := range turn(2) {
			measure := []func(context.Context) (took, error){h.zcat, h.replay}[at]
			t, err := measure(ctx)
			if err != nil {
				return err
			}
			if i >= warmUp {
				[]*series{zcat, replay}[at].add(t.elapsed.Seconds())
				[]*series{zcatCPU, replayCPU}[at].add(t.cpu.Seconds())
			}
		}
	}
	heading(b.out, "REPLAY, %s: %d log files of %d records, %s of JSON in %s of gzip (%.1fx), %d runs each in turn, %d before to warm up",
		d.name, files, recordsInFile, megabytes(float64(text)), megabytes(float64(packed)), float64(text)/float64(packed), runs, warmUp)
	table(b.out, milliseconds, zcat, replay, zcatCPU, replayCPU)
	ratio(b.out, "zcat / replay", zcat, replay, target{atLeast: true, bound: d.bound, unit: "x"})
	// Meaningful even if something else keeps the other CPUs busy: replay uses two, zcat
	// and wc hardly more than one.
	ratio(b.out, "zcat / replay, CPU", zcatCPU, replayCPU, target{atLeast: true, bound: d.bound / 2, unit: "x"})
	return nil
}

// took is the time of a program and its children.
type took struct{ elapsed, cpu time.Duration }

// timed runs a command.
func timed(cmd *exec.Cmd) (took, error) {
	began := time.Now()
	err := cmd.Run()
	t := took{elapsed: time.Since(began)}
	if cmd.ProcessState != nil {
		t.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return t, err
}

// history is the programs' input, with the expected result.
type history struct {
	folder  string
	logs    []string
	text    int64 // bytes
	opened  int
	command string
}

func (h history) zcat(ctx context.Context) (took, error) {
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `zcat "$@" | wc -c`, "sh"}, h.logs...)...)
	var out bytes.Buffer
	cmd.Stdout = &out
	t, err := timed(cmd)
	if err != nil {
		return took{}, fmt.Errorf("counting with zcat: %w", err)
	}
	if n := strings.TrimSpace(out.String()); n != strconv.FormatInt(h.text, 10) {
		return took{}, fmt.Errorf("counting with zcat: %s bytes, want %d", n, h.text)
	}
	return t, nil
}

// replay judges the history by the repository's policy.
func (h history) replay(ctx context.Context) (took, error) {
	cmd := exec.CommandContext(ctx, h.command, "replay", "--format", "json", h.folder)
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	t, err := timed(cmd)
	const findings = 3 // exit status
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != findings {
		return took{}, fmt.Errorf("replaying: %w, want exit status %d\n%s", err, findings, diagnostics.Bytes())
	}
	if n := bytes.Count(out.Bytes(), []byte(`"decision":"revoke"`)); n != h.opened {
		return took{}, fmt.Errorf("replaying: %d openings found, want %d", n, h.opened)
	}
	return t, nil
}
