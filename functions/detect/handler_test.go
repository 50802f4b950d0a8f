package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/logline"
	"sgward/internal/metric"
	"sgward/internal/metric/metrictest"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
)

var judgedAt = time.Date(2026, 11, 22, 12, 0, 30, 0, time.UTC)

// newHandler returns a handler with the default policy, and its log.
func newHandler(t testing.TB) (*handler, *bytes.Buffer) {
	t.Helper()
	data, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	p, err := policy.Compile(policyyaml.Document("policy.yaml", data))
	require.NoError(t, err)
	return newHandlerWith(p)
}

func newHandlerWith(p *policy.Policy) (*handler, *bytes.Buffer) {
	log := &bytes.Buffer{}
	return &handler{policy: p, logger: slog.New(slog.NewJSONHandler(log, nil)), now: func() time.Time { return judgedAt }}, log
}

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	event, err := os.ReadFile(filepath.Join("../../events", name+".json"))
	require.NoError(t, err)
	return event
}

func detect(t *testing.T, h *handler, event []byte) finding.Detection {
	t.Helper()
	out, err := h.Invoke(context.Background(), event)
	require.NoError(t, err)
	var d finding.Detection
	require.NoError(t, json.Unmarshal(out, &d))
	return d
}

func TestFindingsOfRecordedEvents(t *testing.T) {
	for name, want := range map[string]string{
		"ingress-mysql-world":                           "revoke tcp 3306 0.0.0.0/0",
		"ingress-mysql-world-host-bits":                 "revoke tcp 3306 0.0.0.0/0",
		"ingress-mysql-private-and-world":               "revoke tcp 3306 0.0.0.0/0",
		"ingress-two-permissions-https-and-ssh-world":   "revoke tcp 22 0.0.0.0/0",
		"ingress-redis-world-both-families":             "revoke tcp 6379 0.0.0.0/0, revoke tcp 6379 ::/0",
		"ingress-all-protocols-world-no-ports":          "revoke -1 0.0.0.0/0",
		"ingress-mysql-world-by-group-name-no-rule-set": "inspect tcp 3306 0.0.0.0/0",
		"ingress-mysql-from-prefix-list":                "inspect tcp 3306 pl-0123456789abcdef0",
		"ingress-request-and-response-omitted":          "alert",
		"modify-one-rule-mysql-world":                   "inspect tcp 3306 0.0.0.0/0",
		"egress-world-all-protocols":                    "",
		"ingress-https-world":                           "",
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := newHandler(t)
			var found []string
			for _, f := range detect(t, h, recorded(t, name)).Findings {
				found = append(found, describe(f))
			}
			assert.Equal(t, want, strings.Join(found, ", "))
		})
	}
}

// Egress is the policy's business only where a statement asks for it.
func TestFindingsOfEgressUnderAPolicyThatAsksForIt(t *testing.T) {
	p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte("version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n"+
		"  - {id: world-open-egress, severity: low, effect: alert, egress: {to: world, covering-ports: [1-65535/tcp]}}\n")))
	require.NoError(t, err)
	h, _ := newHandlerWith(p)
	var found []string
	for _, f := range detect(t, h, recorded(t, "egress-world-all-protocols")).Findings {
		found = append(found, describe(f))
	}
	assert.Equal(t, []string{"alert -1 0.0.0.0/0", "alert -1 ::/0"}, found)
}

func describe(f finding.Finding) string {
	words := []string{f.Verdict.String()}
	if r := f.Rule; r != nil {
		words = append(words, string(r.Permission.Protocol))
		if r.Permission.Protocol.HasPorts() {
			words = append(words, r.Permission.Ports.String())
		}
		words = append(words, r.Permission.Peer.String())
	}
	return strings.Join(words, " ")
}

