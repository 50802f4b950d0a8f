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
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

// Two of these together are a /9, which is the line.
const (
	lower = "40.0.0.0/10"
	upper = "40.64.0.0/10"
)

func TestHalvesOfOneCallAreClosedOnceTheGroupShowsThem(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, lower), in(3306, upper))
		require.Equal(t, finding.DecisionRevoke, m.Detection.Decision)
		s.done(m)
		assert.Empty(t, s.cloud.rules(groupA))
		assert.Equal(t, []string{"revoked " + lower, "revoked " + upper}, told(s.alert()))
		assert.Equal(t, 1, s.cloud.revokes())
	})
}

func TestOnlyTheCallThatCrossesTheLineIsClosed(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, lower))
		m := s.open(groupA, in(3306, upper))
		require.Equal(t, finding.DecisionInspect, m.Detection.Decision)
		s.done(m)
		assert.Equal(t, []string{"in tcp 3306-3306 " + lower}, s.cloud.rules(groupA))
		r := only(t, s.alert())
		assert.Equal(t, finding.OutcomeRevoked, r.Outcome)
		assert.Equal(t, finding.DecisionRevoke, r.Decision)
		require.Len(t, r.With, 1)
		assert.Equal(t, lower, r.With[0].CidrIPv4)
	})
}

func TestOfTwoCallsInOneBatchTheNewerIsClosed(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		older := s.open(groupA, in(3306, lower))
		time.Sleep(2 * time.Second)
		newer := s.open(groupA, in(3306, upper))
		s.done(older, newer)
		assert.Equal(t, []string{"in tcp 3306-3306 " + lower}, s.cloud.rules(groupA))
		assert.Equal(t, newer.Detection.Event.EventID, s.alert().Event.EventID)
	})
}

func TestAPartnersAddressIsReadAndLeftAlone(t *testing.T) {
	for name, standing := range map[string][]types.SecurityGroupRule{
		"alone": nil, "beside a private network": {in(3306, "10.0.0.0/8")}, "beside the world on another port": {in(443, "0.0.0.0/0")},
		"beside the world on its port": {in(3306, "0.0.0.0/0")}, "beside an exempt world": {in(6379, "0.0.0.0/0")},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				for _, r := range standing {
					s.cloud.authorize(groupA, r)
				}
				m := s.open(groupA, in(3306, "198.18.0.0/15"), in(3306, "52.1.2.3/32"))
				require.Equal(t, finding.DecisionInspect, m.Detection.Decision)
				s.done(m)
				assert.Len(t, s.cloud.rules(groupA), len(standing)+2)
				assert.Empty(t, s.alerts, "an inspect that proves compliant alerts nobody")
				assert.Zero(t, s.cloud.revokes())
			})
		})
	}
}

func TestANarrowRuleBesideAClosedOneStays(t *testing.T) {
	for name, lag := range map[string]time.Duration{"reads are current": 0, "reads lag": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				m := s.open(groupA, in(3306, "0.0.0.0/0"), in(3306, lower))
				time.Sleep(3 * time.Second)
				s.cloud.lag = lag
				s.done(m)
				assert.Equal(t, []string{"in tcp 3306-3306 " + lower}, s.cloud.rules(groupA))
				assert.Equal(t, []string{"revoked 0.0.0.0/0"}, told(s.alert()))
			})
		})
	}
}

func TestHalvesBesideAClosedWorldAreStillClosed(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		// The read still shows the world after it was closed: were it counted, the
		// halves would cross nothing.
		m := s.open(groupA, in(3306, "0.0.0.0/0"), in(3306, lower), in(3306, upper))
		time.Sleep(5 * time.Second)
		s.cloud.lag = 4 * time.Second
		s.done(m)
		assert.Empty(t, s.cloud.rules(groupA))
	})
}

func TestAForgedCompanionRemovesNothing(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, lower))
		held := s.cloud.groups[groupA].rules[0]
		c := s.change(groupA)
		c.Rules = []secgroup.Rule{s.rule(groupA, *held.SecurityGroupRuleId, held), s.rule(groupA, "sgr-0fedcba9876543210", in(3306, upper))}
		m := s.detected(c)
		require.Equal(t, finding.DecisionRevoke, m.Detection.Decision)

		for range 5 {
			s.deliver(m)
			m = again(m)
			time.Sleep(3 * time.Minute)
		}
		assert.Equal(t, []string{"in tcp 3306-3306 " + lower}, s.cloud.rules(groupA))
		assert.Zero(t, s.cloud.revokes())
	})
}

func TestReadsThatLagAreWaitedFor(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.lag = 3 * time.Second
		m := s.open(groupA, in(3306, lower), in(3306, upper))
		s.done(m)
		assert.Empty(t, s.cloud.rules(groupA))
		assert.Equal(t, []string{"revoked " + lower, "revoked " + upper}, told(s.alert()))
		assert.LessOrEqual(t, s.cloud.reads(), 6)
	})
}

