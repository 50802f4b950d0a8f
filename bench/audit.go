package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sgward/internal/inventory/dumptest"
)

const (
	auditGroups = 10_000 // of 50 rules each
	// auditOpen is the number of groups that the policy would close: one in a hundred.
	auditOpen = auditGroups / 100
)

// audit compares judging a dump with merely reading it.
func (b *bench) audit(ctx context.Context) error {
	command, err := filepath.Abs(filepath.Join("build", "sgward"))
	if err != nil {
		return fmt.Errorf("resolving the command: %w", err)
	}
	folder, err := os.MkdirTemp("", "sgward-bench-")
	if err != nil {
		return fmt.Errorf("making a folder for the dump: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // an error does not matter
	dump := filepath.Join(folder, "groups.json")
	if err := writeDump(dump); err != nil {
		return err
	}
	zipped := dump + ".gz"
	if err := compressed(zipped, dump); err != nil {
		return err
	}
	length, err := fileSize(dump)
	if err != nil {
		return err
	}
	count := strconv.Itoa(auditGroups)
	readers := []*reader{
		{name: "python3 json.load", argv: []string{cmp.Or(b.python, "python3"), "-c", "import json, sys; print(len(json.load(open(sys.argv[1]))['SecurityGroups']))", dump}, want: count},
		{name: "sgward audit", argv: []string{command, "audit", "--format", "json", "--from-file", dump}, findings: auditOpen},
		{name: "the same on one CPU", argv: []string{command, "audit", "--format", "json", "--from-file", dump}, env: []string{"GOMAXPROCS=1"}, findings: auditOpen},
		{name: "the same, gzipped", argv: []string{command, "audit", "--format", "json", "--from-file", zipped}, findings: auditOpen},
	}
	if jq, err := exec.LookPath("jq"); err == nil {
		readers = append(readers, &reader{name: "jq", argv: []string{jq, ".SecurityGroups | length", dump}, want: count})
	}
	runs, err := b.readInTurn(ctx, readers)
	if err != nil {
		return err
	}
	heading(b.out, "AUDIT: %d groups with %d rules in a file of %s, %d runs each in turn, %d before to warm up",
		auditGroups, 50*auditGroups, megabytes(length), runs, warmUp)
	var times, peaks []*series
	for _, r := range readers {
		r.took.name, r.peak.name = r.name, r.name+", peak memory"
		times, peaks = append(times, &r.took), append(peaks, &r.peak)
	}
	table(b.out, milliseconds, times...)
	table(b.out, megabytes, peaks...)
	ratio(b.out, "audit / json.load", times[1], times[0], target{bound: 0.6, unit: "x"})
	for _, at := range []int{1, 3} {
		fmt.Fprintf(b.out, "  memory of %s: %s, %s\n", readers[at].name, megabytes(peaks[at].max()), target{bound: 300, unit: " MB"}.verdict(peaks[at].max()/1e6))
	}
	return nil
}

func writeDump(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("making the dump: %w", err)
	}
	return errors.Join(dumptest.Groups(file, auditGroups), file.Close())
}

// compressed writes the gzip of a file beside it.
func compressed(path, of string) error {
	text, err := os.ReadFile(of)
	if err != nil {
		return fmt.Errorf("reading the dump: %w", err)
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("making the gzipped dump: %w", err)
	}
	z := gzip.NewWriter(file)
	_, err = z.Write(text)
	return errors.Join(err, z.Close(), file.Close())
}

// reader is a program that reads the dump.
type reader struct {
	name       string
	argv, env  []string
	want       string // its expected output
	findings   int    // or the number of openings that it has to find
	took, peak series
}

func (r *reader) run(ctx context.Context, counts bool) error {
	cmd := exec.CommandContext(ctx, r.argv[0], r.argv[1:]...)
	cmd.Env = append(os.Environ(), r.env...)
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if r.findings > 0 {
		const found = 3 // exit status
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != found {
			return fmt.Errorf("running %s: %w, want exit status %d\n%s", r.name, err, found, diagnostics.Bytes())
		}
		if n := bytes.Count(out.Bytes(), []byte(`"decision":"revoke"`)); n != r.findings {
			return fmt.Errorf("running %s: %d openings found, want %d", r.name, n, r.findings)
		}
	} else if err != nil || strings.TrimSpace(out.String()) != r.want {
		return fmt.Errorf("running %s: it printed %q: %w\n%s", r.name, out.String(), err, diagnostics.Bytes())
	}
	if counts {
		r.took.add(took.Seconds())
		r.peak.add(peakOf(cmd.ProcessState))
	}
	return nil
}

// warmUp is the number of runs before those that count.
const warmUp = 1

// readInTurn runs the readers in turn, and returns how many runs of each count.
func (b *bench) readInTurn(ctx context.Context, readers []*reader) (runs int, err error) {
	runs = b.runsOr(7)
	for i := range warmUp + runs {
		for _, at := range turn(len(readers)) {
			if err := readers[at].run(ctx, i >= warmUp); err != nil {
				return 0, err
			}
		}
	}
	return runs, nil
}

// peakOf is the peak memory in bytes of a program that has ended.
func peakOf(s *os.ProcessState) float64 {
	usage, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" { // which counts bytes
		return float64(usage.Maxrss)
	}
	return float64(usage.Maxrss) * 1024
}
