package remediation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup/secgrouptest"
)

func TestOneCallClosesWhatACompleteEventTells(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		opening := in(3306, "0.0.0.0/0")
		opening.Description = aws.String("a database")
		m := s.open(groupA, opening)
		id := m.Detection.Findings[0].Rule.ID
		time.Sleep(1500 * time.Millisecond)

		s.done(m)

		assert.Empty(t, s.cloud.rules(groupA))
		assert.Equal(t, 1, s.cloud.revokes())
		assert.Zero(t, s.cloud.reads())
		a := s.alert()
		assert.Equal(t, policy.Revoke, a.Verdict)
		assert.Equal(t, finding.Enforce, a.Mode)
		assert.Equal(t, s.policy.Digest(), a.PolicyDigest)
		assert.Equal(t, [2]int{1, 5}, [2]int{a.Try, a.Tries})
		r := only(t, a)
		assert.Equal(t, finding.OutcomeRevoked, r.Outcome)
		assert.Equal(t, id, r.Rule.ID)
		assert.Equal(t, "a database", r.Rule.Description)
		assert.Equal(t, policy.High, r.Severity)
		assert.Equal(t, "database", r.StatementID)
		assert.Contains(t, r.Reasons[0].String(), "policy.yaml:5 database:")
		assert.Equal(t, [3]string{account, region, groupA}, [3]string{r.AccountID, r.Region, r.GroupID})
		require.NotNil(t, r.ExposureSeconds)
		assert.InDelta(t, 1.5, *r.ExposureSeconds, 0.001)
		require.NotNil(t, r.ClosedAt)
		assert.WithinDuration(t, time.Now(), *r.ClosedAt, 0)
		assert.False(t, r.Edited || r.MaybeEarlier)
	})
}

func TestOnlyTheForbiddenRulesOfACallGo(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, "192.168.0.0/16"))
		m := s.open(groupA, in(3306, "10.0.0.0/8"), in(3306, "0.0.0.0/0"), in(443, "0.0.0.0/0"), in(3306, "2000::/3"),
			in(8080, "0.0.0.0/0"), out(3306, "0.0.0.0/0"), out(443, "0.0.0.0/0"))

		s.done(m)

		assert.Equal(t, []string{"in tcp 3306-3306 192.168.0.0/16", "in tcp 3306-3306 10.0.0.0/8", "in tcp 443-443 0.0.0.0/0",
			"in tcp 8080-8080 0.0.0.0/0", "out tcp 443-443 0.0.0.0/0"}, s.cloud.rules(groupA))
		assert.Equal(t, 2, s.cloud.revokes(), "one call for each direction")
		assert.Equal(t, []string{"revoked 0.0.0.0/0", "revoked 2000::/3", "alerted 0.0.0.0/0", "revoked 0.0.0.0/0"}, told(s.alert()))
	})
}

func TestEveryFormOfPermissionIsClosedByItsProperties(t *testing.T) {
	const document = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: any, severity: high, effect: revoke, ingress: {from: any}}
  - {id: portless, severity: high, effect: revoke, ingress: {from: any, protocols: [portless, icmp, icmpv6]}}
