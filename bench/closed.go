package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// pipelineRuns holds the results of closing one opening after another.
type pipelineRuns struct {
	detect, remediate, both, boto3 series // seconds
	memory, boto3Memory            series // bytes
}

// closed measures a cold start up to the revoke: remediate, detect and remediate one after
// the other, and a boto3 function that does both at once. Without Python only sgward's own
// are measured.
func (b *bench) closed(ctx context.Context) error {
	python, version, err := b.findPython(ctx)
	if err != nil && (b.python != "" || !errors.Is(err, errNoPython)) {
		return err
	}
	withoutPython := err
	c, err := newCloud()
	if err != nil {
		return err
	}
	defer c.stop()
	script, err := filepath.Abs("bench/boto3lambda/bootstrap.py")
	if err != nil {
		return fmt.Errorf("resolving the boto3 function: %w", err)
	}
	boto3 := program{name: "boto3", argv: []string{python, script}, env: c.environment()}
	remediate := b.builds.remediate
	remediate.env = append(c.environment(), "MODE=enforce")

	runs := b.runsOr(20)
	r := pipelineRuns{
		detect: series{name: "detect, exec to answer"}, remediate: series{name: "remediate, exec to revoke"},
		both: series{name: "detect + remediate"}, boto3: series{name: "boto3, exec to revoke"},
		memory: series{name: "remediate"}, boto3Memory: series{name: "boto3"},
	}
	const warmUp = 2
	for i := range warmUp + runs {
		into := &r
		if i < warmUp {
			into = &pipelineRuns{}
		}
		turns := []func() error{
			func() error { return c.throughPipeline(ctx, fmt.Sprint("go-", i), b.builds.detect, remediate, into) },
			func() error { return c.throughBoto3(ctx, fmt.Sprint("python-", i), boto3, into) },
		}
		if withoutPython != nil {
			turns = turns[:1]
		}
		for _, at := range turn(len(turns)) {
			if err := turns[at](); err != nil {
				return err
			}
		}
	}

	heading(b.out, "CLOSED: cold start to closed, %d openings each in turn, %d before to warm up", runs, warmUp)
	if withoutPython != nil {
		table(b.out, milliseconds, &r.remediate, &r.detect, &r.both)
		fmt.Fprintf(b.out, "  COMPARISON WITH BOTO3 NOT MEASURED: %v\n", withoutPython)
		return c.reportCalls(ctx, b.builds.detect, remediate, b.out)
	}
	r.boto3.name += " (" + version + ")"
	table(b.out, milliseconds, &r.remediate, &r.detect, &r.both, &r.boto3)
	ratio(b.out, "boto3 / remediate", &r.boto3, &r.remediate, target{atLeast: true, bound: 20, unit: "x"})
	ratio(b.out, "boto3 / detect + remediate", &r.boto3, &r.both, target{atLeast: true, bound: 20, unit: "x"})
	if len(r.memory.values) == 0 {
		fmt.Fprintf(b.out, "  PEAK MEMORY NOT MEASURED: %v\n", errNoPeak)
	} else {
		fmt.Fprintln(b.out, "  peak memory")
		table(b.out, megabytes, &r.memory, &r.boto3Memory)
		ratio(b.out, "remediate / boto3", &r.memory, &r.boto3Memory, target{bound: 0.2, unit: "x"})
	}
	return c.reportCalls(ctx, b.builds.detect, remediate, b.out)
}

// throughPipeline closes one opening with fresh processes of detect and remediate.
func (c *cloud) throughPipeline(ctx context.Context, name string, detect, remediate program, into *pipelineRuns) error {
	group, event, err := c.opening(name)
	if err != nil {
		return err
	}
	message, judged, err := judge(ctx, detect, event)
	if err != nil {
		return err
	}
	closed, memory, err := c.close(ctx, remediate, group, message)
	if err != nil {
		return err
	}
	into.detect.add(judged.Seconds())
	into.remediate.add(closed.Seconds())
	into.both.add((judged + closed).Seconds())
	if memory > 0 {
		into.memory.add(float64(memory))
	}
	return nil
}

// judge starts detect, passes it the event, and returns remediate's message and the time
// from before exec to the answer.
func judge(ctx context.Context, detect program, event []byte) (message []byte, took time.Duration, err error) {
	proc, err := launch(ctx, detect)
	if err != nil {
		return nil, 0, err
	}
	defer proc.end()
	detection, took, err := proc.invoke(event)
	if err != nil {
		return nil, 0, err
	}
	message, err = queued(event, detection)
	return message, proc.start + took, err
}

