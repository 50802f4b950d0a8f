package finding

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Detect judges one call by a policy at the time now, by its event alone. If reading the
// group could change a verdict, or the event is incomplete, the finding's verdict is
// undetermined. Findings is empty, not nil, if nothing is found.
func Detect(p *policy.Policy, c cloudtrail.Call, now time.Time) Detection {
	d := NewDetection(p, c.Event, SourceCall)
	if c.Skipped == "" && c.Kind.Opens() {
		d.Findings = judge(p, c, now)
		if c.RulesMissing() {
			d.Findings = append(d.Findings, OfMissing(c))
		}
	}
	d.Verdict = Strongest(d.Findings)
	return d
}

// judge returns a finding for each rule of c that is not compliant.
func judge(p *policy.Policy, c cloudtrail.Call, now time.Time) []Finding {
	findings := []Finding{}
	req := RequestOf(c, now)
	for i, j := range p.Evaluate(req) {
		if j.Verdict == policy.Compliant {
			continue
		}
		f := Of(req, i, j, c.EventID)
		f.FromRequest = c.From == cloudtrail.RulesFromRequest
		// Revoking without a read takes EC2's own description of the rule: EC2 may have
		// stored other values than the caller typed, and a group's name does not identify
		// a group yet.
		if f.Verdict == policy.Revoke && (f.FromRequest || c.Group.ID == "") {
			f.Verdict = policy.Undetermined
		}
		findings = append(findings, f)
	}
	return findings
}

// RequestOf builds the policy request for a call as its event describes it.
func RequestOf(c cloudtrail.Call, now time.Time) policy.Request {
	return policy.Request{
		Time: now, AccountID: c.AccountID, Region: c.Region,
		Actor: c.Actor.Subject(),
		Group: c.Group,
		Rules: c.Rules,
	}
}

// Of returns the finding for a request's i-th rule and its judgement. eventID is the call
// that made the rule. It is empty for a rule without a known event: the finding's id then
// depends on account, region, group and permission alone.
func Of(req policy.Request, i int, j policy.Judgement, eventID string) Finding {
	rule := req.Rules[i]
	f := Finding{
		ID:        NewID(req.AccountID, req.Region, cmp.Or(req.Group.ID, req.Group.Name), cmp.Or(rule.ID, rule.Permission.String()), eventID),
		AccountID: req.AccountID, Region: req.Region,
		GroupID: req.Group.ID, GroupName: req.Group.Name, VPCID: req.Group.VPCID,
		Rule: &rule,
	}
	f.Judge(j)
	return f
}

// RequestOfGroup builds the policy request for all rules of a group. Their makers are
// unknown.
func RequestOfGroup(g secgroup.Group, lists map[string]secgroup.PrefixList, now time.Time) policy.Request {
	return policy.Request{
		Time: now, AccountID: g.OwnerID, Region: g.Region, Group: g,
		Rules: g.Rules, RulesRead: true, StandingKnown: true, PrefixLists: lists,
	}
}

// OfStanding is Of for an existing rule. The finding's id depends on the permission and
// not on the rule's id, which dumps may lack.
func OfStanding(req policy.Request, i int, j policy.Judgement) Finding {
	f := Of(req, i, j, "")
	f.ID = standingID(req.AccountID, req.Region, req.Group.ID, &req.Rules[i])
	return f
}

func standingID(accountID, region, groupID string, rule *secgroup.Rule) string {
	return NewID(accountID, region, groupID, rule.Permission.Identity().String(), "")
}

// StandingID returns the id that OfStanding gives to the finding's rule, whatever found it. A
// group holds no two rules with the same permission, so this identifies an opening across the
// call that made it, list edits and sweeps. A finding without rule or group has only its own
// id.
func (f *Finding) StandingID() string {
	if f.Rule == nil || f.GroupID == "" {
		return f.ID
	}
	return standingID(f.AccountID, f.Region, f.GroupID, f.Rule)
}

