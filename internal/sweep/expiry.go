package sweep

import (
	"context"
	"fmt"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
)

// Day is one run of the daily schedule.
type Day struct {
	EventID   string
	Time      time.Time
	AccountID string
	Region    string
}

// WarnOfExpiry sends one alert about the exceptions of the policy that end within 14 days,
// or ended since the day before: once per day of UTC, if there is a memory. A day without
// expiring exceptions sends no alert. An error means that no alert was sent and the run
// must be retried; the retry sends the same.
func (s *Sweeper) WarnOfExpiry(ctx context.Context, day Day) error {
	event := cloudtrail.Event{
		EventID: day.EventID, EventName: "Scheduled Event", EventTime: day.Time, AccountID: day.AccountID, Region: day.Region,
		Actor: cloudtrail.Actor{Type: "AWSService", InvokedBy: "events.amazonaws.com"},
	}
	var ending []finding.Result
	for _, x := range s.Policy.Expiring(day.Time, day.AccountID, day.Region) {
		word := "ends"
		if x.Ended {
			word = "ended"
		}
		ending = append(ending, finding.Result{
			Outcome: finding.OutcomeAlerted,
			Finding: finding.Finding{
				ID:      finding.NewID(day.AccountID, day.Region, "", x.ID, day.EventID),
				Verdict: policy.Alert, Severity: policy.Low, AccountID: day.AccountID, Region: day.Region,
				Reasons: []policy.Reason{{
					ID: x.ID, File: x.File, Line: x.Line,
					Text: fmt.Sprintf("%s %s; covers %s; %s", word, policy.Dated("with", x.Expires), x.Covers, x.Reason),
				}},
				Exception: &finding.Exception{
					ID: x.ID, Owner: x.Owner, Expires: x.Expires,
				},
			},
		})
	}
	s.Logger.InfoContext(ctx, "exceptions checked", "eventId", day.EventID, "ending", len(ending))
	if len(ending) == 0 || s.warned(ctx, day) {
		return nil
	}
	if err := s.publish(ctx, s.alert(event, ending)); err != nil {
		return err
	}
	if s.Memory != nil {
		now := s.Now()
		s.writeMemory(ctx, []memo{{id: warningID, fingerprint: dayOf(day.Time), firstSeen: now, lastSeen: now}}, nil)
	}
	return nil
}

// warned reports whether the warning of a day has been sent. Without a memory it is sent
// again.
func (s *Sweeper) warned(ctx context.Context, day Day) bool {
	if s.Memory == nil {
		return false
	}
	reading, cancel := remediation.KeepReserve(ctx, sweepReserve)
	defer cancel()
	known, err := s.readMemory(reading, s.Now())
	return err == nil && known[warningID].fingerprint == dayOf(day.Time)
}
