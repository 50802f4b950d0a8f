package remediation_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert"
	"sgward/internal/finding"
	"sgward/internal/remediation"
)

// onWire runs a test with an EC2 that real clients reach without a network, so that
// waiting takes no time.
func onWire(t *testing.T, document string, test func(*wire)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := wireOf(t, newStage(t, document), func(ec2 http.Handler) (string, *http.Client) {
			return "http://ec2.internal", &http.Client{Transport: inProcess{ec2}}
		})
		test(w)
	})
}

// inProcess answers requests by a handler.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	p.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// leap is a step of somebody who is quicker than events: it opens a port anew and takes
// away the rule of the step before.
type leap func(w *wire, group string, i int, before string) (rule string)

func ports(i int) types.IpPermission {
	p := tcp(int32(3300-i), "0.0.0.0/0")
	p.ToPort = aws.Int32(int32(3310 - i%4))
	return p
}

func (w *wire) remove(group, rule string) {
	if rule != "" { // gone already, where sgward was quicker
		_, _ = w.user.RevokeSecurityGroupIngress(w.t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, SecurityGroupRuleIds: []string{rule}})
	}
}

func (w *wire) modify(group, rule string, p types.IpPermission) error {
	_, err := w.user.ModifySecurityGroupRules(w.t.Context(), &ec2.ModifySecurityGroupRulesInput{GroupId: &group,
		SecurityGroupRules: []types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: &rule, SecurityGroupRule: &types.SecurityGroupRuleRequest{
			IpProtocol: p.IpProtocol, FromPort: p.FromPort, ToPort: p.ToPort, CidrIpv4: p.IpRanges[0].CidrIp}}}})
	return err
}

func byAuthorize(w *wire, group string, i int, before string) string {
	rule := *w.authorize(group, ports(i))[0].SecurityGroupRuleId
	w.remove(group, before)
	return rule
}

// byModify shifts one rule, and makes it anew where sgward has closed it.
func byModify(w *wire, group string, i int, before string) string {
	if before != "" && w.modify(group, before, ports(i)) == nil {
		return before
	}
	return *w.authorize(group, ports(i))[0].SecurityGroupRuleId
}

// byBoth makes a harmless rule, which no event tells, edits it into the opening and
// takes away the one before.
func byBoth(w *wire, group string, i int, before string) string {
	harmless := ports(i)
	harmless.IpRanges = ranges("10.0.0.0/8")
	rule := *w.authorize(group, harmless)[0].SecurityGroupRuleId
	require.NoError(w.t, w.modify(group, rule, ports(i)))
	w.remove(group, before)
	return rule
}

func mixed(w *wire, group string, i int, before string) string {
	return []leap{byAuthorize, byBoth, byModify}[i%3](w, group, i, before)
}

func isDatabaseOpen(w *wire, group string) bool {
	for _, r := range w.ec2.Rules(group) {
		if r.CIDRIPv4 == "0.0.0.0/0" && r.FromPort <= 3306 && r.ToPort >= 3306 {
			return true
		}
	}
	return false
}

// deliverUntilDone delivers a message as a queue does, late and again where it fails.
func (w *wire) deliverUntilDone(m remediation.Message, late time.Duration) {
	time.Sleep(late)
	for ; w.deliverTo(w.sgward, m)[0] != nil; m = again(m) {
		assert.Less(w.t, m.Try, m.Tries)
		time.Sleep(6 * time.Minute)
	}
}

// A port that is opened anew every three seconds, while events take twelve, is closed,
// and no alert says so while it is open. A function that has just started cannot know at
// its first read which rules are new.
func TestWhoeverIsQuickerThanEventsKeepsNoPortOpen(t *testing.T) {
	for name, step := range map[string]leap{"by Authorize": byAuthorize, "by Modify": byModify, "by both": byBoth, "by a mixture": mixed} {
		for at, most := range map[string]time.Duration{"warm": 25 * time.Second, "cold": 40 * time.Second} {
			t.Run(name+", "+at, func(t *testing.T) {
				onWire(t, closing, func(w *wire) {
					w.warm = at == "warm"
					group := w.newGroup("app", w.warm) // a default VPC answers otherwise
					w.publishing = func(a finding.Alert) error {
						closed := func(r finding.Result) bool {
							return !r.Gone && (r.Outcome == finding.OutcomeRevoked || r.Outcome == finding.OutcomeAlreadyClosed)
						}
						if !slices.ContainsFunc(a.Findings, func(r finding.Result) bool { return !closed(r) }) {
							assert.False(t, isDatabaseOpen(w, group), "told as closed: %v", told(a))
						}
						return nil
					}
					start, rule, open, steps := time.Now(), "", time.Duration(0), 0
					for ; time.Since(start) < 10*time.Minute; time.Sleep(500 * time.Millisecond) {
						if steps < 20 && time.Since(start) >= time.Duration(3*steps)*time.Second {
							rule = step(w, group, steps, rule)
							steps++
						}
						for _, m := range w.messages() {
							go w.deliverUntilDone(m, 12500*time.Millisecond)
						}
						synctest.Wait() // nobody steps between a read and its alert
						if isDatabaseOpen(w, group) {
							open += 500 * time.Millisecond
						}
					}
					assert.False(t, isDatabaseOpen(w, group), "open to the end: %v", w.left(group))
					t.Log(open)
					assert.Less(t, open, most)
				})
			})
		}
	}
}

