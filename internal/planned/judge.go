package planned

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Finding is a finding with its place in the plan or template.
type Finding struct {
	finding.Finding
	Location Location
	// Group names the resource of the group; "" if the group is outside the file.
	Group   string
	Unknown []string // as in Rule
}

// hiddenPeer is shown in place of a sensitive one.
var hiddenPeer = secgroup.UnknownPeer("a sensitive value")

// Judge judges the rules that a change creates or alters, and returns the findings in the
// order of the groups and rules. Rules that stand are counted with them where peers add up.
// name makes ids of findings differ between files; it should be equal for equal files in
// different folders.
func Judge(p *policy.Policy, c *Change, name string, now time.Time) []Finding {
	var out []Finding
	for i := range c.Groups {
		g := judged{policy: p, change: c, group: &c.Groups[i], name: name, now: now}
		out = append(out, g.fresh()...)
		out = append(out, g.edited()...)
	}
	for _, u := range c.Unclear {
		out = append(out, Finding{Location: u.Location, Unknown: []string{u.Text}, Finding: finding.Finding{
			ID:      finding.NewID(u.AccountID, u.Region, name, u.Text, u.Location.Address),
			Verdict: policy.Undetermined, Severity: policy.High, AccountID: u.AccountID, Region: u.Region,
			Reasons: []policy.Reason{policy.Remark(u.Text)},
		}})
	}
	return out
}

// judged is a group under judgement.
type judged struct {
	policy *policy.Policy
	change *Change
	group  *Group
	name   string
	now    time.Time
}

// request builds the policy request for the rules that are new and those that stand.
func (g *judged) request(isNew, stands func(*Rule) bool, lists map[string]secgroup.PrefixList) (policy.Request, []*Rule) {
	req := policy.Request{
		Time: g.now, AccountID: g.group.OwnerID, Region: g.group.Region, Group: g.group.Group,
		StandingKnown: g.group.Complete, PrefixLists: lists,
	}
	if g.group.Created {
		// No policy names it, which the id of a group that exists could leave open.
		req.Group.ID = cmp.Or(g.group.Address, "a new group")
	}
	var rules []*Rule
	for i := range g.group.Rules {
		r := &g.group.Rules[i]
		switch {
		case isNew(r):
			req.Rules = append(req.Rules, r.Rule)
			rules = append(rules, r)
		case stands(r):
			req.Standing = append(req.Standing, r.Rule)
		}
	}
	return req, rules
}

func isFresh(r *Rule) bool  { return !r.Standing }
func standing(r *Rule) bool { return r.Standing }

// fresh judges the rules that the change makes.
func (g *judged) fresh() []Finding {
	req, rules := g.request(isFresh, standing, g.change.Lists)
	if len(rules) == 0 {
		return nil
	}
	verdicts := g.policy.Evaluate(req)
	g.add(req, verdicts)
	firm := g.firm(rules, verdicts)
	var out []Finding
	for i, j := range verdicts {
		if j.Verdict == policy.Compliant {
			continue
		}
		if !firm(i) && j.Verdict != policy.Exempt {
			j.Verdict, j.Existing = policy.Undetermined, policy.ExistingAlert
		}
		out = append(out, g.finding(req, i, rules[i], j, rules[i].Location))
	}
	return out
}

// add makes the verdicts on rules stronger that are forbidden together with the rules that
// are known to stand, whatever the unknown ones may be.
func (g *judged) add(req policy.Request, verdicts []policy.Judgement) {
	if req.StandingKnown || len(req.Standing) == 0 {
		return
	}
	req.StandingKnown = true
	for i, j := range g.policy.Evaluate(req) {
		if j.Verdict == policy.Revoke && j.Verdict.IsStrongerThan(verdicts[i].Verdict) {
			verdicts[i] = j
		}
	}
}

