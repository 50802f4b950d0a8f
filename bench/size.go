package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// size measures the bootstraps, built as they are deployed.
func (b *bench) size(ctx context.Context) error {
	heading(b.out, "SIZE: bootstrap, MB of 1,000,000 bytes")
	for _, f := range []struct {
		program program
		pkg     string
		target  target
	}{
		{b.builds.detect, "./functions/detect", target{bound: 7, unit: " MB"}},
		{b.builds.remediate, "./functions/remediate", target{bound: 10, unit: " MB"}},
	} {
		arm := filepath.Join("build", "bench", "linux-arm64", f.program.name, "bootstrap")
		if err := compile(ctx, "linux", "arm64", arm, f.pkg); err != nil {
			return err
		}
		deployed, err := fileSize(arm)
		if err != nil {
			return err
		}
		here, err := fileSize(f.program.argv[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(b.out, "  %-10s linux/arm64 %s, %s/%s %s; %s\n", f.program.name, megabytes(deployed),
			runtime.GOOS, runtime.GOARCH, megabytes(here), f.target.verdict(deployed/1e6))
	}
	return nil
}

func fileSize(path string) (float64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("measuring the size of a build: %w", err)
	}
	return float64(info.Size()), nil
}
