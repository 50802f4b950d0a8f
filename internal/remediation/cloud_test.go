package remediation_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"sgward/internal/remediation"
)

// cloud behaves as EC2 does where security groups are concerned: it compares all
// properties, fails a call whole where one permission is absent, is silent about
// that in the default VPC, and shows reads what was true some time ago. It compares
// the SDK's own values and shares no code with what it tests.
type cloud struct {
	mu     sync.Mutex
	groups map[string]*cloudGroup
	lists  map[string][]string
	owners map[string]string // of lists that are not the account\'s own
	states map[string]types.PrefixListState
	ids    int
	rest   map[string][]types.SecurityGroupRule // of reads, by the token of their next page

	// lag is how far reads are behind.
	lag time.Duration
	// unlisted leaves out which rules a revoke removed, as older endpoints do.
	unlisted bool
	// fault is asked before a call is looked at; a nil error lets it pass.
	fault func(ctx context.Context, action, groupID string) error
	// afterwards is asked after a call took effect: its error hides the answer.
	afterwards func(action, groupID string) error
	// calls lists the actions that were called, with the group.
	calls []string
	// revoked is how many rules revokes have removed.
	revoked int
}

type cloudGroup struct {
	name, vpc  string
	defaultVPC bool
	tags       []types.Tag
	clients    []string // groups that its rules let in
	interfaces []types.NetworkInterface
	rules      []types.SecurityGroupRule
	past       []snapshot
}

type snapshot struct {
	until time.Time
	rules []types.SecurityGroupRule
}

var _ remediation.EC2 = (*cloud)(nil)

func newCloud() *cloud {
	return &cloud{groups: map[string]*cloudGroup{}, lists: map[string][]string{}, owners: map[string]string{}, states: map[string]types.PrefixListState{}, rest: map[string][]types.SecurityGroupRule{}}
}

// group adds a group of a VPC that is not the default one.
func (c *cloud) group(id string) *cloudGroup {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := &cloudGroup{name: "name-of-" + id, vpc: "vpc-0123456789abcdef0"}
	c.groups[id] = g
	return g
}

// authorize adds a rule and returns its id.
func (c *cloud) authorize(groupID string, r types.SecurityGroupRule) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids++
	g := c.groups[groupID]
	g.remember()
	r.SecurityGroupRuleId = aws.String(fmt.Sprintf("sgr-%017x", c.ids))
	r.GroupId, r.GroupOwnerId = aws.String(groupID), aws.String(account)
	g.rules = append(g.rules, r)
	return *r.SecurityGroupRuleId
}

// edit replaces the values of a rule.
func (c *cloud) edit(groupID, ruleID string, r types.SecurityGroupRule) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[groupID]
	g.remember()
	for i := range g.rules {
		if *g.rules[i].SecurityGroupRuleId == ruleID {
			r.SecurityGroupRuleId, r.GroupId, r.GroupOwnerId = aws.String(ruleID), aws.String(groupID), aws.String(account)
			g.rules[i] = r
		}
	}
}

// remove takes a rule away, as a person would.
func (c *cloud) remove(groupID, ruleID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[groupID]
	g.remember()
	g.rules = slices.DeleteFunc(g.rules, func(r types.SecurityGroupRule) bool { return *r.SecurityGroupRuleId == ruleID })
}

// remember keeps the rules as they are for reads that lag. The rules that follow
// are new ones.
func (g *cloudGroup) remember() {
	g.past = append(g.past, snapshot{time.Now(), g.rules})
	g.rules = slices.Clone(g.rules)
}

func (g *cloudGroup) seen(lag time.Duration) []types.SecurityGroupRule {
	if lag > 0 {
		for _, p := range g.past {
			if time.Since(p.until) < lag {
				return p.rules
			}
		}
	}
	return g.rules
}

// rules prints what a group holds, by its values.
func (c *cloud) rules(groupID string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []string{}
	for _, r := range c.groups[groupID].rules {
		out = append(out, valuesOf(r))
	}
	return out
}

// count is how often an action was called.
func (c *cloud) count(actions ...string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, call := range c.calls {
		if slices.Contains(actions, strings.Fields(call)[0]) {
			n++
		}
	}
	return n
}

