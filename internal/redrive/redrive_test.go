package redrive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/awscall"
	"sgward/internal/functionstest"
	"sgward/internal/stack"
	"sgward/internal/stack/stacktest"
	"sgward/localaws"
	"sgward/localaws/queue"
)

func TestMain(m *testing.M) { functionstest.Main(m) }

// bench is a running stack whose dead letters are to be sent back.
type bench struct {
	*testing.T
	*localaws.Stack
	config aws.Config
	stack  *stack.Stack
	dead   *queue.Queue
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t}
	b.Stack, b.config = stacktest.Start(t, nil)
	var err error
	b.stack, err = stack.Find(t.Context(), awscall.New(b.config), b.config.Region, "sgward")
	require.NoError(t, err)
	b.dead, _ = b.Queue("DeadLetterQueue")
	return b
}

func (b *bench) connect() *Redriver {
	b.Helper()
	r, err := Connect(b.Context(), b.config, b.stack)
	require.NoError(b, err)
	return r
}

// open makes a group with MySQL open to the world.
func (b *bench) open() string {
	b.Helper()
	user := ec2.NewFromConfig(b.config)
	group, err := user.CreateSecurityGroup(b.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("data"), Description: aws.String("data")})
	require.NoError(b, err)
	_, err = user.AuthorizeSecurityGroupIngress(b.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}},
	}}})
	require.NoError(b, err)
	b.rest()
	return aws.ToString(group.GroupId)
}

func (b *bench) rest() {
	b.Helper()
	require.NoError(b, b.WaitIdle(b.Context()))
}

func (b *bench) rules(groupID string) int {
	b.Helper()
	out, err := ec2.NewFromConfig(b.config).DescribeSecurityGroups(b.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{groupID}})
	require.NoError(b, err)
	return len(out.SecurityGroups[0].IpPermissions)
}

func (b *bench) shown() []Handled {
	b.Helper()
	var out []Handled
	later, err := b.connect().Show(b.Context(), func(r Handled) { out = append(out, r) })
	require.NoError(b, err)
	assert.Empty(b, later)
	return out
}

func (b *bench) sent(wanted func(Letter) bool) map[Outcome]int {
	b.Helper()
	out := map[Outcome]int{}
	_, err := b.connect().Send(b.Context(), wanted, func(r Handled) {
		out[r.Outcome]++
		assert.NoError(b, r.Err)
	})
	require.NoError(b, err)
	b.rest()
	return out
}

func all(Letter) bool { return true }

func TestAnEventThatEventBridgeCouldNotDeliverIsJudgedAndItsOpeningClosed(t *testing.T) {
	b := newBench(t)
	b.FailHandOvers(1)
	group := b.open()
	require.Equal(t, 1, b.rules(group))

	shown := b.shown()
	require.Len(t, shown, 1)
	assert.Equal(t, "detect", shown[0].Function)
	assert.Contains(t, shown[0].What, "AuthorizeSecurityGroupIngress in "+group+": ingress tcp 3306 from 0.0.0.0/0, by arn:aws:iam::123456789012:user/demo")
	assert.Contains(t, shown[0].Why, "EventBridge could not deliver it to detect: INTERNAL_ERROR: ")
	assert.WithinDuration(t, time.Now(), shown[0].Since, time.Minute)
	assert.Equal(t, queue.Depth{Visible: 1}, b.dead.Depth(), "what is shown is not hidden from others")

	assert.Equal(t, map[Outcome]int{Sent: 1}, b.sent(all))
	assert.Equal(t, queue.Depth{}, b.dead.Depth())
	assert.Zero(t, b.rules(group), "the opening is closed")
}

func TestOnlyChosenLettersAreSentBack(t *testing.T) {
	b := newBench(t)
	for range 2 {
		_, err := b.dead.Send(`{"source":"aws.events","detail-type":"Scheduled Event","id":"a","account":"123456789012","region":"us-east-1","time":"2026-11-28T10:00:00Z"}`)
		require.NoError(t, err)
	}
	shown := b.shown()
	require.Len(t, shown, 2)
	assert.Equal(t, map[Outcome]int{Sent: 1}, b.sent(func(l Letter) bool { return l.ID == shown[1].ID }))
	assert.Equal(t, queue.Depth{Visible: 1}, b.dead.Depth())
	assert.Equal(t, shown[0].ID, b.dead.Messages()[0].ID)
}

