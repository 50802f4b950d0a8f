// Package finding is the contract between detect and remediate, and between an
// alert and whoever reads it: versioned JSON in the words of EC2 and CloudTrail.
// It decides nothing.
package finding

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"sgward/internal/policy"
)

// SchemaVersion is the version of every JSON shape in this package. Fields may be
// added within a version; none changes its meaning.
const SchemaVersion = "1"

// Decision is what has to be done. The zero value is invalid.
type Decision string

// The decisions. A Detection carries the strongest of its findings in this
// order: revoke, inspect, alert, none. A Finding is never none.
const (
	DecisionRevoke  Decision = "revoke"
	DecisionInspect Decision = "inspect" // the event alone cannot tell: read the group
	DecisionAlert   Decision = "alert"
	DecisionExempt  Decision = "exempt" // an exception covers it; logged, nothing is done
	DecisionNone    Decision = "none"
)

// rank orders decisions by strength.
func (d Decision) rank() int {
	switch d {
	case DecisionRevoke:
		return 3
	case DecisionInspect:
		return 2
	case DecisionAlert:
		return 1
	default:
		return 0
	}
}

// Strongest returns the decision of a Detection with these findings.
func Strongest(findings []Finding) Decision {
	out := DecisionNone
	for i := range findings {
		if findings[i].Decision.rank() > out.rank() {
			out = findings[i].Decision
		}
	}
	return out
}

// Detection is what detect returns for one CloudTrail event.
type Detection struct {
	SchemaVersion string    `json:"schemaVersion"`
	Decision      Decision  `json:"decision"`
	PolicyDigest  string    `json:"policyDigest"` // "sha256:" and 64 hex digits
	Event         Event     `json:"event"`
	Findings      []Finding `json:"findings"`
}

// Event names the CloudTrail event, who made the call and from where.
type Event struct {
	EventID         string    `json:"eventId"`
	EventName       string    `json:"eventName"`
	EventTime       time.Time `json:"eventTime"` // CloudTrail knows whole seconds
	AccountID       string    `json:"accountId"`
	Region          string    `json:"region"`
	Actor           Actor     `json:"actor"`
	SourceIPAddress string    `json:"sourceIpAddress,omitempty"` // an address, a service name or "AWS Internal"
	UserAgent       string    `json:"userAgent,omitempty"`
}

// Actor is the caller as CloudTrail names it. SessionIssuerARN is the role behind
// an assumed-role session; the session name at the end of ARN is the caller's choice.
type Actor struct {
	Type             string `json:"type,omitempty"`
	ARN              string `json:"arn,omitempty"`
	SessionIssuerARN string `json:"sessionIssuerArn,omitempty"`
	// InvokedBy is the AWS service that made the call for the actor, if any.
	InvokedBy string `json:"invokedBy,omitempty"`
}

// Principal returns the ARN that policies compare: the session issuer's where
// there is one, else the caller's own; "" for AWS services.
func (a Actor) Principal() string {
	if a.SessionIssuerARN != "" {
		return a.SessionIssuerARN
	}
	return a.ARN
}

// Subject returns the actor as policies see it. It is known where the record names a
// role, a user, root or an AWS service. A session whose role it does not tell could be
// of any: its own ARN, of STS, holds the role without its path.
func (a Actor) Subject() policy.Actor {
	arn := a.Principal()
	if arn == "" {
		return policy.Actor{Known: a.InvokedBy != "" || a.Type == "AWSService"}
	}
	if parts := strings.SplitN(arn, ":", 4); len(parts) == 4 && parts[2] == "sts" {
		return policy.Actor{}
	}
	return policy.Actor{Known: true, ARN: arn}
}

// Finding is one judged rule that is not compliant, or a group whose rules the
// event does not tell (Rule is then nil and Decision inspect or alert).
type Finding struct {
	ID          string     `json:"id"` // deterministic: the same event gives the same id
	Decision    Decision   `json:"decision"`
	Severity    string     `json:"severity"` // critical, high, medium or low
	StatementID string     `json:"statementId,omitempty"`
	Reasons     []string   `json:"reasons"` // "policy.yaml:14 ..." in file order
	AccountID   string     `json:"accountId,omitempty"`
	Region      string     `json:"region,omitempty"`
	GroupID     string     `json:"groupId,omitempty"`
	GroupName   string     `json:"groupName,omitempty"`
	VPCID       string     `json:"vpcId,omitempty"`
	Rule        *Rule      `json:"rule,omitempty"`
	Exception   *Exception `json:"exception,omitempty"`
	// Union is set where the rule is forbidden only together with others; With
	// are those of them that the group held before the call.
	Union bool   `json:"union,omitempty"`
	With  []Rule `json:"with,omitempty"`
	// FromRequest is set where the record had no answer from EC2: the rule is what
	// the caller typed, and EC2 may have stored it otherwise.
	FromRequest bool `json:"fromRequest,omitempty"`
}

// Deciding returns the reasons of the statement that decided, all of them if none
// did. The others may say "alert" beside something that was revoked.
func (f *Finding) Deciding() []string {
	var own []string
	for _, reason := range f.Reasons {
		if f.StatementID != "" && strings.Contains(reason, " "+f.StatementID+":") {
			own = append(own, reason)
		}
	}
	if len(own) == 0 {
		return f.Reasons
	}
	return own
}

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
