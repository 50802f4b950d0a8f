package ec2rules

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/secgroup"
)

// MaxRulesPerCall limits one call that authorizes or revokes rules. EC2 documents no
// limit; by quota a group holds at most 1,000 rules, and a request of 500 stays under 100
// KB without descriptions.
const MaxRulesPerCall = 500

// errDirection prevents a call of an unknown direction.
var errDirection = errors.New("the direction is unknown")

// errRevokeFalse is an undocumented response: it closes nothing and is not an error.
var errRevokeFalse = errors.New("EC2 answered the revoke with return=false")

// Revoker revokes rules. *ec2.Client implements it.
type Revoker interface {
	RevokeSecurityGroupIngress(context.Context, *ec2.RevokeSecurityGroupIngressInput, ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupIngressOutput, error)
	RevokeSecurityGroupEgress(context.Context, *ec2.RevokeSecurityGroupEgressInput, ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupEgressOutput, error)
}

// RevokeAnswer is the response of an accepted revoke. It may leave out permissions, and
// its parts that cannot be parsed are dropped.
type RevokeAnswer struct {
	// Revoked are the rules that EC2 removed.
	Revoked []secgroup.Rule
	// Unknown are the permissions that the group did not hold.
	Unknown []secgroup.Permission
	// AnswerLost is set if an attempt of the call failed without an answer: it may have
	// taken effect, whatever a later attempt was answered. It is set beside an error too.
	AnswerLost bool
}

// Revoke makes one call that revokes rules of one group in one direction by their
// permissions, so that EC2 itself leaves alone a rule that was edited since. pace is that of
// all calls of the account.
func Revoke(ctx context.Context, client Revoker, pace *Pace, groupID string, d secgroup.Direction, rules []secgroup.Rule) (RevokeAnswer, error) {
	var accepted *bool
	var revoked []types.RevokedSecurityGroupRule
	var unknown []types.IpPermission
	var answer RevokeAnswer
	permissions, watch := ipPermissions(rules, false), watchAttempts(pace, &answer.AnswerLost)
	switch d {
	case secgroup.Ingress:
		out, err := client.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
			GroupId: aws.String(groupID), IpPermissions: permissions,
		}, watch)
		if err != nil {
			return answer, fmt.Errorf("revoking ingress of %s: %w", groupID, err)
		}
		accepted, revoked, unknown = out.Return, out.RevokedSecurityGroupRules, out.UnknownIpPermissions
	case secgroup.Egress:
		out, err := client.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{
			GroupId: aws.String(groupID), IpPermissions: permissions,
		}, watch)
		if err != nil {
			return answer, fmt.Errorf("revoking egress of %s: %w", groupID, err)
		}
		accepted, revoked, unknown = out.Return, out.RevokedSecurityGroupRules, out.UnknownIpPermissions
	default:
		return answer, fmt.Errorf("revoking rules of %s: %w", groupID, errDirection)
	}
	if accepted != nil && !*accepted {
		return answer, errRevokeFalse
	}
	for _, r := range revoked {
		if rule, err := revokedRule(r); err == nil {
			answer.Revoked = append(answer.Revoked, rule)
		}
	}
	for _, p := range unknown {
		answer.Unknown = append(answer.Unknown, unknownPermissions(p, d)...)
	}
	return answer, nil
}

// revokedRule reads a rule of a revoke's answer.
func revokedRule(r types.RevokedSecurityGroupRule) (secgroup.Rule, error) {
	return ruleFields{
		id: r.SecurityGroupRuleId, groupID: r.GroupId, protocol: r.IpProtocol, egress: r.IsEgress,
		from: r.FromPort, to: r.ToPort, cidr4: r.CidrIpv4, cidr6: r.CidrIpv6, list: r.PrefixListId,
		referenced: r.ReferencedGroupId, description: r.Description,
	}.rule()
}

// unknownPermissions reads the permissions that a response lists as not held by the group.
// EC2 warns that the format may differ from the request's: permissions that cannot be
// parsed are dropped, and so count as not answered.
func unknownPermissions(p types.IpPermission, d secgroup.Direction) []secgroup.Permission {
	f := ruleFields{protocol: p.IpProtocol, egress: aws.Bool(d == secgroup.Egress), from: p.FromPort, to: p.ToPort}
	var peers []ruleFields
	for _, r := range p.IpRanges {
		f := f
		f.cidr4 = r.CidrIp
		peers = append(peers, f)
	}
	for _, r := range p.Ipv6Ranges {
		f := f
		f.cidr6 = r.CidrIpv6
		peers = append(peers, f)
	}
	for _, r := range p.PrefixListIds {
		f := f
		f.list = r.PrefixListId
		peers = append(peers, f)
	}
	for _, r := range p.UserIdGroupPairs {
		f := f
		f.referenced, f.referencedUser = r.GroupId, r.UserId
		peers = append(peers, f)
	}
	var out []secgroup.Permission
	for _, f := range peers {
		if r, err := f.rule(); err == nil {
			out = append(out, r.Permission)
		}
	}
	return out
}
