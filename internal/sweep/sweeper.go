package sweep

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/logline"
	"sgward/internal/pause"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/table"
)

// alertReserve is the part of an invocation's time reserved for alerts; a quarter of short
// invocations.
const alertReserve = 10 * time.Second

// Config configures a Sweeper. All fields must be set but Memory, Release,
// Announcements, Gone, Count, Now and Wait.
type Config struct {
	// EC2 is the API of Region.
	EC2    EC2
	Region string
	Policy *policy.Policy
	Mode   finding.Mode
	// MaxRevokes is how many rules one run has closed at most; 0 has none closed.
	MaxRevokes int
	// Memory holds the findings of earlier digests and the rules that runs have tried to
	// close, of one account and region; without it, every sweep reports everything.
	Memory *table.Table
	// Release identifies the build, whose judgement may differ from another's.
	Release string
	// Announcements are the events that detect has judged; without them, no sweep notices
	// that the event path is broken.
	Announcements Announcements
	// Count publishes a metric; nil publishes none.
	Count func(ctx context.Context, metric string, n int)
	// Publish sends one alert. After an error the event is retried.
	Publish func(context.Context, finding.Alert) error
	// Gone passes an alert to the outlets alone: about findings that digests have reported and
	// that no longer exist. After an error the next run reports them. If nil, none are reported.
	Gone   func(context.Context, finding.Alert) error
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Wait returns after a while, or with ctx's error; nil waits by the real clock.
	Wait func(ctx context.Context, d time.Duration) error
}

// Sweeper judges existing rules. It is safe for concurrent use.
type Sweeper struct {
	Config
}

// New returns a Sweeper. The error names the field that is missing or wrong.
func New(c Config) (*Sweeper, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wait == nil {
		c.Wait = pause.For
	}
	if c.Count == nil {
		c.Count = func(context.Context, string, int) {}
	}
	isSet := c.EC2 != nil && c.Policy != nil && c.Publish != nil && c.Logger != nil
	if err := remediation.CheckConfig("sweeper", isSet, c.Region, c.Mode, c.MaxRevokes); err != nil {
		return nil, err
	}
	return &Sweeper{c}, nil
}

// waitUntilAge waits until a read sees the changes that were made at a time: until they have
// an age, remediation.SettleAge or more. A clock that is behind makes the wait no longer than
// that age.
func (s *Sweeper) waitUntilAge(ctx context.Context, made time.Time, age time.Duration) error {
	early := min(age-s.Now().Sub(made), age)
	if early <= 0 {
		return nil
	}
	if err := s.Wait(ctx, early); err != nil {
		return fmt.Errorf("waiting for EC2's reads to catch up: %w", err)
	}
	return nil
}

// alert returns the alert of an event or a run.
func (s *Sweeper) alert(event cloudtrail.Event, results []finding.Result) finding.Alert {
	return finding.NewAlert(s.Mode, s.Policy, event, results)
}

func (s *Sweeper) publish(ctx context.Context, out finding.Alert) error {
	out.Cite(s.Policy)
	if err := s.Publish(ctx, out); err != nil {
		return fmt.Errorf("publishing the alert of event %s: %w", out.Event.EventID, err)
	}
	s.Logger.InfoContext(ctx, logline.AlertPublished, logline.EventID, out.Event.EventID, logline.Decision, out.Verdict, logline.Findings, len(out.Findings))
	return nil
}
