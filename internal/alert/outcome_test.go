package alert

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/finding"
)

func TestGroupedTextsStandOnceBehindTheirNumbers(t *testing.T) {
	assert.Equal(t, []string{"1-2, 4: a", "3: b"}, grouped([][]string{{"a"}, {"a", "a"}, {"b"}, {"a"}}))
	assert.Equal(t, []string{"a"}, grouped([][]string{{"a"}, {"a"}}))
	assert.Equal(t, []string{"a", "2: b"}, grouped([][]string{{"a"}, {"a", "b"}}))
	assert.Empty(t, grouped(nil))
}

func TestARetryDoesNotLie(t *testing.T) {
	say := func(outcome finding.Outcome, try, tries int, earlier bool) string {
		a := alertOf(result(outcome, tcp(22, "0.0.0.0/0")))
		a.Try, a.Tries, a.Findings[0].MaybeEarlier = try, tries, earlier
		return strings.Join(strings.Fields(messageOf(t, a).Email), " ")
	}
	text := say(finding.OutcomeAlreadyClosed, 3, 5, true)
	assert.Contains(t, text, "An earlier try of sgward may have closed it (this was try 3 of 5), or someone else.")
	assert.NotContains(t, text, "sgward closed it")
	text = say(finding.OutcomeAlreadyClosed, 1, 5, false)
	assert.Contains(t, text, "Someone else removed it, or sgward itself")
	assert.NotContains(t, text, "earlier try")
	assert.Contains(t, say(finding.OutcomeFailed, 2, 5, false), "Try 2 of 5; sgward will retry.")
	assert.Contains(t, say(finding.OutcomeFailed, 5, 5, false), "the last try, try 5 of 5: there is no retry")
	assert.NotContains(t, say(finding.OutcomeFailed, 0, 0, false), "try again.")
	for _, try := range []int{2, 5} {
		assert.NotContains(t, say(finding.OutcomeFailed, try, 5, false), "the rule is gone")
	}
}

func TestClosedEditSaysThatTheOldRuleIsGoneToo(t *testing.T) {
	for outcome, gone := range map[finding.Outcome]bool{
		finding.OutcomeRevoked: true, finding.OutcomeAlreadyClosed: true,
		finding.OutcomeFailed: false, finding.OutcomeWouldRevoke: false, finding.OutcomeAlerted: false,
	} {
		a := alertOf(result(outcome, tcp(6379, "0.0.0.0/0")))
		a.Event.EventName, a.Findings[0].Edited = "ModifySecurityGroupRules", true
		m := messageOf(t, a)
		assert.Equal(t, gone, strings.Contains(m.Subject, "losed (edited): "), m.Subject)
		for _, text := range []string{m.Email, chatOf(t, m).Content.Title} {
			said := strings.Contains(strings.Join(strings.Fields(text), " "), "losed with all that the rule allowed before its edit: ")
			assert.Equal(t, gone, said, outcome)
			assert.NotContains(t, text, "back exactly as it was", "it was something else before the edit")
		}
	}
}
