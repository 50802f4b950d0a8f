package remediation_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
)

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
				assert.Equal(t, name, r.Rule.Permission.Direction.String())
				assert.Equal(t, id, r.Rule.ID)
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
		"compliant, young": {"10.1.0.0/16", 0, []string{"in tcp 3306-3306 10.1.0.0/16"}, []string{"already_closed 0.0.0.0/0"}},
		"compliant, old":   {"10.1.0.0/16", time.Hour, []string{"in tcp 3306-3306 10.1.0.0/16"}, []string{"already_closed 0.0.0.0/0"}},
		"forbidden, young": {"128.0.0.0/2", 0, []string{}, []string{"already_closed 0.0.0.0/0", "revoked 128.0.0.0/2"}},
		"forbidden, old":   {"128.0.0.0/2", time.Hour, []string{}, []string{"already_closed 0.0.0.0/0", "revoked 128.0.0.0/2"}},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				id := s.cloud.authorize(groupA, in(3306, "10.0.0.0/8"))
				m := s.edit(groupA, id, in(3306, "0.0.0.0/0"))
				s.cloud.edit(groupA, id, in(3306, c.now))
				time.Sleep(c.age)
				s.done(m)
				assert.Equal(t, c.rules, s.cloud.rules(groupA))
				assert.ElementsMatch(t, c.told, s.told(), "that it was open, and what is closed of it")
				for _, a := range s.alerts {
					for _, r := range a.Findings {
						isEdit := r.Rule.Permission.Peer.String() == "0.0.0.0/0"
						assert.Equal(t, isEdit, r.EditedBack)
						assert.Equal(t, isEdit, r.ExposureSeconds != nil)
					}
				}
			})
		})
	}
}

func TestAnEditedRuleThatIsGoneIsReportedAsClosed(t *testing.T) {
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

func TestAnEditThatOnlyAlertsIsReportedThoughReadsLag(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		id := s.cloud.authorize(groupA, in(8080, "10.0.0.0/8"))
		time.Sleep(time.Minute)
		s.cloud.lag = 3 * time.Second
		s.done(s.edit(groupA, id, in(8080, "0.0.0.0/0")))
		assert.Equal(t, []string{"alerted 0.0.0.0/0"}, told(s.alert()))
	})
}