// A cause that is not fixed: the message comes back, and the run ends all the same.
func TestAnEventThatFailsAgainComesBack(t *testing.T) {
	b := newBench(t)
	require.NoError(t, b.InvokeAsync("DetectFunction", []byte(`{"detail-type":"AWS API Call via CloudTrail","detail":{"eventSource":"ec2.amazonaws.com","eventName":"AuthorizeSecurityGroupIngress","requestParameters":{}}}`)))
	b.rest()
	shown := b.shown()
	require.Len(t, shown, 1)
	assert.Contains(t, shown[0].Why, "detect failed 3 times: MalformedError: ")
	assert.Equal(t, map[Outcome]int{Sent: 1}, b.sent(all))
	assert.Equal(t, 1, b.dead.Depth().Visible, "it failed again")
	assert.NotEqual(t, shown[0].ID, b.dead.Messages()[0].ID)
}

// The shapes that template.yaml's parts put into the queue, and the function that each is for.
func TestEachShapeIsForTheFunctionThatHandlesIt(t *testing.T) {
	b := newBench(t)
	arn := func(id string) string { return b.Template().Functions[id].ARN }
	record := func(function, condition, request, response string) string {
		return fmt.Sprintf(`{"version":"1.0","requestContext":{"functionArn":"%s:$LATEST","condition":"%s","approximateInvokeCount":3},"requestPayload":%s,"responsePayload":%s}`, function, condition, request, response)
	}
	edit := `{"detail-type":"AWS API Call via CloudTrail","detail":{"eventVersion":"1.11","eventSource":"ec2.amazonaws.com","eventName":"ModifyManagedPrefixList","awsRegion":"us-east-1","recipientAccountId":"123456789012","eventTime":"2026-11-28T10:00:00Z","eventID":"e1","userIdentity":{"type":"Root","arn":"arn:aws:iam::123456789012:root"},"requestParameters":{"ModifyManagedPrefixListRequest":{"PrefixListId":"pl-0123456789abcdef0","CurrentVersion":1}}}}`
	letters := map[string]struct {
		body       string
		attributes map[string]string
		function   string
		why        string // or why it stays
	}{
		"what remediate failed on":     {record(arn("DetectFunction"), "Success", `{"detail-type":"x"}`, `{"decision":"revoke","findings":[{}]}`), nil, "detect", "remediate failed on every try with what detect found (revoke, 1 finding)"},
		"what remediate gave up":       {record(arn("SweepFunction"), "Success", `{"sgward":"sweep"}`, `{"decision":7}`), map[string]string{"reason": "decision: want a text"}, "sweep", "remediate could make nothing of it: decision: want a text"},
		"a sweep that failed":          {record(arn("SweepFunction"), "RetriesExhausted", `{"source":"aws.events","time":"2026-11-28T10:00:00Z"}`, `{"errorType":"runError","errorMessage":"throttled"}`), nil, "sweep", "sweep failed 3 times: runError: throttled"},
		"an event too old for detect":  {record(arn("DetectFunction"), "EventAgeExceeded", `{"detail-type":"x"}`, `null`), nil, "detect", "detect was not invoked within the event's greatest age"},
		"a list's edit":                {edit, nil, "sweep", "EventBridge could not deliver it to sweep"},
		"the same event to its target": {edit, map[string]string{"TARGET_ARN": arn("DetectFunction"), "ERROR_CODE": "NO_PERMISSIONS"}, "detect", "EventBridge could not deliver it to detect: NO_PERMISSIONS"},
		"text":                         {"hello", nil, "", "it is not a JSON object"},
		"a list":                       {"[1]", nil, "", "it is not a JSON object"},
		"another object":               {`{"a":1}`, nil, "", "it is neither an event of EventBridge nor an invocation record of Lambda"},
		"a record of another function": {record("arn:aws:lambda:us-east-1:123456789012:function:other", "RetriesExhausted", `{}`, `{}`), nil, "", "it is of function arn:aws:lambda:us-east-1:123456789012:function:other:$LATEST, which is not of stack sgward"},
		"a record without its event":   {record(arn("DetectFunction"), "RetriesExhausted", `null`, `{}`), nil, "", "its invocation record holds no event (requestPayload)"},
		"another function's event":     {edit, map[string]string{"TARGET_ARN": "arn:aws:lambda:us-east-1:123456789012:function:other"}, "", "its target is arn:aws:lambda:us-east-1:123456789012:function:other, which is not of stack sgward"},
		"an event of something else":   {`{"detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","detail":{}}`, nil, "", "no function of sgward handles events of type EC2 Instance State-change Notification"},
		"a function without a record":  {`{"requestContext":{"functionArn":7},"requestPayload":{}}`, nil, "", "its member requestContext.functionArn is of another type (number) than in events and invocation records"},
		"an event of another form":     {`{"detail-type":"Scheduled Event","source":"aws.events","time":"2026-11-28T10:00:00Z","detail":[]}`, nil, "", "its member detail is of another type (array) than in events and invocation records"},
		"another event of EventBridge": {`{"detail-type":"Rule Changed","source":"aws.events","time":"2026-11-28T10:00:00Z"}`, nil, "", "no function of sgward handles events of type Rule Changed"},
		"a schedule without its time":  {`{"detail-type":"Scheduled Event","source":"aws.events"}`, nil, "", "no function of sgward handles events of type Scheduled Event"},
		"a namesake's record":          {record(strings.Replace(arn("DetectFunction"), "123456789012", "111122223333", 1), "RetriesExhausted", `{}`, `{}`), nil, "", "it is of function " + strings.Replace(arn("DetectFunction"), "123456789012", "111122223333", 1) + ":$LATEST, which is not of stack sgward"},
		"a namesake's event":           {edit, map[string]string{"TARGET_ARN": strings.Replace(arn("DetectFunction"), "us-east-1", "eu-west-1", 1)}, "", "its target is " + strings.Replace(arn("DetectFunction"), "us-east-1", "eu-west-1", 1) + ", which is not of stack sgward"},
	}
	names := map[string]string{} // by message id
	for name, letter := range letters {
		id, err := b.dead.SendWith(letter.body, letter.attributes)
		require.NoError(t, err)
		names[id] = name
	}
	shown := b.shown()
	require.Len(t, shown, len(letters))
	for _, got := range shown {
		want := letters[names[got.ID]]
		assert.Equal(t, want.function, got.Function, names[got.ID])
		if want.function != "" {
			assert.Contains(t, got.Why, want.why, names[got.ID])
		} else {
			assert.Equal(t, want.why, got.Unknown, names[got.ID])
		}
	}
	_, err := b.connect().Send(t.Context(), func(l Letter) bool { return l.Unknown != "" }, func(r Handled) { assert.Equal(t, Kept, r.Outcome) })
	require.NoError(t, err)
	assert.Equal(t, queue.Depth{Visible: len(letters)}, b.dead.Depth(), "they stay, for all to see")
}