func (c *cloud) revokes() int {
	return c.count("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress")
}

// reads counts the calls on which verdicts rest, not those for an alert's context.
func (c *cloud) reads() int {
	return c.count("DescribeSecurityGroupRules", "DescribeSecurityGroups", "GetManagedPrefixListEntries", "DescribeManagedPrefixLists")
}

// admit counts a call and asks for its fault.
func (c *cloud) admit(ctx context.Context, action, groupID string) error {
	c.calls = append(c.calls, action+" "+groupID)
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.fault == nil {
		return nil
	}
	return c.fault(ctx, action, groupID)
}

func apiError(code string) error {
	return fmt.Errorf("operation error EC2: %w", &smithy.GenericAPIError{Code: code, Message: "EC2 says " + code})
}

func (c *cloud) DescribeSecurityGroupRules(ctx context.Context, in *ec2.DescribeSecurityGroupRulesInput, _ ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := slices.Sorted(maps.Keys(c.groups)) // the region's, unless asked for one
	if in.Filters != nil {
		ids = in.Filters[0].Values
	}
	if err := c.admit(ctx, "DescribeSecurityGroupRules", strings.Join(ids, ",")); err != nil {
		return nil, err
	}
	out := &ec2.DescribeSecurityGroupRulesOutput{}
	// Pages of five: whoever asks for one only misses the rest. The pages of a read are of
	// one moment, as a group of at most 1,000 rules is one page of EC2.
	var rest []types.SecurityGroupRule
	if in.NextToken != nil {
		rest = c.rest[*in.NextToken]
		delete(c.rest, *in.NextToken)
	} else {
		for _, id := range ids {
			if g := c.groups[id]; g != nil {
				rest = append(rest, g.seen(c.lag)...)
			}
		}
	}
	n := min(5, len(rest))
	out.SecurityGroupRules = rest[:n:n]
	if n < len(rest) {
		out.NextToken = aws.String(fmt.Sprint(len(c.calls))) // no other call has it
		c.rest[*out.NextToken] = rest[n:]
	}
	return out, nil
}

func (c *cloud) DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput, _ ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if in.Filters != nil {
		return c.describeForAlert(ctx, in.Filters[0].Values[0])
	}
	if err := c.admit(ctx, "DescribeSecurityGroups", strings.Join(append(in.GroupIds, in.GroupNames...), "")); err != nil {
		return nil, err
	}
	for id, g := range c.groups {
		if slices.Contains(in.GroupIds, id) || slices.Contains(in.GroupNames, g.name) && g.defaultVPC {
			return &ec2.DescribeSecurityGroupsOutput{SecurityGroups: []types.SecurityGroup{{
				GroupId: aws.String(id), GroupName: aws.String(g.name), VpcId: aws.String(g.vpc), Tags: g.tags,
			}}}, nil
		}
	}
	return nil, apiError("InvalidGroup.NotFound")
}

// describeForAlert answers the read of a group that no verdict rests on.
func (c *cloud) describeForAlert(ctx context.Context, id string) (*ec2.DescribeSecurityGroupsOutput, error) {
	if err := c.admit(ctx, "DescribeForAlert", id); err != nil {
		return nil, err
	}
	g, out := c.groups[id], &ec2.DescribeSecurityGroupsOutput{}
	if g != nil {
		found := types.SecurityGroup{GroupId: aws.String(id), GroupName: aws.String(g.name), VpcId: aws.String(g.vpc), Tags: g.tags}
		for _, client := range g.clients {
			found.IpPermissions = append(found.IpPermissions, types.IpPermission{UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: aws.String(client), UserId: aws.String(account)}}})
		}
		out.SecurityGroups = append(out.SecurityGroups, found)
	}
	return out, nil
}