// shifted opens a database, takes the rule away after a while, and opens the database by
// a rule of other ports, before or once the message of the first call, which it returns,
// is being handled.
func (s *stage) shifted(after time.Duration) remediation.Message {
	m := s.open(groupA, ranged(false, "tcp", 3300, 3310, "0.0.0.0/0"))
	shift := func() {
		s.cloud.authorize(groupA, ranged(false, "tcp", 3299, 3311, "0.0.0.0/0"))
	}
	s.cloud.remove(groupA, m.Detection.Findings[0].Rule.ID)
	if after > 0 {
		time.AfterFunc(after, shift)
	} else {
		shift()
	}
	return m
}

func TestARuleThatReplacedTheCallsIsClosed(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(5432, "0.0.0.0/0")) // other traffic
		s.cloud.authorize(groupA, in(3306, "10.0.0.0/8"))
		s.cloud.authorize(groupA, in(3306, "52.0.0.0/8")) // older than the event
		m := s.shifted(13 * time.Second)
		time.Sleep(12 * time.Second)
		s.done(m)
		left := []string{"in tcp 5432-5432 0.0.0.0/0", "in tcp 3306-3306 10.0.0.0/8", "in tcp 3306-3306 52.0.0.0/8"}
		assert.Equal(t, left, s.cloud.rules(groupA))
		a := s.alert()
		assert.Equal(t, []string{"already_closed 0.0.0.0/0", "revoked 0.0.0.0/0"}, told(a))
		assert.Contains(t, a.Findings[0].Left, "52.0.0.0/8")
		assert.NotContains(t, a.Findings[0].Left, "3299")
		assert.Equal(t, 2, s.cloud.revokes())
	})
}

// A function that has been running has read the group for an earlier event.
func TestARuleThatAnEarlierEventsReadDidNotShowIsClosedWithOneRead(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.warm = true
		first, second := s.open(groupA, in(3306, "0.0.0.0/0")), s.open(groupA, ranged(false, "tcp", 3300, 3310, "0.0.0.0/0"))
		for _, m := range []remediation.Message{first, second} {
			s.cloud.remove(groupA, m.Detection.Findings[0].Rule.ID)
		}
		time.Sleep(12 * time.Second)
		s.done(first)
		require.Equal(t, 1, s.cloud.reads())
		time.Sleep(time.Second)
		s.cloud.authorize(groupA, ranged(false, "tcp", 3299, 3311, "0.0.0.0/0"))
		time.Sleep(time.Second)
		go s.done(second)
		synctest.Wait()
		assert.Empty(t, s.cloud.rules(groupA), "at once")
		time.Sleep(10 * time.Second) // it looks for more
	})
}

// EventBridge and SQS deliver at least once. A later delivery finds its rule gone as if
// somebody had been quicker, and it was sgward: what was there before stays.
func TestASecondDeliveryClosesNoOlderRule(t *testing.T) {
	for name, warm := range map[string]bool{"warm": true, "cold": false} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				s.warm = warm
				s.cloud.authorize(groupA, in(3306, "52.0.0.0/8"))
				time.Sleep(time.Hour)
				m := s.open(groupA, in(3306, "0.0.0.0/0"))
				time.Sleep(12 * time.Second)
				s.done(m)
				for range 3 {
					s.alerts = nil
					time.Sleep(time.Second)
					s.done(m)
					assert.Equal(t, []string{"in tcp 3306-3306 52.0.0.0/8"}, s.cloud.rules(groupA))
					r := only(t, s.alert())
					assert.Equal(t, finding.OutcomeAlreadyClosed, r.Outcome)
					assert.True(t, r.MaybeEarlier)
					assert.True(t, r.Gone)
					assert.Contains(t, r.Left, "52.0.0.0/8")
				}
			})
		})
	}
}

// Another event's reads are no evidence of a rule that was there when its own call came.
func TestAReadFromBeforeTheCallMakesNoRuleNewer(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.warm = true
		first := s.open(groupA, in(3306, "0.0.0.0/0"))
		s.cloud.remove(groupA, first.Detection.Findings[0].Rule.ID)
		time.Sleep(5 * time.Second)
		s.done(first)
		time.Sleep(5 * time.Second)
		s.cloud.authorize(groupA, in(3306, "52.0.0.0/8"))
		time.Sleep(5 * time.Second)
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		s.cloud.remove(groupA, m.Detection.Findings[0].Rule.ID)
		time.Sleep(5 * time.Second)
		s.done(m)
		assert.Equal(t, []string{"in tcp 3306-3306 52.0.0.0/8"}, s.cloud.rules(groupA))
	})
}

