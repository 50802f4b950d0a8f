package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sgward/internal/awscall"
	"sgward/internal/sweep"
)

// maxLogPages limits the reading of detect's log. A page holds up to 10,000 lines or 1 MB.
const maxLogPages = 200

// detectLog reads which events detect has judged from the lines that it logs, one for each
// event. So detect, which has milliseconds, writes nothing else down.
type detectLog struct {
	client *awscall.Client
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

// Since returns the events that detect has judged from a time on.
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
		if err := l.client.JSON(ctx, awscall.Logs, "FilterLogEvents", in, &page); err != nil {
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
