package undo_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/internal/undo"
)

const aGroup = "sg-0123456789abcdef0"

// result is a closed rule; change makes it another one.
func result(change func(*finding.Result)) finding.Result {
	rule := secgrouptest.TCP(3306, "0.0.0.0/0")
	rule.ID, rule.GroupID, rule.OwnerID = "sgr-0123456789abcdef0", aGroup, account
	rule.Description, rule.Tags = "temporary", []secgroup.Tag{{Key: "team", Value: "web"}}
	r := finding.Result{Outcome: finding.OutcomeRevoked, Finding: finding.Finding{
		ID: "f-0123456789abcdef", AccountID: account, Region: region, GroupID: aGroup, Rule: rule,
	}}
	if change != nil {
		change(&r)
	}
	return r
}

func alertOf(results ...finding.Result) finding.Alert {
	return finding.Alert{SchemaVersion: "1", ID: "a-0123456789abcdef", Mode: finding.Enforce, Findings: results,
		Event: cloudtrail.Event{AccountID: account, Region: region}}
}

func TestOnlyWhatWasClosedIsPutBack(t *testing.T) {
	for outcome, put := range map[finding.Outcome]bool{
		finding.OutcomeRevoked: true, finding.OutcomeAlreadyClosed: true, finding.OutcomeFailed: false, finding.OutcomeWouldRevoke: false,
		finding.OutcomeAlerted: false, finding.OutcomeExempt: false, "invented": false,
	} {
		items, left, err := undo.Select([]finding.Alert{alertOf(result(func(r *finding.Result) { r.Outcome = outcome }))}, nil)
		require.NoError(t, err)
		if put {
			require.Len(t, items, 1, outcome)
			assert.Empty(t, left)
			assert.Equal(t, "ingress tcp 3306 from 0.0.0.0/0", items[0].Rule.String(), "the old rule's id is no part of it")
			assert.Equal(t, "temporary", items[0].Rule.Description)
			assert.Equal(t, []secgroup.Tag{{Key: "team", Value: "web"}}, items[0].Rule.Tags)
			continue
		}
		assert.Empty(t, items, outcome)
		require.Len(t, left, 1, outcome)
		assert.False(t, left[0].Missing)
		assert.Contains(t, left[0].Why, "nothing to restore")
	}
}

func TestClosedAndNotToBePutBackIsMissing(t *testing.T) {
	a := alertOf(
		result(func(r *finding.Result) { r.Rule = nil }),
		result(func(r *finding.Result) { r.Rule.Permission.Direction = 0 }))
	a.FindingsOmitted = 3
	items, left, err := undo.Select([]finding.Alert{a}, nil)
	require.NoError(t, err)
	assert.Empty(t, items)
	require.Len(t, left, 3)
	for i, why := range []string{"lacks the rule", "lacks its direction", "3 of its findings"} {
		assert.True(t, left[i].Missing)
		assert.Contains(t, left[i].Why, why)
	}
}

// What is not a sound rule of one group is refused before anything is called.
func TestForgedAlertsAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*finding.Result)
		want   string
	}{
		"no group":                {func(r *finding.Result) { r.GroupID = "" }, `its groupId is ""`},
		"group by name":           {func(r *finding.Result) { r.GroupID = "web" }, `its groupId is "web"`},
		"group with a line break": {func(r *finding.Result) { r.GroupID = aGroup + "\n" }, "groupId"},
		"no account":              {func(r *finding.Result) { r.AccountID = "1234" }, `its accountId is "1234"`},
		"region as a host":        {func(r *finding.Result) { r.Region = "us-east-1.example.com" }, "region"},
		"no peer":                 {func(r *finding.Result) { r.Rule.Permission.Peer = secgroup.Peer{} }, "EC2 could not hold its rule"},
		"no protocol":             {func(r *finding.Result) { r.Rule.Permission.Protocol = "" }, "EC2 could not hold its rule"},
		"prefix list":             {func(r *finding.Result) { r.Rule.Permission.Peer = secgroup.PrefixListPeer("list") }, "prefixListId"},
		"referenced group":        {func(r *finding.Result) { r.Rule.Permission.Peer = secgroup.GroupPeer("group", "") }, "referencedGroupId"},
		"its owner":               {func(r *finding.Result) { r.Rule.Permission.Peer = secgroup.GroupPeer(aGroup, "amazon-elb") }, "referencedGroupUserId"},
		"description":             {func(r *finding.Result) { r.Rule.Description = "\x1b[2J" }, "description"},
		"tags":                    {func(r *finding.Result) { r.Rule.Tags = append(r.Rule.Tags, r.Rule.Tags[0]) }, `"team" is there twice`},
	} {
		t.Run(name, func(t *testing.T) {
			items, left, err := undo.Select([]finding.Alert{alertOf(result(func(r *finding.Result) { r.ID = "f-sound" }), result(tt.change))}, nil)
			assert.ErrorContains(t, err, tt.want)
			assert.ErrorContains(t, err, `finding "f-0123456789abcdef": `, "it is named")
			assert.Empty(t, items, "nothing of such an alert is done")
			assert.Empty(t, left)
			items, _, err = undo.Select([]finding.Alert{alertOf(result(func(r *finding.Result) { r.ID = "f-sound" }), result(tt.change))}, []string{"f-sound"})
			assert.NoError(t, err, "a finding that is named is all that counts")
			assert.Len(t, items, 1)
		})
	}
}

