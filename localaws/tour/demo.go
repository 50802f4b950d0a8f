// Package tour shows sgward at work on one machine: Demo is a scripted story that
// checks itself, Watch keeps the pipeline running for any AWS client. Both run the
// real function binaries on localaws and need no AWS account.
package tour

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"sgward/internal/finding"
	"sgward/internal/pause"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
	"sgward/localaws"
	"sgward/localaws/ec2api"
)

const (
	remediate = "RemediateFunction"
	// restTimeout limits a scene; on an idle machine one takes some 20 ms.
	restTimeout = 30 * time.Second
	// storyKey is the access key of the person in the story.
	storyKey = "ASIAIOSFODNN7EXAMPLE"
)

// ErrUnexpected is wrapped by Demo's error if the tour did not end as expected.
var ErrUnexpected = errors.New("the tour did not end as expected")

// DemoConfig describes a tour. TemplatePath, BuildDir and Out are required.
type DemoConfig struct {
	TemplatePath string
	BuildDir     string
	PolicyFile   string // empty: the policy that is packed with the functions
	Out          io.Writer
	Color        bool
	Width        int           // of Out in columns; 0 for what is no terminal
	Pause        time.Duration // between scenes; zero does not wait
	// Logs, if not nil, gets the functions' own log lines.
	Logs io.Writer
}

// stage is the state of a tour.
type stage struct {
	*screen
	stack  *localaws.Stack
	policy *policy.Policy
	client *ec2.Client
	groups map[string]string // name -> id
	cfg    DemoConfig

	mu    sync.Mutex
	steps []localaws.Step

	problems []string
	closed   []closing
}

// closing is one opening that was closed, for the summary.
type closing struct {
	permission string
	after      time.Duration
}

// Demo plays the tour and checks every result: differences are marked on Out, and an error
// wrapping ErrUnexpected counts them.
func Demo(ctx context.Context, cfg DemoConfig) error {
	began := time.Now()
	s := &stage{screen: newScreen(cfg.Out, cfg.Color, cfg.Width), groups: map[string]string{}, cfg: cfg}
	if err := s.open(ctx); err != nil {
		return err
	}
	defer s.stack.Close()

	s.paragraph("", "", s.Apply(text.Bold, "sgward demo")+": openings to the world, and how they are closed again.")
	s.paragraph("", "", "The functions that run are the real ones, wired as template.yaml says; EC2, EventBridge, SQS, SNS and DynamoDB "+
		"are stand-ins inside this process. No AWS account is touched. Times are of the work: CloudTrail's seconds are left out.")

	s.title("Before")
	standing := map[string]bool{}
	s.table(s.ownGroups(), s.stack.EC2().Rules, func(r ec2api.Rule) (string, text.Style) {
		standing[r.ID] = true
		return "", ""
	})
	for i, sc := range story() {
		if err := s.pause(ctx); err != nil {
			return err
		}
		if err := s.play(ctx, i+1, sc); err != nil {
			return err
		}
	}
	if err := s.pause(ctx); err != nil {
		return err
	}
	if err := s.lostEvent(ctx, len(story())+1); err != nil {
		return err
	}
	if err := s.pause(ctx); err != nil {
		return err
	}
	s.after(standing)
	if err := s.pause(ctx); err != nil {
		return err
	}
	if err := s.lookBack(ctx); err != nil {
		return err
	}
	s.summary(time.Since(began))
	if s.err != nil {
		return fmt.Errorf("writing the tour: %w", s.err)
	}
	if len(s.problems) > 0 {
		return fmt.Errorf("%w: %s, marked UNEXPECTED above", ErrUnexpected, text.Plural(len(s.problems), "thing"))
	}
	return nil
}

