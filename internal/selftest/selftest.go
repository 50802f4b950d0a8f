// Package selftest opens a forbidden rule in a group of its own that nothing uses, and times
// the steps of the deployed stack. It always deletes the group.
package selftest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"sgward/internal/authorize"
	"sgward/internal/awscall"
	"sgward/internal/caller"
	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/logline"
	"sgward/internal/pause"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/stack"
)

const (
	// namePrefix begins the names of the groups, and tag marks them.
	namePrefix = "sgward-self-test-"
	tag        = "sgward:self-test"
	// Within is how long the test waits for the alert. CloudTrail takes seconds, at times
	// minutes.
	Within = 10 * time.Minute
	// cleanupTime limits the deletion of the group, after an interruption too.
	cleanupTime = 60 * time.Second
)

// candidates are the ports that the test tries: the first that the policy has closed to the
// world is opened.
var candidates = []uint16{3306, 5432, 6379, 27017, 22, 3389}

// Test is a self-test that can be run. Prepare returns it.
type Test struct {
	// Group is the name of the group to make, and VPCID its VPC.
	Group, VPCID string
	// Rule is the rule to open.
	Rule secgroup.Rule
	// Finding is the policy's verdict on it: revoke, or alert if no statement revokes.
	Finding finding.Finding
	// Enforce is set if the stack closes forbidden rules.
	Enforce bool
	// Leftovers are the ids of groups that self-tests of this stack made and that still exist.
	Leftovers []string
	// Pause is the time between two looks; 0 means two seconds.
	Pause time.Duration
	// Step is called for each thing that is seen, with the time since the rule was opened.
	Step func(after time.Duration, text string)

	account, region string
	ec2             *ec2.Client
	aws             *awscall.Client
	stack           *stack.Stack
}

// Prepare chooses a VPC and a rule, and makes nothing.
func Prepare(ctx context.Context, config aws.Config, s *stack.Stack, p *policy.Policy, vpcID string) (*Test, error) {
	t := &Test{
		Group: namePrefix + strings.ToLower(rand.Text()[:8]), VPCID: vpcID, Enforce: s.Outputs["Mode"] == string(finding.Enforce),
		region: config.Region, ec2: ec2.NewFromConfig(config), aws: awscall.New(config), stack: s,
	}
	var actor policy.Actor
	var err error
	if t.account, actor, err = caller.Of(ctx, sts.NewFromConfig(config)); err != nil {
		return nil, err
	}
	if t.VPCID == "" {
		if t.VPCID, err = chooseVPC(ctx, t.ec2); err != nil {
			return nil, err
		}
	}
	if t.Leftovers, err = leftovers(ctx, t.ec2, s.Name); err != nil {
		return nil, err
	}
	return t, t.choose(p, actor)
}

