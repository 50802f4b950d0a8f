package tour_test

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudformation"
	"sgward/internal/metric"
	"sgward/internal/metric/metrictest"
	"sgward/internal/sdkhttp"
	"sgward/localaws"
)

// logged runs the real functions through openings, a throttle, a denial, an event that is
// none and a sweep, and returns the lines of each.
func logged(t *testing.T, parameters map[string]string) map[string][]map[string]any {
	t.Helper()
	var mu sync.Mutex
	lines := map[string][]map[string]any{}
	stack, err := localaws.Start(t.Context(), localaws.Config{
		TemplatePath: template, BuildDir: buildDir(t), Listen: "127.0.0.1:0", Parameters: parameters, RetryAfter: 200 * time.Millisecond,
		Log: func(function, text string) {
			mu.Lock()
			defer mu.Unlock()
			var line map[string]any
			if !strings.HasPrefix(text, "{") { // the Lambda library prints an error of the handler
				return
			}
			if assert.NoError(t, json.Unmarshal([]byte(text), &line), "%s: %s", function, text) {
				line["@timestamp"], line["@log"] = line["timestamp"], function
				lines[function] = append(lines[function], line)
			}
		},
	})
	require.NoError(t, err)
	t.Cleanup(stack.Close)
	user := ec2.New(ec2.Options{Region: "us-east-1", BaseEndpoint: aws.String(stack.Endpoint()), HTTPClient: sdkhttp.Client(http.DefaultClient),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	group, err := user.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("data"), Description: aws.String("data")})
	require.NoError(t, err)
	open := func(port int32) {
		t.Helper()
		_, err := user.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: []types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(port), ToPort: aws.Int32(port), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}},
		}}})
		require.NoError(t, err)
		require.NoError(t, stack.WaitIdle(t.Context()))
	}
	sweep := func() {
		t.Helper()
		require.NoError(t, stack.InvokeAsync("SweepFunction", []byte(`{"sgward":"sweep"}`)))
		require.NoError(t, stack.WaitIdle(t.Context()))
	}
	sweep()
	open(443)  // compliant
	open(3306) // closed
	open(8080) // alerted
	stack.EC2().FailNext("RevokeSecurityGroupIngress", 1, "RequestLimitExceeded")
	open(5432)
	stack.EC2().FailNext("RevokeSecurityGroupIngress", 1, "UnauthorizedOperation")
	open(6379) // denied, and closed by the retry
	require.NoError(t, stack.InvokeAsync("DetectFunction", []byte(`{}`)))
	require.NoError(t, stack.WaitIdle(t.Context()))
	stack.Close() // the logs are complete
	mu.Lock()
	defer mu.Unlock()
	return lines
}

// sums adds up the values of all metrics of a dimension, and counts them.
func sums(t *testing.T, lines map[string][]map[string]any, dimension string) (sum map[string]float64, values map[string]int) {
	t.Helper()
	sum, values = map[string]float64{}, map[string]int{}
	for function, of := range lines {
		for _, line := range of {
			if !metrictest.IsMetric(line) {
				continue
			}
			read, err := metrictest.Read(line)
			require.NoError(t, err, "%s: %v", function, line)
			for _, v := range read {
				assert.Equal(t, metric.Namespace, v.Namespace)
				if v.Dimensions[dimension] == "" {
					continue
				}
				if dimension == metric.StackName {
					assert.Equal(t, map[string]string{metric.StackName: "sgward"}, v.Dimensions)
					assert.Equal(t, metric.Names()[v.Name], metric.Unit(v.Unit), v.Name)
				}
				for _, n := range v.Values {
					sum[v.Name] += n
					values[v.Name]++
				}
			}
		}
	}
	return sum, values
}

func TestTheFunctionsPublishWhatHappened(t *testing.T) {
	lines := logged(t, map[string]string{"Mode": "enforce"})
	sum, values := sums(t, lines, metric.StackName)
	assert.InDelta(t, 4, sum[metric.Openings], 0, "not 443")
	assert.Equal(t, 5, values[metric.EventAge], "each call that was judged")
	assert.InDelta(t, 3, sum[metric.Revoked], 0)
	assert.Equal(t, 3, values[metric.ExposureSeconds])
	assert.InDelta(t, 1, sum[metric.Alerted], 0)
	assert.InDelta(t, 1, sum[metric.Failed], 0, "the denied try")
	assert.InDelta(t, 1, sum[metric.EC2Throttles], 0, "the SDK repeated the call with success")
	assert.InDelta(t, 1, sum[metric.EC2Errors], 0)
	assert.NotContains(t, sum, metric.WouldRevoke)
	assert.NotContains(t, sum, metric.AlreadyClosed)
	beat, _ := sums(t, lines, metric.FunctionName)
	assert.Equal(t, map[string]float64{"SweepsCompleted": 1}, beat)
}