// open starts the stack and sets the scene: two groups in a VPC of their own, and a
// server with a public address in one of them.
func (s *stage) open(ctx context.Context) error {
	cfg := localaws.Config{
		TemplatePath: s.cfg.TemplatePath, BuildDir: s.cfg.BuildDir, PolicyFile: s.cfg.PolicyFile,
		Listen: "127.0.0.1:0", Parameters: map[string]string{"Mode": string(finding.Enforce)},
		Seed: "demo",
		Identities: map[string]ec2api.Identity{
			storyKey: {Role: "Developer", Session: "casey@example.com", SourceIP: "198.51.100.7"},
		},
		OnStep: func(step localaws.Step) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.steps = append(s.steps, step)
		},
	}
	stack, err := start(ctx, cfg, s.cfg.Logs)
	if err != nil {
		return err
	}
	s.stack = stack
	if s.policy, err = readPolicy(s.cfg.PolicyFile, s.cfg.BuildDir); err != nil {
		stack.Close()
		return err
	}
	s.client = clientOf(stack.Endpoint(), storyKey)
	if err := s.furnish(ctx); err != nil {
		stack.Close()
		return fmt.Errorf("setting the scene: %w", err)
	}
	return nil
}

func (s *stage) furnish(ctx context.Context) error {
	vpc, err := s.client.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.20.0.0/16")})
	if err != nil {
		return err
	}
	for _, g := range [][2]string{{"orders-db", "order database and its cache"}, {"shop-web", "web servers of the shop"}} {
		created, err := s.client.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
			GroupName: aws.String(g[0]), Description: aws.String(g[1]), VpcId: vpc.Vpc.VpcId,
		})
		if err != nil {
			return err
		}
		s.groups[g[0]] = aws.ToString(created.GroupId)
	}
	standing := permissions(
		opening{3306, "10.20.0.0/16", "application servers"},
		opening{6379, "10.0.0.0/8", "cache, inside only"},
	)
	if err := s.authorize(ctx, "orders-db", standing); err != nil {
		return err
	}
	if _, err := s.stack.EC2().AddNetworkInterface(ec2api.NetworkInterface{
		GroupIDs: []string{s.groups["orders-db"]}, Description: "orders-db-1", InstanceID: "i-0123456789abcdef0",
		PrivateIPv4: "10.20.1.15", PublicIPv4: "203.0.113.80",
	}); err != nil {
		return err
	}
	return s.rest(ctx)
}

// play shows one scene and checks its end.
func (s *stage) play(ctx context.Context, number int, sc scene) error {
	s.title(fmt.Sprintf("%d. %s", number, sc.title))
	if s.cfg.PolicyFile != "" {
		s.judge(&sc)
	}
	s.paragraph("", "   ", strings.TrimSpace(sc.story+" "+sc.byPolicy))
	before := s.stack.Calls(remediate)
	from := s.mark()
	if err := s.act(ctx, sc); err != nil {
		return fmt.Errorf("scene %d: %w", number, err)
	}
	if err := s.rest(ctx); err != nil {
		return fmt.Errorf("scene %d: %w", number, err)
	}
	steps := s.since(from)
	began := callTime(steps)
	s.timeline(steps)
	s.verdict(sc, steps, began, callsSince(before, s.stack.Calls(remediate)))
	if err := s.alert(ctx, sc, steps); err != nil {
		return err
	}
	if sc.moral != "" {
		s.paragraph("", "   ", sc.moral)
	}
	return s.err
}

// timeline shows the steps of one cause.
func (s *stage) timeline(steps []localaws.Step) {
	var n narration
	for _, step := range steps {
		if step.Kind == localaws.StepIgnored && step.Function == "" && strings.HasPrefix(step.EventName, "Revoke") {
			continue // remediate's own call: the pattern does not match it
		}
		for _, l := range n.lines(step) {
			s.stepLine(step.At-steps[0].At, l)
		}
	}
}

// judge makes a scene that of the policy at hand: its verdicts decide what has to be closed
// and what stays.
func (s *stage) judge(sc *scene) {
	edited := ""
	if cache, ok := s.cache(); ok && sc.edit {
		edited = cache.ID
	}
	req := policy.Request{
		Time: time.Now(), AccountID: ec2api.DefaultAccount, Region: ec2api.DefaultRegion,
		Group:         secgroup.Group{ID: s.groups[sc.group], Name: sc.group, TagsKnown: true},
		Actor:         policy.Actor{Known: true, ARN: "arn:aws:iam::" + ec2api.DefaultAccount + ":role/Developer"},
		StandingKnown: true,
	}
	for _, r := range s.stack.EC2().Rules(s.groups[sc.group]) {
		if rule, err := ruleOf(r); err == nil && r.ID != edited {
			req.Standing = append(req.Standing, rule)
		}
	}
	for _, o := range sc.opens {
		if rule, err := ruleOf(ec2api.Rule{Protocol: "tcp", FromPort: int(o.port), ToPort: int(o.port), CIDRIPv4: o.cidr}); err == nil {
			req.Rules = append(req.Rules, rule)
		}
	}
	own := sc.gone
	sc.gone, sc.stays, sc.byPolicy = nil, nil, ""
	for i, j := range s.policy.Evaluate(req) {
		p := fmt.Sprintf("tcp %d from %s", sc.opens[i].port, sc.opens[i].cidr)
		if j.Verdict == policy.Revoke {
			sc.gone = append(sc.gone, p)
		} else {
			sc.stays = append(sc.stays, p)
		}
	}
	if !slices.Equal(own, sc.gone) {
		sc.moral = ""
	}
}