func TestReadsThatLagForLongBringTheMessageBack(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.lag = 30 * time.Second
		m := s.open(groupA, in(3306, lower), in(3306, upper))
		require.ErrorContains(t, s.deliver(m)[0], "does not show the rule yet")
		assert.Empty(t, s.alerts)
		assert.Zero(t, s.cloud.revokes())

		time.Sleep(time.Minute)
		s.done(again(m))
		assert.Empty(t, s.cloud.rules(groupA))
		assert.Equal(t, []string{"revoked " + lower, "revoked " + upper}, told(s.alert()))
	})
}

func TestHalvesWhoseAlertWasNotPublishedAreToldLater(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.publishing = func() error { return errPublish }
		m := s.open(groupA, in(3306, lower), in(3306, upper))
		require.Error(t, s.deliver(m)[0])
		require.Empty(t, s.cloud.rules(groupA))
		s.publishing = nil

		time.Sleep(3 * time.Minute)
		s.done(again(m))
		assert.Equal(t, []string{"already_closed " + lower, "already_closed " + upper}, told(s.alert()))
		assert.True(t, s.alert().Findings[0].MaybeEarlier)
	})
}

func TestAnEditIntoTheWorldIsClosedInItsDirection(t *testing.T) {
	for name, values := range map[string]func(int32, string) types.SecurityGroupRule{"ingress": in, "egress": out} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				before := values(3306, "10.0.0.0/8")
				id := s.cloud.authorize(groupA, before)
				m := s.edit(groupA, id, values(3306, "0.0.0.0/0"))
				s.done(m)
				assert.Empty(t, s.cloud.rules(groupA))
				r := only(t, s.alert())
				assert.Equal(t, finding.OutcomeRevoked, r.Outcome)
				assert.Equal(t, name, r.Rule.Direction)
				assert.Equal(t, id, r.Rule.SecurityGroupRuleID)
				assert.True(t, r.Edited)
				assert.False(t, r.FromRequest, "the group has shown it")
				assert.Equal(t, 1, s.cloud.reads())
			})
		})
	}
}

func TestAnEditOfEgressIsNotTakenForIngress(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		id := s.cloud.authorize(groupA, out(5432, "10.0.0.0/8"))
		s.done(s.edit(groupA, id, out(5432, "40.0.0.0/8")))
		assert.Len(t, s.cloud.rules(groupA), 1)
		assert.Empty(t, s.alerts)
	})
}

func TestAnEditIsClosedAtOnceThoughReadsShowWhatWasThereBefore(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		id := s.cloud.authorize(groupA, in(3306, "10.0.0.0/8"))
		time.Sleep(time.Minute)
		s.cloud.lag = 20 * time.Second
		m := s.edit(groupA, id, in(3306, "0.0.0.0/0"))
		started := time.Now()
		s.done(m)
		assert.Empty(t, s.cloud.rules(groupA))
		assert.Equal(t, finding.OutcomeRevoked, only(t, s.alert()).Outcome)
		assert.Zero(t, time.Since(started))
	})
}

func TestAnEditThatWasEditedAgainIsJudgedByItsPresentValues(t *testing.T) {
	for name, c := range map[string]struct {
		now   string
		age   time.Duration
		rules []string
		told  []string
	}{
		"compliant, young": {"10.1.0.0/16", 0, []string{"in tcp 3306-3306 10.1.0.0/16"}, nil},
		"compliant, old":   {"10.1.0.0/16", time.Hour, []string{"in tcp 3306-3306 10.1.0.0/16"}, nil},
		"forbidden, young": {"128.0.0.0/2", 0, []string{}, []string{"revoked 128.0.0.0/2"}},
		"forbidden, old":   {"128.0.0.0/2", time.Hour, []string{}, []string{"revoked 128.0.0.0/2"}},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				id := s.cloud.authorize(groupA, in(3306, "10.0.0.0/8"))
				m := s.edit(groupA, id, in(3306, "0.0.0.0/0"))
				s.cloud.edit(groupA, id, in(3306, c.now))
				time.Sleep(c.age)
				s.done(m)
				assert.Equal(t, c.rules, s.cloud.rules(groupA))
				if c.told == nil {
					assert.Empty(t, s.alerts)
				} else {
					assert.Equal(t, c.told, told(s.alert()))
				}
			})
		})
	}
}

func TestAnEditedRuleThatIsGoneIsToldAsClosed(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		id := s.cloud.authorize(groupA, in(3306, "10.0.0.0/8"))
		m := s.edit(groupA, id, in(3306, "0.0.0.0/0"))
		s.cloud.remove(groupA, id)

		require.Error(t, s.deliver(m)[0], "while reads may lag, a rule that is not shown is not known to be gone")
		assert.Empty(t, s.alerts)
		time.Sleep(3 * time.Minute)
		s.done(again(m))
		assert.Equal(t, finding.OutcomeAlreadyClosed, only(t, s.alert()).Outcome)
		assert.Zero(t, s.cloud.revokes())
	})
}

