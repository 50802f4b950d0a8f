package hook

import (
	"cmp"
	"encoding/json/v2"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"sgward/internal/awsid"
	"sgward/internal/planned"
	"sgward/internal/policy"
	"sgward/internal/template"
	"sgward/internal/text"
)

// Mode is what happens to a resource that the policy forbids: the hook's FailureMode makes
// it true, and the function's sentences say it.
type Mode string

// The modes.
const (
	Warn   Mode = "warn"
	Refuse Mode = "refuse"
)

// ParseMode reads a mode.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Warn, Refuse:
		return m, nil
	}
	return "", fmt.Errorf("%q: want %q or %q", s, Warn, Refuse)
}

// Status is the status of an answer.
type Status string

// The statuses. A hook may also answer IN_PROGRESS, which this one never does.
const (
	Success Status = "SUCCESS"
	Failed  Status = "FAILED"
)

// The error codes of failed answers.
const (
	nonCompliant    = "NonCompliant"
	internalFailure = "InternalFailure"
)

// Response is the answer to a Request (the same page, "Response input").
type Response struct {
	Status             Status `json:"hookStatus"`
	ErrorCode          string `json:"errorCode,omitzero"` // of a failed answer
	Message            string `json:"message"`
	ClientRequestToken string `json:"clientRequestToken"`
}

// JSON returns the response as JSON.
func (r *Response) JSON() ([]byte, error) { return json.Marshal(r, lenient) }

// CloudFormation and Cloud Control cut longer messages (the same page, "message").
const (
	maxMessage             = 4096
	maxMessageCloudControl = 1024
)

// Answer is a Response with what led to it.
type Answer struct {
	Response Response
	Request  Request
	// Verdict is the strongest of Findings; Compliant if there are none, and Undetermined if
	// nothing was judged.
	Verdict  policy.Verdict
	Findings []planned.Finding
	Skipped  string // why there was nothing to judge; "" if there was
	Err      error  // why the resource could not be judged, or not all of it
	Stack    []byte // of a crash; nil if there was none
}

// Judge judges requests. It is safe for concurrent use.
type Judge struct {
	Policy *policy.Policy
	Mode   Mode
	Region string
	Now    func() time.Time
}

// Answer judges a request. It refuses a resource if the policy revokes one of the rules that
// the request adds, and lets one pass whose verdict depends on something that the request
// does not tell: who makes the rule, for one.
//
// A resource that cannot be judged is refused in the mode Refuse: else whoever finds a form
// that is not understood has found a way past the policy. In the mode Warn nothing that goes
// wrong here makes an answer fail.
func (j *Judge) Answer(payload []byte) (a Answer) {
	defer func() {
		if reason := recover(); reason != nil {
			a.Err, a.Stack = fmt.Errorf("sgward crashed, which is a bug in it: %v", reason), debug.Stack()
		}
		a.Response = j.response(&a)
	}()
	if a.Request, a.Err = parse(payload); a.Err == nil {
		a.Skipped, a.Err = j.judge(&a)
	}
	return a
}

// judge judges the resource of a request.
func (j *Judge) judge(a *Answer) (skipped string, err error) {
	resource, skipped, err := a.Request.resource()
	if skipped != "" || err != nil {
		return skipped, err
	}
	change, err := template.ReadResource(resource)
	if err != nil {
		return "", err
	}
	j.place(change, a.Request.AccountID)
	a.Findings = planned.Judge(j.Policy, change, a.Request.StackID, j.Now())
	// The strongest first, as messages are cut.
	slices.SortStableFunc(a.Findings, func(x, y planned.Finding) int {
		switch {
		case x.Verdict.IsStrongerThan(y.Verdict):
			return -1
		case y.Verdict.IsStrongerThan(x.Verdict):
			return 1
		}
		return 0
	})
	a.Verdict = policy.Compliant
	if len(a.Findings) > 0 {
		a.Verdict = a.Findings[0].Verdict
	}
	var problems []error
	for _, p := range change.Problems {
		problems = append(problems, errors.New(strings.TrimSpace(p.Place)+": "+p.Text))
	}
	if len(problems) > 0 && policy.Undetermined.IsStrongerThan(a.Verdict) {
		a.Verdict = policy.Undetermined
	}
	return "", errors.Join(problems...)
}

