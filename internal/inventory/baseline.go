package inventory

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
)

// Baseline holds the findings of an earlier audit by id.
type Baseline map[string]finding.Finding

// ReadBaseline reads the findings of an earlier audit, one JSON object per line. Errors
// name the file by name and the malformed line.
func ReadBaseline(name string, in io.Reader) (Baseline, error) {
	out := Baseline{}
	lines := bufio.NewReader(in)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return nil, fmt.Errorf("reading the baseline %s: %w", name, err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			f, err := knownFinding(line)
			if err != nil {
				return nil, fmt.Errorf("reading the baseline: %s:%d: %w; want the lines that sgward audit --format json wrote", name, n, err)
			}
			out[f.ID] = f
		}
		if last {
			return out, nil
		}
	}
}

func knownFinding(line []byte) (finding.Finding, error) {
	var f struct {
		ID, Decision, Severity string
	}
	if err := json.Unmarshal(line, &f); err != nil {
		return finding.Finding{}, errors.New("it is not a finding in JSON")
	}
	if !strings.HasPrefix(f.ID, "f-") {
		return finding.Finding{}, fmt.Errorf("id is %q, and that of a finding begins with f-", f.ID)
	}
	known := finding.Finding{ID: f.ID}
	if err := known.Verdict.UnmarshalText([]byte(f.Decision)); err != nil || known.Verdict == policy.Compliant {
		return finding.Finding{}, fmt.Errorf("decision is %q", f.Decision)
	}
	if err := known.Severity.UnmarshalText([]byte(f.Severity)); err != nil {
		return finding.Finding{}, fmt.Errorf("severity is %q", f.Severity)
	}
	return known, nil
}

// Holds reports whether a finding was known with at least this severity and verdict: if
// either has become stronger, the finding is reported again.
func (b Baseline) Holds(f *finding.Finding) bool {
	known, ok := b[f.ID]
	if !ok {
		return false
	}
	return !f.Verdict.IsStrongerThan(known.Verdict) && f.Severity <= known.Severity
}
