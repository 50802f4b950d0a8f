// Package doctor examines a deployed stack: whether events reach it, whether its parts run,
// and whether its alerts and alarms are delivered. It changes nothing.
package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/sync/errgroup"

	"sgward/internal/awscall"
	"sgward/internal/caller"
	"sgward/internal/crash"
	"sgward/internal/policy"
	"sgward/internal/stack"
	"sgward/internal/text"
)

// Status is the result of a check. The zero value is Unknown: an unchecked item does
// not count as OK.
type Status uint8

// The statuses.
const (
	Unknown Status = iota // the check could not be completed
	OK
	Warning // worth a look; the stack works
	Failure // openings are missed or not closed, or alerts are not delivered
)

var statusNames = [...]string{Unknown: "unknown", OK: "ok", Warning: "warning", Failure: "failure"}

func (s Status) String() string { return statusNames[s] }

// Line is one line of the examination.
type Line struct {
	Check  string // such as "trail"
	Status Status
	// Text says what was found. It may hold untrusted text.
	Text string
	// Fix is the command or the step that mends it, "" if there is none.
	Fix string
	// Err is the error that made the line Unknown; nil if nothing failed.
	Err error
}

// Config says what to examine. AWS and StackName are required.
type Config struct {
	AWS       aws.Config
	StackName string
	// AccountID is the account of the credentials; "" asks for it.
	AccountID string
	// Policy is what the functions should hold, nil if that is not asked.
	Policy *policy.Policy
	Now    func() time.Time // nil is time.Now
}

// Deployed returns the policy that detect holds, read from its archive.
func Deployed(ctx context.Context, config aws.Config, s *stack.Stack) (*policy.Policy, error) {
	x := newExamination(Config{AWS: config})
	x.stack = s
	x.readFunctions(ctx)
	if err := x.functions[detectFunction].err; err != nil {
		return nil, err
	}
	return x.policyOf(ctx, detectFunction)
}

// Report is what an examination found. Lines are in the order of the checks.
type Report struct {
	AccountID, AccountName string // "" if not known
	Region                 string // "" if the account could not be opened
	Stack                  *stack.Stack
	// Err is why there was nothing to examine, a *stack.MissingError if there is no stack.
	// Then Stack is nil, and there are no lines.
	Err   error
	Lines []Line
}

// Count returns how many lines have a status.
func (r *Report) Count(s Status) int {
	n := 0
	for _, l := range r.Lines {
		if l.Status == s {
			n++
		}
	}
	return n
}

// Errors returns how many lines are Unknown because a call failed.
func (r *Report) Errors() int {
	n := 0
	for _, l := range r.Lines {
		if l.Err != nil {
			n++
		}
	}
	return n
}

// examination holds what the checks share.
type examination struct {
	Config
	account, region string
	stack           *stack.Stack
	aws             *awscall.Client
	sns             *sns.Client
	// functions are the stack's, by logical id, read before the checks.
	functions map[string]function
	topicARN  string
}

// check is one part of the examination. It returns at least one line.
type check struct {
	name string
	run  func(*examination, context.Context) []Line
}

// checks follow the path of an event; then come the alarms and metrics that show a broken path.
var checks = []check{
	{"stack", (*examination).checkStack},
	{"trail", (*examination).checkTrail},
	{"rules", (*examination).checkRules},
	{"functions", (*examination).checkFunctions},
	{"permissions", (*examination).checkPermissions},
	{"policy", (*examination).checkPolicy},
	{"mapping", (*examination).checkMapping},
	{"queue", (*examination).checkQueue},
	{"dead letters", (*examination).checkDeadLetters},
	{"throttles", (*examination).checkThrottles},
	{"topic", (*examination).checkTopic},
	{"subscribers", (*examination).checkSubscribers},
	{"keys", (*examination).checkKeys},
	{"alarms", (*examination).checkAlarms},
	{"events", (*examination).checkEvents},
	{"sweep", (*examination).checkSweep},
	{"prevention", (*examination).checkPrevention},
}

// atOnce limits the checks that run at the same time.
const atOnce = 6