func (c *cloud) throughBoto3(ctx context.Context, name string, boto3 program, into *pipelineRuns) error {
	group, event, err := c.opening(name)
	if err != nil {
		return err
	}
	closed, memory, err := c.close(ctx, boto3, group, event)
	if err != nil {
		return err
	}
	into.boto3.add(closed.Seconds())
	if memory > 0 {
		into.boto3Memory.add(float64(memory))
	}
	return nil
}

// close starts a program, passes it the event, and returns the time from before exec to
// the revoke and the peak memory of the whole invocation including the alert; 0 if the
// memory is unknown.
func (c *cloud) close(ctx context.Context, p program, group string, event []byte) (time.Duration, int64, error) {
	published := c.sns.Calls()["Publish"]
	proc, err := launch(ctx, p)
	if err != nil {
		return 0, 0, err
	}
	defer proc.end()
	answer, _, err := proc.invoke(event)
	if err != nil {
		return 0, 0, err
	}
	at, err := c.revoked(group)
	if err != nil {
		return 0, 0, fmt.Errorf("closing by %s: %w; it answered %s and logged %s", p.name, err, answer, proc.log)
	}
	if n := c.sns.Calls()["Publish"] - published; n != 1 {
		return 0, 0, fmt.Errorf("closing by %s: %d alerts were published: want 1", p.name, n)
	}
	if n := len(c.revokes); n > 0 {
		return 0, 0, fmt.Errorf("closing by %s: it sent %d revokes: want 1", p.name, n+1)
	}
	memory, err := proc.peakMemory()
	if err != nil && !errors.Is(err, errNoPeak) {
		return 0, 0, err
	}
	return at.Sub(proc.began), memory, nil
}

// queued is the SQS event that remediate gets for detect's answer to an event.
func queued(event, detection []byte) ([]byte, error) {
	record, err := json.Marshal(map[string]any{
		"version":         "1.0",
		"timestamp":       "2026-11-03T09:11:19.123Z",
		"requestContext":  map[string]any{"requestId": "00000000-0000-4000-8000-000000000001", "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:detect:$LATEST", "condition": "Success", "approximateInvokeCount": 1},
		"requestPayload":  json.RawMessage(event),
		"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST"},
		"responsePayload": json.RawMessage(detection),
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the invocation record: %w", err)
	}
	return json.Marshal(map[string]any{"Records": []any{map[string]any{
		"messageId": "00000000-0000-4000-8000-000000000002", "receiptHandle": "r", "body": string(record),
		"attributes":  map[string]string{"ApproximateReceiveCount": "1"},
		"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:findings", "awsRegion": "us-east-1",
	}}})
}

// reportCalls closes one more opening and counts its calls.
func (c *cloud) reportCalls(ctx context.Context, detect, remediate program, out io.Writer) error {
	group, event, err := c.opening("counted")
	if err != nil {
		return err
	}
	message, _, err := judge(ctx, detect, event)
	if err != nil {
		return err
	}
	c.ec2.ResetCalls()
	published := c.sns.Calls()["Publish"]
	if _, _, err := c.close(ctx, remediate, group, message); err != nil {
		return err
	}
	all, revokes := c.ec2.Calls().Of(), c.ec2.Calls().Of("RevokeSecurityGroupIngress")
	publishes := c.sns.Calls()["Publish"] - published
	fmt.Fprintf(out, "  calls to close one opening: %d of EC2, %s; then %d EC2 reads for the alert's text; %d of SNS, %s\n",
		revokes, target{bound: 1}.verdict(float64(revokes)), all-revokes, publishes, target{bound: 1}.verdict(float64(publishes)))
	return nil
}

var errNoPython = errors.New("no Python with boto3")

// findPython returns a Python that has boto3, and boto3's version.
func (b *bench) findPython(ctx context.Context) (path, version string, err error) {
	candidates := []string{"build/bench-venv/bin/python", "build/e2e-venv/bin/python"}
	if b.python != "" {
		candidates = []string{b.python}
	}
	for _, candidate := range candidates {
		if strings.Contains(candidate, "/") {
			// Not resolved further: a virtual environment's Python is a symbolic link.
			if candidate, err = filepath.Abs(candidate); err != nil {
				return "", "", fmt.Errorf("resolving Python: %w", err)
			}
		}
		out, err := exec.CommandContext(ctx, candidate, "-c", "import boto3, sys; print(boto3.__version__, 'on Python', sys.version.split()[0])").Output()
		if err == nil {
			return candidate, strings.TrimSpace(string(out)), nil
		}
	}
	return "", "", fmt.Errorf("looking in %s: %w: run\n"+
		"  python3 -m venv build/bench-venv && build/bench-venv/bin/python -m pip install boto3==1.43.108", strings.Join(candidates, " and "), errNoPython)
}
