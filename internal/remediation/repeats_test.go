package remediation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/remediation"
)

// counter is a table of closings: each is the second.
type counter struct {
	mu     sync.Mutex
	events []string // of the counted results, with their outcomes
	calls  []string // of EC2, when the first was counted
	fail   func() error
}

func (c *counter) count(s *stage) func(context.Context, cloudtrail.Event, finding.Result) (*finding.Repeat, error) {
	return func(_ context.Context, e cloudtrail.Event, r finding.Result) (*finding.Repeat, error) {
		c.mu.Lock()
		c.events = append(c.events, e.EventID[len(e.EventID)-1:]+" "+string(r.Outcome)+" "+r.Rule.Permission.String())
		if c.calls == nil {
			s.cloud.mu.Lock()
			c.calls = slices.Clone(s.cloud.calls)
			s.cloud.mu.Unlock()
		}
		c.mu.Unlock()
		if c.fail != nil {
			if err := c.fail(); err != nil {
				return nil, err
			}
		}
		return &finding.Repeat{Closings: 2, Since: e.EventTime, FirstAlertID: "a-00112233445566aa"}, nil
	}
}

func onCountedStage(t *testing.T, test func(*stage, *counter)) {
	t.Helper()
	onStage(t, closing, func(s *stage) {
		c := &counter{}
		s.count = c.count(s)
		test(s, c)
	})
}

// andMore opens more ports beside one to the world.
func andMore(port, more int) types.SecurityGroupRule {
	r := in(int32(port), "0.0.0.0/0")
	r.ToPort = aws.Int32(int32(port + more))
	return r
}

func TestAClosingIsCountedAfterTheRevokeAndBeforeItsAlert(t *testing.T) {
	onCountedStage(t, func(s *stage, c *counter) {
		s.done(s.open(groupA, in(3306, "0.0.0.0/0")))
		assert.Equal(t, []string{"1 revoked ingress tcp 3306 from 0.0.0.0/0"}, c.events)
		require.NotEmpty(t, c.calls)
		assert.Contains(t, c.calls[0], "Revoke")
		assert.Equal(t, 2, only(t, s.alert()).Repeat.Closings)
	})
}

func TestOnlyRealClosingsOfWhatTheCallOpenedAreCounted(t *testing.T) {
	for name, handle := range map[string]func(*stage){
		"observe mode":   func(s *stage) { s.mode = finding.Observe; s.done(s.open(groupA, in(3306, "0.0.0.0/0"))) },
		"an alerted one": func(s *stage) { s.done(s.open(groupA, in(8080, "0.0.0.0/0"))) },
		"an old event": func(s *stage) {
			m := s.open(groupA, in(3306, "0.0.0.0/0"))
			time.Sleep(7 * time.Hour)
			m.Queued = time.Now()
			s.done(m)
		},
		"a replay": func(s *stage) {
			m := s.open(groupA, in(3306, "0.0.0.0/0"))
			m.Detection.Event.ReplayName = "again"
			s.done(m)
		},
		"a revoke denied": func(s *stage) {
			s.cloud.fault = failing("UnauthorizedOperation", "Revoke")
			s.deliver(s.open(groupA, in(3306, "0.0.0.0/0")))
		},
		"removed by somebody else": func(s *stage) {
			m := s.open(groupA, in(3306, "0.0.0.0/0"))
			s.cloud.remove(groupA, m.Detection.Findings[0].Rule.ID)
			s.done(m)
		},
		// Whoever made the rules that a read of the whole group finds is unknown.
		"a record without its rules": func(s *stage) {
			s.cloud.authorize(groupA, in(3306, "0.0.0.0/0"))
			s.done(s.unknown(groupA))
			assert.Equal(s.t, []string{"revoked 0.0.0.0/0"}, s.told())
		},
	} {
		t.Run(name, func(t *testing.T) {
			onCountedStage(t, func(s *stage, c *counter) {
				handle(s)
				assert.Empty(t, c.events)
				for _, a := range s.alerts {
					for _, r := range a.Findings {
						assert.Nil(t, r.Repeat)
					}
				}
			})
		})
	}
}

// The alert of the first try was lost: that of the retry has the same number.
func TestARetryAsksForTheNumberOfItsFirstTry(t *testing.T) {
	onCountedStage(t, func(s *stage, c *counter) {
		s.publishing = func(finding.Alert) error { return errPublish }
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		require.Error(t, s.deliver(m)[0])
		s.publishing = nil
		s.done(again(m))
		assert.Equal(t, []string{"1 revoked ingress tcp 3306 from 0.0.0.0/0", "1 already_closed ingress tcp 3306 from 0.0.0.0/0"}, c.events)
		assert.Equal(t, 2, only(t, s.alert()).Repeat.Closings)
	})
}

