package finding

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/secgroup"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func shippedPolicy(t *testing.T) *policy.Policy {
	t.Helper()
	data, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	p, err := policy.Compile(policyyaml.Document("policy.yaml", data))
	require.NoError(t, err)
	return p
}

func parsed(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte("version: 1\nworld: {ipv4: 9, ipv6: 32}\n"+text)))
	require.NoError(t, err)
	return p
}

// change is a call that made tcp rules, "port peer" each, as EC2's answer tells it.
func change(t *testing.T, rules ...string) cloudtrail.Call {
	t.Helper()
	c := cloudtrail.Call{
		Event: cloudtrail.Event{
			EventID: "11111111-2222-3333-4444-555555555555", EventName: "AuthorizeSecurityGroupIngress",
			EventTime: now.Add(-time.Minute), AccountID: "123456789012", Region: "eu-central-1",
			Actor:           cloudtrail.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/deploy/me", SessionIssuerARN: "arn:aws:iam::123456789012:role/deploy"},
			SourceIPAddress: "198.51.100.7", UserAgent: "aws-cli/2.0",
		},
		Kind: cloudtrail.KindAuthorize, Group: secgroup.Group{ID: "sg-0123456789abcdef0"}, From: cloudtrail.RulesFromResponse,
	}
	for i, text := range rules {
		var port int
		var peer string
		_, err := fmt.Sscan(text, &port, &peer)
		require.NoError(t, err)
		c.Rules = append(c.Rules, secgroup.Rule{
			ID: fmt.Sprintf("sgr-%017x", i+1), GroupID: c.Group.ID, OwnerID: c.AccountID,
			Permission: permission(t, secgroup.Ingress, "tcp", &port, &port, cidr(t, peer)),
		})
	}
	return c
}

func TestAForbiddenRuleIsRevokedAndItsNeighboursAreNoFindings(t *testing.T) {
	p := shippedPolicy(t)
	c := change(t, "3306 10.0.0.0/8", "3306 0.0.0.0/0", "443 0.0.0.0/0", "8080 ::/0")
	d := Detect(p, c, now)
	assert.Equal(t, policy.Revoke, d.Verdict)
	assert.Equal(t, SchemaVersion, d.SchemaVersion)
	assert.Equal(t, p.Digest(), d.PolicyDigest)
	assert.Equal(t, c.EventID, d.Event.EventID)
	assert.Equal(t, "arn:aws:iam::123456789012:role/deploy", d.Event.Actor.SessionIssuerARN)
	require.Len(t, d.Findings, 2)
	first, second := d.Findings[0], d.Findings[1]
	assert.Equal(t, []any{policy.Revoke, policy.Critical, "world-open-database", c.Rules[1]},
		[]any{first.Verdict, first.Severity, first.StatementID, *first.Rule})
	assert.Equal(t, []any{policy.Alert, policy.Medium, "world-open-other", c.Rules[3]}, []any{second.Verdict, second.Severity, second.StatementID, *second.Rule})
	assert.Equal(t, []string{"123456789012", "eu-central-1", "sg-0123456789abcdef0"}, []string{first.AccountID, first.Region, first.GroupID})
	assert.Regexp(t, `^policy\.yaml:\d+ world-open-database: `, first.Reasons[0].String())
	assert.NotEqual(t, first.ID, second.ID)
	assert.Equal(t, d, Detect(p, c, now), "the same event gives the same Detection")
}

func TestWhatIsCompliantIsNone(t *testing.T) {
	d := Detect(shippedPolicy(t), change(t, "443 0.0.0.0/0", "22 10.0.0.0/8"), now)
	assert.Equal(t, policy.Compliant, d.Verdict)
	encoded, err := json.Marshal(d)
	require.NoError(t, err)
	assert.Contains(t, string(encoded), `"findings":[]`, "never null")
}

