package undo_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/authorize"
	"sgward/internal/eventhistory"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/internal/undo"
)

// history is an event history that gives its records to the lookups that they fit, a
// page of pageSize at a time.
type history struct {
	records  []record
	pageSize int
	err      error
	asked    []eventhistory.Lookup
}

type record struct {
	name, id, text string
	at             time.Time
}

func (h *history) LookupEvents(_ context.Context, in eventhistory.Lookup) (eventhistory.Page, error) {
	h.asked = append(h.asked, in)
	if h.err != nil {
		return eventhistory.Page{}, h.err
	}
	var found [][]byte
	for _, r := range h.records {
		fits := in.By == eventhistory.ByName && r.name == in.Value || in.By == eventhistory.ByID && r.id == in.Value
		if fits && (in.Start.IsZero() || !r.at.Before(in.Start)) && (in.End.IsZero() || !r.at.After(in.End)) {
			found = append(found, []byte(r.text))
		}
	}
	from := 0
	_, _ = fmt.Sscan(in.NextToken, &from)
	var out eventhistory.Page
	if h.pageSize > 0 && from+h.pageSize < len(found) {
		out.NextToken = fmt.Sprint(from + h.pageSize)
		found = found[:from+h.pageSize]
	}
	out.Records = found[from:]
	return out, nil
}

// emptyGroups is an EC2 whose groups hold no rules.
type emptyGroups struct{ authorize.EC2 }

func (emptyGroups) DescribeSecurityGroups(_ context.Context, in *ec2.DescribeSecurityGroupsInput, _ ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	out := &ec2.DescribeSecurityGroupsOutput{}
	for _, id := range in.GroupIds {
		out.SecurityGroups = append(out.SecurityGroups, ec2types.SecurityGroup{GroupId: aws.String(id), OwnerId: aws.String(account)})
	}
	return out, nil
}

func (emptyGroups) DescribeSecurityGroupRules(context.Context, *ec2.DescribeSecurityGroupRulesInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	return &ec2.DescribeSecurityGroupRulesOutput{}, nil
}

var (
	now    = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	closed = now.Add(-time.Hour)
)

// What a record may differ in.
const (
	remediateRole = "sgward-RemediateRole-EXAMPLE"
	someRole      = "Developer"
	plainAgent    = "aws-cli/2.31"
	ourAgent      = "aws-sdk-go-v2/1.48.0 ua/2.1 os/linux app/sgward m/E"
)

// call is the record of a call that names a rule tcp 3306 of a peer.
func call(name, group, cidr, role, agent string, at time.Time) record {
	id := fmt.Sprintf("%s-%d", name, at.Unix())
	return record{name, id, fmt.Sprintf(`{"eventVersion":"1.11","eventID":%q,"eventName":%q,"eventSource":"ec2.amazonaws.com","eventTime":%q,
		"awsRegion":"us-east-1","recipientAccountId":"123456789012","eventType":"AwsApiCall","userAgent":%q,
		"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/%s/s","accountId":"123456789012",
			"sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::123456789012:role/%s"}}},
		"requestParameters":{"groupId":%q,"ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":3306,"toPort":3306,"groups":{},
			"ipRanges":{"items":[{"cidrIp":%q}]},"ipv6Ranges":{},"prefixListIds":{}}]}},
		"responseElements":{"_return":true}}`, id, name, at.Format(time.RFC3339), agent, role, role, group, cidr), at}
}

const (
	revokeIngress    = "RevokeSecurityGroupIngress"
	authorizeIngress = "AuthorizeSecurityGroupIngress"
)

// confirmations asks a history about the results of one alert.
func confirmations(t *testing.T, h *history, change func(*finding.Alert), results ...finding.Result) []undo.Confirmation {
	t.Helper()
	a := alertOf(results...)
	a.Event.EventTime = closed.Add(-10 * time.Second)
	for i := range a.Findings {
		if a.Findings[i].ClosedAt == nil {
			a.Findings[i].ClosedAt = &closed
		}
	}
	if change != nil {
		change(&a)
	}
	items, _, err := undo.Select([]finding.Alert{a}, nil)
	require.NoError(t, err)
	u := &undo.Undoer{Client: func(string) authorize.EC2 { return emptyGroups{} }, Now: func() time.Time { return now }}
	if h != nil {
		u.Trail = func(string) undo.Trail { return h }
	}
	var out []undo.Confirmation
	for _, s := range u.Plan(t.Context(), items) {
		require.NoError(t, s.Err)
		require.Len(t, s.Confirmed, len(s.Items))
		out = append(out, s.Confirmed...)
	}
	return out
}