// verdict shows how the scene ended and checks the result.
func (s *stage) verdict(sc scene, steps []localaws.Step, began time.Duration, calls map[string]int) {
	told := len(s.problems)
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			s.problems = append(s.problems, sc.title+": "+fmt.Sprintf(format, args...))
		}
	}
	decision, said := decisionOf(steps)
	if s.cfg.PolicyFile == "" {
		expect(said && decision == sc.decision, "detect said %q, not %q", decision, sc.decision)
	}

	held := s.permissions(sc.group)
	revoked := revokeTime(steps)
	s.line("")
	for _, p := range sc.gone {
		gone := !slices.Contains(held, p)
		expect(gone, "%s is still open", p)
		if gone {
			s.closed = append(s.closed, closing{p, revoked - began})
			s.line("   %s  %s, %s ms after the call", s.Apply(text.Green, "closed"), p, ms(revoked-began))
		} else {
			s.line("   %s  %s", s.Apply(text.Red, "STILL OPEN"), p)
		}
	}
	for _, p := range sc.stays {
		stays := slices.Contains(held, p)
		expect(stays, "%s is gone", p)
		if stays {
			s.line("   %s   %s", s.Apply(text.Green, "stays"), p)
		} else {
			s.line("   %s  %s", s.Apply(text.Red, "GONE"), p)
		}
	}
	switch {
	case len(sc.gone) > 0:
		expect(calls["ec2:RevokeSecurityGroupIngress"] == 1, "%d revoke calls, not 1", calls["ec2:RevokeSecurityGroupIngress"])
		expect(calls["sns:Publish"] == 1, "%d alerts, not 1", calls["sns:Publish"])
		s.paragraph(text.Dim, "   ", "remediate's calls: "+listCalls(calls))
	case s.cfg.PolicyFile != "":
		expect(calls["ec2:RevokeSecurityGroupIngress"] == 0, "%d revoke calls, not none", calls["ec2:RevokeSecurityGroupIngress"])
		if len(calls) > 0 {
			s.paragraph(text.Dim, "   ", "remediate's calls: "+listCalls(calls))
		}
	default:
		expect(len(calls) == 0, "remediate was called: %s", listCalls(calls))
		s.line("   %s", s.Apply(text.Dim, "remediate's calls: none, it was not even invoked"))
	}
	for _, step := range steps {
		if step.Kind != localaws.StepAlerted {
			continue
		}
		alert, ok := step.Alert()
		expect(ok, "the alert's machine-readable body cannot be read")
		for _, f := range alert.Findings {
			expect(len(sc.gone) == 0 || f.Outcome == finding.OutcomeRevoked || f.Outcome == finding.OutcomeExempt || s.cfg.PolicyFile != "", "the alert says %s", f.Outcome)
		}
		_, err := parseNotification(step.Message.For("https"))
		expect(err == nil, "%v", err)
	}
	for _, problem := range s.problems[told:] {
		s.line("   %s", s.Apply(text.Red, "UNEXPECTED: "+text.Visible(problem)))
	}
}

