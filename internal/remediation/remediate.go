package remediation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"sgward/internal/crash"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// alertReserve is kept of an invocation's time for telling people. Of short
// invocations it is a quarter.
const alertReserve = 6 * time.Second

// reading bounds how many groups are worked on at once. One that waits for reads that
// lag is not counted: whoever makes narrow rules and takes them away at once must not
// keep a function from the other groups of a batch.
const reading = 10

// Config is what a Remediator works with. All fields must be set but Now
// and MaxRevokes.
type Config struct {
	// EC2 is the API of Region.
	EC2    EC2
	Region string
	Policy *policy.Policy
	Mode   finding.Mode
	// MaxRevokes is how many rules that exist already one message closes at most; 0
	// closes none.
	MaxRevokes int
	// Publish sends one alert. An error brings the message back.
	Publish func(context.Context, finding.Alert) error
	Logger  *slog.Logger
	// Now tells the time; nil is time.Now.
	Now func() time.Time
}

// Remediator brings detections to an end: it judges again, closes what is
// forbidden and tells people. It is safe for concurrent use.
type Remediator struct {
	Config
	closer *Closer
}

// New makes a Remediator. The error names the field that is missing or wrong.
func New(c Config) (*Remediator, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.EC2 == nil, c.Policy == nil, c.Publish == nil, c.Logger == nil:
		return nil, errors.New("making remediator: EC2, Policy, Publish and Logger must be set")
	case c.Region == "":
		return nil, errors.New("making remediator: Region must be set")
	case c.Mode != finding.Observe && c.Mode != finding.Enforce:
		return nil, fmt.Errorf("making remediator: mode %q: want observe or enforce", c.Mode)
	case c.MaxRevokes < 0:
		return nil, fmt.Errorf("making remediator: %d revokes at most: want 0 or more", c.MaxRevokes)
	}
	return &Remediator{c, &Closer{EC2: c.EC2, Mode: c.Mode, Logger: c.Logger, Now: c.Now}}, nil
}

// batch is one Remediate.
type batch struct {
	*Remediator
	account string
	now     time.Time
	lists   *ec2rules.Lists
	slots   chan struct{} // of groups that are worked on
	// interfaces is what alerts tell of the groups' surroundings.
	interfaces interfaces
}

// Remediate brings messages to an end and returns, in the same order, why one has
// to come again; nil for a message that is done. accountID is the account whose
// credentials EC2 works with, "" where it is not known; findings of other accounts
// and regions cannot be acted on, and the alert says so.
//
// What the events alone settle is closed first, in one call for each group and
// direction over all messages, and told; then groups are read for the rest.
func (r *Remediator) Remediate(ctx context.Context, accountID string, messages []Message) []error {
	b := &batch{
		Remediator: r, account: accountID, now: r.Now(),
		lists: ec2rules.NewLists(r.EC2),
		slots: make(chan struct{}, reading),
	}
	errs := make([]error, len(messages))
	deliveries := make([]*delivery, len(messages))
	var atOnce []*item
	var changes []*change
	for i, m := range messages {
		d, err := b.open(m)
		if err != nil {
			errs[i] = err
			continue
		}
		deliveries[i] = d
		for _, c := range d.changes {
			atOnce = append(atOnce, b.weigh(c)...)
			if !d.isStanding() {
				changes = append(changes, c)
			}
		}
	}

	acting, cancel := KeepReserve(ctx, alertReserve)
	defer cancel()
	b.closeItems(acting, atOnce)
	told := make([]bool, len(messages))
	tell := func(ready func(*delivery) bool) {
		var alerts errgroup.Group
		alerts.SetLimit(concurrency)
		for i, d := range deliveries {
			if d == nil || told[i] || !ready(d) {
				continue
			}
			told[i] = true
			alerts.Go(func() error {
				defer crash.Exit()
				errs[i] = b.tell(ctx, d)
				return nil
			})
		}
		_ = alerts.Wait() // each message has its own error
	}
	tell(func(d *delivery) bool { return !d.open() })
	var reading sync.WaitGroup
	for _, d := range deliveries {
		if d != nil && d.isStanding() && d.open() {
			reading.Go(func() {
				defer crash.Exit()
				b.slots <- struct{}{}
				defer func() { <-b.slots }()
				(&standing{b, d}).run(acting)
			})
		}
	}
	b.readAndClose(acting, changes)
	reading.Wait()
	tell(func(*delivery) bool { return true })
	return errs
}

// KeepReserve returns a context that ends early enough before ctx does for alerts to
// go out: by reserve, or a quarter of what is left where that is less.
func KeepReserve(ctx context.Context, reserve time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(reserve, time.Until(deadline)/4)))
}

// closeItems closes the rules of items and settles these with what became of them.
func (b *batch) closeItems(ctx context.Context, items []*item) {
	for i, closing := range b.closer.Close(ctx, openings(items)) {
		items[i].close(closing)
	}
}

func openings(items []*item) []Opening {
	out := make([]Opening, len(items))
	for i, it := range items {
		out[i] = Opening{Rule: it.rule, EventID: it.eventID}
	}
	return out
}

// readAndClose reads the groups of all changes that are still open and brings
// those to an end, one worker a group.
func (b *batch) readAndClose(ctx context.Context, changes []*change) {
	type place struct{ groupID, groupName string }
	var works []*groupWork
	var unnamed []*change
	at := map[place]*groupWork{}
	for _, c := range changes {
		if !c.open() {
			continue
		}
		if !c.isNamed() {
			unnamed = append(unnamed, c)
			continue
		}
		p := place{groupID: c.group.ID}
		if p.groupID == "" {
			p.groupName = c.group.Name
		}
		w := at[p]
		if w == nil {
			w = &groupWork{batch: b, group: c.group, patience: patience(), closed: map[secgroup.Permission]*item{}}
			at[p] = w
			works = append(works, w)
		}
		w.changes = append(w.changes, c)
	}
	for _, c := range changes { // rules that are dealt with already
		if w := at[place{groupID: c.group.ID}]; w != nil {
			w.remember(c.items)
		}
	}
	var groups sync.WaitGroup
	for _, w := range works {
		groups.Go(func() {
			defer crash.Exit()
			w.run(ctx)
		})
	}
	groups.Wait()
	b.survey(ctx, unnamed)
}
