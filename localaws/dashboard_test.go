package localaws_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/metric"
	"sgward/internal/sweep"
)

// widget is one of a dashboard's body, as far as the dashboard has it
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html).
type widget struct {
	Type                string
	X, Y, Width, Height int
	Properties          struct {
		Title, Region, View, Stat, SortBy string
		Period                            int
		YAxis                             map[string]map[string]float64
		Metrics                           [][]any
		Alarms                            []string
	}
}

func dashboard(t *testing.T, parameters map[string]string) []widget {
	t.Helper()
	tmpl := evaluated(t, "dashboard.yaml", parameters)
	r, ok := tmpl.Resource("NumbersDashboard")
	require.True(t, ok)
	decoder := json.NewDecoder(strings.NewReader(property(t, tmpl, r, "DashboardBody").(string)))
	decoder.DisallowUnknownFields()
	var body struct {
		Start, PeriodOverride string
		Widgets               []widget
	}
	require.NoError(t, decoder.Decode(&body))
	assert.Regexp(t, `^-P\d+D$`, body.Start)
	assert.Contains(t, []string{"auto", "inherit"}, body.PeriodOverride)
	assert.Equal(t, "sgward-eu-central-1", property(t, tmpl, r, "DashboardName"), "dashboards are global")
	return body.Widgets
}

// A graph of a metric that nobody publishes stays empty, and nobody notices.
func TestTheDashboardNamesOnlyMetricsThatArePublished(t *testing.T) {
	published := map[string]bool{"sgward/sgward Failures": true}
	for name := range metric.Names() {
		published["sgward "+name+" StackName=sgward"] = true
	}
	for _, name := range []string{sweep.MetricSweeps, sweep.MetricUnannounced} {
		published["sgward "+name+" FunctionName=sgward-SweepFunction"] = true
	}
	for _, queue := range []string{"FindingsQueue", "DeadLetterQueue"} { // SQS's own: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
		for _, name := range []string{"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"} {
			published["AWS/SQS "+name+" QueueName=sgward-"+queue] = true
		}
	}
	filter, ok := evaluated(t, "template.yaml", nil).Resource("DetectFailedMetric")
	require.True(t, ok)
	made := property(t, evaluated(t, "template.yaml", nil), filter, "MetricTransformations").([]any)[0].(map[string]any)
	assert.Equal(t, []any{"sgward/sgward", "Failures"}, []any{made["MetricNamespace"], made["MetricName"]})

	search := regexp.MustCompile(`^SEARCH\('\{([\w/]+),(\w+)\} MetricName="(\w+)" (\w+)=([\w-]+)', '(\w+)', (\d+)\)$`)
	shown, ids := map[string]bool{}, map[string]bool{}
	for _, w := range dashboard(t, nil) {
		for _, m := range w.Properties.Metrics {
			options, _ := m[len(m)-1].(map[string]any)
			name := ""
			if expression, ok := options["expression"].(string); ok {
				require.Len(t, m, 1)
				found := search.FindStringSubmatch(expression)
				require.NotNil(t, found, expression)
				assert.Equal(t, found[2], found[4], expression)
				assert.Contains(t, []string{"Sum", "Maximum"}, found[6])
				name = found[1] + " " + found[3] + " " + found[4] + "=" + found[5]
				id, _ := options["id"].(string)
				assert.Regexp(t, `^[a-z]\w*$`, id)
				assert.False(t, ids[id], "%s: an id stands for one expression", id)
				ids[id] = true
			} else {
				if options != nil {
					m = m[:len(m)-1]
				}
				name = fmt.Sprint(m[0], " ", m[1])
				if len(m) > 2 {
					require.Len(t, m, 4, "a namespace, a name, a dimension with its value")
					name += fmt.Sprint(" ", m[2], "=", m[3])
				}
			}
			shown[name] = true
			assert.True(t, published[name], "%s: %s is no metric of the stack", w.Properties.Title, name)
			stat, _ := options["stat"].(string)
			assert.Regexp(t, `^(|Sum|Maximum|SampleCount|p\d\d)$`, stat)
			assert.True(t, stat != "" || w.Properties.Stat != "" || options["expression"] != nil, "%s: CloudWatch would show the average", name)
		}
	}
	for name := range published {
		if !strings.Contains(name, "ApproximateAgeOfOldestMessage QueueName=sgward-DeadLetterQueue") {
			assert.True(t, shown[name], "%s is not shown", name)
		}
	}
}

