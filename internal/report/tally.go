package report

import (
	"slices"

	"sgward/internal/policy"
)

// FailOn is the weakest finding that counts for the exit status: one of FailOns. The zero
// value counts as FailOnAlert does.
type FailOn string

// The thresholds of decisions; the others are severities.
const (
	FailOnRevoke  FailOn = "revoke"
	FailOnInspect FailOn = "inspect"
	FailOnAlert   FailOn = "alert"
	FailOnNone    FailOn = "never"
)

// FailOns lists every threshold: of decisions, of severities, and none.
func FailOns() []FailOn {
	return []FailOn{FailOnRevoke, FailOnInspect, FailOnAlert, "critical", "high", "medium", "low", FailOnNone}
}

// Counts reports whether a verdict counts. A finding without a severity may be of any.
func (f FailOn) Counts(v policy.Verdict, s policy.Severity) bool {
	if v == policy.Compliant || v == policy.Exempt {
		return false
	}
	switch f {
	case "", FailOnAlert:
		return true
	case FailOnRevoke:
		return v == policy.Revoke
	case FailOnInspect:
		return v == policy.Revoke || v == policy.Undetermined
	case FailOnNone:
		return false
	}
	var least policy.Severity
	if err := least.UnmarshalText([]byte(f)); err != nil {
		return true
	}
	return s == policy.NoSeverity || s >= least
}

// Tally passes a report on to a Writer and counts its findings, for the exit status.
type Tally struct {
	to       Writer
	failOn   FailOn
	entries  int
	findings int
}

// Count returns a Tally in front of w.
func Count(w Writer, failOn FailOn) *Tally { return &Tally{to: w, failOn: failOn} }

// Entries is the number of findings written, exempt ones too.
func (t *Tally) Entries() int { return t.entries }

// Findings is the number of entries that make the exit status 3. In a comparison either
// verdict counts, and by default every difference.
func (t *Tally) Findings() int { return t.findings }

// Entry counts and passes on.
func (t *Tally) Entry(e Entry) error {
	if err := t.to.Entry(e); err != nil {
		return err
	}
	t.count(e)
	return nil
}

// Group counts the group's findings and passes it on.
func (t *Tally) Group(g Group, entries []Entry) error {
	if err := t.to.Group(g, entries); err != nil {
		return err
	}
	for i := range entries {
		t.count(entries[i])
	}
	return nil
}

// Close passes on.
func (t *Tally) Close(read Coverage) error { return t.to.Close(read) }

func (t *Tally) count(e Entry) {
	t.entries++
	counts := t.failOn.Counts(e.Verdict, e.Severity)
	if c := e.Compared; c != nil {
		counts = slices.Contains([]FailOn{"", FailOnAlert}, t.failOn) || counts || t.failOn.Counts(c.Verdict, c.Severity)
	}
	if counts {
		t.findings++
	}
}
