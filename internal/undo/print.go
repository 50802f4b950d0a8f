package undo

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sgward/internal/authorize"
	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// Printer shows people the plan of an undo, and its results.
type Printer struct {
	People io.Writer
	Out    io.Writer // for the results
	JSON   bool      // results are lines of JSON
	Quiet  bool      // only results and failures
	// Policy is nil if there is none; PolicyFile is its path.
	Policy     *policy.Policy
	PolicyFile string

	put, missing, forbidden, refused int
	err                              error // the first error of writing results
}

// note writes a line for people.
func (p *Printer) note(format string, args ...any) {
	fmt.Fprintf(p.People, format+"\n", args...)
}

// Left lists findings that are not restored.
func (p *Printer) Left(all []Left) {
	for _, l := range all {
		who := ""
		if l.FindingID != "" {
			who = text.Visible(l.FindingID) + ": "
		}
		switch {
		case l.Missing:
			p.note("%scannot be put back: %s", who, text.Visible(l.Why))
		case !p.Quiet:
			p.note("%s%s", who, l.Why)
		}
	}
}

// Plan shows the rules to open, their makers, why they were closed, and the policy's
// current verdict. The alert's own words appear only in quotation marks or after "policy".
func (p *Printer) Plan(steps []Step) {
	var exceptions []string
	known := map[string]bool{}
	worst := policy.Compliant
	observing := true
	for _, s := range steps {
		p.note("In %s:", authorize.GroupText(s.Group.ID, s.Group.Name, s.Group.OwnerID, s.Group.Region))
		if s.Err != nil {
			p.note("  %s", text.Visible(s.Err.Error()))
			continue
		}
		for i, it := range s.Items {
			p.item(s, it)
			p.confirmation(s.Confirmed[i])
			if s.Judged == nil {
				continue
			}
			f := s.Judged[i]
			p.verdict(it, f)
			if !authorize.Allowed(f) {
				if out := authorize.Exception(f, time.Now(), authorize.Terms{}); out != "" && !known[out] {
					known[out] = true
					exceptions = append(exceptions, out)
				}
				worst = finding.Strongest([]finding.Finding{{Verdict: worst}, f})
				observing = observing && it.Alert.Mode == finding.Observe
			}
		}
	}
	if len(exceptions) == 0 {
		return
	}
	p.note("%s", whatFollows(worst, observing))
	p.note("If it is meant to be open, paste this under exceptions: in %s, fill in reason and owner, have it reviewed and\ndeploy it first:", p.PolicyFile)
	p.note("%s", strings.TrimSuffix(strings.Join(exceptions, ""), "\n"))
}

// whatFollows says how sgward will treat a rule that is restored against the policy.
func whatFollows(worst policy.Verdict, observing bool) string {
	switch {
	case worst == policy.Alert:
		return "sgward will alert again, and leave it open."
	case worst == policy.Undetermined:
		return "sgward will read the unknown facts, and may close it again."
	case observing:
		return "sgward ran in observe mode when it sent the alert: in that mode it will alert again, and under enforce\nclose it again."
	default:
		return "sgward will close it again within seconds, as long as it runs in enforce mode."
	}
}

func (p *Printer) item(s Step, it Item) {
	p.note("  open %s", authorize.RuleText(it.Rule))
	made, by := whenAndWho(it.event())
	switch name := it.event().EventName; {
	case it.Alert.Sweep != nil:
		p.note("    who made it is not known: a sweep over all groups found it")
	case it.fromHistory() && name == "":
		p.note("    who made it is not known: CloudTrail's history of that time does not show the call")
	case slices.Contains(cloudtrail.Names(cloudtrail.KindEditList), name): // the rule is older than the edit of its list
		p.note("    opened by %s, by %s", text.Visible(made), text.Visible(by))
	default:
		p.note("    made by %s, by %s", text.Visible(made), text.Visible(by))
	}
	closed := "revoked"
	if it.Result.Outcome == finding.OutcomeAlreadyClosed {
		closed = "found already closed"
	}
	if !it.fromHistory() {
		p.note("    %s; policy then: %s", closed, authorize.ReasonsText(it.Result.Deciding()))
	}
	if it.Result.Edited {
		p.note("    an edit made it: this restores the edited rule, as its earlier values are unknown")
	}
	if it.Note != "" {
		p.note("    %s", it.Note)
	}
	if len(secgroup.SettableTags(it.Rule.Tags)) < len(it.Rule.Tags) {
		p.note("    its tags that begin with aws: are left out: only AWS can set them")
	}
	if _, there := secgroup.FindRule(s.Group.Rules, it.Rule.Permission); there {
		p.note("    a rule with the same permission exists already")
	}
}

