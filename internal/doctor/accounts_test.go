package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/stack"
)

// inRegions is an account that opens for some regions.
func (a *account) inRegions(id, name string, regions ...string) Account {
	return Account{ID: id, Name: name, AWS: a.config(), Open: func(context.Context) (string, []string, error) { return id, regions, nil }}
}

type counted struct{ accounts, regions atomic.Int64 }

func (c *counted) Account() { c.accounts.Add(1) }
func (c *counted) Region()  { c.regions.Add(1) }

func TestAccountsAndRegionsAreExaminedSideBySide(t *testing.T) {
	sound, broken, empty, denied := soundAccount(t), soundAccount(t), soundAccount(t), soundAccount(t)
	broken.set("events:TestEventPattern", object{"Result": true}) // its patterns name another account
	broken.disable("OpeningsRule")
	broken.set("sns:ListSubscriptionsByTopic", "<Subscriptions></Subscriptions>")
	broken.set("monitoring:DescribeAlarms", "")
	empty.set("cloudformation:DescribeStacks", "<Stacks></Stacks>")
	denied.refused["cloudformation:DescribeStacks"] = true
	closed := sound.inRegions("999900001111", "acquired\x1b[2J")
	closed.Open = func(context.Context) (string, []string, error) { return "", nil, errors.New("no such role") }
	var done counted
	reports := ExamineAll(t.Context(), []Account{
		sound.inRegions("123456789012", "management", "us-east-1", "eu-central-1"),
		broken.inRegions("111122223333", "payments", "us-east-1"),
		empty.inRegions("444455556666", "", "us-east-1"),
		closed,
		denied.inRegions("777788889999", "data", "eu-central-1"),
	}, Config{StackName: "sgward", Now: func() time.Time { return now }}, &done)
	assert.EqualValues(t, 5, done.accounts.Load())
	assert.EqualValues(t, 5, done.regions.Load())
	require.Len(t, reports, 6, "in the order of the accounts")
	assert.Zero(t, sound.called["sts:GetCallerIdentity"], "the account is known")
	var none *stack.MissingError
	assert.ErrorAs(t, reports[3].Err, &none)
	assert.ErrorContains(t, reports[4].Err, "no such role")
	assert.ErrorContains(t, reports[5].Err, "not authorized to perform cloudformation:DescribeStacks")
	for i, r := range reports { // as the command line does
		if r.Err != nil {
			r.Lines = []Line{{Check: "stack", Text: "the region cannot be examined", Err: r.Err}}
		}
		if i == 3 {
			r.Lines = []Line{{Check: "stack", Status: Failure, Text: "no stack named sgward", Fix: "deploy it"}}
		}
	}

	var out bytes.Buffer
	p := Printer{Out: &out, ErrorText: func(error) string { return "a reason" }}
	require.NoError(t, p.PrintAccounts(reports, "sgward"))
	assert.Equal(t, `Stack sgward in 5 accounts
  ok       123456789012 (management)           us-east-1
  ok       123456789012 (management)           eu-central-1
  FAILURE  111122223333 (payments)             us-east-1       rules, subscribers; warning: alarms
    FAILURE  rules         OpeningsRule is disabled: no new opening is seen before the next sweep
                           aws events enable-rule --name sgward-OpeningsRule --region us-east-1
    FAILURE  subscribers   the topic has no subscription: alerts and alarms are not delivered
                           aws sns subscribe --topic-arn arn:aws:sns:us-east-1:123456789012:sgward-AlertTopic --protocol email --notification-endpoint YOU@example.com --region us-east-1
    warning  alarms        alarms are gone: DeadLetterAlarm, NoSweepAlarm
                           deploy the stack again: make deploy
  FAILURE  444455556666                        us-east-1       no stack named sgward: deploy it
  unknown  999900001111 (acquired[U+001B][2J)  -               the region cannot be examined: a reason
  unknown  777788889999 (data)                 eu-central-1    the region cannot be examined: a reason
2 failures, 2 unknown, 2 ok
`, out.String())
	out.Reset()
	p.Quiet = true
	require.NoError(t, p.PrintAccounts(reports, "sgward"))
	assert.NotContains(t, out.String(), "management")
	assert.NotContains(t, out.String(), "Stack sgward")
	out.Reset()
	p.JSON = true
	require.NoError(t, p.PrintAccounts(reports, "sgward"))
	assert.Contains(t, out.String(), `{"accountId":"111122223333","accountName":"payments","region":"us-east-1","stack":"sgward","check":"rules","status":"failure"`)
	assert.Contains(t, out.String(), `{"accountId":"444455556666","region":"us-east-1","stack":"sgward","check":"stack","status":"failure","text":"no stack named sgward","fix":"deploy it"}`)
	assert.Contains(t, out.String(), `"accountId":"999900001111","accountName":"acquired\u001b[2J","region":""`)
}