// leftovers returns the ids of the groups with the tag of a stack's self-tests.
func leftovers(ctx context.Context, client *ec2.Client, stackName string) (ids []string, err error) {
	pages := ec2.NewDescribeSecurityGroupsPaginator(client, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: aws.String("tag:" + tag), Values: []string{stackName}}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("looking for groups of earlier self-tests: %w", err)
		}
		for i := range page.SecurityGroups {
			ids = append(ids, aws.ToString(page.SecurityGroups[i].GroupId))
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// chooseVPC returns the default VPC, or the only one.
func chooseVPC(ctx context.Context, client *ec2.Client) (string, error) {
	out, err := client.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	if err != nil {
		return "", fmt.Errorf("looking for a VPC: %w", err)
	}
	var ids []string
	for _, v := range out.Vpcs {
		if aws.ToBool(v.IsDefault) {
			return aws.ToString(v.VpcId), nil
		}
		ids = append(ids, aws.ToString(v.VpcId))
	}
	switch len(ids) {
	case 0:
		return "", errors.New("the region has no VPC to make a group in")
	case 1:
		return ids[0], nil
	default:
		slices.Sort(ids)
		return "", errors.New("the region has no default VPC: name one with --vpc-id, such as " + strings.Join(ids[:min(5, len(ids))], ", "))
	}
}

// choose picks the rule to open.
func (t *Test) choose(p *policy.Policy, actor policy.Actor) error {
	var second *finding.Finding
	for _, port := range candidates {
		rule := secgroup.Rule{
			Permission:  secgroup.Permission{Direction: secgroup.Ingress, Protocol: secgroup.TCP, Ports: secgroup.PortRange{From: port, To: port}, Peer: secgroup.CIDRPeer(netip.MustParsePrefix("0.0.0.0/0"))},
			OwnerID:     t.account,
			Description: "sgward self-test; safe to delete",
		}
		// As detect will see it, but for the ids.
		judged := finding.Detect(p, cloudtrail.Call{
			Event: cloudtrail.Event{EventID: "self-test", EventName: "AuthorizeSecurityGroupIngress", EventTime: time.Now(), AccountID: t.account, Region: t.region, Actor: cloudtrail.Actor{ARN: actor.ARN}},
			Kind:  cloudtrail.KindAuthorize, From: cloudtrail.RulesFromResponse, Rules: []secgroup.Rule{rule},
			Group: secgroup.Group{ID: "sg-00000000000000000"},
		}, time.Now())
		for _, f := range judged.Findings {
			switch {
			case f.Verdict == policy.Revoke:
				t.Rule, t.Finding = rule, f
				return nil
			case f.Verdict == policy.Alert && second == nil:
				second = &f
				t.Rule = rule
			}
		}
	}
	if second == nil {
		return fmt.Errorf("the policy forbids none of the ports %v to the world: there is nothing to test with", candidates)
	}
	t.Finding = *second
	return nil
}

// Closes reports whether the rule should be closed, and not only reported.
func (t *Test) Closes() bool { return t.Enforce && t.Finding.Verdict == policy.Revoke }

// CleanUp is the command that deletes the group by hand.
func (t *Test) CleanUp(groupID string) string {
	return fmt.Sprintf("aws ec2 delete-security-group --group-id %s --region %s", cmp.Or(groupID, "<the id of "+t.Group+">"), t.region)
}

// Timings is the result of a test: the time of each step, and the group if it is left.
type Timings struct {
	GroupID string
	// Judged, Closed and Alerted are the times from the call to each step; 0 if it was not
	// seen.
	Judged, Closed, Alerted time.Duration
	Decision                string // detect's
	// Left is why the group could not be deleted; nil if it is.
	Left error
}

// Run makes the group, opens the rule, follows it and deletes the group, whatever happens.
// The error says which step did not come.
func (t *Test) Run(ctx context.Context) (r Timings, err error) {
	if t.Pause == 0 {
		t.Pause = 2 * time.Second
	}
	if t.Step == nil {
		t.Step = func(time.Duration, string) {}
	}
	defer func() { r.Left = t.remove(ctx, r.GroupID) }()
	// Its answer has the id: an interruption must not cut it off.
	making, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	out, err := t.ec2.CreateSecurityGroup(making, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String(t.Group), Description: aws.String("sgward doctor --self-test; nothing uses it"), VpcId: aws.String(t.VPCID),
		TagSpecifications: ec2rules.TagSpecification(types.ResourceTypeSecurityGroup, []secgroup.Tag{{Key: tag, Value: t.stack.Name}}),
	})
	if err != nil {
		return r, fmt.Errorf("making group %s in %s: %w", t.Group, t.VPCID, err)
	}
	r.GroupID = aws.ToString(out.GroupId)
	waiter := ec2.NewSecurityGroupExistsWaiter(t.ec2, func(o *ec2.SecurityGroupExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 200*time.Millisecond, 2*time.Second
	})
	if err := waiter.Wait(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{r.GroupID}}, time.Minute); err != nil {
		return r, fmt.Errorf("waiting for EC2 to show group %s: %w", r.GroupID, err)
	}
	t.Step(0, "made group "+r.GroupID+" ("+t.Group+") in "+t.VPCID)
	began := time.Now()
	group := secgroup.Group{ID: r.GroupID, Name: t.Group, OwnerID: t.account, Region: t.region, VPCID: t.VPCID}
	if put := authorize.Put(ctx, t.ec2, group, []secgroup.Rule{t.Rule}, false)[0]; put.Outcome != authorize.Made {
		return r, fmt.Errorf("opening %s in %s: %w", t.Rule.Permission, r.GroupID, cmp.Or(put.Err, errors.New(string(put.Outcome))))
	}
	t.Step(0, "opened "+t.Rule.Permission.String())
	return r, t.follow(ctx, began, &r)
}

// missingStepError names the step that was not seen in time, and where to look.
type missingStepError struct{ step, look string }

