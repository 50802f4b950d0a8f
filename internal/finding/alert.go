package finding

import (
	"net/netip"
	"slices"
	"time"

	"sgward/internal/awsid"
	"sgward/internal/cloudtrail"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Mode says whether remediate revokes. The zero value is invalid.
type Mode string

// The modes. Observe does everything but the revoke, and reports the rules that it would
// have revoked.
const (
	Observe Mode = "observe"
	Enforce Mode = "enforce"
)

// Outcome is the result of handling a finding.
type Outcome string

// The outcomes, from worst to best. An alert's attribute "outcome" is the worst of its
// findings'.
const (
	OutcomeFailed        Outcome = "failed"         // should be closed and may still be open
	OutcomeWouldRevoke   Outcome = "would_revoke"   // observe mode: still open
	OutcomeAlerted       Outcome = "alerted"        // the policy asks for an alert only, or the verdict stayed unknown
	OutcomeRevoked       Outcome = "revoked"        // closed by this try
	OutcomeAlreadyClosed Outcome = "already_closed" // found gone
	OutcomeCompliant     Outcome = "compliant"      // an earlier alert said that it may be open, and the policy allows it
	OutcomeExempt        Outcome = "exempt"         // an exception covers it
)

// OutcomesWorstFirst lists the outcomes in the order of their urgency.
func OutcomesWorstFirst() []Outcome {
	return []Outcome{OutcomeFailed, OutcomeWouldRevoke, OutcomeAlerted, OutcomeRevoked, OutcomeAlreadyClosed, OutcomeCompliant, OutcomeExempt}
}

// IsQuiet reports whether a finding of this outcome is worth no alert. covering is the
// finding's exception, nil if it has none. Exceptions are reviewed, and quiet; one that depends
// on tags is only as trustworthy as the people who may set them.
func (o Outcome) IsQuiet(covering *Exception) bool {
	return o == OutcomeExempt && (covering == nil || !covering.ByTag)
}

// Result is a finding and its outcome.
type Result struct {
	Finding
	Outcome Outcome `json:"outcome"`
	// Event is the call that the finding is of, in alerts that tell of several.
	Event *cloudtrail.Event `json:"event,omitempty"`
	// ExposureSeconds is the time in whole seconds from the event to the moment when the
	// rule was known to be closed or, if it is still open, was judged. Absent if unknown.
	ExposureSeconds *float64 `json:"exposureSeconds,omitempty"`
	// ClosedAt is the time of the response that the rule is gone; zero if it is not.
	ClosedAt *time.Time `json:"closedAt,omitempty"`
	// Owner is the value of the group's tag that the policy names as owner-tag, as far as
	// the group was read.
	Owner string `json:"owner,omitempty"`
	// StackName is the CloudFormation stack of the group, by the tag that only
	// CloudFormation can set, as far as the group was read.
	StackName string `json:"stackName,omitempty"`
	// Repeat is set if sgward has closed the same opening before.
	Repeat *Repeat `json:"repeat,omitempty"`
	// Fix is a rule to offer in place of a closed one: the same traffic, from the caller's
	// own address or from a group that the group lets in already. By itself the policy does
	// not forbid it. Absent if none is known.
	Fix *secgroup.Rule `json:"fix,omitempty"`
	// Undo is the AWS CLI command that restores the rule exactly, for outcomes revoked,
	// already_closed and would_revoke.
	Undo string `json:"undo,omitempty"`
	// Edited is set if ModifySecurityGroupRules made the rule. Its old values are unknown,
	// so undo restores the edited rule.
	Edited bool `json:"edited,omitempty"`
	// Left says why sgward left open a rule that the policy forbids, in words that end a
	// sentence. Empty if Verdict and Reasons say why. With a failed outcome it means that
	// EC2 was not called and that there is no further try.
	Left string `json:"left,omitempty"`
	// Gone is set on already_closed if Left names other rules of the group that still let
	// through some of the rule's traffic: the alert's worst outcome is then alerted.
	Gone bool `json:"gone,omitempty"`
	// MaybeEarlier is set on already_closed if sgward itself may have closed the rule, at an
	// earlier try or at another delivery of the event, and on revoked if an earlier try has closed the rule, or someone else
	// after sgward had chosen to.
	MaybeEarlier bool `json:"maybeEarlier,omitempty"`
	// EditedBack is set on already_closed if the rule still exists: an edit gave it other
	// values.
	EditedBack bool `json:"editedBack,omitempty"`
	// AnswerLost is set on revoked if EC2's answer was lost, and a repeat of the call found
	// the rule gone.
	AnswerLost bool `json:"answerLost,omitempty"`
	// OpenedByEdit is set if the edit of the prefix list took the rule across the threshold:
	// before the edit it was not forbidden.
	OpenedByEdit bool `json:"openedByEdit,omitempty"`
	// ErrorCode and ErrorMessage are EC2's, for outcome failed.
	ErrorCode    string `json:"errorCode,omitempty"`
	ErrorMessage string `json:"errorMessage,omitempty"`
	// FirstSeen is when a sweep first saw the finding: before the sweep of this alert if
	// an earlier digest had reported it and its verdict has changed. Absent in alerts of
	// other events.
	FirstSeen *time.Time `json:"firstSeen,omitempty"`
	// Reports is how many earlier digests of sweeps have reported the finding. Reminder is
	// set if nothing has changed since.
	Reports  int  `json:"reports,omitempty"`
	Reminder bool `json:"reminder,omitempty"`
	// Unannounced is set if the rule was made since the sweep began to watch, and no event
	// of it has reached detect.
	Unannounced bool `json:"unannounced,omitempty"`
}

// Repeat says how often sgward has closed an opening: the same traffic and peer in the same
// group, made by the same role or user. Times that lie more than a day apart, or more than a
// week after the first, are not counted together.
type Repeat struct {
	// Closings is the number of this closing, from 2, and Since the time of the first.
	Closings int       `json:"closings"`
	Since    time.Time `json:"since"`
	// FirstAlertID is the id of the first closing's alert, and the thread of the others.
	FirstAlertID string `json:"firstAlertId"`
	// Escalated is set on one of them: people have to stop what makes the opening.
	Escalated bool `json:"escalated,omitempty"`
}

// IsSettled reports whether the rule is closed or allowed. Other rules of the group may still
// let through some of its traffic: see Gone.
func (r *Result) IsSettled() bool {
	switch r.Outcome {
	case OutcomeRevoked, OutcomeAlreadyClosed, OutcomeCompliant, OutcomeExempt:
		return true
	default:
		return false
	}
}

// IsQuiet reports whether the result alone is worth no alert.
func (r *Result) IsQuiet() bool { return r.Outcome.IsQuiet(r.Exception) }

// Alert is the machine-readable body of the SNS message: at most one for each CloudTrail
// event.
type Alert struct {
	SchemaVersion string           `json:"schemaVersion"`
	ID            string           `json:"id"` // deterministic: repeats of one event share it
	Mode          Mode             `json:"mode"`
	Verdict       policy.Verdict   `json:"decision"` // the strongest of Findings
	PolicyDigest  string           `json:"policyDigest"`
	Event         cloudtrail.Event `json:"event"`
	// AccountName is the name that the stack was given for its account. Empty if it has none.
	AccountName string `json:"accountName,omitempty"`
	// Try and Tries say which delivery of the message this is, and after how many it goes
	// to the dead-letter queue; both zero if the queue did not say.
	Try   int `json:"try,omitempty"`
	Tries int `json:"tries,omitempty"`
	// Findings are the findings of the alert. FindingsOmitted counts those left out to
	// keep the message within SNS's limit.
	Findings        []Result `json:"findings"`
	FindingsOmitted int      `json:"findingsOmitted,omitempty"`
	// Statements describes the statements that decided findings, in order of first use: see
	// Cite.
	Statements []policy.StatementRef `json:"statements,omitempty"`
	// PrefixListID is the managed prefix list that the event edited, and PrefixListEntries
	// its current entries, which lose access if a rule is closed. Empty for other events.
	PrefixListID             string            `json:"prefixListId,omitempty"`
	PrefixListEntries        []PrefixListEntry `json:"prefixListEntries,omitempty"`
	PrefixListEntriesOmitted int               `json:"prefixListEntriesOmitted,omitempty"`
	// PrefixListBefore holds the entries before the edit, nil if they were not read.
	PrefixListBefore        []PrefixListEntry `json:"prefixListEntriesBefore,omitempty"`
	PrefixListBeforeOmitted int               `json:"prefixListEntriesBeforeOmitted,omitempty"`
	// OldEvents counts the events of an alert that tells of several. They were replayed
	// from an archive or arrived hours after their calls, so their rules exist already.
	// Event is then none of them: each finding names its own.
	OldEvents int `json:"oldEvents,omitempty"`
	// Sweep is set in the alerts of a sweep. Event is then the sweep itself: EC2 does not
	// record who made a rule.
	Sweep *Sweep `json:"sweep,omitempty"`
	// Exposed are the network interfaces that use the open groups, read after the revoke:
	// empty if none does, nil if they were not read. ExposedError says why they were not
	// read, or not completely.
	Exposed      []Interface `json:"exposed,omitempty"`
	ExposedError string      `json:"exposedError,omitempty"`
}

// NewAlert returns the alert of an event, judged by p: its verdict is the strongest of the
// results'.
func NewAlert(mode Mode, p *policy.Policy, event cloudtrail.Event, results []Result) Alert {
	findings := make([]Finding, len(results))
	for i := range results {
		findings[i] = results[i].Finding
	}
	return Alert{
		SchemaVersion: SchemaVersion, Mode: mode, PolicyDigest: p.Digest(), Verdict: Strongest(findings),
		Event: event, Findings: results,
	}
}

// maxCited limits Statements. A description of the greatest size takes about 2 KB.
const maxCited = 20

// Cite fills in Statements from the policy that judged the findings: the first 20 of their
// statements that have a description, runbook or controls.
func (a *Alert) Cite(p *policy.Policy) {
	a.Statements = nil
	for i := range a.Findings {
		id := a.Findings[i].StatementID
		if _, cited := a.Statement(id); cited || len(a.Statements) == maxCited {
			continue
		}
		if s, ok := p.Statement(id); ok && (s.Description != "" || s.Runbook != "" || len(s.Controls) > 0) {
			a.Statements = append(a.Statements, s)
		}
	}
}

// Statement returns the statement of Statements with an id; ok is false if it is not among
// them.
func (a *Alert) Statement(id string) (s policy.StatementRef, ok bool) {
	i := slices.IndexFunc(a.Statements, func(s policy.StatementRef) bool { return s.ID == id })
	if i < 0 {
		return policy.StatementRef{}, false
	}
	return a.Statements[i], true
}

// IsExpiryNotice reports that the alert is about exceptions that end, and not about rules.
func (a *Alert) IsExpiryNotice() bool {
	isOther := func(r Result) bool { return r.Rule != nil || r.Exception == nil }
	return a.Sweep == nil && len(a.Findings) > 0 && !slices.ContainsFunc(a.Findings, isOther)
}

// IsAccountName reports whether alerts can show an account's name: up to 63 letters,
// digits, blanks, dots, dashes and underscores, of which the first is a letter or digit.
func IsAccountName(s string) bool {
	return len(s) <= 63 && awsid.OnlyOf(s, awsid.Alphanumeric+" ._-") && awsid.OnlyOf(s[:1], awsid.Alphanumeric)
}

// PrefixListEntry is one address range of a managed prefix list.
type PrefixListEntry struct {
	Cidr        string `json:"cidr"`
	Description string `json:"description,omitempty"`
	// Added is set for entries that the event added, or gave another description.
	Added bool `json:"added,omitempty"`
}

// Interface is a network interface that uses the group.
type Interface struct {
	ID          string `json:"networkInterfaceId"`
	GroupID     string `json:"groupId"`
	PrivateIP   string `json:"privateIpAddress,omitempty"`
	PublicIP    string `json:"publicIp,omitempty"`
	InstanceID  string `json:"instanceId,omitempty"`
	Description string `json:"description,omitempty"`
	// Service names the service behind the interface, with its own name if EC2 has that:
	// "load balancer app/web/50dc6c495c0c9188", "RDS database". Empty for an instance,
	// which InstanceID names, and if unknown.
	Service string `json:"service,omitempty"`
	// MorePublicIPs are its public IPv4 addresses beside PublicIP.
	MorePublicIPs []string `json:"morePublicIps,omitempty"`
	IPv6Addresses []string `json:"ipv6Addresses,omitempty"`
}

// PublicAddresses are the addresses at which the internet may reach the interface: the
// public IPv4 ones, and those of its IPv6 ones that are routed (2000::/3). Route tables
// are not read.
func (i *Interface) PublicAddresses() []string {
	var out []string
	if i.PublicIP != "" {
		out = append(out, i.PublicIP)
	}
	out = append(out, i.MorePublicIPs...)
	for _, a := range i.IPv6Addresses {
		if addr, err := netip.ParseAddr(a); err == nil && addr.Is6() && addr.As16()[0]>>5 == 1 {
			out = append(out, a)
		}
	}
	return out
}
