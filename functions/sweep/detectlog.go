package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"sgward/internal/sweep"
)

// maxLogPages limits the reading of detect's log. A page holds up to 10,000 lines or 1 MB.
const maxLogPages = 200

// maxLogAnswer is more than CloudWatch Logs answers with.
const maxLogAnswer = 16 << 20

// detectLog reads which events detect has judged from the lines that it logs, one for each
// event. So detect, which has milliseconds, writes nothing else down.
type detectLog struct {
	config aws.Config // with the endpoint
	group  string
	kept   time.Duration
}

// judgedLine is a line of detect's log (functions/detect/handler.go, report).
type judgedLine struct {
	Message  string   `json:"message"`
	GroupID  string   `json:"groupId"`
	Findings int      `json:"findings"`
	RuleIDs  []string `json:"securityGroupRuleIds"`
}

// Kept is how long the log group keeps its lines.
func (l *detectLog) Kept() time.Duration { return l.kept }

// Since returns the events that detect has judged from a time on. It does not retry: the
// next sweep asks again.
func (l *detectLog) Since(ctx context.Context, from time.Time) ([]sweep.Announcement, error) {
	type request struct {
		LogGroupName  string `json:"logGroupName"`
		StartTime     int64  `json:"startTime"` // milliseconds since 1970
		FilterPattern string `json:"filterPattern"`
		NextToken     string `json:"nextToken,omitempty"`
	}
	var out []sweep.Announcement
	in := request{LogGroupName: l.group, StartTime: from.UnixMilli(), FilterPattern: `{ $.message = "judged" }`}
	for range maxLogPages {
		var page struct {
			Events []struct {
				Message string `json:"message"`
			} `json:"events"`
			NextToken string `json:"nextToken"`
		}
		if err := l.call(ctx, in, &page); err != nil {
			return nil, fmt.Errorf("reading log group %s: %w", l.group, err)
		}
		for _, e := range page.Events {
			var line judgedLine
			if json.Unmarshal([]byte(e.Message), &line) != nil || line.Message != "judged" {
				continue // a line of the platform
			}
			a := sweep.Announcement{GroupID: line.GroupID}
			for _, id := range line.RuleIDs {
				if id != "" {
					a.RuleIDs = append(a.RuleIDs, id)
				}
			}
			a.Partial = line.Findings > len(a.RuleIDs)
			out = append(out, a)
		}
		if in.NextToken = page.NextToken; in.NextToken == "" {
			return out, nil
		}
	}
	return nil, fmt.Errorf("reading log group %s: more than %d pages since %s", l.group, maxLogPages, from.UTC().Format(time.RFC3339))
}

// call makes one call of FilterLogEvents
// (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html).
func (l *detectLog) call(ctx context.Context, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, *l.config.BaseEndpoint+"/", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making request: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "Logs_20140328.FilterLogEvents")
	// net/http then sends the request again if the other side has meanwhile closed the connection that it kept, as is usual
	// after an hour's pause. An empty key is not sent (https://pkg.go.dev/net/http#Transport).
	r.Header["Idempotency-Key"] = []string{}
	keys, err := l.config.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, keys, r, hex.EncodeToString(sum[:]), "logs", l.config.Region, time.Now()); err != nil {
		return fmt.Errorf("signing request: %w", err)
	}
	answer, err := l.config.HTTPClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxLogAnswer))
	if err != nil {
		return fmt.Errorf("reading answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("CloudWatch Logs answers %s: %.200q", answer.Status, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("reading answer: %w", err)
	}
	return nil
}
