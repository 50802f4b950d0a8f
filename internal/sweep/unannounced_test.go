package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert"
	"sgward/internal/finding"
	"sgward/internal/sweep"
	"sgward/internal/sweep/sweeptest"
)

// watched is a bench whose sweeps look up announcements, after its first sweep.
func watched(t *testing.T, document string, mode finding.Mode) *sweeptest.Bench {
	t.Helper()
	b := sweeptest.NewSweep(t, document, mode)
	b.Watches = true
	hours(t, b, 1)
	return b
}

// unannounced counts the findings that alerts say no event announced.
func unannounced(alerts []finding.Alert) int {
	n := 0
	for _, a := range alerts {
		for _, f := range a.Findings {
			if f.Unannounced {
				n++
			}
		}
	}
	return n
}

func TestAnOpeningThatNoEventAnnouncedSaysThatEventsMayBeLost(t *testing.T) {
	for _, mode := range []finding.Mode{finding.Observe, finding.Enforce} {
		b := watched(t, sweeptest.Telling, mode)
		b.Open(b.Group("data"), 5432, "0.0.0.0/0")
		alerts := hours(t, b, 1)
		require.Len(t, alerts, 1, "new")
		require.Zero(t, unannounced(alerts), "its event may be on the way")
		require.Zero(t, b.Metrics[sweep.MetricUnannounced])

		alerts = hours(t, b, 1)
		require.Len(t, alerts, 1)
		require.Equal(t, 1, unannounced(alerts))
		assert.Equal(t, 1, b.Metrics[sweep.MetricUnannounced])
		assert.Contains(t, b.Log.String(), `"opening not announced"`)
		m, err := alert.NewMessage(alerts[0])
		require.NoError(t, err)
		assert.Contains(t, m.Subject, "EVENTS MAY BE LOST: 1 opening that no event announced")
		assert.Contains(t, flat(m.Email), "THE EVENT PATH MAY BE BROKEN")
		assert.Contains(t, flat(m.Email), "No event is known that announced it.")

		assert.Empty(t, hours(t, b, 24), "once")
		assert.Equal(t, 1, b.Metrics[sweep.MetricUnannounced])
		assert.Len(t, b.DB.Items(sweeptest.MemoryTable), 2, "the finding and the last sweep")
	}
}

// What may look like a lost event and is none.
func TestNoFalseAlarmAboutEvents(t *testing.T) {
	egress := `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: out, severity: high, effect: alert, egress: {to: world, ports: [0-65535/tcp]}}
`
	tagged := strings.Replace(sweeptest.Telling, "effect: revoke,", "effect: revoke, when: {group-tags: {stage: [production]}},", 1)
	for name, c := range map[string]struct {
		policy string
		do     func(t *testing.T, b *sweeptest.Bench)
	}{
		"an event announced it": {"", func(_ *testing.T, b *sweeptest.Bench) {
			b.Mode = finding.Observe // which leaves it open
			b.Open(b.Group("data"), 5432, "0.0.0.0/0")
			b.Announce()
		}},
		"a tag says that the rule has ended": {fmt.Sprintf(endings, "alert"), func(t *testing.T, b *sweeptest.Bench) {
			group := b.Group("data")
			openUntil(t, b, group, 22, "2026-11-01T12:30Z")
		}},
		"its event came after the sweep": {"", func(t *testing.T, b *sweeptest.Bench) {
			b.Mode = finding.Observe
			b.Open(b.Group("data"), 5432, "0.0.0.0/0")
			_, err := b.Sweep()
			require.NoError(t, err)
			b.Pass(10 * time.Minute)
			b.Announce()
		}},
		"its revoke is denied and retried": {"", func(_ *testing.T, b *sweeptest.Bench) {
			group := b.Group("data")
			b.Open(group, 5432, "0.0.0.0/0")
			b.Judged = append(b.Judged, sweeptest.Judged{At: b.Time(), Announcement: sweep.Announcement{GroupID: group, RuleIDs: []string{ruleOf(b, group)}}})
		}},
		"its event leaves out the rules": {"", func(_ *testing.T, b *sweeptest.Bench) {
			group := b.Group("data")
			b.Open(group, 5432, "0.0.0.0/0")
			b.Judged = append(b.Judged, sweeptest.Judged{At: b.Time(), Announcement: sweep.Announcement{GroupID: group, Partial: true}})
		}},
		"its event leaves out the group": {"", func(_ *testing.T, b *sweeptest.Bench) {
			b.Open(b.Group("data"), 5432, "0.0.0.0/0")
			b.Judged = append(b.Judged, sweeptest.Judged{At: b.Time(), Announcement: sweep.Announcement{Partial: true}})
		}},
		"the policy has changed": {strings.Replace(sweeptest.Telling, "5432/tcp, ", "", 1), func(t *testing.T, b *sweeptest.Bench) {
			b.Open(b.Group("data"), 5432, "0.0.0.0/0")
			hours(t, b, 1)
			b.Policy = sweeptest.Telling
		}},
		"a new release judges otherwise": {"", func(_ *testing.T, b *sweeptest.Bench) {
			b.Open(b.Group("data"), 5432, "0.0.0.0/0")
			b.Release = "another"
		}},
		"an exception has ended": {strings.Replace(sweeptest.Telling, "2099-12-31", "2026-11-22", 1), func(t *testing.T, b *sweeptest.Bench) {
			b.Open(b.Group("data"), 6379, "0.0.0.0/0")
			hours(t, b, 13) // to midnight
		}},
		"a tag was set": {tagged, func(t *testing.T, b *sweeptest.Bench) {
			group := b.Group("data")
			b.Open(group, 5432, "0.0.0.0/0")
			hours(t, b, 3)
			_, err := b.User.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{group},
				Tags: []types.Tag{{Key: aws.String("stage"), Value: aws.String("production")}}})
			require.NoError(t, err)
		}},
		"a prefix list was edited": {"", func(t *testing.T, b *sweeptest.Bench) {
			list := b.List("10.0.0.0/8")
			b.Open(b.Group("data"), 5432, list)
			hours(t, b, 2)
			b.Edit(list, "0.0.0.0/1", "128.0.0.0/1")
		}},
		"rules cross the threshold together": {"", func(t *testing.T, b *sweeptest.Bench) {
			group := b.Group("data")
			b.Open(group, 5432, "52.0.0.0/10")
			hours(t, b, 2)
			b.Open(group, 5432, "52.64.0.0/10")
		}},
		"EC2 makes the egress rule of a new group": {egress, func(_ *testing.T, b *sweeptest.Bench) { b.Group("data") }},
		"detect's log could not be read": {"", func(_ *testing.T, b *sweeptest.Bench) {
			b.Open(b.Group("data"), 5432, "0.0.0.0/0")
			b.Unreadable = errors.New("throttled")
		}},
		"the last sweep is longer ago than detect's log goes back": {"", func(_ *testing.T, b *sweeptest.Bench) {
			b.Open(b.Group("data"), 5432, "0.0.0.0/0")
			b.Pass(96 * time.Hour)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.policy == "" {
				c.policy = sweeptest.Telling
			}
			b := watched(t, c.policy, finding.Enforce)
			c.do(t, b)
			assert.Zero(t, unannounced(hours(t, b, 3)))
			assert.Zero(t, b.Metrics[sweep.MetricUnannounced])
		})
	}
}

