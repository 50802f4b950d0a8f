package alert

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
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
func tcp(port int, cidr string) *secgroup.Rule {
	r := secgrouptest.TCP(port, cidr)
	r.ID = "sgr-0aaaaaaaaaaaaaaa1"
	return r
}

// identified gives a rule its id.
func identified(id string, rule *secgroup.Rule) *secgroup.Rule {
	rule.ID = id
	return rule
}

// reasons reads printed reasons.
func reasons(texts ...string) []policy.Reason {
	out := make([]policy.Reason, len(texts))
	for i, text := range texts {
		_ = out[i].UnmarshalText([]byte(text)) // takes every text
	}
	return out
}

// reason is one as the policy words it.
func reason(statement string, rule *secgroup.Rule, effect string) string {
	points := rule.Permission.Traffic()
	if protocol, ports, ok := strings.Cut(points, " "); ok && (rule.Permission.Protocol.HasPorts() || rule.Permission.Protocol.IsICMP()) {
		points = ports + "/" + protocol
	}
	return fmt.Sprintf("%s: %s opens %s to the world (3,702,258,434 public IPv4 addresses; the threshold is 8,388,608): %s",
		statement, strings.TrimPrefix(strings.TrimPrefix(rule.Permission.String(), "ingress "), "egress "), points, effect)
}

func result(outcome finding.Outcome, rule *secgroup.Rule) finding.Result {
	r := finding.Result{
		Finding: finding.Finding{
			Verdict: policy.Revoke, Severity: policy.Critical, StatementID: "world-open-database",
			Reasons:   reasons(reason("policy.yaml:19 world-open-database", rule, "revoke"), reason("policy.yaml:34 world-open-other", rule, "alert")),
			AccountID: testAccount, Region: "us-east-1", GroupID: testGroup, GroupName: "web", VPCID: "vpc-0123456789abcdef0",
			Rule: rule,
		},
		Outcome: outcome,
	}
	switch outcome {
	case finding.OutcomeRevoked, finding.OutcomeAlreadyClosed:
		r.ExposureSeconds, r.ClosedAt = number(2.4), at(2.4)
		if fix := *rule; fix.Permission.Direction == secgroup.Ingress {
			fix.ID, fix.Permission.Peer = "", secgroup.CIDRPeer(netip.MustParsePrefix("198.51.100.7/32"))
			r.Fix = &fix
		}
	case finding.OutcomeExempt:
		r.Verdict = policy.Exempt
		r.Exception = &finding.Exception{ID: "partner-replica", Owner: "data-platform@example.com", Expires: "2027-03-31"}
	case finding.OutcomeAlerted:
		r.Verdict, r.Severity, r.StatementID = policy.Alert, policy.Medium, "world-open-other"
		r.ExposureSeconds = number(1.9)
		r.Reasons = reasons(reason("policy.yaml:34 world-open-other", rule, "alert"))
	default:
		r.ExposureSeconds = number(2.1)
	}
	return r
}

