package localaws_test

import (
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudformation"
	"sgward/internal/logline"
	"sgward/internal/metric"
	"sgward/internal/sweep"
)

// Prices of us-east-1 in USD, without free tiers, as AWS published them up to November 2026. docs/COST.md is made of them.
const (
	alarmMetric        = 0.10         // a month for each metric that an alarm watches, in metric math too: https://aws.amazon.com/cloudwatch/pricing/
	fastAlarmMetric    = 0.30         // the same with a period under 60 seconds
	compositeAlarm     = 0.50         // a month
	customMetric       = 0.30         // a month, for the hours in which it gets data
	logIngestion       = 0.50 / 1e9   // a byte
	sqsRequest         = 0.40 / 1e6   // https://aws.amazon.com/sqs/pricing/
	lambdaRequest      = 0.20 / 1e6   // https://aws.amazon.com/lambda/pricing/
	lambdaGBSecond     = 0.0000133334 // arm64
	dynamoDBRead       = 0.125 / 1e6  // a request unit on demand: https://aws.amazon.com/dynamodb/pricing/on-demand/
	hoursOfMonth       = 730
	secondsOfMonth     = hoursOfMonth * 3600
	longPoll           = 20 // seconds that an empty receive of Lambda's lasts
	pollers            = 5  // of a mapping that is idle: see idlePolling
	idleSweepSeconds   = 1.0
	idleSweepLogBytes  = 5_000
	idleSweepReadUnits = 10
)

// free are the types of resources that cost nothing while nothing happens. The costs of functions and tables
// are in idle too, by their use.
var free = map[string]bool{
	"AWS::Chatbot::MicrosoftTeamsChannelConfiguration": true, "AWS::Chatbot::SlackChannelConfiguration": true, "AWS::CloudFormation::LambdaHook": true,
	"AWS::CloudWatch::Alarm": true, "AWS::DynamoDB::Table": true, "AWS::Events::Rule": true, "AWS::IAM::Policy": true, "AWS::IAM::Role": true,
	"AWS::Lambda::EventSourceMapping": true, "AWS::Lambda::Permission": true, "AWS::Logs::LogGroup": true, "AWS::Logs::MetricFilter": true,
	"AWS::SNS::Subscription": true, "AWS::SSM::Parameter": true, "AWS::SNS::Topic": true, "AWS::SNS::TopicPolicy": true, "AWS::SQS::Queue": true, "AWS::SQS::QueuePolicy": true,
	"AWS::Serverless::Function": true,
}

// idle is what a stack costs in a month in which nothing is opened, by what it is paid for. A resource of a type without
// a known price fails the test.
func idle(t *testing.T, parameters map[string]string) map[string]float64 {
	t.Helper()
	tmpl := evaluated(t, "template.yaml", parameters)
	cost := map[string]float64{}
	for _, r := range tmpl.Resources {
		require.True(t, free[r.Type] || r.Type == "AWS::CloudWatch::CompositeAlarm", "%s: %s has no price here: is it free while idle?", r.LogicalID, r.Type)
		switch r.Type {
		case "AWS::CloudWatch::Alarm":
			cost["alarms"] += priceOfAlarm(t, tmpl, r)
		case "AWS::CloudWatch::CompositeAlarm":
			cost["alarms"] += compositeAlarm
		case "AWS::Lambda::EventSourceMapping":
			cost["polling of the queue"] += idlePolling(t, tmpl, r)
		case "AWS::Logs::MetricFilter":
			for _, transformation := range property(t, tmpl, r, "MetricTransformations").([]any) {
				if _, always := transformation.(map[string]any)["DefaultValue"]; always {
					cost["metrics"] += customMetric // it gets data with every line of the log
				}
			}
		case "AWS::Events::Rule":
			if schedule := property(t, tmpl, r, "ScheduleExpression"); schedule != nil {
				runs := runsAMonth(t, fmt.Sprint(schedule))
				function, ok := tmpl.Resource("SweepFunction")
				require.True(t, ok)
				memory := property(t, tmpl, function, "MemorySize").(int)
				cost["hourly sweep"] += runs * (lambdaRequest + idleSweepSeconds*float64(memory)/1024*lambdaGBSecond)
				cost["logs"] += runs * idleSweepLogBytes * logIngestion
				cost["table"] += runs * idleSweepReadUnits * dynamoDBRead
			}
		}
	}
	// sweep.MetricSweeps, once a day, and so for one hour of each day; the other metrics have no data while nothing happens.
	require.Equal(t, "SweepsCompleted", sweep.MetricSweeps)
	cost["metrics"] += customMetric / 24
	return cost
}