// confirmation shows whether sgward closed the rule.
func (p *Printer) confirmation(c Confirmation) {
	why := text.Visible(c.Why)
	switch c.Evidence {
	case Confirmed:
		p.note("    confirmed by CloudTrail: %s", why)
	case Contradicted:
		p.note("    NOT CLOSED BY SGWARD: %s", why)
	default:
		p.note("    not confirmed that sgward closed it: %s", why)
	}
}

// verdict shows the policy's current verdict on the rule.
func (p *Printer) verdict(it Item, f finding.Finding) {
	switch {
	case f.Verdict == policy.Undetermined:
		p.note("    policy now: unknown: %s", authorize.ReasonsText(f.Deciding()))
	case !authorize.Allowed(f) && slices.Equal(f.Deciding(), it.Result.Deciding()):
		p.note("    policy now: the same")
	case !authorize.Allowed(f):
		p.note("    policy now: %s", authorize.ReasonsText(f.Deciding()))
	case it.fromHistory():
		p.note("    policy now: allowed by %s: deploy it first, if another one is deployed", p.PolicyFile)
	case it.Alert.PolicyDigest != p.Policy.Digest():
		p.note("    policy now: allowed by %s, which differs from the policy of the alert: deploy it first", p.PolicyFile)
	default:
		p.note("    policy now: allowed")
	}
}

// undone is one line of undo's JSON.
type undone struct {
	AlertID   string         `json:"alertId"`
	FindingID string         `json:"findingId"`
	AccountID string         `json:"accountId"`
	Region    string         `json:"region"`
	GroupID   string         `json:"groupId"`
	Rule      *secgroup.Rule `json:"rule"`
	// Outcome is put_back, already_there, would_put_back, refused or failed.
	Outcome string   `json:"outcome"`
	Differs []string `json:"differs,omitempty"`
	Edited  bool     `json:"edited,omitempty"`
	// Policy is the policy's current verdict on the rule; absent without a policy.
	Policy *finding.Finding `json:"policy,omitempty"`
	// Confirmed is set if CloudTrail has the call with which sgward closed the rule;
	// Confirmation names the call, or the reason why there is none.
	Confirmed    bool   `json:"confirmed"`
	Confirmation string `json:"confirmation,omitempty"`
	// Unknown says which parts of the closed rule are not known and so not restored.
	Unknown      string `json:"unknown,omitempty"`
	Exception    string `json:"exception,omitempty"` // to paste, if the policy forbids it
	ErrorCode    string `json:"errorCode,omitempty"`
	ErrorMessage string `json:"errorMessage,omitempty"`
}

// outcomeText returns the names of undo's outcomes, for JSON and for people.
func outcomeText(o authorize.Outcome) (code, words string) {
	switch o {
	case authorize.Made:
		return "put_back", "put back"
	case authorize.There:
		return "already_there", "already there"
	case authorize.WouldMake:
		return "would_put_back", "would put back"
	case Refused:
		return "refused", "refused"
	default:
		return "failed", "not put back"
	}
}