// typed is the message of a call of which the record has what the caller typed
// and no answer.
func (s *stage) typed(groupID, groupName string, rules ...types.SecurityGroupRule) remediation.Message {
	c := s.change(groupID)
	c.GroupName, c.RulesFrom = groupName, cloudtrail.RulesFromRequest
	for _, r := range rules {
		c.Rules = append(c.Rules, s.rule(groupID, "", r))
	}
	m := s.detected(c)
	require.Equal(s.t, finding.DecisionInspect, m.Detection.Decision)
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
		assert.Equal(t, id, r.Rule.SecurityGroupRuleID)
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

func TestAGroupThatIsGoneIsToldAsClosed(t *testing.T) {
	t.Run("by id", func(t *testing.T) {
		onStage(t, closing, func(s *stage) {
			m := s.open(groupA, in(3306, "0.0.0.0/0"))
			delete(s.cloud.groups, groupA)
			s.done(m)
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

// unknown is the message of a call of which the record leaves out the rules.
func (s *stage) unknown(groupID string) remediation.Message {
	c := s.change(groupID)
	c.RulesFrom = cloudtrail.RulesUnknown
	return s.detected(c)
}

func TestAGroupWhoseChangeIsNotToldIsJudgedWhole(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		for _, r := range []types.SecurityGroupRule{
			in(3306, "0.0.0.0/0"), in(3306, "10.0.0.0/8"), in(8080, "0.0.0.0/0"), in(443, "0.0.0.0/0"),
			in(3306, lower), in(3306, upper), out(3306, "2000::/3"),
		} {
			s.cloud.authorize(groupA, r)
		}
		s.done(s.unknown(groupA))
		assert.Equal(t, []string{"in tcp 3306-3306 10.0.0.0/8", "in tcp 8080-8080 0.0.0.0/0", "in tcp 443-443 0.0.0.0/0",
			"in tcp 3306-3306 " + lower, "in tcp 3306-3306 " + upper}, s.cloud.rules(groupA),
			"what is forbidden only together is told, as nobody knows which call did it")
		a := s.alert()
		assert.Equal(t, []string{"revoked 0.0.0.0/0", "alerted 0.0.0.0/0", "alerted " + lower, "alerted " + upper, "revoked 2000::/3"}, told(a))
		assert.Nil(t, a.Findings[0].ExposureSeconds, "the rule may be older than the event")
		ids := map[string]bool{}
		for _, r := range a.Findings {
			ids[r.ID] = true
		}
		assert.Len(t, ids, 5)
	})
}

func TestAGroupWhoseChangeIsNotToldIsReadOnceReadsHaveCaughtUp(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.lag = 4 * time.Second
		s.cloud.authorize(groupA, in(3306, "0.0.0.0/0"))
		s.done(s.unknown(groupA))
		assert.Empty(t, s.cloud.rules(groupA))
	})
}

func TestACompliantGroupWhoseChangeIsNotToldAlertsNobody(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, "10.0.0.0/8"))
		s.done(s.unknown(groupA))
		assert.Empty(t, s.alerts)
	})
}

func TestWhoMadeTheRulesOfAWholeGroupIsNotKnown(t *testing.T) {
	const document = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - id: database
    severity: high
    effect: revoke
    ingress: {from: world, ports: [3306/tcp]}
    unless: {actors: ["arn:aws:iam::123456789012:role/deploy"]}
`
	onStage(t, document, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, "0.0.0.0/0"))
		s.done(s.unknown(groupA))
		assert.Len(t, s.cloud.rules(groupA), 1, "a clause on the actor might have exempted it")
		assert.Equal(t, finding.OutcomeAlerted, only(t, s.alert()).Outcome)

		s.alerts = nil
		s.done(s.open(groupB, in(3306, "0.0.0.0/0")))
		assert.Empty(t, s.cloud.rules(groupB))
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
					assert.Contains(t, r.Reasons[len(r.Reasons)-1], "InvalidPrefixListID.NotFound")
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

func TestAGroupThatMayNotBeReadIsToldAtOnce(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.fault = failing("UnauthorizedOperation", "DescribeSecurityGroupRules")
		m := s.open(groupA, in(3306, lower), in(3306, upper))
		require.Error(t, s.deliver(m)[0])
		assert.Equal(t, []string{"failed " + lower, "failed " + upper}, told(s.alert()))
		assert.Len(t, s.cloud.rules(groupA), 2)
	})
}

func TestWhatNeedsNoReadIsToldBeforeAGroupIsWaitedFor(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.lag = time.Hour
		waiting := s.open(groupA, in(3306, lower), in(3306, upper))
		atOnce := s.open(groupB, in(3306, "0.0.0.0/0"))
		var toldAfter time.Duration
		started := time.Now()
		s.publishing = func() error { toldAfter = time.Since(started); return nil }
		errs := s.deliver(waiting, atOnce)
		assert.Error(t, errs[0])
		assert.NoError(t, errs[1])
		assert.Equal(t, atOnce.Detection.Event.EventID, s.alert().Event.EventID)
		assert.Zero(t, toldAfter)
	})
}

func TestReferencedGroupsAreToldApartByTheirOwner(t *testing.T) {
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