func TestCloudTrailConfirmsOnlySgwardsOwnCallForThisRule(t *testing.T) {
	denied := &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}
	long := closed.AddDate(0, 0, -100)
	for name, tt := range map[string]struct {
		history *history
		change  func(*finding.Alert)
		want    undo.Evidence
		why     string
	}{
		"by the role": {&history{records: []record{call(revokeIngress, aGroup, "0.0.0.0/0", remediateRole, plainAgent, closed)}}, nil,
			undo.Confirmed, "closed by arn:aws:sts::123456789012:assumed-role/sgward-RemediateRole-EXAMPLE/s at 2026-11-03 11:00:00 UTC"},
		"by the user agent": {&history{records: []record{call(revokeIngress, aGroup, "0.0.0.0/0", "renamed", ourAgent, closed)}}, nil, undo.Confirmed, "renamed"},
		"by an agent that only begins so": {&history{records: []record{call(revokeIngress, aGroup, "0.0.0.0/0", someRole, "x app/sgwarden", closed)}}, nil,
			undo.Unconfirmed, "is not sgward"},
		"by somebody else": {&history{records: []record{call(revokeIngress, aGroup, "0.0.0.0/0", someRole, plainAgent, closed)}}, nil,
			undo.Unconfirmed, "assumed-role/Developer/s closed it at 2026-11-03 11:00:00 UTC, which is not sgward"},
		"another group": {&history{records: []record{call(revokeIngress, "sg-0123456789abcdef1", "0.0.0.0/0", remediateRole, ourAgent, closed)}}, nil,
			undo.Contradicted, "forged"},
		"another peer":      {&history{records: []record{call(revokeIngress, aGroup, "10.0.0.0/8", remediateRole, ourAgent, closed)}}, nil, undo.Contradicted, "forged"},
		"another direction": {&history{records: []record{call("RevokeSecurityGroupEgress", aGroup, "0.0.0.0/0", remediateRole, ourAgent, closed)}}, nil, undo.Contradicted, "forged"},
		"another time":      {&history{records: []record{call(revokeIngress, aGroup, "0.0.0.0/0", remediateRole, ourAgent, closed.Add(-3*time.Hour))}}, nil, undo.Contradicted, "forged"},
		"another account": {&history{records: []record{call(revokeIngress, aGroup, "0.0.0.0/0", remediateRole, ourAgent, closed)}},
			func(a *finding.Alert) { a.Findings[0].AccountID = "111122223333" }, undo.Contradicted, "forged"},
		"no call at all":    {&history{}, nil, undo.Contradicted, "CloudTrail has no call that closed this rule"},
		"no call yet":       {&history{}, func(a *finding.Alert) { a.Findings[0].ClosedAt = aws.Time(now.Add(-14 * time.Minute)) }, undo.Unconfirmed, "may take 15 minutes"},
		"in the future":     {&history{}, func(a *finding.Alert) { a.Findings[0].ClosedAt = aws.Time(now.Add(time.Hour)) }, undo.Unconfirmed, "in the future"},
		"without a time":    {&history{}, func(a *finding.Alert) { a.Findings[0].ClosedAt = nil }, undo.Unconfirmed, "does not say when"},
		"too long ago":      {&history{}, func(a *finding.Alert) { a.Findings[0].ClosedAt = &long }, undo.Unconfirmed, "more than 90 days ago"},
		"no permission":     {&history{err: denied}, nil, undo.Unconfirmed, "may not call cloudtrail:LookupEvents"},
		"no CloudTrail":     {&history{err: errors.New("not served here")}, nil, undo.Unconfirmed, "not served here"},
		"CloudTrail throws": {&history{err: &smithy.GenericAPIError{Code: "ThrottlingException"}}, nil, undo.Unconfirmed, "ThrottlingException"},
		"nobody to ask":     {nil, nil, undo.Unconfirmed, "CloudTrail was not asked"},
		"a record without its rules": {&history{records: []record{{revokeIngress, "e-1", `{"eventID":"e-1","eventName":"RevokeSecurityGroupIngress","eventSource":"ec2.amazonaws.com",
			"eventTime":"2026-11-03T11:00:00Z","awsRegion":"us-east-1","recipientAccountId":"123456789012","requestParameters":{"omitted":true},"responseElements":{"omitted":true}}`, closed}}},
			nil, undo.Unconfirmed, "does not tell its rules"},
		"a record that cannot be read": {&history{records: []record{{revokeIngress, "e-1", "{", closed}}}, nil, undo.Unconfirmed, "does not tell its rules"},
	} {
		t.Run(name, func(t *testing.T) {
			got := confirmations(t, tt.history, tt.change, result(nil))
			require.Len(t, got, 1)
			assert.Equal(t, tt.want, got[0].Evidence, got[0].Why)
			assert.Contains(t, got[0].Why, tt.why)
		})
	}
}

