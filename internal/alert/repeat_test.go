package alert

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
)

// anotherPort is a closing beside that of repeated, of another rule.
func anotherPort(outcome finding.Outcome, first string) finding.Result {
	r := result(outcome, identified("sgr-0bbbbbbbbbbbbbbb2", tcp(5432, "0.0.0.0/0")))
	if first != "" {
		r.Repeat = &finding.Repeat{Closings: 5, Since: *at(0), FirstAlertID: first}
	}
	return r
}

// An attacker must not be able to put an alert of anything new into a thread that nobody reads.
func TestOnlyAnAlertWithoutAnythingNewIsInTheThreadOfAnother(t *testing.T) {
	const first = "a-00112233445566aa"
	exemptByTag := result(finding.OutcomeExempt, tcp(22, "0.0.0.0/0"))
	exemptByTag.Exception = &finding.Exception{ID: "tagged", ByTag: true}
	for name, c := range map[string]struct {
		beside     []finding.Result
		try        int // 0 is the first
		change     func(*finding.Result)
		thread     string // "" is the alert's own
		repeat     string
		inTheTitle string
	}{
		"a repeat":                                        {thread: first, repeat: repeatAgain, inTheTitle: "Closed for the 4th time: MySQL"},
		"two of one first alert":                          {beside: []finding.Result{anotherPort(finding.OutcomeRevoked, first)}, thread: first, repeat: repeatAgain},
		"a repeat of another alert beside":                {beside: []finding.Result{anotherPort(finding.OutcomeRevoked, "a-aabbccddeeff0011")}},
		"something new beside":                            {beside: []finding.Result{anotherPort(finding.OutcomeRevoked, "")}},
		"a failure beside":                                {beside: []finding.Result{anotherPort(finding.OutcomeFailed, "")}, inTheTitle: "COULD NOT CLOSE"},
		"an alerted opening beside":                       {beside: []finding.Result{anotherPort(finding.OutcomeAlerted, "")}},
		"an exempt rule beside":                           {beside: []finding.Result{result(finding.OutcomeExempt, tcp(22, "0.0.0.0/0"))}, thread: first, repeat: repeatAgain},
		"what a tag exempts beside":                       {beside: []finding.Result{exemptByTag}},
		"an edit":                                         {change: func(r *finding.Result) { r.Edited = true }},
		"a try after one that may have told of a failure": {try: 2, inTheTitle: "Closed for the 4th time"},
		"the end of an earlier failure beside":            {beside: []finding.Result{result(finding.OutcomeCompliant, tcp(22, "0.0.0.0/0"))}},
		"escalated":                                       {change: func(r *finding.Result) { r.Repeat.Escalated = true }, repeat: repeatEscalated, inTheTitle: "KEEPS COMING BACK, closed for the 4th time"},
		"escalated beside something new": {
			beside: []finding.Result{anotherPort(finding.OutcomeRevoked, "")}, change: func(r *finding.Result) { r.Repeat.Escalated = true }, repeat: repeatEscalated,
		},
		"others of the group let it through": {change: func(r *finding.Result) { r.Outcome, r.Gone = finding.OutcomeAlreadyClosed, true }},
		"a first alert that is no id":        {change: func(r *finding.Result) { r.Repeat.FirstAlertID = "<!channel>" }, inTheTitle: "Closed for the 4th time"},
		"a try that found it gone":           {change: func(r *finding.Result) { r.Outcome, r.MaybeEarlier = finding.OutcomeAlreadyClosed, true }, thread: first, repeat: repeatAgain},
	} {
		t.Run(name, func(t *testing.T) {
			a := repeated(4, 7200)
			if c.change != nil {
				c.change(&a.Findings[0])
			}
			a = alertOf(append(a.Findings, c.beside...)...)
			a.Try = max(a.Try, c.try)
			m := messageOf(t, a)
			requireDeliverable(t, m)
			n := chatOf(t, m)
			want := c.thread
			if want == "" {
				want = n.ID
			}
			assert.Equal(t, want, n.Metadata.ThreadID)
			assert.NotEqual(t, first, n.ID, "an alert keeps the id of its event")
			attributes := map[string]string{}
			for _, at := range m.Attributes {
				attributes[at.Name] = at.Value
			}
			assert.Equal(t, c.repeat, attributes["repeat"])
			assert.Equal(t, "critical", attributes["severity"], "no filter by severity loses it")
			assert.LessOrEqual(t, len(m.Attributes), 10, "SNS delivers no more to SQS")
			assert.Contains(t, n.Content.Title, c.inTheTitle)
		})
	}
}

