package remediation_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
)

const closingExisting = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [3306/tcp]}}
  - {id: admin, severity: critical, effect: revoke, existing: revoke, ingress: {from: world, ports: [22/tcp]}}
  - {id: other, severity: low, effect: alert, ingress: {from: world, ports: [8080/tcp]}}
`

const day = 24 * time.Hour

// replay has the events since the last forget come again, as EventBridge sends them
// from an archive.
func (w *wire) replay() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, record := range w.records {
		var event map[string]json.RawMessage
		require.NoError(w.t, json.Unmarshal(record, &event))
		event["replay-name"] = json.RawMessage(`"another-tool"`)
		var err error
		w.records[i], err = json.Marshal(event)
		require.NoError(w.t, err)
	}
}

// openGroups opens a port in groups of their own.
func (w *wire) openGroups(ports ...int32) (groups []string) {
	for i, port := range ports {
		groups = append(groups, w.newGroup(fmt.Sprintf("app-%d-%d", port, i), i%2 == 0))
	}
	for i, g := range groups {
		w.authorize(g, tcp(ports[i], "0.0.0.0/0"))
	}
	return groups
}

func TestAReplayedArchiveClosesNothingThatThePolicyTolerates(t *testing.T) {
	onWire(t, closing, func(w *wire) {
		w.maxRevokes = 20
		groups := w.openGroups(slices.Repeat([]int32{3306}, 30)...)
		time.Sleep(90 * day)
		w.replay()
		messages := w.messages()
		require.Len(t, messages, 30)
		for range 2 {
			for _, err := range w.deliverTo(w.sgward, messages...) {
				require.NoError(t, err)
			}
		}
		for _, g := range groups {
			assert.Len(t, w.left(g), 1)
		}
		assert.Zero(t, w.calls("RevokeSecurityGroupIngress"))
		require.Len(t, w.alerts, 2, "one for each batch")
		a := w.alerts[0]
		assert.Equal(t, 30, a.OldEvents)
		assert.Equal(t, "another-tool", a.Event.ReplayName)
		assert.Equal(t, policy.Alert, a.Verdict)
		require.Len(t, a.Findings, 30)
		ids := map[string]bool{}
		for i, r := range a.Findings {
			assert.Equal(t, finding.OutcomeAlerted, r.Outcome)
			assert.Equal(t, remediation.LeftStanding, r.Left)
			assert.Equal(t, messages[i].Detection.Event, *r.Event)
			assert.Equal(t, messages[i].Detection.Findings[0].ID, r.ID)
			ids[r.ID] = true
		}
		assert.Len(t, ids, 30)
		assert.Equal(t, a.Event.EventID, w.alerts[1].Event.EventID, "the same events, the same alert")
	})
}

func TestAReplayedArchiveIsQuietAboutWhatIsGone(t *testing.T) {
	onWire(t, closing, func(w *wire) {
		groups := w.openGroups(3306, 3306, 3306, 5432, 5432)
		for _, g := range groups[:3] {
			w.remove(g, w.ec2.Rules(g)[0].ID)
		}
		time.Sleep(90 * day)
		w.replay()
		w.remediate()
		assert.Equal(t, 2, w.alert().OldEvents)
	})
	onStage(t, closing, func(s *stage) {
		m := s.open(groupA, in(3306, "0.0.0.0/0"))
		s.done(m)
		s.alerts = nil
		time.Sleep(day)
		m.Detection.Event.ReplayName, m.Sent = "another-tool", time.Now()
		s.done(m)
		assert.Empty(t, s.alerts)
		s.done(again(m))
		assert.Equal(t, []string{"already_closed 0.0.0.0/0"}, told(s.alert()), "an earlier try may have closed it")
	})
}

func TestOfOldEventsNoMoreRulesGoThanABatchMayClose(t *testing.T) {
	onWire(t, closingExisting, func(w *wire) {
		w.maxRevokes = 5
		groups := w.openGroups(append(slices.Repeat([]int32{3306}, 8), 22)...)
		time.Sleep(day)
		w.remediate() // the queue took the messages late
		closed := 0
		for _, g := range groups[:8] {
			closed += 1 - len(w.left(g))
		}
		assert.Equal(t, 4, closed)
		assert.Empty(t, w.left(groups[8]), "the most urgent first")
		outcomes := map[finding.Outcome]int{}
		for _, r := range w.alert().Findings {
			outcomes[r.Outcome]++
			if r.Outcome == finding.OutcomeAlerted {
				assert.Equal(t, remediation.LeftAtLimit(5, 4), r.Left)
			}
		}
		assert.Equal(t, map[finding.Outcome]int{finding.OutcomeRevoked: 5, finding.OutcomeAlerted: 4}, outcomes)
	})
}

func TestAnEventIsOldByItsAgeWhenItReachedTheQueue(t *testing.T) {
	for name, c := range map[string]struct {
		late, waits time.Duration
		message     func(*remediation.Message)
		closed      bool
	}{
		"late by 20 minutes":          {late: 20 * time.Minute, closed: true},
		"late by six hours":           {late: 6 * time.Hour, closed: true},
		"late by more":                {late: 6*time.Hour + time.Second},
		"tried for ten hours":         {waits: 10 * time.Hour, closed: true},
		"sent again, the record told": {late: 3 * day, message: func(m *remediation.Message) { m.Queued = m.Queued.Add(-3 * day) }},
		"sent again by SQS":           {late: 3 * day, message: func(m *remediation.Message) { m.Sent = m.Sent.Add(-3 * day) }},
		"nothing tells, late":         {waits: 7 * time.Hour, message: func(m *remediation.Message) { m.Sent, m.Queued = time.Time{}, time.Time{} }},
		"nothing tells, in time":      {message: func(m *remediation.Message) { m.Sent, m.Queued = time.Time{}, time.Time{} }, closed: true},
		"replayed at once":            {message: func(m *remediation.Message) { m.Detection.Event.ReplayName = "r" }},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closing, func(s *stage) {
				s.maxRevokes = 20
				m := s.open(groupA, in(3306, "0.0.0.0/0"))
				time.Sleep(c.late)
				m.Sent, m.Queued = time.Now(), time.Now()
				if c.message != nil {
					c.message(&m)
				}
				time.Sleep(c.waits)
				s.done(m)
				r := only(t, s.alert())
				if c.closed {
					assert.Empty(t, s.cloud.rules(groupA))
					assert.Equal(t, finding.OutcomeRevoked, r.Outcome)
				} else {
					assert.Len(t, s.cloud.rules(groupA), 1)
					assert.Equal(t, finding.OutcomeAlerted, r.Outcome)
					assert.Equal(t, remediation.LeftStanding, r.Left)
					assert.Zero(t, s.cloud.revokes())
				}
			})
		})
	}
}

// The group holds another rule with the values of the event's: one that somebody was
// let make since.
func TestALateEventTakesOnlyTheRuleWithItsOwnID(t *testing.T) {
	for name, c := range map[string]struct {
		late     time.Duration
		document string
	}{
		"20 minutes":                   {20 * time.Minute, closing},
		"300 days":                     {300 * day, closing},
		"300 days, existing rules too": {300 * day, closingExisting},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, c.document, func(s *stage) {
				s.maxRevokes = 20
				m := s.open(groupA, in(3306, "0.0.0.0/0"))
				s.cloud.remove(groupA, m.Detection.Findings[0].Rule.ID)
				s.cloud.authorize(groupA, in(3306, "0.0.0.0/0"))
				time.Sleep(c.late)
				m.Sent, m.Queued = time.Now(), time.Now()
				s.done(m)
				assert.Len(t, s.cloud.rules(groupA), 1)
				assert.Zero(t, s.cloud.revokes())
				r := only(t, s.alert())
				assert.Equal(t, finding.OutcomeAlreadyClosed, r.Outcome)
				assert.True(t, r.Gone, "its traffic is not closed")
			})
		})
	}
}

func TestAnOldEventThatNamesNoRuleByItsIDClosesNone(t *testing.T) {
	for name, message := range map[string]func(*stage) remediation.Message{
		"as typed":                   func(s *stage) remediation.Message { return s.typed(groupA, "", in(3306, "0.0.0.0/0")) },
		"a record without its rules": func(s *stage) remediation.Message { return s.unknown(groupA) },
		"a response without ids": func(s *stage) remediation.Message {
			m := s.open(groupA, in(3306, "0.0.0.0/0"))
			m.Detection.Findings[0].Rule.ID = ""
			return m
		},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, closingExisting, func(s *stage) {
				s.maxRevokes = 20
				if name != "a response without ids" {
					s.cloud.authorize(groupA, in(3306, "0.0.0.0/0"))
				}
				m := message(s)
				time.Sleep(7 * time.Hour)
				m.Queued = time.Now()
				s.done(m)
				assert.Len(t, s.cloud.rules(groupA), 1)
				assert.Contains(t, only(t, s.alert()).Left, "does not name the rule by its id")
			})
		})
	}
}

func TestAnOldEventThatOnlyAlertsIsToldIfItsRuleIsThere(t *testing.T) {
	onStage(t, closingExisting, func(s *stage) {
		there, gone := s.open(groupA, in(8080, "0.0.0.0/0")), s.open(groupB, in(8080, "0.0.0.0/0"))
		s.cloud.remove(groupB, gone.Detection.Findings[0].Rule.ID)
		time.Sleep(7 * time.Hour)
		for _, m := range []*remediation.Message{&there, &gone} {
			m.Detection.Event.ReplayName, m.Sent, m.Queued = "r", time.Now(), time.Now()
		}
		s.done(there, gone)
		a := s.alert()
		assert.Equal(t, []string{"alerted 0.0.0.0/0"}, told(a))
		assert.Zero(t, a.OldEvents, "one event has an alert as ever")
		assert.Equal(t, there.Detection.Event, a.Event)
	})
}

func TestOldEventsWhoseAlertIsNotPublishedAreRetried(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		old := []remediation.Message{s.open(groupA, in(3306, "0.0.0.0/0")), s.open(groupB, in(3306, "0.0.0.0/0"))}
		time.Sleep(day)
		for i := range old {
			old[i].Queued = time.Now()
		}
		young := s.open(groupA, in(5432, "0.0.0.0/0"))
		s.publishing = func(a finding.Alert) error {
			if a.OldEvents > 0 {
				return errPublish
			}
			return nil
		}
		errs := s.deliver(old[0], young, old[1])
		require.ErrorIs(t, errs[0], errPublish)
		require.NoError(t, errs[1])
		require.ErrorIs(t, errs[2], errPublish)
		assert.Equal(t, []string{"revoked 0.0.0.0/0"}, told(s.alert()))
	})
}
