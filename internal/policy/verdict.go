package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sgward/internal/secgroup"
)

// Verdict is what a policy says of one rule. The zero value is Undetermined,
// which alerts and never revokes.
type Verdict uint8

// The verdicts. Undetermined means that something the policy asks for is not
// known: EC2 is read, and what stays unknown alerts. Judgement.Needs says what.
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

// Severity ranks findings for people. The zero value ranks below low and is used
// only where no statement speaks.
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

// Needs is a set of facts that were not known and that could change the verdict.
type Needs uint16

// What a verdict can lack.
const (
	// NeedDirection: whether the rule is ingress or egress, which
	// ModifySecurityGroupRules does not record.
	NeedDirection Needs = 1 << iota
	// NeedStanding: the other rules of the group, with which a public but narrow
	// peer may together reach the world.
	NeedStanding
	// NeedVPC: the group's VPC.
	NeedVPC
	// NeedGroupTags: the group's tags.
	NeedGroupTags
	// NeedPrefixList: the entries of a prefix list.
	NeedPrefixList
	// NeedActor: who made the rule. No reading of EC2 supplies it.
	NeedActor
	// NeedGroupID: which group it is.
	NeedGroupID
	// NeedPeerOwner: which account owns the referenced group. EC2's own account of
	// the rule tells it.
	NeedPeerOwner
	// NeedStandingActor: who made the group's other rules. No reading of EC2 supplies
	// it.
	NeedStandingActor
)

// String lists what is needed in words, or "" for nothing.
func (n Needs) String() string {
	out := ""
	for i, word := range []string{
		"the rule's direction", "the group's other rules", "the group's VPC", "the group's tags",
		"the prefix list's entries", "who made the rule", "the group's id",
		"the owner of the referenced group", "who made the group's other rules",
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

// Request is what Evaluate judges: the rules that one call made in one group, and
// what is known of their surroundings. Evaluate reads nothing else.
type Request struct {
	// Time is the moment of judging. Exceptions end by it; of the zero Time no
	// exception can tell whether it applies.
	Time      time.Time
	AccountID string // 12 digits
	Region    string
	Actor     Actor
	// Group is the group that holds the rules, as far as it is known. Its own Rules
	// take no part: those of the request do.
	Group secgroup.Group
	// Rules are judged, one Judgement each in the same order. They are taken as
	// made together: their peers count as one set.
	Rules []secgroup.Rule
	// Standing are the group's other rules, without Rules. They mean something
	// only where StandingKnown is set.
	Standing      []secgroup.Rule
	StandingKnown bool
	// PrefixLists holds the entries of prefix lists by id (pl-...). A list that
	// is not here is unknown.
	PrefixLists map[string][]netip.Prefix
}

// Actor is who made the rules. The zero value is an unknown actor: a clause on
// actors is then undetermined.
type Actor struct {
	// Known is set where the source names the caller, even if it has no ARN
	// (AWS services).
	Known bool
	// ARN is the role of an assumed-role session (the session issuer), or the
	// user's or root's own ARN. Session names are chosen by callers and take no
	// part.
	ARN string
}

// Judgement is the verdict on one rule and everything that led to it.
type Judgement struct {
	Verdict Verdict
	// Severity and StatementID are those of the statement that decided: the first
	// with the strongest effect. For an undetermined verdict they are those of the
	// strongest statement that may yet apply, for Exempt of one that Exception keeps
	// from applying. Empty for Compliant.
	Severity    Severity
	StatementID string
	// Existing is ExistingRevoke for Revoke where a statement that applies says so: the
	// one that decided or another, on its own like that one, or together with others
	// where that takes them too.
	Existing Existing
	// Reasons are in file order, one for each statement and exception that had a
	// part.
	Reasons []Reason
	// Exception is set for Exempt: the one that keeps the statement of StatementID from
	// applying, and one that asks for tags where the rule is exempt by such a one too.
	Exception *ExceptionRef
	// Needs says what an undetermined verdict lacks. It is zero for every other, and
	// for a rule that is none (without a peer, or of an unknown protocol) or a Request
	// without a Time, of which no reading tells more.
	Needs Needs
	// Union is set where the rule is below the line on its own and only together
	// with others of its call or group reaches it. With names the others of the
	// group that were there before the call and without which it would not; it is
	// empty where the rules of the call are enough.
	Union bool
	With  []secgroup.Rule
}

// Existing is what a statement wants done about rules that were there before the
// policy looked. The zero value alerts.
type Existing uint8

// What can be done about existing rules.
const (
	ExistingAlert Existing = iota
	ExistingRevoke
)

// Reason is one statement's or exception's part in a verdict, or a remark of which
// only Text is set: the record leaves something out, or a read failed.
type Reason struct {
	// ID is the statement's or exception's id and Line where it starts in File.
	ID   string
	File string
	Line int
	Text string
}

// Remark returns a reason that no statement gave.
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
	return r.File + ":" + strconv.Itoa(r.Line) + " " + r.ID + ": " + r.Text
}

// MarshalText writes what String returns.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText writes. A text that does not cite a line of a
// file is a remark, so that every text comes back as it was written.
func (r *Reason) UnmarshalText(text []byte) error {
	s := string(text)
	*r = Remark(s)
	// The first ": " ends the citation: no id has a colon, and "file:14 id" comes
	// before the text.
	cited, rest, found := strings.Cut(s, ": ")
	place, id, named := cutLast(cited, ' ')
	file, digits, numbered := cutLast(place, ':')
	line, _ := strconv.Atoi(digits) // 0 for what is no number
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

// Deciding returns of reasons those of the statement that decided, or all of them if
// none did. The others may say "alert" beside something that was revoked.
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

// Texts returns reasons as they are printed.
func Texts(reasons []Reason) []string {
	var out []string
	for _, r := range reasons {
		out = append(out, r.String())
	}
	return out
}

// ExceptionRef names the exception that covers an exempt rule.
type ExceptionRef struct {
	ID      string
	Owner   string
	Reason  string
	Expires string // the last day it applies, YYYY-MM-DD, until 24:00 UTC
	Line    int
	// ByTag is set where the exception asks for tags of the group: whoever may tag
	// it could have exempted it.
	ByTag bool
}
