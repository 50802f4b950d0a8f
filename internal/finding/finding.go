// Package finding is the contract between detect and remediate, and between an alert and
// its readers: versioned JSON in the words of EC2 and CloudTrail. It decides nothing.
package finding

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"sgward/internal/cloudtrail"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// SchemaVersion is the version of every JSON shape in this package. Within a version
// fields may be added, but no meaning changes.
const SchemaVersion = "1"

// Strongest returns the verdict of a Detection or Alert with these findings: the strongest
// of theirs, Compliant if all are exempt.
func Strongest(findings []Finding) policy.Verdict {
	out := policy.Compliant
	for i := range findings {
		if v := findings[i].Verdict; v.IsStrongerThan(out) {
			out = v
		}
	}
	return out
}

// Detection is the result of detect for one CloudTrail event, and of sweep for one run:
// the findings that remediate handles.
type Detection struct {
	SchemaVersion string           `json:"schemaVersion"`
	Source        Source           `json:"source,omitempty"`
	Verdict       policy.Verdict   `json:"decision"`     // the strongest of Findings
	PolicyDigest  string           `json:"policyDigest"` // "sha256:" and 64 hex digits
	Event         cloudtrail.Event `json:"event"`        // of a sweep: the run
	Findings      []Finding        `json:"findings"`
	// Chosen is set on a Detection of remediate: it has read the groups of the event, and
	// Findings are complete rules, with their ids, that it is about to close.
	Chosen bool `json:"chosen,omitempty"`
	// Apart holds the ids of rules that did not count as the groups' other rules when
	// Findings were chosen: they were about to be closed too, or later calls had made them.
	Apart []string `json:"apart,omitempty"`
	// Told are results that the alert of this choice reports beside its own: rules that were
	// found gone, whose traffic the chosen rules let through.
	Told []Result `json:"told,omitempty"`
	// PrefixListID is the list that the event of SourcePrefixListEdit edited, and
	// PrefixListAdded holds the first ranges that it added, MaxPrefixListAdded at most.
	PrefixListID    string         `json:"prefixListId,omitempty"`
	PrefixListAdded []netip.Prefix `json:"prefixListAdded,omitempty"`
	// PrefixListVersion is the version of the list that the event edited, if the rules that
	// the edit took across the threshold count as made by it; else 0.
	PrefixListVersion int64 `json:"prefixListVersion,omitempty"`
}

// NewDetection returns the Detection of an event, judged by p, that has found nothing yet: its
// verdict is Compliant, and Findings is empty, not nil.
func NewDetection(p *policy.Policy, event cloudtrail.Event, source Source) Detection {
	return Detection{
		SchemaVersion: SchemaVersion, Source: source, Verdict: policy.Compliant, PolicyDigest: p.Digest(),
		Event: event, Findings: []Finding{},
	}
}

// MaxPrefixListAdded is the most ranges that EC2 accepts in one edit of a prefix list.
const MaxPrefixListAdded = 100

// Source is the origin of a Detection's findings.
type Source string

// The sources. The findings of a call are rules that it made. A prefix list edit and a
// sweep find existing rules, whose makers are unknown. For a call whose record names no
// group, sweep finds the rules that nobody else can have made.
const (
	SourceCall           Source = ""
	SourcePrefixListEdit Source = "prefixListEdit"
	SourceSweep          Source = "sweep"
	SourceUnnamedCall    Source = "unnamedCall"
)

// UnmarshalText reads a source. Unknown names are errors.
func (s *Source) UnmarshalText(text []byte) error {
	switch read := Source(text); read {
	case SourceCall, SourcePrefixListEdit, SourceSweep, SourceUnnamedCall:
		*s = read
		return nil
	default:
		return fmt.Errorf("%.20q: want %q, %q, %q, or no source", text, SourcePrefixListEdit, SourceSweep, SourceUnnamedCall)
	}
}

// Finding is one judged rule that is not compliant, or a group whose rules the event
// leaves out (Rule is then nil and Verdict Undetermined or Alert).
type Finding struct {
	ID          string          `json:"id"` // deterministic: the same event gives the same id
	Verdict     policy.Verdict  `json:"decision"`
	Severity    policy.Severity `json:"severity"`
	StatementID string          `json:"statementId,omitempty"`
	Reasons     []policy.Reason `json:"reasons"` // in file order, remarks last
	AccountID   string          `json:"accountId,omitempty"`
	Region      string          `json:"region,omitempty"`
	GroupID     string          `json:"groupId,omitempty"`
	GroupName   string          `json:"groupName,omitempty"`
	VPCID       string          `json:"vpcId,omitempty"`
	Rule        *secgroup.Rule  `json:"rule,omitempty"`
	Exception   *Exception      `json:"exception,omitempty"`
	// Union is set if the rule is forbidden only together with others. With lists those of
	// them that the group held before the call.
	Union bool            `json:"union,omitempty"`
	With  []secgroup.Rule `json:"with,omitempty"`
	// FromRequest is set if the record lacks EC2's response: the rule is as the caller
	// typed it, and EC2 may have stored other values.
	FromRequest bool `json:"fromRequest,omitempty"`
	// MakerUnknown is set if the rule was found by reading its group: it may be older than
	// the event, and another than the event's actor may have made it.
	MakerUnknown bool `json:"makerUnknown,omitempty"`
	// Ended is the exception that ended last of those that would cover the rule. Absent if
	// there is none, and in findings of other sources than sweeps.
	Ended *Exception `json:"endedException,omitempty"`
}

// Deciding returns the reasons of the deciding statement, or all of them if none decided.
func (f *Finding) Deciding() []policy.Reason { return policy.Deciding(f.Reasons, f.StatementID) }

// Exception names the policy entry that covers an exempt rule.
type Exception struct {
	ID    string `json:"id"`
	Owner string `json:"owner"`
	// Expires is the last day it applies, YYYY-MM-DD, or the moment of its end in UTC, such
	// as 2027-03-01T18:00:00Z.
	Expires string `json:"expires"`
	// ByTag is set if tags of the group decide: anyone who may tag the group could have
	// exempted it, so such openings are reported.
	ByTag bool `json:"byTag,omitempty"`
}

// NewID returns the id of a finding: equal for equal parts, so that readers can drop
// repeats. key is the rule's id, or its permission if the id is unknown.
func NewID(accountID, region, groupID, key, eventID string) string {
	h := sha256.New()
	for _, part := range []string{accountID, region, groupID, key, eventID} {
		// The separator cannot occur in any part, so no two lists collide.
		h.Write([]byte(strings.ReplaceAll(part, "\x00", "")))
		h.Write([]byte{0})
	}
	return "f-" + hex.EncodeToString(h.Sum(nil)[:8])
}
