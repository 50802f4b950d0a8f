package doctor

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"sgward/internal/sqs"
	"sgward/internal/text"
)

// attributes reads a queue's.
func (x *examination) attributes(ctx context.Context, logicalID string) (map[string]string, error) {
	queueURL := x.stack.Ref(logicalID)
	if queueURL == "" {
		return nil, errNoResource
	}
	return sqs.Queue{Client: x.aws, URL: queueURL}.Attributes(ctx, sqs.ARN, sqs.Visible, sqs.InFlight, sqs.KeyID)
}

// waiting returns how many messages a queue holds, received or not.
func waiting(attributes map[string]string) int {
	visible, _ := strconv.Atoi(attributes[sqs.Visible]) // 0 if it is not a number
	taken, _ := strconv.Atoi(attributes[sqs.InFlight])
	return visible + taken
}

// oldest returns the age of a queue's oldest message in the last quarter of an hour, 0 if
// CloudWatch has none.
func (x *examination) oldest(ctx context.Context, attributes map[string]string) (time.Duration, error) {
	arn := attributes[sqs.ARN]
	name := arn
	for i := len(arn) - 1; i >= 0; i-- {
		if arn[i] == ':' {
			name = arn[i+1:]
			break
		}
	}
	points, err := x.statistics(ctx, "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", name, "Maximum", 15*time.Minute, time.Minute)
	var latest datapoint
	for _, p := range points {
		if p.Timestamp.After(latest.Timestamp) {
			latest = p
		}
	}
	return time.Duration(latest.Maximum) * time.Second, err
}

func since(age time.Duration) string {
	if age <= 0 {
		return ""
	}
	return ", the oldest for " + text.Span(age.Seconds())
}

// longestWait is how long a finding may wait before FindingsAgeAlarm.
const longestWait = 10 * time.Minute

func (x *examination) checkQueue(ctx context.Context) []Line {
	attributes, err := x.attributes(ctx, "FindingsQueue")
	switch {
	case missing(err):
		return []Line{failure(deploy, "the findings queue is gone: nothing is closed")}
	case err != nil:
		return []Line{unknown(err, "whether findings wait")}
	}
	n := waiting(attributes)
	if n == 0 {
		return []Line{ok("no finding waits")}
	}
	age, err := x.oldest(ctx, attributes)
	if err != nil {
		return []Line{unknown(err, "how long %s have waited", text.Plural(n, "finding"))}
	}
	if age > longestWait {
		return []Line{warning(x.command("logs tail %s", x.stack.Ref("RemediateLogGroup")), "%s wait%s: remediate fails or is throttled", text.Plural(n, "finding"), since(age))}
	}
	return []Line{ok("%s wait%s", text.Plural(n, "finding"), since(age))}
}

func (x *examination) checkDeadLetters(ctx context.Context) []Line {
	attributes, err := x.attributes(ctx, "DeadLetterQueue")
	switch {
	case missing(err):
		return []Line{failure(deploy, "the dead-letter queue is gone: what fails is lost")}
	case err != nil:
		return []Line{unknown(err, "whether there are dead letters")}
	}
	n := waiting(attributes)
	if n == 0 {
		return []Line{ok("none")}
	}
	age, err := x.oldest(ctx, attributes)
	out := []Line{failure(fmt.Sprintf("sgward redrive --stack %s --region %s", x.stack.Name, x.region), "%s%s: openings may exist that were not judged or closed", text.Plural(n, "message"), since(age))}
	if err != nil {
		out = append(out, unknown(err, "how old the dead letters are"))
	}
	return out
}
