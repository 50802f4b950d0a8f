package replay

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"sgward/internal/cloudtrail"
	"sgward/internal/logfile"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// Limits against crafted files.
const (
	// maxKept is the memory of all workers: some four million rules.
	maxKept = 4 << 30
	// callCost and tallyCost are the approximate memory of a call per rule, and of a
	// tally.
	callCost  = 1024
	tallyCost = 80
)

// errTooMuch is for a history that would exceed maxKept.
var errTooMuch = fmt.Errorf("exceeds, with the files read before it, %d GB of memory: replay fewer files at a time, or choose some with --accounts and --regions", maxKept>>30)

// worker reads sources, one after the other, in one goroutine.
type worker struct {
	gathered
	*Options
	reporting *sync.Mutex
	room      *atomic.Int64 // bytes of memory left for all workers
	scanner   *logfile.Scanner
	met       []placed // problems
	texts     map[string]string
	source    int32 // index of the current source
	bad       int   // its problems
}

// placed is a problem with the index of its source.
type placed struct {
	source int32
	text.Problem
}

func newWorker(o *Options, reporting *sync.Mutex, room *atomic.Int64) *worker {
	w := &worker{Options: o, reporting: reporting, room: room, texts: map[string]string{}}
	w.names = map[int32]string{}
	w.scanner = logfile.NewScanner(logfile.Config{
		Calls: cloudtrail.Names(cloudtrail.GroupCalls()...),
		Found: w.found, Bad: w.problem,
		Progress: func(n int64) { o.Progress.Bytes.Add(n) },
	})
	return w
}

// scan reads one source.
func (w *worker) scan(ctx context.Context, at int32, s logfile.Source) error {
	w.source, w.bad = at, 0
	before := len(w.tallies)
	counts, err := w.scanner.Scan(ctx, s)
	if err != nil {
		return err
	}
	if len(w.tallies) > before {
		w.names[at] = s.Name
	}
	if more := w.bad - mostProblems; more > 0 {
		w.report(logfile.Problem{Source: s.Name, Text: fmt.Sprintf("%d more problems are not listed", more)})
	}
	w.counts.Bytes += counts.Bytes
	w.counts.Records += counts.Records
	if !counts.Digest {
		w.counts.Files++
	}
	w.Progress.Files.Add(1)
	return nil
}

// problem records and reports a problem of the current source.
func (w *worker) problem(p logfile.Problem) {
	if w.bad++; w.bad <= mostProblems {
		w.report(p)
	}
}

func (w *worker) report(p logfile.Problem) {
	place := nameOf(p.Source)
	if p.Place != "" {
		place += " " + p.Place
	}
	problem := text.Problem{Place: place, Text: p.Text}
	w.met = append(w.met, placed{w.source, problem})
	if w.Bad != nil {
		w.reporting.Lock()
		defer w.reporting.Unlock()
		w.Bad(problem)
	}
}

// nameOf returns the name of a source for people.
func nameOf(source string) string {
	if source == "-" {
		return "standard input"
	}
	return source
}

// found handles a record that may be of a wanted call.
func (w *worker) found(s logfile.Source, r logfile.Record) error {
	if err := w.read(r); err != nil {
		w.problem(logfile.Problem{Source: s.Name, Place: r.Place(), Text: err.Error()})
	}
	if w.room.Load() < 0 {
		return fmt.Errorf("%s %w", nameOf(s.Name), errTooMuch)
	}
	return nil
}

// read keeps the part of a record that the time line needs.
func (w *worker) read(r logfile.Record) error {
	c, err := cloudtrail.Parse(r.JSON)
	if err != nil || !w.wanted(c.AccountID, c.Region) {
		return err
	}
	switch {
	case c.Skipped != "":
		if c.Failed && c.Kind.Opens() {
			w.tally(r, &c, tally{kind: failed, call: -1})
		}
	case c.Kind.Opens():
		w.opening(r, &c)
	case c.Kind == cloudtrail.KindRevoke, c.Kind == cloudtrail.KindDelete:
		w.closing(r, &c)
	case c.Kind == cloudtrail.KindCreate && c.Group.ID != "":
		w.tally(r, &c, tally{kind: created, call: w.keep(r, &c, 1)})
	}
	return nil
}

