package remediation_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

// typed is the message of a call of which the record has what the caller typed
// and no answer.
func (s *stage) typed(groupID, groupName string, rules ...types.SecurityGroupRule) remediation.Message {
	c := s.change(groupID)
	c.Group.Name, c.From = groupName, cloudtrail.RulesFromRequest
	for _, r := range rules {
		c.Rules = append(c.Rules, s.rule(groupID, "", r))
	}
	m := s.detected(c)
	require.Equal(s.t, policy.Undetermined, m.Detection.Verdict)
	return m
}

func TestWhatACallerTypedIsClosedAsTheGroupHoldsIt(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		opening := in(3306, "0.0.0.0/0")
		opening.Description, opening.Tags = aws.String("a database"), []types.Tag{{Key: aws.String("team"), Value: aws.String("data")}}
		id := s.cloud.authorize(groupA, opening)
		s.done(s.typed(groupA, "", in(3306, "0.0.0.0/0")))
		assert.Empty(t, s.cloud.rules(groupA))
		r := only(t, s.alert())
		assert.Equal(t, id, r.Rule.ID)
		assert.Equal(t, "a database", r.Rule.Description)
		assert.Equal(t, []secgroup.Tag{{Key: "team", Value: "data"}}, r.Rule.Tags)
	})
}

func TestWhatACallerTypedIsClosedThoughTheGroupDoesNotShowItYet(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.lag = time.Hour
		s.cloud.authorize(groupA, in(3306, "0.0.0.0/0"))
		started := time.Now()
		s.done(s.typed(groupA, "", in(3306, "0.0.0.0/0")))
		assert.Empty(t, s.cloud.rules(groupA))
		assert.Equal(t, finding.OutcomeRevoked, only(t, s.alert()).Outcome)
		assert.Zero(t, time.Since(started))
	})
}

func TestAGroupKnownByNameIsFound(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.groups[groupA].defaultVPC = true
		s.cloud.authorize(groupA, in(3306, "0.0.0.0/0"))
		s.done(s.typed("", "name-of-"+groupA, in(3306, "0.0.0.0/0")))
		assert.Empty(t, s.cloud.rules(groupA))
		r := only(t, s.alert())
		assert.Equal(t, groupA, r.GroupID)
		assert.Equal(t, finding.OutcomeRevoked, r.Outcome)
	})
}

func TestAGroupThatIsGoneIsReportedAsClosed(t *testing.T) {
	t.Run("by id", func(t *testing.T) {
		onStage(t, closing, func(s *stage) {
			m := s.open(groupA, in(3306, "0.0.0.0/0"))
			delete(s.cloud.groups, groupA)
			require.Error(t, s.deliver(m)[0], "a group just made may not be known everywhere yet")
			assert.Empty(t, s.alerts, "nobody is told that an opening is closed that may be there")
			time.Sleep(3 * time.Minute)
			s.done(again(m))
			assert.Equal(t, finding.OutcomeAlreadyClosed, only(t, s.alert()).Outcome)
		})
	})
	t.Run("by name", func(t *testing.T) {
		onStage(t, closing, func(s *stage) {
			m := s.typed("", "no-such-group", in(3306, "0.0.0.0/0"))
			require.Error(t, s.deliver(m)[0], "a group just made may not be listed yet")
			time.Sleep(3 * time.Minute)
			s.done(again(m))
			assert.Equal(t, finding.OutcomeAlreadyClosed, only(t, s.alert()).Outcome)
		})
	})
}

func TestPrefixListsAreJudgedByTheirEntries(t *testing.T) {
	byList := types.SecurityGroupRule{IsEgress: aws.Bool(false), IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306),
		ToPort: aws.Int32(3306), PrefixListId: aws.String("pl-0123456789abcdef0")}
	for name, c := range map[string]struct {
		entries []string
		outcome finding.Outcome
	}{
		"the world on the last page": {[]string{"10.0.0.0/8", "192.168.0.0/16", "0.0.0.0/0"}, finding.OutcomeRevoked},
		"harmless":                   {[]string{"10.0.0.0/8"}, ""},
		"unreadable":                 {nil, finding.OutcomeAlerted},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				if c.entries != nil {
					s.cloud.lists["pl-0123456789abcdef0"] = c.entries
				}
				s.done(s.open(groupA, byList))
				assert.Equal(t, c.outcome != finding.OutcomeRevoked, len(s.cloud.rules(groupA)) == 1)
				if c.outcome == "" {
					assert.Empty(t, s.alerts)
					return
				}
				r := only(t, s.alert())
				assert.Equal(t, c.outcome, r.Outcome)
				if c.entries == nil {
					assert.Contains(t, r.Reasons[len(r.Reasons)-1].String(), "InvalidPrefixListID.NotFound")
				}
			})
		})
	}
}

