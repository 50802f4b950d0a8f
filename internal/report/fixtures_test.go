package report

import (
	"fmt"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/internal/text"
)

// scenario is one report to write.
type scenario struct {
	run     Run
	groups  []judged // groups without entries have notes only
	entries []Entry
	read    Coverage
}

func (s scenario) write(w Writer) error {
	for _, e := range s.entries {
		if err := w.Entry(e); err != nil {
			return err
		}
	}
	for _, g := range s.groups {
		if err := w.Group(g.Group, g.entries); err != nil {
			return err
		}
	}
	return w.Close(s.read)
}

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func policyOf(file string) Policy {
	return Policy{File: file, Digest: digest, Summary: "6 statements, 2 exceptions"}
}

func runOf(c Command, sources ...string) Run {
	return Run{
		Command: c, Version: "v0.0.0-test", Policy: policyOf("policy.yaml"), Sources: sources,
		Now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
}

func tcp(port int, cidr, description string) *secgroup.Rule {
	r := secgrouptest.TCP(port, cidr)
	r.ID, r.Description = fmt.Sprintf("sgr-%017x", port), description
	return r
}

// cite is a reason of a statement of the policy.
func cite(line int, id, text string) policy.Reason {
	return policy.Reason{ID: id, File: "policy.yaml", Line: line, Text: text}
}

// opening is an entry of a history: a rule that was made on a day of 2026 and open
// for so many hours, for ever where these are 0.
func opening(n int, d policy.Verdict, severity policy.Severity, statement string, r *secgroup.Rule, month, day int, hours float64) Entry {
	at := time.Date(2026, time.Month(month), day, 8+n%10, n%60, 0, 0, time.UTC)
	group := n % 3
	event := &cloudtrail.Event{
		EventID: fmt.Sprintf("11111111-2222-3333-4444-%012d", n), EventName: "AuthorizeSecurityGroupIngress", EventTime: at,
		AccountID: []string{"123456789012", "111122223333"}[n%2], Region: "eu-central-1",
		Actor: []cloudtrail.Actor{
			{Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/deploy/alice", SessionIssuerARN: "arn:aws:iam::123456789012:role/deploy"},
			{Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/bob"},
			{Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/stacks/x", SessionIssuerARN: "arn:aws:iam::123456789012:role/stacks", InvokedBy: "cloudformation.amazonaws.com"},
		}[n%3],
		SourceIPAddress: []string{"198.51.100.7", "203.0.113.9", "cloudformation.amazonaws.com"}[n%3], UserAgent: "aws-cli/2.0",
	}
	e := Entry{
		Finding: finding.Finding{
			ID: fmt.Sprintf("f-%016x", n), Verdict: d, Severity: severity, StatementID: statement,
			AccountID: event.AccountID, Region: event.Region,
			GroupID: fmt.Sprintf("sg-0123456789abcdef%d", group), GroupName: []string{"web", "database", "bastion host"}[group],
			Rule: r,
		},
		Event: event, Place: fmt.Sprintf("logs/2026/%02d/%02d.json.gz record %d", month, day, n),
	}
	if r != nil && r.Permission.Protocol.HasPorts() {
		traffic := ruleText(r)[len("ingress "):]
		e.Reasons = []policy.Reason{cite(map[string]int{"world-open-database": 19, "world-open-admin": 24, "world-open-other": 34}[statement], statement,
			fmt.Sprintf("%s opens %d/tcp to the world (3,702,258,434 public IPv4 addresses; the threshold is 8,388,608): %s", traffic, r.Permission.Ports.From, d))}
	}
	if statement == "world-open-database" && r != nil {
		e.Reasons = append(e.Reasons, cite(34, "world-open-other", ruleText(r)[len("ingress "):]+" opens it to the world: alert"))
	}
	if hours > 0 {
		closed, seconds := at.Add(time.Duration(hours*float64(time.Hour))), hours*3600
		by := *event
		by.EventID, by.EventName, by.EventTime = fmt.Sprintf("99999999-2222-3333-4444-%012d", n), "RevokeSecurityGroupIngress", closed
		e.ClosedAt, e.ClosedBy, e.ExposureSeconds = &closed, &by, &seconds
	}
	return e
}

func replayed() scenario {
	exempt := opening(5, policy.Exempt, policy.Critical, "world-open-database", tcp(5432, "0.0.0.0/0", "partner replica"), 9, 14, 0)
	exempt.Exception = &finding.Exception{ID: "partner-replica", Owner: "data-platform@example.com", Expires: "2027-03-31"}
	exempt.Reasons = append(exempt.Reasons, cite(51, "partner-replica", "exempt until the end of 2027-03-31 UTC: replication from a partner"))
	inspect := opening(6, policy.Undetermined, policy.Critical, "world-open-admin", tcp(22, "52.94.76.0/24", ""), 9, 20, 0.5)
	inspect.Union, inspect.FromRequest = true, true
	inspect.Reasons = append(inspect.Reasons, policy.Remark("not known: the group's other rules: may revoke"))
	inspect.With = []secgroup.Rule{*tcp(22, "52.64.0.0/10", "")}
	unknown := opening(7, policy.Undetermined, policy.High, "", nil, 9, 21, 0)
	unknown.Reasons = []policy.Reason{policy.Remark("the record of AuthorizeSecurityGroupIngress leaves out which rules it made: the group has to be read")}
	return scenario{
		run: runOf(Replay, "logs"),
		entries: []Entry{
			opening(1, policy.Revoke, policy.Critical, "world-open-database", tcp(3306, "0.0.0.0/0", "temporary, for the import"), 8, 3, 3.1),
			opening(2, policy.Revoke, policy.Critical, "world-open-admin", tcp(22, "0.0.0.0/0", ""), 8, 4, 0.05),
			opening(3, policy.Alert, policy.Medium, "world-open-other", tcp(8080, "0.0.0.0/0", "demo"), 8, 19, 700),
			opening(4, policy.Revoke, policy.Critical, "world-open-database", tcp(6379, "0.0.0.0/0", ""), 9, 2, 0),
			exempt, inspect, unknown,
			opening(8, policy.Alert, policy.Medium, "world-open-other", tcp(8443, "0.0.0.0/0", "demo"), 10, 5, 20),
			opening(9, policy.Alert, policy.Medium, "world-open-other", tcp(9000, "0.0.0.0/0", ""), 10, 28, 0),
		},
		read: Coverage{History: &History{
			Files: 412, Bytes: 1_234_567_890, Records: 3_210_442, Changes: 1204, Rules: 1877, Compliant: 1868, Failed: 31, Repeated: 12, Closings: 640,
			First: time.Date(2026, 8, 1, 0, 0, 4, 0, time.UTC), Last: time.Date(2026, 10, 31, 23, 59, 12, 0, time.UTC),
		}},
	}
}

func compared() scenario {
	s := scenario{run: runOf(Replay, "logs"), read: replayed().read}
	other := policyOf("strict.yaml")
	s.run.Other = &other
	for i, to := range []Compared{
		{Verdict: policy.Revoke, Severity: policy.Critical, StatementID: "world-open-all"}, {Verdict: policy.Compliant}, {Verdict: policy.Revoke, Severity: policy.High, StatementID: "world-open-all"},
		{Verdict: policy.Revoke, Severity: policy.High, StatementID: "world-open-database"}, {Verdict: policy.Revoke, Severity: policy.Critical, StatementID: "world-open-data"},
	} {
		e := replayed().entries[i]
		e.Compared = &to
		s.entries = append(s.entries, e)
	}
	none := replayed().entries[8]
	none.Verdict, none.Severity, none.StatementID, none.Reasons = policy.Compliant, policy.NoSeverity, "", []policy.Reason{}
	none.Compared = &Compared{Verdict: policy.Alert, Severity: policy.Low, StatementID: "world-open-all", Reasons: []policy.Reason{
		{ID: "world-open-all", File: "strict.yaml", Line: 3, Text: "tcp 443 from 0.0.0.0/0 opens 443/tcp to the world: alert"},
		{ID: "other", File: "strict.yaml", Line: 9, Text: "not the one that decides"},
	}}
	s.entries = append(s.entries, none)
	return s
}

// standing is a finding of an audit.
func standing(n int, d policy.Verdict, severity policy.Severity, statement string, r *secgroup.Rule, g Group) Entry {
	e := opening(n, d, severity, statement, r, 1, 1, 0)
	e.Event, e.Place = nil, ""
	e.AccountID, e.Region, e.GroupID, e.GroupName, e.VPCID = g.AccountID, g.Region, g.ID, g.Name, g.VPCID
	e.Attached = g.Attached
	return e
}

func audited() scenario {
	ssh, web := tcp(22, "0.0.0.0/0", "from home"), tcp(443, "0.0.0.0/0", "")
	mysql := tcp(3306, "0.0.0.0/0", "")
	out := *secgrouptest.Rule("egress all traffic to 0.0.0.0/0")
	out.ID = "sgr-0000000000000ffff"
	inside := *secgrouptest.TCP(3306, "123456789012/sg-0123456789abcdef0")
	inside.Description, inside.Tags = "the application", []secgroup.Tag{{Key: "team", Value: "data"}}
	bastion := Group{
		AccountID: "123456789012", Region: "eu-central-1", ID: "sg-0123456789abcdef0", Name: "bastion", VPCID: "vpc-0123456789abcdef0",
		Description: "jump host", Rules: []secgroup.Rule{*ssh, *web, out}, AttachedKnown: true,
		Attached: []finding.Interface{
			{ID: "eni-0123456789abcdef0", GroupID: "sg-0123456789abcdef0", PrivateIP: "10.0.0.5", PublicIP: "203.0.113.10", InstanceID: "i-0123456789abcdef0", Description: "Primary network interface"},
			{ID: "eni-0123456789abcdef1", GroupID: "sg-0123456789abcdef0", PrivateIP: "10.0.0.6", Description: "ELB app/shop/0123456789abcdef"},
		},
		Notes: []string{"2 of 3 rules have no description"},
	}
	database := Group{
		AccountID: "123456789012", Region: "eu-central-1", ID: "sg-0123456789abcdef1", Name: "orders db", VPCID: "vpc-0123456789abcdef0",
		Rules: []secgroup.Rule{*mysql, inside}, AttachedKnown: true,
	}
	unused := Group{AccountID: "111122223333", Region: "us-east-1", ID: "sg-0123456789abcdef2", Name: "launch-wizard-7", VPCID: "vpc-0123456789abcdef1", AttachedKnown: true, Notes: []string{"nothing uses it"}}
	standard := Group{AccountID: "111122223333", Region: "us-east-1", ID: "sg-0123456789abcdef3", Name: "default", VPCID: "vpc-0123456789abcdef1", Rules: []secgroup.Rule{out}, Notes: []string{"the default group of its VPC has rules"}}
	exempt := standing(23, policy.Exempt, policy.Critical, "world-open-database", mysql, database)
	exempt.Exception = &finding.Exception{ID: "partner-replica", Owner: "data-platform@example.com", Expires: "2027-03-31"}
	s := scenario{
		run: runOf(Audit, "account 123456789012, eu-central-1", "account 111122223333, us-east-1"),
		groups: []judged{
			{database, []Entry{exempt}},
			{bastion, []Entry{standing(21, policy.Revoke, policy.Critical, "world-open-admin", ssh, bastion), standing(22, policy.Alert, policy.Low, "world-open-egress", &out, bastion)}},
			{unused, nil},
			{standard, nil},
		},
		read: Coverage{Inventory: &Inventory{Groups: 57, Rules: 431, Accounts: []string{"111122223333", "123456789012"}, Regions: []string{"eu-central-1", "us-east-1"}, Baseline: -1}},
	}
	s.groups[1].entries[1].Reasons = []policy.Reason{cite(44, "world-open-egress", "all traffic to 0.0.0.0/0 opens 1-65535/tcp to the world (3,702,258,434 public IPv4 addresses; the threshold is 8,388,608): alert")}
	return s
}

func emptyReplay() scenario {
	s := replayed()
	s.entries, s.read.History.Compliant = nil, s.read.History.Rules
	return s
}

func incompleteAudit() scenario {
	return scenario{
		run: runOf(Audit, "dump.json", "more.json"),
		read: Coverage{
			Inventory: &Inventory{Groups: 0, Baseline: 4},
			Problems:  []text.Problem{{Place: "dump.json", Text: "it is incomplete: NextToken is set; run the command without --max-items"}, {Place: "more.json byte 1042", Text: "it ends in the middle of a group"}},
		},
	}
}

func incompleteReplay() scenario {
	s := replayed()
	s.entries = s.entries[:3]
	s.run.Chosen = "since 2026-08-01, of 123456789012 and 111122223333, in eu-central-1"
	s.read.Problems = []text.Problem{{Place: "logs/x.json.gz", Text: "reading gzip: unexpected end of file"}, {Place: "logs/y.json record 17", Text: "requestParameters.groupId is no text"}}
	return s
}

// scenarios are what the golden files show.
func scenarios() map[string]scenario {
	return map[string]scenario{
		"replay": replayed(), "audit": audited(), "compare": compared(), "empty-replay": emptyReplay(),
		"incomplete-audit": incompleteAudit(), "incomplete-replay": incompleteReplay(),
	}
}