// opening handles a call that can open a group.
func (w *worker) opening(r logfile.Record, c *cloudtrail.Call) {
	t := tally{kind: opened, call: -1, rules: int32(len(c.Rules))}
	w.noteIDs(c.Rules)
	concern := w.concern(c.Rules)
	edited := c.Kind == cloudtrail.KindModify
	if !edited { // an edit may have closed something, whatever values it gave the rule
		c.Rules = chosen(c.Rules, concern)
	}
	t.clean = t.rules - int32(len(c.Rules))
	fates := len(c.Rules)
	if c.RulesMissing() {
		fates++
	}
	if fates > 0 {
		t.call = w.keep(r, c, fates)
		for i := range c.Rules {
			w.calls[t.call].fates[i].harmless = edited && !concern[i]
		}
		w.Progress.Openings.Add(int64(len(c.Rules)))
	}
	w.tally(r, c, t)
}

// closing handles a call that closed rules.
func (w *worker) closing(r logfile.Record, c *cloudtrail.Call) {
	t := tally{kind: closed, call: -1}
	w.noteIDs(c.Rules)
	// It may be about an edited rule whose own direction is unknown.
	either := slices.Clone(c.Rules)
	for i := range either {
		either[i].Permission.Direction = 0
	}
	some := len(c.Rules) > 0
	if c.Rules = chosen(c.Rules, w.concern(either)); len(c.Rules) > 0 || !some {
		t.call = w.keep(r, c, 0)
	}
	w.tally(r, c, t)
}

// keep keeps a call with so many fates and returns its index.
func (w *worker) keep(r logfile.Record, c *cloudtrail.Call, fates int) int32 {
	w.own(c)
	w.room.Add(-int64(callCost * max(1, fates, len(c.Rules))))
	w.calls = append(w.calls, &call{Call: *c, source: w.source, index: r.Index, line: r.Line, fates: make([]fate, fates)})
	return int32(len(w.calls) - 1)
}

// tally records a call.
func (w *worker) tally(r logfile.Record, c *cloudtrail.Call, t tally) {
	t.source, t.index, t.at = w.source, r.Index, c.EventTime.Unix()
	parts := []string{c.EventID, c.AccountID, c.Region}
	if c.EventID == "" { // a failed call may lack its id, and repeats no other
		parts = append(parts, strconv.Itoa(int(t.source)), strconv.FormatInt(t.index, 10))
	}
	sum := text.Sum(parts...)
	copy(t.key[:], sum[:])
	w.room.Add(-tallyCost)
	w.tallies = append(w.tallies, t)
}

// concern reports which rules some statement may be about, whoever made them and in
// whatever group: no other rule can become a finding or complete one.
func (w *worker) concern(rules []secgroup.Rule) []bool {
	out := make([]bool, len(rules))
	for _, p := range w.policies() {
		// A Request without a time and a place: verdicts that depend on them are
		// undetermined.
		for i, j := range p.Evaluate(policy.Request{Rules: rules}) {
			out[i] = out[i] || j.Verdict != policy.Compliant
		}
	}
	return out
}

// chosen returns the marked rules.
func chosen(rules []secgroup.Rule, marked []bool) []secgroup.Rule {
	n := 0
	for _, m := range marked {
		if m {
			n++
		}
	}
	if n == 0 {
		return nil // and nothing of the call is kept
	}
	out := make([]secgroup.Rule, 0, n)
	for i, r := range rules {
		if marked[i] {
			out = append(out, r)
		}
	}
	return out
}

// own stores texts that records repeat only once.
func (w *worker) own(c *cloudtrail.Call) {
	for _, s := range []*string{
		&c.EventName, &c.AccountID, &c.Region, &c.SourceIPAddress, &c.UserAgent,
		&c.Actor.Type, &c.Actor.ARN, &c.Actor.SessionIssuerARN, &c.Actor.InvokedBy,
		&c.Group.ID, &c.Group.Name, &c.Group.VPCID,
	} {
		*s = w.text(*s)
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		r.GroupID, r.OwnerID, r.Description = w.text(r.GroupID), w.text(r.OwnerID), w.text(r.Description)
	}
}

func (w *worker) text(s string) string {
	if one, known := w.texts[s]; known || s == "" {
		return one
	}
	w.texts[s] = s
	return s
}

// noteIDs keeps the directions of rules where they are known: the record of an edit leaves
// them out.
func (w *worker) noteIDs(rules []secgroup.Rule) {
	for _, r := range rules {
		id, ok := shortID(r.ID)
		switch {
		case !ok:
		case r.Permission.Direction == secgroup.Ingress:
			w.ingress = append(w.ingress, id)
		case r.Permission.Direction == secgroup.Egress:
			w.egress = append(w.egress, id)
		}
	}
}

// shortID returns the last 64 bits of a rule's id, which has 68.
func shortID(id string) (uint64, bool) {
	const digits = 16
	if len(id) < len("sgr-")+8 {
		return 0, false
	}
	n, err := strconv.ParseUint(id[max(len("sgr-"), len(id)-digits):], 16, 64)
	return n, err == nil
}
