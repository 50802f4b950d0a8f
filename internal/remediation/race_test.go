package remediation_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
)

// quick makes narrow rules, call after call, any two of which are the line. The
// group holds all of them before the first event comes.
func (s *stage) quick() []remediation.Message {
	var calls []remediation.Message
	for _, cidr := range []string{"16.0.0.0/10", "40.0.0.0/10", "52.0.0.0/10", "64.0.0.0/10"} {
		calls = append(calls, s.open(groupA, in(3306, cidr)))
		time.Sleep(time.Second)
	}
	return calls
}

func TestOfCallsInQuickSuccessionThoseThatCrossTheLineAreClosed(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		calls := s.quick()
		s.done(calls[2], calls[0], calls[3], calls[1])
		assert.Equal(t, []string{"in tcp 3306-3306 16.0.0.0/10"}, s.cloud.rules(groupA))
		require.Len(t, s.alerts, 3)
		assert.Equal(t, []string{"revoked 40.0.0.0/10"}, told(s.alertOf(calls[1])))
		assert.Equal(t, []string{"revoked 52.0.0.0/10"}, told(s.alertOf(calls[2])))
		assert.Equal(t, []string{"revoked 64.0.0.0/10"}, told(s.alertOf(calls[3])))
	})
}

func TestCallsInQuickSuccessionThatComeOneByOneAreReported(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		for _, m := range s.quick() {
			s.done(m)
			a := s.alertOf(m)
			r := only(t, a)
			assert.Equal(t, finding.OutcomeAlerted, r.Outcome)
			assert.Equal(t, policy.Revoke, r.Verdict)
			assert.True(t, r.Union)
			assert.Len(t, r.With, 3)
			assert.Contains(t, r.Left, "unknown which call")
		}
		assert.Len(t, s.cloud.rules(groupA), 4, "which of them crossed the threshold is not known")
	})
}

func TestAGroupAtTheThresholdIsReportedWhereItsTrafficIsShared(t *testing.T) {
	for name, c := range map[string]struct {
		rule   types.SecurityGroupRule
		alerts int
	}{
		"the same port":         {in(3306, "52.1.2.3/32"), 1},
		"a range with the port": {ranged(false, "tcp", 3000, 4000, "52.1.2.3/32"), 1},
		"another port":          {in(5432, "52.1.2.3/32"), 0},
		"another protocol":      {ranged(false, "udp", 3306, 3306, "52.1.2.3/32"), 0},
		"the other family":      {in(3306, "2a00:1450::/48"), 0},
		"a private network":     {in(3306, "10.1.0.0/16"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				for _, cidr := range []string{lower, upper, "52.0.0.0/10"} {
					s.cloud.authorize(groupA, in(3306, cidr))
				}
				s.done(s.open(groupA, c.rule))
				assert.Len(t, s.cloud.rules(groupA), 4)
				assert.Zero(t, s.cloud.revokes())
				require.Len(t, s.alerts, c.alerts)
				for _, a := range s.alerts {
					r := only(t, a)
					assert.Equal(t, finding.OutcomeAlerted, r.Outcome)
					assert.Len(t, r.With, 3)
				}
			})
		})
	}
}

func TestAForbiddenRuleDoesNotHideAUnion(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, lower))
		covering, half := s.open(groupA, in(3306, "0.0.0.0/0")), s.open(groupA, in(3306, upper))
		s.done(half) // while the covering rule stands
		s.done(covering)
		assert.Equal(t, []string{"in tcp 3306-3306 " + lower}, s.cloud.rules(groupA))
		assert.Equal(t, []string{"revoked " + upper}, told(s.alertOf(half)))
	})
}

func TestAForbiddenRuleIsClosedThoughItsNeighbourCannotBeJudged(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		byList := types.SecurityGroupRule{IsEgress: aws.Bool(false), IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306),
			ToPort: aws.Int32(3306), PrefixListId: aws.String("pl-0123456789abcdef0")}
		s.cloud.authorize(groupA, in(3306, "0.0.0.0/0"))
		s.cloud.authorize(groupA, byList)
		m := s.typed(groupA, "", in(3306, "0.0.0.0/0"), byList)
		s.cloud.fault = failing("RequestLimitExceeded", "GetManagedPrefixListEntries")
		require.ErrorContains(t, s.deliver(m)[0], "RequestLimitExceeded")
		assert.Equal(t, []string{"in tcp 3306-3306 pl-0123456789abcdef0"}, s.cloud.rules(groupA))

		s.cloud.fault = nil
		s.cloud.lists["pl-0123456789abcdef0"] = []string{"10.0.0.0/8"}
		time.Sleep(3 * time.Minute)
		s.done(again(m))
		assert.Equal(t, []string{"revoked 0.0.0.0/0", "already_closed 0.0.0.0/0"}, s.told())
	})
}

const closingButForAdmins = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - id: database
    severity: high
    effect: revoke
    ingress: {from: world, ports: [3306/tcp, 5432/tcp]}
    unless: {actors: ["arn:aws:iam::123456789012:user/admin"]}
