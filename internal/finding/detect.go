package finding

import (
	"encoding/json"
	"fmt"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// Detect judges one change by a policy at the time now. It knows only what the
// event says: where reading the group could change a verdict, or the event does
// not carry the whole truth, the finding's decision is inspect. Findings is empty,
// not nil, where there is nothing to find.
func Detect(p *policy.Policy, c cloudtrail.Change, now time.Time) Detection {
	d := Detection{
		SchemaVersion: SchemaVersion,
		PolicyDigest:  p.Digest(),
		Event:         EventOf(c.Record),
		Findings:      []Finding{},
	}
	switch {
	case c.Skipped != "":
	case c.RulesFrom == cloudtrail.RulesUnknown:
		d.Findings = append(d.Findings, unknownRules(c))
	default:
		d.Findings = judge(p, c, now)
	}
	d.Decision = Strongest(d.Findings)
	return d
}

// judge returns a finding for each rule of c that is not compliant.
func judge(p *policy.Policy, c cloudtrail.Change, now time.Time) []Finding {
	findings := []Finding{}
	for i, j := range p.Evaluate(RequestOf(c, now)) {
		if j.Verdict == policy.Compliant {
			continue
		}
		f := Of(c, c.Rules[i], j)
		// Acting without a read takes EC2's own account of the rule: what the caller
		// typed may be stored otherwise, and a group's name is not yet a group.
		if f.Decision == DecisionRevoke && (f.FromRequest || c.GroupID == "") {
			f.Decision = DecisionInspect
		}
		findings = append(findings, f)
	}
	return findings
}

// RequestOf asks for the verdict on a change by what its event tells, at the time
// now.
func RequestOf(c cloudtrail.Change, now time.Time) policy.Request {
	return policy.Request{
		Time: now, AccountID: c.AccountID, Region: c.Region,
		Actor: ActorOf(c.Actor).Subject(),
		Group: secgroup.Group{ID: c.GroupID, Name: c.GroupName},
		Rules: c.Rules,
	}
}

// Of returns the finding of r, a rule of c, by its judgement, which sets all that
// Judge does.
func Of(c cloudtrail.Change, r secgroup.Rule, j policy.Judgement) Finding {
	key := r.ID
	if key == "" {
		key = r.Permission.String()
	}
	rule := RuleOf(r)
	f := Finding{
		ID:        NewID(c.AccountID, c.Region, c.Group(), key, c.EventID),
		AccountID: c.AccountID, Region: c.Region, GroupID: c.GroupID, GroupName: c.GroupName,
		Rule: &rule, FromRequest: c.RulesFrom == cloudtrail.RulesFromRequest,
	}
	f.Judge(j)
	return f
}

// Judge writes a judgement into the finding. The decision of an undetermined
// verdict is inspect. A compliant judgement leaves Decision empty.
func (f *Finding) Judge(j policy.Judgement) {
	f.Decision = map[policy.Verdict]Decision{
		policy.Undetermined: DecisionInspect,
		policy.Exempt:       DecisionExempt,
		policy.Alert:        DecisionAlert,
		policy.Revoke:       DecisionRevoke,
	}[j.Verdict]
	f.Severity, f.StatementID, f.Union = j.Severity.String(), j.StatementID, j.Union
	f.Reasons, f.With, f.Exception = nil, nil, nil
	for _, r := range j.Reasons {
		f.Reasons = append(f.Reasons, r.String())
	}
	for _, w := range j.With {
		f.With = append(f.With, RuleOf(w))
	}
	if x := j.Exception; x != nil {
		f.Exception = &Exception{ID: x.ID, Owner: x.Owner, Expires: x.Expires, ByTag: x.ByTag}
	}
}

// unknownRules is the finding for a change whose rules the record leaves out. The
// group tells them, where the record names it; else people have to look.
func unknownRules(c cloudtrail.Change) Finding {
	f := Finding{
		Decision: DecisionInspect, Severity: policy.High.String(),
		ID:        NewID(c.AccountID, c.Region, c.Group(), "", c.EventID),
		AccountID: c.AccountID, Region: c.Region, GroupID: c.GroupID, GroupName: c.GroupName,
		Reasons: []string{fmt.Sprintf("the record of %s leaves out which rules it made: the group has to be read", c.EventName)},
	}
	if c.Group() == "" {
		// A record grows so large by chance only rarely.
		f.Decision, f.Severity = DecisionAlert, policy.Critical.String()
		f.Reasons = []string{fmt.Sprintf("the record of %s leaves out its parameters, the group too: look at what this call opened", c.EventName)}
	}
	return f
}

// The longest texts that a Detection repeats from an event, in bytes. CloudTrail
// keeps to these; a forged event need not.
const (
	mostUserAgent = 1024
	mostName      = 2048 // an ARN's limit
)

// EventOf returns what a Detection tells of the record of a call.
func EventOf(c cloudtrail.Record) Event {
	return Event{
		EventID: cut(c.EventID, mostName), EventName: cut(c.EventName, mostName), EventTime: c.EventTime,
		AccountID: cut(c.AccountID, mostName), Region: cut(c.Region, mostName),
		Actor:           ActorOf(c.Actor),
		SourceIPAddress: cut(c.SourceIPAddress, mostName), UserAgent: cut(c.UserAgent, mostUserAgent),
	}
}

// ActorOf returns who made a call.
func ActorOf(a cloudtrail.Actor) Actor {
	return Actor{
		Type: cut(a.Type, mostName), ARN: cut(a.ARN, mostName),
		SessionIssuerARN: cut(a.SessionIssuerARN, mostName), InvokedBy: cut(a.InvokedBy, mostName),
	}
}

// cut shortens s to at most n bytes at a rune boundary and marks that it did.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return text.CutBytes(s, n-len("…")) + "…"
}

