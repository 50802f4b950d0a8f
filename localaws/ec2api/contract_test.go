package ec2api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/ec2api"
)

// contractEndpoint names the variable that holds the address of another EC2 for the
// contract to be tried on. `make e2e` sets it to moto's.
const contractEndpoint = "SGWARD_CONTRACT_EC2"

// motoGaps are the clauses of the contract that moto is known not to keep. One that
// it keeps after all fails the test, so that the list stays true.
var motoGaps = []string{
	"a range is stored without its host bits",
	"a revoke lists what it revoked",
	"a rule that is absent from a default VPC's group is no error, and is listed",
	"an edit can turn a range into IPv6",
	"an unknown rule id is an error of its own",
	"one duplicate fails an authorize of several, and nothing is made",
	"one absent rule fails a revoke of several, and nothing is revoked",
	"pages hold no more rules than asked for",
}

// clause is one thing that sgward relies on in EC2. keep returns how it is broken.
type clause struct {
	name string
	keep func(*place) error
}

// TestEC2KeepsTheContract tries what sgward relies on: on the stand-in, or on the
// EC2 that SGWARD_CONTRACT_EC2 names.
func TestEC2KeepsTheContract(t *testing.T) {
	endpoint, other := os.Getenv(contractEndpoint), true
	if endpoint == "" {
		web := httptest.NewServer(ec2api.New(ec2api.WithSeed("contract")))
		t.Cleanup(web.Close)
		endpoint, other = web.URL, false
	}
	client := ec2.New(ec2.Options{Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	vpc, err := client.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	require.NoError(t, err)
	for i, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			group, err := client.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
				GroupName: aws.String(fmt.Sprintf("contract-%d", i)), Description: aws.String("contract"), VpcId: vpc.Vpc.VpcId})
			require.NoError(t, err)
			broken := c.keep(&place{t.Context(), client, *group.GroupId, i})
			if other && slices.Contains(motoGaps, c.name) {
				assert.Error(t, broken, "this is no gap any more: take it off the list")
				return
			}
			assert.NoError(t, broken)
		})
	}
	for _, gap := range motoGaps {
		assert.True(t, slices.ContainsFunc(contract, func(c clause) bool { return c.name == gap }), gap)
	}
}

// place is a group of its own for one clause.
type place struct {
	ctx    context.Context
	client *ec2.Client
	group  string
	number int
}

func tcpPorts(port int32, cidrs ...string) types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port}
	for _, c := range cidrs {
		p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: aws.String(c)})
	}
	return p
}

func (p *place) open(perms ...types.IpPermission) error {
	_, err := p.client.AuthorizeSecurityGroupIngress(p.ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &p.group, IpPermissions: perms})
	return err
}

func (p *place) close(perms ...types.IpPermission) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	return p.client.RevokeSecurityGroupIngress(p.ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &p.group, IpPermissions: perms})
}

// rules lists the group's ingress rules.
func (p *place) rules() ([]types.SecurityGroupRule, error) {
	out, err := p.client.DescribeSecurityGroupRules(p.ctx, &ec2.DescribeSecurityGroupRulesInput{
		Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{p.group}}}})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out.SecurityGroupRules, func(r types.SecurityGroupRule) bool { return aws.ToBool(r.IsEgress) }), nil
}

// holds compares the group's ingress rules with "tcp 22-22 10.0.0.0/8" and its like.
func (p *place) holds(want ...string) error {
	rules, err := p.rules()
	if err != nil {
		return err
	}
	got := []string{}
	for _, r := range rules {
		got = append(got, fmt.Sprintf("%s %d-%d %s", aws.ToString(r.IpProtocol), aws.ToInt32(r.FromPort), aws.ToInt32(r.ToPort),
			aws.ToString(r.CidrIpv4)+aws.ToString(r.CidrIpv6)+aws.ToString(r.PrefixListId)))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("the group holds %q, want %q", got, want)
	}
	return nil
}

// refused checks the code of an error.
func refused(err error, code string) error {
	var answer smithy.APIError
	if !errors.As(err, &answer) || answer.ErrorCode() != code {
		return errors.Join(fmt.Errorf("want the error %s", code), err)
	}
	return nil
}

// unexpected is an answer that is not what it should be.
func unexpected(got any, err error) error { return errors.Join(fmt.Errorf("answered %+v", got), err) }

