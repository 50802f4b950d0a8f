package report

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

type findingsView struct {
	Head, Limited     string
	From, To          string   // headings of the verdicts
	Kinds             []string // of decisions, for the filter
	Compared, History bool
	List              []findingView
}

type findingView struct {
	Verdict, Then                mark
	Kinds                        string
	Rule, Description, Statement string
	Group, Name, Place           string
	Made, MadeSort, Who, From    string
	Open, OpenSort, Closed       string
	Reasons, Details             []string
}

// findingViews are the findings that came without their group.
func (w *htmlWriter) findingViews() *findingsView {
	if w.entries.seen == 0 {
		return nil
	}
	v := &findingsView{Head: "Findings", From: "Verdict", Compared: w.run.Other != nil}
	if v.Compared {
		v.Head, v.From, v.To = "Differences", text.Shown(w.run.Policy.File, mostName), text.Shown(w.run.Other.File, mostName)
	}
	entries := w.entries.list()
	v.Limited = limitedText(len(entries), w.entries.seen, "--format json lists all.")
	kinds := map[string]bool{}
	for i := range entries {
		f := findingViewOf(&entries[i])
		v.History = v.History || entries[i].Event != nil
		for kind := range strings.FieldsSeq(f.Kinds) {
			kinds[kind] = true
		}
		v.List = append(v.List, f)
	}
	for _, d := range policy.Verdicts() {
		if kinds[d.String()] {
			v.Kinds = append(v.Kinds, d.String())
		}
	}
	return v
}

// limitedText says how much of a list is not shown; "" where all is.
func limitedText(shown, all int, rest string) string {
	if shown == all {
		return ""
	}
	return "The first " + text.Thousands(shown) + " of " + text.Thousands(all) + ": " + rest
}

func findingViewOf(e *Entry) findingView {
	v := findingView{
		Verdict: markOf(e.Verdict, e.Severity, ""),
		Rule:    text.Shown(ruleText(e.Rule), mostText), Statement: text.Shown(e.StatementID, mostName),
		Group: text.Shown(cmp.Or(e.GroupID, "not named"), mostName), Name: text.Shown(e.GroupName, mostName), Place: text.Shown(place(e.AccountID, e.Region), mostName),
	}
	v.Kinds = v.Verdict.Class
	if e.Rule != nil {
		v.Description = text.Shown(e.Rule.Description, mostText)
	}
	if c := e.Compared; c != nil {
		v.Then = markOf(c.Verdict, c.Severity, text.Shown(c.StatementID, mostName))
		v.Kinds += " " + v.Then.Class
	}
	if e.Event != nil {
		v.Made, v.MadeSort = text.Time(e.Event.EventTime), strconv.FormatInt(e.Event.EventTime.Unix(), 10)
		who, _ := shortARN(actorText(e.Event.Actor))
		v.Who, v.From = text.Shown(who, mostText), text.Shown(e.Event.SourceIPAddress, mostName)
		v.Open, v.OpenSort = "not seen closed", "1e18" // after every known time
		if e.ClosedAt != nil {
			v.Open, v.Closed = "closed", text.Time(*e.ClosedAt)
		}
		if s := e.ExposureSeconds; s != nil {
			v.Open, v.OpenSort = text.Span(*s), strconv.FormatFloat(*s, 'f', -1, 64)
		}
	}
	for _, r := range e.Reasons {
		v.Reasons = append(v.Reasons, text.Shown(r.String(), mostText))
	}
	if e.Compared != nil {
		for _, r := range e.Compared.deciding() {
			v.Reasons = append(v.Reasons, "→ "+text.Shown(r.String(), mostText))
		}
	}
	v.Details = detailsOf(e)
	return v
}

// detailsOf are what few readers need.
func detailsOf(e *Entry) []string {
	var out []string
	add := func(label, line string) {
		if line != "" {
			out = append(out, label+text.Shown(line, mostText))
		}
	}
	if e.Rule != nil {
		add("rule ", e.Rule.ID)
		add("tags ", tagsText(e.Rule))
	}
	if e.FromRequest {
		add("", "the rule is as the caller typed it; EC2 may have stored it otherwise")
	}
	var with []string
	for i := range e.With {
		with = append(with, ruleText(&e.With[i]))
	}
	if len(with) > 0 {
		add("together with ", listed(with, 10))
	}
	if x := e.Exception; x != nil {
		add("exception ", x.ID+", owner "+x.Owner+", until "+x.Expires)
	}
	if e.Event != nil {
		add("", e.Event.EventName+" by "+callerText(e.Event))
		add("event ", e.Event.EventID)
		add("user agent ", e.Event.UserAgent)
	}
	if e.ClosedAt != nil {
		add("", closedText(e))
	}
	add("in ", e.Place)
	add("finding ", e.ID)
	return out
}