func TestAPolicyThatAsksForTheGroupIsAnsweredFirst(t *testing.T) {
	const document = `
version: 1
world: {ipv4: 9, ipv6: 32}
allow-tag-exemptions: true
statements:
  - id: database
    severity: high
    effect: revoke
    ingress: {from: world, ports: [3306/tcp]}
    when: {vpcs: [vpc-0123456789abcdef0]}
    unless: {group-tags: {zone: public}}
`
	for name, c := range map[string]struct {
		vpc, zone string
		outcome   finding.Outcome
	}{
		"its VPC":       {"vpc-0123456789abcdef0", "private", finding.OutcomeRevoked},
		"another VPC":   {"vpc-0fedcba9876543210", "private", ""},
		"its tag":       {"vpc-0123456789abcdef0", "public", ""},
		"without a tag": {"vpc-0123456789abcdef0", "", finding.OutcomeRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, document, func(s *stage) {
				g := s.cloud.groups[groupA]
				g.vpc = c.vpc
				if c.zone != "" {
					g.tags = []types.Tag{{Key: aws.String("zone"), Value: aws.String(c.zone)}}
				}
				s.done(s.open(groupA, in(3306, "0.0.0.0/0")))
				if c.outcome == "" {
					assert.Len(t, s.cloud.rules(groupA), 1)
					assert.Empty(t, s.alerts)
					return
				}
				assert.Empty(t, s.cloud.rules(groupA))
				assert.Equal(t, c.outcome, only(t, s.alert()).Outcome)
			})
		})
	}
}

func TestPeopleHearOfAnOpeningThatATagSpares(t *testing.T) {
	const document = `
version: 1
world: {ipv4: 9, ipv6: 32}
allow-tag-exemptions: true
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: world, ports: [3306/tcp]}}
exceptions:
  - {id: tagged, reason: a honeypot, owner: security@example.com, expires: 2099-12-31, match: {group-tags: {zone: public}}}
`
	onStage(t, document, func(s *stage) {
		s.cloud.groups[groupA].tags = []types.Tag{{Key: aws.String("zone"), Value: aws.String("public")}}
		s.done(s.open(groupA, in(3306, "0.0.0.0/0")))
		assert.Len(t, s.cloud.rules(groupA), 1)
		r := only(t, s.alert())
		assert.Equal(t, finding.OutcomeExempt, r.Outcome)
		assert.True(t, r.Exception.ByTag)
	})
}

func TestATagThatExemptsBesideAnotherExceptionIsReportedToo(t *testing.T) {
	const document = `
version: 1
world: {ipv4: 9, ipv6: 32}
allow-tag-exemptions: true
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: world, ports: [3306/tcp]}}
  - {id: anything, severity: low, effect: alert, ingress: {from: world}}
exceptions:
  - {id: agreed, reason: a honeypot, owner: security@example.com, expires: 2099-12-31, match: {statements: database, groups: sg-0000000000000000a}}
  - {id: tagged, reason: a honeypot, owner: security@example.com, expires: 2099-12-31, match: {group-tags: {zone: public}}}
`
	onStage(t, document, func(s *stage) {
		s.cloud.groups[groupA].tags = []types.Tag{{Key: aws.String("zone"), Value: aws.String("public")}}
		s.done(s.open(groupA, in(3306, "0.0.0.0/0")))
		assert.Len(t, s.cloud.rules(groupA), 1)
		r := only(t, s.alert())
		assert.Equal(t, finding.OutcomeExempt, r.Outcome)
		assert.Equal(t, "tagged", r.Exception.ID)
		assert.Equal(t, "anything", r.StatementID)
	})
}

