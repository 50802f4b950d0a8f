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
	Other     *Mark      // the verdict of the other policy in a comparison
	Change    Difference // of the comparison
	Title     string     // "MySQL (3306) from the whole internet"
	Rule      string     // exact; "" if it is the title
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
	At        string // the place in a plan or template
	Missing   string // what is not known of it yet
	Source    string // the place in the history
	ID        string

	About, Runbook string // of the statement
	Controls       string
	Next           NextSteps
	Use            string // of the group, in few words; "" if the report lists groups of no use
}

// Sort is the finding's severity for the filter.
func (f FindingView) Sort() string { return cmp.Or(f.Verdict.Severity, "none") }

// CallView is the call that made a rule, and the end of the opening.
type CallView struct {
	Name, ID, Made, Caller, Who, Address, UserAgent string
	MadeUnix                                        int64
	OpenFor, OpenSort, ClosedAt, Closing            string
}

// Places are the words of the place, each of which stays on one line.
func (f FindingView) Places() []string { return strings.Fields(f.Place) }

// OpenText says how long the opening was open: "open for 3 min".
func (c *CallView) OpenText() string {
	if c.OpenSort == neverClosed || c.OpenFor == "closed" {
		return c.OpenFor
	}
	return "open for " + c.OpenFor
}

// neverClosed sorts after every known time.
const neverClosed = "1e18"

// ReasonView is a reason, and the place of its statement. Decides is false for statements
// that apply but did not decide the verdict.
type ReasonView struct {
	Text, Where string
	Decides     bool
}

// Kinds are the verdicts for the filter.
func (f FindingView) Kinds() string {
	if f.Other != nil {
		return f.Verdict.Class + " " + f.Other.Class
	}
	return f.Verdict.Class
}