// What somebody else had closed before sgward came was in the group, or the alert is
// forged.
func TestOfARuleThatWasClosedAlreadyTheOpeningIsLookedUp(t *testing.T) {
	made := closed.Add(-time.Minute)
	opening := call(authorizeIngress, aGroup, "0.0.0.0/0", someRole, plainAgent, made)
	whole := record{authorizeIngress, opening.id, `{"eventID":"e-1","eventName":"AuthorizeSecurityGroupIngress","eventSource":"ec2.amazonaws.com",
		"eventTime":"2026-11-03T11:00:00Z","awsRegion":"us-east-1","recipientAccountId":"123456789012","requestParameters":{"omitted":true},"responseElements":{"omitted":true}}`, made}
	for name, tt := range map[string]struct {
		records []record
		change  func(*finding.Alert)
		want    undo.Evidence
		why     string
	}{
		"closed by somebody":        {[]record{opening, call(revokeIngress, aGroup, "0.0.0.0/0", someRole, plainAgent, closed)}, nil, undo.Unconfirmed, "Developer"},
		"closed by an earlier try":  {[]record{opening, call(revokeIngress, aGroup, "0.0.0.0/0", remediateRole, ourAgent, made)}, nil, undo.Confirmed, remediateRole},
		"closed by an edit":         {[]record{opening}, nil, undo.Unconfirmed, "does not say that sgward did"},
		"opened by a record in sum": {[]record{whole}, nil, undo.Unconfirmed, "does not say that sgward did"},
		"never opened":              {nil, nil, undo.Contradicted, "neither"},
		"opened another rule": {[]record{call(authorizeIngress, aGroup, "10.0.0.0/8", someRole, plainAgent, made)}, nil,
			undo.Contradicted, "made no such rule in this group"},
		"in an alert of several old events": {[]record{opening}, func(a *finding.Alert) {
			own := a.Event
			a.Event.EventID, a.Findings[0].Event = "old-events-1", &own
		}, undo.Unconfirmed, "does not say that sgward did"},
		"found by a sweep": {nil, func(a *finding.Alert) { a.Sweep = &finding.Sweep{} }, undo.Unconfirmed, "does not say that sgward did"},
	} {
		t.Run(name, func(t *testing.T) {
			got := confirmations(t, &history{records: tt.records}, func(a *finding.Alert) {
				a.Event.EventID, a.Event.EventTime = opening.id, made
				if tt.change != nil {
					tt.change(a)
				}
			}, result(func(r *finding.Result) { r.Outcome = finding.OutcomeAlreadyClosed }))
			assert.Equal(t, tt.want, got[0].Evidence, got[0].Why)
			assert.Contains(t, got[0].Why, tt.why)
		})
	}
}

func TestOneSearchServesAllThatWasClosedAtOneTimeAndEndsAsSoonAsAllIsFound(t *testing.T) {
	other := result(func(r *finding.Result) {
		r.ID, r.Rule = "f-2", secgrouptest.TCP(3306, "10.0.0.0/8")
		r.Rule.GroupID = aGroup
	})
	h := &history{pageSize: 1, records: []record{
		call(revokeIngress, aGroup, "10.0.0.0/8", remediateRole, ourAgent, closed),
		call(revokeIngress, aGroup, "0.0.0.0/0", remediateRole, ourAgent, closed),
		call(revokeIngress, aGroup, "192.0.2.0/24", remediateRole, ourAgent, closed),
	}}
	got := confirmations(t, h, nil, result(nil), other)
	assert.Equal(t, []undo.Evidence{undo.Confirmed, undo.Confirmed}, []undo.Evidence{got[0].Evidence, got[1].Evidence})
	assert.Len(t, h.asked, 2, "the third page tells nothing more")

	h = &history{pageSize: 1}
	for range 30 {
		h.records = append(h.records, call(revokeIngress, aGroup, "192.0.2.0/24", someRole, plainAgent, closed))
	}
	got = confirmations(t, h, nil, result(nil))
	assert.Equal(t, undo.Unconfirmed, got[0].Evidence, "what was not read to its end contradicts nothing")
	assert.Contains(t, got[0].Why, "more than 1,000 calls of RevokeSecurityGroupIngress")
	assert.Len(t, h.asked, 20)
}

