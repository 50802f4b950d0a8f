package alert

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"sgward/internal/policy"
)

func TestExceptionsThatAreLeftOutAreCounted(t *testing.T) {
	all := scenarios()
	a := all[slices.IndexFunc(all, func(s scenario) bool { return s.name == "exceptions-end" })].alert
	a.Findings = slices.Repeat(a.Findings[:1], 40)
	assert.Contains(t, mail().text(newView(&a)), "\nAnd 15 more.\n")
}

func TestAnExceptionThatEndsAtAnHourSaysTheHour(t *testing.T) {
	all := scenarios()
	a := all[slices.IndexFunc(all, func(s scenario) bool { return s.name == "exceptions-end" })].alert
	a.Findings = slices.Clone(a.Findings[:1])
	x := *a.Findings[0].Exception
	a.Findings[0].Exception = &x
	for after, want := range map[time.Duration]string{
		0:                     "answers for, ended at 2026-11-03T",
		-time.Second:          "answers for, ended at 2026-11-03T",
		20 * time.Minute:      ", within an hour.",
		time.Hour:             ", in 1 hour.",
		47 * time.Hour:        ", in 47 hours.",
		9*24*time.Hour + 3600: ", in 9 days.",
	} {
		moment := testTime().Add(after).UTC()
		x.Expires = moment.Format(time.RFC3339)
		v := newView(&a)
		assert.Contains(t, v.openings[0].sentence, want)
		assert.Contains(t, v.openings[0].sentence, "at "+policy.ShownEnd(x.Expires), "no mark of an unsafe text")
		assert.Contains(t, v.subject(), "at "+policy.ShownEnd(x.Expires))
	}
}
