package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert/alerttest"
	"sgward/internal/finding"
	"sgward/internal/outlets"
	"sgward/internal/text"
	"sgward/localaws/runtimeapi"
)

const busARN = "arn:aws:events:us-east-1:123456789012:event-bus/security"

// sent is when the alerts of the tests were published.
var sent = time.Date(2026, 11, 3, 2, 14, 10, 250_000_000, time.UTC)

// stage is the deployed function beside stand-ins for EventBridge and Security Hub, which
// refuse what the tests say. e2e/test_outlets.py runs it on others' emulators.
type stage struct {
	t        *testing.T
	function *runtimeapi.Function

	mu       sync.Mutex
	log      strings.Builder
	events   [][]outlets.Detail         // by call
	entries  []map[string]any           // all
	imports  [][]map[string]any         // by call
	hub      map[string]outlets.ASFF    // as Security Hub keeps them
	refuse   []func(n int) (int, error) // of the next calls of PutEvents: how many of n entries fail, or all with an error
	miscount bool                       // answers do not name what they count
	deny     []refusal                  // of the next calls of BatchImportFindings
}

var errNoBus = errors.New("event bus security does not exist")

// refusal refuses a whole call, or all of its findings.
type refusal struct {
	status        int // 0 is 200, with all findings failed
	code, message string
	findings      int // how many are failed, from the first; 0 is all
}

func newStage(t *testing.T, env map[string]string) *stage {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	s := &stage{t: t, hub: map[string]outlets.ASFF{}}
	aws := httptest.NewServer(http.HandlerFunc(s.answer))
	t.Cleanup(aws.Close)
	env["AWS_ENDPOINT_URL"] = aws.URL
	s.function, err = runtimeapi.New(runtimeapi.Config{
		Name: "sgward-outlets", ARN: "arn:aws:lambda:us-east-1:123456789012:function:sgward-outlets", Bootstrap: binary, Region: "us-east-1",
		Timeout: 20 * time.Second, MaximumConcurrency: 1, Environment: env,
		Log: func(line string) { s.mu.Lock(); defer s.mu.Unlock(); s.log.WriteString(line + "\n") },
	})
	require.NoError(t, err)
	t.Cleanup(func() { s.function.Close() })
	return s
}

// logs waits for a line of the function, which may come after its answer.
func (s *stage) logs(text string) {
	s.t.Helper()
	assert.Eventually(s.t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return strings.Contains(s.log.String(), text)
	}, 10*time.Second, 10*time.Millisecond, text)
}

func both() map[string]string {
	return map[string]string{"EVENT_BUS_ARN": busARN, "SECURITY_HUB": "on"}
}

func (s *stage) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Contains(s.t, r.Header.Get("Authorization"), "AWS4-HMAC-SHA256")
	switch {
	case r.Header.Get("X-Amz-Target") == "AWSEvents.PutEvents":
		assert.Contains(s.t, r.Header.Get("Authorization"), "/us-east-1/events/aws4_request")
		s.putEvents(w, r)
	case r.Method == http.MethodPost && r.URL.Path == "/findings/import":
		assert.Contains(s.t, r.Header.Get("Authorization"), "/us-east-1/securityhub/aws4_request")
		s.batchImportFindings(w, r)
	default:
		s.t.Errorf("%s %s %s: no call of an outlet", r.Method, r.URL, r.Header.Get("X-Amz-Target"))
		http.Error(w, "no", http.StatusBadRequest)
	}
}

func (s *stage) putEvents(w http.ResponseWriter, r *http.Request) {
	var in struct{ Entries []map[string]any }
	assert.NoError(s.t, json.NewDecoder(r.Body).Decode(&in))
	assert.LessOrEqual(s.t, len(in.Entries), 10)
	fail := 0
	if len(s.refuse) > 0 {
		var err error
		fail, err = s.refuse[0](len(in.Entries))
		s.refuse = s.refuse[1:]
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"__type": "ResourceNotFoundException", "message": err.Error()})
			return
		}
	}
	var details []outlets.Detail
	answers := []map[string]string{}
	for i, e := range in.Entries {
		var d outlets.Detail
		assert.NoError(s.t, json.Unmarshal([]byte(e["Detail"].(string)), &d))
		details = append(details, d)
		if i < fail {
			answers = append(answers, map[string]string{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"})
			continue
		}
		s.entries = append(s.entries, e)
		answers = append(answers, map[string]string{"EventId": fmt.Sprint(i)})
	}
	s.events = append(s.events, details)
	if s.miscount {
		answers = nil
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"FailedEntryCount": fail, "Entries": answers})
}

