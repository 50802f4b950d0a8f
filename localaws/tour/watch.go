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
	Width        int // of Out in columns; 0 for what is no terminal
	// Logs, if not nil, gets the functions' own log lines.
	Logs io.Writer
	// RecordDir, if not empty, is a folder for the alerts, for undo, and the CloudTrail
	// records, for replay.
	RecordDir string
}

// Watch serves AWS clients until ctx ends, shows every step and the text of every alert,
// and at the end the groups with the policy's verdicts.
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
	p, err := readPolicy(cfg.PolicyFile, cfg.BuildDir)
	if err != nil {
		return err
	}
	endpoint := reachable(stack.Endpoint())
	client := clientOf(endpoint, "test")
	group, err := client.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("try-me"), Description: aws.String("a group to open"),
	})
	if err != nil {
		return fmt.Errorf("making a group to try: %w", err)
	}
	feed.drop()

	s := newScreen(cfg.Out, cfg.Color, cfg.Width)
	s.paragraph("", "", fmt.Sprintf("%s serves EC2 security groups, prefix lists and VPCs, SNS, STS, CloudTrail's event history, DynamoDB and "+
		"Lambda's Invoke at %s, in %s mode. The functions are the real ones; nothing else is: any credentials do, and Ctrl-C ends it.",
		s.Apply(text.Bold, "sgward local"), endpoint, cfg.Mode))
	for _, g := range stack.EC2().Groups() {
		if g.ID == aws.ToString(group.GroupId) {
			s.line("Its VPC is %s, in %s.", g.VPCID, ec2api.DefaultRegion)
		}
	}
	s.line("In another terminal, with version 1 or 2 of the AWS CLI, paste:")
	s.line("")
	s.code(
		"export AWS_ENDPOINT_URL="+endpoint+" AWS_REGION="+ec2api.DefaultRegion+` \`,
		"  AWS_DEFAULT_REGION="+ec2api.DefaultRegion+" AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test",
		`aws ec2 authorize-security-group-ingress --group-id `+aws.ToString(group.GroupId)+` \`,
		`  --protocol tcp --port 3306 --cidr 0.0.0.0/0`,
	)
	s.line("")
	s.paragraph("", "", "On AWS, sweep looks at all groups every hour. Here you ask for it:")
	s.line("")
	s.code(sweepCommand()...)
	if cfg.RecordDir == "" {
		s.line("")
		s.paragraph(text.Dim, "", "--record FOLDER keeps the alerts' JSON, for undo, and CloudTrail's records, for replay.")
	}

	f := &follower{screen: s, known: map[string]*cause{}}
	f.alert = func(step localaws.Step, kept string) {
		if kept != "" {
			s.line("%*skept as %s", column, "", kept)
		}
		if n, err := parseNotification(step.Message.For("https")); err == nil {
			s.slack(n)
		}
	}
	for ctx.Err() == nil || feed.holds() {
		steps := feed.take(ctx, patience/4)
		now := time.Now()
		for _, step := range steps {
			kept := ""
			if records != nil {
				if kept, err = records.keep(step); err != nil {
					return err
				}
			}
			f.add(step, kept, now)
		}
		f.show(now, false)
		if s.err != nil {
			return fmt.Errorf("writing: %w", s.err)
		}
	}
	f.show(time.Now(), true)
	s.title("The groups now")
	groups := slices.DeleteFunc(stack.EC2().Groups(), func(g ec2api.Group) bool {
		return g.Name == "default" && len(stack.EC2().Rules(g.ID)) <= 2 // as it was made
	})
	verdicts := judgeAll(p, stack.EC2(), groups, time.Now())
	s.table(groups, stack.EC2().Rules, func(r ec2api.Rule) (string, text.Style) { return verdictNote(verdicts[r.ID]) })
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

// holds reports whether there are steps that were not taken.
func (f *feed) holds() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.steps) > 0
}

// take waits for steps, until ctx has ended or for some time; it may return none.
func (f *feed) take(ctx context.Context, most time.Duration) []localaws.Step {
	timer := time.NewTimer(most)
	defer timer.Stop()
	if !f.holds() {
		select {
		case <-f.some:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	steps := f.steps
	f.steps = nil
	return steps
}