`

func TestAnOldEventTakesNoRuleThatSomebodyElseMadeSince(t *testing.T) {
	for name, sentAgain := range map[string]bool{"its own rule": false, "another with its values": true} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closingButForAdmins, func(s *stage) {
				m := s.open(groupA, in(3306, "0.0.0.0/0"))
				if sentAgain {
					s.done(m)
					s.alerts = nil
					s.cloud.authorize(groupA, in(3306, "0.0.0.0/0")) // by an admin, whose event says none
				}
				time.Sleep(24 * time.Hour)
				s.done(m)
				if sentAgain {
					assert.Len(t, s.cloud.rules(groupA), 1)
					assert.Equal(t, []string{"already_closed 0.0.0.0/0"}, told(s.alert()))
				} else {
					assert.Empty(t, s.cloud.rules(groupA))
					assert.Equal(t, []string{"revoked 0.0.0.0/0"}, told(s.alert()))
				}
			})
		})
	}
}

func TestALateEventClosesItsRuleOnceTheGroupHasShownIt(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		time.Sleep(24 * time.Hour)
		s.done(m)
		assert.Empty(t, s.cloud.rules(groupA))
		assert.Equal(t, 1, s.cloud.reads())
		assert.Equal(t, 1, s.cloud.revokes())
	})
}

func TestWhatALaterCallMadeOfAnEditedRuleIsNotTheFirstActors(t *testing.T) {
	onStage(t, closingButForAdmins, func(s *stage) {
		id := s.cloud.authorize(groupA, in(3306, "10.0.0.0/8"))
		m := s.edit(groupA, id, in(3306, "0.0.0.0/0"))
		s.cloud.edit(groupA, id, in(5432, "0.0.0.0/0")) // by an admin
		s.done(m)
		assert.Equal(t, []string{"in tcp 5432-5432 0.0.0.0/0"}, s.cloud.rules(groupA))
		r := only(t, s.alert())
		assert.Equal(t, "already_closed 0.0.0.0/0", told(s.alert())[0])
		assert.True(t, r.EditedBack, "and the admin's own event tells of the other")
	})
}

func TestGroupsAreWaitedForAtTheSameTime(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		var ms []remediation.Message
		for i := range 60 { // narrow rules that were taken away at once
			id := fmt.Sprintf("sg-%017x", i)
			s.cloud.group(id)
			m := s.open(id, in(3306, lower))
			s.cloud.remove(id, m.Detection.Findings[0].Rule.ID)
			ms = append(ms, m)
		}
		started := time.Now()
		for _, err := range s.deliver(ms...) {
			assert.ErrorContains(t, err, "does not show the rule yet")
		}
		assert.Less(t, time.Since(started), 8*time.Second)
	})
}

func TestAYoungRevokeThatFindsNoGroupIsNotReportedAsClosed(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		asked := 0
		s.cloud.fault = func(context.Context, string, string) error {
			if asked++; asked == 1 { // the group is a second old, and EC2 does not know it everywhere
				return apiError("InvalidGroup.NotFound")
			}
			return nil
		}
		require.ErrorContains(t, s.deliver(m)[0], "no such security group")
		assert.Empty(t, s.alerts)
		time.Sleep(3 * time.Minute)
		s.done(again(m))
		assert.Empty(t, s.cloud.rules(groupA))
		assert.Equal(t, []string{"revoked 0.0.0.0/0"}, told(s.alert()))
	})
}

func TestWhatACallerTypedIsClosedThoughTheGroupCannotBeRead(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, "0.0.0.0/0"))
		s.cloud.authorize(groupA, in(3306, lower))
		m := s.typed(groupA, "", in(3306, "0.0.0.0/0"), in(3306, lower))
		s.cloud.fault = failing("RequestLimitExceeded", "Describe")
		require.ErrorContains(t, s.deliver(m)[0], "RequestLimitExceeded")
		assert.Equal(t, []string{"in tcp 3306-3306 " + lower}, s.cloud.rules(groupA), "without the group nobody knows what it adds up to")

		s.cloud.fault = nil
		time.Sleep(3 * time.Minute)
		s.done(again(m))
		assert.Equal(t, []string{"revoked 0.0.0.0/0", "already_closed 0.0.0.0/0"}, s.told())
	})
}

func TestAnOldEventTakesNoRuleOfSomebodyElseThoughTheGroupHasToBeReadFirst(t *testing.T) {
	const document = closingButForAdmins + `
exceptions:
  - {id: honeypot, reason: research, owner: security@example.com, expires: 2099-12-31, match: {vpcs: [vpc-0fedcba9876543210]}}
`
	onStage(t, document, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		s.done(m)
		s.alerts = nil
		s.cloud.authorize(groupA, in(3306, "0.0.0.0/0")) // by an admin, whose event says none
		time.Sleep(24 * time.Hour)
		s.done(m)
		assert.Len(t, s.cloud.rules(groupA), 1)
		assert.Equal(t, []string{"already_closed 0.0.0.0/0"}, told(s.alert()))
	})
}

func TestAnOldEventThatNamesNoRuleTakesNoneThatSomebodyElseMayHaveMade(t *testing.T) {
	onStage(t, closingButForAdmins, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, "0.0.0.0/0")) // by an admin, whose event says none
		m := s.typed(groupA, "", in(3306, "0.0.0.0/0"))  // by somebody else, once
		time.Sleep(24 * time.Hour)
		s.done(m)
		assert.Len(t, s.cloud.rules(groupA), 1)
		r := only(t, s.alert())
		assert.Equal(t, finding.OutcomeAlerted, r.Outcome)
		assert.Equal(t, policy.Undetermined, r.Verdict)
	})
}
