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

func TestEverySubjectSaysHowBadAndWhere(t *testing.T) {
	for _, s := range scenarios() {
		for _, name := range []string{"production", "", strings.Repeat("n", 63)} {
			for _, region := range []string{"us-east-1", "ap-southeast-1"} {
				s.alert.AccountName, s.alert.Event.Region = name, region
				a := Complete(s.alert)
				v := newView(&a)
				subject := messageOf(t, a).Subject
				assert.LessOrEqual(t, len(subject), 99, s.name)
				assert.True(t, strings.HasPrefix(subject, "[sgward "+v.severity.String()+"] "), subject)
				assert.Contains(t, subject, " "+region, s.name)
				assert.True(t, strings.Contains(subject, ", "+testAccount) || strings.Contains(subject, ", "+a.Event.AccountID) || name != "" && strings.Contains(subject, ", "+name), subject)
				if in := v.inOnlyGroup(); in != "" && !strings.Contains(subject, in) {
					assert.Greater(t, len(subject)+len(in), 99, subject)
				}
			}
		}
	}
}

func TestASubjectLosesWordsBeforeThePlace(t *testing.T) {
	subject := func(change func(*finding.Alert), outcome finding.Outcome, port int, peer string) string {
		a := alertOf(result(outcome, tcp(port, peer)))
		change(&a)
		return strings.TrimPrefix(messageOf(t, a).Subject, "[sgward critical] ")
	}
	unnamed := func(a *finding.Alert) { a.AccountName, a.Findings[0].Edited = "", true }
	assert.Equal(t, "Closed (edited): Redis open to the internet in web, 123456789012 us-east-1",
		subject(unnamed, finding.OutcomeRevoked, 6379, "0.0.0.0/0"))
	union := func(a *finding.Alert) { a.Findings[0].Union = true }
	assert.Equal(t, "Closed: Redis open to the internet by several rules in web, production us-east-1",
		subject(union, finding.OutcomeRevoked, 6379, "128.0.0.0/1"))
	assert.Equal(t, "Closed: Redis open to the IPv6 internet (union) in web, production us-east-1",
		subject(union, finding.OutcomeRevoked, 6379, "2000::/4"))
	list := func(a *finding.Alert) { a.Findings[0].GroupName = "web-of-the-vendor" }
	assert.Equal(t, "Closed: Redis open to a prefix list in web-of-the-vendor, production us-east-1",
		subject(list, finding.OutcomeRevoked, 6379, "pl-0123456789abcdef0"))
	assert.Equal(t, "Closed: HTTP on 8080 open to the internet in web, production us-east-1",
		subject(func(*finding.Alert) {}, finding.OutcomeRevoked, 8080, "0.0.0.0/0"))
}