func TestForgedRulesAreRefusedWhereTheyAreRead(t *testing.T) {
	sound := encode(t, alertOf(result(nil)))
	for name, tt := range map[string]struct{ old, text, want string }{
		"two peers":      {`"cidrIpv4"`, `"cidrIpv6":"::/0","cidrIpv4"`, "exactly one of"},
		"no peer":        {`"cidrIpv4":"0.0.0.0/0",`, "", "exactly one of"},
		"IPv6 as IPv4":   {"0.0.0.0/0", "::/0", "other address family"},
		"half a CIDR":    {"0.0.0.0/0", "0.0.0.0", "CIDR"},
		"direction":      {"ingress", "both", "direction"},
		"protocol":       {"tcp", "http", "protocol"},
		"no protocol":    {`"ipProtocol":"tcp",`, "", "protocol"},
		"ports left out": {`"fromPort":3306,"toPort":3306,`, "", "ports are missing"},
		"ports -1":       {`"fromPort":3306,"toPort":3306`, `"fromPort":-1,"toPort":-1`, "fromPort is -1"},
		"one port":       {`"toPort":3306,`, "", "missing"},
		"port 65536":     {`"toPort":3306`, `"toPort":65536`, "65535"},
	} {
		text := strings.Replace(sound, tt.old, tt.text, 1)
		require.NotEqual(t, sound, text, name)
		alerts, err := undo.Read([]byte(text))
		assert.ErrorContains(t, err, tt.want, name)
		assert.ErrorContains(t, err, "the alert's findings.0.rule: ", "it is named")
		assert.Empty(t, alerts)
	}
}

func TestEveryUnsoundRuleIsNamed(t *testing.T) {
	bad := func(id string) finding.Result {
		return result(func(r *finding.Result) { r.ID, r.GroupID = id, "web" })
	}
	_, _, err := undo.Select([]finding.Alert{alertOf(bad("f-1"), bad("f-2"))}, nil)
	assert.ErrorContains(t, err, `"f-1"`)
	assert.ErrorContains(t, err, `"f-2"`)
}

func TestFindingsAreChosenByID(t *testing.T) {
	a := alertOf(result(nil), result(func(r *finding.Result) {
		r.ID, r.Rule.Permission.Peer = "f-2", secgrouptest.TCP(1, "198.51.100.0/24").Permission.Peer
	}))
	items, left, err := undo.Select([]finding.Alert{a}, []string{"f-2"})
	require.NoError(t, err)
	assert.Empty(t, left)
	require.Len(t, items, 1)
	assert.Equal(t, "f-2", items[0].Result.ID)
	a.FindingsOmitted = 7
	_, left, err = undo.Select([]finding.Alert{a}, []string{"f-2"})
	require.NoError(t, err)
	assert.Empty(t, left, "nobody asked for what the alert leaves out")
	_, _, err = undo.Select([]finding.Alert{a}, []string{"f-2", "f-3"})
	assert.ErrorContains(t, err, `no finding "f-3"`)
	assert.ErrorContains(t, err, `"f-0123456789abcdef" "f-2"`)
}

// A message is delivered at least once, and an alert may be told twice.
func TestRepeatsAreOneAndContradictionsAreRefused(t *testing.T) {
	again := result(func(r *finding.Result) { r.Outcome = finding.OutcomeAlreadyClosed })
	items, _, err := undo.Select([]finding.Alert{alertOf(result(nil)), alertOf(again)}, nil)
	require.NoError(t, err)
	assert.Len(t, items, 1)
	reworded := result(func(r *finding.Result) { r.ID, r.Rule.Description = "f-2", "for ever" })
	_, _, err = undo.Select([]finding.Alert{alertOf(result(nil)), alertOf(reworded)}, nil)
	assert.ErrorContains(t, err, `finding "f-2"`)
	assert.ErrorContains(t, err, "another description")
	elsewhere := result(func(r *finding.Result) { r.Region = "eu-central-1" })
	items, _, err = undo.Select([]finding.Alert{alertOf(result(nil)), alertOf(elsewhere)}, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"eu-central-1", region}, undo.Regions(items))
	assert.Equal(t, []string{account}, undo.Accounts(items))
}

// People paste what a queue held: thousands of alerts must not take minutes.
func TestManyAlertsAreSelectedInNoTime(t *testing.T) {
	const many = 60_000
	results := make([]finding.Result, many)
	for i := range results {
		results[i] = result(func(r *finding.Result) {
			r.ID = fmt.Sprintf("f-%d", i)
			r.Rule.Permission.Ports = secgroup.PortRange{From: uint16(i), To: uint16(i)}
		})
	}
	start := time.Now()
	items, _, err := undo.Select([]finding.Alert{alertOf(results...)}, nil)
	require.NoError(t, err)
	assert.Len(t, items, many)
	assert.Less(t, time.Since(start), 10*time.Second, "comparing each with each takes far longer")
}