func newExamination(cfg Config) *examination {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &examination{
		Config: cfg, region: cfg.AWS.Region,
		aws: awscall.New(cfg.AWS), sns: sns.NewFromConfig(cfg.AWS),
	}
}

// find fills in the account and the stack.
func (x *examination) find(ctx context.Context) (err error) {
	if x.account = x.AccountID; x.account == "" {
		if x.account, _, err = caller.Of(ctx, sts.NewFromConfig(x.AWS)); err != nil {
			return err
		}
	}
	if x.stack, err = stack.Find(ctx, x.aws, x.region, x.StackName); err != nil {
		return err
	}
	x.topicARN = x.stack.Outputs["AlertTopicArn"]
	return nil
}

// Examine runs all checks on one stack.
func Examine(ctx context.Context, cfg Config) *Report {
	x := newExamination(cfg)
	if err := x.find(ctx); err != nil {
		return &Report{AccountID: x.account, Region: x.region, Err: err}
	}
	x.readFunctions(ctx)
	results := make([][]Line, len(checks))
	var running errgroup.Group
	running.SetLimit(atOnce)
	for i, c := range checks {
		running.Go(func() error {
			defer crash.Exit()
			results[i] = c.run(x, ctx)
			return nil
		})
	}
	_ = running.Wait() // each line has its own error
	out := &Report{AccountID: x.account, Region: x.region, Stack: x.stack}
	for i, c := range checks {
		for _, l := range results[i] {
			l.Check = c.name
			out.Lines = append(out.Lines, l)
		}
	}
	return out
}

// The four kinds of lines.

func ok(format string, args ...any) Line { return Line{Status: OK, Text: fmt.Sprintf(format, args...)} }

func warning(fix, format string, args ...any) Line {
	return Line{Status: Warning, Text: fmt.Sprintf(format, args...), Fix: fix}
}

func failure(fix, format string, args ...any) Line {
	return Line{Status: Failure, Text: fmt.Sprintf(format, args...), Fix: fix}
}

// unknown is the line of a check that could not be completed; err may be nil.
func unknown(err error, format string, args ...any) Line {
	return Line{Text: fmt.Sprintf(format, args...), Err: err}
}

// command returns an AWS CLI command for the region.
func (x *examination) command(format string, args ...any) string {
	return fmt.Sprintf("aws "+format, args...) + " --region " + x.region
}

// deploy is the step that puts a resource back as the template has it.
const deploy = "deploy the stack again: make deploy"

// checkStack looks at the last deployment.
func (x *examination) checkStack(context.Context) []Line {
	s := x.stack
	events := x.command("cloudformation describe-stack-events --stack-name %s --max-items 20", s.Name)
	mode := s.Outputs["Mode"]
	what := "its mode is unknown"
	switch mode {
	case "enforce":
		what = "enforce mode: openings are closed"
	case "observe":
		what = "observe mode: openings are reported and not closed"
	}
	if release := s.Outputs["Release"]; release != "" { // the template of a release has it
		what = "release " + release + ", " + what
	}
	var out []Line
	switch {
	case strings.Contains(s.Status, "DELETE"):
		out = append(out, failure("deploy it anew: make deploy", "it is being deleted, or its deletion failed (%s)", s.Status))
	case s.Changing():
		out = append(out, warning("run doctor again after the update", "it is being updated (%s): the lines below may describe either state", s.Status))
	case s.Status == "UPDATE_ROLLBACK_COMPLETE":
		out = append(out, warning(events, "the last deployment failed and was rolled back: an older release runs"))
	case strings.Contains(s.Status, "ROLLBACK") || strings.HasSuffix(s.Status, "_FAILED"):
		out = append(out, failure(events, "the last deployment failed (%s)", s.Status))
	default:
		out = append(out, ok("%s, deployed %s, %s", s.Status, text.Time(s.Changed), what))
	}
	return out
}

// errNoResource says that the stack lacks a part of template.yaml.
var errNoResource = errors.New("the stack has no such resource")

// texts are a JSON value that is a text or a list of texts, as policies have them.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}
