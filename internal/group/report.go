package group

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"sgward/internal/authorize"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// Outcome is the result for a rule, or for the group. The zero value is invalid.
type Outcome string

// The outcomes, in JSON's words: those of authorize, and others.
const (
	Made        = Outcome(authorize.Made)
	WouldMake   = Outcome(authorize.WouldMake)
	There       = Outcome(authorize.There)
	Failed      = Outcome(authorize.Failed)
	Removed     = Outcome("removed")
	WouldRemove = Outcome("would_remove")
	Left        = Outcome("left")    // not one of the pattern's, and kept
	Refused     = Outcome("refused") // by the policy; nothing was made
)

// RuleResult is one rule and its outcome.
type RuleResult struct {
	Outcome      Outcome          `json:"change"`
	Rule         secgroup.Rule    `json:"rule"`
	Note         string           `json:"note,omitempty"`
	Policy       *finding.Finding `json:"policy,omitempty"` // of a refused rule
	Exception    string           `json:"exception,omitempty"`
	ErrorCode    string           `json:"errorCode,omitempty"`
	ErrorMessage string           `json:"errorMessage,omitempty"`

	text string // the permission, for people
}

// Report is the result of a command, with the group as it is afterwards: one line of JSON.
type Report struct {
	AccountID string `json:"accountId"`
	Region    string `json:"region"`
	VPCID     string `json:"vpcId"`
	// GroupID is empty if the group was not made.
	GroupID   string          `json:"groupId,omitempty"`
	GroupName string          `json:"groupName"`
	Group     Outcome         `json:"group"` // made, would_make, already_there or refused
	Changes   []RuleResult    `json:"changes"`
	Rules     []secgroup.Rule `json:"rules"` // the group's rules at the end, ingress first
	Notes     []string        `json:"notes,omitempty"`
}

// reportOf starts the result of a command on a group.
func reportOf(g secgroup.Group, state Outcome) *Report {
	r := &Report{
		AccountID: g.OwnerID, Region: g.Region, VPCID: g.VPCID, GroupID: g.ID, GroupName: g.Name,
		Group: state, Changes: []RuleResult{}, Rules: []secgroup.Rule{},
	}
	if g.ID != "" {
		r.hold(g.Rules...)
	}
	return r
}

// note adds the result for a rule.
func (r *Report) note(state Outcome, rule secgroup.Rule, text string, err error) {
	c := RuleResult{Outcome: state, Rule: rule, Note: text, text: authorize.RuleText(rule)}
	if err != nil {
		c.ErrorCode, c.ErrorMessage = ec2rules.ErrorCode(err), err.Error()
	}
	r.Changes = append(r.Changes, c)
	switch state {
	case Made:
		r.hold(rule)
	case Removed:
		r.Rules = slices.DeleteFunc(r.Rules, func(h secgroup.Rule) bool {
			_, same := secgroup.FindRule([]secgroup.Rule{rule}, h.Permission)
			return same
		})
	}
}

// hold adds rules to those of the group, ingress first.
func (r *Report) hold(rules ...secgroup.Rule) {
	r.Rules = append(r.Rules, rules...)
	slices.SortStableFunc(r.Rules, func(a, b secgroup.Rule) int { return int(a.Permission.Direction) - int(b.Permission.Direction) })
}

// refuse adds the rules that the policy forbids.
func (r *Report) refuse(judged []finding.Finding, rules []secgroup.Rule, terms Terms) {
	for i, rule := range rules {
		f := judged[i]
		if authorize.Allowed(f) {
			continue
		}
		r.note(Refused, rule, strings.Join(policy.Texts(f.Deciding()), "; "), nil)
		last := &r.Changes[len(r.Changes)-1]
		last.Policy = &f
		last.Exception = authorize.Exception(f, time.Now(), terms)
	}
}

// Failed reports that something failed.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Changes, func(c RuleResult) bool { return c.Outcome == Failed })
}

// JSON returns the result as one line.
func (r *Report) JSON() (string, error) {
	encoded, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encoding the result: %w", err)
	}
	return string(encoded) + "\n", nil
}

// Advice returns hints to print beside the result; policyFile is the path of the policy.
func (r *Report) Advice(policyFile string) string {
	var b strings.Builder
	for _, n := range r.Notes {
		fmt.Fprintln(&b, n)
	}
	var texts []string
	for _, c := range r.Changes {
		if c.Exception != "" && !slices.Contains(texts, c.Exception) {
			texts = append(texts, c.Exception)
		}
	}
	if len(texts) > 0 {
		fmt.Fprintf(&b, "%s does not allow it, so nothing was done. If it is meant, paste this under exceptions: there, fill in\n"+
			"reason and owner, have it reviewed and deploy it first:\n%s", policyFile, strings.Join(texts, ""))
	}
	return b.String()
}

// Text is the result for people. If quiet, it leaves out everything that is as wanted.
func (r *Report) Text(quiet bool) string {
	var b strings.Builder
	id := r.GroupID
	if id == "" {
		id = "a new group"
	}
	fmt.Fprintf(&b, "%s in %s:%s\n", authorize.GroupText(id, r.GroupName, r.AccountID, r.Region), r.VPCID, r.state())
	for _, c := range r.Changes {
		detail := c.Note
		if c.ErrorMessage != "" {
			detail = c.ErrorMessage
		}
		if quiet && detail == "" {
			continue
		}
		if detail != "" {
			detail = ": " + text.Visible(detail)
		}
		fmt.Fprintf(&b, "  %-13s  %s%s\n", strings.ReplaceAll(string(c.Outcome), "_", " "), c.text, detail)
	}
	return b.String()
}

// state is the result for the group itself, "" if its rules show it.
func (r *Report) state() string {
	only := func(kinds ...Outcome) bool {
		return !slices.ContainsFunc(r.Changes, func(c RuleResult) bool { return !slices.Contains(kinds, c.Outcome) })
	}
	switch {
	case r.Refused():
		return " nothing was done"
	case r.Group == Made:
		return " made"
	case r.Group == WouldMake:
		return " would be made"
	case only(There, Left):
		return " nothing to change"
	default:
		return ""
	}
}

// Refused reports that the policy forbade a rule; nothing was made then.
func (r *Report) Refused() bool {
	return slices.ContainsFunc(r.Changes, func(c RuleResult) bool { return c.Outcome == Refused })
}
