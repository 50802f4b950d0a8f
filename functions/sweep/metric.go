package main

import (
	"context"
	"log/slog"
	"time"
)

// The namespace and the dimension of the function's metrics. The function's name tells
// those of several stacks apart.
const (
	metricNamespace = "sgward"
	metricDimension = "FunctionName"
)

// metricsOf returns a function that logs a metric. The line is in CloudWatch's embedded
// metric format, which makes a metric of it without a call
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
func metricsOf(logger *slog.Logger, function string) func(ctx context.Context, name string, n int) {
	type metric struct {
		Name, Unit string
	}
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []metric
	}
	return func(ctx context.Context, name string, n int) {
		logger.InfoContext(ctx, "metric", metricDimension, function, name, n,
			slog.Group("_aws", "Timestamp", time.Now().UnixMilli(), "CloudWatchMetrics", []directive{{
				Namespace: metricNamespace, Dimensions: [][]string{{metricDimension}}, Metrics: []metric{{name, "Count"}},
			}}))
	}
}