func TestWhereIsTheEventsUnlessTheFindingSaysSo(t *testing.T) {
	items, _, err := undo.Select([]finding.Alert{alertOf(result(func(r *finding.Result) { r.AccountID, r.Region = "", "" }))}, nil)
	require.NoError(t, err)
	assert.Equal(t, account, items[0].AccountID)
	assert.Equal(t, region, items[0].Region)
}

func encode(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return string(out)
}

func TestWhatIsNoAlertIsNamed(t *testing.T) {
	sound := encode(t, alertOf(result(nil)))
	quoted := encode(t, sound)
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":          {" \n", "it is empty"},
		"plain text":       {"Closed: tcp 3306 (MySQL)\n", "but its id does: sgward undo ALERT-ID"},
		"cut off":          {sound[:len(sound)-2], "not JSON"},
		"another object":   {`{"detail":{}}`, "not an alert of sgward"},
		"a number":         {`7`, "not an alert of sgward"},
		"null":             {`null`, "not an alert of sgward"},
		"newer schema":     {strings.Replace(sound, `"1"`, `"2"`, 1), `schemaVersion "2": this sgward knows "1"`},
		"a Detection":      {`{"schemaVersion":"1","decision":"revoke","findings":[{"id":"f-1","decision":"revoke"}]}`, "findings[0] has no outcome"},
		"no findings":      {`{"schemaVersion":"1"}`, "not an alert of sgward"},
		"wrong type":       {strings.Replace(sound, `"fromPort":3306`, `"fromPort":"3306"`, 1), "the alert's findings.0.rule.fromPort is a JSON string"},
		"e-mail in SNS":    {`{"Type":"Notification","Message":"Closed: tcp 3306"}`, "Message is not JSON"},
		"second of two":    {sound + "\n{}", "reading alert 2: "},
		"place in SQS":     {`{"Messages":[{"Body":` + quoted + `},{"Body":"{}"}]}`, "reading the alert: Messages[1]: body: not an alert"},
		"place in records": {`{"Records":[{"Sns":{"Message":"x"}}]}`, "Records[0]: Sns: Message is not JSON"},
		"confirmation":     {`{"Type":"SubscriptionConfirmation","Message":"You have chosen"}`, "not an alert of sgward"},
		"no messages":      {`{"Messages":[]}`, "not an alert of sgward"},
		"an empty list":    {`[]`, "not an alert of sgward"},
		"one in a list":    {`[` + sound + `,[]]`, "reading the alert: [1]: not an alert of sgward"},
	} {
		t.Run(name, func(t *testing.T) {
			alerts, err := undo.Read([]byte(tt.text))
			assert.ErrorContains(t, err, tt.want)
			assert.Empty(t, alerts)
		})
	}
	deep := sound
	for range 9 {
		deep = fmt.Sprintf(`{"Message":%s}`, encode(t, deep))
	}
	_, err := undo.Read([]byte(deep))
	assert.ErrorContains(t, err, "more than 6 envelopes")
	_, err = undo.Read([]byte(strings.Repeat("[", 100_000)))
	assert.Error(t, err)
	alerts, err := undo.Read([]byte("\ufeff" + sound + sound))
	require.NoError(t, err)
	assert.Len(t, alerts, 2, "a byte order mark is none of JSON's, and passed over")
}

// Whatever is read: nothing panics, and what is to be put back is a rule that EC2
// could hold, in a group that has an id.
func FuzzWhateverIsReadOnlySoundRulesComeOut(f *testing.F) {
	sound, err := json.Marshal(alertOf(result(nil), result(func(r *finding.Result) {
		r.ID, r.Rule.Permission.Peer = "f-2", secgroup.GroupPeer(aGroup, "")
	})))
	require.NoError(f, err)
	quoted, err := json.Marshal(string(sound))
	require.NoError(f, err)
	for _, seed := range []string{string(sound), `{"Messages":[{"Body":` + string(quoted) + `}]}`, `{"Records":[{"Sns":{"Message":` + string(quoted) + `}}]}`, "[]", "{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		alerts, err := undo.Read(data)
		if err != nil {
			return
		}
		items, _, err := undo.Select(alerts, nil)
		if err != nil {
			assert.Empty(t, items)
			return
		}
		for _, it := range items {
			p := it.Rule.Permission
			from, to := p.FromTo()
			again, err := secgroup.NewPermission(p.Direction, p.Protocol, &from, &to, p.Peer)
			require.NoError(t, err)
			assert.Equal(t, p, again)
			assert.NotZero(t, p.Direction)
			assert.Regexp(t, `^sg-[0-9a-f]{8,17}\z`, it.Rule.GroupID)
			assert.Regexp(t, `^\d{12}\z`, it.AccountID)
			assert.Regexp(t, `^[a-z0-9-]+\z`, it.Region)
		}
	})
}