// place says where the groups of a resource are: a hook is invoked in the account and region
// of the resource.
func (j *Judge) place(c *planned.Change, account string) {
	if !awsid.IsAccount(account) {
		account = "" // unknown
	}
	for i := range c.Groups {
		c.Groups[i].OwnerID, c.Groups[i].Region = account, j.Region
	}
	for i := range c.Unclear {
		c.Unclear[i].AccountID, c.Unclear[i].Region = account, j.Region
	}
}

// response says what was judged.
func (j *Judge) response(a *Answer) Response {
	r := Response{Status: Success, ClientRequestToken: a.Request.ClientRequestToken}
	forbidden := 0
	for i := range a.Findings {
		if a.Findings[i].Verdict == policy.Revoke {
			forbidden++
		}
	}
	target := cmp.Or(strings.TrimSpace(a.Request.Data.TargetName+" "+a.Request.Data.LogicalID), "the resource")
	var message string
	switch {
	case forbidden > 0:
		r.Status, r.ErrorCode = Failed, nonCompliant
		does := "sgward refuses"
		if j.Mode == Warn {
			does = "sgward would refuse (Prevention is warn)"
		}
		message = fmt.Sprintf("%s %s: the policy forbids %s.", does, target, text.Plural(forbidden, "rule"))
	case a.Err != nil && j.Mode == Refuse:
		r.Status, r.ErrorCode = Failed, internalFailure
		message = fmt.Sprintf("sgward refuses %s, as it cannot be judged: %s. Where it has to pass, disable the hook or deploy sgward with Prevention=warn.", target, said(a.Err))
	case a.Err != nil:
		message = fmt.Sprintf("sgward lets %s pass, as it cannot be judged before it is made: %s.", target, said(a.Err))
	case a.Skipped != "":
		message = fmt.Sprintf("sgward has nothing to judge: %s.", a.Skipped)
	case a.Verdict == policy.Compliant:
		message = fmt.Sprintf("sgward lets %s pass: the policy has nothing against it.", target)
	case a.Verdict == policy.Exempt:
		message = fmt.Sprintf("sgward lets %s pass by an exception of the policy.", target)
	case a.Verdict == policy.Alert:
		message = fmt.Sprintf("sgward lets %s pass, and alerts once it is made.", target)
	default:
		message = fmt.Sprintf("sgward lets %s pass: whether the policy forbids it can be told only once it is made.", target)
	}
	limit := maxMessage
	if a.Request.StackID == "" {
		limit = maxMessageCloudControl
	}
	r.Message = withFindings(message, a.Findings, limit)
	return r
}

// said is the text of an error within a sentence.
func said(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// withFindings adds the findings to a message, as long as there is room, and says how many
// had none.
func withFindings(message string, findings []planned.Finding, limit int) string {
	const room = len(" And 1,000 more.")
	message = text.Shown(message, limit)
	for i := range findings {
		line := " " + text.Visible(describe(&findings[i])) + "."
		if left := len(findings) - i; text.Units(message)+text.Units(line)+room > limit {
			if i == 0 { // the first one is why
				message, left = text.Cut(message+line, limit-room), left-1
			}
			if left > 0 {
				message += " And " + text.Thousands(left) + " more."
			}
			return text.Cut(message, limit)
		}
		message += line
	}
	return message
}

// describe says what was found, with the statements and their lines. For a rule that passes
// that is also what spares it, or what is not known.
func describe(f *planned.Finding) string {
	reasons := f.Reasons
	if f.Verdict == policy.Revoke || f.Verdict == policy.Alert {
		reasons = f.Deciding()
	}
	if len(reasons) > 0 {
		return strings.TrimRight(strings.Join(policy.Texts(reasons), "; "), ".")
	}
	if f.Rule != nil {
		return f.Rule.Permission.String() + ": " + f.Verdict.String()
	}
	return f.Verdict.String()
}