func (s *stage) batchImportFindings(w http.ResponseWriter, r *http.Request) {
	var in struct{ Findings []json.RawMessage }
	assert.NoError(s.t, json.NewDecoder(r.Body).Decode(&in))
	assert.LessOrEqual(s.t, len(in.Findings), 100)
	var deny *refusal
	if len(s.deny) > 0 {
		deny, s.deny = &s.deny[0], s.deny[1:]
	}
	if deny != nil && deny.status != 0 {
		w.Header().Set("X-Amzn-Errortype", deny.code)
		w.WriteHeader(deny.status)
		_ = json.NewEncoder(w).Encode(map[string]string{"Message": deny.message})
		return
	}
	var call []map[string]any
	failed := []map[string]string{}
	for i, raw := range in.Findings {
		var plain map[string]any
		var f outlets.ASFF
		assert.NoError(s.t, json.Unmarshal(raw, &plain))
		assert.NoError(s.t, json.Unmarshal(raw, &f))
		assert.NotContains(s.t, plain, "Workflow", "people's alone")
		call = append(call, plain)
		switch {
		case deny != nil && (deny.findings == 0 || i < deny.findings):
			failed = append(failed, map[string]string{"Id": f.ID, "ErrorCode": deny.code, "ErrorMessage": deny.message})
		case s.hub[f.ID].UpdatedAt <= f.UpdatedAt: // an older one is ignored
			s.hub[f.ID] = f
		}
	}
	s.imports = append(s.imports, call)
	if s.miscount {
		_ = json.NewEncoder(w).Encode(map[string]any{"FailedCount": 1})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"FailedCount": len(failed), "SuccessCount": len(in.Findings) - len(failed), "FailedFindings": failed})
}

// invoke invokes the function as SNS does, and returns its error.
func (s *stage) invoke(message string, at time.Time) string {
	s.t.Helper()
	result, err := s.function.Invoke(s.t.Context(), alerttest.Notification(s.t, "", message, at))
	require.NoError(s.t, err)
	if result.FunctionError == "" {
		return ""
	}
	return string(result.Payload)
}

// alertJSON is an alert's machine form from the goldens of internal/alert.
func alertJSON(t *testing.T, name string) string {
	t.Helper()
	return alerttest.JSON(t, filepath.Join("../../internal/alert/testdata", name+".txt"))
}

func alertOf(t *testing.T, name string) finding.Alert {
	t.Helper()
	var a finding.Alert
	require.NoError(t, json.Unmarshal([]byte(alertJSON(t, name)), &a))
	return a
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return string(out)
}

func TestAnAlertBecomesAnEventForEachFindingAndAFindingOfSecurityHub(t *testing.T) {
	s := newStage(t, both())
	require.Empty(t, s.invoke(alertJSON(t, "world-open-database-revoked"), sent))
	require.Len(t, s.entries, 1)
	e := s.entries[0]
	assert.Equal(t, "sgward", e["Source"])
	assert.Equal(t, "Security Group Finding Result", e["DetailType"])
	assert.Equal(t, busARN, e["EventBusName"])
	assert.Equal(t, []any{"arn:aws:ec2:us-east-1:123456789012:security-group/sg-0123456789abcdef0"}, e["Resources"])
	assert.InDelta(t, float64(sent.UnixMilli())/1000, e["Time"], 0.001)
	d := s.events[0][0]
	assert.Regexp(t, `^r-[0-9a-f]{16}$`, d.ID)
	assert.Equal(t, "a-9bc16ee75906b5bf", d.AlertID)
	assert.Equal(t, finding.OutcomeRevoked, d.Finding.Outcome)
	assert.Equal(t, "world-open-database", d.Finding.StatementID)
	assert.Equal(t, "sgr-0000000000abc0000", d.Finding.Rule.ID)
	assert.Equal(t, "AuthorizeSecurityGroupIngress", d.Event.EventName)
	assert.Len(t, d.Exposed, 2)

	require.Len(t, s.hub, 1)
	for id, f := range s.hub {
		assert.Equal(t, "sgward/us-east-1/123456789012/"+d.OpeningID, id)
		assert.Equal(t, "arn:aws:securityhub:us-east-1:123456789012:product/123456789012/default", f.ProductARN)
		assert.Equal(t, "MySQL (3306) from the whole internet in sg-0123456789abcdef0", f.Title)
		assert.Contains(t, f.Description, "sgward closed it. policy.yaml:19 world-open-database")
		assert.Equal(t, "CRITICAL", f.FindingProviderFields.Severity.Label)
		assert.Equal(t, []string{"ARCHIVED", "PASSED"}, []string{f.RecordState, f.Compliance.Status})
		assert.Equal(t, "2026-11-03T02:14:10.250Z", f.UpdatedAt)
		assert.Equal(t, "2026-11-03T02:14:07.000Z", f.CreatedAt)
		assert.Equal(t, "arn:aws:iam::123456789012:role/teams/Developer", f.ProductFields["sgward/principal"])
	}
}