func TestAnInterruptionHidesNothing(t *testing.T) {
	b := newBench(t)
	for range 45 {
		_, err := b.dead.Send("of unknown shape")
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	_, err := b.connect().Show(ctx, func(Handled) {
		if n++; n == 25 {
			cancel()
		}
	})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, queue.Depth{Visible: 45}, b.dead.Depth())
}

// In a run that is longer than the time for which SQS hides a message, those that stay come
// once more.
func TestALetterThatBecomesVisibleDuringTheRunIsShownOnceAndReleased(t *testing.T) {
	b := newBench(t)
	_, err := b.dead.Send("of unknown shape")
	require.NoError(t, err)
	var shown []Handled
	_, err = b.connect().Show(t.Context(), func(r Handled) {
		shown = append(shown, r)
		if len(shown) == 1 { // the receivers still wait for more
			time.AfterFunc(200*time.Millisecond, func() { assert.True(t, b.dead.ChangeVisibility(r.handle, 0)) })
		}
	})
	require.NoError(t, err)
	assert.Len(t, shown, 1)
	require.Len(t, b.dead.Messages(), 1)
	assert.Equal(t, 2, b.dead.Messages()[0].ReceiveCount, "it came once more")
	assert.Equal(t, queue.Depth{Visible: 1}, b.dead.Depth(), "its last handle releases it")
}

func TestAThousandLettersAreSentBackInLittleMemory(t *testing.T) {
	b := newBench(t)
	padding := strings.Repeat("x", 20_000)
	const letters = 1000
	for range letters {
		_, err := b.dead.Send(`{"source":"aws.ec2","detail-type":"AWS API Call via CloudTrail","detail":{"eventVersion":"1.11","eventSource":"ec2.amazonaws.com","eventName":"AuthorizeSecurityGroupIngress","errorCode":"Client.DryRunOperation","padding":"` + padding + `"}}`)
		require.NoError(t, err)
	}
	_, err := b.dead.Send("of unknown shape")
	require.NoError(t, err)
	began := time.Now()
	sent := b.sent(all)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("%d letters of 20 KB in %s, %d MB of the system's memory with the stack's own", letters, time.Since(began).Round(time.Millisecond), memory.Sys>>20)
	assert.Equal(t, map[Outcome]int{Sent: letters, Kept: 1}, sent)
	assert.Equal(t, queue.Depth{Visible: 1}, b.dead.Depth())
	assert.Equal(t, letters, b.Calls("")["lambda:Invoke"], "each once")
}

