package finding

import (
	"net/netip"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/policy"
)

// Mode says whether remediate acts. The zero value is invalid.
type Mode string

// The modes. Observe takes the real path up to the last call and says what it
// would have done.
const (
	Observe Mode = "observe"
	Enforce Mode = "enforce"
)

// Outcome is what became of a finding.
type Outcome string

// The outcomes, from worst to best: what an alert's attribute "outcome" carries
// is the first of these that occurs in it.
const (
	OutcomeFailed        Outcome = "failed"         // should be closed and may still be open
	OutcomeWouldRevoke   Outcome = "would_revoke"   // observe mode: still open
	OutcomeAlerted       Outcome = "alerted"        // the policy asks for an alert only, or the verdict stayed unknown
	OutcomeRevoked       Outcome = "revoked"        // closed by this try
	OutcomeAlreadyClosed Outcome = "already_closed" // found gone
	OutcomeExempt        Outcome = "exempt"         // an exception covers it
)

// OutcomesWorstFirst lists the outcomes in the order of their urgency.
func OutcomesWorstFirst() []Outcome {
	return []Outcome{OutcomeFailed, OutcomeWouldRevoke, OutcomeAlerted, OutcomeRevoked, OutcomeAlreadyClosed, OutcomeExempt}
}

// Result is a finding and what became of it.
type Result struct {
	Finding
	Outcome Outcome `json:"outcome"`
	// ExposureSeconds is the time from the event (whole seconds) to the moment at
	// which the rule was known to be closed, or for rules that are still open to the
	// moment of judging. Absent where it is not known.
	ExposureSeconds *float64 `json:"exposureSeconds,omitempty"`
	// ClosedAt is when the answer came that the rule is gone; zero otherwise.
	ClosedAt *time.Time `json:"closedAt,omitempty"`
	// Undo is the AWS CLI command that puts the rule back exactly as it was, for
	// outcomes revoked, already_closed and would_revoke.
	Undo string `json:"undo,omitempty"`
	// Edited is set where ModifySecurityGroupRules made the rule: what it was
	// before is not known, so undo restores the edited rule.
	Edited bool `json:"edited,omitempty"`
	// Left says why sgward left a rule open that the policy forbids, in words that
	// end a sentence. Empty where Verdict and Reasons say it. A failed outcome with it
	// means that EC2 was not asked and that no other try is made.
	Left string `json:"left,omitempty"`
	// MaybeEarlier is set on already_closed where an earlier try of this message
	// may have been the one that closed it.
	MaybeEarlier bool `json:"maybeEarlier,omitempty"`
	// ErrorCode and ErrorMessage are EC2's, for outcome failed.
	ErrorCode    string `json:"errorCode,omitempty"`
	ErrorMessage string `json:"errorMessage,omitempty"`
	// FirstSeen is when a sweep first saw the finding: earlier than the sweep of this
	// alert where it was told before and what the policy says of it has changed.
	// Absent in alerts of other events.
	FirstSeen *time.Time `json:"firstSeen,omitempty"`
}

// Alert is the machine-readable body of the SNS message: one for each CloudTrail
// event that has something to tell.
type Alert struct {
	SchemaVersion string           `json:"schemaVersion"`
	ID            string           `json:"id"` // deterministic: repeats of one event share it
	Mode          Mode             `json:"mode"`
	Verdict       policy.Verdict   `json:"decision"` // the strongest of Findings
	PolicyDigest  string           `json:"policyDigest"`
	Event         cloudtrail.Event `json:"event"`
	// Try and Tries say which delivery of the message this is, and after how many
	// it goes to the dead letters; both zero where the queue did not say.
	Try   int `json:"try,omitempty"`
	Tries int `json:"tries,omitempty"`
	// Findings are what the alert tells. FindingsOmitted counts those left out to
	// keep the message within SNS's limit.
	Findings        []Result `json:"findings"`
	FindingsOmitted int      `json:"findingsOmitted,omitempty"`
	// PrefixListID is the managed prefix list that the event edited, and
	// PrefixListEntries what it holds since: whoever is in it loses access where a
	// rule goes. Empty for events that are no such edit.
	PrefixListID             string            `json:"prefixListId,omitempty"`
	PrefixListEntries        []PrefixListEntry `json:"prefixListEntries,omitempty"`
	PrefixListEntriesOmitted int               `json:"prefixListEntriesOmitted,omitempty"`
	// Sweep is set in the alerts of a run over all groups. Event is then that run:
	// who made the rules is not known.
	Sweep *Sweep `json:"sweep,omitempty"`
	// Exposed are the network interfaces that use the open groups, read after the
	// revoke: empty where none does, nil where they were not read. ExposedError says
	// why they were not, or why these are not all.
	Exposed      []Interface `json:"exposed,omitempty"`
	ExposedError string      `json:"exposedError,omitempty"`
}

// PrefixListEntry is one address range of a managed prefix list.
type PrefixListEntry struct {
	Cidr        string `json:"cidr"`
	Description string `json:"description,omitempty"`
	// Added is set for what the event put in, or gave another description.
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
	// Service says in words what is behind the interface, with its name where EC2 tells
	// that: "load balancer app/web/50dc6c495c0c9188", "RDS database". Empty for an
	// instance, which InstanceID names, and where it is not known.
	Service string `json:"service,omitempty"`
	// MorePublicIPs are its public IPv4 addresses beside PublicIP.
	MorePublicIPs []string `json:"morePublicIps,omitempty"`
	IPv6Addresses []string `json:"ipv6Addresses,omitempty"`
}

// PublicAddresses are the addresses at which the internet may reach the interface:
// the public IPv4 ones and those of its IPv6 ones that are routed (2000::/3). Whether
// a route leads there is not known.
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