// Judge writes a judgement into the finding. The finding's id, group and rule stay.
func (f *Finding) Judge(j policy.Judgement) {
	f.Verdict, f.Severity, f.StatementID = j.Verdict, j.Severity, j.StatementID
	f.Union, f.With = j.Union, j.With
	f.Reasons = append([]policy.Reason{}, j.Reasons...) // never null in JSON
	f.Exception = nil
	if x := j.Exception; x != nil {
		f.Exception = &Exception{ID: x.ID, Owner: x.Owner, Expires: x.Expires, ByTag: x.ByTag}
	}
}

// OfMissing returns the finding for a change whose record does not hold all rules that it
// made. Reading the group finds them; if the record does not name the group, the finding
// is an alert.
func OfMissing(c cloudtrail.Call) Finding {
	f := Finding{
		Verdict: policy.Undetermined, Severity: policy.High,
		ID:        NewID(c.AccountID, c.Region, c.Group.String(), "", c.EventID),
		AccountID: c.AccountID, Region: c.Region, GroupID: c.Group.ID, GroupName: c.Group.Name,
		Reasons: []policy.Reason{policy.Remark(fmt.Sprintf("the record of %s leaves out which rules it made: the group has to be read", c.EventName))},
	}
	switch {
	case c.Fault != "":
		f.Reasons = []policy.Reason{policy.Remark(fmt.Sprintf("the record of %s cannot be read (%s): the group has to be read", c.EventName, c.Fault))}
	case c.Incomplete:
		f.Reasons = []policy.Reason{policy.Remark(fmt.Sprintf("the record of %s lists fewer rules than the call asked for: the group has to be read", c.EventName))}
	case c.Group.String() == "":
		// A record this large is rarely an accident.
		f.Verdict, f.Severity = policy.Alert, policy.Critical
		f.Reasons = []policy.Reason{policy.Remark(fmt.Sprintf("the record of %s leaves out its parameters, the group too: look at what this call opened", c.EventName))}
	}
	return f
}

// Encode returns the Detection as JSON of at most budget bytes. Findings that do not fit
// collapse into one inspect per group: the group is then judged as a whole. fits is false
// if even that exceeds the budget; the JSON is returned all the same.
func (d Detection) Encode(budget int) (encoded []byte, fits bool, err error) {
	encoded, err = json.Marshal(d)
	if err != nil {
		return nil, false, fmt.Errorf("encoding detection: %w", err)
	}
	if len(encoded) <= budget || len(d.Findings) == 0 {
		return encoded, len(encoded) <= budget, nil
	}
	d.Findings = collapse(d.Findings)
	d.Verdict = Strongest(d.Findings)
	encoded, err = json.Marshal(d)
	if err != nil {
		return nil, false, fmt.Errorf("encoding detection: %w", err)
	}
	return encoded, len(encoded) <= budget, nil
}

// collapse replaces findings by one inspect per group, in order of first appearance and
// with the worst severity. Exempt findings need no work and are dropped.
func collapse(findings []Finding) []Finding {
	type group struct{ account, region, id, name string }
	at := map[group]int{}
	counts := []int{}
	out := []Finding{}
	for _, f := range findings {
		if f.Verdict == policy.Exempt {
			continue
		}
		g := group{f.AccountID, f.Region, f.GroupID, f.GroupName}
		i, seen := at[g]
		if !seen {
			i = len(out)
			at[g] = i
			counts = append(counts, 0)
			out = append(out, Finding{
				ID: f.ID, Verdict: policy.Undetermined, Severity: f.Severity,
				AccountID: f.AccountID, Region: f.Region, GroupID: f.GroupID, GroupName: f.GroupName,
			})
		}
		counts[i]++
		out[i].Severity = max(out[i].Severity, f.Severity)
	}
	for i := range out {
		out[i].Reasons = []policy.Reason{policy.Remark(fmt.Sprintf("%d findings are too many for one message: the group has to be read", counts[i]))}
	}
	return out
}