func (c *cloud) GetManagedPrefixListEntries(ctx context.Context, in *ec2.GetManagedPrefixListEntriesInput, _ ...func(*ec2.Options)) (*ec2.GetManagedPrefixListEntriesOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.admit(ctx, "GetManagedPrefixListEntries", *in.PrefixListId); err != nil {
		return nil, err
	}
	entries, known := c.lists[*in.PrefixListId]
	if !known {
		return nil, apiError("InvalidPrefixListID.NotFound")
	}
	// One entry a page.
	at := 0
	if in.NextToken != nil {
		if _, err := fmt.Sscan(*in.NextToken, &at); err != nil {
			return nil, err
		}
	}
	out := &ec2.GetManagedPrefixListEntriesOutput{}
	if at < len(entries) {
		out.Entries = []types.PrefixListEntry{{Cidr: aws.String(entries[at])}}
	}
	if at+1 < len(entries) {
		out.NextToken = aws.String(fmt.Sprint(at + 1))
	}
	return out, nil
}

// DescribeManagedPrefixLists shows lists of the account itself, at rest, unless owners
// or states say otherwise.
func (c *cloud) DescribeManagedPrefixLists(ctx context.Context, in *ec2.DescribeManagedPrefixListsInput, _ ...func(*ec2.Options)) (*ec2.DescribeManagedPrefixListsOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := in.Filters[0].Values
	if err := c.admit(ctx, "DescribeManagedPrefixLists", ids[0]); err != nil {
		return nil, err
	}
	out := &ec2.DescribeManagedPrefixListsOutput{}
	for _, id := range ids {
		if _, known := c.lists[id]; known {
			out.PrefixLists = append(out.PrefixLists, types.ManagedPrefixList{
				PrefixListId: aws.String(id), OwnerId: aws.String(cmp.Or(c.owners[id], account)), State: cmp.Or(c.states[id], types.PrefixListStateModifyComplete),
			})
		}
	}
	return out, nil
}

func (c *cloud) DescribeNetworkInterfaces(ctx context.Context, in *ec2.DescribeNetworkInterfacesInput, _ ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := in.Filters[0].Values[0]
	if err := c.admit(ctx, "DescribeNetworkInterfaces", id); err != nil {
		return nil, err
	}
	// The first page is empty, as EC2's may be, and each other one holds one interface.
	out := &ec2.DescribeNetworkInterfacesOutput{}
	at, _ := strconv.Atoi(aws.ToString(in.NextToken))
	if g := c.groups[id]; g != nil {
		if at > 0 {
			out.NetworkInterfaces = g.interfaces[at-1 : at]
		}
		if at < len(g.interfaces) {
			out.NextToken = aws.String(strconv.Itoa(at + 1))
		}
	}
	return out, nil
}

func (c *cloud) RevokeSecurityGroupIngress(ctx context.Context, in *ec2.RevokeSecurityGroupIngressInput, _ ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	revoked, unknown, err := c.revoke(ctx, "RevokeSecurityGroupIngress", *in.GroupId, false, in.IpPermissions)
	if err != nil {
		return nil, err
	}
	return &ec2.RevokeSecurityGroupIngressOutput{Return: aws.Bool(true), RevokedSecurityGroupRules: revoked, UnknownIpPermissions: unknown}, nil
}

func (c *cloud) RevokeSecurityGroupEgress(ctx context.Context, in *ec2.RevokeSecurityGroupEgressInput, _ ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupEgressOutput, error) {
	revoked, unknown, err := c.revoke(ctx, "RevokeSecurityGroupEgress", *in.GroupId, true, in.IpPermissions)
	if err != nil {
		return nil, err
	}
	return &ec2.RevokeSecurityGroupEgressOutput{Return: aws.Bool(true), RevokedSecurityGroupRules: revoked, UnknownIpPermissions: unknown}, nil
}

