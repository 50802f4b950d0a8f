package tour

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sgward/localaws"
)

// recorder writes into a folder: each alert's JSON as alert-1.json and so on, and the
// CloudTrail records in trail.ndjson, one event a line. Files of an earlier run stay:
// numbers continue, records are added.
type recorder struct {
	dir   string
	trail *os.File
	next  int
}

func newRecorder(dir string) (*recorder, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("making the folder for records: %w", err)
	}
	trail, err := os.OpenFile(filepath.Join(dir, "trail.ndjson"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keeping CloudTrail records: %w", err)
	}
	return &recorder{dir: dir, trail: trail, next: 1}, nil
}

// keep writes the record or alert of a step, and returns the file of an alert.
func (r *recorder) keep(step localaws.Step) (alert string, err error) {
	if len(step.Record) > 0 {
		if _, err := fmt.Fprintf(r.trail, "%s\n", step.Record); err != nil {
			return "", fmt.Errorf("keeping a CloudTrail record: %w", err)
		}
	}
	if step.Message == nil {
		return "", nil
	}
	for {
		path := filepath.Join(r.dir, fmt.Sprintf("alert-%d.json", r.next))
		r.next++
		file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			_, err = fmt.Fprintln(file, step.Message.For("default"))
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			return "", fmt.Errorf("keeping an alert: %w", err)
		}
		return path, nil
	}
}

func (r *recorder) Close() error { return r.trail.Close() }