// The zero Consent opens nothing that anybody could mind.
func TestWithoutConsentOnlyWhatIsAllowedAndConfirmedIsPutBack(t *testing.T) {
	rule := *secgrouptest.TCP(3306, "0.0.0.0/0")
	item := undo.Item{Rule: rule, Result: &finding.Result{}}
	allowed, forbidden := finding.Finding{Verdict: policy.Compliant}, finding.Finding{Verdict: policy.Revoke}
	for _, tt := range []struct {
		judged   []finding.Finding
		evidence undo.Evidence
		consent  undo.Consent
		refused  bool
		policy   bool
	}{
		{[]finding.Finding{allowed}, undo.Confirmed, undo.Consent{}, false, false},
		{[]finding.Finding{allowed}, undo.Unconfirmed, undo.Consent{}, true, false},
		{[]finding.Finding{allowed}, undo.Contradicted, undo.Consent{}, true, false},
		{[]finding.Finding{allowed}, undo.Contradicted, undo.Consent{Unconfirmed: true, Forbidden: true}, true, false},
		{[]finding.Finding{allowed}, undo.Contradicted, undo.Consent{Unconfirmed: true, Contradicted: true}, false, false},
		{[]finding.Finding{allowed}, undo.Unconfirmed, undo.Consent{Unconfirmed: true}, false, false},
		{[]finding.Finding{forbidden}, undo.Confirmed, undo.Consent{}, true, true},
		{[]finding.Finding{{}}, undo.Confirmed, undo.Consent{}, true, true},
		{nil, undo.Confirmed, undo.Consent{}, true, true},
		{nil, undo.Unconfirmed, undo.Consent{Forbidden: true}, true, false},
		{[]finding.Finding{forbidden}, undo.Confirmed, undo.Consent{Forbidden: true}, false, false},
	} {
		s := undo.Step{Items: []undo.Item{item}, Judged: tt.judged, Confirmed: []undo.Confirmation{{Evidence: tt.evidence}}}
		got := (&undo.Undoer{Consent: tt.consent}).Refusal(&s, 0)
		assert.Equal(t, tt.refused, got != nil, "%+v", tt)
		if got != nil {
			assert.Equal(t, tt.policy, got.Forbidden, "%+v", tt)
		}
		s.Group.Rules = []secgroup.Rule{rule}
		assert.Nil(t, (&undo.Undoer{}).Refusal(&s, 0), "nothing is opened")
	}
}

func TestQuestionSaysWhatIsForbiddenAndNotConfirmed(t *testing.T) {
	item := func(cidr string) undo.Item {
		return undo.Item{Rule: *secgrouptest.TCP(3306, cidr), Result: &finding.Result{}}
	}
	s := undo.Step{
		Items:     []undo.Item{item("0.0.0.0/0"), item("10.0.0.0/8"), item("192.0.2.0/24")},
		Judged:    []finding.Finding{{Verdict: policy.Revoke}, {Verdict: policy.Compliant}, {Verdict: policy.Compliant}},
		Confirmed: []undo.Confirmation{{Evidence: undo.Confirmed}, {}, {Evidence: undo.Contradicted}},
	}
	u := &undo.Undoer{Consent: undo.Consent{Forbidden: true, Unconfirmed: true}}
	assert.Equal(t, "The policy forbids 1 of them. It is not confirmed that sgward closed 1 of them. Put back 2 rules?", undo.Question(u, []undo.Step{s}))
	s.Judged[1].Verdict, s.Confirmed[0].Evidence = policy.Undetermined, undo.Unconfirmed
	assert.Equal(t, "The policy forbids all of them. It is not confirmed that sgward closed any of them. Put back 2 rules?", undo.Question(u, []undo.Step{s}))
	s.Confirmed[0].Evidence, s.Confirmed[1].Evidence = undo.Contradicted, undo.Contradicted
	assert.Empty(t, undo.Question(u, []undo.Step{s}), "nobody is asked about what is refused anyway")
	s.Confirmed[1].Evidence = undo.Unconfirmed
	assert.Equal(t, "The policy forbids it. It is not confirmed that sgward closed it. Put back 1 rule?", undo.Question(u, []undo.Step{s}))
	s.Judged[1].Verdict, s.Confirmed[1].Evidence = policy.Exempt, undo.Confirmed
	assert.Equal(t, "Put back 1 rule?", undo.Question(u, []undo.Step{s}))
}
