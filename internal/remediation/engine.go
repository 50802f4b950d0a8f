package remediation

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sgward/internal/cloudtrail"
	"sgward/internal/crash"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/metric"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// alertReserve is the part of an invocation's time reserved for alerts; a quarter of short
// invocations.
const alertReserve = 6 * time.Second

// atWork limits how many groups are handled at once. A group that waits for a lagging read
// does not count: otherwise a caller who makes and removes narrow rules could block the
// other groups of a batch.
const atWork = 10

// alerting limits how many alerts are published at once. SNS takes hundreds a second.
const alerting = 16

// Config configures an Engine. All fields must be set but Now, MaxRevokes, Choose, Count and Measure.
type Config struct {
	// EC2 is the API of Region.
	EC2    EC2
	Region string
	Policy *policy.Policy
	Mode   finding.Mode
	// MaxRevokes is how many existing rules one message closes at most; 0 closes none.
	MaxRevokes int
	// Choose puts a message of its own on the queue that Run's messages come from: d, with
	// the event of origin. Its error is ErrTooLarge if no message can hold d. nil closes at
	// once; a retry then cannot tell which rules an earlier try closed.
	Choose func(ctx context.Context, origin Message, d finding.Detection) error
	// Publish sends one alert. After an error the message is retried.
	Publish func(context.Context, finding.Alert) error
	// Count counts the closing of a rule that the event made, and returns how often its
	// opening has been closed, nil for the first time. Alerts go without the number after an
	// error. nil counts nothing.
	Count  func(context.Context, cloudtrail.Event, finding.Result) (*finding.Repeat, error)
	Logger *slog.Logger
	// Measure is called at the end of each Run with the metrics of what it has done; nil
	// counts nothing.
	Measure func(context.Context, ...metric.Metric)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Engine handles Detections: it judges again, closes what is forbidden and publishes
// alerts. It is safe for concurrent use.
type Engine struct {
	Config
	closer    *Closer
	firstSeen firstSeen
}

// New returns an Engine. The error names the field that is missing or wrong.
func New(c Config) (*Engine, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	isSet := c.EC2 != nil && c.Policy != nil && c.Publish != nil && c.Logger != nil
	if err := CheckConfig("engine", isSet, c.Region, c.Mode, c.MaxRevokes); err != nil {
		return nil, err
	}
	return &Engine{Config: c, closer: &Closer{EC2: c.EC2, Mode: c.Mode, Logger: c.Logger, Now: c.Now}}, nil
}

// CheckConfig checks the fields that the configurations of an Engine and of a sweep.Sweeper
// share; made names the one of the two. isSet reports that EC2, Policy, Publish and Logger are set.
func CheckConfig(made string, isSet bool, region string, mode finding.Mode, maxRevokes int) error {
	switch {
	case !isSet:
		return fmt.Errorf("making %s: EC2, Policy, Publish and Logger must be set", made)
	case region == "":
		return fmt.Errorf("making %s: Region must be set", made)
	case mode != finding.Observe && mode != finding.Enforce:
		return fmt.Errorf("making %s: mode %q: want observe or enforce", made, mode)
	case maxRevokes < 0:
		return fmt.Errorf("making %s: %d revokes at most: want 0 or more", made, maxRevokes)
	default:
		return nil
	}
}

// invocation is one Run.
type invocation struct {
	*Engine
	account    string
	now        time.Time
	deliveries []*delivery // of the messages that could be read, in order
	lists      *ec2rules.Lists
	slots      chan struct{} // of workers that are not waiting
	// groups and interfaces cache the reads for the context of alerts.
	groups     reads[described]
	interfaces reads[[]finding.Interface]
	old        oldRules
	tally      tally
	// counters are the slots of closings that are counted at once, and waited is how long
	// alerts have waited for them, in nanoseconds. uncounted is set once one could not be
	// counted in time.
	counters  chan struct{}
	waited    atomic.Int64
	uncounted atomic.Bool
}

// source handles cases that need more than their messages: it reads the facts for their
// verdicts, judges, and closes. There is one for each group that calls changed, and one
// for each message of a sweep or a prefix list edit.
type source interface {
	work(ctx context.Context)
}

// Run handles a batch and returns one error per message, in order. A non-nil error means
// the message must be retried. accountID is the account of EC2's credentials, "" if
// unknown. Findings of other accounts and regions cannot be closed from here; their alert
// says so.
//
//   - Rules that can be judged by their events alone are closed first, in one call for each
//     group and direction over all messages.
//   - They are reported while groups are read for the rest: no closing waits for an alert.
//   - Old events come last, because all of them share one limit and one alert.
func (e *Engine) Run(ctx context.Context, accountID string, messages []Message) []error {
	r := &invocation{
		Engine: e, account: accountID, now: e.Now(),
		lists: ec2rules.NewLists(e.EC2),
		slots: make(chan struct{}, atWork), counters: make(chan struct{}, countingAtOnce),
	}
	errs := r.read(messages)
	atOnce := r.judgeEvents()
	acting, cancel := KeepReserve(ctx, alertReserve)
	defer cancel()
	r.closeAtOnce(acting, atOnce)
	ready, rest, old := r.partition()
	wait := r.start(acting)
	r.concludeAll(ctx, ready) // the sources only read what is settled
	wait()
	r.closeOld(acting)
	r.searchRegion(acting)
	r.concludeAll(ctx, rest)
	r.concludeOld(ctx, old)
	for _, d := range r.deliveries {
		errs[d.index] = d.err
	}
	if r.Measure != nil {
		r.Measure(ctx, r.tally.metrics()...)
	}
	return errs
}

// read makes deliveries of messages. It returns one error per message; those without are
// deliveries now.
func (r *invocation) read(messages []Message) []error {
	errs := make([]error, len(messages))
	for i, m := range messages {
		d, err := m.read()
		if err != nil {
			errs[i] = err
			continue
		}
		d.index = i
		// remediate has chosen only rules of events that were not old.
		d.old = !m.isStanding() && !m.Detection.Chosen && m.isOld(r.now)
		r.deliveries = append(r.deliveries, d)
	}
	return errs
}

// judgeEvents judges every batch by its event alone and returns the cases to close at once.
func (r *invocation) judgeEvents() (atOnce []*Case) {
	for _, d := range r.deliveries {
		for _, b := range d.batches {
			atOnce = append(atOnce, r.judgeEvent(b)...)
		}
	}
	return atOnce
}

// closeAtOnce closes the rules of cases without a read. The group of one that was gone
// already is read all the same.
func (r *invocation) closeAtOnce(ctx context.Context, cases []*Case) {
	r.close(ctx, cases)
	for _, c := range cases {
		c.batch.overtaken = c.batch.overtaken || c.outcome == finding.OutcomeAlreadyClosed
	}
}

// partition sorts the deliveries: those that are ready for their alerts, the rest, which
// has open cases, and those of old events.
func (r *invocation) partition() (ready, rest, old []*delivery) {
	for _, d := range r.deliveries {
		switch {
		case d.old:
			old = append(old, d)
		case d.isOpen():
			rest = append(rest, d)
		default:
			ready = append(ready, d)
		}
	}
	return ready, rest, old
}

// start has every source work, as many at once as there are slots. The returned function
// waits for them.
func (r *invocation) start(ctx context.Context) (wait func()) {
	var working sync.WaitGroup
	for _, s := range r.sources() {
		working.Go(func() {
			defer crash.Exit()
			r.slots <- struct{}{}
			defer func() { <-r.slots }()
			s.work(ctx)
		})
	}
	return working.Wait
}

// concludeAll ends deliveries, several at once.
func (r *invocation) concludeAll(ctx context.Context, deliveries []*delivery) {
	var alerts errgroup.Group
	alerts.SetLimit(alerting)
	for _, d := range deliveries {
		alerts.Go(func() error {
			defer crash.Exit()
			d.err = r.conclude(ctx, d)
			r.tally.add(d, r.Now())
			return nil
		})
	}
	_ = alerts.Wait() // each delivery has its own error
}

// KeepReserve returns a context that ends before ctx to leave time for alerts: by reserve,
// or a quarter of the remaining time if that is less.
func KeepReserve(ctx context.Context, reserve time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(reserve, time.Until(deadline)/4)))
}

// close closes the rules of cases and settles the cases with the results.
func (r *invocation) close(ctx context.Context, cases []*Case) {
	openings := make([]Opening, len(cases))
	for i, c := range cases {
		openings[i] = Opening{
			Rule: c.rule, EventID: c.batch.Detection.Event.EventID, Retried: c.batch.retried(r.now), Late: c.batch.age(r.now) >= lagWindow,
		}
	}
	for i, done := range r.closer.Close(ctx, openings) {
		cases[i].close(done)
	}
}

// sources returns the sources of the open cases.
func (r *invocation) sources() []source {
	type place struct{ groupID, groupName string }
	at := map[place]*changedGroup{}
	var out []source
	for _, d := range r.deliveries {
		if !d.isOpen() {
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
	for _, d := range r.deliveries { // cases that are handled already
		if d.isStanding() {
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
