package wire_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/drill/wire"
)

func TestTheSeedDecidesAboutEachCallWhateverHappensToOthers(t *testing.T) {
	ask := func(seed uint64, others int) (out []bool) {
		f := wire.NewFaults(seed, 0.2, nil)
		for range 40 {
			for i := range others {
				f.Happens(wire.Stale, fmt.Sprint("other ", i))
			}
			out = append(out, f.Happens(wire.Stale, "17-open/a DescribeSecurityGroupRules"))
		}
		return out
	}
	assert.Equal(t, ask(1, 0), ask(1, 3))
	assert.NotEqual(t, ask(1, 0), ask(2, 0))
	assert.Contains(t, ask(1, 0), true)
}

func TestFaultsHappenAboutAsOftenAsTheRateSays(t *testing.T) {
	f := wire.NewFaults(1, 0.2, nil)
	for i := range 10_000 {
		f.Happens(wire.Stale, fmt.Sprint(i))
		f.Happens(wire.Throttled, fmt.Sprint(i))
	}
	assert.InDelta(t, 2000, f.Count()[wire.Stale], 150)
	assert.InDelta(t, 1000, f.Count()[wire.Throttled], 120, "half of the calls that are refused")
	f.Stop()
	for i := range 100 {
		assert.False(t, f.Happens(wire.Stale, fmt.Sprint(i)))
	}
}

func TestNamedFaultsAreTheOnlyOnes(t *testing.T) {
	f := wire.NewFaults(1, 1, []string{"reply-lost 1-open/a RevokeSecurityGroupIngress #2"})
	var got []bool
	for range 3 {
		got = append(got, f.Happens(wire.ReplyLost, "1-open/a RevokeSecurityGroupIngress"))
	}
	assert.Equal(t, []bool{false, true, false}, got)
	assert.Equal(t, []string{"reply-lost 1-open/a RevokeSecurityGroupIngress #2"}, f.Fired())
	assert.Empty(t, wire.NewFaults(1, 1, []string{}).Fired())
}

// bench is a proxy before a service that counts its effects.
type bench struct {
	*httptest.Server
	effects atomic.Int64
	killed  atomic.Int64
}

func newBench(t *testing.T, faults ...string) *bench {
	t.Helper()
	b := &bench{}
	b.Server = httptest.NewServer(&wire.Proxy{
		Target: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			assert.Contains(t, string(body), "Action=", "the whole request comes through")
			b.effects.Add(1)
			w.Header().Set("Content-Type", "text/xml")
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, strings.Repeat("<done/>", 100))
		}),
		Faults: wire.NewFaults(1, 1, faults), MaxLag: time.Second,
		Label: func(id string) string {
			return map[string]string{"sg-1": "1-open/a", "2f0c0e4e-0000-4000-8000-000000000001": "1.1"}[id]
		},
		Kill: func(token string) {
			if token == "token" {
				b.killed.Add(1)
			}
		},
	})
	t.Cleanup(b.Close)
	return b
}

// call sends one call without sending it again.
func (b *bench) call(ctx context.Context, form url.Values) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("X-Amz-Security-Token", "token")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

var revoke = url.Values{"Action": {"RevokeSecurityGroupIngress"}, "GroupId": {"sg-1"}}

func TestEachFaultDoesWhatItsNameSays(t *testing.T) {
	const subject = " 1-open/a RevokeSecurityGroupIngress #1"
	tests := []struct {
		kind    wire.Kind
		effects int64
		status  int    // 0: the connection breaks
		body    string // in the answer
		killed  int64
	}{
		{kind: wire.Throttled, status: 503, body: "<Code>RequestLimitExceeded</Code>"},
		{kind: wire.Failed, status: 500, body: "<Code>InternalError</Code>"},
		{kind: wire.Denied, status: 403, body: "<Code>UnauthorizedOperation</Code>"},
		{kind: wire.RequestLost},
		{kind: wire.ReplyLost, effects: 1},
		{kind: wire.KilledBefore, killed: 1},
		{kind: wire.KilledAfter, effects: 1, killed: 1},
		{kind: "nothing", effects: 1, status: 200, body: strings.Repeat("<done/>", 100)},
	}
	for _, tt := range tests {
		t.Run(string(tt.kind), func(t *testing.T) {
			b := newBench(t, string(tt.kind)+subject)
			status, body, err := b.call(t.Context(), revoke)
			assert.Equal(t, tt.status, status)
			assert.Contains(t, body, tt.body)
			assert.Equal(t, tt.status == 0, err != nil, err)
			assert.Equal(t, tt.effects, b.effects.Load())
			assert.Equal(t, tt.killed, b.killed.Load())
		})
	}
}

func TestACutReplyEndsInTheMiddle(t *testing.T) {
	b := newBench(t, "reply-cut 1-open/a RevokeSecurityGroupIngress #1")
	status, body, err := b.call(t.Context(), revoke)
	assert.Equal(t, http.StatusOK, status)
	assert.Len(t, body, 350)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestACallThatHangsIsNotAnswered(t *testing.T) {
	for kind, effects := range map[wire.Kind]int64{wire.HungBefore: 0, wire.HungAfter: 1} {
		b := newBench(t, string(kind)+" 1-open/a RevokeSecurityGroupIngress #1")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, _, err := b.call(ctx, revoke)
		cancel()
		assert.ErrorIs(t, err, context.DeadlineExceeded, kind)
		assert.Equal(t, effects, b.effects.Load(), kind)
	}
}

func TestADenialLastsForSomeCalls(t *testing.T) {
	b := newBench(t, "denied 1.1 Publish #1")
	publish := url.Values{"Action": {"Publish"}, "Message": {`{"default":"{\"event\":{\"eventId\":\"2f0c0e4e-0000-4000-8000-000000000001\"}}"}`}}
	denied := 0
	for range 10 {
		status, body, err := b.call(t.Context(), publish)
		require.NoError(t, err)
		if status == http.StatusForbidden {
			assert.Contains(t, body, "<Code>AuthorizationError</Code>")
			denied++
			assert.Zero(t, b.effects.Load(), "at the beginning")
		}
	}
	assert.Positive(t, denied)
	assert.Equal(t, int64(10-denied), b.effects.Load())
}
