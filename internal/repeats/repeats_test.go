package repeats_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert"
	"sgward/internal/awscall"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/repeats"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/internal/table"
	"sgward/localaws/dynamodbapi"
)

const (
	account = "123456789012"
	group   = "sg-0123456789abcdef0"
)

// bench is a table with a clock.
type bench struct {
	t   *testing.T
	db  *dynamodbapi.Server
	url string
	now time.Time
	// before is asked before each call of DynamoDB; it may answer itself.
	before func(http.ResponseWriter) (isAnswered bool)
	*repeats.Counter
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		t: t, now: time.Date(2026, 11, 3, 2, 14, 9, 400e6, time.UTC),
		db: dynamodbapi.New(dynamodbapi.Config{Tables: []dynamodbapi.Table{{Name: "memory", Key: "id"}}}),
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.before == nil || !b.before(w) {
			b.db.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(web.Close)
	b.url = web.URL
	b.Counter = b.table("memory")
	return b
}

func (b *bench) table(name string) *repeats.Counter {
	return repeats.New(&table.Table{Name: name, Client: awscall.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(b.url), Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, time.Millisecond })
		},
	})})
}

func event(n int) cloudtrail.Event {
	return cloudtrail.Event{
		EventID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n), AccountID: account, Region: "us-east-1",
		Actor: cloudtrail.Actor{Type: "AssumedRole", ARN: fmt.Sprintf("arn:aws:sts::%s:assumed-role/Deployer/run-%d", account, n), SessionIssuerARN: "arn:aws:iam::" + account + ":role/Deployer"},
	}
}

// closed is the closing of MySQL to the world.
func (b *bench) closed() finding.Result {
	rule := secgrouptest.TCP(3306, "0.0.0.0/0")
	rule.ID = "sgr-0aaaaaaaaaaaaaaa1"
	at := b.now
	return finding.Result{
		Finding: finding.Finding{AccountID: account, Region: "us-east-1", GroupID: group, Rule: rule}, Outcome: finding.OutcomeRevoked, ClosedAt: &at,
	}
}

// count counts the closing of an event's rule, and returns its number; 1 for the first.
func (b *bench) count(n int) int {
	b.t.Helper()
	return b.number(b.Count(b.t.Context(), event(n), b.closed()))
}

func (b *bench) number(r *finding.Repeat, err error) int {
	b.t.Helper()
	require.NoError(b.t, err)
	if r == nil {
		return 1
	}
	return r.Closings
}

func TestTheSameOpeningIsCountedAndEscalatedOnce(t *testing.T) {
	b := newBench(t)
	since := b.now
	var escalated []int
	for n := 1; n <= 30; n++ {
		got, err := b.Count(t.Context(), event(n), b.closed())
		require.NoError(t, err)
		if n == 1 {
			assert.Nil(t, got, "the first is none")
		} else {
			assert.Equal(t, &finding.Repeat{Closings: n, Since: since, FirstAlertID: alert.ID(event(1)), Escalated: n == 3}, got)
		}
		if got != nil && got.Escalated {
			escalated = append(escalated, n)
		}
		b.now = b.now.Add(40 * time.Minute)
	}
	assert.Equal(t, []int{3}, escalated)
	items := b.db.Items("memory")
	require.Len(t, items, 1)
	assert.True(t, repeats.IsKey(*items[0]["id"].S))
	size := 0
	for name, v := range items[0] {
		for _, text := range []*string{v.S, v.N} {
			if text != nil {
				size += len(name) + len(*text)
			}
		}
	}
	assert.Less(t, size, 1024, "one write unit")
	last := b.now.Add(-40 * time.Minute)
	assert.Equal(t, strconv.FormatInt(last.Add(24*time.Hour).Unix(), 10), *items[0]["expiresAt"].N)
}

// Two calls whose records name nobody may be of two people.
func TestWhatAnUnknownCallerOpensIsNoRepeat(t *testing.T) {
	b := newBench(t)
	for n := range 4 {
		e := event(n)
		e.Actor = cloudtrail.Actor{Type: "Unknown"}
		assert.Equal(t, 1, b.number(b.Count(t.Context(), e, b.closed())))
	}
	assert.Empty(t, b.db.Items("memory"))
}

