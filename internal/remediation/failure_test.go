package remediation_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

func TestOneDeniedGroupStopsNoOtherAndIsReportedOnEveryTry(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.fault = func(_ context.Context, action, groupID string) error {
			if groupID == groupA && strings.HasPrefix(action, "Revoke") {
				return apiError("UnauthorizedOperation")
			}
			return nil
		}
		denied, other := s.open(groupA, in(3306, "0.0.0.0/0")), s.open(groupB, in(3306, "0.0.0.0/0"))

		errs := s.deliver(denied, other)

		require.Error(t, errs[0])
		assert.ErrorContains(t, errs[0], "UnauthorizedOperation")
		assert.NoError(t, errs[1])
		assert.Empty(t, s.cloud.rules(groupB))
		require.Len(t, s.alerts, 2)
		failed := only(t, s.alertOf(denied))
		assert.Equal(t, finding.OutcomeFailed, failed.Outcome)
		assert.Equal(t, policy.Critical, failed.Severity)
		assert.Equal(t, "UnauthorizedOperation", failed.ErrorCode)
		assert.Equal(t, "EC2 says UnauthorizedOperation", failed.ErrorMessage)
		assert.Contains(t, s.log.String(), `"msg":"revoke failed"`)

		s.alerts = nil
		require.Error(t, s.deliver(again(denied))[0])
		assert.Equal(t, [2]int{2, 5}, [2]int{s.alert().Try, s.alert().Tries})
	})
}

func TestARepeatDoesNotAnnounceAgainWhatWasDone(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.fault = failing("UnauthorizedOperation", "RevokeSecurityGroupEgress")
		m := s.open(groupA, in(3306, "0.0.0.0/0"), out(3306, "0.0.0.0/0"))
		for range 5 {
			require.Error(t, s.deliver(m)[0])
			m = again(m)
		}
		require.Len(t, s.alerts, 3, "on the first two tries and the last")
		assert.Equal(t, []string{"revoked 0.0.0.0/0", "failed 0.0.0.0/0"}, told(s.alerts[0]))
		assert.Equal(t, []string{"failed 0.0.0.0/0"}, told(s.alerts[1]))
		// The last one tells all, for whoever missed the first.
		assert.Equal(t, []string{"already_closed 0.0.0.0/0", "failed 0.0.0.0/0"}, told(s.alerts[2]))
		assert.True(t, s.alerts[2].Findings[0].MaybeEarlier)
	})
}

func TestFailuresAreReportedAboutHourly(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		for code, want := range map[string][]int{
			"UnauthorizedOperation": {1, 2, 12, 22, 32, 42, 52, 60},
			"RequestLimitExceeded":  {2, 12, 22, 32, 42, 52, 60},
		} {
			s.alerts = nil
			s.cloud.fault = failing(code, "RevokeSecurityGroupIngress")
			m := s.open(groupA, in(3306, "0.0.0.0/0"))
			var tries []int
			for m.Tries = 60; m.Try <= m.Tries; m = again(m) {
				require.Error(t, s.deliver(m)[0])
				time.Sleep(6 * time.Minute)
			}
			for _, a := range s.alerts {
				tries = append(tries, a.Try)
			}
			assert.Equal(t, want, tries, code)
		}
	})
}

func TestWhatALaterTryClosesIsReportedThoughAnotherRuleStillFails(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.fault = failing("RequestLimitExceeded", "Revoke")
		m := s.open(groupA, in(3306, "0.0.0.0/0"), out(3306, "0.0.0.0/0"))
		m.Tries = 60
		for range 2 {
			require.Error(t, s.deliver(m)[0])
			m = again(m)
			time.Sleep(6 * time.Minute)
		}
		s.alerts = nil
		s.cloud.fault = failing("RequestLimitExceeded", "RevokeSecurityGroupEgress")
		require.Error(t, s.deliver(m)[0])
		assert.Equal(t, []string{"revoked 0.0.0.0/0"}, s.told())
	})
}