func TestWhatASkippedEventOpensIsNotJudged(t *testing.T) {
	c := change(t, "22 0.0.0.0/0")
	c.Skipped = "the call failed"
	d := Detect(shippedPolicy(t), c, now)
	assert.Equal(t, policy.Compliant, d.Verdict)
	assert.Empty(t, d.Findings)
}

func TestACallThatOpensNothingIsNotJudged(t *testing.T) {
	c := change(t, "22 0.0.0.0/0")
	c.Kind = cloudtrail.KindRevoke
	d := Detect(shippedPolicy(t), c, now)
	assert.Equal(t, policy.Compliant, d.Verdict)
	assert.Empty(t, d.Findings)
}

func TestWhatTheEventCannotSettleIsInspected(t *testing.T) {
	p := shippedPolicy(t)
	byName, typed, edited, list := change(t, "22 0.0.0.0/0"), change(t, "22 0.0.0.0/0"), change(t, "22 0.0.0.0/0"), change(t)
	byName.Group.ID, byName.Group.Name = "", "web"
	typed.From = cloudtrail.RulesFromRequest
	edited.Kind, edited.Rules[0].Permission.Direction = cloudtrail.KindModify, 0
	list.Rules = []secgroup.Rule{{Permission: permission(t, secgroup.Ingress, "tcp", number(22), number(22), secgroup.PrefixListPeer("pl-0123456789abcdef0"))}}
	for name, c := range map[string]cloudtrail.Call{
		"a group by name":                   byName,
		"what the caller typed":             typed,
		"an edit":                           edited,
		"a prefix list":                     list,
		"a public peer below the threshold": change(t, "22 52.94.76.0/24"),
	} {
		t.Run(name, func(t *testing.T) {
			d := Detect(p, c, now)
			assert.Equal(t, policy.Undetermined, d.Verdict)
			require.Len(t, d.Findings, 1)
			assert.Equal(t, "world-open-admin", d.Findings[0].StatementID)
			assert.Equal(t, c.From == cloudtrail.RulesFromRequest, d.Findings[0].FromRequest)
		})
	}
}

func TestAnAlertNeedsNoReadEvenFromWhatTheCallerTyped(t *testing.T) {
	c := change(t, "8080 0.0.0.0/0")
	c.From = cloudtrail.RulesFromRequest
	assert.Equal(t, policy.Alert, Detect(shippedPolicy(t), c, now).Verdict)
}

func TestAUnionWithinACallIsRevoke(t *testing.T) {
	d := Detect(shippedPolicy(t), change(t, "22 52.0.0.0/10", "22 52.64.0.0/10"), now)
	assert.Equal(t, policy.Revoke, d.Verdict)
	require.Len(t, d.Findings, 2)
	for _, f := range d.Findings {
		assert.True(t, f.Union, "remediate must see that it has to read first")
	}
}

func TestARecordWithoutItsRulesIsReadOrReported(t *testing.T) {
	c := change(t)
	c.From, c.Rules = cloudtrail.RulesUnknown, nil
	d := Detect(shippedPolicy(t), c, now)
	assert.Equal(t, policy.Undetermined, d.Verdict)
	require.Len(t, d.Findings, 1)
	assert.Nil(t, d.Findings[0].Rule)
	assert.Equal(t, "sg-0123456789abcdef0", d.Findings[0].GroupID)
	assert.Equal(t, policy.High, d.Findings[0].Severity)

	c.Group.ID = ""
	d = Detect(shippedPolicy(t), c, now)
	assert.Equal(t, policy.Alert, d.Verdict, "no group to read")
	assert.Contains(t, d.Findings[0].Reasons[0].String(), "AuthorizeSecurityGroupIngress")
}