func TestAGroupThatMayNotBeReadIsReportedAtOnce(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.fault = failing("UnauthorizedOperation", "DescribeSecurityGroupRules")
		m := s.open(groupA, in(3306, lower), in(3306, upper))
		require.Error(t, s.deliver(m)[0])
		assert.Equal(t, []string{"failed " + lower, "failed " + upper}, told(s.alert()))
		assert.Len(t, s.cloud.rules(groupA), 2)
	})
}

func TestWhatNeedsNoReadIsReportedBeforeAGroupIsWaitedFor(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.lag = time.Hour
		waiting := s.open(groupA, in(3306, lower), in(3306, upper))
		atOnce := s.open(groupB, in(3306, "0.0.0.0/0"))
		var toldAfter time.Duration
		started := time.Now()
		s.publishing = func(finding.Alert) error { toldAfter = time.Since(started); return nil }
		errs := s.deliver(waiting, atOnce)
		assert.Error(t, errs[0])
		assert.NoError(t, errs[1])
		assert.Equal(t, atOnce.Detection.Event.EventID, s.alert().Event.EventID)
		assert.Zero(t, toldAfter)
	})
}

func TestReferencedGroupsAreDistinguishedByTheirOwner(t *testing.T) {
	const document = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: foreign, severity: high, effect: revoke, ingress: {from: {referenced-groups: other-accounts}}}
`
	for name, c := range map[string]struct {
		owner  string
		closed bool
	}{"another account's": {"111122223333", true}, "its own": {account, false}} {
		t.Run(name, func(t *testing.T) {
			onStage(t, document, func(s *stage) {
				r := types.SecurityGroupRule{IsEgress: aws.Bool(false), IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22),
					ReferencedGroupInfo: &types.ReferencedSecurityGroup{GroupId: aws.String(groupB), UserId: aws.String(c.owner)}}
				s.cloud.authorize(groupA, r)
				r.ReferencedGroupInfo = &types.ReferencedSecurityGroup{GroupId: aws.String(groupB)} // as typed
				s.done(s.typed(groupA, "", r))
				assert.Equal(t, c.closed, len(s.cloud.rules(groupA)) == 0)
				assert.Equal(t, c.closed, len(s.alerts) == 1)
			})
		})
	}
}

func TestAGroupThatVanishesWhileItIsAskedAboutIsClosed(t *testing.T) {
	const document = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: world, ports: [3306/tcp]}, when: {vpcs: [vpc-0123456789abcdef0]}}
`
	onStage(t, document, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		delete(s.cloud.groups, groupA)
		require.Error(t, s.deliver(m)[0])
		time.Sleep(3 * time.Minute)
		s.done(again(m))
		assert.Equal(t, finding.OutcomeAlreadyClosed, only(t, s.alert()).Outcome)
	})
}

func TestAnUnknownActorIsReportedWithoutARead(t *testing.T) {
	const document = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: world, ports: [3306/tcp]}, when: {actors: ["arn:aws:iam::123456789012:role/deploy"]}}
`
	onStage(t, document, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		require.Empty(t, m.Detection.Findings, "somebody else made it")
		c := s.change(groupA)
		c.Actor = cloudtrail.Actor{}
		c.Rules = []secgroup.Rule{s.rule(groupA, "sgr-0123456789abcdef0", in(3306, "0.0.0.0/0"))}
		s.done(s.detected(c))
		r := only(t, s.alert())
		assert.Equal(t, finding.OutcomeAlerted, r.Outcome)
		assert.Equal(t, policy.Undetermined, r.Verdict)
		assert.Len(t, s.cloud.rules(groupA), 1)
		assert.Zero(t, s.cloud.reads())
	})
}

func TestObserveWaitsAndReadsAsEnforceDoes(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.mode = finding.Observe
		s.cloud.lag = 3 * time.Second
		s.cloud.authorize(groupA, in(5432, "10.0.0.0/8"))
		time.Sleep(10 * time.Second)
		m := s.open(groupA, in(3306, "0.0.0.0/0"), in(3306, lower), in(5432, lower), in(5432, upper))
		s.done(m)
		assert.Len(t, s.cloud.rules(groupA), 5)
		assert.Equal(t, []string{"would_revoke 0.0.0.0/0", "would_revoke " + lower, "would_revoke " + upper}, told(s.alert()),
			"the narrow rule beside the world would stay")
		assert.Zero(t, s.cloud.revokes())
	})
}
