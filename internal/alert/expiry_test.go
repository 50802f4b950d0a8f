package alert

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestExceptionsThatAreLeftOutAreCounted(t *testing.T) {
	all := scenarios()
	a := all[slices.IndexFunc(all, func(s scenario) bool { return s.name == "exceptions-end" })].alert
	a.Findings = slices.Repeat(a.Findings[:1], 40)
	assert.Contains(t, mail().text(newView(&a)), "\nAnd 15 more.\n")
}