func TestEssentialMetricsAreThoseOfTheAlarms(t *testing.T) {
	lines := logged(t, map[string]string{"Mode": "enforce", "Metrics": "essential"})
	sum, _ := sums(t, lines, metric.StackName)
	assert.Empty(t, sum)
	beat, _ := sums(t, lines, metric.FunctionName)
	assert.Equal(t, map[string]float64{"SweepsCompleted": 1}, beat)
}

// platformReport is Lambda's line about a failed invocation, in the form of
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#platform-report.
const platformReport = `{"time": "2026-11-22T10:00:00.000Z", "type": "platform.report",
	"record": {"requestId": "6d68ca91-49c9-448d-89b8-7ca3e6dc66aa", "status": "error", "metrics": {"durationMs": 2.1}}}`

// A query that names a field which no function logs finds nothing, for ever.
func TestTheSavedQueriesFindWhatTheirNamesSay(t *testing.T) {
	lines := logged(t, map[string]string{"Mode": "enforce"})
	var report map[string]any
	require.NoError(t, json.Unmarshal([]byte(platformReport), &report))
	lines["DetectFunction"] = append(lines["DetectFunction"], report)
	lines["SweepFunction"] = append(lines["SweepFunction"], map[string]any{"message": "metric", "UnannouncedOpenings": 2.0})
	known := map[string]bool{}
	groups := map[string][]row{}
	for function, of := range lines {
		for _, line := range of {
			r := rowOf(line)
			for name := range r {
				known[name] = true
			}
			group := "/aws/lambda/sgward-" + strings.ToLower(strings.TrimSuffix(function, "Function"))
			groups[group] = append(groups[group], r)
		}
	}

	src, err := os.ReadFile("../../dashboard.yaml")
	require.NoError(t, err)
	tmpl, err := cloudformation.Parse(src, cloudformation.Options{Region: "eu-central-1"})
	require.NoError(t, err)
	found := map[string][]row{}
	for _, r := range tmpl.Resources {
		if r.Type != "AWS::Logs::QueryDefinition" {
			continue
		}
		value := func(name string) any {
			v, err := tmpl.Value(cloudformation.Child(r.Properties, name))
			require.NoError(t, err)
			return v
		}
		q, err := parseInsights(value("QueryString").(string))
		require.NoError(t, err, r.LogicalID)
		for _, field := range q.fields {
			assert.True(t, known[field], "%s: no function logs %s", r.LogicalID, field)
		}
		var rows []row
		for _, group := range value("LogGroupNames").([]any) {
			require.Contains(t, groups, group, r.LogicalID)
			rows = append(rows, groups[group.(string)]...)
		}
		found[r.LogicalID] = q.run(rows)
	}

	require.Len(t, found["WhoOpensMost"], 1)
	most := found["WhoOpensMost"][0]
	assert.Regexp(t, `^arn:aws:iam::\d{12}:`, most["actor"])
	assert.InDelta(t, 4, most["openings"], 0, "not the compliant one")
	assert.Regexp(t, `^sg-`, most["lastGroup"])
	fired := map[any]any{}
	for _, r := range found["StatementsThatFired"] {
		fired[r["statementIds.0"]] = r["calls"]
	}
	assert.Equal(t, map[any]any{"world-open-database": 3.0, "world-open-other": 1.0}, fired)
	assert.Len(t, found["SlowestClosings"], 3)
	assert.True(t, slices.IsSortedFunc(found["SlowestClosings"], func(a, b row) int {
		return int(1000 * (b["exposureSeconds"].(float64) - a["exposureSeconds"].(float64)))
	}))
	require.Len(t, found["DeniedRevokes"], 1)
	assert.Contains(t, found["DeniedRevokes"][0]["rules.permissions.0"], "6379")
	failures := map[any]int{}
	for _, r := range found["Failures"] {
		failures[r["message"]]++
	}
	assert.Equal(t, map[any]int{"revoke failed": 1, "event malformed": 3, "metric": 1, nil: 1}, failures, "detect had three tries")
	assert.Len(t, found, 5)
}