// What cannot be invoked stays, and the reason is said.
func TestALetterWhoseFunctionIsGoneStays(t *testing.T) {
	b := newBench(t)
	_, err := b.dead.Send(`{"requestContext":{"functionArn":"arn:aws:lambda:us-east-1:123456789012:function:gone"},"requestPayload":{"detail-type":"x"}}`)
	require.NoError(t, err)
	detect := b.stack.Resources["DetectFunction"]
	detect.PhysicalID = "gone" // as if somebody had deleted it
	b.stack.Resources["DetectFunction"] = detect
	var results []Handled
	_, err = b.connect().Send(t.Context(), all, func(r Handled) { results = append(results, r) })
	require.NoError(t, err)
	require.Len(t, results, 1)
	assert.Equal(t, Failed, results[0].Outcome)
	assert.ErrorContains(t, results[0].Err, "ResourceNotFoundException")
	assert.Equal(t, queue.Depth{Visible: 1}, b.dead.Depth())
}

func TestResultsAreOneObjectALine(t *testing.T) {
	var out bytes.Buffer
	p := Printer{Out: &out, JSON: true}
	p.Result(Handled{Letter: Letter{ID: "m1", Since: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC), Function: "detect", What: "a call", Why: "it failed"}, Outcome: Sent})
	p.Result(Handled{Letter: Letter{ID: "m2", Unknown: "it is not a JSON object"}, Outcome: Kept})
	require.NoError(t, p.Err())
	for l := range strings.Lines(out.String()) {
		assert.True(t, json.Valid([]byte(l)))
	}
	assert.Equal(t, `{"messageId":"m1","since":"2026-11-28T10:00:00Z","function":"detect","event":"a call","reason":"it failed","outcome":"sent"}
{"messageId":"m2","unknown":"it is not a JSON object","outcome":"kept"}
`, out.String())
	assert.Equal(t, "1 for detect", p.Functions())
}

func TestUntrustedTextsAreMadeVisible(t *testing.T) {
	var out bytes.Buffer
	p := Printer{Out: &out}
	p.Result(Handled{Letter: Letter{ID: "m1", What: "x\x1b[2Jy\nz"}, Outcome: Shown})
	assert.NotContains(t, out.String(), "\x1b")
	assert.Equal(t, 2, strings.Count(out.String(), "\n"))
}

func TestUntrustedTextsAreEscapedInJSON(t *testing.T) {
	var out bytes.Buffer
	p := Printer{Out: &out, JSON: true}
	p.Result(Handled{Letter: Letter{ID: "m1", What: "x\u009b2J\u202ey"}, Outcome: Shown})
	assert.Contains(t, out.String(), `x\u009b2J\u202ey`)
}

// detect would read a call where a forger wrote a sweep or an alert beside it.
func TestALetterIsDescribedAsItsFunctionReadsIt(t *testing.T) {
	event := []byte(`{"sgward":"sweep","source":"aws.events","detail-type":"AWS API Call via CloudTrail","time":"2026-11-28T10:00:00Z","Records":[{"Sns":{"Subject":"s","Timestamp":"2026-11-28T10:00:00Z"}}],` +
		`"detail":{"eventSource":"ec2.amazonaws.com","eventName":"AuthorizeSecurityGroupIngress","requestParameters":{"groupId":"sg-0123456789abcdef0"}}}`)
	assert.Contains(t, describe(detect, event), "an event that sgward cannot read: reading CloudTrail record")
	assert.Equal(t, "a sweep that a person asked for", describe(sweep, event))
	assert.Equal(t, `the alert "s" of 2026-11-28 10:00:00 UTC`, describe(slack, event))
	assert.Equal(t, describe(slack, event), describe(outlets, event))
	assert.Equal(t, "an event without an alert", describe(slack, []byte(`{"sgward":"sweep"}`)))
}

// slow is a client of services whose clock is an hour behind.
type slow struct{ aws.HTTPClient }

func (s slow) Do(r *http.Request) (*http.Response, error) {
	response, err := s.HTTPClient.Do(r)
	if err == nil {
		response.Header.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
	}
	return response, err
}

// SQS dates messages by its own clock: by a slow one, all would seem to arrive later.
func TestARunBeginsByTheClockOfSQS(t *testing.T) {
	here := time.Date(2026, 11, 28, 10, 0, 0, 900_000_000, time.UTC)
	assert.Equal(t, here, began(here, here.Truncate(time.Second)))
	assert.Equal(t, here.Add(time.Hour+time.Second), began(here, here.Add(time.Hour)))
	assert.Equal(t, here.Add(-time.Hour+time.Second), began(here, here.Add(-time.Hour)))

	b := newBench(t)
	_, err := b.dead.Send("of unknown shape")
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), b.connect().Began, 10*time.Second)
	b.config.HTTPClient = slow{b.config.HTTPClient}
	r := b.connect()
	assert.WithinDuration(t, time.Now().Add(-time.Hour), r.Began, 10*time.Second)
	later, err := r.Show(t.Context(), func(Handled) { t.Error("it is later than the run") })
	require.NoError(t, err)
	assert.Equal(t, []string{b.dead.Messages()[0].ID}, later)
}