// Whatever is told of an opening later updates the finding: a closing by a retry, by a sweep,
// or by somebody else.
func TestTheSameFindingIsUpdatedWhenTheOpeningIsClosed(t *testing.T) {
	s := newStage(t, map[string]string{"SECURITY_HUB": "on"})
	failed := alertOf(t, "could-not-close-try-2-of-5")
	require.Empty(t, s.invoke(marshal(t, failed), sent))
	require.Len(t, s.hub, 1)
	for _, f := range s.hub {
		assert.Equal(t, []string{"ACTIVE", "FAILED"}, []string{f.RecordState, f.Compliance.Status})
	}

	// A sweep: its finding has another id, and its event is the run.
	swept := alertOf(t, "sweep-closed")
	swept.Findings = swept.Findings[:1]
	rule := *failed.Findings[0].Rule
	rule.ID = "" // dumps lack it
	swept.Findings[0].GroupID, swept.Findings[0].Rule, swept.Findings[0].ClosedAt = failed.Findings[0].GroupID, &rule, nil
	require.NotEqual(t, failed.Findings[0].ID, swept.Findings[0].ID)
	require.Empty(t, s.invoke(marshal(t, swept), sent.Add(time.Hour)))
	require.Len(t, s.hub, 1, "the same finding")
	for _, f := range s.hub {
		assert.Equal(t, []string{"ARCHIVED", "PASSED"}, []string{f.RecordState, f.Compliance.Status})
	}

	// The first alert is delivered again: older than what is known.
	require.Empty(t, s.invoke(marshal(t, failed), sent))
	for _, f := range s.hub {
		assert.Equal(t, "ARCHIVED", f.RecordState)
	}
	// The same opening, made anew.
	failed.Event.EventID, failed.Findings[0].ID = "another", "f-0000000000000000"
	require.Empty(t, s.invoke(marshal(t, failed), sent.Add(2*time.Hour)))
	require.Len(t, s.hub, 1)
	for _, f := range s.hub {
		assert.Equal(t, "ACTIVE", f.RecordState)
	}
}

func TestOnlyWhatWasNotTakenIsSentAgain(t *testing.T) {
	s := newStage(t, both())
	mixed := alertJSON(t, "mixed") // five findings
	s.refuse = []func(int) (int, error){func(int) (int, error) { return 2, nil }, func(int) (int, error) { return 1, nil }}
	s.deny = []refusal{{code: "InternalFailure", message: "later", findings: 3}}
	require.Empty(t, s.invoke(mixed, sent))
	var sizes, imported []int
	for _, call := range s.events {
		sizes = append(sizes, len(call))
	}
	for _, call := range s.imports {
		imported = append(imported, len(call))
	}
	assert.Equal(t, []int{5, 2, 1}, sizes)
	assert.Equal(t, []int{5, 3}, imported)
	ids := map[string]bool{}
	for _, e := range s.entries {
		var d outlets.Detail
		require.NoError(t, json.Unmarshal([]byte(e["Detail"].(string)), &d))
		ids[d.ID] = true
	}
	assert.Len(t, ids, 5)
	assert.Len(t, s.entries, 5)

	// A further delivery has the same ids, a further try others.
	require.Empty(t, s.invoke(mixed, sent))
	for _, d := range s.events[len(s.events)-1] {
		assert.True(t, ids[d.ID])
	}
	a := alertOf(t, "could-not-close-try-2-of-5")
	require.Empty(t, s.invoke(marshal(t, a), sent))
	second := s.events[len(s.events)-1][0].ID
	a.Try++
	require.Empty(t, s.invoke(marshal(t, a), sent))
	assert.NotEqual(t, second, s.events[len(s.events)-1][0].ID)
}

