package report

import (
	"sgward/internal/policy"
)

// Tally passes a report on to a Writer and counts its findings, for the exit status.
type Tally struct {
	to       Writer
	entries  int
	findings int
}

// Count returns a Tally in front of w.
func Count(w Writer) *Tally { return &Tally{to: w} }

// Entries is the number of findings written, exempt ones too.
func (t *Tally) Entries() int { return t.entries }

// Findings is the number of entries that make the exit status 3: all but exempt ones, and
// in a comparison all.
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
	if e.Compared != nil || e.Verdict != policy.Exempt {
		t.findings++
	}
}
