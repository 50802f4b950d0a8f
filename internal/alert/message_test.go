package alert

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

func decoded(t testing.TB, m Message) finding.Alert {
	var a finding.Alert
	d := json.NewDecoder(strings.NewReader(m.Default))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&a))
	return a
}

func messageOf(t testing.TB, a finding.Alert) Message {
	t.Helper()
	m, err := NewMessage(Complete(a))
	require.NoError(t, err)
	return m
}

func chatOf(t testing.TB, m Message) notification {
	var n notification
	d := json.NewDecoder(strings.NewReader(m.HTTPS))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&n))
	return n
}

// requireDeliverable holds a message to everything that SNS, mail and chat ask.
func requireDeliverable(t testing.TB, m Message) {
	t.Helper()
	body, err := m.body()
	require.NoError(t, err)
	size := len(body) + len(m.Subject)
	for _, at := range m.Attributes {
		require.NotEmpty(t, at.Value, at.Name)
		require.Equal(t, at.Value, text.Visible(at.Value), at.Name)
		size += len(at.Name) + len(at.Type) + len(at.Value)
		if at.Type == "String.Array" {
			var list []string
			require.NoError(t, json.Unmarshal([]byte(at.Value), &list))
			require.NotEmpty(t, list)
			require.True(t, slices.IsSorted(list))
			require.Len(t, slices.Compact(slices.Clone(list)), len(list))
		}
	}
	require.LessOrEqual(t, size, maxMessage)
	require.Less(t, maxMessage, 262_144, "the limit of SNS")
	require.LessOrEqual(t, encodedSize(m.Email), maxMail)
	require.LessOrEqual(t, encodedSize(m.HTTPS), maxChat)

	require.NotEmpty(t, m.Subject)
	require.Less(t, len(m.Subject), 100)
	for i := range len(m.Subject) {
		require.True(t, m.Subject[i] >= ' ' && m.Subject[i] < 0x7F, "subject %q", m.Subject)
	}

	for _, line := range strings.Split(m.Email, "\n") {
		require.Equal(t, line, text.Visible(line))
		require.LessOrEqual(t, len(line), 998)
	}

	n := chatOf(t, m)
	require.Equal(t, [3]string{"1.0", "custom", "client-markdown"}, [3]string{n.Version, n.Source, n.Content.TextType})
	require.NotEmpty(t, n.ID)
	isAgain := slices.Contains(m.Attributes, Attribute{"repeat", "String", repeatAgain})
	require.Equal(t, isAgain, n.ID != n.Metadata.ThreadID, "an alert that is not a repeat begins a thread")
	require.NotEmpty(t, n.Metadata.ThreadID)
	require.NotEmpty(t, n.Content.Title)
	require.NotEmpty(t, n.Content.Description)
	require.LessOrEqual(t, text.Units(n.Content.Title), maxTitle)
	require.LessOrEqual(t, text.Units(n.Content.Description), maxDescription)
	require.Zero(t, strings.Count(n.Content.Description, "```")%2, "a block is left open")
	for _, out := range append([]string{n.Content.Title, n.Metadata.Summary, n.Content.Description}, n.Content.Keywords...) {
		require.NotContains(t, out, "<!")
		require.NotContains(t, out, " @here")
		require.Equal(t, strings.ReplaceAll(out, "\n", ""), text.Visible(strings.ReplaceAll(out, "\n", "")))
	}
}

func TestEveryScenarioIsDeliverable(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) { requireDeliverable(t, messageOf(t, s.alert)) })
	}
}

func TestAThousandRulesAreOneMessageThatCountsWhatItLeavesOut(t *testing.T) {
	m := messageOf(t, thousandRules())
	requireDeliverable(t, m)
	a := decoded(t, m)
	assert.Greater(t, len(a.Findings), 50)
	assert.Equal(t, 1000, len(a.Findings)+a.FindingsOmitted)
	assert.Equal(t, finding.OutcomeFailed, a.Findings[0].Outcome, "what may still be open comes first")
	for _, r := range a.Findings[1:] {
		assert.Equal(t, policy.Critical, r.Severity)
		assert.NotEmpty(t, r.Undo)
		assert.Equal(t, strings.Repeat("語", 255), r.Rule.Description)
	}
	body, err := m.body()
	require.NoError(t, err)
	assert.Greater(t, len(body), maxMessage*3/4, "the room is used")
	said := fmt.Sprintf("lists %d of 1,000 findings", len(a.Findings))
	assert.Contains(t, strings.Join(strings.Fields(m.Email), " "), said)
	assert.Contains(t, chatOf(t, m).Content.Description, "And 995 more: ")
}