func (e *missingStepError) Error() string {
	return fmt.Sprintf("%s did not come within %s: %s", e.step, Within, e.look)
}

// follow watches the rule until its alert is published.
func (t *Test) follow(ctx context.Context, began time.Time, r *Timings) error {
	ctx, cancel := context.WithDeadline(ctx, began.Add(Within))
	defer cancel()
	after := func(at time.Time) time.Duration { return max(at.Sub(began), time.Millisecond) }
	eventID := ""
	for {
		if r.Judged == 0 {
			line, err := t.line(ctx, "DetectLogGroup", logline.GroupID, r.GroupID, logline.Judged, began)
			if err != nil && ctx.Err() == nil {
				return err
			}
			if line != nil {
				judged, _ := logline.ReadJudged(line.Text)
				r.Judged, r.Decision, eventID = after(line.At), judged.Decision, judged.EventID
				t.Step(r.Judged, "detect judged the event: "+r.Decision+" ("+strings.Join(judged.StatementIDs, ", ")+")")
			}
		}
		if r.Closed == 0 && t.Closes() {
			held, err := ec2rules.Held(ctx, t.ec2, r.GroupID)
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("reading group %s: %w", r.GroupID, err)
			}
			if _, open := secgroup.FindRule(held.Rules, t.Rule.Permission); err == nil && !open {
				r.Closed = after(time.Now())
				t.Step(r.Closed, "EC2 shows the rule no more: it is closed")
			}
		}
		if r.Alerted == 0 && eventID != "" {
			line, err := t.line(ctx, "RemediateLogGroup", logline.EventID, eventID, logline.AlertPublished, began)
			if err != nil && ctx.Err() == nil {
				return err
			}
			if line != nil {
				r.Alerted = after(line.At)
				t.Step(r.Alerted, "remediate published the alert")
			}
		}
		if r.Judged != 0 && r.Alerted != 0 && (r.Closed != 0 || !t.Closes()) {
			if r.Decision != t.Finding.Verdict.String() {
				return fmt.Errorf("detect decided %s where the policy says %s", r.Decision, t.Finding.Verdict)
			}
			return nil
		}
		if pause.For(ctx, t.Pause) != nil {
			return t.unseen(ctx, r)
		}
	}
}

// unseen is the error of a test whose time is over.
func (t *Test) unseen(ctx context.Context, r *Timings) error {
	switch {
	case !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return ctx.Err()
	case r.Judged == 0:
		return &missingStepError{"the event", "is there a trail that logs, is OpeningsRule enabled, does detect run?"}
	case r.Closed == 0 && t.Closes():
		return &missingStepError{"the revoke", "see the log of remediate, and whether a service control policy denies it"}
	default:
		return &missingStepError{"the alert", "see the log of remediate"}
	}
}

// line looks for a message about a group or event in a log group.
func (t *Test) line(ctx context.Context, logGroup, attribute, value, message string, since time.Time) (*awscall.LogLine, error) {
	pages := t.aws.LogPages(ctx, awscall.LogQuery{
		Group: t.stack.Ref(logGroup), Pattern: logline.Where(attribute, value), From: since.Add(-time.Minute), // clocks differ
	})
	for lines, err := range pages {
		if err != nil {
			return nil, fmt.Errorf("reading the log of %s: %w", strings.TrimSuffix(logGroup, "LogGroup"), err)
		}
		for _, logged := range lines {
			if logline.Is(logged.Text, message) {
				return &logged, nil
			}
		}
	}
	return nil, nil //nolint:nilnil // no line is a valid answer
}

// remove deletes the group, and with it the rule. Without an id it looks for the group by its
// name: a call that was interrupted may have made it.
func (t *Test) remove(ctx context.Context, groupID string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if groupID == "" {
		out, err := t.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: aws.String("group-name"), Values: []string{t.Group}}}})
		if err != nil {
			return fmt.Errorf("looking for group %s: %w", t.Group, err)
		}
		if len(out.SecurityGroups) == 0 {
			return nil
		}
		groupID = aws.ToString(out.SecurityGroups[0].GroupId)
	}
	for {
		_, err := t.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &groupID})
		if err == nil || ec2rules.IsGroupNotFound(err) {
			return nil
		}
		if !ec2rules.IsTransient(err) {
			return err
		}
		if pause.For(ctx, time.Second) != nil {
			return err
		}
	}
}