type groupsView struct {
	Limited string
	List    []groupView
}

type notedView groupsView

type groupView struct {
	Anchor, ID, Name, Account, Region, VPC, Description string
	Worst                                               mark
	Open                                                bool
	Findings, FindingsRest, RulesCount                  string
	FindingsN, RulesN, PublicN                          int
	Attached                                            string
	Interfaces, Notes                                   []string
	FindingList                                         []findingView
	Directions                                          []directionView
}

type directionView struct {
	Name, Rest string
	Rules      []ruleView
}

type ruleView struct{ Text, Found, ID, Description string }

// groupViews are the groups that have findings. Few of them stand open.
func (w *htmlWriter) groupViews() *groupsView {
	if w.groups.seen == 0 {
		return nil
	}
	groups := w.groups.list()
	v := &groupsView{Limited: limitedText(len(groups), w.groups.seen, "--format json lists the findings of all.")}
	for i := range groups {
		g := &groups[i]
		view := groupViewOf(&g.Group)
		view.Anchor, view.Open = fmt.Sprintf("group-%d", i+1), len(groups) <= 3
		view.Worst = markOf(g.entries[0].Verdict, g.entries[0].Severity, "")
		view.FindingsN, view.Findings = len(g.entries), text.Thousands(len(g.entries))
		for k := range g.entries {
			if k == htmlRules {
				view.FindingsRest = "and " + text.Plural(len(g.entries)-k, "more finding") + ": --format json lists all"
				break
			}
			view.FindingList = append(view.FindingList, findingViewOf(&g.entries[k]))
		}
		for _, direction := range []secgroup.Direction{secgroup.Ingress, secgroup.Egress} {
			view.Directions = append(view.Directions, directionViewOf(g, direction))
		}
		v.List = append(v.List, view)
	}
	return v
}

func (w *htmlWriter) notedViews() *notedView {
	if w.noted.seen == 0 {
		return nil
	}
	groups := w.noted.list()
	v := &notedView{Limited: limitedText(len(groups), w.noted.seen, "the rest is not listed.")}
	for i := range groups {
		v.List = append(v.List, groupViewOf(&groups[i]))
	}
	return v
}

func groupViewOf(g *Group) groupView {
	v := groupView{
		ID: text.Shown(g.ID, mostName), Name: text.Shown(g.Name, mostName), Account: text.Shown(g.AccountID, mostName), Region: text.Shown(g.Region, mostName),
		VPC: text.Shown(g.VPCID, mostName), Description: text.Shown(g.Description, mostText),
		RulesN: len(g.Rules), RulesCount: text.Thousands(len(g.Rules)), PublicN: -1, Attached: "not known",
	}
	for _, n := range g.Notes {
		v.Notes = append(v.Notes, text.Shown(n, mostText))
	}
	if g.AttachedKnown {
		v.PublicN = g.public()
		v.Attached = "nothing"
		if len(g.Attached) > 0 {
			v.Attached = text.Plural(len(g.Attached), "interface") + ", " + text.Thousands(v.PublicN) + " public"
		}
		for i := range g.Attached {
			v.Interfaces = append(v.Interfaces, text.Shown(interfaceText(&g.Attached[i]), mostText))
		}
	}
	return v
}

// directionViewOf lists what a group holds, what is a finding marked.
func directionViewOf(g *judged, direction secgroup.Direction) directionView {
	name := direction.String()
	v := directionView{Name: strings.ToUpper(name[:1]) + name[1:]}
	found := g.found()
	rules, more := g.rules(direction, htmlRules)
	for _, r := range rules {
		out, verdict := ruleText(r), ""
		if d, ok := found[out]; ok {
			verdict = d.String()
		}
		v.Rules = append(v.Rules, ruleView{
			text.Shown(strings.TrimPrefix(out, name+" "), mostText), verdict, text.Shown(r.ID, mostName), text.Shown(r.Description, mostText),
		})
	}
	if more > 0 {
		v.Rest = text.Thousands(more)
	}
	return v
}
