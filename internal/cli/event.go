package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"sgward/internal/cloudtrail"
	"sgward/internal/logfile"
)

// errSeveral ends a scan that has found more than was asked for.
var errSeveral = errors.New("several records can open a group: want one (sgward replay judges many)")

// readChange reads the one call that a file tells of: an EventBridge event, a bare
// CloudTrail record, or the output of lookup-events or a log file that holds only one
// that can open a group. "-" is standard input.
func readChange(ctx context.Context, in Invocation, file string) (cloudtrail.Change, error) {
	data, err := readInput(in, file)
	if err != nil {
		return cloudtrail.Change{}, err
	}
	c, err := changeOf(ctx, data)
	if err != nil {
		return cloudtrail.Change{}, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func changeOf(ctx context.Context, data []byte) (cloudtrail.Change, error) {
	var change cloudtrail.Change
	var malformed error
	found := 0
	scanner := logfile.NewScanner(logfile.Config{
		Calls: cloudtrail.Openings(),
		Found: func(_ logfile.Source, r logfile.Record) error {
			if found++; found > 1 {
				return errSeveral
			}
			parse := cloudtrail.ParseRecord
			if r.Enveloped {
				parse = cloudtrail.ParseEvent
			}
			change, malformed = parse(r.JSON)
			return nil
		},
	})
	for _, source := range logfile.Find([]string{"-"}, bytes.NewReader(data)).Sources {
		if _, err := scanner.Scan(ctx, source); err != nil {
			return cloudtrail.Change{}, err
		}
	}
	if found == 0 {
		// Why it is nothing to judge, or what is wrong with it, the parser says best.
		return cloudtrail.ParseEvent(data)
	}
	return change, malformed
}

// readInput reads a file, or standard input for "-".
func readInput(in Invocation, file string) ([]byte, error) {
	if file == "-" {
		data, err := io.ReadAll(in.Stdin)
		if err != nil {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
		return withoutBOM(data), nil
	}
	data, err := os.ReadFile(file)
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // its message names the file a second time
	}
	if err != nil {
		return nil, fmt.Errorf("reading event: %s: %w", file, err)
	}
	return withoutBOM(data), nil
}
