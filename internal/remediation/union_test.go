package remediation_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
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
		require.Equal(t, policy.Revoke, m.Detection.Verdict)
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
		require.Equal(t, policy.Undetermined, m.Detection.Verdict)
		s.done(m)
		assert.Equal(t, []string{"in tcp 3306-3306 " + lower}, s.cloud.rules(groupA))
		r := only(t, s.alert())
		assert.Equal(t, finding.OutcomeRevoked, r.Outcome)
		assert.Equal(t, policy.Revoke, r.Verdict)
		require.Len(t, r.With, 1)
		assert.Equal(t, lower, r.With[0].Permission.Peer.String())
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
				require.Equal(t, policy.Undetermined, m.Detection.Verdict)
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

func TestAHalfBesideAClosedWorldIsStillClosed(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		// The read still shows the world after it was closed: were it counted, the half
		// would cross nothing.
		s.cloud.authorize(groupA, in(3306, lower))
		m := s.open(groupA, in(3306, "0.0.0.0/0"), in(3306, upper))
		time.Sleep(5 * time.Second)
		s.cloud.lag = 4 * time.Second
		s.done(m)
		assert.Equal(t, []string{"in tcp 3306-3306 " + lower}, s.cloud.rules(groupA))
	})
}

func TestAForgedCompanionRemovesNothing(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, lower))
		held := s.cloud.groups[groupA].rules[0]
		c := s.change(groupA)
		c.Rules = []secgroup.Rule{s.rule(groupA, *held.SecurityGroupRuleId, held), s.rule(groupA, "sgr-0fedcba9876543210", in(3306, upper))}
		m := s.detected(c)
		require.Equal(t, policy.Revoke, m.Detection.Verdict)

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

func TestHalvesWhoseAlertWasNotPublishedAreReportedLater(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.publishing = func(finding.Alert) error { return errPublish }
		m := s.open(groupA, in(3306, lower), in(3306, upper))
		s.done(m)
		require.Empty(t, s.cloud.rules(groupA))
		s.publishing = nil

		time.Sleep(3 * time.Minute)
		s.done(again(s.returned[0]))
		assert.Equal(t, []string{"revoked " + lower, "revoked " + upper}, told(s.alert()))
		assert.True(t, s.alert().Findings[0].MaybeEarlier)
	})
}

func TestOfHalvesOneOfWhichIsGoneTheOtherStays(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, lower), in(3306, upper))
		s.cloud.remove(groupA, m.Detection.Findings[1].Rule.ID)
		time.Sleep(3 * time.Minute)
		s.done(m)
		assert.Equal(t, []string{"in tcp 3306-3306 " + lower}, s.cloud.rules(groupA))
		assert.Equal(t, []string{"already_closed " + upper}, told(s.alert()), "together they were an opening")
	})
}

func TestAStandingPrefixListCanCompleteTheWorld(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.lists["pl-0123456789abcdef0"] = []string{"10.0.0.0/8", lower}
		s.cloud.authorize(groupA, types.SecurityGroupRule{IsEgress: aws.Bool(false), IpProtocol: aws.String("tcp"),
			FromPort: aws.Int32(3306), ToPort: aws.Int32(3306), PrefixListId: aws.String("pl-0123456789abcdef0")})
		s.done(s.open(groupA, in(3306, upper)))
		assert.Equal(t, []string{"in tcp 3306-3306 pl-0123456789abcdef0"}, s.cloud.rules(groupA))
		r := only(t, s.alert())
		assert.Equal(t, finding.OutcomeRevoked, r.Outcome)
		require.Len(t, r.With, 1)
		assert.Equal(t, "pl-0123456789abcdef0", r.With[0].Permission.Peer.PrefixList())
	})
}

func TestAWorldThatAnotherMessageClosedCountsNoMore(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, lower))
		world, half := s.open(groupA, in(3306, "0.0.0.0/0")), s.open(groupA, in(3306, upper))
		time.Sleep(10 * time.Second)
		s.cloud.lag = 5 * time.Second // the world is still shown after it was closed
		s.done(world, half)
		assert.Equal(t, []string{"in tcp 3306-3306 " + lower}, s.cloud.rules(groupA))
		assert.Len(t, s.alerts, 2)
	})
}

func TestHalvesThatCameTwiceInABatchAreReportedAlike(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, lower), in(3306, upper))
		s.inTurn = true
		s.done(m, m)
		assert.Empty(t, s.cloud.rules(groupA))
		assert.Equal(t, []string{"revoked " + lower, "revoked " + upper}, s.told())
		require.Len(t, s.returned, 1, "a read that does not show them may lag")
		time.Sleep(3 * time.Minute)
		s.done(again(s.returned[0]))
		assert.Equal(t, told(s.alerts[0]), told(s.alerts[1]))
	})
}