func priceOfAlarm(t *testing.T, tmpl *cloudformation.Template, alarm cloudformation.Resource) float64 {
	t.Helper()
	price := func(period any) float64 {
		if seconds, ok := period.(int); ok && seconds < 60 {
			return fastAlarmMetric
		}
		return alarmMetric
	}
	queries, _ := property(t, tmpl, alarm, "Metrics").([]any)
	if queries == nil {
		return price(property(t, tmpl, alarm, "Period"))
	}
	sum := 0.0
	for _, q := range queries {
		query := q.(map[string]any)
		if stat, ok := query["MetricStat"].(map[string]any); ok {
			sum += price(stat["Period"])
		} else if strings.Contains(fmt.Sprint(query["Expression"]), "ANOMALY_DETECTION_BAND") {
			sum += 2 * alarmMetric // the two bounds are metrics too
		}
	}
	return sum
}

// idlePolling is the price of the empty receives of a mapping. Lambda polls with five pollers. Without a maximum
// concurrency it may go down to two while traffic is low, with one it does not; a filter changes nothing, as it is
// applied to what was received (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html).
func idlePolling(t *testing.T, tmpl *cloudformation.Template, mapping cloudformation.Resource) float64 {
	t.Helper()
	require.Nil(t, property(t, tmpl, mapping, "ProvisionedPollerConfig"), "provisioned pollers are charged by the hour")
	return pollers * secondsOfMonth / longPoll * sqsRequest
}

func runsAMonth(t *testing.T, schedule string) float64 {
	t.Helper()
	var n float64
	var unit string
	_, err := fmt.Sscanf(strings.NewReplacer("rate(", "", ")", "").Replace(schedule), "%f %s", &n, &unit)
	require.NoError(t, err, "%s: only rates are counted here", schedule)
	hours, known := map[string]float64{"hour": 1, "minute": 1.0 / 60, "day": 24}[strings.TrimSuffix(unit, "s")]
	require.True(t, known, schedule)
	return hoursOfMonth / (n * hours)
}

func total(cost map[string]float64) (sum float64) {
	for _, usd := range cost {
		sum += usd
	}
	return sum
}

func TestAnIdleStackCostsAboutADollarAMonth(t *testing.T) {
	all, essential := idle(t, nil), idle(t, map[string]string{"Alarms": "essential"})
	assert.LessOrEqual(t, total(all), 1.10, "%v", all)
	assert.LessOrEqual(t, total(essential), 0.60, "%v", essential)
	for name, parameters := range map[string]map[string]string{
		"channels": everything, "VPC": {"VpcSubnetIds": "subnet-0a", "VpcSecurityGroupIds": "sg-0a"},
		"another topic": {"AlertTopicArn": topicHere, "AlarmTopicArn": topicHere}, "enforce": {"Mode": "enforce"},
	} {
		assert.InDelta(t, total(all), total(idle(t, parameters)), 1e-9, "%s costs nothing while idle", name)
	}
}