func TestNothingOfTheTableFailsOrDelaysAnAlert(t *testing.T) {
	for name, fail := range map[string]func() error{
		"denied":   func() error { return errors.New("AccessDeniedException") },
		"it hangs": func() error { time.Sleep(time.Second); return context.DeadlineExceeded },
	} {
		t.Run(name, func(t *testing.T) {
			onCountedStage(t, func(s *stage, c *counter) {
				c.fail = fail
				var storm []remediation.Message
				for i := range 40 {
					storm = append(storm, s.open(groupA, andMore(3306, i), andMore(5432, i)))
				}
				began := time.Now()
				s.done(storm...)
				assert.Less(t, time.Since(began), 3*time.Second)
				assert.Len(t, s.alerts, 40)
				assert.Equal(t, 1, strings.Count(s.log.String(), `"msg":"repeats not counted"`), "one line says so")
				assert.Contains(t, s.log.String(), `"level":"WARN"`)
				assert.LessOrEqual(t, len(c.events), 16, "the others do not try")
			})
		})
	}
	onCountedStage(t, func(s *stage, c *counter) {
		s.within = 1500 * time.Millisecond
		s.done(s.open(groupA, in(3306, "0.0.0.0/0")), s.open(groupA, in(3307, "0.0.0.0/0")))
		assert.Empty(t, c.events, "no time is left for it")
		assert.Len(t, s.alerts, 2)
		assert.Equal(t, 1, strings.Count(s.log.String(), `"error":"too little time was left"`))
	})
}

// Each write is in time by itself: a thousand are not.
func TestASlowTableDoesNotHoldUpAStorm(t *testing.T) {
	onCountedStage(t, func(s *stage, c *counter) {
		c.fail = func() error { time.Sleep(900 * time.Millisecond); return nil }
		var storm []remediation.Message
		for i := range 300 {
			storm = append(storm, s.open(groupA, andMore(3306, i)))
		}
		began := time.Now()
		s.done(storm...)
		assert.Less(t, time.Since(began), 3*time.Second)
		assert.Len(t, s.alerts, 300)
		assert.Equal(t, 1, strings.Count(s.log.String(), `"msg":"repeats not counted"`))
	})
}

// What has to be read before it is closed does not wait for the alerts of the rest.
func TestNoClosingWaitsForANumberOrAnAlert(t *testing.T) {
	closedAfter := func(t *testing.T, prepare func(s *stage, c *counter)) (after time.Duration) {
		t.Helper()
		onCountedStage(t, func(s *stage, c *counter) {
			prepare(s, c)
			atOnce := s.open(groupA, in(3306, "0.0.0.0/0"))
			s.cloud.authorize(groupB, in(3306, "0.0.0.0/0"))
			began := time.Now()
			s.cloud.fault = func(_ context.Context, action, groupID string) error {
				if strings.HasPrefix(action, "Revoke") && groupID == groupB {
					after = time.Since(began)
				}
				return nil
			}
			s.done(atOnce, s.unknown(groupB))
			assert.Len(t, s.alerts, 2)
			assert.Empty(t, s.cloud.rules(groupB))
		})
		return after
	}
	want := closedAfter(t, func(*stage, *counter) {})
	require.NotZero(t, want)
	assert.Equal(t, want, closedAfter(t, func(_ *stage, c *counter) { c.fail = func() error { time.Sleep(900 * time.Millisecond); return nil } }), "a slow table")
	assert.Equal(t, want, closedAfter(t, func(s *stage, _ *counter) {
		s.publishing = func(finding.Alert) error {
			s.mu.Unlock() // which publish holds
			time.Sleep(900 * time.Millisecond)
			s.mu.Lock()
			return nil
		}
	}), "a slow topic")
}

// All slots are taken for as long as an alert waits.
func TestAClosingThatFindsNoSlotInTimeIsLogged(t *testing.T) {
	onCountedStage(t, func(s *stage, c *counter) {
		c.fail = func() error { time.Sleep(1100 * time.Millisecond); return nil }
		var storm []remediation.Message
		for i := range 3 {
			var rules []types.SecurityGroupRule
			for k := range 8 {
				rules = append(rules, andMore(3306, 10*i+k))
			}
			storm = append(storm, s.open(groupA, rules...))
		}
		s.done(storm...)
		assert.Len(t, s.alerts, 3)
		assert.Len(t, c.events, 16)
		assert.Equal(t, 1, strings.Count(s.log.String(), `"error":"the table is slow"`))
	})
}

func TestTheClosingsOfOneAlertAndOfAStormAreBounded(t *testing.T) {
	onCountedStage(t, func(s *stage, c *counter) {
		var rules []types.SecurityGroupRule
		for i := range 30 {
			rules = append(rules, andMore(3306, i))
		}
		var mu sync.Mutex
		atOnce, most := 0, 0
		c.fail = func() error {
			mu.Lock()
			atOnce++
			most = max(most, atOnce)
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			atOnce--
			return nil
		}
		s.done(s.open(groupA, rules...))
		assert.Len(t, c.events, 20)
		assert.LessOrEqual(t, most, 16)
		numbered := 0
		for _, r := range s.alert().Findings {
			if r.Repeat != nil {
				numbered++
			}
		}
		assert.Equal(t, 20, numbered)
		synctest.Wait()
	})
}

func TestTheStackOfAGroupIsNamed(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		s.cloud.groups[groupA].tags = []types.Tag{{Key: aws.String("aws:cloudformation:stack-name"), Value: aws.String("web")}}
		s.done(s.open(groupA, in(3306, "0.0.0.0/0")))
		assert.Equal(t, "web", only(t, s.alert()).StackName)
	})
}
