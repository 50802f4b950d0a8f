package main

import (
	"context"
	"log/slog"
	"time"

	"sgward/internal/finding"
)

// The heartbeat, as a metric of CloudWatch.
const (
	metricNamespace = "sgward"
	heartbeatMetric = "SweepsCompleted"
	dimension       = "FunctionName"
)

// heartbeat says that a sweep has judged all groups and told what it found. The line is
// in CloudWatch's embedded metric format, which makes a metric of it without a call
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
func (h *handler) heartbeat(ctx context.Context, d finding.Detection) {
	type metric struct {
		Name, Unit string
	}
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []metric
	}
	h.logger.InfoContext(ctx, "sweep completed", "eventId", d.Event.EventID, "handedOver", len(d.Findings),
		dimension, h.function, heartbeatMetric, 1,
		slog.Group("_aws", "Timestamp", time.Now().UnixMilli(), "CloudWatchMetrics", []directive{{
			Namespace: metricNamespace, Dimensions: [][]string{{dimension}}, Metrics: []metric{{heartbeatMetric, "Count"}},
		}}))
}
