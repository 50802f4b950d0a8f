package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// FindingView is a finding for people. Its texts are visible, and cut.
type FindingView struct {
	Verdict   Mark
	Other     *Mark  // the verdict of the other policy in a comparison
	Change    Change // of the comparison
	Rule      string
	RuleID    string
	Comment   string // the rule's description
	Tags      string
	Typed     bool // the rule is as the caller typed it
	With      string
	Statement string

	GroupID, GroupName, Group, Place string

	Call      *CallView // of a history
	Reasons   []ReasonView
	Others    []string // the reasons of the other policy
	Exception string
	Source    string // the place in the history
	ID        string
}

// CallView is the call that made a rule, and the end of the opening.
type CallView struct {
	Name, ID, Made, Caller, Who, Address, UserAgent string
	MadeUnix                                        int64
	OpenFor, OpenSort, ClosedAt, Closing            string
}

// ReasonView is a reason, and the place of its statement. Decides is false for statements
// that apply but did not decide the verdict.
type ReasonView struct {
	Text, Where string
	Decides     bool
}

// Kinds are the verdicts for the filter.
func (f FindingView) Kinds() string {
	if f.Other != nil {
		return f.Verdict.Word + " " + f.Other.Word
	}
	return f.Verdict.Word
}

// Kinds are the verdicts of the listed findings.
func (s *Summary) Kinds() []string {
	var out []string
	for _, d := range policy.Verdicts() {
		if slices.ContainsFunc(s.Findings.Items, func(f FindingView) bool {
			return f.Verdict.Word == d.String() || f.Other != nil && f.Other.Word == d.String()
		}) {
			out = append(out, d.String())
		}
	}
	return out
}

// History reports whether the findings have the calls that made the rules.
func (s *Summary) History() bool {
	return slices.ContainsFunc(s.Findings.Items, func(f FindingView) bool { return f.Call != nil })
}

// findingViews are the worst findings reported without their group. In a comparison they
// are grouped by change.
func (c *collector) findingViews() List[FindingView] {
	entries := c.findings.list()
	if c.run.Other != nil {
		slices.SortStableFunc(entries, func(a, b Entry) int { return compareChanges(changeOf(&a), changeOf(&b)) })
	}
	out := List[FindingView]{All: c.findings.seen, rest: "json"}
	for i := range entries {
		out.Items = append(out.Items, findingViewOf(&entries[i]))
	}
	return out
}

// marks are the verdict of an entry, and that of the other policy.
func marks(e *Entry) (verdict Mark, other *Mark) {
	if c := e.Compared; c != nil {
		m := markOf(c.Verdict, c.Severity, c.StatementID)
		other = &m
	}
	return markOf(e.Verdict, e.Severity, ""), other
}

func findingViewOf(e *Entry) FindingView {
	v := FindingView{
		Rule: text.Shown(ruleText(e.Rule), mostText), Typed: e.FromRequest, With: listed(rulesText(e.With), 5), Statement: text.Shown(e.StatementID, mostName),
		GroupID: text.Shown(cmp.Or(e.GroupID, "not named"), mostName), GroupName: text.Shown(e.GroupName, mostName),
		Group: text.Shown(groupText(e.GroupID, e.GroupName), mostName), Place: text.Shown(place(e.AccountID, e.Region), mostName),
		Call: callViewOf(e), Source: text.Shown(e.Place, mostText), ID: text.Shown(e.ID, mostName),
	}
	v.Verdict, v.Other = marks(e)
	if r := e.Rule; r != nil {
		v.RuleID, v.Comment, v.Tags = text.Shown(r.ID, mostName), text.Shown(r.Description, mostText), text.Shown(tagsText(r), mostText)
	}
	decided := slices.ContainsFunc(e.Reasons, func(r policy.Reason) bool { return r.Line > 0 && r.ID == e.StatementID })
	for _, r := range e.Reasons {
		v.Reasons = append(v.Reasons, ReasonView{
			Text: text.Shown(r.String(), mostText), Where: text.Shown(fmt.Sprintf("%s:%d %s", r.File, r.Line, r.ID), mostName),
			Decides: !decided || r.Line == 0 || r.ID == e.StatementID,
		})
	}
	if x := e.Exception; x != nil {
		v.Exception = text.Shown(x.ID, mostName) + ", owner " + text.Shown(x.Owner, mostName) + ", until " + text.Shown(x.Expires, mostName)
	}
	if c := e.Compared; c != nil {
		v.Change = changeOf(e).view()
		for _, r := range c.deciding() {
			v.Others = append(v.Others, text.Shown(r.String(), mostText))
		}
	}
	return v
}

