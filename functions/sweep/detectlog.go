package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sgward/internal/awscall"
	"sgward/internal/logline"
	"sgward/internal/sweep"
)

// maxLogPages limits the reading of detect's log.
const maxLogPages = 200

// detectLog reads which events detect has judged from the lines that it logs, one for each
// event. detect, which has milliseconds, therefore makes no call of its own.
type detectLog struct {
	client *awscall.Client
	group  string
	kept   time.Duration
}

// Kept is how long the log group keeps its lines.
func (l *detectLog) Kept() time.Duration { return l.kept }

// Since returns the events that detect has judged from a time on.
func (l *detectLog) Since(ctx context.Context, from time.Time) ([]sweep.Announcement, error) {
	var out []sweep.Announcement
	pages := l.client.LogPages(ctx, awscall.LogQuery{Group: l.group, Pattern: logline.WhereMessage(logline.Judged), From: from, MaxPages: maxLogPages})
	for lines, err := range pages {
		switch {
		case errors.Is(err, awscall.ErrMoreLines):
			return nil, fmt.Errorf("reading log group %s: more than %d pages since %s", l.group, maxLogPages, from.UTC().Format(time.RFC3339))
		case err != nil:
			return nil, fmt.Errorf("reading log group %s: %w", l.group, err)
		}
		for _, logged := range lines {
			line, ok := logline.ReadJudged(logged.Text)
			if !ok {
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
	}
	return out, nil
}
