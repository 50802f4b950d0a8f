package remediation_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
)

func TestOfACallThatNamesNoGroupTheSuspectsAreReported(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.lag = 4 * time.Second
		s.cloud.authorize(groupA, in(3306, "10.0.0.0/8"))
		s.cloud.authorize(groupA, in(8080, "0.0.0.0/0"))
		s.cloud.authorize(groupA, in(6379, "0.0.0.0/0")) // an exception allows it
		m := s.unknown("")
		id := s.cloud.authorize(groupB, in(3306, "0.0.0.0/0"))
		s.cloud.authorize(groupB, in(5432, lower))
		s.cloud.authorize(groupB, in(5432, upper))
		s.done(m)
		assert.Zero(t, s.cloud.revokes(), "an older rule looks the same")
		a := s.alert()
		require.Equal(t, []string{"alerted no rule", "alerted 0.0.0.0/0", "alerted " + lower, "alerted " + upper}, told(a))
		assert.Contains(t, a.Findings[0].Reasons[1].String(), "of the region's 6 rules, 3 are forbidden by the policy")
		r := a.Findings[1]
		assert.Equal(t, groupB, r.GroupID)
		assert.Equal(t, id, r.Rule.ID)
		assert.Equal(t, policy.Revoke, r.Verdict)
		assert.Equal(t, policy.High, r.Severity)
		assert.Contains(t, r.Left, "may be one of them, or older")
		assert.Nil(t, r.ExposureSeconds, "it may be older")
	})
}

func TestACallThatNamesNoGroupIsReportedThoughNothingCanBeRead(t *testing.T) {
	for name, fault := range map[string]string{"denied": "UnauthorizedOperation", "throttled": "RequestLimitExceeded"} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				s.cloud.fault = failing(fault, "Describe")
				s.done(s.unknown(""))
				r := only(t, s.alert())
				assert.Equal(t, finding.OutcomeAlerted, r.Outcome)
				assert.Contains(t, r.Reasons[1].String(), "could not be read: EC2 says "+fault)
			})
		})
	}
}

func TestAnAlertNamesNoMoreSuspectsThanPeopleCanRead(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		for i := range 60 {
			id := fmt.Sprintf("sg-%017x", i)
			s.cloud.group(id)
			s.cloud.authorize(id, in(3306, "0.0.0.0/0"))
		}
		s.done(s.unknown(""))
		a := s.alert()
		assert.Len(t, a.Findings, 51)
		assert.Contains(t, a.Findings[0].Reasons[1].String(), "60 are forbidden")
	})
}

func TestARegionWithTooManyRulesIsReadInPart(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		for i := range 101 { // the cloud's pages hold five
			s.cloud.authorize(groupA, in(int32(1+i), "10.0.0.0/8"))
		}
		s.done(s.unknown(""))
		assert.Contains(t, only(t, s.alert()).Reasons[1].String(), "of the first 100 rules of the region (it has more), 0 are forbidden")
		assert.Equal(t, 20, s.cloud.reads())
	})
}

func TestTheRegionIsReadOnceForABatch(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, "0.0.0.0/0"))
		s.done(s.unknown(""), s.unknown(""), s.unknown(""))
		assert.Equal(t, 1, s.cloud.reads())
		require.Len(t, s.alerts, 3)
		for _, a := range s.alerts {
			assert.Equal(t, []string{"alerted no rule", "alerted 0.0.0.0/0"}, told(a))
		}
	})
}