func TestRulesThatTheResponseDoesNotListAreReadBesideThoseThatItDoes(t *testing.T) {
	c := change(t, "22 0.0.0.0/0", "443 0.0.0.0/0")
	c.Incomplete = true
	d := Detect(shippedPolicy(t), c, now)
	assert.Equal(t, policy.Revoke, d.Verdict, "what is listed does not wait")
	require.Len(t, d.Findings, 2)
	assert.NotNil(t, d.Findings[0].Rule)
	group := d.Findings[1]
	assert.Equal(t, []any{policy.Undetermined, policy.High, "sg-0123456789abcdef0", (*secgroup.Rule)(nil)}, []any{group.Verdict, group.Severity, group.GroupID, group.Rule})
	assert.Contains(t, group.Reasons[0].String(), "fewer rules than the call asked for")

	c.Rules = c.Rules[1:]
	d = Detect(shippedPolicy(t), c, now)
	assert.Equal(t, policy.Undetermined, d.Verdict, "a compliant rule that is listed hides none that is not")
}

func TestAnExemptRuleIsKeptAndRaisesNothing(t *testing.T) {
	p := parsed(t, `statements:
  - {id: closed, effect: revoke, severity: high, ingress: {from: world}}
exceptions:
  - {id: honeypot, reason: research, owner: security@example.com, expires: 2027-06-30, match: {ports: [22/tcp]}}
`)
	d := Detect(p, change(t, "22 0.0.0.0/0"), now)
	assert.Equal(t, policy.Compliant, d.Verdict)
	require.Len(t, d.Findings, 1)
	assert.Equal(t, policy.Exempt, d.Findings[0].Verdict)
	assert.Equal(t, &Exception{ID: "honeypot", Owner: "security@example.com", Expires: "2027-06-30"}, d.Findings[0].Exception)
	assert.Equal(t, policy.Revoke, Detect(p, change(t, "22 0.0.0.0/0"), now.AddDate(1, 0, 0)).Verdict, "expired")
}

func TestJudgeWritesEveryVerdict(t *testing.T) {
	for v := range map[policy.Verdict]bool{policy.Undetermined: true, policy.Compliant: true, policy.Exempt: true, policy.Alert: true, policy.Revoke: true} {
		f := Finding{
			ID: "f-1", GroupID: "sg-1", Verdict: policy.Revoke, Reasons: []policy.Reason{policy.Remark("old")},
			With: []secgroup.Rule{{}}, Exception: &Exception{ID: "old"}, Union: true,
		}
		f.Judge(policy.Judgement{Verdict: v, Severity: policy.High, StatementID: "closed"})
		assert.Equal(t, Finding{ID: "f-1", GroupID: "sg-1", Verdict: v, Severity: policy.High, StatementID: "closed", Reasons: []policy.Reason{}}, f, "nothing of an earlier judgement is left")
	}
	others := change(t, "22 52.0.0.0/10").Rules
	f := Finding{}
	f.Judge(policy.Judgement{Verdict: policy.Revoke, Union: true, With: others, Reasons: []policy.Reason{policy.Remark("new")}})
	assert.Equal(t, others, f.With)
	assert.Equal(t, []policy.Reason{policy.Remark("new")}, f.Reasons)
}

func TestAFindingNamesItsPlaceAndItsIDTheRule(t *testing.T) {
	c := change(t, "22 0.0.0.0/0", "23 0.0.0.0/0")
	c.Rules[1].ID = ""
	req := RequestOf(c, now)
	req.Group.VPCID, req.Group.Name = "vpc-0123456789abcdef0", "web"
	f := Of(req, 0, policy.Judgement{Verdict: policy.Alert}, c.EventID)
	assert.Equal(t, Finding{
		ID:      NewID(c.AccountID, c.Region, c.Group.ID, "sgr-00000000000000001", c.EventID),
		Verdict: policy.Alert, Reasons: []policy.Reason{}, AccountID: c.AccountID, Region: c.Region,
		GroupID: c.Group.ID, GroupName: "web", VPCID: "vpc-0123456789abcdef0", Rule: &c.Rules[0],
	}, f)
	f = Of(req, 1, policy.Judgement{}, c.EventID)
	assert.Equal(t, NewID(c.AccountID, c.Region, c.Group.ID, "ingress tcp 23 from 0.0.0.0/0", c.EventID), f.ID, "without an id the permission tells it from others")
	req.Group.ID = ""
	assert.Equal(t, NewID(c.AccountID, c.Region, "web", "ingress tcp 23 from 0.0.0.0/0", c.EventID), Of(req, 1, policy.Judgement{}, c.EventID).ID)
}

