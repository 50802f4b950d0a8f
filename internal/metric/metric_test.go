package metric_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/metric"
	"sgward/internal/metric/metrictest"
)

func put(t *testing.T, metrics ...metric.Metric) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	metric.New(slog.New(slog.NewJSONHandler(&out, nil)), metric.StackName, "sgward").Put(t.Context(), metrics...)
	var lines []map[string]any
	for line := range bytes.Lines(out.Bytes()) {
		var read map[string]any
		require.NoError(t, json.Unmarshal(line, &read), "a line is one JSON object")
		lines = append(lines, read)
	}
	return lines
}

func TestALineIsOfTheEmbeddedMetricFormat(t *testing.T) {
	lines := put(t, metric.Counted("Revoked", 2), metric.Metric{Name: "ExposureSeconds", Unit: metric.Seconds, Values: []float64{8.5, 9}}, metric.Counted("Failed", 0))
	require.Len(t, lines, 1)
	got, err := metrictest.Read(lines[0])
	require.NoError(t, err)
	assert.Equal(t, []metrictest.Value{
		{Namespace: "sgward", Name: "Revoked", Unit: "Count", Dimensions: map[string]string{"StackName": "sgward"}, Values: []float64{2}},
		{Namespace: "sgward", Name: "ExposureSeconds", Unit: "Seconds", Dimensions: map[string]string{"StackName": "sgward"}, Values: []float64{8.5, 9}},
	}, got)
	assert.NotContains(t, lines[0], "Failed", "what did not happen costs nothing")
	assert.InDelta(t, time.Now().UnixMilli(), lines[0]["_aws"].(map[string]any)["Timestamp"].(float64), 60_000)
}

func TestNothingThatHappenedIsNoLine(t *testing.T) {
	assert.Empty(t, put(t, metric.Counted("Revoked", 0), metric.Metric{Name: "ExposureSeconds", Unit: metric.Seconds}))
	assert.Empty(t, put(t))
}

func TestMoreValuesThanALineTakesAreMoreLines(t *testing.T) {
	values := make([]float64, 250)
	for i := range values {
		values[i] = float64(i)
	}
	given := slices.Clone(values)
	lines := put(t, metric.Metric{Name: "ExposureSeconds", Unit: metric.Seconds, Values: given}, metric.Counted("Revoked", 250))
	require.Len(t, lines, 3)
	var all []float64
	revoked := 0.0
	for _, line := range lines {
		read, err := metrictest.Read(line)
		require.NoError(t, err)
		for _, v := range read {
			if v.Name == "Revoked" {
				revoked += v.Values[0]
				continue
			}
			assert.LessOrEqual(t, len(v.Values), 100)
			all = append(all, v.Values...)
		}
	}
	assert.Equal(t, values, all)
	assert.Equal(t, values, given, "the caller's values are as they were")
	assert.InDelta(t, 250, revoked, 0, "counted once")
}

func TestAStackWithoutANameHasNoMetrics(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	for _, env := range []map[string]string{nil, {metric.StackVariable: ""}} {
		l := metric.OfStack(logger, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
		l.Put(t.Context(), metric.Counted("Revoked", 1))
	}
	assert.Empty(t, out.String())
}

func TestTheReaderRefusesWhatCloudWatchDoes(t *testing.T) {
	for name, spoil := range map[string]func(line map[string]any, directive map[string]any){
		"no timestamp":         func(line, _ map[string]any) { delete(line["_aws"].(map[string]any), "Timestamp") },
		"no value":             func(line, _ map[string]any) { delete(line, "Revoked") },
		"a text for a value":   func(line, _ map[string]any) { line["Revoked"] = "2" },
		"no dimension's value": func(line, _ map[string]any) { delete(line, "StackName") },
		"an empty dimension":   func(line, _ map[string]any) { line["StackName"] = "" },
		"no namespace":         func(_, d map[string]any) { delete(d, "Namespace") },
		"a unit that is none":  func(_, d map[string]any) { d["Metrics"].([]any)[0].(map[string]any)["Unit"] = "seconds" },
		"more than 100 values": func(line, _ map[string]any) { line["Revoked"] = make([]any, 101) },
		"a name of 1025 letters": func(_, d map[string]any) {
			d["Metrics"].([]any)[0].(map[string]any)["Name"] = fmt.Sprintf("%01025d", 0)
		},
	} {
		line := put(t, metric.Counted("Revoked", 2))[0]
		_, err := metrictest.Read(line)
		require.NoError(t, err)
		spoil(line, line["_aws"].(map[string]any)["CloudWatchMetrics"].([]any)[0].(map[string]any))
		_, err = metrictest.Read(line)
		assert.Error(t, err, name)
	}
}

func BenchmarkPut(b *testing.B) {
	l := metric.New(slog.New(slog.NewJSONHandler(io.Discard, nil)), metric.StackName, "sgward")
	b.ReportAllocs()
	for b.Loop() {
		l.Put(b.Context(), metric.Counted("Openings", 1), metric.Metric{Name: "EventAge", Unit: metric.Seconds, Values: []float64{8.123}})
	}
}
