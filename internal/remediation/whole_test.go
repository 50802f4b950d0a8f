package remediation_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
)

// unknown is the message of a call of which the record leaves out the rules.
func (s *stage) unknown(groupID string) remediation.Message {
	c := s.change(groupID)
	c.From = cloudtrail.RulesUnknown
	return s.detected(c)
}

func TestAGroupWithUnknownChangesIsJudgedWhole(t *testing.T) {
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
		assert.ElementsMatch(t, []string{"revoked 0.0.0.0/0", "alerted 0.0.0.0/0", "alerted " + lower, "alerted " + upper, "revoked 2000::/3"}, s.told())
		ids := map[string]bool{}
		for _, a := range s.alerts {
			for _, r := range a.Findings {
				ids[r.ID] = true
				assert.Nil(t, r.ExposureSeconds, "the rule may be older than the event")
			}
		}
		assert.Len(t, ids, 5)
	})
}

func TestAGroupWithUnknownChangesIsReadOnceReadsHaveCaughtUp(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.lag = 4 * time.Second
		s.cloud.authorize(groupA, in(3306, "0.0.0.0/0"))
		s.done(s.unknown(groupA))
		assert.Empty(t, s.cloud.rules(groupA))
	})
}

func TestACompliantGroupWithUnknownChangesAlertsNobody(t *testing.T) {
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

func TestARuleOfTheEventIsNotReportedTwiceWithItsGroup(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, "10.0.0.0/8"))
		m := s.open(groupA, in(8080, "0.0.0.0/0"))
		m.Detection.Findings = append(m.Detection.Findings, s.unknown(groupA).Detection.Findings...)
		time.Sleep(10 * time.Second)
		s.done(m)
		assert.Equal(t, []string{"alerted 0.0.0.0/0"}, told(s.alert()))
	})
}

// A peer of a kind that EC2 has added since is a rule that has none of the known ones.
func newKind(port int32) types.SecurityGroupRule {
	r := in(port, "0.0.0.0/0")
	r.CidrIpv4 = nil
	return r
}

func TestARuleOfAnUnknownKindShieldsNoOther(t *testing.T) {
	for name, message := range map[string]func(*stage) remediation.Message{
		"a record without its rules": func(s *stage) remediation.Message {
			s.cloud.authorize(groupA, in(3306, "0.0.0.0/0"))
			return s.unknown(groupA)
		},
		"a sum": func(s *stage) remediation.Message { return s.open(groupA, in(3306, lower), in(3306, upper)) },
		"an edit": func(s *stage) remediation.Message {
			return s.edit(groupA, s.cloud.authorize(groupA, in(3306, "10.0.0.0/8")), in(3306, "0.0.0.0/0"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				strange := s.cloud.authorize(groupA, newKind(5432))
				m := message(s)
				time.Sleep(10 * time.Second)
				s.done(m)
				assert.Equal(t, []string{"in tcp 5432-5432 "}, s.cloud.rules(groupA))
				var unread finding.Result
				for _, a := range s.alerts {
					for _, r := range a.Findings {
						if r.Rule == nil {
							unread = r
							continue
						}
						assert.Equal(t, finding.OutcomeRevoked, r.Outcome)
					}
				}
				assert.Nil(t, unread.Rule)
				assert.Equal(t, finding.OutcomeAlerted, unread.Outcome)
				assert.Equal(t, policy.Undetermined, unread.Verdict)
				assert.Equal(t, groupA, unread.GroupID)
				assert.Contains(t, unread.Reasons[0].String(), strange)
			})
		})
	}
}

func TestARuleOfAnUnknownKindIsNoReasonToDoubtARevoke(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.unlisted = true // so that the closer has to look
		s.cloud.authorize(groupA, newKind(5432))
		s.done(s.open(groupA, in(3306, "0.0.0.0/0")))
		assert.Equal(t, []string{"revoked 0.0.0.0/0"}, told(s.alert()))
	})
}