// peak is the most of something that was under way at a time.
type peak struct{ open, most atomic.Int64 }

func (p *peak) hold() {
	n := p.open.Add(1)
	for before := p.most.Load(); n > before && !p.most.CompareAndSwap(before, n); before = p.most.Load() {
	}
	time.Sleep(20 * time.Millisecond)
	p.open.Add(-1)
}

// finding watches the first call of each examination.
type finding struct {
	aws.HTTPClient
	peak
}

func (c *finding) Do(r *http.Request) (*http.Response, error) {
	if _, service := scopeOf(r); service == "cloudformation" {
		c.hold()
	}
	return c.HTTPClient.Do(r)
}

func TestFewAccountsAndRegionsAreExaminedAtATime(t *testing.T) {
	a := soundAccount(t)
	a.set("cloudformation:DescribeStacks", "<Stacks></Stacks>")
	var opening peak
	var accounts []Account
	for i := range 3 * accountsAtOnce {
		in := a.inRegions(fmt.Sprintf("%012d", i), "", "us-east-1")
		ready := in.Open
		in.Open = func(ctx context.Context) (string, []string, error) {
			opening.hold()
			return ready(ctx)
		}
		accounts = append(accounts, in)
	}
	reports := ExamineAll(t.Context(), accounts, Config{StackName: "sgward"}, &counted{})
	require.Len(t, reports, len(accounts))
	for i, r := range reports {
		assert.Equal(t, fmt.Sprintf("%012d", i), r.AccountID)
	}
	assert.LessOrEqual(t, opening.most.Load(), int64(accountsAtOnce))
	assert.Greater(t, opening.most.Load(), int64(1))

	one := a.inRegions("123456789012", "", slices.Repeat([]string{"us-east-1"}, 3*regionsAtOnce)...)
	calls := &finding{HTTPClient: one.AWS.HTTPClient}
	one.AWS.HTTPClient = calls
	assert.Len(t, ExamineAll(t.Context(), []Account{one}, Config{StackName: "sgward"}, &counted{}), 3*regionsAtOnce)
	assert.LessOrEqual(t, calls.most.Load(), int64(regionsAtOnce))
	assert.Greater(t, calls.most.Load(), int64(1))
}

// BenchmarkManyAccounts examines sound stacks behind a network that takes 30 ms.
func BenchmarkManyAccounts(b *testing.B) {
	for _, n := range []int{1, 50} {
		for _, regions := range [][]string{{"us-east-1"}, {"ap-northeast-1", "eu-central-1", "us-east-1", "us-west-2"}} {
			b.Run(fmt.Sprintf("accounts=%d/regions=%d", n, len(regions)), func(b *testing.B) {
				a := soundAccount(b)
				a.pause = 30 * time.Millisecond
				a.set("events:TestEventPattern", object{"Result": true}) // its patterns name one account
				accounts := make([]Account, n)
				for i := range accounts {
					accounts[i] = a.inRegions(fmt.Sprintf("%012d", i), "", regions...)
				}
				for b.Loop() {
					for _, r := range ExamineAll(b.Context(), accounts, Config{StackName: "sgward", Now: func() time.Time { return now }}, &counted{}) {
						if r.worst() != OK {
							b.Fatalf("%+v", r)
						}
					}
				}
			})
		}
	}
}
