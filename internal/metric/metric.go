// Package metric logs metrics in CloudWatch's embedded metric format: a line of a function's
// log becomes a metric without a call and without a permission
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
//
// CloudWatch charges each name with each value of its dimension, for the hours in which it
// gets data (docs/COST.md). So there is one dimension, and nothing is logged that did not
// happen.
package metric

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// Namespace is that of all metrics that the functions log.
const Namespace = "sgward"

// The dimensions. A metric has one of them.
const (
	// FunctionName is that of the metrics that alarms and doctor rely on.
	FunctionName = "FunctionName"
	// StackName is that of the metrics in Names, which all functions of a stack share.
	StackName = "StackName"
)

// StackVariable is the environment variable with the stack's name. A function without it
// logs none of the metrics in Names.
const StackVariable = "METRICS_STACK"

// mostValues is how many values one metric may have in a line.
const mostValues = 100

// message is the message of the log lines.
const message = "metric"

// Unit is a unit of CloudWatch.
type Unit string

// The units.
const (
	Count   Unit = "Count"
	Seconds Unit = "Seconds"
)

// Metric is one metric with its values of a moment. Without a value it is not logged.
type Metric struct {
	Name   string
	Unit   Unit
	Values []float64
}

// Counted returns a metric that counts n; it has no value if n is 0.
func Counted(name string, n int) Metric {
	m := Metric{Name: name, Unit: Count}
	if n != 0 {
		m.Values = []float64{float64(n)}
	}
	return m
}

// Log logs metrics with one value of one dimension. A nil Log logs nothing. It is safe for
// concurrent use.
type Log struct {
	logger           *slog.Logger
	dimension, value string
	dimensions       [][]string
}

// New returns the Log of a dimension's value, nil if the value is empty: CloudWatch takes no
// metric with an empty dimension.
func New(logger *slog.Logger, dimension, value string) *Log {
	if value == "" {
		return nil
	}
	return &Log{logger: logger, dimension: dimension, value: value, dimensions: [][]string{{dimension}}}
}

// OfStack returns the Log of the metrics in Names, nil if the environment does not ask for
// them. lookup is os.LookupEnv.
func OfStack(logger *slog.Logger, lookup func(string) (string, bool)) *Log {
	stack, _ := lookup(StackVariable)
	return New(logger, StackName, stack)
}

// directive tells CloudWatch which members of the line are metrics.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct {
	Name string
	Unit Unit
}

// Attrs returns the attributes that make a log line with them the metrics' too: CloudWatch
// takes metrics from any line of the format, whatever else it says. No metric may have more
// than mostValues values. The result is empty if no metric has a value, and of a nil Log.
func (l *Log) Attrs(metrics ...Metric) []slog.Attr {
	if metrics = valued(metrics); l == nil || len(metrics) == 0 {
		return nil
	}
	return l.attrs(metrics)
}

// attrs is Attrs for metrics that all have a value.
func (l *Log) attrs(metrics []Metric) []slog.Attr {
	definitions := make([]definition, len(metrics))
	attrs := make([]slog.Attr, 0, len(metrics)+2)
	attrs = append(attrs, slog.String(l.dimension, l.value))
	for i, m := range metrics {
		definitions[i] = definition{m.Name, m.Unit}
		if len(m.Values) == 1 {
			attrs = append(attrs, slog.Float64(m.Name, m.Values[0]))
		} else {
			attrs = append(attrs, slog.Any(m.Name, m.Values))
		}
	}
	return append(attrs, slog.Group("_aws", slog.Int64("Timestamp", time.Now().UnixMilli()),
		slog.Any("CloudWatchMetrics", []directive{{Namespace: Namespace, Dimensions: l.dimensions, Metrics: definitions}})))
}

// Put logs metrics in a line of their own, or in several if one has more values than a line
// takes.
func (l *Log) Put(ctx context.Context, metrics ...Metric) {
	if l == nil {
		return
	}
	for metrics = valued(metrics); len(metrics) > 0; metrics = slices.DeleteFunc(metrics, isEmpty) {
		line := make([]Metric, len(metrics))
		for i := range metrics {
			m := &metrics[i]
			n := min(len(m.Values), mostValues)
			line[i] = Metric{m.Name, m.Unit, m.Values[:n]}
			m.Values = m.Values[n:]
		}
		l.logger.LogAttrs(ctx, slog.LevelInfo, message, l.attrs(line)...)
	}
}

// valued returns the metrics that have a value.
func valued(metrics []Metric) []Metric { return slices.DeleteFunc(slices.Clone(metrics), isEmpty) }

func isEmpty(m Metric) bool { return len(m.Values) == 0 }
