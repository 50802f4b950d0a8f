package stage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"sgward/drill/history"
	"sgward/internal/crash"
	"sgward/internal/sdkhttp"
)

// region is the stack's.
const region = "us-east-1"

// play plays every scene.
func (s *stage) play(ctx context.Context) error {
	people := newPeople(s.stack.Load().Endpoint())
	vpc, err := people.by(history.Alice, "").CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	if err != nil {
		return fmt.Errorf("making the VPC: %w", err)
	}
	scenes, playing := errgroup.WithContext(ctx)
	scenes.SetLimit(scenesAtOnce)
	last := time.Now()
	for i, scene := range s.history.Scenes {
		if err := s.waitForBacklog(playing); err != nil {
			break
		}
		if time.Since(last) > 5*time.Second {
			last = time.Now()
			s.Progress("%d of %d scenes begun, %d alerts", i, len(s.history.Scenes), len(s.stack.Load().SNS().Messages()))
		}
		scenes.Go(func() error {
			defer crash.Exit()
			a := &act{stage: s, people: people, scene: scene, vpc: *vpc.Vpc.VpcId,
				groups: map[string]string{}, rules: map[string]string{}, lists: map[string]string{}, versions: map[string]int64{}}
			return a.play(playing)
		})
	}
	if err := scenes.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// waitForBacklog waits while too many findings wait.
func (s *stage) waitForBacklog(ctx context.Context) error {
	q, _ := s.stack.Load().Queue(findingsQueue)
	for {
		if d := q.Depth(); d.Visible+d.InFlight < backlog {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// people are the clients of those who call.
type people struct {
	endpoint string
	http     aws.HTTPClient
}

func newPeople(endpoint string) *people {
	return &people{endpoint, sdkhttp.Client(http.DefaultClient)}
}

// by returns a client of an actor whose calls name an op.
func (p *people) by(actor history.Actor, op string) *ec2.Client {
	return ec2.New(ec2.Options{
		Region: region, BaseEndpoint: aws.String(p.endpoint), HTTPClient: p.http, AppID: op,
		Credentials: credentials.NewStaticCredentialsProvider(keys[actor], "secret", ""), RetryMaxAttempts: 10,
	})
}

// act is one scene while it is played.
type act struct {
	*stage
	people   *people
	scene    history.Scene
	vpc      string
	groups   map[string]string // name -> id
	rules    map[string]string // ref -> id
	lists    map[string]string // name -> id
	versions map[string]int64  // list name -> version
}

func (a *act) play(ctx context.Context) error {
	for _, op := range a.scene.Ops {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(op.AfterMS) * time.Millisecond):
		}
		err := a.do(ctx, op)
		var refused smithy.APIError
		switch {
		case err == nil:
		case errors.As(err, &refused): // such as an edit of a rule that is closed already
		default:
			return fmt.Errorf("playing %s, op %s: %w", a.scene.Name, op.ID, err)
		}
	}
	return nil
}

func (a *act) do(ctx context.Context, op history.Op) error {
	client := a.people.by(op.By, op.ID)
	if op.Group != "" && a.groups[op.Group] == "" && op.Do != history.Replay && op.Do != history.Sweep {
		if err := a.makeGroup(ctx, op.Group); err != nil {
			return err
		}
	}
	group := aws.String(a.groups[op.Group])
	switch op.Do {
	case history.Authorize:
		return a.authorize(ctx, client, group, op.Rules)
	case history.Revoke:
		return a.revoke(ctx, client, group, op.Rules)
	case history.Modify:
		var updates []types.SecurityGroupRuleUpdate
		for _, r := range op.Rules {
			updates = append(updates, types.SecurityGroupRuleUpdate{SecurityGroupRuleId: aws.String(a.rules[r.Ref]), SecurityGroupRule: a.request(r)})
		}
		_, err := client.ModifySecurityGroupRules(ctx, &ec2.ModifySecurityGroupRulesInput{GroupId: group, SecurityGroupRules: updates})
		return err
	case history.MakeList:
		return a.makeList(ctx, client, op)
	case history.EditList:
		input := &ec2.ModifyManagedPrefixListInput{PrefixListId: aws.String(a.lists[op.List]), CurrentVersion: aws.Int64(a.versions[op.List])}
		for _, cidr := range op.Add {
			input.AddEntries = append(input.AddEntries, types.AddPrefixListEntry{Cidr: aws.String(cidr)})
		}
		for _, cidr := range op.Remove {
			input.RemoveEntries = append(input.RemoveEntries, types.RemovePrefixListEntry{Cidr: aws.String(cidr)})
		}
		_, err := client.ModifyManagedPrefixList(ctx, input)
		if err == nil {
			a.versions[op.List]++
		}
		return err
	case history.Replay:
		return a.bus.replay(op)
	case history.Sweep:
		return a.stack.Load().InvokeAsync(sweep, []byte(scheduled))
	default:
		return fmt.Errorf("op %s: it does not say what to do: %q", op.ID, op.Do)
	}
}

// makeGroup makes a group without the rule that EC2 gives to every new one.
func (a *act) makeGroup(ctx context.Context, name string) error {
	client := a.people.by(history.Alice, "")
	input := &ec2.CreateSecurityGroupInput{GroupName: aws.String("drill " + a.scene.Name + " " + name), Description: aws.String("drill")}
	inDefault := false
	for _, n := range a.scene.Default {
		inDefault = inDefault || n == name
	}
	if !inDefault {
		input.VpcId = aws.String(a.vpc)
	}
	made, err := client.CreateSecurityGroup(ctx, input)
	if err != nil {
		return fmt.Errorf("making group %s: %w", name, err)
	}
	a.groups[name] = *made.GroupId
	a.labels.set(*made.GroupId, a.scene.Name+"/"+name)
	_, err = client.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: made.GroupId, IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}})
	if err != nil {
		return fmt.Errorf("emptying group %s: %w", name, err)
	}
	return nil
}

