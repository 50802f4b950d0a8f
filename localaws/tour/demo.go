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
	Pause        time.Duration // between scenes; zero does not wait
	// Logs, if not nil, gets the functions' own log lines.
	Logs io.Writer
}

// stage is the state of a tour.
type stage struct {
	*screen
	stack  *localaws.Stack
	client *ec2.Client
	groups map[string]string // name -> id
	cfg    DemoConfig

	mu    sync.Mutex
	steps []localaws.Step

	problems []string
	closed   []closing
	told     map[string]bool // rules that the sweep reported, by id
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
	s := &stage{screen: &screen{out: cfg.Out, Ink: text.Ink(cfg.Color)}, groups: map[string]string{}, told: map[string]bool{}, cfg: cfg}
	if err := s.open(ctx); err != nil {
		return err
	}
	defer s.stack.Close()

	s.line("%s: openings to the world, and how they are closed again.", s.Paint(text.Bold, "sgward demo"))
	s.paragraph("", "", "The functions that run are the real ones, wired as template.yaml says; EC2, EventBridge, SQS, SNS and DynamoDB "+
		"are stand-ins inside this process. No AWS account is touched. Times are of the work: CloudTrail's seconds, and the "+
		"second for which the queue gathers a batch, are left out.")

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
	s.paragraph("", "   ", sc.story)
	before := s.stack.Calls(remediate)
	from := s.mark()
	if err := sc.act(ctx, s); err != nil {
		return fmt.Errorf("scene %d: %w", number, err)
	}
	if err := s.rest(ctx); err != nil {
		return fmt.Errorf("scene %d: %w", number, err)
	}
	steps := s.since(from)
	began := callTime(steps)
	for _, step := range steps {
		if step.Kind == localaws.StepIgnored && step.Function == "" && strings.HasPrefix(step.EventName, "Revoke") {
			continue // remediate's own call: the pattern does not match it
		}
		s.step(step.At-began, step)
	}
	s.verdict(sc, steps, began, callsSince(before, s.stack.Calls(remediate)))
	return s.err
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
	expect(said && decision == sc.decision, "detect said %q, not %q", decision, sc.decision)

	held := s.permissions(sc.group)
	revoked := revokeTime(steps)
	s.line("")
	for _, p := range sc.gone {
		gone := !slices.Contains(held, p)
		expect(gone, "%s is still open", p)
		if gone {
			s.closed = append(s.closed, closing{p, revoked - began})
			s.line("   %s  %s, %.1f ms after the call", s.Paint(text.Green, "closed"), p, ms(revoked-began))
		} else {
			s.line("   %s  %s", s.Paint(text.Red, "STILL OPEN"), p)
		}
	}
	for _, p := range sc.stays {
		stays := slices.Contains(held, p)
		expect(stays, "%s is gone", p)
		if stays {
			s.line("   %s   %s", s.Paint(text.Green, "stays"), p)
		} else {
			s.line("   %s  %s", s.Paint(text.Red, "GONE"), p)
		}
	}
	if len(sc.gone) > 0 {
		expect(calls["ec2:RevokeSecurityGroupIngress"] == 1, "%d revoke calls, not 1", calls["ec2:RevokeSecurityGroupIngress"])
		expect(calls["sns:Publish"] == 1, "%d alerts, not 1", calls["sns:Publish"])
		s.paragraph(text.Dim, "   ", "remediate's calls: "+listCalls(calls))
	} else {
		expect(len(calls) == 0, "remediate was called: %s", listCalls(calls))
		s.line("   %s", s.Paint(text.Dim, "remediate's calls: none, it was not even invoked"))
	}
	s.alert(sc, steps, expect)
	if sc.moral != "" {
		s.paragraph("", "   ", sc.moral)
	}
	for _, problem := range s.problems[told:] {
		s.line("   %s", s.Paint(text.Red, "UNEXPECTED: "+text.Visible(problem)))
	}
}

// alert checks the scene's alert, and draws it if the scene shows it.
func (s *stage) alert(sc scene, steps []localaws.Step, expect func(bool, string, ...any)) {
	for _, step := range steps {
		if step.Kind != localaws.StepAlerted {
			continue
		}
		alert, ok := step.Alert()
		expect(ok, "the alert's machine-readable body cannot be read")
		for _, f := range alert.Findings {
			expect(f.Outcome == finding.OutcomeRevoked || f.Outcome == finding.OutcomeExempt, "the alert says %s", f.Outcome)
		}
		n, err := parseNotification(step.Message.For("https"))
		expect(err == nil, "%v", err)
		if err == nil && sc.showAlert {
			s.line("")
			s.slack(n)
		}
	}
}

// after shows the groups at the end. standing holds the rules of the beginning, by id.
func (s *stage) after(standing map[string]bool) {
	s.title("After")
	s.table(s.ownGroups(), s.stack.EC2().Rules, func(r ec2api.Rule) (string, text.Style) {
		if standing[r.ID] {
			return "", ""
		}
		if s.told[r.ID] {
			return "new, told", text.Yellow
		}
		return "new, kept", text.Green
	})
}

func (s *stage) summary(took time.Duration) {
	slices.SortFunc(s.closed, func(a, b closing) int { return int(a.after - b.after) })
	s.line("")
	if n := len(s.closed); n > 0 {
		s.line("%s %d openings closed, %.1f to %.1f ms after the call that made them.",
			s.Paint(text.Bold, "In all:"), n, ms(s.closed[0].after), ms(s.closed[n-1].after))
	}
	s.paragraph("", "", "On AWS, EventBridge delivers the record some seconds after the call; from there on it is this code.")
	if len(s.problems) > 0 {
		s.line("%s", s.Paint(text.Red, fmt.Sprintf("%s did not end as expected.", text.Plural(len(s.problems), "thing"))))
		if s.cfg.PolicyFile != "" {
			s.paragraph("", "", "The tour is written for sgward's own policy: another one may judge differently.")
		}
		return
	}
	s.line("Everything ended as expected, in %s.", elapsed(took))
	s.line("")
	s.line("%s", s.Paint(text.Bold, "Next"))
	s.line("   make local                        the same pipeline for your own aws commands")
	s.line("   docs/TUTORIAL.md                  all commands on it, including undo")
	s.line("   build/sgward replay AWSLogs/      a policy judged on your own history")
	s.line("   build/sgward policy lint FILE     check a policy of yours")
	s.line("   build/sgward demo --policy FILE   run this tour with it")
	s.line("   make deploy                       into an account; starts in observe mode")
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
	if s.cfg.Pause <= 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(s.cfg.Pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
