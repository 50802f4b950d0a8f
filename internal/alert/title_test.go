package alert

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/finding"
)

func TestSubjectsAreFilteredAndReadAtOnce(t *testing.T) {
	a := alertOf(result(finding.OutcomeRevoked, tcp(3306, "0.0.0.0/0")))
	assert.Equal(t, "[sgward critical] Closed: MySQL open to the internet in web, production us-east-1", messageOf(t, a).Subject)
	a.AccountName = ""
	assert.Equal(t, "[sgward critical] Closed: MySQL open to the internet in web, 123456789012 us-east-1", messageOf(t, a).Subject)
	assert.Contains(t, chatOf(t, messageOf(t, a)).Content.Title, " in web, account 123456789012")
	a.AccountName = "<!channel>"
	assert.NotContains(t, messageOf(t, a).Email, "channel", "a name that the stack would refuse")
	a.AccountName, a.Findings[0].GroupName = "production", strings.Repeat("x", 64)
	assert.Equal(t, "[sgward critical] Closed: MySQL open to the internet, production us-east-1", messageOf(t, a).Subject)
	assert.Contains(t, chatOf(t, messageOf(t, a)).Content.Title, " in "+strings.Repeat("x", 64))
}

func TestAListThatHoldsTheWholeInternetIsThat(t *testing.T) {
	a := alertOf(result(finding.OutcomeRevoked, tcp(5432, "0.0.0.0/0")))
	for _, s := range scenarios() {
		if s.name == "prefix-list-edited" {
			a = s.alert
		}
	}
	assert.Contains(t, messageOf(t, a).Email, "Redis (tcp 6379) to the whole internet by prefix list")
	a.PrefixListEntries = a.PrefixListEntries[1:]
	assert.Contains(t, messageOf(t, a).Email, "Redis (tcp 6379) to prefix list pl-")
}