var contract = []clause{
	{"a rule is listed with its id and its group", func(p *place) error {
		if err := p.open(tcpPorts(22, "10.0.0.0/8")); err != nil {
			return err
		}
		rules, err := p.rules()
		if err != nil || len(rules) != 1 || aws.ToString(rules[0].SecurityGroupRuleId) == "" || aws.ToString(rules[0].GroupId) != p.group {
			return unexpected(rules, err)
		}
		return p.holds("tcp 22-22 10.0.0.0/8")
	}},
	{"a revoke by values removes exactly that rule", func(p *place) error {
		if err := p.open(tcpPorts(22, "10.0.0.0/8", "0.0.0.0/0"), tcpPorts(443, "0.0.0.0/0")); err != nil {
			return err
		}
		if _, err := p.close(tcpPorts(22, "0.0.0.0/0")); err != nil {
			return err
		}
		return p.holds("tcp 22-22 10.0.0.0/8", "tcp 443-443 0.0.0.0/0")
	}},
	{"a description is no part of what is revoked", func(p *place) error {
		described := tcpPorts(22, "0.0.0.0/0")
		described.IpRanges[0].Description = aws.String("temporary")
		if err := p.open(described); err != nil {
			return err
		}
		if _, err := p.close(tcpPorts(22, "0.0.0.0/0")); err != nil {
			return err
		}
		return p.holds()
	}},
	{"a rule that exists is a duplicate, whatever its description", func(p *place) error {
		again := tcpPorts(22, "0.0.0.0/0")
		again.IpRanges[0].Description = aws.String("again")
		return errors.Join(p.open(tcpPorts(22, "0.0.0.0/0")), refused(p.open(again), "InvalidPermission.Duplicate"))
	}},
	{"one duplicate fails an authorize of several, and nothing is made", func(p *place) error {
		if err := p.open(tcpPorts(22, "10.0.0.0/8")); err != nil {
			return err
		}
		return errors.Join(refused(p.open(tcpPorts(443, "10.0.0.0/8"), tcpPorts(22, "10.0.0.0/8")), "InvalidPermission.Duplicate"),
			p.holds("tcp 22-22 10.0.0.0/8"))
	}},
	{"the tags of an authorize are on each of its rules", func(p *place) error {
		_, err := p.client.AuthorizeSecurityGroupIngress(p.ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &p.group,
			IpPermissions: []types.IpPermission{tcpPorts(22, "10.0.0.0/8"), tcpPorts(443, "10.0.0.0/8")},
			TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroupRule,
				Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("web")}}}}})
		if err != nil {
			return err
		}
		rules, err := p.rules()
		tagged := func(r types.SecurityGroupRule) bool {
			return len(r.Tags) == 1 && aws.ToString(r.Tags[0].Value) == "web"
		}
		if err != nil || len(rules) != 2 || !tagged(rules[0]) || !tagged(rules[1]) {
			return unexpected(rules, err)
		}
		return nil
	}},
	{"a dry run says that it would, and makes nothing", func(p *place) error {
		_, err := p.client.AuthorizeSecurityGroupIngress(p.ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &p.group,
			IpPermissions: []types.IpPermission{tcpPorts(22, "10.0.0.0/8")}, DryRun: aws.Bool(true)})
		return errors.Join(refused(err, "DryRunOperation"), p.holds())
	}},
	{"a VPC has one group of a name", func(p *place) error {
		out, err := p.client.DescribeSecurityGroups(p.ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{p.group}})
		if err != nil || len(out.SecurityGroups) != 1 {
			return unexpected(out, err)
		}
		g := out.SecurityGroups[0]
		_, err = p.client.CreateSecurityGroup(p.ctx, &ec2.CreateSecurityGroupInput{GroupName: g.GroupName, Description: aws.String("contract"), VpcId: g.VpcId})
		return refused(err, "InvalidGroup.Duplicate")
	}},
	{"one absent rule fails a revoke of several, and nothing is revoked", func(p *place) error {
		if err := p.open(tcpPorts(22, "0.0.0.0/0")); err != nil {
			return err
		}
		_, err := p.close(tcpPorts(22, "0.0.0.0/0"), tcpPorts(3306, "0.0.0.0/0"))
		return errors.Join(refused(err, "InvalidPermission.NotFound"), p.holds("tcp 22-22 0.0.0.0/0"))
	}},
	{"a revoke lists what it revoked", func(p *place) error {
		if err := p.open(tcpPorts(22, "0.0.0.0/0")); err != nil {
			return err
		}
		out, err := p.close(tcpPorts(22, "0.0.0.0/0"))
		if err != nil || len(out.RevokedSecurityGroupRules) != 1 {
			return unexpected(out, err)
		}
		return nil
	}},
	{"a rule that is absent from a default VPC's group is no error, and is listed", func(p *place) error {
		group, err := p.client.CreateSecurityGroup(p.ctx, &ec2.CreateSecurityGroupInput{
			GroupName: aws.String(fmt.Sprintf("contract-default-%d", p.number)), Description: aws.String("contract")})
		if err != nil {
			return err
		}
		p.group = *group.GroupId
		out, err := p.close(tcpPorts(22, "0.0.0.0/0"))
		if err != nil || len(out.UnknownIpPermissions) != 1 {
			return unexpected(out, err)
		}
		return nil
	}},
	{"a range is stored without its host bits", func(p *place) error {
		return errors.Join(p.open(tcpPorts(22, "10.1.2.3/8")), p.holds("tcp 22-22 10.0.0.0/8"))
	}},
	{"IPv6 ranges stand apart", func(p *place) error {
		both := tcpPorts(22, "0.0.0.0/0")
		both.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}}
		if err := p.open(both); err != nil {
			return err
		}
		_, err := p.close(tcpPorts(22, "0.0.0.0/0"))
		return errors.Join(err, p.holds("tcp 22-22 ::/0"))
	}},
	{"a group that is gone is an error of its own", func(p *place) error {
		p.group = "sg-0123456789abcdef0"
		_, err := p.close(tcpPorts(22, "0.0.0.0/0"))
		return refused(err, "InvalidGroup.NotFound")
	}},
	{"an unknown rule id is an error of its own", func(p *place) error {
		_, err := p.client.RevokeSecurityGroupIngress(p.ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &p.group, SecurityGroupRuleIds: []string{"sgr-0123456789abcdef0"}})
		return refused(err, "InvalidSecurityGroupRuleId.NotFound")
	}},
	{"an edit keeps the rule's id", func(p *place) error {
		if err := p.open(tcpPorts(22, "10.0.0.0/8")); err != nil {
			return err
		}
		before, err := p.rules()
		if err != nil {
			return err
		}
		err = p.edit(*before[0].SecurityGroupRuleId, &types.SecurityGroupRuleRequest{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), CidrIpv4: aws.String("0.0.0.0/0")})
		after, listErr := p.rules()
		if err := errors.Join(err, listErr, p.holds("tcp 22-22 0.0.0.0/0")); err != nil {
			return err
		}
		if *after[0].SecurityGroupRuleId != *before[0].SecurityGroupRuleId {
			return fmt.Errorf("the rule's id was %s and is %s", *before[0].SecurityGroupRuleId, *after[0].SecurityGroupRuleId)
		}
		return nil
	}},
	{"an edit can turn a range into IPv6", func(p *place) error {
		if err := p.open(tcpPorts(22, "10.0.0.0/8")); err != nil {
			return err
		}
		before, err := p.rules()
		if err != nil {
			return err
		}
		return errors.Join(p.edit(*before[0].SecurityGroupRuleId, &types.SecurityGroupRuleRequest{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), CidrIpv6: aws.String("::/0")}), p.holds("tcp 22-22 ::/0"))
	}},
	{"pages hold no more rules than asked for", func(p *place) error {
		for i := range int32(6) {
			if err := p.open(tcpPorts(1000+i, "10.0.0.0/8")); err != nil {
				return err
			}
		}
		out, err := p.client.DescribeSecurityGroupRules(p.ctx, &ec2.DescribeSecurityGroupRulesInput{MaxResults: aws.Int32(5),
			Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{p.group}}}})
		if err != nil || len(out.SecurityGroupRules) != 5 || out.NextToken == nil {
			return unexpected(out, err)
		}
		return nil
	}},
	{"a rule can name a prefix list, whose entries can be read", func(p *place) error {
		list, err := p.client.CreateManagedPrefixList(p.ctx, &ec2.CreateManagedPrefixListInput{
			PrefixListName: aws.String("contract"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(5),
			Entries: []types.AddPrefixListEntry{{Cidr: aws.String("198.51.100.0/24")}}})
		if err != nil {
			return err
		}
		id := *list.PrefixList.PrefixListId
		perm := tcpPorts(22)
		perm.PrefixListIds = []types.PrefixListId{{PrefixListId: &id}}
		if err := errors.Join(p.open(perm), p.holds("tcp 22-22 "+id)); err != nil {
			return err
		}
		out, err := p.client.GetManagedPrefixListEntries(p.ctx, &ec2.GetManagedPrefixListEntriesInput{PrefixListId: &id})
		if err != nil || len(out.Entries) != 1 || aws.ToString(out.Entries[0].Cidr) != "198.51.100.0/24" {
			return unexpected(out, err)
		}
		return nil
	}},
	{"a new group lets everything out", func(p *place) error {
		out, err := p.client.DescribeSecurityGroupRules(p.ctx, &ec2.DescribeSecurityGroupRulesInput{
			Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{p.group}}}})
		if err != nil || len(out.SecurityGroupRules) != 1 || !aws.ToBool(out.SecurityGroupRules[0].IsEgress) || aws.ToString(out.SecurityGroupRules[0].IpProtocol) != "-1" {
			return unexpected(out, err)
		}
		return nil
	}},
}

func (p *place) edit(id string, to *types.SecurityGroupRuleRequest) error {
	_, err := p.client.ModifySecurityGroupRules(p.ctx, &ec2.ModifySecurityGroupRulesInput{GroupId: &p.group,
		SecurityGroupRules: []types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: &id, SecurityGroupRule: to}}})
	return err
}
