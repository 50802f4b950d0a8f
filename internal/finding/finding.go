// Package finding is the contract between detect and remediate, and between an
// alert and whoever reads it: versioned JSON in the words of EC2 and CloudTrail.
// It decides nothing.
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

// SchemaVersion is the version of every JSON shape in this package. Fields may be
// added within a version; none changes its meaning.
const SchemaVersion = "1"

// Strongest returns the verdict of a Detection or Alert with these findings: the
// strongest of theirs, Compliant where all are exempt.
func Strongest(findings []Finding) policy.Verdict {
	out := policy.Compliant
	for i := range findings {
		if v := findings[i].Verdict; v.IsStrongerThan(out) {
			out = v
		}
	}
	return out
}

// Detection is what detect returns for one CloudTrail event, and sweep for one run:
// the findings that remediate deals with.
type Detection struct {
	SchemaVersion string           `json:"schemaVersion"`
	Source        Source           `json:"source,omitempty"`
	Verdict       policy.Verdict   `json:"decision"`     // the strongest of Findings
	PolicyDigest  string           `json:"policyDigest"` // "sha256:" and 64 hex digits
	Event         cloudtrail.Event `json:"event"`        // of a sweep: the run
	Findings      []Finding        `json:"findings"`
	// PrefixListID is the list that the event of SourcePrefixListEdit edited, and
	// PrefixListAdded holds the first ranges that it put in, MaxPrefixListAdded at most.
	PrefixListID    string         `json:"prefixListId,omitempty"`
	PrefixListAdded []netip.Prefix `json:"prefixListAdded,omitempty"`
}

// MaxPrefixListAdded is the most ranges that EC2 takes in one edit of a prefix list.
const MaxPrefixListAdded = 100

// Source says what brought up the findings of a Detection.
type Source string

// The sources. Of a call the findings are rules that it made. A prefix list edit and a
// sweep find rules that exist already: nobody knows who made them.
const (
	SourceCall           Source = ""
	SourcePrefixListEdit Source = "prefixListEdit"
	SourceSweep          Source = "sweep"
)

// UnmarshalText reads a source; one of another name is an error.
func (s *Source) UnmarshalText(text []byte) error {
	switch read := Source(text); read {
	case SourceCall, SourcePrefixListEdit, SourceSweep:
		*s = read
		return nil
	default:
		return fmt.Errorf("%.20q: want %q, %q, or no source", text, SourcePrefixListEdit, SourceSweep)
	}
}

// Finding is one judged rule that is not compliant, or a group whose rules the
// event does not tell (Rule is then nil and Verdict Undetermined or Alert).
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
	// Union is set where the rule is forbidden only together with others; With
	// are those of them that the group held before the call.
	Union bool            `json:"union,omitempty"`
	With  []secgroup.Rule `json:"with,omitempty"`
	// FromRequest is set where the record had no answer from EC2: the rule is what
	// the caller typed, and EC2 may have stored it otherwise.
	FromRequest bool `json:"fromRequest,omitempty"`
	// Ended is the last exception to end of those that would cover the rule. Absent
	// where none would, and in findings of other sources than sweeps.
	Ended *Exception `json:"endedException,omitempty"`
}

// Deciding returns the reasons of the statement that decided, all of them if none
// did.
func (f *Finding) Deciding() []policy.Reason { return policy.Deciding(f.Reasons, f.StatementID) }

// Exception names the policy entry that covers an exempt rule.
type Exception struct {
	ID      string `json:"id"`
	Owner   string `json:"owner"`
	Expires string `json:"expires"` // the last day it applies, YYYY-MM-DD
	// ByTag is set where tags of the group decide: whoever may tag it could have
	// exempted it, so people hear of such openings.
	ByTag bool `json:"byTag,omitempty"`
}

// NewID returns the id of a finding: equal for equal parts, so that a reader can
// drop repeats. key is the rule's id, or its permission where no id is known.
func NewID(accountID, region, groupID, key, eventID string) string {
	h := sha256.New()
	for _, part := range []string{accountID, region, groupID, key, eventID} {
		// The separator cannot occur in any part, so no two lists collide.
		h.Write([]byte(strings.ReplaceAll(part, "\x00", "")))
		h.Write([]byte{0})
	}
	return "f-" + hex.EncodeToString(h.Sum(nil)[:8])
}
