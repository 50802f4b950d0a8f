package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sgward/internal/authorize"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/report"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// changeKind is what became of a rule.
type changeKind string

// The kinds, in JSON's words.
const (
	changeMade        changeKind = "made"
	changeWouldMake   changeKind = "would_make"
	changeThere       changeKind = "already_there"
	changeRemoved     changeKind = "removed"
	changeWouldRemove changeKind = "would_remove"
	changeLeft        changeKind = "left"    // it is none of the pattern's, and stays
	changeRefused     changeKind = "refused" // by the policy; nothing was made
	changeFailed      changeKind = "failed"
)

// groupChange is one rule and what became of it.
type groupChange struct {
	Change       changeKind       `json:"change"`
	Rule         secgroup.Rule    `json:"rule"`
	Note         string           `json:"note,omitempty"`
	Policy       *finding.Finding `json:"policy,omitempty"` // of a refused rule
	Exception    string           `json:"exception,omitempty"`
	ErrorCode    string           `json:"errorCode,omitempty"`
	ErrorMessage string           `json:"errorMessage,omitempty"`

	text string // the permission, for people
}

// groupResult is what a command did to a group, and the group as it is then. It is
// one line of JSON.
type groupResult struct {
	AccountID string `json:"accountId"`
	Region    string `json:"region"`
	VPCID     string `json:"vpcId"`
	// GroupID is empty where the group is not made.
	GroupID   string          `json:"groupId,omitempty"`
	GroupName string          `json:"groupName"`
	Group     changeKind      `json:"group"` // made, would_make, already_there or refused
	Changes   []groupChange   `json:"changes"`
	Rules     []secgroup.Rule `json:"rules"` // that the group holds at the end, ingress first
	Notes     []string        `json:"notes,omitempty"`

	held []secgroup.Rule
}

// groupResultOf begins the result of a command on a group.
func groupResultOf(g secgroup.Group, kind changeKind) *groupResult {
	r := &groupResult{
		AccountID: g.OwnerID, Region: g.Region, VPCID: g.VPCID, GroupID: g.ID, GroupName: g.Name,
		Group: kind, Changes: []groupChange{},
	}
	if g.ID != "" {
		r.held = slices.Clone(g.Rules)
	}
	return r
}

// note adds what became of a rule.
func (r *groupResult) note(kind changeKind, rule secgroup.Rule, text string, err error) {
	c := groupChange{Change: kind, Rule: rule, Note: text, text: rule.Permission.String() + labels(rule)}
	if err != nil {
		c.ErrorCode, c.ErrorMessage = ec2rules.ErrorCode(err), err.Error()
	}
	r.Changes = append(r.Changes, c)
	switch kind {
	case changeMade:
		r.held = append(r.held, rule)
	case changeRemoved:
		r.held = slices.DeleteFunc(r.held, func(h secgroup.Rule) bool {
			_, same := secgroup.FindRule([]secgroup.Rule{rule}, h.Permission)
			return same
		})
	}
}

// refuse adds what the policy keeps from being made.
func (r *groupResult) refuse(judged []finding.Finding, rules []secgroup.Rule) {
	for i, rule := range rules {
		f := judged[i]
		if authorize.Allowed(f) {
			continue
		}
		r.note(changeRefused, rule, reasonsText(f.Deciding()), nil)
		last := &r.Changes[len(r.Changes)-1]
		last.Policy = &f
		last.Exception = exceptionFor(f)
	}
}

// failed reports that something did not work.
func (r *groupResult) failed() bool {
	return slices.ContainsFunc(r.Changes, func(c groupChange) bool { return c.Change == changeFailed })
}

// write writes the result in the format asked for, and what helps people on
// standard error.
func (r *groupResult) write(in Invocation, f *groupFlags) error {
	r.Rules = []secgroup.Rule{}
	slices.SortStableFunc(r.held, func(a, b secgroup.Rule) int { return int(a.Permission.Direction) - int(b.Permission.Direction) })
	for _, h := range r.held {
		r.Rules = append(r.Rules, h)
	}
	if !f.quiet {
		r.advise(in, f)
	}
	text := r.text(f.quiet)
	if f.format == string(report.JSON) {
		encoded, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encoding the result: %w", err)
		}
		text = string(encoded) + "\n"
	}
	if _, err := fmt.Fprint(in.Stdout, text); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// advise says what a person may want to know beside the result.
func (r *groupResult) advise(in Invocation, f *groupFlags) {
	for _, n := range r.Notes {
		fmt.Fprintln(in.Stderr, n)
	}
	var texts []string
	for _, c := range r.Changes {
		if c.Exception != "" && !slices.Contains(texts, c.Exception) {
			texts = append(texts, c.Exception)
		}
	}
	if len(texts) > 0 {
		fmt.Fprintf(in.Stderr, "%s does not allow it, so nothing was done. If it is meant, paste this under exceptions: there, fill in\n"+
			"reason and owner, have it reviewed and deploy it first:\n%s", f.policy, strings.Join(texts, ""))
	}
}

// text is the result for people. A quiet one leaves out what is as it should be.
func (r *groupResult) text(quiet bool) string {
	var b strings.Builder
	id := r.GroupID
	if id == "" {
		id = "a new group"
	}
	fmt.Fprintf(&b, "%s in %s:%s\n", groupWords(id, r.GroupName, r.AccountID, r.Region), r.VPCID, r.state())
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
		fmt.Fprintf(&b, "  %-13s  %s%s\n", strings.ReplaceAll(string(c.Change), "_", " "), c.text, detail)
	}
	return b.String()
}

// state says what became of the group itself, "" where its rules say it all.
func (r *groupResult) state() string {
	only := func(kinds ...changeKind) bool {
		return !slices.ContainsFunc(r.Changes, func(c groupChange) bool { return !slices.Contains(kinds, c.Change) })
	}
	switch {
	case r.refused():
		return " nothing was done"
	case r.Group == changeMade:
		return " made"
	case r.Group == changeWouldMake:
		return " would be made"
	case only(changeThere, changeLeft):
		return " nothing to change"
	default:
		return ""
	}
}

func (r *groupResult) refused() bool {
	return slices.ContainsFunc(r.Changes, func(c groupChange) bool { return c.Change == changeRefused })
}

// end writes the result and says how the command ends.
func (r *groupResult) end(in Invocation, f *groupFlags) error {
	err := r.write(in, f)
	switch {
	case err != nil:
		return err
	case r.refused():
		return &statusError{status: StatusFindings}
	case r.failed():
		return errFailed
	default:
		return nil
	}
}