// Results writes the results of a step.
func (p *Printer) Results(s Step, results []authorize.RuleResult) {
	for i, r := range results {
		code, words := outcomeText(r.Outcome)
		line := undone{
			AlertID: s.Items[i].Alert.ID, FindingID: s.Items[i].Result.ID, AccountID: s.Group.OwnerID, Region: s.Group.Region,
			GroupID: s.Group.ID, Outcome: code, Differs: r.Differs, Edited: s.Items[i].Result.Edited, Unknown: s.Items[i].Note,
		}
		line.Rule = &r.Rule
		if i < len(s.Confirmed) {
			line.Confirmed, line.Confirmation = s.Confirmed[i].Evidence == Confirmed, s.Confirmed[i].Why
		}
		if s.Judged != nil {
			line.Policy = &s.Judged[i]
			if !authorize.Allowed(s.Judged[i]) {
				p.forbidden++
				line.Exception = authorize.Exception(s.Judged[i], time.Now(), authorize.Terms{})
			}
		}
		detail := ""
		if len(r.Differs) > 0 {
			detail = ": " + strings.Join(r.Differs, "; ")
		}
		var refused *RefusedError
		switch {
		case errors.As(r.Err, &refused) && refused.Forbidden:
			p.refused++
		case r.Err != nil:
			p.missing++
		default:
			p.put++
		}
		if r.Err != nil {
			line.ErrorCode, line.ErrorMessage = ec2rules.ErrorCode(r.Err), r.Err.Error()
			detail = ": " + r.Err.Error()
		}
		if p.JSON {
			p.json(line)
			continue
		}
		p.print("%-14s  %s  %s%s\n", words, s.Group.ID, r.Rule, text.Visible(detail))
	}
}

func (p *Printer) json(line undone) {
	encoded, err := json.Marshal(line)
	if err != nil {
		p.err = fmt.Errorf("encoding a result: %w", err)
		return
	}
	p.print("%s\n", text.EscapeJSON(encoded))
}

// print writes a part of the result. If writing fails, the undo still goes on.
func (p *Printer) print(format string, args ...any) {
	if _, err := fmt.Fprintf(p.Out, format, args...); err != nil && p.err == nil {
		p.err = fmt.Errorf("writing the results: %w", err)
	}
}

// Err says why the undo did not fully succeed: a result could not be written, or some
// closed rules are not back. left are the findings that are not restored.
func (p *Printer) Err(left []Left) error {
	missing := p.missing
	for _, l := range left {
		if l.Missing {
			missing++
		}
	}
	switch {
	case p.err != nil:
		return p.err
	case missing > 0:
		return fmt.Errorf("%d of %d not put back: see above", missing+p.refused, missing+p.refused+p.put)
	default:
		return nil
	}
}

// Forbidden reports that the policy forbids a rule, restored or refused.
func (p *Printer) Forbidden() bool { return p.forbidden+p.refused > 0 }

// Question asks for consent to the rules that are about to be opened; "" if there are
// none. u has the Consent that a yes gives.
func Question(u *Undoer, steps []Step) string {
	rules, forbidden, unconfirmed := 0, 0, 0
	for s := range steps {
		for i := range steps[s].Items {
			if steps[s].Err != nil || u.Refusal(&steps[s], i) != nil {
				continue
			}
			rules++
			if steps[s].Judged != nil && !authorize.Allowed(steps[s].Judged[i]) {
				forbidden++
			}
			if steps[s].Confirmed[i].Evidence != Confirmed {
				unconfirmed++
			}
		}
	}
	if rules == 0 {
		return ""
	}
	question := ""
	if forbidden > 0 {
		question += "The policy forbids " + ofThem(forbidden, rules, "all") + ". "
	}
	if unconfirmed > 0 {
		question += "It is not confirmed that sgward closed " + ofThem(unconfirmed, rules, "any") + ". "
	}
	return question + fmt.Sprintf("Put back %s?", text.Plural(rules, "rule"))
}

func ofThem(n, rules int, every string) string {
	switch {
	case rules == 1:
		return "it"
	case n == rules:
		return every + " of them"
	default:
		return text.Thousands(n) + " of them"
	}
}

// whenAndWho returns the event that made the rules, and its caller.
func whenAndWho(e cloudtrail.Event) (made, by string) {
	made = cmp.Or(e.EventName, "an event without a name") + " at " + text.Time(e.EventTime)
	by = cmp.Or(e.Actor.Principal(), e.Actor.InvokedBy, "a caller that the alert does not name")
	if e.Actor.SessionIssuerARN != "" && e.Actor.ARN != "" {
		by = e.Actor.ARN
	}
	if e.SourceIPAddress != "" {
		by += " from " + e.SourceIPAddress
	}
	return made, by
}
