package remediation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/remediation"
)

func TestWhatWasClosedAndReportedIsCounted(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"), in(5432, "2000::/3"), in(8080, "0.0.0.0/0"), in(6379, "0.0.0.0/0"))
		time.Sleep(1500 * time.Millisecond)
		s.done(m)
		assert.Equal(t, map[string][]float64{"Revoked": {2}, "ExposureSeconds": {1.5, 1.5}, "Alerted": {1}}, s.metrics, "an exempt rule is none")
	})
}

func TestObserveModeCountsWhatItWouldHaveClosed(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.mode = finding.Observe
		s.done(s.open(groupA, in(3306, "0.0.0.0/0")))
		assert.Equal(t, map[string][]float64{"WouldRevoke": {1}}, s.metrics)
	})
}

func TestARuleThatAnotherRemovedFirstIsCountedAsSuch(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		s.cloud.remove(groupA, m.Detection.Findings[0].Rule.ID)
		s.done(m)
		assert.Equal(t, map[string][]float64{"AlreadyClosed": {1}}, s.metrics)
	})
}

// An alert that could not be published has the message retried, and the rule is gone by then.
func TestARetryCountsNoClosingAgain(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.publishing = func(finding.Alert) error { return errPublish }
		m := s.open(groupA, in(3306, "0.0.0.0/0"), in(8080, "0.0.0.0/0"))
		require.ErrorIs(t, s.deliver(m)[0], errPublish)
		assert.Equal(t, 1, s.counted("Revoked"), "the try that closed it counts it")
		assert.Zero(t, s.counted("Alerted"), "nobody has heard of it yet")
		s.publishing = nil
		s.done(again(m))
		assert.Equal(t, [3]int{1, 1, 0}, [3]int{s.counted("Revoked"), s.counted("Alerted"), s.counted("AlreadyClosed")})
	})
}

func TestEachFailedTryIsCounted(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.fault = failing("UnauthorizedOperation", "Revoke")
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		require.Error(t, s.deliver(m)[0])
		require.Error(t, s.deliver(again(m))[0])
		s.cloud.fault = nil
		s.done(again(again(m)))
		assert.Equal(t, [2]int{2, 1}, [2]int{s.counted("Failed"), s.counted("Revoked")})
		assert.Len(t, s.metrics["ExposureSeconds"], 1)
	})
}

// EventBridge and SQS deliver at least once.
func TestASecondDeliveryCountsNoSecondClosing(t *testing.T) {
	for name, deliver := range map[string]func(s *stage, m remediation.Message){
		"in one batch": func(s *stage, m remediation.Message) { s.done(m, m) },
		"later":        func(s *stage, m remediation.Message) { s.done(m); s.done(m) },
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				deliver(s, s.open(groupA, in(3306, "0.0.0.0/0")))
				assert.Equal(t, 1, s.counted("Revoked"))
				assert.Len(t, s.metrics["ExposureSeconds"], 1)
			})
		})
	}
}

// Rules that a group has to be read for travel in a message of their own.
func TestChosenRulesAreCountedOnceByTheMessageThatClosesThem(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.edit(groupA, s.cloud.authorize(groupA, in(3306, "10.0.0.0/8")), in(3306, "0.0.0.0/0"))
		s.done(m)
		assert.Empty(t, s.cloud.rules(groupA))
		assert.Equal(t, map[string][]float64{"Revoked": {1}, "ExposureSeconds": {0}}, s.metrics)
	})
}