// Encode returns the Detection as JSON of at most budget bytes. Findings that
// would not fit collapse into one inspect for each group: the reader then judges
// the group as a whole, so nothing is lost but the event's own account of it. fits
// is false where even that is larger than the budget; it is returned all the same.
func (d Detection) Encode(budget int) (encoded []byte, fits bool, err error) {
	encoded, err = json.Marshal(d)
	if err != nil {
		return nil, false, fmt.Errorf("encoding detection: %w", err)
	}
	if len(encoded) <= budget || len(d.Findings) == 0 {
		return encoded, len(encoded) <= budget, nil
	}
	d.Findings = collapse(d.Findings)
	d.Decision = Strongest(d.Findings)
	encoded, err = json.Marshal(d)
	if err != nil {
		return nil, false, fmt.Errorf("encoding detection: %w", err)
	}
	return encoded, len(encoded) <= budget, nil
}

// collapse replaces findings by one inspect for each group, in order of first
// appearance and with the worst severity. Exempt findings ask for nothing and go.
func collapse(findings []Finding) []Finding {
	type group struct{ account, region, id, name string }
	at := map[group]int{}
	counts := []int{}
	out := []Finding{}
	for _, f := range findings {
		if f.Decision == DecisionExempt {
			continue
		}
		g := group{f.AccountID, f.Region, f.GroupID, f.GroupName}
		i, seen := at[g]
		if !seen {
			i = len(out)
			at[g] = i
			counts = append(counts, 0)
			out = append(out, Finding{
				ID: f.ID, Decision: DecisionInspect, Severity: f.Severity,
				AccountID: f.AccountID, Region: f.Region, GroupID: f.GroupID, GroupName: cut(f.GroupName, mostName),
			})
		}
		counts[i]++
		if moreSevere(f.Severity, out[i].Severity) {
			out[i].Severity = f.Severity
		}
	}
	for i := range out {
		out[i].Reasons = []string{fmt.Sprintf("%d findings are too many for one message: the group has to be read", counts[i])}
	}
	return out
}

// moreSevere reports whether severity a is worse than b. What is no severity is the
// least.
func moreSevere(a, b string) bool {
	left, errA := policy.ParseSeverity(a)
	right, errB := policy.ParseSeverity(b)
	return errA == nil && (errB != nil || left > right)
}