func TestADetectionStaysWithinItsBudget(t *testing.T) {
	var rules []string
	for range 1000 {
		rules = append(rules, "22 0.0.0.0/0")
	}
	c := change(t, rules...)
	for i := range c.Rules {
		c.Rules[i].Description = strings.Repeat("x", 255)
	}
	d := Detect(shippedPolicy(t), c, now)
	full, fits, err := d.Encode(10_000_000)
	require.NoError(t, err)
	require.True(t, fits)
	assert.Greater(t, len(full), 300_000)

	small, fits, err := d.Encode(len(full) - 1)
	require.NoError(t, err)
	assert.True(t, fits)
	assert.Less(t, len(small), 4000)
	var got Detection
	require.NoError(t, json.Unmarshal(small, &got))
	assert.Equal(t, policy.Undetermined, got.Verdict)
	require.Len(t, got.Findings, 1, "one for the group")
	assert.Equal(t, "sg-0123456789abcdef0", got.Findings[0].GroupID)
	assert.Contains(t, got.Findings[0].Reasons[0].String(), "1000 findings")
	assert.Len(t, d.Findings, 1000, "the Detection itself is left as it was")

	same, fits, err := d.Encode(len(full))
	require.NoError(t, err)
	assert.True(t, fits)
	assert.Equal(t, full, same)
	_, fits, err = d.Encode(100)
	require.NoError(t, err)
	assert.False(t, fits, "an event that leaves no room is told")
	_, fits, err = Detect(shippedPolicy(t), change(t, "443 0.0.0.0/0"), now).Encode(100)
	require.NoError(t, err)
	assert.False(t, fits)
}

func TestCollapsedFindingsKeepTheWorstSeverityAndDropTheExempt(t *testing.T) {
	got := collapse([]Finding{
		{ID: "f-1", GroupID: "sg-1", Verdict: policy.Alert, Severity: policy.Low},
		{ID: "f-2", GroupID: "sg-1", Verdict: policy.Revoke, Severity: policy.Critical},
		{ID: "f-3", GroupID: "sg-2", Verdict: policy.Exempt, Severity: policy.Critical},
		{ID: "f-4", GroupID: "sg-3", Verdict: policy.Undetermined, Severity: policy.High},
		{ID: "f-5", GroupID: "sg-1", Verdict: policy.Alert, Severity: policy.Medium},
	})
	require.Len(t, got, 2)
	assert.Equal(t, []any{"f-1", "sg-1", policy.Critical}, []any{got[0].ID, got[0].GroupID, got[0].Severity})
	assert.Equal(t, []any{"f-4", "sg-3", policy.High}, []any{got[1].ID, got[1].GroupID, got[1].Severity})
	assert.Contains(t, got[0].Reasons[0].String(), "3 findings")
}

func TestOutcomesAreListedWorstFirst(t *testing.T) {
	assert.Equal(t, []Outcome{OutcomeFailed, OutcomeWouldRevoke, OutcomeAlerted, OutcomeRevoked, OutcomeAlreadyClosed, OutcomeCompliant, OutcomeExempt}, OutcomesWorstFirst())
}

func TestOnlyAnExceptionThatTagsCannotGrantIsQuiet(t *testing.T) {
	byTag, reviewed := &Exception{ID: "tagged", ByTag: true}, &Exception{ID: "reviewed"}
	for _, o := range OutcomesWorstFirst() {
		isExempt := o == OutcomeExempt
		for x, want := range map[*Exception]bool{nil: isExempt, reviewed: isExempt, byTag: false} {
			r := Result{Outcome: o, Finding: Finding{Exception: x}}
			assert.Equal(t, want, r.IsQuiet(), "%s %+v", o, x)
		}
	}
}
