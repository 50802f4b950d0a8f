package remediation_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"

	"sgward/internal/finding"
)

func TestAnAlertNamesTheGroupAndItsOwner(t *testing.T) {
	onStage(t, closing+"\nowner-tag: team\n", func(s *stage) {
		s.cloud.groups[groupA].tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("data")}, {Key: aws.String("Team"), Value: aws.String("no")}}
		s.done(s.open(groupA, in(3306, "0.0.0.0/0")))
		f := s.alert().Findings[0]
		assert.Equal(t, [3]string{"name-of-" + groupA, "vpc-0123456789abcdef0", "data"}, [3]string{f.GroupName, f.VPCID, f.Owner})
		assert.Equal(t, "RevokeSecurityGroupIngress "+groupA, s.cloud.calls[0], "context comes after the revoke")
	})
}

func TestAGroupThatCannotBeDescribedIsReportedAllTheSame(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.fault = failing("UnauthorizedOperation", "DescribeForAlert")
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		m.Detection.Event.SourceIPAddress = "52.94.76.7"
		s.done(m)
		f := s.alert().Findings[0]
		assert.Equal(t, finding.OutcomeRevoked, f.Outcome)
		assert.Empty(t, f.GroupName)
		assert.NotNil(t, f.Fix, "the caller's address needs no read")
	})
}

func TestTheFixIsTheLikeliestPeerThatThePolicyDoesNotForbid(t *testing.T) {
	const doors = "\nversion: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - {id: doors, severity: high, effect: revoke, ingress: {from: world, ports: [ssh, mysql]}}\n"
	const anyPublic = "  - {id: anyone, severity: low, effect: alert, ingress: {from: public, ports: [ssh]}}\n"
	for name, c := range map[string]struct {
		policy, source, agent, invokedBy string
		port                             int
		clients                          []string
		want                             string
	}{
		"the caller":               {doors, "52.94.76.7", "aws-cli/2", "", 22, nil, "52.94.76.7/32"},
		"from an example":          {doors, "198.51.100.7", "aws-cli/2", "", 22, nil, "198.51.100.7/32"},
		"over IPv6":                {doors, "2a05:d018::7", "aws-cli/2", "", 22, nil, "2a05:d018::7/128"},
		"mapped":                   {doors, "::ffff:52.94.76.7", "", "", 22, nil, "52.94.76.7/32"},
		"of a database its client": {doors, "52.94.76.7", "", "", 3306, []string{groupB}, "123456789012/" + groupB},
		"which lets in nobody":     {doors, "52.94.76.7", "", "", 3306, nil, "52.94.76.7/32"},
		"an AWS service":           {doors, "autoscaling.amazonaws.com", "", "autoscaling.amazonaws.com", 22, []string{groupB}, "123456789012/" + groupB},
		"through a service":        {doors, "52.94.76.7", "", "cloudformation.amazonaws.com", 22, nil, ""},
		"from a private network":   {doors, "10.0.0.7", "", "", 22, nil, ""},
		"from a carrier's":         {doors, "100.64.0.7", "", "", 22, nil, ""},
		"a program in AWS":         {doors, "52.94.76.7", "Boto3/1 exec-env/AWS_Lambda_python3.13", "", 22, nil, ""},
		"forbidden":                {doors + anyPublic, "52.94.76.7", "", "", 22, nil, ""},
		"forbidden, but a group":   {doors + anyPublic, "52.94.76.7", "", "", 22, []string{groupB}, "123456789012/" + groupB},
		"itself is no client":      {doors, "x", "", "", 3306, []string{groupA}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, c.policy, func(s *stage) {
				s.cloud.groups[groupA].clients = c.clients
				m := s.open(groupA, in(int32(c.port), "0.0.0.0/0"))
				m.Detection.Event.SourceIPAddress, m.Detection.Event.UserAgent = c.source, c.agent
				m.Detection.Event.Actor.InvokedBy = c.invokedBy
				s.done(m)
				fix := s.alert().Findings[0].Fix
				if c.want == "" {
					assert.Nil(t, fix)
					return
				}
				if assert.NotNil(t, fix) {
					assert.Equal(t, c.want, fix.Permission.Peer.String())
					assert.Equal(t, uint16(c.port), fix.Permission.Ports.From)
				}
			})
		})
	}
}

func TestWhatStaysOpenHasNoFix(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.mode = finding.Observe
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		m.Detection.Event.SourceIPAddress = "52.94.76.7"
		s.done(m)
		assert.Nil(t, s.alert().Findings[0].Fix)
	})
}