// The reads after the first look for replacements only: one that fails fails nothing.
func TestAFailedReadForReplacementsLeavesTheRest(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, "52.0.0.0/8"))
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		s.cloud.remove(groupA, m.Detection.Findings[0].Rule.ID)
		reads := 0
		s.cloud.fault = func(_ context.Context, action, _ string) error {
			if action == "DescribeSecurityGroupRules" {
				if reads++; reads > 1 {
					return apiError("RequestLimitExceeded")
				}
			}
			return nil
		}
		s.done(m)
		r := only(t, s.alert())
		assert.Equal(t, finding.OutcomeAlreadyClosed, r.Outcome)
		assert.Contains(t, r.Left, "52.0.0.0/8")
	})
}

// The closing succeeded and its alert was lost. By the retry another rule lets the
// traffic through.
func TestARetryStillReportsItsClosingBesideAnotherRule(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, "20.0.0.0/8"))
		s.publishing = func(finding.Alert) error { return errPublish }
		require.ErrorIs(t, s.deliver(m)[0], errPublish)
		require.Empty(t, s.cloud.rules(groupA))
		s.publishing = nil
		s.cloud.authorize(groupA, in(3306, "21.0.0.0/8"))
		s.done(again(m))
		r := only(t, s.alert())
		assert.Equal(t, finding.OutcomeAlreadyClosed, r.Outcome)
		assert.True(t, r.MaybeEarlier)
		assert.True(t, r.Gone)
		assert.Contains(t, r.Left, "21.0.0.0/8")
		completed := alert.Complete(s.alert())
		assert.Contains(t, completed.Findings[0].Undo, "20.0.0.0/8")
	})
}

func TestARuleThatIsGoneAndNotReplacedIsToldAsBefore(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		s.cloud.remove(groupA, m.Detection.Findings[0].Rule.ID)
		s.done(m)
		assert.Equal(t, []string{"already_closed 0.0.0.0/0"}, told(s.alert()))
		assert.Equal(t, 1, s.cloud.reads())
	})
}

func TestAnAlertNeverSaysClosedOfTrafficThatTheGroupStillLetsIn(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.authorize(groupA, in(3306, "52.0.0.0/8"))
		m := s.shifted(time.Second)
		revokes := 0
		s.cloud.fault = func(_ context.Context, action, _ string) error {
			if action == "RevokeSecurityGroupIngress" {
				if revokes++; revokes > 1 {
					return apiError("UnauthorizedOperation")
				}
			}
			return nil
		}
		s.done(m)
		require.Len(t, s.returned, 1)
		a := s.alert()
		assert.Equal(t, []string{"already_closed 0.0.0.0/0", "failed 0.0.0.0/0"}, told(a))
		assert.True(t, a.Findings[0].Gone)
		assert.Equal(t, "the group still holds sgr-00000000000000001 ingress tcp 3306 from 52.0.0.0/8; "+
			"sgr-00000000000000003 ingress tcp 3299-3311 from 0.0.0.0/0", a.Findings[0].Left)
	})
}

// What an earlier try may have closed is no sign of somebody who is quicker: nothing
// else is closed for it, and yet told.
func TestARetryClosesNothingInPlaceOfWhatAnEarlierTryMayHaveClosed(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.shifted(0)
		s.done(again(m))
		assert.Len(t, s.cloud.rules(groupA), 1)
		r := only(t, s.alert())
		assert.Equal(t, finding.OutcomeAlreadyClosed, r.Outcome)
		assert.True(t, r.Gone)
		assert.Contains(t, r.Left, "tcp 3299-3311")
	})
}

func TestAReplacementThatWasClosedIsToldThoughTheMessageIsRetried(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		rule := s.cloud.authorize(groupA, in(3306, "10.0.0.0/8"))
		m := s.edit(groupA, rule, in(3306, "0.0.0.0/0"))
		s.cloud.remove(groupA, rule)
		time.AfterFunc(13*time.Second, func() { s.cloud.authorize(groupA, ranged(false, "tcp", 3299, 3311, "0.0.0.0/0")) })
		time.Sleep(12 * time.Second)
		require.ErrorContains(t, s.deliver(m)[0], "does not show the rule yet")
		assert.Empty(t, s.cloud.rules(groupA))
		assert.Equal(t, []string{"revoked 0.0.0.0/0"}, told(s.alert()))

		s.alerts = nil
		time.Sleep(6 * time.Minute)
		s.done(again(m))
		assert.Equal(t, []string{"already_closed 0.0.0.0/0"}, told(s.alert()))
	})
}

func TestAGroupThatCannotBeReadIsNotToldAsClosed(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		m := s.shifted(0)
		s.cloud.fault = failing("RequestLimitExceeded", "DescribeSecurityGroupRules")
		require.ErrorContains(t, s.deliver(m)[0], "RequestLimitExceeded")
		assert.Empty(t, s.alerts)
	})
}
