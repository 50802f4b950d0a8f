package tour

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"sgward/internal/finding"
	"sgward/internal/text"
	"sgward/localaws"
	"sgward/localaws/ec2api"
)

// WatchConfig describes a stack for other clients. TemplatePath, BuildDir and Out are
// required.
type WatchConfig struct {
	TemplatePath string
	BuildDir     string
	PolicyFile   string       // empty: the policy that is packed with the functions
	Listen       string       // empty: localaws.DefaultListen
	Mode         finding.Mode // empty: enforce, since nothing here is real
	Out          io.Writer
	Color        bool
	// Logs, if not nil, gets the functions' own log lines.
	Logs io.Writer
	// RecordDir, if not empty, is a folder for the alerts, for undo, and the CloudTrail
	// records, for replay.
	RecordDir string
}

// Watch serves EC2 and SNS until ctx ends, shows every step, and at the end the groups.
// The end of ctx is not an error.
func Watch(ctx context.Context, cfg WatchConfig) error {
	if cfg.Mode == "" {
		cfg.Mode = finding.Enforce
	}
	var records *recorder
	if cfg.RecordDir != "" {
		var err error
		if records, err = newRecorder(cfg.RecordDir); err != nil {
			return err
		}
		defer func() { _ = records.Close() }() // nothing is buffered
	}
	feed := newFeed()
	stack, err := start(ctx, localaws.Config{
		TemplatePath: cfg.TemplatePath, BuildDir: cfg.BuildDir, PolicyFile: cfg.PolicyFile,
		Listen: cfg.Listen, Parameters: map[string]string{"Mode": string(cfg.Mode)},
		OnStep: feed.put,
	}, cfg.Logs)
	if err != nil {
		return err
	}
	defer stack.Close()
	endpoint := reachable(stack.Endpoint())
	client := clientOf(endpoint, "test")
	group, err := client.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("try-me"), Description: aws.String("a group to open"),
	})
	if err != nil {
		return fmt.Errorf("making a group to try: %w", err)
	}
	feed.drop()

	s := &screen{out: cfg.Out, Ink: text.Ink(cfg.Color)}
	s.line("%s serves EC2 security groups and SNS at %s in %s mode.", s.Paint(text.Bold, "sgward local"), endpoint, cfg.Mode)
	for _, g := range stack.EC2().Groups() {
		if g.ID == aws.ToString(group.GroupId) {
			s.line("Its VPC is %s, in %s.", g.VPCID, ec2api.DefaultRegion)
		}
	}
	s.line("Nothing here is real: any credentials do. Ctrl-C ends it. In another terminal, paste:")
	s.line("")
	for _, l := range []string{
		`AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \`,
		fmt.Sprintf(`  aws --region %s --endpoint-url %s \`, ec2api.DefaultRegion, endpoint),
		fmt.Sprintf(`  ec2 authorize-security-group-ingress --group-id %s \`, aws.ToString(group.GroupId)),
		`  --protocol tcp --port 3306 --cidr 0.0.0.0/0`,
	} {
		s.line("%s", s.Paint(text.Cyan, l))
	}
	s.line("")
	s.line("AWS has sweep look at all groups every hour. Here you ask for it, with the")
	s.line("same first two lines and:")
	s.line("")
	for _, l := range sweepCommand("  ") {
		s.line("%s", s.Paint(text.Cyan, l))
	}

	times := timeline{}
	for {
		steps := feed.take(ctx)
		for _, step := range steps {
			if step.Kind == localaws.StepCall {
				s.line("")
			}
			s.step(step.At-times.began(step), step)
			if records == nil {
				continue
			}
			kept, err := records.keep(step)
			if err != nil {
				return err
			}
			if kept != "" {
				s.line("%*skept as %s", column, "", kept)
			}
		}
		if s.err != nil {
			return fmt.Errorf("writing: %w", s.err)
		}
		if len(steps) == 0 { // ctx has ended and all is shown
			break
		}
	}
	s.title("The groups now")
	groups := slices.DeleteFunc(stack.EC2().Groups(), func(g ec2api.Group) bool {
		return g.Name == "default" && len(stack.EC2().Rules(g.ID)) <= 2 // as it was made
	})
	s.table(groups, stack.EC2().Rules, nil)
	return s.err
}

// reachable returns an endpoint as a client on this machine reaches it: one that listens
// on every address has none of its own.
func reachable(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsUnspecified() {
		u.Host = net.JoinHostPort("127.0.0.1", u.Port())
	}
	return u.String()
}

// timeline holds the time of the call that a step follows from: by event, and for calls of
// functions by group.
type timeline map[string]time.Duration

func (t timeline) began(step localaws.Step) time.Duration {
	if step.Kind == localaws.StepCall {
		t[step.EventID], t[step.GroupID], t[""] = step.At, step.At, step.At
		return step.At
	}
	for _, key := range []string{step.EventID, step.GroupID, ""} {
		if at, ok := t[key]; ok {
			return at
		}
	}
	return step.At
}

// feed passes steps on so that the pipeline does not wait for the terminal.
type feed struct {
	mu    sync.Mutex
	steps []localaws.Step
	some  chan struct{}
}

func newFeed() *feed { return &feed{some: make(chan struct{}, 1)} }

func (f *feed) put(step localaws.Step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps = append(f.steps, step)
	select {
	case f.some <- struct{}{}:
	default:
	}
}

func (f *feed) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps = nil
}

// take waits for steps; it returns none once ctx has ended and all were taken.
func (f *feed) take(ctx context.Context) []localaws.Step {
	for {
		f.mu.Lock()
		steps := f.steps
		f.steps = nil
		f.mu.Unlock()
		if len(steps) > 0 || ctx.Err() != nil {
			return steps
		}
		select {
		case <-f.some:
		case <-ctx.Done():
		}
	}
}