func (c *cloud) revoke(ctx context.Context, action, groupID string, egress bool, permissions []types.IpPermission) (revoked []types.RevokedSecurityGroupRule, unknown []types.IpPermission, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.admit(ctx, action, groupID); err != nil {
		return nil, nil, err
	}
	g := c.groups[groupID]
	if g == nil {
		return nil, nil, apiError("InvalidGroup.NotFound")
	}
	gone := map[string]bool{}
	for _, p := range permissions {
		for _, values := range valuesOfPermission(p, egress) {
			i := slices.IndexFunc(g.rules, func(r types.SecurityGroupRule) bool { return valuesOf(r) == values })
			if i < 0 {
				if !g.defaultVPC {
					return nil, nil, apiError("InvalidPermission.NotFound")
				}
				unknown = append(unknown, p)
				continue
			}
			r := g.rules[i]
			gone[*r.SecurityGroupRuleId] = true
			item := types.RevokedSecurityGroupRule{
				SecurityGroupRuleId: r.SecurityGroupRuleId, GroupId: r.GroupId, IsEgress: r.IsEgress, IpProtocol: r.IpProtocol,
				FromPort: r.FromPort, ToPort: r.ToPort, CidrIpv4: r.CidrIpv4, CidrIpv6: r.CidrIpv6,
				PrefixListId: r.PrefixListId, Description: r.Description,
			}
			if r.ReferencedGroupInfo != nil {
				item.ReferencedGroupId = r.ReferencedGroupInfo.GroupId
			}
			revoked = append(revoked, item)
		}
	}
	g.remember()
	g.rules = slices.DeleteFunc(g.rules, func(r types.SecurityGroupRule) bool { return gone[*r.SecurityGroupRuleId] })
	c.revoked += len(gone)
	if c.afterwards != nil {
		if err := c.afterwards(action, groupID); err != nil {
			return nil, nil, err
		}
	}
	if c.unlisted {
		return nil, nil, nil
	}
	return revoked, unknown, nil
}

// valuesOf prints what identifies a rule within its group.
func valuesOf(r types.SecurityGroupRule) string {
	peer := aws.ToString(r.CidrIpv4) + aws.ToString(r.CidrIpv6) + aws.ToString(r.PrefixListId)
	if r.ReferencedGroupInfo != nil {
		peer = aws.ToString(r.ReferencedGroupInfo.GroupId)
	}
	return values(aws.ToBool(r.IsEgress), *r.IpProtocol, r.FromPort, r.ToPort, peer)
}

func valuesOfPermission(p types.IpPermission, egress bool) []string {
	var out []string
	add := func(peer *string) {
		out = append(out, values(egress, *p.IpProtocol, p.FromPort, p.ToPort, *peer))
	}
	for _, r := range p.IpRanges {
		add(r.CidrIp)
	}
	for _, r := range p.Ipv6Ranges {
		add(r.CidrIpv6)
	}
	for _, r := range p.PrefixListIds {
		add(r.PrefixListId)
	}
	for _, r := range p.UserIdGroupPairs {
		add(r.GroupId)
	}
	return out
}

func values(egress bool, protocol string, from, to *int32, peer string) string {
	direction := "in"
	if egress {
		direction = "out"
	}
	ports := func(p *int32) int32 {
		if p == nil {
			return -1
		}
		return *p
	}
	return fmt.Sprintf("%s %s %d-%d %s", direction, protocol, ports(from), ports(to), peer)
}

// in is an ingress rule for one TCP port.
func in(port int32, cidr string) types.SecurityGroupRule {
	return ranged(false, "tcp", port, port, cidr)
}

// out is an egress rule for one TCP port.
func out(port int32, cidr string) types.SecurityGroupRule {
	return ranged(true, "tcp", port, port, cidr)
}

func ranged(egress bool, protocol string, from, to int32, cidr string) types.SecurityGroupRule {
	r := types.SecurityGroupRule{IsEgress: aws.Bool(egress), IpProtocol: aws.String(protocol), FromPort: aws.Int32(from), ToPort: aws.Int32(to)}
	if strings.Contains(cidr, ":") {
		r.CidrIpv6 = aws.String(cidr)
	} else {
		r.CidrIpv4 = aws.String(cidr)
	}
	return r
}

// deafCloud accepts every revoke, or does not, and does nothing either way.
type deafCloud struct {
	*cloud
	accepts bool
}

func (c *deafCloud) RevokeSecurityGroupIngress(context.Context, *ec2.RevokeSecurityGroupIngressInput, ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	return &ec2.RevokeSecurityGroupIngressOutput{Return: aws.Bool(c.accepts)}, nil
}
