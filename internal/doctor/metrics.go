package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"sgward/internal/awscall"
	"sgward/internal/text"
)

// datapoint is a value of a metric in a period.
type datapoint struct {
	Sum       float64
	Maximum   float64
	Timestamp time.Time
}

// statistics reads a metric with one dimension, in periods of one length.
func (x *examination) statistics(ctx context.Context, namespace, metric, dimension, value, statistic string, since, period time.Duration) ([]datapoint, error) {
	now := x.Now()
	var out struct {
		Datapoints []datapoint `xml:"Datapoints>member"`
	}
	err := x.aws.Query(ctx, awscall.CloudWatch, "GetMetricStatistics", url.Values{
		"Namespace": {namespace}, "MetricName": {metric}, "Dimensions.member.1.Name": {dimension}, "Dimensions.member.1.Value": {value},
		"StartTime": {now.Add(-since).UTC().Format(time.RFC3339)}, "EndTime": {now.UTC().Format(time.RFC3339)},
		"Period": {fmt.Sprint(int(period.Seconds()))}, "Statistics.member.1": {statistic},
	}, &out)
	return out.Datapoints, err
}

// sum adds up a metric of the last 24 hours.
func (x *examination) sum(ctx context.Context, namespace, metric, dimension, value string) (float64, error) {
	points, err := x.statistics(ctx, namespace, metric, dimension, value, "Sum", 24*time.Hour, 24*time.Hour)
	total := 0.0
	for _, p := range points {
		total += p.Sum
	}
	return total, err
}

// alarm is the state of an alarm, from CloudWatch.
type alarm struct {
	Name           string    `xml:"AlarmName"`
	State          string    `xml:"StateValue"`
	Reason         string    `xml:"StateReason"`
	Since          time.Time `xml:"StateUpdatedTimestamp"`
	ActionsEnabled string
	Actions        []string `xml:"AlarmActions>member"`
}

// maxAlarms is how many names one DescribeAlarms takes.
const maxAlarms = 100

func (x *examination) checkAlarms(ctx context.Context) []Line {
	logical := map[string]string{} // by name
	var names []string
	for _, r := range x.stack.OfType("AWS::CloudWatch::Alarm") {
		logical[r.PhysicalID] = r.LogicalID
		names = append(names, r.PhysicalID)
	}
	if len(names) == 0 {
		return []Line{warning(deploy, "the stack has no alarm: failures of sgward raise no alarm")}
	}
	known := map[string]alarm{}
	for part := range slices.Chunk(names, maxAlarms) {
		in := url.Values{"MaxRecords": {fmt.Sprint(maxAlarms)}}
		for i, name := range part {
			in.Set(fmt.Sprintf("AlarmNames.member.%d", i+1), name)
		}
		var out struct {
			Alarms []alarm `xml:"MetricAlarms>member"`
		}
		if err := x.aws.Query(ctx, awscall.CloudWatch, "DescribeAlarms", in, &out); err != nil {
			return []Line{unknown(err, "whether an alarm is on")}
		}
		for _, a := range out.Alarms {
			known[a.Name] = a
		}
	}
	var out []Line
	var gone, waiting, mute []string
	for _, name := range names {
		a, there := known[name]
		id := logical[name]
		switch {
		case !there:
			gone = append(gone, id)
			continue
		case a.State == "ALARM":
			out = append(out, failure("docs/RUNBOOK.md#"+strings.ToLower(id)+" says what to do", "%s is on since %s: %s", id, text.Time(a.Since), cmp.Or(a.Reason, "no reason is given")))
		case a.State != "OK":
			waiting = append(waiting, id)
		}
		if a.ActionsEnabled == "false" || x.topicARN != "" && len(a.Actions) == 0 {
			mute = append(mute, id)
		}
	}
	if len(gone) > 0 {
		out = append(out, warning(deploy, "alarms are gone: %s", strings.Join(gone, ", ")))
	}
	if len(mute) > 0 {
		out = append(out, warning(deploy, "alarms have no action: %s", strings.Join(mute, ", ")))
	}
	if slices.Contains(waiting, "NoSweepAlarm") && x.Now().Sub(x.stack.Changed) > 2*24*time.Hour {
		out = append(out, failure("see the lines of sweep and rules", "NoSweepAlarm has no data: no sweep has completed for two days"))
	}
	if len(waiting) > 0 {
		out = append(out, Line{Status: Warning, Text: "alarms without data yet: " + strings.Join(waiting, ", "), Fix: "none, if the stack is new"})
	}
	if len(out) == 0 {
		out = append(out, ok("%s, none is on", text.Plural(len(names), "alarm")))
	}
	return out
}
