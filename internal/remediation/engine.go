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

// atWork bounds how many groups are worked on at once. One that waits for reads that
// lag is not counted: whoever makes narrow rules and takes them away at once must not
// keep a function from the other groups of a batch.
const atWork = 10

// Config is what an Engine works with. All fields must be set but Now
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

// Engine brings Detections to an end: it judges again, closes what is forbidden and
// tells people. It is safe for concurrent use.
type Engine struct {
	Config
	closer *Closer
}

// New makes an Engine. The error names the field that is missing or wrong.
func New(c Config) (*Engine, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.EC2 == nil, c.Policy == nil, c.Publish == nil, c.Logger == nil:
		return nil, errors.New("making engine: EC2, Policy, Publish and Logger must be set")
	case c.Region == "":
		return nil, errors.New("making engine: Region must be set")
	case c.Mode != finding.Observe && c.Mode != finding.Enforce:
		return nil, fmt.Errorf("making engine: mode %q: want observe or enforce", c.Mode)
	case c.MaxRevokes < 0:
		return nil, fmt.Errorf("making engine: %d revokes at most: want 0 or more", c.MaxRevokes)
	}
	return &Engine{c, &Closer{EC2: c.EC2, Mode: c.Mode, Logger: c.Logger, Now: c.Now}}, nil
}

// invocation is one Run.
type invocation struct {
	*Engine
	account string
	now     time.Time
	lists   *ec2rules.Lists
	slots   chan struct{} // of workers that are not waiting
	// interfaces are the network interfaces in the groups of alerts.
	interfaces interfaces
}

// source brings cases to an end that messages alone do not settle: it reads what their
// verdicts need, judges, and closes. There is one for each group that calls changed, and
// one for each message of a sweep or of a prefix list edit.
type source interface {
	work(ctx context.Context)
}

// Run handles messages and returns, in the same order, why one must be retried; nil
// for a message that is done. accountID is the account whose credentials EC2 works
// with, "" where it is not known; findings of other accounts and regions cannot be
// acted on, and the alert says so.
//
// What the events alone settle is closed first, in one call for each group and
// direction over all messages, and told; then groups are read for the rest.
func (e *Engine) Run(ctx context.Context, accountID string, messages []Message) []error {
	r := &invocation{
		Engine: e, account: accountID, now: e.Now(),
		lists: ec2rules.NewLists(e.EC2),
		slots: make(chan struct{}, atWork),
	}
	errs := make([]error, len(messages))
	deliveries := make([]*delivery, len(messages))
	var atOnce []*Case
	for i, m := range messages {
		if deliveries[i], errs[i] = m.read(); errs[i] != nil {
			continue
		}
		for _, b := range deliveries[i].batches {
			atOnce = append(atOnce, r.weigh(b)...)
		}
	}
	acting, cancel := KeepReserve(ctx, alertReserve)
	defer cancel()
	r.close(acting, atOnce)
	concluded := make([]bool, len(messages))
	conclude := func(ready func(*delivery) bool) {
		var alerts errgroup.Group
		alerts.SetLimit(concurrency)
		for i, d := range deliveries {
			if d == nil || concluded[i] || !ready(d) {
				continue
			}
			concluded[i] = true
			alerts.Go(func() error {
				defer crash.Exit()
				errs[i] = r.conclude(ctx, d)
				return nil
			})
		}
		_ = alerts.Wait() // each message has its own error
	}
	conclude(func(d *delivery) bool { return !d.isOpen() })
	var working sync.WaitGroup
	for _, s := range r.sources(deliveries) {
		working.Go(func() {
			defer crash.Exit()
			r.slots <- struct{}{}
			defer func() { <-r.slots }()
			s.work(acting)
		})
	}
	working.Wait()
	r.searchRegion(acting, deliveries)
	conclude(func(*delivery) bool { return true })
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

// close closes the rules of cases and settles these with what became of them.
func (r *invocation) close(ctx context.Context, cases []*Case) {
	openings := make([]Opening, len(cases))
	for i, c := range cases {
		openings[i] = Opening{Rule: c.rule, EventID: c.batch.Detection.Event.EventID}
	}
	for i, done := range r.closer.Close(ctx, openings) {
		cases[i].close(done)
	}
}

// sources returns what the open cases of deliveries are worked on by.
func (r *invocation) sources(deliveries []*delivery) []source {
	type place struct{ groupID, groupName string }
	at := map[place]*changedGroup{}
	var out []source
	for _, d := range deliveries {
		if d == nil || !d.isOpen() {
			continue
		}
		if d.isStanding() {
			out = append(out, &standing{r, d})
			continue
		}
		for _, b := range d.batches {
			if !b.isOpen() || !b.isNamed() {
				continue
			}
			p := place{groupID: b.group.ID}
			if p.groupID == "" {
				p.groupName = b.group.Name
			}
			g := at[p]
			if g == nil {
				g = &changedGroup{invocation: r, group: b.group, patience: patience(), closed: map[secgroup.Permission]*Case{}}
				at[p] = g
				out = append(out, g)
			}
			g.batches = append(g.batches, b)
		}
	}
	for _, d := range deliveries { // rules that are dealt with already
		if d == nil || d.isStanding() {
			continue
		}
		for _, b := range d.batches {
			if g := at[place{groupID: b.group.ID}]; g != nil {
				g.remember(b.cases)
			}
		}
	}
	return out
}