// events/README.md states a decision for every event that the rule passes on.
func TestDecisionsAreThoseThatEventsReadmeStates(t *testing.T) {
	page, err := os.ReadFile("../../events/README.md")
	require.NoError(t, err)
	stated := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)\\.json` \\|.*\\| ([a-z]+) \\|$").FindAllStringSubmatch(string(page), -1) {
		stated[row[1]] = row[2]
	}
	files, err := filepath.Glob("../../events/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	assert.Len(t, stated, len(files))
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		h, _ := newHandler(t)
		assert.Equal(t, stated[name], detect(t, h, recorded(t, name)).Verdict.String(), name)
	}
}

func TestEventsThatChangedNothingAreNone(t *testing.T) {
	files, err := filepath.Glob("../../events/unmatched/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		h, log := newHandler(t)
		name := "unmatched/" + strings.TrimSuffix(filepath.Base(f), ".json")
		assert.Equal(t, policy.Compliant, detect(t, h, recorded(t, name)).Verdict, name)
		assert.Contains(t, log.String(), "nothing to judge", name)
	}
}

func TestAMalformedRecordOfACallThatIsNotJudgedIsNone(t *testing.T) {
	h, log := newHandler(t)
	event := bytes.Replace(recorded(t, "unmatched/revoke-ingress-mysql-world"), []byte(`"userIdentity": {`), []byte(`"userIdentity": "alice", "x": {`), 1)
	require.Contains(t, string(event), `"userIdentity": "alice"`)
	assert.Equal(t, policy.Compliant, detect(t, h, event).Verdict)
	assert.Contains(t, log.String(), "nothing to judge")
}

func TestDetectionNamesTheEventAndItsActor(t *testing.T) {
	h, _ := newHandler(t)
	event := recorded(t, "ingress-mysql-world")
	var envelope struct {
		Detail struct {
			EventID, EventTime, AwsRegion, SourceIPAddress string
			UserIdentity                                   struct{ Type, Arn string }
		}
	}
	require.NoError(t, json.Unmarshal(event, &envelope))
	d := detect(t, h, event)
	assert.Equal(t, finding.SchemaVersion, d.SchemaVersion)
	assert.Equal(t, h.policy.Digest(), d.PolicyDigest)
	assert.Equal(t, envelope.Detail.EventID, d.Event.EventID)
	assert.Equal(t, envelope.Detail.EventTime, d.Event.EventTime.Format(time.RFC3339))
	assert.Equal(t, envelope.Detail.AwsRegion, d.Event.Region)
	assert.Equal(t, envelope.Detail.SourceIPAddress, d.Event.SourceIPAddress)
	assert.Equal(t, envelope.Detail.UserIdentity.Type, d.Event.Actor.Type)
	assert.Equal(t, envelope.Detail.UserIdentity.Arn, d.Event.Actor.ARN)
	require.Len(t, d.Findings, 1)
	assert.Regexp(t, `^policy\.yaml:\d+ world-open-database: `, d.Findings[0].Reasons[0].String())
}

func TestSameEventGivesSameBytes(t *testing.T) {
	h, _ := newHandler(t)
	event := recorded(t, "ingress-all-protocols-world-no-ports")
	first, err := h.Invoke(context.Background(), event)
	require.NoError(t, err)
	for range 20 {
		again, err := h.Invoke(context.Background(), event)
		require.NoError(t, err)
		require.Equal(t, string(first), string(again))
	}
}

func TestRecordNotUnderstoodIsOneNamedError(t *testing.T) {
	h, log := newHandler(t)
	whole := recorded(t, "ingress-mysql-world")
	for name, event := range map[string][]byte{
		"half an event":           whole[:len(whole)/2],
		"not JSON":                []byte("Records: []"),
		"empty":                   nil,
		"a group nobody can name": bytes.ReplaceAll(bytes.Replace(whole, []byte(`"ipPermissions": {`), []byte(`"ipPermissions": "all", "x": {`), 1), []byte(`"groupId"`), []byte(`"y"`)),
	} {
		t.Run(name, func(t *testing.T) {
			out, err := h.Invoke(context.Background(), event)
			assert.Nil(t, out)
			_, named := err.(*cloudtrail.MalformedError) //nolint:errorlint // the outermost type is what Lambda reports
			assert.True(t, named, "%T", err)
			assert.Contains(t, log.String(), "event malformed")
		})
	}
}

// The group tells what a record does not.
func TestOfARecordNotUnderstoodThatNamesItsGroupTheGroupIsRead(t *testing.T) {
	h, log := newHandler(t)
	event := bytes.Replace(recorded(t, "ingress-mysql-world"), []byte(`"ipRanges": {`), []byte(`"ipRanges": "0.0.0.0/0", "x": {`), 1)
	// The answer would tell the rule all the same: take it away.
	event = bytes.Replace(event, []byte(`"securityGroupRuleSet"`), []byte(`"x"`), 1)

	out, err := h.Invoke(context.Background(), event)

	require.NoError(t, err)
	var d finding.Detection
	require.NoError(t, json.Unmarshal(out, &d))
	assert.Equal(t, policy.Undetermined, d.Verdict)
	assert.Equal(t, "123456789012", d.Event.AccountID)
	require.Len(t, d.Findings, 1)
	f := d.Findings[0]
	assert.Equal(t, "sg-0123456789abcdef0", f.GroupID)
	assert.Nil(t, f.Rule)
	require.Len(t, f.Reasons, 1)
	assert.Contains(t, f.Reasons[0].String(), "the record of AuthorizeSecurityGroupIngress cannot be read (detail.requestParameters.ipPermissions.items[0].ipRanges: want an object")
	assert.Contains(t, log.String(), "event malformed", "the alarm counts it")
}

// largeEvent opens n rules in one call, with long descriptions.
func largeEvent(t *testing.T, n int) []byte {
	t.Helper()
	var event map[string]any
	require.NoError(t, json.Unmarshal(recorded(t, "ingress-mysql-world"), &event))
	detail := event["detail"].(map[string]any)
	var ranges, rules []any
	for i := range n {
		cidr := fmt.Sprintf("%d.0.0.0/8", 1+i%9)
		description := strings.Repeat("é", 120) + fmt.Sprint(i)
		ranges = append(ranges, map[string]any{"cidrIp": cidr, "description": description})
		rules = append(rules, map[string]any{
			"groupOwnerId": "123456789012", "groupId": "sg-0123456789abcdef0", "securityGroupRuleId": fmt.Sprintf("sgr-%017x", i),
			"isEgress": false, "ipProtocol": "tcp", "fromPort": 3306, "toPort": 3306, "cidrIpv4": cidr, "description": description,
		})
	}
	detail["requestParameters"] = map[string]any{"groupId": "sg-0123456789abcdef0", "ipPermissions": map[string]any{"items": []any{
		map[string]any{"ipProtocol": "tcp", "fromPort": 3306, "toPort": 3306, "groups": map[string]any{}, "ipRanges": map[string]any{"items": ranges}, "ipv6Ranges": map[string]any{}, "prefixListIds": map[string]any{}},
	}}}
	detail["responseElements"] = map[string]any{"_return": true, "securityGroupRuleSet": map[string]any{"items": rules}}
	out, err := json.Marshal(event)
	require.NoError(t, err)
	return out
}

func TestDetectionOfTheLargestEventFitsItsMessage(t *testing.T) {
	h, log := newHandler(t)
	for _, rules := range []int{1, 100, 500, 1000} {
		event := largeEvent(t, rules)
		out, err := h.Invoke(context.Background(), event)
		require.NoError(t, err)
		assert.LessOrEqual(t, len(event)+len(out), handOffBudget, "%d rules", rules)
		var d finding.Detection
		require.NoError(t, json.Unmarshal(out, &d))
		require.NotEmpty(t, d.Findings)
		if len(d.Findings) == rules {
			assert.Equal(t, policy.Revoke, d.Verdict)
			continue
		}
		require.Len(t, d.Findings, 1, "collapsed into one per group")
		assert.Equal(t, policy.Undetermined, d.Verdict)
		assert.Equal(t, "sg-0123456789abcdef0", d.Findings[0].GroupID)
		assert.Nil(t, d.Findings[0].Rule)
		assert.Contains(t, d.Findings[0].Reasons[0].String(), fmt.Sprintf("%d findings", rules))
	}
	assert.NotContains(t, log.String(), "does not fit")
}

func TestEventThatLeavesNoRoomIsLogged(t *testing.T) {
	h, log := newHandler(t)
	event := bytes.TrimSpace(recorded(t, "ingress-mysql-world"))
	event = append(event[:len(event)-1], []byte(`, "padding": "`+strings.Repeat("x", handOffBudget)+`"}`)...)
	out, err := h.Invoke(context.Background(), event)
	require.NoError(t, err, "a retry makes no room")
	var d finding.Detection
	require.NoError(t, json.Unmarshal(out, &d))
	assert.Contains(t, log.String(), `"msg":"detection does not fit"`)
}

func TestForgedTextsDoNotOutgrowTheDetection(t *testing.T) {
	h, _ := newHandler(t)
	var event map[string]any
	require.NoError(t, json.Unmarshal(recorded(t, "ingress-mysql-world"), &event))
	detail := event["detail"].(map[string]any)
	detail["userAgent"] = strings.Repeat("世", 100_000)
	raw, err := json.Marshal(event)
	require.NoError(t, err)
	d := detect(t, h, raw)
	assert.Less(t, len(d.Event.UserAgent), 1100)
	assert.True(t, strings.HasSuffix(d.Event.UserAgent, "世…"), "cut at a rune boundary, and said so")
	assert.Equal(t, policy.Revoke, d.Verdict)
}

func TestLogHoldsNoCallerAddressOrKey(t *testing.T) {
	h, log := newHandler(t)
	d := detect(t, h, recorded(t, "ingress-mysql-world"))
	assert.Contains(t, log.String(), d.Event.EventID)
	assert.Contains(t, log.String(), "world-open-database")
	assert.NotContains(t, log.String(), d.Event.SourceIPAddress)
	assert.NotContains(t, log.String(), "accessKeyId")
	assert.NotContains(t, log.String(), d.Event.UserAgent)
}

func TestLogNamesTheRoleAndNotTheSession(t *testing.T) {
	h, log := newHandler(t)
	event := recorded(t, "ingress-mysql-private-and-world")
	var envelope struct {
		Detail struct {
			UserIdentity struct {
				Type, Arn      string
				SessionContext struct{ SessionIssuer struct{ Arn string } }
			}
		}
	}
	require.NoError(t, json.Unmarshal(event, &envelope))
	caller := envelope.Detail.UserIdentity
	require.Equal(t, "AssumedRole", caller.Type)
	detect(t, h, event)
	assert.Contains(t, log.String(), `"actor":"`+caller.SessionContext.SessionIssuer.Arn+`"`)
	assert.NotContains(t, log.String(), caller.Arn[strings.LastIndex(caller.Arn, "/")+1:])
}

// metricsOf returns the metrics that a handler logs of an event.
func metricsOf(t *testing.T, event []byte) map[string]metrictest.Value {
	t.Helper()
	h, log := newHandler(t)
	h.metrics = metric.New(h.logger, metric.StackName, "sgward")
	_, err := h.Invoke(t.Context(), event)
	require.NoError(t, err)
	out := map[string]metrictest.Value{}
	for line := range strings.Lines(log.String()) {
		var read map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &read))
		if !metrictest.IsMetric(read) {
			continue
		}
		values, err := metrictest.Read(read)
		require.NoError(t, err)
		assert.Equal(t, logline.Judged, read["msg"], "one line for each event")
		for _, v := range values {
			out[v.Name] = v
		}
	}
	return out
}

func TestAnOpeningAndTheAgeOfItsEventAreMetrics(t *testing.T) {
	event := recorded(t, "ingress-mysql-world")
	var envelope struct{ Detail struct{ EventTime time.Time } }
	require.NoError(t, json.Unmarshal(event, &envelope))
	of := map[string]string{"StackName": "sgward"}
	assert.Equal(t, map[string]metrictest.Value{
		"Openings": {Namespace: "sgward", Name: "Openings", Unit: "Count", Dimensions: of, Values: []float64{1}},
		"EventAge": {Namespace: "sgward", Name: "EventAge", Unit: "Seconds", Dimensions: of, Values: []float64{judgedAt.Sub(envelope.Detail.EventTime).Seconds()}},
	}, metricsOf(t, event))
}

func TestMetricsFollowTheVerdict(t *testing.T) {
	replayed := bytes.Replace(recorded(t, "ingress-mysql-world"), []byte(`"source": "aws.ec2"`), []byte(`"replay-name": "last-week", "source": "aws.ec2"`), 1)
	require.Contains(t, string(replayed), "replay-name")
	for name, tt := range map[string]struct {
		event []byte
		want  []string
	}{
		"an opening":                {recorded(t, "ingress-mysql-world"), []string{"EventAge", "Openings"}},
		"one that the group tells":  {recorded(t, "ingress-mysql-from-prefix-list"), []string{"EventAge", "Openings"}},
		"none":                      {recorded(t, "ingress-https-world"), []string{"EventAge"}},
		"a call that opens nothing": {recorded(t, "unmatched/revoke-ingress-mysql-world"), nil},
		"replayed from an archive":  {replayed, []string{"Openings"}},
	} {
		assert.Equal(t, tt.want, slices.Sorted(maps.Keys(metricsOf(t, tt.event))), name)
	}
}

// BenchmarkInvoke has a log, as the function has; "silent" logs nothing at all.
func BenchmarkInvoke(b *testing.B) {
	for name, prepare := range map[string]func(h *handler){
		"metrics": func(h *handler) {
			h.logger = slog.New(slog.NewJSONHandler(io.Discard, nil))
			h.metrics = metric.New(h.logger, metric.StackName, "sgward")
		},
		"without metrics": func(h *handler) { h.logger = slog.New(slog.NewJSONHandler(io.Discard, nil)) },
		"silent":          func(h *handler) { h.logger = slog.New(slog.DiscardHandler) },
	} {
		b.Run(name, func(b *testing.B) { benchmarkInvoke(b, prepare) })
	}
}

func benchmarkInvoke(b *testing.B, prepare func(h *handler)) {
	b.Helper()
	h, _ := newHandler(b)
	prepare(h)
	event := recorded(b, "ingress-mysql-world")
	b.ReportAllocs()
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		if _, err := h.Invoke(context.Background(), event); err != nil {
			b.Fatal(err)
		}
	}
}