func callViewOf(e *Entry) *CallView {
	if e.Event == nil {
		return nil
	}
	who, _ := shortARN(actorText(e.Event.Actor))
	v := &CallView{
		Name: text.Shown(e.Event.EventName, mostName), ID: text.Shown(e.Event.EventID, mostName), Made: text.Time(e.Event.EventTime), MadeUnix: e.Event.EventTime.Unix(),
		Caller: text.Shown(callerText(e.Event), mostText), Who: text.Shown(who, mostText), Address: text.Shown(e.Event.SourceIPAddress, mostName),
		UserAgent: text.Shown(e.Event.UserAgent, mostText), OpenFor: "not seen closed", OpenSort: "1e18", Closing: closedText(e), // 1e18 is after every known time
	}
	if e.ClosedAt != nil {
		v.OpenFor, v.ClosedAt = "closed", text.Time(*e.ClosedAt)
	}
	if s := e.ExposureSeconds; s != nil {
		v.OpenFor, v.OpenSort = text.Span(*s), strconv.FormatFloat(*s, 'f', -1, 64)
	}
	return v
}

// GroupView is a group for people. Its texts are visible, and cut.
type GroupView struct {
	Anchor, ID, Name, Group, VPC, Account, Region, Place, Description string

	Worst      Mark
	Findings   List[FindingView]
	Rules      int
	Attached   string // in few words
	Public     int    // interfaces with a public address; -1 if unknown
	Interfaces List[string]
	Directions []DirectionView
	Notes      []string
}

// DirectionView is the rules of one direction in a group.
type DirectionView struct {
	Name  string
	Rules List[RuleView]
}

// RuleView is a rule of a group. Found is the verdict if it is a finding.
type RuleView struct{ Text, Found, ID, Description string }

// groupViews are the worst groups that have findings.
func (c *collector) groupViews() List[GroupView] {
	out := List[GroupView]{All: c.groups.seen, rest: "json"}
	for i, g := range c.groups.list() {
		v := c.groupViewOf(&g.Group)
		v.Anchor = fmt.Sprintf("group-%d", i+1)
		v.Findings = List[FindingView]{All: len(g.entries), rest: "json"}
		found := map[secgroup.Permission]string{}
		for k := range g.entries {
			e := &g.entries[k]
			if k < c.groupFindings {
				v.Findings.Items = append(v.Findings.Items, findingViewOf(e))
			}
			if e.Rule != nil {
				found[e.Rule.Permission.Identity()] = e.Verdict.String()
			}
		}
		v.Worst = v.Findings.Items[0].Verdict
		for _, direction := range []secgroup.Direction{secgroup.Ingress, secgroup.Egress} {
			d := DirectionView{Name: direction.String()}
			var rules []RuleView
			for _, r := range g.Rules {
				if r.Permission.Direction == direction {
					rules = append(rules, RuleView{
						text.Shown(strings.TrimPrefix(ruleText(&r), d.Name+" "), mostText), found[r.Permission.Identity()], text.Shown(r.ID, mostName), text.Shown(r.Description, mostText),
					})
				}
			}
			d.Rules = first(rules, c.rules)
			v.Directions = append(v.Directions, d)
		}
		out.Items = append(out.Items, v)
	}
	return out
}

// notedViews are the groups that have notes and no finding.
func (c *collector) notedViews() List[GroupView] {
	out := List[GroupView]{All: c.noted.seen, rest: "sarif"}
	for _, g := range c.noted.list() {
		out.Items = append(out.Items, c.groupViewOf(&g))
	}
	return out
}

func (c *collector) groupViewOf(g *Group) GroupView {
	v := GroupView{
		ID: text.Shown(g.ID, mostName), Name: text.Shown(g.Name, mostName), Group: text.Shown(groupText(g.ID, g.Name), mostName), VPC: text.Shown(g.VPCID, mostName),
		Account: text.Shown(g.AccountID, mostName), Region: text.Shown(g.Region, mostName), Place: text.Shown(place(g.AccountID, g.Region), mostName),
		Description: text.Shown(g.Description, mostText), Rules: len(g.Rules), Public: -1, Attached: "not known",
	}
	for _, n := range g.Notes {
		v.Notes = append(v.Notes, text.Shown(n, mostText))
	}
	if !g.AttachedKnown {
		return v
	}
	v.Public, v.Attached = g.public(), "nothing"
	if len(g.Attached) > 0 {
		v.Attached = text.Plural(len(g.Attached), "interface") + ", " + text.Thousands(v.Public) + " public"
	}
	for _, public := range []bool{true, false} { // those with a public address first
		for i := range g.Attached {
			if a := &g.Attached[i]; len(a.PublicAddresses()) > 0 == public && len(v.Interfaces.Items) < c.interfaces {
				v.Interfaces.Items = append(v.Interfaces.Items, text.Shown(interfaceText(a), mostText))
			}
		}
	}
	v.Interfaces.All = len(g.Attached)
	return v
}