func TestALargeAlertTakesSeveralCalls(t *testing.T) {
	s := newStage(t, both())
	a := alertOf(t, "observe")
	one := a.Findings[0]
	a.Findings = nil
	for i := range 123 {
		r := one
		r.ID, r.GroupID = fmt.Sprintf("f-%016x", i), fmt.Sprintf("sg-%017x", i)
		r.Left = strings.Repeat("x", 1500)
		a.Findings = append(a.Findings, r)
	}
	require.Empty(t, s.invoke(marshal(t, a), sent))
	assert.Len(t, s.entries, 123)
	assert.Len(t, s.events, 13)
	assert.Len(t, s.hub, 123)
	require.Len(t, s.imports, 2)
	assert.Len(t, s.imports[0], 100)
	for _, f := range s.hub {
		require.Equal(t, 1024, text.Units(f.Description))
		require.True(t, strings.HasSuffix(f.Description, text.CutMark))
	}
}

// What a service never takes fails the invocation, and keeps nothing else from it.
func TestARefusedItemKeepsNoOtherCallFromBeingMade(t *testing.T) {
	s := newStage(t, both())
	a := alertOf(t, "observe")
	one := a.Findings[0]
	a.Findings = nil
	for i := range 123 {
		r := one
		r.ID, r.GroupID = fmt.Sprintf("f-%016x", i), fmt.Sprintf("sg-%017x", i)
		a.Findings = append(a.Findings, r)
	}
	first := func(int) (int, error) { return 1, nil }
	s.refuse = []func(int) (int, error){first, first, first, first}
	s.deny = []refusal{{code: "InvalidInput", message: "Title", findings: 1}}
	got := s.invoke(marshal(t, a), sent)
	assert.Contains(t, got, "ThrottlingException: slow down")
	assert.Contains(t, got, "InvalidInput: sgward/us-east-1/123456789012/f-")
	assert.Len(t, s.entries, 122)
	assert.Len(t, s.hub, 122)
}

// EventBridge takes 256 KB at most: then a result goes without the network interfaces, and
// says so.
func TestNoCallIsLargerThanEventBridgeTakes(t *testing.T) {
	s := newStage(t, map[string]string{"EVENT_BUS_ARN": busARN})
	a := alertOf(t, "observe")
	one := a.Findings[0]
	a.Exposed = nil
	for i := range 4000 {
		a.Exposed = append(a.Exposed, finding.Interface{ID: fmt.Sprintf("eni-%017x", i), GroupID: one.GroupID})
	}
	a.Findings = []finding.Result{one}
	require.Empty(t, s.invoke(marshal(t, a), sent))
	require.Len(t, s.events, 1)
	assert.Empty(t, s.events[0][0].Exposed)
	assert.True(t, s.events[0][0].ExposedOmitted)

	a.Exposed, a.Findings = nil, nil
	for i := range 3 {
		r := one
		r.ID, r.Left = fmt.Sprintf("f-%016x", i), strings.Repeat("x", 100_000)
		a.Findings = append(a.Findings, r)
	}
	require.Empty(t, s.invoke(marshal(t, a), sent))
	require.Len(t, s.events, 3)
	assert.Equal(t, []int{2, 1}, []int{len(s.events[1]), len(s.events[2])})
}

func TestAnAlertThatTellsOfAnOpeningTwiceUpdatesItOnce(t *testing.T) {
	s := newStage(t, map[string]string{"SECURITY_HUB": "on"})
	a := alertOf(t, "observe")
	a.Findings = append(a.Findings[:1], a.Findings[0])
	a.Findings[1].Outcome = finding.OutcomeRevoked
	require.Empty(t, s.invoke(marshal(t, a), sent))
	require.Len(t, s.imports, 1)
	require.Len(t, s.imports[0], 1)
	assert.Equal(t, "ARCHIVED", s.imports[0][0]["RecordState"], "the later one")
}