func TestTheDashboardFitsCloudWatchsGrid(t *testing.T) {
	taken := map[[2]int]string{}
	for _, w := range dashboard(t, nil) {
		assert.Contains(t, []string{"alarm", "metric"}, w.Type)
		assert.NotEmpty(t, w.Properties.Title)
		if w.Type == "metric" {
			assert.Equal(t, "eu-central-1", w.Properties.Region)
			assert.Equal(t, "timeSeries", w.Properties.View)
			assert.Zero(t, w.Properties.Period%60, "periods are whole minutes")
			assert.NotEmpty(t, w.Properties.Metrics)
		}
		require.LessOrEqual(t, w.X+w.Width, 24, w.Properties.Title)
		for x := w.X; x < w.X+w.Width; x++ {
			for y := w.Y; y < w.Y+w.Height; y++ {
				assert.Empty(t, taken[[2]int{x, y}], "%s lies on another", w.Properties.Title)
				taken[[2]int{x, y}] = w.Properties.Title
			}
		}
	}
	assert.Len(t, taken, 24*21, "no gaps")
}

func TestTheDashboardShowsTheAlarmsThatTheStackHas(t *testing.T) {
	for _, which := range []string{"all", "essential"} {
		parameters := map[string]string{"Alarms": which}
		var want []string
		tmpl := evaluated(t, "template.yaml", parameters)
		for _, alarm := range ofType(tmpl, "AWS::CloudWatch::Alarm") {
			want = append(want, "arn:aws:cloudwatch:eu-central-1:"+tmpl.Options.AccountID+":alarm:"+property(t, tmpl, alarm, "AlarmName").(string))
		}
		shown := dashboard(t, parameters)[0].Properties.Alarms
		assert.ElementsMatch(t, want, shown, which)
		assert.True(t, slices.Contains(shown, want[0]))
	}
}

func TestQueriesAloneAreFree(t *testing.T) {
	tmpl := evaluated(t, "dashboard.yaml", map[string]string{"Dashboard": "no"})
	require.Len(t, tmpl.Resources, 5)
	for _, r := range tmpl.Resources {
		assert.Equal(t, "AWS::Logs::QueryDefinition", r.Type, r.LogicalID)
	}
}

// A query of a group that does not exist is an error of Logs Insights.
func TestTheQueriesReadTheLogsOfTheStack(t *testing.T) {
	for _, prevention := range []string{"off", "warn", "refuse"} {
		parameters := map[string]string{"Prevention": prevention}
		groups, failing := map[any]bool{}, []any{}
		tmpl := evaluated(t, "template.yaml", parameters)
		for _, r := range ofType(tmpl, "AWS::Logs::LogGroup") {
			groups[property(t, tmpl, r, "LogGroupName")] = true
		}
		for _, filter := range ofType(tmpl, "AWS::Logs::MetricFilter") {
			group, ok := tmpl.Resource(property(t, tmpl, filter, "LogGroupName").(string))
			require.True(t, ok)
			failing = append(failing, property(t, tmpl, group, "LogGroupName"))
		}
		queries := evaluated(t, "dashboard.yaml", parameters)
		for _, r := range ofType(queries, "AWS::Logs::QueryDefinition") {
			read := property(t, queries, r, "LogGroupNames").([]any)
			for _, group := range read {
				assert.True(t, groups[group], "%s: %v", r.LogicalID, group)
			}
			if r.LogicalID == "Failures" {
				assert.ElementsMatch(t, failing, read, "all that raise the alarm")
			}
		}
	}
}

// Whoever is woken by FailureAlarm looks for its line by this query.
func TestTheQueryOfFailuresFindsEachLineThatRaisesTheAlarm(t *testing.T) {
	queries := evaluated(t, "dashboard.yaml", nil)
	r, ok := queries.Resource("Failures")
	require.True(t, ok)
	query := property(t, queries, r, "QueryString").(string)
	unlimited, _, _ := strings.Cut(query, "| limit")
	assert.Contains(t, read(t, "../docs/RUNBOOK.md"), "```\n"+unlimited+"```\n", "the page has the same")
	tmpl := evaluated(t, "template.yaml", nil)
	section, _, _ := strings.Cut(read(t, "../docs/RUNBOOK.md"), "\n## DeadLetterAlarm")
	heard := 0
	for _, filter := range ofType(tmpl, "AWS::Logs::MetricFilter") {
		for _, m := range regexp.MustCompile(`\$\.message = ("[^"]+")`).FindAllStringSubmatch(fmt.Sprint(property(t, tmpl, filter, "FilterPattern")), -1) {
			heard++
			assert.Contains(t, query, m[1], filter.LogicalID)
			assert.Contains(t, section, "\n| `"+strings.Trim(m[1], `"`)+"` |", "the runbook has a row for it")
		}
	}
	assert.GreaterOrEqual(t, heard, 4)
}
