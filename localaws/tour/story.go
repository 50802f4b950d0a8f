package tour

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/policy"
	"sgward/localaws/ec2api"
)

// scene is one scene, with its expected end.
type scene struct {
	title, story string
	byPolicy     string // ends the story, if the tour runs with sgward's own policy
	group        string // by name
	opens        []opening
	edit         bool // of the cache's rule, not a new one

	decision  policy.Verdict // detect's
	gone      []string       // permissions that the group must not hold at the end
	stays     []string       // permissions that the group must still hold
	showAlert bool
	moral     string
}

func story() []scene {
	return []scene{
		{
			title:    "A database, opened to the world",
			story:    "Casey needs to look at the orders from home, quickly.",
			group:    "orders-db",
			opens:    []opening{{3306, "0.0.0.0/0", "temporary, from home"}},
			decision: policy.Revoke,
			gone:     []string{"tcp 3306 from 0.0.0.0/0"}, stays: []string{"tcp 3306 from 10.20.0.0/16"},
			showAlert: true,
		},
		{
			title: "HTTPS for everybody",
			story: "The shop has to be reachable.", byPolicy: "The policy says so too.",
			group:    "shop-web",
			opens:    []opening{{443, "0.0.0.0/0", ""}},
			decision: policy.Compliant,
			stays:    []string{"tcp 443 from 0.0.0.0/0"},
		},
		{
			title:    "The world in two halves",
			story:    "No rule says 0.0.0.0/0 here. Together they are the same thing.",
			group:    "orders-db",
			opens:    []opening{{5432, "0.0.0.0/1", "first half"}, {5432, "128.0.0.0/1", "second half"}},
			decision: policy.Revoke,
			gone:     []string{"tcp 5432 from 0.0.0.0/1", "tcp 5432 from 128.0.0.0/1"},
			moral:    "sgward counts the public addresses that a rule lets in. Their notation does not matter.",
		},
		{
			title:    "A harmless rule, edited",
			story:    "The cache was open to 10.0.0.0/8. An edit makes no Authorize call, and its record tells neither direction nor old value.",
			group:    "orders-db",
			opens:    []opening{{6379, "0.0.0.0/0", ""}},
			edit:     true,
			decision: policy.Undetermined,
			gone:     []string{"tcp 6379 from 0.0.0.0/0"},
			moral:    "An edit replaces the rule, so closing it leaves none. The alert says so, and how to look the old one up.",
		},
		{
			title:    "Half right",
			story:    "One permission, two sources. Only one of them is a mistake.",
			group:    "shop-web",
			opens:    []opening{{22, "10.0.0.0/8", "office network"}, {22, "0.0.0.0/0", "just for today"}},
			decision: policy.Revoke,
			gone:     []string{"tcp 22 from 0.0.0.0/0"}, stays: []string{"tcp 22 from 10.0.0.0/8"},
		},
	}
}

// opening is one TCP port for one range.
type opening struct {
	port        int32
	cidr        string
	description string
}

// permissions puts openings of one port into one permission, as people do.
func permissions(openings ...opening) []types.IpPermission {
	var all []types.IpPermission
	for _, o := range openings {
		r := types.IpRange{CidrIp: aws.String(o.cidr), Description: aws.String(o.description)}
		if n := len(all); n > 0 && aws.ToInt32(all[n-1].FromPort) == o.port {
			all[n-1].IpRanges = append(all[n-1].IpRanges, r)
			continue
		}
		all = append(all, types.IpPermission{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(o.port), ToPort: aws.Int32(o.port), IpRanges: []types.IpRange{r},
		})
	}
	return all
}

func (s *stage) authorize(ctx context.Context, group string, permissions []types.IpPermission) error {
	_, err := s.client.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: aws.String(s.groups[group]), IpPermissions: permissions,
	})
	return err
}

// authorizeShown makes a call and shows its command.
func (s *stage) authorizeShown(ctx context.Context, group string, openings ...opening) error {
	s.command(s.authorizeCommand(group, openings...)...)
	return s.authorize(ctx, group, permissions(openings...))
}

// authorizeCommand spells openings of one port as an AWS CLI command, in lines that fit a
// narrow terminal.
func (s *stage) authorizeCommand(group string, openings ...opening) []string {
	lines := []string{`aws ec2 authorize-security-group-ingress \`, "  --group-id " + s.groups[group] + ` \`}
	if len(openings) == 1 && openings[0].description == "" {
		return append(lines, fmt.Sprintf("  --protocol tcp --port %d --cidr %s", openings[0].port, openings[0].cidr))
	}
	port := openings[0].port
	lines = append(lines,
		`  --ip-permissions '[{"IpProtocol": "tcp",`,
		fmt.Sprintf(`    "FromPort": %d, "ToPort": %d, "IpRanges": [`, port, port))
	for i, o := range openings {
		end := ","
		if i == len(openings)-1 {
			end = "]}]'"
		}
		lines = append(lines, fmt.Sprintf(`      {"CidrIp": %q,`, o.cidr), fmt.Sprintf(`       "Description": %q}%s`, o.description, end))
	}
	return lines
}

// act makes the scene's call and shows its command.
func (s *stage) act(ctx context.Context, sc scene) error {
	if sc.edit {
		return s.editCache(ctx)
	}
	return s.authorizeShown(ctx, sc.group, sc.opens...)
}

// cache is the rule of the cache in the database's group.
func (s *stage) cache() (ec2api.Rule, bool) {
	for _, r := range s.stack.EC2().Rules(s.groups["orders-db"]) {
		if r.FromPort == 6379 && !r.Egress {
			return r, true
		}
	}
	return ec2api.Rule{}, false
}

// editCache opens the cache by editing its rule.
func (s *stage) editCache(ctx context.Context) error {
	if r, ok := s.cache(); ok {
		s.command(
			`aws ec2 modify-security-group-rules \`,
			"  --group-id "+r.GroupID+` \`,
			`  --security-group-rules '[{`,
			fmt.Sprintf(`    "SecurityGroupRuleId": %q,`, r.ID),
			`    "SecurityGroupRule": {"IpProtocol": "tcp",`,
			`      "FromPort": 6379, "ToPort": 6379,`,
			`      "CidrIpv4": "0.0.0.0/0"}}]'`,
		)
		_, err := s.client.ModifySecurityGroupRules(ctx, &ec2.ModifySecurityGroupRulesInput{
			GroupId: aws.String(r.GroupID),
			SecurityGroupRules: []types.SecurityGroupRuleUpdate{{
				SecurityGroupRuleId: aws.String(r.ID),
				SecurityGroupRule: &types.SecurityGroupRuleRequest{
					IpProtocol: aws.String("tcp"), FromPort: aws.Int32(6379), ToPort: aws.Int32(6379), CidrIpv4: aws.String("0.0.0.0/0"),
				},
			}},
		})
		return err
	}
	return fmt.Errorf("the cache's rule is gone")
}