`
	all := types.SecurityGroupRule{IpProtocol: aws.String("-1"), FromPort: aws.Int32(-1), ToPort: aws.Int32(-1), CidrIpv4: aws.String("10.0.0.0/8")}
	byGroup := types.SecurityGroupRule{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22),
		ReferencedGroupInfo: &types.ReferencedSecurityGroup{GroupId: aws.String(groupB), UserId: aws.String(account)}}
	byList := types.SecurityGroupRule{IpProtocol: aws.String("udp"), FromPort: aws.Int32(0), ToPort: aws.Int32(65535), PrefixListId: aws.String("pl-0123456789abcdef0")}
	esp := types.SecurityGroupRule{IpProtocol: aws.String("50"), FromPort: aws.Int32(-1), ToPort: aws.Int32(-1), CidrIpv6: aws.String("2001:db8::/32")}
	for name, r := range map[string]types.SecurityGroupRule{
		"all protocols": all, "referenced group": byGroup, "prefix list": byList, "protocol number": esp,
		"port 0": in(0, "10.0.0.0/8"), "range": ranged(false, "tcp", 3300, 3310, "10.0.0.0/8"),
		"icmp type and code": ranged(false, "icmp", 8, 0, "10.0.0.0/8"), "icmp all": ranged(false, "icmp", -1, -1, "10.0.0.0/8"),
		"icmpv6": ranged(false, "icmpv6", 128, -1, "2001:db8::/32"),
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, document, func(s *stage) {
				s.cloud.lists["pl-0123456789abcdef0"] = []string{"10.0.0.0/8"}
				r.IsEgress = aws.Bool(false)
				s.done(s.open(groupA, r))
				assert.Empty(t, s.cloud.rules(groupA))
				assert.Equal(t, finding.OutcomeRevoked, only(t, s.alert()).Outcome)
				assert.Equal(t, 1, s.cloud.revokes())
			})
		})
	}
}

func TestAMessageIsAHintAndNoOrder(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		private := s.open(groupA, in(3306, "10.0.0.0/8"))
		require.Empty(t, private.Detection.Findings)
		s.done(m)
		s.alerts = nil
		before := len(s.cloud.calls)

		// The same verdict, for a rule that the policy allows.
		forged := m
		forged.Detection.Findings = []finding.Finding{m.Detection.Findings[0]}
		rule := *forged.Detection.Findings[0].Rule
		rule.Permission.Peer = secgrouptest.TCP(3306, "10.0.0.0/8").Permission.Peer
		forged.Detection.Findings[0].Rule = &rule
		s.done(forged)

		assert.Equal(t, []string{"in tcp 3306-3306 10.0.0.0/8"}, s.cloud.rules(groupA))
		assert.Empty(t, s.alerts)
		assert.Len(t, s.cloud.calls, before)
	})
}

func TestWhatAMessageSaysOfItsGroupIsNotBelieved(t *testing.T) {
	const sparesAVPC = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - id: database
    severity: high
    effect: revoke
    ingress: {from: world, ports: [3306/tcp]}
    unless: {vpcs: [vpc-0123456789abcdef0]}
`
	onStage(t, sparesAVPC, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		m.Detection.Findings[0].Verdict = policy.Revoke
		m.Detection.Findings[0].VPCID = "vpc-0fedcba9876543210"
		s.done(m)
		assert.Len(t, s.cloud.rules(groupA), 1)
		assert.Empty(t, s.alerts)
	})
}

func TestAReplayedEventRemovesNothingThatBecameCompliant(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		s.cloud.edit(groupA, m.Detection.Findings[0].Rule.ID, in(3306, "10.0.0.0/8"))

		s.done(m)

		assert.Equal(t, []string{"in tcp 3306-3306 10.0.0.0/8"}, s.cloud.rules(groupA))
		assert.Equal(t, finding.OutcomeAlreadyClosed, only(t, s.alert()).Outcome)
	})
}

func TestObserveGoesUpToTheLastCall(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.mode = finding.Observe
		s.done(s.open(groupA, in(3306, "0.0.0.0/0"), in(8080, "0.0.0.0/0")))

		assert.Len(t, s.cloud.rules(groupA), 2)
		assert.Zero(t, s.cloud.revokes())
		a := s.alert()
		assert.Equal(t, finding.Observe, a.Mode)
		assert.Equal(t, []string{"would_revoke 0.0.0.0/0", "alerted 0.0.0.0/0"}, told(a))
		assert.Nil(t, a.Findings[0].ClosedAt)
	})
}

func TestABatchTakesOneCallForEachGroupAndDirection(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		var batch []remediation.Message
		for i := range 20 {
			g := []string{groupA, groupB}[i%2]
			batch = append(batch, s.open(g, in(3306, fmt.Sprintf("%d.0.0.0/8", 40+i))))
		}
		s.done(batch...)

		assert.Empty(t, append(s.cloud.rules(groupA), s.cloud.rules(groupB)...))
		assert.Equal(t, 2, s.cloud.revokes())
		assert.Len(t, s.alerts, 20, "one for each event")
	})
}

func TestADuplicateInABatchIsSentOnceAndReportedToBoth(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		s.done(m, m)

		assert.Equal(t, 1, s.cloud.revokes())
		require.Len(t, s.alerts, 2)
		assert.Equal(t, told(s.alerts[0]), told(s.alerts[1]))
		assert.Equal(t, s.alerts[0].Findings[0].ID, s.alerts[1].Findings[0].ID)
	})
}

func TestALaterDuplicateFindsTheRuleGone(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		s.done(m)
		s.done(m)

		require.Len(t, s.alerts, 2)
		r := only(t, s.alerts[1])
		assert.Equal(t, finding.OutcomeAlreadyClosed, r.Outcome)
		assert.True(t, r.MaybeEarlier, "the queue says that this is the first try, and of an earlier delivery nothing")
	})
}