func ruleOf(b *sweeptest.Bench, group string) string {
	rules := b.Server.Rules(group)
	return rules[len(rules)-1].ID
}

func TestTheFirstSweepKnowsOfNoEventAndSaysNothingOfThem(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	b.Watches = true
	b.Open(b.Group("data"), 5432, "0.0.0.0/0")
	alerts := hours(t, b, 4)
	assert.Len(t, alerts, 1)
	assert.Zero(t, unannounced(alerts))
}

// sweep itself, or a person, closes what no event announced: that events are lost stays
// true.
func TestAnUnannouncedOpeningThatIsGoneStillRaisesTheAlarm(t *testing.T) {
	b := watched(t, sweeptest.Closing, finding.Enforce)
	group := b.Group("data")
	b.Open(group, 5432, "0.0.0.0/0")
	b.Day() // 24 hours, and closed
	require.Empty(t, b.Ports(group))
	b.Open(b.Group("other"), 5432, "0.0.0.0/0")
	b.Most = 0
	alerts := b.Day()
	assert.Equal(t, 1, b.Metrics[sweep.MetricUnannounced])
	assert.Contains(t, b.Log.String(), `"gone":true`)
	require.Len(t, alerts, 1)
	assert.Equal(t, 1, alerts[0].Sweep.UnannouncedGone)
	m, err := alert.NewMessage(alerts[0])
	require.NoError(t, err)
	assert.Contains(t, flat(m.Email), "1 of them is gone or being closed")
}

// The event of a rule that was closed and made again does not announce the second one.
func TestARuleThatIsMadeAgainNeedsAnEventOfItsOwn(t *testing.T) {
	b := watched(t, sweeptest.Telling, finding.Enforce)
	group := b.Group("data")
	b.Open(group, 5432, "0.0.0.0/0")
	b.Announce()
	require.Empty(t, b.Ports(group), "closed by its event")
	b.Pass(10 * time.Minute)
	b.Open(group, 5432, "0.0.0.0/0") // its event is lost
	assert.Equal(t, 1, unannounced(hours(t, b, 2)))
}

func TestAnUnreadableLogIsAskedAgain(t *testing.T) {
	b := watched(t, sweeptest.Telling, finding.Enforce)
	b.Open(b.Group("data"), 5432, "0.0.0.0/0")
	b.Unreadable = context.DeadlineExceeded
	assert.Zero(t, unannounced(hours(t, b, 3)))
	assert.Contains(t, b.Log.String(), `"announcements not read"`)
	b.Unreadable = nil
	assert.Equal(t, 1, unannounced(hours(t, b, 1)))
}

// Whoever deletes detect's log has not bought silence.
func TestALogThatStaysUnreadableIsNoSilence(t *testing.T) {
	b := watched(t, sweeptest.Telling, finding.Enforce)
	b.Open(b.Group("data"), 5432, "0.0.0.0/0")
	b.Unreadable = errors.New("ResourceNotFoundException")
	require.Zero(t, unannounced(hours(t, b, 6)))
	alerts := hours(t, b, 1)
	require.Equal(t, 1, unannounced(alerts))
	assert.Equal(t, 1, b.Metrics[sweep.MetricUnannounced])
	m, err := alert.NewMessage(alerts[0])
	require.NoError(t, err)
	assert.Contains(t, flat(m.Email), "detect's log has not been readable for hours")
	assert.Empty(t, hours(t, b, 24), "once")
}

func TestSweepsThatFollowFastWaitForTheEvent(t *testing.T) {
	b := watched(t, sweeptest.Telling, finding.Enforce)
	b.Open(b.Group("data"), 5432, "0.0.0.0/0")
	b.Alerts = nil
	for minute := range 35 {
		_, err := b.Sweep()
		require.NoError(t, err)
		want := 0
		if minute >= 30 {
			want = 1
		}
		assert.Equal(t, want, unannounced(b.Alerts), "minute %d", minute)
		b.Pass(time.Minute)
	}
}