func TestOnlyTheSameOpeningByTheSameCallerIsARepeat(t *testing.T) {
	b := newBench(t)
	require.Equal(t, 1, b.count(1))
	for name, change := range map[string]func(*cloudtrail.Event, *finding.Result){
		"another port": func(_ *cloudtrail.Event, r *finding.Result) {
			rule := secgrouptest.TCP(5432, "0.0.0.0/0")
			r.Rule = rule
		},
		"another peer": func(_ *cloudtrail.Event, r *finding.Result) { rule := secgrouptest.TCP(3306, "::/0"); r.Rule = rule },
		"the way out": func(_ *cloudtrail.Event, r *finding.Result) {
			rule := secgrouptest.Rule("egress tcp 3306 to 0.0.0.0/0")
			r.Rule = rule
		},
		"another group":   func(_ *cloudtrail.Event, r *finding.Result) { r.GroupID = "sg-0fedcba9876543210" },
		"another region":  func(_ *cloudtrail.Event, r *finding.Result) { r.Region = "eu-west-1" },
		"another account": func(_ *cloudtrail.Event, r *finding.Result) { r.AccountID = "111122223333" },
		"another role": func(e *cloudtrail.Event, _ *finding.Result) {
			e.Actor.SessionIssuerARN = "arn:aws:iam::" + account + ":role/Other"
		},
	} {
		e, r := event(2), b.closed()
		change(&e, &r)
		assert.Equal(t, 1, b.number(b.Count(t.Context(), e, r)), name)
	}
	r := b.closed()
	r.Rule.ID, r.Rule.Description = "sgr-0bbbbbbbbbbbbbbb2", "another rule of the same values"
	assert.Equal(t, 2, b.number(b.Count(t.Context(), event(3), r)))
}

func TestAnEventCountsOnceHoweverOftenAndLateItIsDelivered(t *testing.T) {
	b := newBench(t)
	for _, n := range []int{2, 1, 2, 3, 1, 3, 2} {
		b.count(n)
		b.now = b.now.Add(time.Minute)
	}
	assert.Equal(t, [3]int{2, 1, 3}, [3]int{b.count(1), b.count(2), b.count(3)}, "each keeps its number")
	for n := 4; n <= 20; n++ {
		b.count(n)
	}
	assert.Equal(t, 2, b.count(1), "the oldest of the twenty that are known")
}

func TestARetryHasTheNumberOfItsFirstTryAndCountsNothing(t *testing.T) {
	b := newBench(t)
	retried := func(n int) int {
		r := b.closed()
		r.Outcome, r.MaybeEarlier = finding.OutcomeAlreadyClosed, true
		return b.number(b.Count(t.Context(), event(n), r))
	}
	assert.Equal(t, 1, retried(1), "there is no item")
	assert.Empty(t, b.db.Items("memory"), "somebody else may have removed it")
	b.count(1)
	b.count(2)
	before := b.db.Items("memory")
	assert.Equal(t, 2, retried(2))
	assert.Equal(t, 1, retried(1))
	assert.Equal(t, 1, retried(3), "which was not counted")
	assert.Equal(t, before, b.db.Items("memory"))
	assert.Equal(t, 3, b.count(3))
}

func TestADayWithoutTheOpeningEndsTheCountAndSoDoesAWeekWithIt(t *testing.T) {
	b := newBench(t)
	b.count(1)
	b.now = b.now.Add(24 * time.Hour)
	assert.Equal(t, 2, b.count(2), "a day renews it")
	b.now = b.now.Add(24*time.Hour + time.Second)
	assert.Equal(t, 1, b.count(3), "DynamoDB deletes what has expired only days later")
	for n := 4; n <= 10; n++ {
		b.now = b.now.Add(24 * time.Hour)
		assert.Equal(t, n-2, b.count(n))
	}
	b.now = b.now.Add(time.Hour)
	assert.Equal(t, 1, b.count(11), "it is told anew, and not for ever in one thread")
}

func TestTwoAtOnceAreBothCounted(t *testing.T) {
	b := newBench(t)
	const both = 4
	got := make([]int, both)
	for round := range 5 {
		var working sync.WaitGroup
		for i := range both {
			working.Go(func() {
				r, err := b.Count(context.Background(), event(round*both+i), b.closed())
				if assert.NoError(t, err) && r != nil {
					got[i] = r.Closings
				} else {
					got[i] = 1
				}
			})
		}
		working.Wait()
		slices.Sort(got)
		assert.Equal(t, []int{round*both + 1, round*both + 2, round*both + 3, round*both + 4}, got)
	}
}