// firm returns a function that reports whether a verdict would be the same without the
// rules that are uncertain.
func (g *judged) firm(rules []*Rule, verdicts []policy.Judgement) func(int) bool {
	if !slices.ContainsFunc(g.group.Rules, func(r Rule) bool { return r.Uncertain }) {
		return func(int) bool { return true }
	}
	without, certain := g.request(
		func(r *Rule) bool { return !r.Standing && !r.Uncertain },
		func(r *Rule) bool { return r.Standing && !r.Uncertain }, g.change.Lists)
	same := map[*Rule]policy.Verdict{}
	for i, j := range g.policy.Evaluate(without) {
		same[certain[i]] = j.Verdict
	}
	return func(i int) bool {
		v, ok := same[rules[i]]
		return ok && v == verdicts[i].Verdict
	}
}

// edited judges the rules that stand and reference a prefix list to which the change adds
// ranges. Those count as opened by it if the verdict becomes stronger.
func (g *judged) edited() []Finding {
	before := map[string]secgroup.PrefixList{}
	for id, list := range g.change.Lists {
		before[id] = list
	}
	for id, edit := range g.change.Edited {
		before[id] = edit.Before
	}
	uses := func(r *Rule) bool {
		_, ok := g.change.Edited[r.Permission.Peer.PrefixList()]
		return r.Standing && ok
	}
	if !slices.ContainsFunc(g.group.Rules, func(r Rule) bool { return uses(&r) }) {
		return nil
	}
	others := func(r *Rule) bool { return !uses(r) }
	req, rules := g.request(uses, others, g.change.Lists)
	after := g.policy.Evaluate(req)
	old, _ := g.request(uses, standing, before)
	was := g.policy.Evaluate(old)
	var out []Finding
	for i, j := range after {
		worse := j.Verdict == was[i].Verdict && j.Severity > was[i].Severity
		if !worse && !j.Verdict.IsStrongerThan(was[i].Verdict) {
			continue
		}
		list := rules[i].Permission.Peer.PrefixList()
		edit := g.change.Edited[list]
		f := g.finding(req, i, rules[i], j, edit.Location)
		f.Reasons = append(f.Reasons, policy.Remark("the change adds ranges to prefix list "+list+", which this rule uses"))
		out = append(out, f)
	}
	return out
}

// finding returns the finding for the i-th rule of a request.
func (g *judged) finding(req policy.Request, i int, r *Rule, j policy.Judgement, at Location) Finding {
	f := Finding{Finding: finding.Of(req, i, j, ""), Location: at, Group: g.group.Address, Unknown: r.Unknown}
	f.GroupID = g.group.ID
	f.ID = finding.NewID(req.AccountID, req.Region, cmp.Or(g.group.ID, g.group.Address), r.Permission.Identity().String(), g.name+"\n"+at.Address)
	if f.Verdict == policy.Undetermined && len(f.Unknown) == 0 && j.Needs != 0 {
		f.Unknown = []string{"not known: " + j.Needs.String()} // as the reasons say
	}
	if f.Verdict != policy.Exempt {
		for _, why := range r.Unknown {
			f.Reasons = append(f.Reasons, policy.Remark(why))
		}
	}
	if r.Remark != "" {
		f.Reasons = append(f.Reasons, policy.Remark(r.Remark))
	}
	g.hide(&f)
	return f
}

// hide removes sensitive peers from a finding.
func (g *judged) hide(f *Finding) {
	if !slices.ContainsFunc(g.group.Rules, func(r Rule) bool { return r.Sensitive }) {
		return
	}
	secret := map[secgroup.Permission]bool{}
	var words []string
	for i := range g.group.Rules {
		if r := &g.group.Rules[i]; r.Sensitive {
			secret[r.Permission] = true
			words = append(words, r.Permission.Peer.String(), hiddenPeer.String())
		}
	}
	replacer := strings.NewReplacer(words...)
	for i := range f.Reasons {
		f.Reasons[i].Text = replacer.Replace(f.Reasons[i].Text)
	}
	redact := func(r secgroup.Rule) secgroup.Rule {
		if secret[r.Permission] {
			r.Permission.Peer, r.Description = hiddenPeer, ""
		}
		return r
	}
	if f.Rule != nil && secret[f.Rule.Permission] {
		rule := redact(*f.Rule)
		f.Rule = &rule
		f.Unknown = append(slices.Clone(f.Unknown), "the peer is sensitive: it was judged, and is not shown")
	}
	f.With = slices.Clone(f.With)
	for i := range f.With {
		f.With[i] = redact(f.With[i])
	}
}