func TestAThrottledRevokeIsRetriedAndIsReportedOnTheSecondTryAndTheLast(t *testing.T) {
	for _, code := range []string{"RequestLimitExceeded", "InternalError", "Unavailable", "ThrottlingException"} {
		t.Run(code, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				s.cloud.fault = failing(code, "Revoke")
				m := s.open(groupA, in(3306, "0.0.0.0/0"))
				for range 5 {
					require.Error(t, s.deliver(m)[0])
					m = again(m)
				}
				require.Len(t, s.alerts, 2)
				for i, try := range []int{2, 5} {
					assert.Equal(t, [2]int{try, 5}, [2]int{s.alerts[i].Try, s.alerts[i].Tries})
					r := only(t, s.alerts[i])
					assert.Equal(t, finding.OutcomeFailed, r.Outcome)
					assert.Equal(t, code, r.ErrorCode)
				}
				assert.Equal(t, s.alerts[0].ID, s.alerts[1].ID, "one thread")
				assert.Equal(t, 5, strings.Count(s.log.String(), `"msg":"revoke failed"`))
			})
		})
	}
}

func TestAThrottledTryIsReportedWithWhatTheSilentOneBeforeItDid(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.fault = failing("RequestLimitExceeded", "RevokeSecurityGroupEgress")
		m := s.open(groupA, in(3306, "0.0.0.0/0"), out(3306, "0.0.0.0/0"))
		require.Error(t, s.deliver(m)[0])
		require.Empty(t, s.alerts)
		require.Error(t, s.deliver(again(m))[0])
		assert.Equal(t, []string{"already_closed 0.0.0.0/0", "failed 0.0.0.0/0"}, told(s.alert()))
		assert.True(t, s.alert().Findings[0].MaybeEarlier)
	})
}

func TestAThrottledRevokeIsReportedAtOnceWhereTheTriesAreNotCounted(t *testing.T) {
	for _, counted := range [][2]int{{0, 0}, {0, 5}, {1, 1}, {3, 0}} {
		onStage(t, closing, func(s *stage) {
			s.cloud.fault = failing("RequestLimitExceeded", "Revoke")
			m := s.open(groupA, in(3306, "0.0.0.0/0"))
			m.Try, m.Tries = counted[0], counted[1]
			require.Error(t, s.deliver(m)[0])
			assert.Equal(t, finding.OutcomeFailed, only(t, s.alert()).Outcome, counted)
		})
	}
}

func TestAMessageCountedFromOneMayHaveBeenDeliveredBefore(t *testing.T) {
	for name, age := range map[string]time.Duration{"redriven": 25 * time.Minute, "fresh": 0} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				m := s.open(groupA, in(3306, "0.0.0.0/0"))
				s.done(m)
				s.alerts = nil
				m.Detection.Event.EventTime = m.Detection.Event.EventTime.Add(-age)
				s.done(m)
				r := only(t, s.alert())
				assert.Equal(t, finding.OutcomeAlreadyClosed, r.Outcome)
				assert.True(t, r.MaybeEarlier)
			})
		})
	}
}

func TestAnAlertThatWasNotPublishedIsNotLost(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.publishing = func(finding.Alert) error { return errPublish }
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		require.ErrorIs(t, s.deliver(m)[0], errPublish)
		require.Empty(t, s.cloud.rules(groupA))

		s.publishing = nil
		s.done(again(m))

		r := only(t, s.alert())
		assert.Equal(t, finding.OutcomeAlreadyClosed, r.Outcome)
		assert.True(t, r.MaybeEarlier)
		assert.Equal(t, "0.0.0.0/0", r.Rule.Permission.Peer.String())
		assert.Equal(t, m.Detection.Findings[0].ID, r.ID)
	})
}

func TestARevokeWhoseAnswerWasLostIsNotReportedAsAFailure(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.afterwards = func(string, string) error { return fmt.Errorf("reading answer: connection reset") }
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		require.Error(t, s.deliver(m)[0])
		assert.Empty(t, s.alerts)

		s.cloud.afterwards = nil
		s.done(again(m))
		assert.True(t, only(t, s.alert()).MaybeEarlier)
	})
}

