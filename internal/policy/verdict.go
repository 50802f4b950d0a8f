package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sgward/internal/secgroup"
)

// Verdict is the policy's verdict on one rule. The zero value is Undetermined, which
// alerts and never revokes.
type Verdict uint8

// The verdicts. Undetermined means that a fact that the policy asks for is unknown
// (Judgement.Needs): EC2 is read, and if the fact stays unknown the verdict alerts.
const (
	Undetermined Verdict = iota
	Compliant
	Exempt
	Alert
	Revoke
)

// Verdicts lists the verdicts from the strongest to the weakest.
func Verdicts() []Verdict { return []Verdict{Revoke, Undetermined, Alert, Exempt, Compliant} }

// String returns the verdict as JSON and policy tests write it: "inspect" for
// Undetermined and "none" for Compliant, else its name in lower case.
func (v Verdict) String() string {
	switch v {
	case Compliant:
		return "none"
	case Exempt:
		return "exempt"
	case Alert:
		return "alert"
	case Revoke:
		return "revoke"
	default:
		return "inspect"
	}
}

// MarshalText writes what String returns.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (v *Verdict) UnmarshalText(text []byte) error {
	for _, known := range Verdicts() {
		if string(text) == known.String() {
			*v = known
			return nil
		}
	}
	return fmt.Errorf("%.20q: want revoke, alert, inspect, exempt or none", text)
}

// IsStrongerThan orders verdicts by what they ask for: revoke, inspect, alert.
// Exempt and compliant ask for nothing, and neither is stronger than the other.
func (v Verdict) IsStrongerThan(o Verdict) bool { return v.strength() > o.strength() }

func (v Verdict) strength() int {
	switch v {
	case Revoke:
		return 3
	case Alert:
		return 1
	case Exempt, Compliant:
		return 0
	default:
		return 2
	}
}

// Severity ranks findings for people. The zero value ranks below low and is used only if
// no statement decided.
type Severity uint8

// The severities, from least to most.
const (
	NoSeverity Severity = iota
	Low
	Medium
	High
	Critical
)

// String returns "low", "medium", "high", "critical" or, for the zero value, "".
func (s Severity) String() string {
	switch s {
	case Low:
		return "low"
	case Medium:
		return "medium"
	case High:
		return "high"
	case Critical:
		return "critical"
	default:
		return ""
	}
}