// Whoever has the role of a pipeline may make its opening beside another one.
func TestATitleLooksLikeARepeatOnlyIfNothingIsNew(t *testing.T) {
	for name, c := range map[string]struct {
		first       string // of the opening beside
		escalated   bool
		title, mail string
	}{
		"something new":           {"", false, "Closed: MySQL (tcp 3306)", "] Closed: MySQL"},
		"beside one that stays":   {"", true, "KEEPS COMING BACK, closed for the 4th time: ", "] KEEPS COMING BACK: "},
		"another that comes back": {"a-aabbccddeeff0011", false, "Closed for the 4th time: ", "] Closed for the 4th time: "},
	} {
		t.Run(name, func(t *testing.T) {
			a := repeated(4, 7200)
			a.Findings[0].Repeat.Escalated = c.escalated
			m := messageOf(t, alertOf(append(a.Findings, anotherPort(finding.OutcomeRevoked, c.first))...))
			n := chatOf(t, m)
			assert.True(t, strings.HasPrefix(n.Content.Title, c.title), n.Content.Title)
			assert.Contains(t, m.Subject, c.mail)
			assert.Contains(t, n.Content.Description, " for the 4th time: MySQL", "the list says which")
		})
	}
}

// What is known of who makes the opening, and nothing else.
func TestARepeatNamesTheCodeOnlyWhereItIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		userAgent, invokedBy, stack, want string
	}{
		"terraform":            {userAgent: "APN/1.0 HashiCorp/1.0 Terraform/1.13.4", want: "It is in code, by its user agent: Terraform made the rule. Change it there (sgward check shows where)"},
		"cloudformation":       {invokedBy: "cloudformation.amazonaws.com", stack: "web", want: "It is in code: CloudFormation made the rule, in a group of stack web. "},
		"its stack is unknown": {invokedBy: "cloudformation.amazonaws.com", want: "It is in code: CloudFormation made the rule. "},
		"a hand in a stack":    {stack: "web", want: "The group is of CloudFormation stack web, but CloudFormation did not make the rule: look for a script or a job."},
		"a hand":               {want: "A script or a job seems to make it: change that"},
	} {
		t.Run(name, func(t *testing.T) {
			a := repeated(4, 7200)
			a.Event.UserAgent, a.Event.Actor.InvokedBy, a.Findings[0].StackName = c.userAgent, c.invokedBy, c.stack
			m := messageOf(t, a)
			said := chatOf(t, m).Content.Description
			assert.Contains(t, said, "*Again* Closed 4 times in 2 h, opened each time by role Developer. "+c.want)
			assert.Contains(t, said, "The first alert is a-00112233445566aa.")
			assert.Equal(t, c.stack != "", len(decoded(t, m).Findings[0].StackName) > 0)
		})
	}
}

func TestAStackIsNamedInTheFirstAlert(t *testing.T) {
	a := alertOf(result(finding.OutcomeRevoked, tcp(22, "0.0.0.0/0")))
	a.Findings[0].StackName = "web"
	assert.Contains(t, chatOf(t, messageOf(t, a)).Content.Description, ", us-east-1, of CloudFormation stack web; in use by")
	a.Findings[0].StackName = hostile
	requireDeliverable(t, messageOf(t, a))
}

// An incoming webhook has no threads.
func TestTheCardOfARepeatIsShort(t *testing.T) {
	full := CardOf("", messageOf(t, alertOf(result(finding.OutcomeRevoked, tcp(22, "0.0.0.0/0")))).Default)
	require.NotEmpty(t, full.Text)
	short := CardOf("", messageOf(t, repeated(4, 7200)).Default)
	var names []string
	for _, f := range short.Facts {
		names = append(names, f.Name)
	}
	assert.Equal(t, []string{"Again", "Who", "Where"}, names)
	assert.Empty(t, short.Text)
	assert.Empty(t, short.Links)
	assert.Equal(t, Closed, short.Urgency)

	a := repeated(3, 7200)
	a.Findings[0].Repeat.Escalated = true
	escalated := CardOf("", messageOf(t, a).Default)
	assert.Equal(t, Recurring, escalated.Urgency)
	assert.NotEmpty(t, escalated.Text, "people have to do something now")
	failed := CardOf("", messageOf(t, alertOf(a.Findings[0], anotherPort(finding.OutcomeFailed, ""))).Default)
	assert.Equal(t, Open, failed.Urgency, "something is open")
}

func TestOrdinals(t *testing.T) {
	for n, want := range map[int]string{2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 102: "102nd", 112: "112th", 1003: "1,003rd"} {
		assert.Equal(t, want, ordinal(n))
	}
}