// The closing succeeded and its answer was lost. By the retry, moments later, the caller has made an equal rule.
func TestARetryThatClosesAnEqualRuleStillReportsItsOwn(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		revokes := 0
		s.cloud.fault = func(_ context.Context, action, _ string) error {
			if strings.HasPrefix(action, "Revoke") {
				if revokes++; revokes == 1 {
					return nil
				}
			}
			return apiError("RequestLimitExceeded")
		}
		s.cloud.afterwards = func(string, string) error { return fmt.Errorf("reading answer: connection reset") }
		m := s.open(groupA, in(3306, "52.0.0.0/8"))
		require.Error(t, s.deliver(m)[0])
		require.Empty(t, s.cloud.rules(groupA))

		s.cloud.afterwards, s.cloud.fault = nil, nil
		equal := s.open(groupA, in(3306, "52.0.0.0/8"))
		s.done(again(m))
		rule := func(m remediation.Message) string { return m.Detection.Findings[0].Rule.ID }
		results := map[string]finding.Result{}
		for _, r := range s.alert().Findings {
			results[r.Rule.ID] = r
		}
		require.Len(t, results, 2)
		assert.Equal(t, finding.OutcomeRevoked, results[rule(equal)].Outcome)
		assert.Equal(t, finding.OutcomeAlreadyClosed, results[rule(m)].Outcome)
		assert.True(t, results[rule(m)].MaybeEarlier)
		assert.Equal(t, m.Detection.Findings[0].ID, results[rule(m)].ID)
		assert.NotEqual(t, results[rule(m)].ID, results[rule(equal)].ID)
	})
}

func TestAnAlertGoesOutThoughEC2NeverAnswers(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.fault = func(ctx context.Context, action, _ string) error {
			if action == "RevokeSecurityGroupIngress" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		stuck, told := s.open(groupA, in(3306, "0.0.0.0/0")), s.open(groupA, in(8080, "0.0.0.0/0"))
		stuck.Try = 5
		started := time.Now()
		errs := s.deliver(stuck, told)
		require.Error(t, errs[0])
		require.NoError(t, errs[1])
		assert.Len(t, s.alerts, 2)
		assert.Less(t, time.Since(started), 29*time.Second)
	})
}

func TestWhatIsElsewhereOrUnnamedIsReportedAndNotTouched(t *testing.T) {
	for name, test := range map[string]struct {
		change   func(*remediation.Message)
		outcome  finding.Outcome
		severity policy.Severity
		left     string
	}{
		"account": {func(m *remediation.Message) {
			m.Detection.Findings[0].AccountID, m.Detection.Event.AccountID = "111122223333", "111122223333"
		}, finding.OutcomeAlerted, policy.High, "the group is in another account or region, where this sgward closes nothing"},
		"region": {func(m *remediation.Message) {
			m.Detection.Findings[0].Region, m.Detection.Event.Region = "us-east-1", "us-east-1"
		}, finding.OutcomeAlerted, policy.High, "the group is in another account or region, where this sgward closes nothing"},
		"group": {func(m *remediation.Message) { m.Detection.Findings[0].GroupID = "" },
			finding.OutcomeFailed, policy.Critical, "the event does not name the group"},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				m := s.open(groupA, in(3306, "0.0.0.0/0"))
				test.change(&m)
				s.done(m)
				r := only(t, s.alert())
				assert.Equal(t, test.outcome, r.Outcome)
				assert.Equal(t, test.left, r.Left)
				assert.Empty(t, r.ErrorCode+r.ErrorMessage, "EC2 was not asked")
				assert.Equal(t, test.severity, r.Severity)
				assert.Equal(t, policy.Revoke, r.Verdict)
				assert.Zero(t, s.cloud.revokes()+s.cloud.reads())
			})
		})
	}
}

func TestAnAlertGoesOutWithoutTheInterfacesItCannotRead(t *testing.T) {
	for name, fault := range map[string]func(context.Context, string, string) error{
		"denied": failing("UnauthorizedOperation", "DescribeNetworkInterfaces"),
		"hangs": func(ctx context.Context, action, _ string) error {
			if action != "DescribeNetworkInterfaces" {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				s.cloud.fault = fault
				started := time.Now()
				s.done(s.open(groupA, in(3306, "0.0.0.0/0")))
				assert.Equal(t, finding.OutcomeRevoked, only(t, s.alert()).Outcome)
				assert.NotEmpty(t, s.alert().ExposedError)
				assert.LessOrEqual(t, time.Since(started), 2*time.Second)
			})
		})
	}
}

func TestAFindingThatIsNoRuleFailsItsMessageAlone(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		good, bad := s.open(groupA, in(3306, "0.0.0.0/0")), s.open(groupB, in(3306, "0.0.0.0/0"))
		bad.Detection.Findings[0].Rule.Permission.Peer = secgroup.Peer{}
		errs := s.deliver(bad, good)
		assert.ErrorContains(t, errs[0], "findings[0].rule")
		assert.NoError(t, errs[1])
		assert.Empty(t, s.cloud.rules(groupA))
		assert.Len(t, s.cloud.rules(groupB), 1)
	})
}
