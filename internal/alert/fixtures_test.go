package alert

import (
	"fmt"
	"strings"
	"time"

	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

const (
	testAccount = "123456789012"
	testGroup   = "sg-0123456789abcdef0"
	testEvent   = "6f1b9c1e-4a52-4c2e-9d0a-2f6f0c1d3b11"
)

func testTime() time.Time { return time.Date(2026, 11, 3, 2, 14, 7, 0, time.UTC) }

func at(seconds float64) *time.Time {
	t := testTime().Add(time.Duration(seconds * float64(time.Second)))
	return &t
}

func number[T any](n T) *T { return &n }

// tcp is an ingress rule of one TCP port.
func tcp(port int, cidr string) *finding.Rule {
	r := &finding.Rule{
		SecurityGroupRuleID: "sgr-0aaaaaaaaaaaaaaa1", Direction: "ingress", IPProtocol: "tcp",
		FromPort: number(port), ToPort: number(port),
	}
	if strings.Contains(cidr, ":") {
		r.CidrIPv6 = cidr
	} else {
		r.CidrIPv4 = cidr
	}
	return r
}

// reason is one as the policy words it.
func reason(statement string, rule *finding.Rule, effect string) string {
	r, err := rule.SecurityGroupRule(testGroup, testAccount)
	if err != nil {
		return statement + ": a rule that cannot be read: " + effect
	}
	points := r.Permission.Traffic()
	if protocol, ports, ok := strings.Cut(points, " "); ok && rule.FromPort != nil {
		points = ports + "/" + protocol
	}
	return fmt.Sprintf("%s: %s opens %s to the world (3,702,258,434 public IPv4 addresses; the line is 8,388,608): %s",
		statement, strings.TrimPrefix(strings.TrimPrefix(r.Permission.String(), "ingress "), "egress "), points, effect)
}

func result(outcome finding.Outcome, rule *finding.Rule) finding.Result {
	r := finding.Result{
		Finding: finding.Finding{
			Decision: finding.DecisionRevoke, Severity: "critical", StatementID: "world-open-database",
			Reasons:   []string{reason("policy.yaml:19 world-open-database", rule, "revoke"), reason("policy.yaml:34 world-open-other", rule, "alert")},
			AccountID: testAccount, Region: "us-east-1", GroupID: testGroup, GroupName: "web", VPCID: "vpc-0123456789abcdef0",
			Rule: rule,
		},
		Outcome: outcome,
	}
	switch outcome {
	case finding.OutcomeRevoked, finding.OutcomeAlreadyClosed:
		r.ExposureSeconds, r.ClosedAt = number(2.4), at(2.4)
	case finding.OutcomeExempt:
		r.Decision = finding.DecisionExempt
		r.Exception = &finding.Exception{ID: "partner-replica", Owner: "data-platform@example.com", Expires: "2027-03-31"}
	case finding.OutcomeAlerted:
		r.Decision, r.Severity, r.StatementID = finding.DecisionAlert, "medium", "world-open-other"
		r.ExposureSeconds = number(1.9)
		r.Reasons = []string{reason("policy.yaml:34 world-open-other", rule, "alert")}
	default:
		r.ExposureSeconds = number(2.1)
	}
	return r
}

func alertOf(results ...finding.Result) finding.Alert {
	for i := range results {
		key := fmt.Sprint(i)
		if r := results[i].Rule; r != nil && r.SecurityGroupRuleID != "" {
			r.SecurityGroupRuleID = fmt.Sprintf("sgr-%017x", 0xabc0000+i)
		}
		results[i].ID = finding.NewID(testAccount, results[i].Region, results[i].GroupID, key, testEvent)
	}
	return finding.Alert{
		Mode: finding.Enforce, Decision: finding.DecisionRevoke, PolicyDigest: "sha256:" + strings.Repeat("ab", 32),
		Event: finding.Event{
			EventID: testEvent, EventName: "AuthorizeSecurityGroupIngress", EventTime: testTime(), AccountID: testAccount, Region: "us-east-1",
			Actor: finding.Actor{
				Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/Developer/alice@example.com",
				SessionIssuerARN: "arn:aws:iam::123456789012:role/teams/Developer",
			},
			SourceIPAddress: "198.51.100.7", UserAgent: "aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/linux#6.8 md/command#ec2.authorize-security-group-ingress",
		},
		Try: 1, Tries: 5,
		Findings: results,
		Exposed: []finding.Interface{
			{ID: "eni-0123456789abcdef0", GroupID: testGroup, PrivateIP: "10.0.1.17", PublicIP: "203.0.113.40", InstanceID: "i-0123456789abcdef0"},
			{ID: "eni-0fedcba9876543210", GroupID: testGroup, PrivateIP: "10.0.1.18", Description: "RDSNetworkInterface"},
		},
	}
}

// hostile is what a stranger may write where AWS lets them.
const hostile = "'; rm -rf / # $(x) `id` \"q\" <!channel> @here *bold* https://evil.example \u202Eabc\nline\x1b[31m \\ </a>&amp; 末"

type scenario struct {
	name string
	// summary leaves the JSON out of the golden file.
	summary bool
	alert   finding.Alert
}

func scenarios() []scenario {
	described := tcp(3306, "0.0.0.0/0")
	described.Description = "temporary, for the vendor"
	described.Tags = []secgroup.Tag{{Key: "ticket", Value: "OPS-1234"}, {Key: "aws:cloudformation:stack-name", Value: "web"}}

	observed := alertOf(result(finding.OutcomeWouldRevoke, tcp(3306, "0.0.0.0/0")))
	observed.Mode = finding.Observe

	mixed := alertOf(
		result(finding.OutcomeAlerted, tcp(8080, "0.0.0.0/0")),
		result(finding.OutcomeRevoked, tcp(3306, "0.0.0.0/0")),
		result(finding.OutcomeExempt, tcp(5432, "203.0.113.0/24")),
		result(finding.OutcomeFailed, &finding.Rule{Direction: "ingress", IPProtocol: "tcp", FromPort: number(3300), ToPort: number(3400), CidrIPv4: "0.0.0.0/0"}),
		result(finding.OutcomeRevoked, tcp(3306, "::/0")),
	)
	mixed.Findings[3].ErrorCode, mixed.Findings[3].ErrorMessage = "RequestLimitExceeded", "Request limit exceeded."

	tagged := alertOf(result(finding.OutcomeExempt, tcp(22, "0.0.0.0/0")))
	tagged.Findings[0].Exception.ByTag = true

	denied := alertOf(result(finding.OutcomeFailed, tcp(22, "0.0.0.0/0")))
	denied.Try = 2
	denied.Findings[0].StatementID = "world-open-admin"
	denied.Findings[0].Reasons[0] = reason("policy.yaml:24 world-open-admin", denied.Findings[0].Rule, "revoke")
	denied.Findings[0].ErrorCode = "UnauthorizedOperation"
	denied.Findings[0].ErrorMessage = "You are not authorized to perform this operation. Encoded authorization failure message: aGVsbG8="
	denied.Exposed, denied.ExposedError = nil, "UnauthorizedOperation: not allowed to describe network interfaces"
	last := denied
	last.Try = 5

	earlier := alertOf(result(finding.OutcomeAlreadyClosed, tcp(3306, "0.0.0.0/0")))
	earlier.Try, earlier.Findings[0].MaybeEarlier = 3, true

	edited := alertOf(result(finding.OutcomeRevoked, tcp(3306, "0.0.0.0/0")))
	edited.Event.EventName, edited.Findings[0].Edited = "ModifySecurityGroupRules", true

	union := alertOf(result(finding.OutcomeRevoked, tcp(5432, "128.0.0.0/1")))
	union.Findings[0].Union = true
	union.Findings[0].With = []finding.Rule{*tcp(5432, "0.0.0.0/1")}
	union.Findings[0].With[0].SecurityGroupRuleID = "sgr-0bbbbbbbbbbbbbbb2"
	union.Findings[0].Reasons = []string{"policy.yaml:19 world-open-database: tcp 5432 from 128.0.0.0/1 opens 5432/tcp to the world together with the other rules: revoke"}

	egress := alertOf(result(finding.OutcomeAlerted, &finding.Rule{SecurityGroupRuleID: "sgr-0aaaaaaaaaaaaaaa1", Direction: "egress", IPProtocol: "-1", CidrIPv4: "0.0.0.0/0"}))
	egress.Event.EventName = "AuthorizeSecurityGroupEgress"
	egress.Findings[0].StatementID, egress.Findings[0].Severity = "world-open-egress", "low"
	egress.Findings[0].Reasons = []string{reason("policy.yaml:44 world-open-egress", egress.Findings[0].Rule, "alert")}

	list := alertOf(result(finding.OutcomeRevoked, &finding.Rule{Direction: "ingress", IPProtocol: "udp", FromPort: number(161), ToPort: number(162), PrefixListID: "pl-0123456789abcdef0"}))
	list.Findings[0].FromRequest = true

	undetermined := alertOf(result(finding.OutcomeAlerted, &finding.Rule{SecurityGroupRuleID: "sgr-0aaaaaaaaaaaaaaa1", Direction: "unknown", IPProtocol: "50", ReferencedGroupID: "sg-0fedcba9876543210", ReferencedGroupUserID: "111122223333"}))
	undetermined.Findings[0].Decision, undetermined.Findings[0].Severity = finding.DecisionInspect, ""
	undetermined.Event.EventName = "ModifySecurityGroupRules"
	undetermined.Event.Actor = finding.Actor{Type: "AWSService", InvokedBy: "autoscaling.amazonaws.com"}
	undetermined.Event.SourceIPAddress, undetermined.Event.UserAgent = "autoscaling.amazonaws.com", "autoscaling.amazonaws.com"
	undetermined.Exposed = []finding.Interface{}

	nasty := tcp(3306, "0.0.0.0/0")
	nasty.Description, nasty.Tags = hostile, []secgroup.Tag{{Key: hostile, Value: hostile}}
	strangers := alertOf(result(finding.OutcomeRevoked, nasty))
	strangers.Findings[0].GroupName = hostile
	strangers.Event.UserAgent, strangers.Event.SourceIPAddress = hostile, hostile
	strangers.Event.Actor.ARN = "arn:aws:sts::123456789012:assumed-role/Developer/" + hostile
	strangers.Exposed[1].Description = hostile

	gov := alertOf(result(finding.OutcomeRevoked, tcp(3389, "0.0.0.0/0")))
	gov.Event.Region, gov.Findings[0].Region = "us-gov-west-1", "us-gov-west-1"
	china := alertOf(result(finding.OutcomeRevoked, tcp(6379, "0.0.0.0/0")))
	china.Event.Region, china.Findings[0].Region = "cn-north-1", "cn-north-1"
	china.Event.Actor = finding.Actor{Type: "Root", ARN: "arn:aws-cn:iam::123456789012:root"}

	nameless := alertOf(finding.Result{
		Finding: finding.Finding{ID: "f-0011223344556677", Decision: finding.DecisionAlert, Severity: "high", AccountID: testAccount, Region: "us-east-1",
			Reasons: []string{"the record does not name the group: CloudTrail left out the parameters"}},
		Outcome: finding.OutcomeAlerted,
	})
	nameless.Decision, nameless.Exposed = finding.DecisionAlert, nil

	foreign := result(finding.OutcomeFailed, tcp(3306, "0.0.0.0/0"))
	foreign.Outcome, foreign.Severity = finding.OutcomeAlerted, "high"
	foreign.AccountID, foreign.Left = "111122223333", "the group is in another account or region, where this sgward closes nothing"
	elsewhere := alertOf(foreign)
	elsewhere.Event.AccountID, elsewhere.Exposed = foreign.AccountID, nil
	unfound := result(finding.OutcomeFailed, tcp(3306, "0.0.0.0/0"))
	unfound.GroupID, unfound.GroupName, unfound.Severity, unfound.Left = "", "", "critical", "the event does not name the group"
	unnamed := alertOf(unfound)
	unnamed.Exposed = nil

	usesList := func(port int, id string) *finding.Rule {
		r := tcp(port, "0.0.0.0/0")
		r.CidrIPv4, r.PrefixListID, r.SecurityGroupRuleID = "", "pl-0123456789abcdef0", id
		return r
	}
	left := result(finding.OutcomeAlerted, usesList(6379, "sgr-0bbbbbbbbbbbbbbb2"))
	left.Decision, left.Severity, left.StatementID = finding.DecisionRevoke, "critical", "world-open-database"
	left.ExposureSeconds, left.Left = nil, "a run closes no more than MAX_REVOKES=1, which leaves 1 open"
	byList := result(finding.OutcomeRevoked, usesList(5432, "sgr-0aaaaaaaaaaaaaaa1"))
	byList.ExposureSeconds = nil
	editedList := alertOf(byList, left)
	editedList.Event.EventName, editedList.Exposed = "ModifyManagedPrefixList", nil
	editedList.PrefixListID = "pl-0123456789abcdef0"
	editedList.PrefixListEntries = []finding.PrefixListEntry{
		{Cidr: "0.0.0.0/0", Description: "<!channel> for the vendor", Added: true}, {Cidr: "10.0.0.0/8", Description: "offices"}, {Cidr: "203.0.113.0/24"},
	}

	ending := func(id, expires string) finding.Result {
		return finding.Result{Outcome: finding.OutcomeAlerted, Finding: finding.Finding{
			Decision: finding.DecisionAlert, Severity: "low", AccountID: testAccount, Region: "us-east-1",
			Reasons:   []string{"policy.yaml:44 " + id + ": ends with " + expires + "; covers 5432/tcp, peers 203.0.113.0/24; replication until the migration ends"},
			Exception: &finding.Exception{ID: id, Owner: "data-platform@example.com", Expires: expires},
		}}
	}
	expiring := alertOf(ending("vendor-access", "2026-11-02"), ending("partner-replica", "2026-11-03"), ending("old-office", "2026-11-17"))
	expiring.Event = finding.Event{
		EventID: testEvent, EventName: "Scheduled Event", EventTime: testTime(), AccountID: testAccount, Region: "us-east-1",
		Actor: finding.Actor{Type: "AWSService", InvokedBy: "events.amazonaws.com"},
	}
	expiring.Decision, expiring.Exposed, expiring.Try, expiring.Tries = finding.DecisionAlert, nil, 0, 0
	one := expiring
	one.Findings = one.Findings[1:2]

	return append([]scenario{
		{name: "world-open-database-revoked", alert: alertOf(result(finding.OutcomeRevoked, described))},
		{name: "mixed", alert: mixed},
		{name: "exempt-by-tag", alert: tagged},
		{name: "observe", alert: observed},
		{name: "could-not-close-try-2-of-5", alert: denied},
		{name: "could-not-close-last-try", summary: true, alert: last},
		{name: "already-closed-maybe-earlier", alert: earlier},
		{name: "edited-rule", alert: edited},
		{name: "union-of-two-halves", alert: union},
		{name: "ipv6", alert: alertOf(result(finding.OutcomeRevoked, tcp(27017, "::/0")))},
		{name: "egress", alert: egress},
		{name: "prefix-list", alert: list},
		{name: "undetermined", alert: undetermined},
		{name: "strangers-text", alert: strangers},
		{name: "a-thousand-rules", summary: true, alert: thousandRules()},
		{name: "govcloud", alert: gov},
		{name: "china", alert: china},
		{name: "no-group-named", alert: nameless},
		{name: "prefix-list-edited", alert: editedList},
		{name: "exceptions-end", alert: expiring},
		{name: "one-exception-ends", summary: true, alert: one},
		{name: "elsewhere", alert: elsewhere},
		{name: "group-not-named", alert: unnamed},
	}, sweepScenarios()...)
}

// thousandRules is one call that opened 1,000 ports, with the longest
// descriptions, of which one could not be closed.
func thousandRules() finding.Alert {
	var results []finding.Result
	for i := range 1000 {
		rule := tcp(3000+i, "0.0.0.0/0")
		rule.Description = strings.Repeat("語", 255)
		r := result(finding.OutcomeRevoked, rule)
		switch {
		case i == 700:
			r = result(finding.OutcomeFailed, rule)
			r.Severity = "high"
		case i%3 == 0:
			r.Severity = "medium"
		}
		results = append(results, r)
	}
	return alertOf(results...)
}