// MarshalText writes what String returns.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes; "" is NoSeverity.
func (s *Severity) UnmarshalText(text []byte) error {
	for known := NoSeverity; known <= Critical; known++ {
		if string(text) == known.String() {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("%.20q: want critical, high, medium or low", text)
}

// Needs is a set of unknown facts that could change the verdict.
type Needs uint16

// The facts that a verdict can need.
const (
	// NeedDirection: whether the rule is ingress or egress. Records of
	// ModifySecurityGroupRules leave it out.
	NeedDirection Needs = 1 << iota
	// NeedStanding: the group's other rules, with which a public but narrow peer may reach
	// the world.
	NeedStanding
	// NeedVPC: the group's VPC.
	NeedVPC
	// NeedGroupTags: the group's tags.
	NeedGroupTags
	// NeedPrefixList: the entries of a prefix list.
	NeedPrefixList
	// NeedActor: the identity that made the rule. EC2 does not store it.
	NeedActor
	// NeedGroupID: the group's id.
	NeedGroupID
	// NeedPeerOwner: the account that owns the referenced group. EC2's description of the
	// rule has it.
	NeedPeerOwner
	// NeedStandingActor: the identities that made the group's other rules. EC2 does not
	// store them.
	NeedStandingActor
	// NeedListOwner: whether the prefix list has a trusted owner. Its owner is unknown, or
	// an account that the policy does not trust.
	NeedListOwner
	// NeedTime: how the rules add up with the group's others. Request.Interrupted ended the
	// judgement before.
	NeedTime
	// NeedPeer: the peer, which a plan leaves open until it is applied.
	NeedPeer
)

// NeedsOfLists are the facts about a prefix list.
const NeedsOfLists = NeedPrefixList | NeedListOwner

// String lists the facts, or returns "" for none.
func (n Needs) String() string {
	out := ""
	for i, word := range []string{
		"the rule's direction", "the group's other rules", "the group's VPC", "the group's tags",
		"the prefix list's entries", "who made the rule", "the group's id",
		"the owner of the referenced group", "who made the group's other rules",
		"whether the owner of the prefix list is trusted", "more time than there was to add up the group's rules",
		"the peer",
	} {
		if n&(1<<i) == 0 {
			continue
		}
		if out != "" {
			out += ", "
		}
		out += word
	}
	return out
}

// Request is the input of Evaluate: the rules that one call made in one group, and the
// known facts around them. Evaluate reads nothing else.
type Request struct {
	// Time is the moment of judging, by which exceptions end. With the zero Time, whether
	// an exception applies is unknown.
	Time      time.Time
	AccountID string // 12 digits
	Region    string
	Actor     Actor
	// Group is the group that holds the rules, as far as known. Group.Rules is not read:
	// Rules and Standing are.
	Group secgroup.Group
	// Rules are judged, one Judgement each in the same order. One call made them, so their
	// peers count as one set.
	Rules []secgroup.Rule
	// Standing holds the group's other rules. It is read only if StandingKnown is set.
	Standing      []secgroup.Rule
	StandingKnown bool
	// RulesRead is set if Rules were read from EC2 or a dump, so that their tags are facts.
	// A statement with "ended: true" applies to no others: a message that claims such a tag
	// ends nothing.
	RulesRead bool
	// PrefixLists holds prefix lists by id (pl-...). A list that is missing is unknown.
	PrefixLists map[string]secgroup.PrefixList
	// Interrupted is asked now and then while rules are added up, which can take long for
	// many. Once it says true, rules whose verdicts depend on that are undetermined. nil
	// never interrupts.
	Interrupted func() bool
}

// Actor is the identity that made the rules. The zero value is an unknown actor, which
// leaves clauses on actors undetermined.
type Actor struct {
	// Known is set if the source names the caller, even one without an ARN (AWS services).
	Known bool
	// ARN is the role of an assumed-role session (the session issuer), or the user's or
	// root's own ARN. Session names are chosen by callers and are not read.
	ARN string
}

// Judgement is the verdict on one rule with everything that led to it.
type Judgement struct {
	Verdict Verdict
	// Severity and StatementID are those of the deciding statement: the first with the
	// strongest effect. For an undetermined verdict they are those of the strongest
	// statement that may apply, for Exempt of the one that Exception overrides. Empty for
	// Compliant.
	Severity    Severity
	StatementID string
	// Existing is ExistingRevoke if the verdict is Revoke and a statement that applies
	// says "existing: revoke". Only statements count that apply as the deciding one does:
	// alone, or in union.
	Existing Existing
	// Reasons are in file order, one for each statement and exception with a part in the
	// verdict.
	Reasons []Reason
	// Exception is set for Exempt: the exception that overrides the statement of
	// StatementID. If an exception by tag covers the rule as well, it is that one.
	Exception *ExceptionRef
	// Needs holds the missing facts of an undetermined verdict. It is zero for other
	// verdicts, and where no read of EC2 can help: an invalid rule, or a Request without a
	// Time.
	Needs Needs
	// Union is set if the rule is below the threshold on its own and reaches it only
	// together with other rules. With lists the existing rules that the union needs; it is
	// empty if the rules of the call are enough.
	Union bool
	With  []secgroup.Rule
}

// Existing is what a statement asks for when the rule existed before the policy judged it.
// The zero value alerts.
type Existing uint8

// The values of Existing.
const (
	ExistingAlert Existing = iota
	ExistingRevoke
)

// Reason is the part of one statement or exception in a verdict. A reason of which only
// Text is set is a remark: the record is incomplete, or a read failed.
type Reason struct {
	// ID is the id of the statement or exception, and Line is where it starts in File.
	ID   string
	File string
	Line int
	Text string
}

// Remark returns a reason that cites no statement.
func Remark(text string) Reason { return Reason{Text: text} }

// Remarks returns a Remark for each text.
func Remarks(texts []string) []Reason {
	var out []Reason
	for _, text := range texts {
		out = append(out, Remark(text))
	}
	return out
}

// String prints "policy.yaml:14 world-open-database: tcp 3306 is reachable from ...",
// or the text alone of a remark.
func (r Reason) String() string {
	if r.Line == 0 {
		return r.Text
	}
	text, _ := r.AppendText(make([]byte, 0, len(r.File)+len(r.ID)+len(r.Text)+8)) // it never fails
	return string(text)
}

// MarshalText writes what String returns.
func (r Reason) MarshalText() ([]byte, error) { return r.AppendText(nil) }

// AppendText appends what String returns. encoding/json calls it, which saves a copy.
func (r Reason) AppendText(b []byte) ([]byte, error) {
	if r.Line != 0 {
		b = append(append(b, r.File...), ':')
		b = append(strconv.AppendInt(b, int64(r.Line), 10), ' ')
		b = append(append(b, r.ID...), ": "...)
	}
	return append(b, r.Text...), nil
}

// UnmarshalText reads what MarshalText writes. A text that does not cite a line of a file
// is a remark, so every text survives a round trip.
func (r *Reason) UnmarshalText(text []byte) error {
	s := string(text)
	*r = Remark(s)
	// The first ": " ends the citation: no id has a colon, and "file:14 id" comes
	// before the text.
	cited, rest, found := strings.Cut(s, ": ")
	place, id, named := cutLast(cited, ' ')
	file, digits, numbered := cutLast(place, ':')
	line, _ := strconv.Atoi(digits) // 0 if it is not a number
	if found && named && numbered && line > 0 && file != "" && isID(id) && digits == strconv.Itoa(line) {
		*r = Reason{ID: id, File: file, Line: line, Text: rest}
	}
	return nil
}

func cutLast(s string, separator byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// Deciding returns the reasons of the deciding statement, or all reasons if none decided.
// The others may say "alert" beside a rule that was revoked.
func Deciding(reasons []Reason, statementID string) []Reason {
	var own []Reason
	for _, r := range reasons {
		if statementID != "" && r.ID == statementID {
			own = append(own, r)
		}
	}
	if len(own) == 0 {
		return reasons
	}
	return own
}

// Texts returns the reasons as text.
func Texts(reasons []Reason) []string {
	var out []string
	for _, r := range reasons {
		out = append(out, r.String())
	}
	return out
}

// ExceptionRef names the exception that covers an exempt rule.
type ExceptionRef struct {
	ID     string
	Owner  string
	Reason string
	// Expires is the last day it applies, YYYY-MM-DD, until 24:00 UTC; or, if the policy
	// names the moment of its end, that moment in UTC: 2027-03-01T18:00:00Z (RFC 3339).
	Expires string
	Line    int
	// ByTag is set if the exception asks for tags of the group: anyone who may tag it
	// could have exempted it.
	ByTag bool
}