func TestSizesAreCountedAsSNSCountsThem(t *testing.T) {
	// Each of these takes twice its bytes in JSON, and four times in JSON in JSON.
	text := strings.Repeat(`\`, 255)
	var results []finding.Result
	for i := range 25 {
		rule := tcp(3000+i, "0.0.0.0/0")
		rule.Description = text
		r := result(finding.OutcomeRevoked, rule)
		r.Reasons = reasons(fmt.Sprint(i) + text + text)
		results = append(results, r)
	}
	a := alertOf(results...)
	for range 10 {
		a.Exposed = append(a.Exposed, finding.Interface{ID: "eni-0123456789abcdef0", Description: text})
	}
	requireDeliverable(t, messageOf(t, a))
}

func TestOneFindingOfAnySizeIsReported(t *testing.T) {
	rule := tcp(3306, "0.0.0.0/0")
	rule.Description = strings.Repeat(hostile, 2000)
	for range 200 {
		rule.Tags = append(rule.Tags, secgroup.Tag{Key: strings.Repeat("\u202E", 500), Value: strings.Repeat("\x01", 500)})
	}
	r := result(finding.OutcomeFailed, rule)
	r.ErrorMessage, r.GroupName = strings.Repeat("\x00", 1<<20), strings.Repeat("`", 1<<20)
	for range 3000 {
		r.Reasons = append(r.Reasons, policy.Remark(strings.Repeat("&", 3000)))
		r.With = append(r.With, *rule)
	}
	a := alertOf(r)
	a.Event.UserAgent, a.Event.EventID = strings.Repeat(hostile, 5000), strings.Repeat("\n", 5000)
	a.Event.AccountID, a.Event.Region = strings.Repeat("\x02", 5000), hostile
	a.ID = strings.Repeat("<", 1000)
	for range 2000 {
		a.Exposed = append(a.Exposed, finding.Interface{
			ID: hostile, Description: strings.Repeat(hostile, 100), Service: strings.Repeat(hostile, 100),
			MorePublicIPs: slices.Repeat([]string{hostile, "203.0.113.9", "fe80::1%" + hostile}, 1000),
			IPv6Addresses: slices.Repeat([]string{strings.Repeat(hostile, 1000), "2001:db8:1111:2222:3333:4444:5555:6666"}, 1000),
		})
	}
	m := messageOf(t, a)
	requireDeliverable(t, m)
	got := decoded(t, m)
	require.Len(t, got.Findings, 1)
	assert.Zero(t, got.FindingsOmitted)
	assert.Equal(t, "0.0.0.0/0", got.Findings[0].Rule.Permission.Peer.String())
	assert.Contains(t, got.ExposedError, "2002 network interfaces")
	assert.Equal(t, slices.Repeat([]string{"203.0.113.9"}, 10), got.Exposed[49].MorePublicIPs)
}

func TestEntriesWithoutRoomAreCounted(t *testing.T) {
	a := alertOf(result(finding.OutcomeRevoked, tcp(22, "0.0.0.0/0")))
	a.PrefixListID, a.PrefixListEntriesOmitted = "pl-0123456789abcdef0", 7
	a.PrefixListEntries = slices.Repeat([]finding.PrefixListEntry{{Cidr: "10.0.0.0/8"}}, 150)
	m := messageOf(t, a)
	got := decoded(t, m)
	assert.Len(t, got.PrefixListEntries, 100)
	assert.Equal(t, 57, got.PrefixListEntriesOmitted)
	assert.Contains(t, m.Email, "It holds 157 entries")

	a.PrefixListBefore, a.PrefixListBeforeOmitted = a.PrefixListEntries, 3
	m = messageOf(t, a)
	got = decoded(t, m)
	assert.Len(t, got.PrefixListBefore, 100)
	assert.Equal(t, 53, got.PrefixListBeforeOmitted)
	assert.Contains(t, strings.Join(strings.Fields(m.Email), " "), "Before the call it held 153 entries")
}

func TestUndoIsNeverSentWithoutItsTags(t *testing.T) {
	rule := tcp(3306, "0.0.0.0/0")
	for i := range 50 {
		rule.Tags = append(rule.Tags, secgroup.Tag{Key: fmt.Sprintf("k%d%s", i, strings.Repeat("\u202E", 120)), Value: strings.Repeat("\U000E0041", 256)})
	}
	m := messageOf(t, alertOf(result(finding.OutcomeRevoked, rule)))
	requireDeliverable(t, m)
	got := decoded(t, m).Findings[0]
	assert.Empty(t, got.Undo)
	assert.Empty(t, got.Rule.Tags)

	rule.Tags = rule.Tags[:5]
	got = decoded(t, messageOf(t, alertOf(result(finding.OutcomeRevoked, rule)))).Findings[0]
	assert.NotEmpty(t, got.Undo)
	assert.Len(t, got.Rule.Tags, 5)
}

func TestTheSameAlertGivesTheSameBytes(t *testing.T) {
	for _, s := range scenarios() {
		first := messageOf(t, s.alert)
		for range 5 {
			require.Equal(t, first, messageOf(t, s.alert))
		}
	}
}

func TestRenderingLeavesItsArgumentAlone(t *testing.T) {
	oversized := scenarios()[0]
	oversized.alert.Findings[0].GroupName = strings.Repeat("x", 10_000)
	oversized.alert.Findings[0].Rule.Tags[0].Value = strings.Repeat("x", 10_000)
	oversized.alert.Findings[0].Reasons[0] = policy.Remark(strings.Repeat("x", 10_000))
	oversized.alert.Exposed[0].Description = strings.Repeat("x", 10_000)
	for _, s := range append(scenarios(), oversized) {
		before, err := json.Marshal(s.alert)
		require.NoError(t, err)
		messageOf(t, s.alert)
		_, err = NewMessage(s.alert)
		require.NoError(t, err)
		after, err := json.Marshal(s.alert)
		require.NoError(t, err)
		require.Equal(t, string(before), string(after), s.name)
	}
}

func TestTheJSONIsTheAlertItself(t *testing.T) {
	for _, s := range scenarios() {
		if len(s.alert.Findings) > 500 { // which have no room
			continue
		}
		want := Complete(s.alert)
		got := decoded(t, messageOf(t, s.alert))
		wantText, err := marshal(want)
		require.NoError(t, err)
		gotText, err := marshal(got)
		require.NoError(t, err)
		assert.JSONEq(t, wantText, gotText, s.name)
	}
}

func TestAttributesTellTheWorstAndAreNeverEmpty(t *testing.T) {
	values := func(a finding.Alert) map[string]string {
		out := map[string]string{}
		for _, at := range messageOf(t, a).Attributes {
			out[at.Name] = at.Type + " " + at.Value
		}
		return out
	}
	low := result(finding.OutcomeAlreadyClosed, tcp(80, "0.0.0.0/0"))
	low.Severity, low.StatementID = policy.Low, "b"
	high := result(finding.OutcomeWouldRevoke, tcp(22, "0.0.0.0/0"))
	high.Severity, high.StatementID = policy.High, "a"
	assert.Equal(t, map[string]string{
		"accountId": "String 123456789012", "accountName": "String production",
		"actor": `String.Array ["alice@example.com","arn:aws:iam::123456789012:role/teams/Developer"]`, "outcome": "String would_revoke", "region": "String us-east-1",
		"severity": "String high", "statementId": `String.Array ["a","b"]`,
	}, values(alertOf(low, high, low)))

	exempt := result(finding.OutcomeExempt, tcp(22, "0.0.0.0/0"))
	assert.Equal(t, "String low", values(alertOf(exempt))["severity"], "an exempt rule wakes nobody")
	assert.Equal(t, "String exempt", values(alertOf(exempt))["outcome"])
	assert.Equal(t, "String low", values(alertOf(low, exempt))["severity"])

	unstated := low
	unstated.Severity = policy.NoSeverity
	assert.Equal(t, "String critical", values(alertOf(unstated))["severity"], "nobody said that it may wait")

	bare := values(finding.Alert{})
	assert.Equal(t, map[string]string{"outcome": "String exempt", "severity": "String low"}, bare)
}

func TestStatementIDsAreBounded(t *testing.T) {
	var results []finding.Result
	for i := range 1000 {
		r := result(finding.OutcomeAlerted, tcp(22, "0.0.0.0/0"))
		r.StatementID = fmt.Sprintf("%04d%s", i, strings.Repeat("x", 100))
		results = append(results, r)
	}
	m := messageOf(t, alertOf(results...))
	requireDeliverable(t, m)
	statements := m.Attributes[len(m.Attributes)-1].Value
	assert.LessOrEqual(t, len(statements), maxListBytes)
	assert.Contains(t, statements, "0000xxx")
}

func TestCompleteFillsInWhatFollows(t *testing.T) {
	failed := result(finding.OutcomeFailed, tcp(22, "0.0.0.0/0"))
	failed.Undo = "rm -rf /"
	closed := result(finding.OutcomeRevoked, tcp(3306, "0.0.0.0/0"))
	closed.Region, closed.AccountID = "", ""
	closed.ExposureSeconds = number(math.NaN())
	gone := result(finding.OutcomeAlreadyClosed, tcp(3306, "::/0"))
	nameless := finding.Result{Outcome: finding.OutcomeRevoked}
	a := Complete(alertOf(closed, gone, nameless, failed))
	assert.Equal(t, finding.SchemaVersion, a.SchemaVersion)
	assert.Equal(t, ID(a.Event), a.ID)
	assert.Empty(t, a.Findings[0].Undo, "nothing to undo, and no foreign command")
	assert.Contains(t, a.Findings[1].Undo, "--region us-east-1", "the event's region stands in")
	assert.Nil(t, a.Findings[1].ExposureSeconds)
	assert.Empty(t, a.Findings[2].Undo, "no rule is known")
	assert.Contains(t, a.Findings[3].Undo, "::/0")
	assert.Equal(t, a, Complete(a))
	_, err := NewMessage(a)
	assert.NoError(t, err)
	assert.NotNil(t, Complete(finding.Alert{}).Findings, "a list in JSON, not null")
}

func TestIDIsOneForEveryRepeatAndAnotherForEveryEvent(t *testing.T) {
	e := alertOf().Event
	again := e
	again.UserAgent = "another spelling"
	assert.Equal(t, ID(e), ID(again))
	assert.Regexp(t, "^a-[0-9a-f]{16}$", ID(e))
	for name, change := range map[string]func(*cloudtrail.Event){
		"event":   func(e *cloudtrail.Event) { e.EventID = "x" },
		"account": func(e *cloudtrail.Event) { e.AccountID = "111122223333" },
		"region":  func(e *cloudtrail.Event) { e.Region = "eu-central-1" },
		"shifted": func(e *cloudtrail.Event) { e.AccountID, e.Region = e.AccountID+e.Region[:1], e.Region[1:] },
	} {
		other := e
		change(&other)
		assert.NotEqual(t, ID(e), ID(other), name)
	}
	one, two := cloudtrail.Event{EventTime: testTime()}, cloudtrail.Event{EventTime: testTime().Add(time.Second)}
	assert.NotEqual(t, ID(one), ID(two), "events without an id are told apart by their time")
}

// FuzzMessage puts hostile text everywhere at once.
func FuzzMessage(f *testing.F) {
	for i, s := range hostileTexts() {
		f.Add(s, uint8(i), uint8(i%5))
	}
	f.Add(strings.Repeat("&`<", 300), uint8(200), uint8(3))
	f.Fuzz(func(t *testing.T, s string, many, kind uint8) {
		outcomes := finding.OutcomesWorstFirst()
		var results []finding.Result
		for i := range int(many) + 1 {
			rule := tcp(i, "0.0.0.0/0")
			rule.Description, rule.Tags, rule.ID = s, []secgroup.Tag{{Key: s, Value: s}}, s
			if i%7 == 3 {
				rule.Permission.Peer = secgroup.PrefixListPeer(s)
			}
			r := result(outcomes[(i+int(kind))%len(outcomes)], rule)
			r.GroupName, r.ErrorMessage, r.ErrorCode, r.Edited, r.Union, r.With = s, s, s, true, i%2 == 0, []secgroup.Rule{*rule}
			r.Reasons = append(r.Reasons, policy.Remark(s))
			if i%5 == 4 {
				r.GroupID, r.Region, r.StatementID, r.Severity = s, s, s, policy.NoSeverity
			}
			results = append(results, r)
		}
		a := alertOf(results...)
		a.Event.UserAgent, a.Event.SourceIPAddress, a.Event.EventName, a.Event.Actor.ARN, a.ExposedError = s, s, s, s, s
		a.Event.Actor.SessionIssuerARN, a.Exposed[0].Description, a.Exposed[1].ID = "", s, s
		requireDeliverable(t, messageOf(t, a))
	})
}