// docs/COST.md, README.md and docs/FAQ.md state what the test above adds up.
func TestThePagesStateTheCosts(t *testing.T) {
	all, essential := idle(t, nil), idle(t, map[string]string{"Alarms": "essential"})
	page := read(t, "../docs/COST.md")
	for name, usd := range all {
		assert.Contains(t, page, fmt.Sprintf("| %s | %.2f | %.2f |", name, usd, essential[name]), "COST.md, for %.4f", usd)
	}
	assert.Contains(t, page, fmt.Sprintf("| **together** | **%.2f** | **%.2f** |", total(all), total(essential)))
	stacks := regexp.MustCompile(`(?m)^\| (\d+) x (\d+) \| ([\d,]+) \| ([\d,.]+) \| ([\d,.]+) \|`).FindAllStringSubmatch(page, -1)
	require.Len(t, stacks, 4)
	for _, row := range stacks {
		accounts, regions := number(t, row[1]), number(t, row[2])
		assert.InDelta(t, accounts*regions, number(t, row[3]), 0)
		for i, one := range []float64{total(all), total(essential)} {
			assert.InDelta(t, accounts*regions*one, number(t, row[4+i]), math.Max(0.006, accounts*regions*0.006), "%s", row[0])
		}
	}
	for _, file := range []string{"../README.md", "../docs/FAQ.md"} {
		assert.Contains(t, read(t, file), fmt.Sprintf("%.2f USD", total(all)), file)
	}
	assert.Contains(t, read(t, "../README.md"), fmt.Sprintf("%.2f with `Alarms=essential`", total(essential)))
}

// Metrics of a stack have one dimension with one value, and so are one metric each.
func TestThePageStatesWhatEachMetricCosts(t *testing.T) {
	page := read(t, "../docs/COST.md")
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\|[^|]+\\| ([\\d.,]+) \\| ([\\d.,]+) \\| ([\\d.,]+) \\|$").FindAllStringSubmatch(page, -1)
	var named []string
	for _, row := range rows {
		named = append(named, row[1])
		for i, stacks := range []float64{1, 200, 8500} {
			assert.InDelta(t, stacks*customMetric, number(t, row[2+i]), 0.001, row[0])
		}
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(metric.Names())), named)
	// A stack is in observe mode or in enforce mode: WouldRevoke excludes Revoked.
	most := float64(len(named)-1) * customMetric
	assert.Contains(t, page, fmt.Sprintf("| **%.2f** | **%.0f** | **22,950** |", most, 200*most))
	assert.InDelta(t, 22_950, 8500*most, 0.001)
	assert.Contains(t, page, fmt.Sprintf("One that has data in 20 hours of a\nmonth costs %.2f.", 20*customMetric/hoursOfMonth))
	assert.Contains(t, page, fmt.Sprintf("in 20 different hours, cost %.2f ", 4*20*customMetric/hoursOfMonth))
	meanings := read(t, "../docs/METRICS.md")
	for name, unit := range metric.Names() {
		assert.Contains(t, meanings, fmt.Sprintf("\n| `%s` | %s |", name, unit), "docs/METRICS.md says what it means")
	}
}