func TestWhatAnOutletDoesNotTakeFailsAndIsSaid(t *testing.T) {
	s := newStage(t, both())
	body := alertJSON(t, "observe")

	s.refuse = []func(int) (int, error){func(int) (int, error) { return 0, errNoBus }}
	got := s.invoke(body, sent)
	assert.Contains(t, got, "putting events on "+busARN)
	assert.Contains(t, got, errNoBus.Error())
	assert.Len(t, s.hub, 1, "Security Hub has it all the same")

	s.deny = []refusal{{status: http.StatusUnauthorized, code: "InvalidAccessException", message: "Account 123456789012 is not subscribed to AWS Security Hub"}}
	got = s.invoke(body, sent)
	assert.Contains(t, got, `enable Security Hub CSPM in this account and region, or deploy with SecurityHub`)
	assert.Contains(t, got, "is not subscribed")
	s.deny = []refusal{{code: "InvalidAccess", message: "the integration is not enabled"}}
	assert.Contains(t, s.invoke(body, sent), "enable Security Hub CSPM")
	s.deny = []refusal{{code: "InvalidInput", message: "Severity"}}
	assert.Contains(t, s.invoke(body, sent), "InvalidInput: sgward/us-east-1/123456789012/f-")

	throttled := func(int) (int, error) { return 1, nil }
	s.refuse = []func(int) (int, error){throttled, throttled, throttled, throttled}
	assert.Contains(t, s.invoke(body, sent), "ThrottlingException: slow down", "Lambda tries it later")
	require.Empty(t, s.refuse)

	s.miscount = true
	got = s.invoke(body, sent)
	assert.Contains(t, got, "PutEvents answers for 0 of 1 entries, counts 0 failed ones and names 0")
	assert.Contains(t, got, "BatchImportFindings counts 1 failed findings and names 0")
	s.miscount = false

	assert.Contains(t, s.invoke(strings.Replace(body, `"schemaVersion": "1"`, `"schemaVersion": "2"`, 1), sent), `schemaVersion \"2\", and this function knows \"1\"`)
	assert.Contains(t, s.invoke(`{"schemaVersion":"1","findings":{}}`, sent), "reading alert")
	s.logs("alert not passed on")
}

func TestOtherMessagesAreLeftAlone(t *testing.T) {
	s := newStage(t, both())
	for _, message := range []string{
		`{"AlarmName":"x-DeadLetterAlarm","NewStateValue":"ALARM"}`, "hello", `["schemaVersion"]`, `{"schemaVersion":"9"}`,
		alertJSON(t, "elsewhere"), // of another account
		alertJSON(t, "china"),     // of another region
	} {
		require.Empty(t, s.invoke(message, sent), message)
	}
	assert.Empty(t, s.events)
	assert.Empty(t, s.imports)
	s.logs("it is of another account or region")

	require.Empty(t, s.invoke(alertJSON(t, "exceptions-end"), sent))
	assert.Empty(t, s.imports, "of no opening")
	require.Len(t, s.events, 1)
	assert.Equal(t, "vendor-access", s.events[0][0].Finding.Exception.ID)
}

func TestAnEventThatIsNoTopicsIsAnError(t *testing.T) {
	s := newStage(t, both())
	result, err := s.function.Invoke(t.Context(), []byte(`{"detail":{}}`))
	require.NoError(t, err)
	assert.Contains(t, string(result.Payload), "want the event of an SNS topic")
}

func TestAWrongEnvironmentIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"no outlet":             {map[string]string{"AWS_REGION": "us-east-1", "SECURITY_HUB": "off"}, "want the ARN of a bus, or on"},
		"no ARN":                {map[string]string{"AWS_REGION": "us-east-1", "EVENT_BUS_ARN": "security"}, "want the ARN of a bus such as"},
		"bus of another region": {map[string]string{"AWS_REGION": "eu-west-1", "EVENT_BUS_ARN": busARN}, "the bus is in us-east-1 and this function in eu-west-1"},
		"no switch":             {map[string]string{"AWS_REGION": "us-east-1", "SECURITY_HUB": "true"}, `SECURITY_HUB: "true": want on or off`},
		"no region":             {both(), "AWS_REGION"},
	} {
		_, err := newHandler(func(n string) (string, bool) { v, ok := c.env[n]; return v, ok }, nil)
		assert.ErrorContains(t, err, c.want, name)
	}
}
