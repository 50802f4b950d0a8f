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
	"sgward/internal/text"
)

// errSeveral ends a scan that has found more than was asked for.
var errSeveral = errors.New("several records can open a group: want one (sgward replay judges many)")

// readCall reads the one call that a file tells of: an EventBridge event, a bare
// CloudTrail record, or the output of lookup-events or a log file that holds only one
// that can open a group. "-" is standard input.
func readCall(ctx context.Context, in Invocation, file string) (cloudtrail.Call, error) {
	data, err := readInput(in, file)
	if err != nil {
		return cloudtrail.Call{}, err
	}
	c, err := callOf(ctx, data)
	if err != nil {
		return cloudtrail.Call{}, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// callOf returns the one call of data that can open a group. Where there is none it
// returns a Call that says why it is Skipped.
func callOf(ctx context.Context, data []byte) (cloudtrail.Call, error) {
	var (
		call      cloudtrail.Call
		malformed error
		found     int
		records   int64
	)
	scanner := logfile.NewScanner(logfile.Config{
		Calls: cloudtrail.Names(cloudtrail.Openings()...),
		Found: func(_ logfile.Source, r logfile.Record) error {
			if found++; found > 1 {
				return errSeveral
			}
			call, malformed = cloudtrail.Parse(r.JSON)
			return nil
		},
	})
	for _, source := range logfile.Find([]string{"-"}, bytes.NewReader(data)).Sources {
		counts, err := scanner.Scan(ctx, source)
		if err != nil {
			return cloudtrail.Call{}, err
		}
		records += counts.Records
	}
	if found == 0 {
		// Why one event or record is nothing to judge, or what is wrong with it, the
		// parser says best. It reads no list of records.
		call, malformed = cloudtrail.Parse(data)
		var fault *cloudtrail.MalformedError
		if records > 0 && errors.As(malformed, &fault) && fault.Field == "detail" {
			return cloudtrail.Call{Skipped: fmt.Sprintf("of its %s none is of a call that can open a group", text.Plural(records, "record"))}, nil
		}
	}
	return call.Only(cloudtrail.Openings()...), malformed
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
