package slack

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert"
	"sgward/internal/slack/slacktest"
)

// shape returns a message as JSON gives it to Slack.
func shape(t testing.TB, c alert.Card) map[string]any {
	raw, err := json.Marshal(Message(c))
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(raw, &m))
	return m
}

func TestNoCardExceedsSlacksLimits(t *testing.T) {
	long := strings.Repeat("😀&<", 4000)
	c := alert.Card{ID: "a-1", Title: long, Urgency: alert.Open, Lead: []string{long, long}, Note: "critical"}
	for range 60 {
		c.Facts = append(c.Facts, alert.Fact{Name: "Who", Text: long})
		c.Text = append(c.Text, alert.Paragraph{Text: long}, alert.Paragraph{Text: long, IsCode: true})
		c.Links = append(c.Links, alert.Link{Text: long, URL: "https://example.com/" + strings.Repeat("x", 2900)})
	}
	c.Links = append(c.Links, alert.Link{Text: "x", URL: "https://example.com/" + strings.Repeat("x", 3000)})
	require.NoError(t, slacktest.Check(shape(t, c)))
	require.NoError(t, slacktest.Check(shape(t, alert.Card{Title: "Message"})))
}

// posted posts a message with a webhook whose waits take no time, and returns them.
func posted(t *testing.T, s *slacktest.Server, within time.Duration) ([]time.Duration, error) {
	w, err := NewWebhook(s.Webhook(), s.Client().Transport)
	require.NoError(t, err)
	var waits []time.Duration
	w.sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	err = w.Post(ctx, Message(alert.Card{Title: "x"}))
	return waits, err
}

func TestRateLimitsAndFailuresOfSlackAreWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		faults []slacktest.Fault
		waits  []time.Duration
	}{
		"429":                {[]slacktest.Fault{{Status: 429, RetryAfter: "7"}, {Status: 429, RetryAfter: "3"}}, []time.Duration{7 * time.Second, 3 * time.Second}},
		"429 without a time": {[]slacktest.Fault{{Status: 429}, {Status: 429}}, []time.Duration{time.Second, 2 * time.Second}},
		"5xx":                {[]slacktest.Fault{{Status: 500}, {Status: 503}, {Status: 502, Body: "<html>"}}, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}},
		"no answer":          {[]slacktest.Fault{{Hangup: true}}, []time.Duration{time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			s := slacktest.New(t)
			s.Fail(c.faults...)
			waits, err := posted(t, s, time.Minute)
			require.NoError(t, err)
			assert.Equal(t, c.waits, waits)
			assert.Len(t, s.Messages(), 1, "posted once")
		})
	}
}

func TestAWaitBeyondTheInvocationIsAnErrorAtOnce(t *testing.T) {
	s := slacktest.New(t)
	s.Fail(slacktest.Fault{Status: 429, RetryAfter: "60"})
	waits, err := posted(t, s, 30*time.Second)
	require.ErrorContains(t, err, "429")
	assert.Empty(t, waits, "Lambda's own retry comes later")
}

func TestARemovedWebhookIsSaidToBeGone(t *testing.T) {
	for _, f := range []slacktest.Fault{{Status: 404, Body: "no_service"}, {Status: 403, Body: "invalid_token"}, {Status: 410, Body: "channel_is_archived"}} {
		s := slacktest.New(t)
		s.Fail(f)
		_, err := posted(t, s, time.Minute)
		require.ErrorIs(t, err, ErrGone)
		require.ErrorContains(t, err, f.Body)
		assert.Equal(t, 1, s.Tries())
	}
}

func TestAMessageWhoseBlocksAreRefusedArrivesAsText(t *testing.T) {
	s := slacktest.New(t)
	s.Fail(slacktest.Fault{Status: 400, Body: "invalid_blocks"})
	_, err := posted(t, s, time.Minute)
	require.NoError(t, err)
	require.Len(t, s.Messages(), 1)
	assert.Nil(t, s.Messages()[0]["blocks"])
	assert.Contains(t, s.Messages()[0]["text"], "see the e-mail")

	s.Fail(slacktest.Fault{Status: 400, Body: "invalid_blocks"}, slacktest.Fault{Status: 400, Body: "invalid_payload"})
	_, err = posted(t, s, time.Minute)
	require.ErrorContains(t, err, "invalid_payload")
}

func TestNoErrorHoldsTheURL(t *testing.T) {
	secret := slacktest.Path[strings.LastIndex(slacktest.Path, "/")+1:]
	s := slacktest.New(t)
	leaking := "https://hooks.slack.com" + slacktest.Path
	check := func(err error) {
		t.Helper()
		require.Error(t, err)
		for _, part := range []string{s.URL + slacktest.Path, slacktest.Path, secret, "T0123456789", "B0123456789"} {
			assert.NotContains(t, err.Error(), part)
		}
	}
	s.Fail(slacktest.Fault{Status: 404, Body: "no such hook: " + leaking})
	_, err := posted(t, s, time.Minute)
	check(err)
	s.Fail(slacktest.Fault{Status: 302, Body: leaking})
	_, err = posted(t, s, time.Minute)
	check(err)
	s.Close() // a refused connection, whose error net/http gives the URL
	_, err = posted(t, s, 3*time.Second)
	check(err)
	for _, address := range []string{leaking[len("https://"):], "http://hooks.slack.com" + slacktest.Path, "https://user@x" + slacktest.Path, "https://%zz" + slacktest.Path} {
		_, err := NewWebhook(address, http.DefaultTransport)
		check(err)
	}
}