// alert draws the scene's alert, if the scene shows it, with time to read it.
func (s *stage) alert(ctx context.Context, sc scene, steps []localaws.Step) error {
	for _, step := range steps {
		if step.Kind != localaws.StepAlerted || !sc.showAlert {
			continue
		}
		n, err := parseNotification(step.Message.For("https"))
		if err != nil {
			continue // it is a problem already
		}
		if err := s.pause(ctx); err != nil {
			return err
		}
		s.line("")
		s.slack(n)
		for range readingPauses {
			if err := s.pause(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// readingPauses is how many pauses between scenes it takes to read an alert.
const readingPauses = 3

// after shows the groups at the end. standing holds the rules of the beginning, by id.
func (s *stage) after(standing map[string]bool) {
	s.title("After")
	s.table(s.ownGroups(), s.stack.EC2().Rules, func(r ec2api.Rule) (string, text.Style) {
		if standing[r.ID] {
			return "", ""
		}
		return "new, kept", text.Green
	})
}

func (s *stage) summary(took time.Duration) {
	slices.SortFunc(s.closed, func(a, b closing) int { return int(a.after - b.after) })
	s.line("")
	if n := len(s.closed); n > 0 {
		s.paragraph("", "", fmt.Sprintf("%s %d openings closed, %s to %s ms after the call that made them.",
			s.Apply(text.Bold, "In all:"), n, ms(s.closed[0].after), ms(s.closed[n-1].after)))
	}
	s.paragraph("", "", "On AWS, EventBridge delivers the record some seconds after the call; from there on it is this code.")
	if len(s.problems) > 0 {
		s.line("%s", s.Apply(text.Red, fmt.Sprintf("%s did not end as expected.", text.Plural(len(s.problems), "thing"))))
		return
	}
	if s.cfg.PolicyFile != "" {
		s.line("Everything ended as %s says, in %s.", text.Visible(s.cfg.PolicyFile), elapsed(took))
	} else {
		s.line("Everything ended as expected, in %s.", elapsed(took))
	}
	s.line("")
	s.line("%s", s.Apply(text.Bold, "Next"))
	for _, next := range [][2]string{
		{"make local", "the same pipeline for your own aws commands"},
		{"docs/TUTORIAL.md", "all commands on it, including undo"},
		{"build/sgward replay AWSLogs/", "a policy judged on your own history"},
		{"build/sgward policy lint FILE", "check a policy of yours"},
		{"build/sgward demo --policy FILE", "this tour, as that policy ends it"},
		{"make deploy", "into an account; starts in observe mode"},
	} {
		row := "   " + text.PadRight(next[0], 32) + "  " + next[1]
		if text.Columns(row) > s.width {
			row = "   " + next[0] + "\n      " + next[1]
		}
		s.line("%s", row)
	}
}

// ownGroups lists the story's groups, without the default ones.
func (s *stage) ownGroups() []ec2api.Group {
	return slices.DeleteFunc(s.stack.EC2().Groups(), func(g ec2api.Group) bool { return s.groups[g.Name] != g.ID })
}

func (s *stage) permissions(group string) []string {
	var all []string
	for _, r := range s.stack.EC2().Rules(s.groups[group]) {
		all = append(all, permission(r))
	}
	return all
}

func (s *stage) rest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	return s.stack.WaitIdle(ctx)
}

func (s *stage) pause(ctx context.Context) error {
	return pause.For(ctx, s.cfg.Pause)
}

func (s *stage) mark() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.steps)
}

func (s *stage) since(mark int) []localaws.Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.steps[mark:])
}

func clientOf(endpoint, accessKey string) *ec2.Client {
	return ec2.New(ec2.Options{
		Region: ec2api.DefaultRegion, BaseEndpoint: aws.String(endpoint), AppID: "sgward-tour",
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, "not-a-secret", ""),
	})
}

// start starts a stack whose functions log to out, as lines "function: line", or nowhere
// if it is nil. If a function does not start, the error ends with its last log lines.
func start(ctx context.Context, cfg localaws.Config, out io.Writer) (*localaws.Stack, error) {
	var mu sync.Mutex
	last := ""
	cfg.Log = func(function, line string) {
		mu.Lock()
		defer mu.Unlock()
		last = part(function) + ": " + text.Visible(line)
		if out != nil {
			_, _ = fmt.Fprintln(out, last) // logs are best effort
		}
	}
	stack, err := localaws.Start(ctx, cfg)
	mu.Lock()
	defer mu.Unlock()
	if err != nil && last != "" {
		return nil, fmt.Errorf("%w\n%s", err, last)
	}
	return stack, err
}