// Severities are those of the listed findings, for the filter.
func (s *Summary) Severities() []string {
	var out []string
	for severity := policy.Critical; severity > policy.NoSeverity; severity-- {
		has := func(f FindingView) bool { return f.Verdict.Severity == severity.String() }
		if slices.ContainsFunc(s.Findings.Items, has) || slices.ContainsFunc(s.Groups.Items, func(g GroupView) bool { return slices.ContainsFunc(g.Findings.Items, has) }) {
			out = append(out, severity.String())
		}
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// Kinds are the verdicts of the listed findings, for the filter.
func (s *Summary) Kinds() []Kind {
	var out []Kind
	for _, d := range policy.Verdicts() {
		class := d.String()
		has := func(f FindingView) bool { return f.Verdict.Class == class || f.Other != nil && f.Other.Class == class }
		if slices.ContainsFunc(s.Findings.Items, has) || slices.ContainsFunc(s.Groups.Items, func(g GroupView) bool { return slices.ContainsFunc(g.Findings.Items, has) }) {
			out = append(out, Kind{class, verdictWord(s.Command, d)})
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
		out.Items = append(out.Items, c.findingViewOf(&entries[i]))
	}
	return out
}

// marks are the verdict of an entry, and that of the other policy.
func marks(command Command, e *Entry) (verdict Mark, other *Mark) {
	if c := e.Compared; c != nil {
		m := markOf(command, c.Verdict, c.Severity, c.StatementID)
		other = &m
	}
	return markOf(command, e.Verdict, e.Severity, ""), other
}

func (c *collector) findingViewOf(e *Entry) FindingView {
	about := c.run.statement(e.StatementID)
	v := FindingView{
		Title: text.Shown(e.titleText(), mostText), About: text.Shown(about.Description, mostText), Runbook: about.Runbook,
		Controls: text.Shown(strings.Join(about.Controls, ", "), mostText), Next: c.run.nextSteps(e),
		Typed: e.FromRequest, With: listed(rulesText(e.With), 5), Statement: text.Shown(e.StatementID, mostName),
		GroupID: text.Shown(cmp.Or(e.GroupID, e.unnamedGroup()), mostName), GroupName: text.Shown(e.GroupName, mostName),
		Group: text.Shown(e.groupText(), mostName), Place: text.Shown(place(e.AccountID, e.AccountName, e.Region), mostName),
		Call: callViewOf(e), Source: text.Shown(cmp.Or(e.Place, e.Location.String()), mostText),
		At: text.Shown(e.Location.String(), mostText), Missing: text.Shown(strings.Join(e.Unknown, "; "), mostText), ID: text.Shown(e.ID, mostName),
	}
	v.Verdict, v.Other = marks(c.run.Command, e)
	if r := e.Rule; r != nil {
		v.Rule = text.Shown(ruleText(r), mostText)
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
		v.Exception = text.Shown(x.ID, mostName) + ", owner " + text.Shown(x.Owner, mostName) + ", until " + text.Shown(policy.ShownEnd(x.Expires), mostName)
	}
	if other := e.Compared; other != nil {
		v.Change = c.changeView(changeOf(e))
		for _, r := range other.deciding() {
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
		UserAgent: text.Shown(e.Event.UserAgent, mostText), OpenFor: "not seen closed", OpenSort: neverClosed, Closing: closedText(e),
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
	ConsoleURL string
	Rules      int
	Attached   string // in few words
	Public     int    // interfaces with a public address; -1 if unknown
	// PublicAddress is one of them, and counts the others: "203.0.113.10 and 2 more".
	PublicAddress string
	Interfaces    List[string]
	Directions    []DirectionView
	Notes         []string
}

// DirectionView is the rules of one direction in a group.
type DirectionView struct {
	Name  string
	Rules List[RuleView]
}

// RuleView is a rule of a group. Found is the verdict if it is a finding.
type RuleView struct {
	Text, ID, Description string
	Found                 Kind
}

// Leading are the findings that a group's row shows, and Others counts the rest.
func (g GroupView) Leading() []FindingView {
	return g.Findings.Items[:min(leadingFindings, len(g.Findings.Items))]
}

// Others counts the findings after Leading; "" if there are none.
func (g GroupView) Others() string {
	if n := g.Findings.All - leadingFindings; n > 0 {
		return "and " + text.Thousands(n) + " more"
	}
	return ""
}

const leadingFindings = 3

// UseRank sorts groups by their use, those at a public address first.
func (g GroupView) UseRank() int {
	switch {
	case g.Public > 0:
		return 0
	case g.Public < 0:
		return 2
	case g.Interfaces.All > 0:
		return 1
	default:
		return 3
	}
}

// Kinds are the verdicts of the group's findings, for the filter.
func (g GroupView) Kinds() string { return g.each(FindingView.Kinds) }

// Sorts are the severities of the group's findings.
func (g GroupView) Sorts() string { return g.each(FindingView.Sort) }

func (g GroupView) each(of func(FindingView) string) string {
	var out []string
	for _, f := range g.Findings.Items {
		if s := of(f); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

// groupViews are the worst groups that have findings.
func (c *collector) groupViews() List[GroupView] {
	out := List[GroupView]{All: c.groups.seen, rest: "json"}
	for i, g := range c.groups.list() {
		v := c.groupViewOf(&g.Group)
		v.Anchor = fmt.Sprintf("group-%d", i+1)
		v.Findings = List[FindingView]{All: len(g.entries), rest: "json"}
		found := map[secgroup.Permission]Kind{}
		for k := range g.entries {
			e := &g.entries[k]
			if k < c.groupFindings {
				f := c.findingViewOf(e)
				f.Use = v.use(rankIn(&g.Group, e).use)
				v.ConsoleURL = f.Next.GroupURL
				v.Findings.Items = append(v.Findings.Items, f)
			}
			if e.Rule != nil {
				found[e.Rule.Permission.Identity()] = c.kind(e.Verdict)
			}
		}
		v.Worst = v.Findings.Items[0].Verdict
		for _, direction := range []secgroup.Direction{secgroup.Ingress, secgroup.Egress} {
			d := DirectionView{Name: direction.String()}
			var rules []RuleView
			for _, r := range g.Rules {
				if r.Permission.Direction == direction {
					rules = append(rules, RuleView{
						Text: text.Shown(strings.TrimPrefix(ruleText(&r), d.Name+" "), mostText), Found: found[r.Permission.Identity()],
						ID: text.Shown(r.ID, mostName), Description: text.Shown(r.Description, mostText),
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

// use describes the group's use where it matters to a finding.
func (g *GroupView) use(of use) string {
	switch of {
	case usePublic:
		return "at " + g.PublicAddress
	case usePrivate:
		return "in use"
	case useNothing:
		return "not in use"
	default:
		return ""
	}
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
		Account: text.Shown(g.AccountID, mostName), Region: text.Shown(g.Region, mostName), Place: text.Shown(place(g.AccountID, g.AccountName, g.Region), mostName),
		Description: text.Shown(g.Description, mostText), Rules: len(g.Rules), Public: -1, Attached: "not known",
	}
	for _, n := range g.Notes {
		v.Notes = append(v.Notes, text.Shown(n, mostText))
	}
	if !g.AttachedKnown {
		return v
	}
	v.Public, v.Attached = g.public(), "nothing"
	var addresses []string
	for i := range g.Attached {
		addresses = append(addresses, g.Attached[i].PublicAddresses()...)
	}
	if len(addresses) > 0 {
		v.PublicAddress = text.Shown(addresses[0], mostName)
		if more := len(addresses) - 1; more > 0 {
			v.PublicAddress += " and " + text.Thousands(more) + " more"
		}
	}
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
