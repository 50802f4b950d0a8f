// Package metrictest reads log lines as CloudWatch reads the embedded metric format. Only
// tests link it.
package metrictest

import (
	"errors"
	"fmt"
	"slices"
)

// Value is a metric of a line.
type Value struct {
	Namespace, Name, Unit string
	Dimensions            map[string]string
	Values                []float64
}

// The limits of the specification
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
const (
	mostMetrics    = 100
	mostDimensions = 30
	mostValues     = 100
	mostName       = 1024
)

// units are those of MetricDatum that sgward may use
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html).
var units = []string{"Count", "Seconds", "Milliseconds", "Bytes", "Percent", "None"}

// IsMetric reports that a line holds metrics.
func IsMetric(line map[string]any) bool { _, ok := line["_aws"]; return ok }

// Read returns the metrics of a line, in order. The error says why CloudWatch would make none
// of it.
func Read(line map[string]any) ([]Value, error) {
	meta, ok := line["_aws"].(map[string]any)
	if !ok {
		return nil, errors.New("_aws: want an object at the root")
	}
	if ms, ok := meta["Timestamp"].(float64); !ok || ms < 1e12 {
		return nil, fmt.Errorf("_aws.Timestamp: %v: want milliseconds", meta["Timestamp"])
	}
	directives, ok := meta["CloudWatchMetrics"].([]any)
	if !ok || len(directives) == 0 {
		return nil, errors.New("_aws.CloudWatchMetrics: want an array")
	}
	var out []Value
	for _, d := range directives {
		read, err := readDirective(line, d)
		if err != nil {
			return nil, err
		}
		out = append(out, read...)
	}
	return out, nil
}

func readDirective(line map[string]any, directive any) ([]Value, error) {
	d, _ := directive.(map[string]any)
	namespace, _ := d["Namespace"].(string)
	if namespace == "" || len(namespace) > mostName {
		return nil, fmt.Errorf("member Namespace: %q", namespace)
	}
	sets, ok := d["Dimensions"].([]any)
	if !ok || len(sets) != 1 {
		return nil, fmt.Errorf("member Dimensions: %v: each set is charged by itself, want one", d["Dimensions"])
	}
	names, _ := sets[0].([]any)
	if len(names) > mostDimensions {
		return nil, fmt.Errorf("member Dimensions: %d of them", len(names))
	}
	dimensions := map[string]string{}
	for _, n := range names {
		name, _ := n.(string)
		value, _ := line[name].(string)
		if value == "" || len(value) > mostName {
			return nil, fmt.Errorf("%s: %v: want the value of the dimension", name, line[name])
		}
		dimensions[name] = value
	}
	metrics, _ := d["Metrics"].([]any)
	if len(metrics) == 0 || len(metrics) > mostMetrics {
		return nil, fmt.Errorf("member Metrics: %d of them", len(metrics))
	}
	var out []Value
	for _, m := range metrics {
		definition, _ := m.(map[string]any)
		name, _ := definition["Name"].(string)
		unit, _ := definition["Unit"].(string)
		if name == "" || len(name) > mostName || !slices.Contains(units, unit) {
			return nil, fmt.Errorf("member Metrics: %v", m)
		}
		values, err := numbers(line[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, Value{Namespace: namespace, Name: name, Unit: unit, Dimensions: dimensions, Values: values})
	}
	return out, nil
}

func numbers(value any) ([]float64, error) {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	if len(list) == 0 || len(list) > mostValues {
		return nil, fmt.Errorf("%d values", len(list))
	}
	out := make([]float64, len(list))
	for i, v := range list {
		if out[i], ok = v.(float64); !ok {
			return nil, fmt.Errorf("%v: want a number", v)
		}
	}
	return out, nil
}