// A line that no function logs would make an alarm that cannot fire.
func TestFailureAlarmHearsTheLinesThatFunctionsLog(t *testing.T) {
	tmpl := evaluated(t, "template.yaml", map[string]string{"Prevention": "warn"})
	sources := map[string][]string{
		"DetectFailedMetric":    {"../functions/detect/handler.go"},
		"RemediateFailedMetric": {"../internal/remediation/revoke.go"},
		"SweepFailedMetric":     {"../internal/sweep/digest.go"},
		"HookFailedMetric":      {"../functions/hook/handler.go"},
	}
	named := strings.NewReplacer("logline.MemoryFailed", strconv.Quote(logline.MemoryFailed))
	alarm, ok := tmpl.Resource("FailureAlarm")
	require.True(t, ok)
	filters := ofType(tmpl, "AWS::Logs::MetricFilter")
	assert.Len(t, filters, len(sources))
	for _, filter := range filters {
		pattern := fmt.Sprint(property(t, tmpl, filter, "FilterPattern"))
		messages := regexp.MustCompile(`\$\.message = "([^"]+)"`).FindAllStringSubmatch(pattern, -1)
		require.NotEmpty(t, messages, filter.LogicalID)
		var code strings.Builder
		for _, file := range sources[filter.LogicalID] {
			code.WriteString(named.Replace(read(t, file)))
		}
		for _, message := range messages {
			assert.Contains(t, code.String(), strconv.Quote(message[1]), filter.LogicalID)
		}
		assert.Contains(t, pattern, `(($.type = "platform.report") && ($.record.status != "success"))`, "%s: a crash logs nothing itself", filter.LogicalID)
		transformation := property(t, tmpl, filter, "MetricTransformations").([]any)[0].(map[string]any)
		assert.Equal(t, property(t, tmpl, alarm, "MetricName"), transformation["MetricName"])
		assert.Equal(t, property(t, tmpl, alarm, "Namespace"), transformation["MetricNamespace"])
	}
	sweeps, _ := tmpl.Resource("SweepFailedMetric")
	assert.Contains(t, property(t, tmpl, sweeps, "FilterPattern"), "($."+sweep.MetricUnannounced+" > 0)")
}

func TestEssentialAlarmsAreThree(t *testing.T) {
	var names []string
	for _, alarm := range ofType(evaluated(t, "template.yaml", map[string]string{"Alarms": "essential"}), "AWS::CloudWatch::Alarm") {
		names = append(names, alarm.LogicalID)
	}
	assert.ElementsMatch(t, []string{"FailureAlarm", "DeadLetterAlarm", "NoSweepAlarm"}, names)
	page := read(t, "../docs/RUNBOOK.md")
	for _, alarm := range ofType(evaluated(t, "template.yaml", nil), "AWS::CloudWatch::Alarm") {
		star := ") * |"
		for _, essential := range names {
			if essential == alarm.LogicalID {
				star = ") |"
			}
		}
		assert.Contains(t, page, "| [`"+alarm.LogicalID+"`](#"+strings.ToLower(alarm.LogicalID)+star)
	}
}

// Who is woken at night follows the link of the alarm.
func TestEachAlarmLinksToItsSectionOfTheRunbook(t *testing.T) {
	const url = "https://wiki.example.com/sgward/runbook"
	sections := map[string]string{}
	for _, section := range strings.Split(read(t, "../docs/RUNBOOK.md"), "\n## ")[1:] {
		name, text, _ := strings.Cut(section, "\n")
		sections[name] = text
	}
	for parameters, base := range map[string]string{"": "docs/RUNBOOK.md", url: url} {
		given := map[string]string{}
		if parameters != "" {
			given["RunbookUrl"] = parameters
		}
		var names []string
		tmpl := evaluated(t, "template.yaml", given)
		for _, alarm := range ofType(tmpl, "AWS::CloudWatch::Alarm") {
			names = append(names, alarm.LogicalID)
			description := property(t, tmpl, alarm, "AlarmDescription").(string)
			assert.True(t, strings.HasPrefix(description, "sgward: "), description)
			assert.True(t, strings.HasSuffix(description, " "+base+"#"+strings.ToLower(alarm.LogicalID)), description)
			assert.LessOrEqual(t, len(description), 1024-300, "CloudWatch's limit, less a long URL")
			for _, part := range []string{"**It means:**", "**At risk:**", "**Look first", "**What mends it:**", "**Over when** "} {
				if alarm.LogicalID == "FailureAlarm" && part == "**What mends it:**" {
					part = "| what mends it |" // for each line
				}
				assert.Contains(t, sections[alarm.LogicalID], part, alarm.LogicalID)
			}
		}
		assert.ElementsMatch(t, names, slices.Collect(maps.Keys(sections)), "a section for each alarm, and no other")
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
	require.NoError(t, err)
	return n
}
