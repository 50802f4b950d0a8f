package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"sgward/internal/alert"
	"sgward/internal/authorize"
	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/secgroup"
	"sgward/internal/text"
	"sgward/internal/undo"
)

// undoText tells what undo will do, to people, and what it did, in the format asked
// for.
type undoText struct {
	in     Invocation
	flags  *undoFlags
	policy *policy.Policy // nil where there is none to judge by

	put, missing, forbidden int
	err                     error // of the first result that could not be written
}

// note writes a line for people.
func (t *undoText) note(format string, args ...any) {
	fmt.Fprintf(t.in.Stderr, format+"\n", args...)
}

// left tells of findings that are not put back.
func (t *undoText) left(all []undo.Left) {
	for _, l := range all {
		who := ""
		if l.FindingID != "" {
			who = text.Visible(l.FindingID) + ": "
		}
		switch {
		case l.Missing:
			t.note("%scannot be put back: %s", who, text.Visible(l.Why))
		case !t.flags.quiet:
			t.note("%s%s", who, l.Why)
		}
	}
}

// plan shows what will be opened, made by whom, closed why, and what the policy says
// of it now. Nothing of it is an alert's own words but what stands in quotation
// marks or behind "policy".
func (t *undoText) plan(steps []undo.Step) {
	var exceptions []string
	known := map[string]bool{}
	worst := policy.Compliant
	observing := true
	for _, s := range steps {
		t.note("In %s:", groupWords(s.Group.ID, s.Group.Name, s.Group.OwnerID, s.Group.Region))
		if s.Err != nil {
			t.note("  %s", text.Visible(s.Err.Error()))
			continue
		}
		for i, it := range s.Items {
			t.item(s, it)
			if s.Judged == nil {
				continue
			}
			f := s.Judged[i]
			t.verdict(it, f)
			if !authorize.Allowed(f) {
				if out := exceptionFor(f); out != "" && !known[out] {
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
	t.note("%s", whatFollows(worst, observing))
	t.note("If it is meant to be open, paste this under exceptions: in %s, fill in reason and owner, have it reviewed and\ndeploy it first:", t.flags.policy)
	t.note("%s", strings.TrimSuffix(strings.Join(exceptions, ""), "\n"))
}

// whatFollows says what sgward makes of a rule that is put back against the policy.
func whatFollows(worst policy.Verdict, observing bool) string {
	switch {
	case worst == policy.Alert:
		return "sgward will tell people of it again, and leave it open."
	case worst == policy.Undetermined:
		return "sgward will read what is not known here, and may close it again."
	case observing:
		return "sgward ran in observe mode when it sent the alert: in that mode it will tell people again, and under enforce\nclose it again."
	default:
		return "sgward will close it again within seconds, as long as it runs in enforce mode."
	}
}

func (t *undoText) item(s undo.Step, it undo.Item) {
	t.note("  open %s%s", it.Rule.Permission, labels(it.Rule))
	made, by := whenAndWho(it.Alert.Event)
	if it.Alert.Sweep != nil {
		made, by = "a sweep over all groups found it", "nobody knows whom"
	}
	t.note("    made by %s, by %s", text.Visible(made), text.Visible(by))
	closed := "revoked"
	if it.Result.Outcome == finding.OutcomeAlreadyClosed {
		closed = "found already closed"
	}
	t.note("    %s; policy then: %s", closed, text.Visible(reasonsText(it.Result.Deciding())))
	if it.Result.Edited {
		t.note("    an edit had made it so: this puts back what the edit left, as what it was before is not known")
	}
	if len(authorize.Settable(it.Rule.Tags)) < len(it.Rule.Tags) {
		t.note("    its tags that begin with aws: are left out: only AWS can set them")
	}
	if _, there := secgroup.FindRule(s.Group.Rules, it.Rule.Permission); there {
		t.note("    a rule that lets the same through is there already")
	}
}

// verdict says what the policy makes of the rule as of now.
func (t *undoText) verdict(it undo.Item, f finding.Finding) {
	switch {
	case f.Verdict == policy.Undetermined:
		t.note("    policy now: not known: %s", text.Visible(reasonsText(f.Deciding())))
	case !authorize.Allowed(f) && slices.Equal(f.Deciding(), it.Result.Deciding()):
		t.note("    policy now: the same")
	case !authorize.Allowed(f):
		t.note("    policy now: %s", text.Visible(reasonsText(f.Deciding())))
	case it.Alert.PolicyDigest != t.policy.Digest():
		t.note("    policy now: allowed by %s, which is not the version that judged for the alert: deploy it first", t.flags.policy)
	default:
		t.note("    policy now: allowed")
	}
}

// reasonsText prints reasons on one line.
func reasonsText(reasons []policy.Reason) string { return strings.Join(policy.Texts(reasons), "; ") }

// labels are a rule's description and tags, which strangers chose.
func labels(r secgroup.Rule) string {
	out := ""
	if r.Description != "" {
		out += fmt.Sprintf(" %q", text.Visible(r.Description))
	}
	for _, tag := range r.Tags {
		out += fmt.Sprintf(" %q", text.Visible(tag.Key+"="+tag.Value))
	}
	return out
}

// groupWords names a group: "sg-0123456789abcdef0 "web", account 123456789012,
// us-east-1".
func groupWords(id, name, account, region string) string {
	words := id
	if name != "" {
		words += fmt.Sprintf(" %q", text.Visible(name))
	}
	return words + ", account " + account + ", " + region
}

// exceptionFor writes the exception to paste for a rule that is about to be opened;
// "" where there is none. Its days count from now.
func exceptionFor(f finding.Finding) string {
	return alert.Exception(cloudtrail.Event{EventTime: time.Now()}, f)
}

// undone is one line of undo's JSON.
type undone struct {
	AlertID   string         `json:"alertId"`
	FindingID string         `json:"findingId"`
	AccountID string         `json:"accountId"`
	Region    string         `json:"region"`
	GroupID   string         `json:"groupId"`
	Rule      *secgroup.Rule `json:"rule"`
	// Outcome is put_back, already_there, would_put_back or failed.
	Outcome string   `json:"outcome"`
	Differs []string `json:"differs,omitempty"`
	Edited  bool     `json:"edited,omitempty"`
	// Policy is what the policy says of the rule as of now; absent without a policy.
	Policy       *finding.Finding `json:"policy,omitempty"`
	Exception    string           `json:"exception,omitempty"` // to paste, where the policy forbids it
	ErrorCode    string           `json:"errorCode,omitempty"`
	ErrorMessage string           `json:"errorMessage,omitempty"`
}

// outcomeWords are the outcomes of undo, for JSON and for people.
func outcomeWords(o authorize.Outcome) (code, words string) {
	switch o {
	case authorize.Made:
		return "put_back", "put back"
	case authorize.There:
		return "already_there", "already there"
	case authorize.WouldMake:
		return "would_put_back", "would put back"
	default:
		return "failed", "not put back"
	}
}

// results writes what became of a step.
func (t *undoText) results(s undo.Step, results []authorize.Result) {
	for i, r := range results {
		code, words := outcomeWords(r.Outcome)
		line := undone{
			AlertID: s.Items[i].Alert.ID, FindingID: s.Items[i].Result.ID, AccountID: s.Group.OwnerID, Region: s.Group.Region,
			GroupID: s.Group.ID, Outcome: code, Differs: r.Differs, Edited: s.Items[i].Result.Edited,
		}
		line.Rule = &r.Rule
		if s.Judged != nil {
			line.Policy = &s.Judged[i]
			if !authorize.Allowed(s.Judged[i]) {
				t.forbidden++
				line.Exception = exceptionFor(s.Judged[i])
			}
		}
		detail := ""
		if len(r.Differs) > 0 {
			detail = ": " + strings.Join(r.Differs, "; ")
		}
		if r.Err != nil {
			t.missing++
			line.ErrorCode, line.ErrorMessage = ec2rules.ErrorCode(r.Err), r.Err.Error()
			detail = ": " + r.Err.Error()
		} else {
			t.put++
		}
		if t.flags.format == string(report.JSON) {
			t.json(line)
			continue
		}
		t.print("%-14s  %s  %s%s\n", words, s.Group.ID, r.Rule, text.Visible(detail))
	}
}

func (t *undoText) json(line undone) {
	encoded, err := json.Marshal(line)
	if err != nil {
		t.err = fmt.Errorf("encoding a result: %w", err)
		return
	}
	t.print("%s\n", encoded)
}

// print writes a part of the result. A result that cannot be written must not keep
// the rest from being done.
func (t *undoText) print(format string, args ...any) {
	if _, err := fmt.Fprintf(t.in.Stdout, format, args...); err != nil && t.err == nil {
		t.err = fmt.Errorf("writing the results: %w", err)
	}
}

// status is how undo ends.
func (t *undoText) status(left []undo.Left) error {
	missing := t.missing
	for _, l := range left {
		if l.Missing {
			missing++
		}
	}
	switch {
	case t.err != nil:
		return t.err
	case missing > 0:
		return fmt.Errorf("%d of %d not put back: see above", missing, missing+t.put)
	case t.forbidden > 0:
		return &statusError{status: StatusFindings}
	default:
		return nil
	}
}