// The write arrived, its answer did not: the repeated write finds the event counted.
func TestALostAnswerCountsOnce(t *testing.T) {
	b := newBench(t)
	b.count(1)
	var calls atomic.Int32
	b.before = func(http.ResponseWriter) bool { return false }
	cutting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) != 2 { // the first finds that the item exists
			b.db.ServeHTTP(w, r)
			return
		}
		b.db.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	cutting.Config.ErrorLog = nil
	t.Cleanup(cutting.Close)
	b.url = cutting.URL
	assert.Equal(t, 2, b.number(b.table("memory").Count(t.Context(), event(2), b.closed())))
	assert.Equal(t, int32(3), calls.Load())
	assert.Equal(t, 3, b.count(3))
}

func TestWhatIsCountedCostsOneWriteAndARepeatTwo(t *testing.T) {
	b := newBench(t)
	b.count(1)
	assert.Equal(t, map[string]int{"UpdateItem": 1}, b.db.Calls())
	b.count(2)
	assert.Equal(t, map[string]int{"UpdateItem": 3}, b.db.Calls())
}

func TestFaultsAreErrorsThatNameTheTable(t *testing.T) {
	b := newBench(t)
	_, err := b.table("another").Count(t.Context(), event(1), b.closed())
	assert.ErrorContains(t, err, "counting a closing in table another: ")
	assert.ErrorContains(t, err, "ResourceNotFoundException")

	for code, want := range map[string]int{"AccessDeniedException": 1, "ProvisionedThroughputExceededException": 3, "InternalServerError": 3} {
		b := newBench(t)
		b.db.FailNext("UpdateItem", 9, code)
		_, err := b.Count(t.Context(), event(1), b.closed())
		require.ErrorContains(t, err, code)
		assert.Equal(t, want, b.db.Calls()["UpdateItem"], "%s: tries", code)
		assert.Empty(t, b.db.Items("memory"))
	}
	b.db.FailNext("UpdateItem", 1, "ProvisionedThroughputExceededException")
	assert.Equal(t, 1, b.count(1), "throttled once")

	b.before = func(w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","Item":{"id":{"S":"repeat/x"},"closings":{"N":"many"}}}`)
		return true
	}
	_, err = b.Count(t.Context(), event(2), b.closed())
	assert.ErrorContains(t, err, "it is not one of remediate's")
	b.before = func(w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, strings.Repeat(`{"__type":"ConditionalCheckFailedException"}`, 1))
		return true
	}
	_, err = b.Count(t.Context(), event(2), b.closed())
	assert.ErrorContains(t, err, "others keep writing the same item")

	slow, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	b.before = func(http.ResponseWriter) bool { <-slow.Done(); return false }
	began := time.Now()
	_, err = b.Count(slow, event(2), b.closed())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 5*time.Second)

	_, err = b.Count(t.Context(), event(2), finding.Result{})
	assert.ErrorContains(t, err, "it needs a rule and the time of the closing")
}

// What counting relies on in DynamoDB: on the stand-in, or on the one whose address
// SGWARD_CONTRACT_DYNAMODB names, with a table "memory". `make e2e` sets it to moto's.
func TestDynamoDBKeepsTheContract(t *testing.T) {
	b := newBench(t)
	if endpoint := os.Getenv("SGWARD_CONTRACT_DYNAMODB"); endpoint != "" {
		b.url = endpoint
		b.Counter = b.table("memory")
	}
	retried := func(n int) int {
		r := b.closed()
		r.Outcome, r.MaybeEarlier = finding.OutcomeAlreadyClosed, true
		return b.number(b.Count(t.Context(), event(n), r))
	}
	assert.Equal(t, 1, retried(1), "a condition on an item that is missing fails, whatever the update refers to")
	assert.Equal(t, 1, b.count(1), "an item is made if there is none")
	assert.Equal(t, 1, b.count(1), "a failed condition returns the item")
	assert.Equal(t, 2, b.count(2), "an item is written if it is what was read")
	assert.Equal(t, 3, b.count(3))
	assert.Equal(t, 2, retried(2), "an update that changes nothing returns the item")
	assert.Equal(t, 1, retried(4), "a text that is not in another is not contained")
	assert.Equal(t, 4, b.count(4))
	b.now = b.now.Add(25 * time.Hour)
	assert.Equal(t, 1, b.count(5), "an item that has expired is replaced")
	_, err := b.table("missing").Count(t.Context(), event(1), b.closed())
	assert.ErrorContains(t, err, "ResourceNotFoundException")
}
