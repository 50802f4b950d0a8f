package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"sgward/internal/policy/document"
)

// program is a program behind a Runtime API.
type program struct {
	name string
	argv []string
	env  []string // in addition to Lambda's own
}

// builds are the programs to measure.
type builds struct {
	detect, remediate, empty, echo program
	// Of the other version, where one is given.
	detectBefore, remediateBefore program
}

// prepare finds the functions, builds the programs to compare them with, and copies all
// into build/bench. Only copies may be compared: the linker writes through a memory map,
// which leaves its output in small pages of the page cache, and that alone makes the next
// start a tenth slower than a copy's.
func (b *bench) prepare(ctx context.Context) error {
	module, err := os.ReadFile("go.mod")
	if err != nil || !bytes.HasPrefix(module, []byte("module sgward\n")) {
		return errors.New("looking for the module: the working directory is not the root of sgward's source")
	}
	for _, p := range []struct {
		name, from string
		pkg        string // "": from exists already
		into       *program
	}{
		{"detect", "build/DetectFunction", "", &b.builds.detect},
		{"remediate", "build/RemediateFunction", "", &b.builds.remediate},
		{"empty", "build/bench/linked/empty", "./bench/emptylambda", &b.builds.empty},
		{"echo", "build/bench/linked/echo", "./bench/echolambda", &b.builds.echo},
	} {
		if p.pkg != "" {
			if err := compile(ctx, runtime.GOOS, runtime.GOARCH, filepath.Join(p.from, "bootstrap"), p.pkg); err != nil {
				return err
			}
		}
		if *p.into, err = copied(p.name, p.from); err != nil {
			return err
		}
	}
	if b.before == "" {
		return nil
	}
	if b.builds.detectBefore, err = copied("detect-before", filepath.Join(b.before, "DetectFunction")); err != nil {
		return err
	}
	b.builds.remediateBefore, err = copied("remediate-before", filepath.Join(b.before, "RemediateFunction"))
	return err
}

// copied copies a function, with its policy if it has one.
func copied(name, from string) (program, error) {
	folder, err := filepath.Abs(filepath.Join("build", "bench", name))
	if err != nil {
		return program{}, fmt.Errorf("resolving the copy of %s: %w", name, err)
	}
	binary, err := os.ReadFile(filepath.Join(from, "bootstrap"))
	if err != nil {
		return program{}, fmt.Errorf("looking for the build of %s: %w: run \"make build\"", name, err)
	}
	// A new file: an overwritten one keeps its place in the page cache.
	if err := os.RemoveAll(folder); err != nil {
		return program{}, fmt.Errorf("replacing the copy of %s: %w", name, err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // as the builds beside it
		return program{}, fmt.Errorf("making a folder for %s: %w", name, err)
	}
	path := filepath.Join(folder, "bootstrap")
	if err := os.WriteFile(path, binary, 0o755); err != nil { //nolint:gosec // it is to be run
		return program{}, fmt.Errorf("copying %s: %w", name, err)
	}
	for _, file := range []string{"policy.yaml", document.JSONName("policy.yaml")} {
		policy, err := os.ReadFile(filepath.Join(from, file))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, file), policy, 0o600) //nolint:gosec // a folder of the benchmark's own
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return program{}, fmt.Errorf("copying the policy of %s: %w", name, err)
		}
	}
	return program{name: name, argv: []string{path}}, nil
}

// compile builds a package with the Makefile's flags for functions, and so from the
// same build cache.
func compile(ctx context.Context, goos, goarch, into, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-tags", "lambda.norpc,nethttpomithttp2", "-ldflags", "-s -w", "-o", into, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s for %s/%s: %w\n%s", pkg, goos, goarch, err, out)
	}
	return nil
}