func TestAnEventThatNamesNoGroupIsReported(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		c := s.change("")
		c.From = 0
		m := s.detected(c)
		require.Equal(t, policy.Alert, m.Detection.Verdict)
		s.done(m)
		r := only(t, s.alert())
		assert.Equal(t, finding.OutcomeAlerted, r.Outcome)
		assert.Nil(t, r.Rule)
		assert.NotEmpty(t, r.Reasons)
		assert.Zero(t, s.cloud.revokes())
	})
}

func TestAnExemptRuleStaysAndIsReportedOnlyBesideOthers(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.done(s.open(groupA, in(6379, "0.0.0.0/0")))
		assert.Empty(t, s.alerts)

		s.done(s.open(groupB, in(6379, "0.0.0.0/0"), in(3306, "0.0.0.0/0")))
		assert.Equal(t, []string{"exempt 0.0.0.0/0", "revoked 0.0.0.0/0"}, told(s.alert()))
		assert.Equal(t, "demo", s.alert().Findings[0].Exception.ID)
		assert.Equal(t, []string{"in tcp 6379-6379 0.0.0.0/0"}, s.cloud.rules(groupA))
		assert.Equal(t, []string{"in tcp 6379-6379 0.0.0.0/0"}, s.cloud.rules(groupB))
	})
}

func TestAnAlertNamesTheInterfacesBehindTheOpening(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.groups[groupA].interfaces = []types.NetworkInterface{{
			NetworkInterfaceId: aws.String("eni-0123456789abcdef0"), PrivateIpAddress: aws.String("10.0.0.5"),
			Association: &types.NetworkInterfaceAssociation{PublicIp: aws.String("203.0.113.9")},
			Attachment:  &types.NetworkInterfaceAttachment{InstanceId: aws.String("i-0123456789abcdef0")},
			Description: aws.String("db"),
		}}
		s.done(s.open(groupA, in(3306, "0.0.0.0/0")))
		assert.Equal(t, []finding.Interface{{ID: "eni-0123456789abcdef0", GroupID: groupA, PrivateIP: "10.0.0.5",
			PublicIP: "203.0.113.9", InstanceID: "i-0123456789abcdef0", Description: "db"}}, s.alert().Exposed)
		assert.Equal(t, []string{"RevokeSecurityGroupIngress " + groupA, "DescribeForAlert " + groupA, "DescribeNetworkInterfaces " + groupA, "DescribeNetworkInterfaces " + groupA}, s.cloud.calls,
			"context comes after the revoke")
		assert.Empty(t, s.alert().ExposedError)
	})
}

func TestAnAlertKnowsThatNoInterfaceUsesTheGroup(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.done(s.open(groupA, in(3306, "0.0.0.0/0")))
		assert.NotNil(t, s.alert().Exposed, "they were read")
		assert.Empty(t, s.alert().Exposed)
		assert.Empty(t, s.alert().ExposedError)
	})
}

func TestAnAlertSaysIfItListsNotAllInterfaces(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		for i := range 60 {
			s.cloud.groups[groupA].interfaces = append(s.cloud.groups[groupA].interfaces, types.NetworkInterface{NetworkInterfaceId: aws.String(fmt.Sprintf("eni-%017x", i))})
		}
		s.done(s.open(groupA, in(3306, "0.0.0.0/0")))
		assert.Len(t, s.alert().Exposed, 50)
		assert.Equal(t, "more than 50 network interfaces use "+groupA, s.alert().ExposedError)
		assert.Equal(t, 1+51, s.cloud.count("DescribeNetworkInterfaces"), "it reads no further than it has to")
	})
}

func TestTheLogHoldsOneLineBeforeAndOneAfterARevoke(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		opening := in(3306, "0.0.0.0/0")
		opening.Description = aws.String("untrusted text")
		m := s.open(groupA, opening)
		s.done(m)
		log := s.log.String()
		assert.Equal(t, 1, strings.Count(log, `"msg":"revoking"`))
		assert.Equal(t, 1, strings.Count(log, `"msg":"revoke answered"`))
		for _, part := range []string{groupA, m.Detection.Event.EventID, m.Detection.Findings[0].Rule.ID} {
			assert.Contains(t, log, part)
		}
		for _, part := range []string{"untrusted", "198.51.100.7", "user/demo"} {
			assert.NotContains(t, log, part)
		}
	})
}

func TestAnEngineWithoutAModeDoesNotStart(t *testing.T) {
	s := newStage(t, closing)
	_, err := remediation.New(remediation.Config{EC2: s.cloud, Region: region, Policy: s.policy, Publish: s.publish, Logger: discard()})
	assert.ErrorContains(t, err, "want observe or enforce")
}