// authorize makes rules, with one call for each direction.
func (a *act) authorize(ctx context.Context, client *ec2.Client, group *string, rules []history.Rule) error {
	var in, out []history.Rule
	for _, r := range rules {
		if r.Egress {
			out = append(out, r)
		} else {
			in = append(in, r)
		}
	}
	if len(in) > 0 {
		made, err := client.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: a.permissions(in)})
		if err != nil {
			return err
		}
		a.note(in, made.SecurityGroupRules)
	}
	if len(out) > 0 {
		made, err := client.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: group, IpPermissions: a.permissions(out)})
		if err != nil {
			return err
		}
		a.note(out, made.SecurityGroupRules)
	}
	return nil
}

func (a *act) note(rules []history.Rule, made []types.SecurityGroupRule) {
	for i, r := range rules {
		if i < len(made) {
			a.rules[r.Ref] = *made[i].SecurityGroupRuleId
		}
	}
}

func (a *act) revoke(ctx context.Context, client *ec2.Client, group *string, rules []history.Rule) error {
	var in, out []string
	for _, r := range rules {
		switch id := a.rules[r.Ref]; {
		case id == "":
		case r.Egress:
			out = append(out, id)
		default:
			in = append(in, id)
		}
	}
	if len(in) > 0 {
		if _, err := client.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: group, SecurityGroupRuleIds: in}); err != nil {
			return err
		}
	}
	if len(out) > 0 {
		if _, err := client.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: group, SecurityGroupRuleIds: out}); err != nil {
			return err
		}
	}
	return nil
}

func (a *act) makeList(ctx context.Context, client *ec2.Client, op history.Op) error {
	input := &ec2.CreateManagedPrefixListInput{PrefixListName: aws.String("drill " + a.scene.Name), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(20)}
	for _, cidr := range op.Add {
		input.Entries = append(input.Entries, types.AddPrefixListEntry{Cidr: aws.String(cidr)})
	}
	made, err := client.CreateManagedPrefixList(ctx, input)
	if err != nil {
		return err
	}
	id := *made.PrefixList.PrefixListId
	a.lists[op.List], a.versions[op.List] = id, 1
	a.labels.set(id, a.scene.Name+"/"+op.List)
	if op.By == history.Stranger {
		return a.stack.Load().EC2().SharePrefixList(id, account)
	}
	return nil
}

// scheduled is the event of sweep's schedule.
const scheduled = `{"version":"0","id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa","detail-type":"Scheduled Event","source":"aws.events","account":"123456789012",
	"time":"2026-11-22T00:15:00Z","region":"us-east-1","resources":[],"detail":{}}`

// account is the stack's.
const account = "123456789012"

// peer splits a rule's peer into EC2's members.
func (a *act) peer(r history.Rule) (v4, v6, list *string) {
	switch {
	case len(r.Peer) > 5 && r.Peer[:5] == "list:":
		return nil, nil, aws.String(a.lists[r.Peer[5:]])
	case strings.Contains(r.Peer, ":"):
		return nil, aws.String(r.Peer), nil
	default:
		return aws.String(r.Peer), nil, nil
	}
}

func (a *act) permissions(rules []history.Rule) []types.IpPermission {
	var out []types.IpPermission
	for _, r := range rules {
		p := types.IpPermission{IpProtocol: aws.String(r.Protocol)}
		if r.Protocol != "-1" {
			p.FromPort, p.ToPort = aws.Int32(int32(r.From)), aws.Int32(int32(r.To))
		}
		description := aws.String(r.Description)
		if r.Description == "" {
			description = nil
		}
		switch v4, v6, list := a.peer(r); {
		case v4 != nil:
			p.IpRanges = []types.IpRange{{CidrIp: v4, Description: description}}
		case v6 != nil:
			p.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: v6, Description: description}}
		default:
			p.PrefixListIds = []types.PrefixListId{{PrefixListId: list, Description: description}}
		}
		out = append(out, p)
	}
	return out
}

func (a *act) request(r history.Rule) *types.SecurityGroupRuleRequest {
	v4, v6, list := a.peer(r)
	return &types.SecurityGroupRuleRequest{IpProtocol: aws.String(r.Protocol), FromPort: aws.Int32(int32(r.From)), ToPort: aws.Int32(int32(r.To)),
		CidrIpv4: v4, CidrIpv6: v6, PrefixListId: list, Description: aws.String(r.Description)}
}
