package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/pause"
	"sgward/internal/policy"
	"sgward/internal/table"
)

const (
	// settleAge is the minimum age of an event before a read of the rules is trusted.
	settleAge = 5 * time.Second
	// alertReserve is the part of an invocation's time reserved for alerts; a quarter of
	// short invocations.
	alertReserve = 10 * time.Second
)

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
	// Gone passes an alert on to machines alone: of findings that digests have reported and
	// that no longer exist. After an error the next run tells them. Nil tells nobody.
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
	switch {
	case c.EC2 == nil, c.Policy == nil, c.Publish == nil, c.Logger == nil:
		return nil, errors.New("making sweeper: EC2, Policy, Publish and Logger must be set")
	case c.Region == "":
		return nil, errors.New("making sweeper: Region must be set")
	case c.Mode != finding.Observe && c.Mode != finding.Enforce:
		return nil, fmt.Errorf("making sweeper: mode %q: want observe or enforce", c.Mode)
	case c.MaxRevokes < 0:
		return nil, fmt.Errorf("making sweeper: %d revokes at most: want 0 or more", c.MaxRevokes)
	}
	return &Sweeper{c}, nil
}

// alert returns the alert of an event or a run.
func (a *Sweeper) alert(event cloudtrail.Event, results []finding.Result) finding.Alert {
	var findings []finding.Finding
	for i := range results {
		findings = append(findings, results[i].Finding)
	}
	return finding.Alert{
		SchemaVersion: finding.SchemaVersion, Mode: a.Mode, PolicyDigest: a.Policy.Digest(), Verdict: finding.Strongest(findings),
		Event: event, Findings: results,
	}
}

func (a *Sweeper) publish(ctx context.Context, out finding.Alert) error {
	out.Cite(a.Policy)
	if err := a.Publish(ctx, out); err != nil {
		return fmt.Errorf("publishing the alert of event %s: %w", out.Event.EventID, err)
	}
	a.Logger.InfoContext(ctx, "alert published", "eventId", out.Event.EventID, "decision", out.Verdict, "findings", len(out.Findings))
	return nil
}