func alertOf(results ...finding.Result) finding.Alert {
	for i := range results {
		key := fmt.Sprint(i)
		if r := results[i].Rule; r != nil && r.ID != "" {
			r.ID = fmt.Sprintf("sgr-%017x", 0xabc0000+i)
		}
		results[i].ID = finding.NewID(testAccount, results[i].Region, results[i].GroupID, key, testEvent)
	}
	return finding.Alert{
		AccountName: "production",
		Mode:        finding.Enforce, Verdict: policy.Revoke, PolicyDigest: "sha256:" + strings.Repeat("ab", 32),
		Event: cloudtrail.Event{
			EventID: testEvent, EventName: "AuthorizeSecurityGroupIngress", EventTime: testTime(), AccountID: testAccount, Region: "us-east-1",
			Actor: cloudtrail.Actor{
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

// hostile is an untrusted text in AWS fields that allow it.
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
		result(finding.OutcomeFailed, secgrouptest.Rule("ingress tcp 3300-3400 from 0.0.0.0/0")),
		result(finding.OutcomeRevoked, tcp(3306, "::/0")),
	)
	mixed.Findings[3].ErrorCode, mixed.Findings[3].ErrorMessage = "RequestLimitExceeded", "Request limit exceeded."

	tagged := alertOf(result(finding.OutcomeExempt, tcp(22, "0.0.0.0/0")))
	tagged.Findings[0].Exception.ByTag = true

	denied := alertOf(result(finding.OutcomeFailed, tcp(22, "0.0.0.0/0")))
	denied.Try = 2
	denied.Findings[0].StatementID = "world-open-admin"
	denied.Findings[0].Reasons[0] = reasons(reason("policy.yaml:24 world-open-admin", denied.Findings[0].Rule, "revoke"))[0]
	denied.Findings[0].ErrorCode = "UnauthorizedOperation"
	denied.Findings[0].ErrorMessage = "You are not authorized to perform this operation. Encoded authorization failure message: aGVsbG8="
	denied.Exposed, denied.ExposedError = nil, "UnauthorizedOperation: not allowed to describe network interfaces"
	last := denied
	last.Try = 5

	earlier := alertOf(result(finding.OutcomeAlreadyClosed, tcp(3306, "0.0.0.0/0")))
	earlier.Try, earlier.Findings[0].MaybeEarlier = 3, true

	replaced := alertOf(
		result(finding.OutcomeAlreadyClosed, identified("sgr-0aaaaaaaaaaaaaaa1", secgrouptest.Rule("ingress tcp 3300-3310 from 0.0.0.0/0"))),
		result(finding.OutcomeFailed, identified("sgr-0bbbbbbbbbbbbbbb2", secgrouptest.Rule("ingress tcp 3299-3311 from 0.0.0.0/0"))),
	)
	gone := &replaced.Findings[0]
	gone.Verdict, gone.Severity, gone.StatementID, gone.Gone = policy.Revoke, policy.Critical, "world-open-database", true
	gone.MaybeEarlier = true
	gone.ExposureSeconds, gone.Left = number(12.4), "the group still holds sgr-0000000000abc0001 ingress tcp 3299-3311 from 0.0.0.0/0"
	replaced.Findings[1].ExposureSeconds = nil
	replaced.Findings[1].ErrorCode, replaced.Findings[1].ErrorMessage = "UnauthorizedOperation", "You are not authorized to perform this operation."
	stillOpen := replaced
	stillOpen.Event.ReplayName = "archive-2026"
	stillOpen.Findings = replaced.Findings[:1]

	edited := alertOf(result(finding.OutcomeRevoked, tcp(3306, "0.0.0.0/0")))
	edited.Event.EventName, edited.Findings[0].Edited = "ModifySecurityGroupRules", true

	union := alertOf(result(finding.OutcomeRevoked, tcp(5432, "128.0.0.0/1")))
	union.Findings[0].Union = true
	union.Findings[0].With = []secgroup.Rule{*tcp(5432, "0.0.0.0/1")}
	union.Findings[0].With[0].ID = "sgr-0bbbbbbbbbbbbbbb2"
	union.Findings[0].Reasons = reasons("policy.yaml:19 world-open-database: tcp 5432 from 128.0.0.0/1 opens 5432/tcp to the world together with the other rules: revoke")

	egress := alertOf(result(finding.OutcomeAlerted, identified("sgr-0aaaaaaaaaaaaaaa1", secgrouptest.Rule("egress all traffic to 0.0.0.0/0"))))
	egress.Event.EventName = "AuthorizeSecurityGroupEgress"
	egress.Findings[0].StatementID, egress.Findings[0].Severity = "world-open-egress", policy.Low
	egress.Findings[0].Reasons = reasons(reason("policy.yaml:44 world-open-egress", egress.Findings[0].Rule, "alert"))

	list := alertOf(result(finding.OutcomeRevoked, secgrouptest.Rule("ingress udp 161-162 from pl-0123456789abcdef0")))
	list.Findings[0].FromRequest = true

	undetermined := alertOf(result(finding.OutcomeAlerted, identified("sgr-0aaaaaaaaaaaaaaa1", secgrouptest.Rule("unknown protocol 50 from 111122223333/sg-0fedcba9876543210"))))
	undetermined.Findings[0].Verdict, undetermined.Findings[0].Severity = policy.Undetermined, policy.NoSeverity
	undetermined.Event.EventName = "ModifySecurityGroupRules"
	undetermined.Event.Actor = cloudtrail.Actor{Type: "AWSService", InvokedBy: "autoscaling.amazonaws.com"}
	undetermined.Event.SourceIPAddress, undetermined.Event.UserAgent = "autoscaling.amazonaws.com", "autoscaling.amazonaws.com"
	undetermined.Exposed = []finding.Interface{}

	nasty := tcp(3306, "0.0.0.0/0")
	nasty.Description, nasty.Tags = hostile, []secgroup.Tag{{Key: hostile, Value: hostile}}
	untrusted := alertOf(result(finding.OutcomeRevoked, nasty))
	untrusted.Findings[0].GroupName = hostile
	untrusted.Event.UserAgent, untrusted.Event.SourceIPAddress = hostile, hostile
	untrusted.Event.Actor.ARN = "arn:aws:sts::123456789012:assumed-role/Developer/" + hostile
	untrusted.Exposed[1].Description = hostile

	gov := alertOf(result(finding.OutcomeRevoked, tcp(3389, "0.0.0.0/0")))
	gov.Event.Region, gov.Findings[0].Region = "us-gov-west-1", "us-gov-west-1"
	china := alertOf(result(finding.OutcomeRevoked, tcp(6379, "0.0.0.0/0")))
	china.Event.Region, china.Findings[0].Region = "cn-north-1", "cn-north-1"
	china.Event.Actor = cloudtrail.Actor{Type: "Root", ARN: "arn:aws-cn:iam::123456789012:root"}

	nameless := alertOf(finding.Result{
		Finding: finding.Finding{ID: "f-0011223344556677", Verdict: policy.Alert, Severity: policy.High, AccountID: testAccount, Region: "us-east-1",
			Reasons: reasons("the record does not name the group: CloudTrail left out the parameters")},
		Outcome: finding.OutcomeAlerted,
	})
	nameless.Verdict, nameless.Exposed = policy.Alert, nil

	var old []finding.Result
	for i, outcome := range []finding.Outcome{finding.OutcomeRevoked, finding.OutcomeAlerted, finding.OutcomeAlerted} {
		r := result(outcome, identified("sgr-0aaaaaaaaaaaaaaa1", secgrouptest.TCP(22+i, "0.0.0.0/0")))
		r.ExposureSeconds = number(90 * 24 * 3600.0)
		r.Event = &cloudtrail.Event{
			EventID: fmt.Sprintf("0000000%d-93d1-4f5e-8d8a-6d4f4a1f0c11", i), EventName: "AuthorizeSecurityGroupIngress", EventTime: testTime().AddDate(0, 0, -90),
			AccountID: testAccount, Region: "us-east-1", ReplayName: "audit-2026",
			Actor: cloudtrail.Actor{Type: "AssumedRole", SessionIssuerARN: "arn:aws:iam::123456789012:role/teams/Developer"},
		}
		old = append(old, r)
	}
	oldEvents := alertOf(old...)
	oldEvents.OldEvents, oldEvents.Exposed = 3, nil
	oldEvents.Event = cloudtrail.Event{
		EventID: "old-events-0123456789abcdef", EventName: "OldEvents", EventTime: testTime(), AccountID: testAccount, Region: "us-east-1", ReplayName: "audit-2026",
	}

	foreign := result(finding.OutcomeFailed, tcp(3306, "0.0.0.0/0"))
	foreign.Outcome, foreign.Severity = finding.OutcomeAlerted, policy.High
	foreign.AccountID, foreign.Left = "111122223333", "the group is in another account or region, where this sgward closes nothing"
	elsewhere := alertOf(foreign)
	elsewhere.Event.AccountID, elsewhere.Exposed = foreign.AccountID, nil
	unfound := result(finding.OutcomeFailed, tcp(3306, "0.0.0.0/0"))
	unfound.GroupID, unfound.GroupName, unfound.Severity, unfound.Left = "", "", policy.Critical, "the event does not name the group"
	unnamed := alertOf(unfound)
	unnamed.Exposed = nil

	usesList := func(port int, id string) *secgroup.Rule {
		r := secgrouptest.TCP(port, "pl-0123456789abcdef0")
		return identified(id, r)
	}
	left := result(finding.OutcomeAlerted, usesList(6379, "sgr-0bbbbbbbbbbbbbbb2"))
	left.Verdict, left.Severity, left.StatementID = policy.Revoke, policy.Critical, "world-open-database"
	left.ExposureSeconds, left.Left = nil, "a run closes no more than 1 rule, which leaves 1 open"
	byList := result(finding.OutcomeRevoked, usesList(5432, "sgr-0aaaaaaaaaaaaaaa1"))
	byList.OpenedByEdit = true
	editedList := alertOf(byList, left)
	editedList.Event.EventName, editedList.Exposed = "ModifyManagedPrefixList", nil
	editedList.PrefixListID = "pl-0123456789abcdef0"
	editedList.PrefixListEntries = []finding.PrefixListEntry{
		{Cidr: "0.0.0.0/0", Description: "<!channel> for the vendor", Added: true}, {Cidr: "10.0.0.0/8", Description: "offices"}, {Cidr: "203.0.113.0/24"},
	}
	editedList.PrefixListBefore = []finding.PrefixListEntry{{Cidr: "10.0.0.0/8", Description: "offices"}, {Cidr: "203.0.113.0/24"}}

	ending := func(id, expires string) finding.Result {
		return finding.Result{Outcome: finding.OutcomeAlerted, Finding: finding.Finding{
			Verdict: policy.Alert, Severity: policy.Low, AccountID: testAccount, Region: "us-east-1",
			Reasons:   reasons("policy.yaml:44 " + id + ": ends with " + expires + "; covers 5432/tcp, peers 203.0.113.0/24; replication until the migration ends"),
			Exception: &finding.Exception{ID: id, Owner: "data-platform@example.com", Expires: expires},
		}}
	}
	expiring := alertOf(ending("vendor-access", "2026-11-02"), ending("partner-replica", "2026-11-03"), ending("old-office", "2026-11-17"))
	expiring.Event = cloudtrail.Event{
		EventID: testEvent, EventName: "Scheduled Event", EventTime: testTime(), AccountID: testAccount, Region: "us-east-1",
		Actor: cloudtrail.Actor{Type: "AWSService", InvokedBy: "events.amazonaws.com"},
	}
	expiring.Verdict, expiring.Exposed, expiring.Try, expiring.Tries = policy.Alert, nil, 0, 0
	one := expiring
	one.Findings = one.Findings[1:2]

	byStack := repeated(2, 7200)
	byStack.Findings[0].StackName, byStack.Findings[0].Fix = "web", nil
	byStack.Event.Actor = cloudtrail.Actor{
		Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/Deployer/AWSCloudFormation",
		SessionIssuerARN: "arn:aws:iam::123456789012:role/Deployer", InvokedBy: "cloudformation.amazonaws.com",
	}
	byStack.Event.SourceIPAddress, byStack.Event.UserAgent = "cloudformation.amazonaws.com", "cloudformation.amazonaws.com"
	escalated := repeated(3, 7200)
	escalated.Findings[0].Repeat.Escalated = true
	escalated.Event.Actor = cloudtrail.Actor{
		Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/Deployer/1762136042",
		SessionIssuerARN: "arn:aws:iam::123456789012:role/Deployer",
	}
	escalated.Event.UserAgent = "APN/1.0 HashiCorp/1.0 Terraform/1.13.4 (+https://www.terraform.io) terraform-provider-aws/6.18.0"

	return append([]scenario{
		{name: "world-open-database-revoked", alert: alertOf(result(finding.OutcomeRevoked, described))},
		{name: "mixed", alert: mixed},
		{name: "exempt-by-tag", alert: tagged},
		{name: "observe", alert: observed},
		{name: "could-not-close-try-2-of-5", alert: denied},
		{name: "could-not-close-last-try", summary: true, alert: last},
		{name: "already-closed-maybe-earlier", alert: earlier},
		{name: "replaced-rule", alert: replaced},
		{name: "still-open-by-other-rules", summary: true, alert: stillOpen},
		{name: "edited-rule", alert: edited},
		{name: "union-of-two-halves", alert: union},
		{name: "ipv6", alert: alertOf(result(finding.OutcomeRevoked, tcp(27017, "::/0")))},
		{name: "egress", alert: egress},
		{name: "prefix-list", alert: list},
		{name: "undetermined", alert: undetermined},
		{name: "untrusted-text", alert: untrusted},
		{name: "a-thousand-rules", summary: true, alert: thousandRules()},
		{name: "govcloud", alert: gov},
		{name: "china", alert: china},
		{name: "no-group-named", alert: nameless},
		{name: "prefix-list-edited", alert: editedList},
		{name: "exceptions-end", alert: expiring},
		{name: "one-exception-ends", summary: true, alert: one},
		{name: "elsewhere", alert: elsewhere},
		{name: "old-events", alert: oldEvents},
		{name: "group-not-named", alert: unnamed},
		{name: "closed-again", alert: byStack},
		{name: "keeps-coming-back", alert: escalated},
	}, sweepScenarios()...)
}

// repeated is the alert of a database's opening that was closed n times within some seconds.
func repeated(n int, seconds float64) finding.Alert {
	a := alertOf(result(finding.OutcomeRevoked, tcp(3306, "0.0.0.0/0")))
	a.Findings[0].Repeat = &finding.Repeat{Closings: n, Since: at(2.4).Add(-time.Duration(seconds) * time.Second), FirstAlertID: "a-00112233445566aa"}
	return a
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
			r.Severity = policy.High
		case i%3 == 0:
			r.Severity = policy.Medium
		}
		results = append(results, r)
	}
	return alertOf(results...)
}

// shown is a text as mail shows it.
func shown(s string) string { return mail().quotes.show(s, 100) }
