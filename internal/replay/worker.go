package replay

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"sgward/internal/cloudtrail"
	"sgward/internal/logfile"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/secgroup"
)

// worker reads sources, one after the other, in one goroutine.
type worker struct {
	gathered
	*Options
	telling *sync.Mutex
	scanner *logfile.Scanner
	met     []placed // problems
	texts   map[string]string
	source  int32 // that is being read
	bad     int   // problems of it
}

// placed is a problem and its source.
type placed struct {
	source int32
	report.Problem
}

func newWorker(o *Options, telling *sync.Mutex) *worker {
	w := &worker{Options: o, telling: telling, texts: map[string]string{}}
	w.scanner = logfile.NewScanner(logfile.Config{
		Calls: slices.Concat(cloudtrail.Openings(), cloudtrail.Closings(), []string{cloudtrail.CreationCall}),
		Found: w.found, Bad: w.problem,
		Progress: func(n int64) { o.Progress.Bytes.Add(n) },
	})
	return w
}

// scan reads one source.
func (w *worker) scan(ctx context.Context, at int32, s logfile.Source) error {
	w.source, w.bad = at, 0
	counts, err := w.scanner.Scan(ctx, s)
	if err != nil {
		return err
	}
	if more := w.bad - mostProblems; more > 0 {
		w.tell(logfile.Problem{Source: s.Name, Text: fmt.Sprintf("%d more problems are not told one by one", more)})
	}
	w.counts.Bytes += counts.Bytes
	w.counts.Records += counts.Records
	if !counts.Digest {
		w.counts.Files++
	}
	w.Progress.Files.Add(1)
	return nil
}

// problem keeps and tells a problem of the present source.
func (w *worker) problem(p logfile.Problem) {
	if w.bad++; w.bad <= mostProblems {
		w.tell(p)
	}
}

func (w *worker) tell(p logfile.Problem) {
	place := nameOf(p.Source)
	if p.Place != "" {
		place += " " + p.Place
	}
	told := report.Problem{Place: place, Text: p.Text}
	w.met = append(w.met, placed{w.source, told})
	if w.Bad != nil {
		w.telling.Lock()
		defer w.telling.Unlock()
		w.Bad(told)
	}
}

// nameOf names a source for people.
func nameOf(source string) string {
	if source == "-" {
		return "standard input"
	}
	return source
}

// found takes a record that may be of a call looked for.
func (w *worker) found(s logfile.Source, r logfile.Record) error {
	if err := w.read(r); err != nil {
		w.problem(logfile.Problem{Source: s.Name, Place: r.Place(), Text: err.Error()})
	}
	return nil
}

// read keeps what the time line needs of a record.
func (w *worker) read(r logfile.Record) error {
	parse, parseClosing, parseCreation := cloudtrail.ParseRecord, cloudtrail.ParseClosing, cloudtrail.ParseCreation
	if r.Enveloped {
		parse, parseClosing, parseCreation = cloudtrail.ParseEvent, cloudtrail.ParseClosingEvent, cloudtrail.ParseCreationEvent
	}
	change, err := parse(r.JSON)
	if err != nil {
		return err
	}
	switch {
	case slices.Contains(cloudtrail.Openings(), change.EventName):
		w.opening(r, change)
	case slices.Contains(cloudtrail.Closings(), change.EventName):
		closing, err := parseClosing(r.JSON)
		if err != nil {
			return err
		}
		w.closing(r, closing)
	case change.EventName == cloudtrail.CreationCall:
		creation, err := parseCreation(r.JSON)
		if err != nil {
			return err
		}
		w.creation(r, creation)
	}
	return nil
}

// opening takes a call that can open a group.
func (w *worker) opening(r logfile.Record, c cloudtrail.Change) {
	if !w.wanted(c.AccountID, c.Region) {
		return
	}
	if c.Skipped != "" {
		if c.Failed {
			w.tally(r, c.Record, tally{kind: failed, call: -1})
		}
		return
	}
	t := tally{kind: opened, call: -1, rules: int32(len(c.Rules))}
	w.noteIDs(c.Rules)
	concern := w.concern(c.Rules)
	if !c.Edited { // an edit may have closed something, whatever it made of the rule
		c.Rules = chosen(c.Rules, concern)
	}
	if t.clean = t.rules - int32(len(c.Rules)); len(c.Rules) > 0 || c.RulesFrom == cloudtrail.RulesUnknown {
		w.own(&c.Record)
		c.GroupID, c.GroupName = w.text(c.GroupID), w.text(c.GroupName)
		w.ownRules(c.Rules)
		fates := make([]fate, max(len(c.Rules), 1))
		for i := range c.Rules {
			fates[i].harmless = c.Edited && !concern[i]
		}
		t.call = w.keep(r, call{change: &c, fates: fates})
		w.Progress.Openings.Add(int64(len(c.Rules)))
	}
	w.tally(r, c.Record, t)
}

// closing takes a call that closed rules.
func (w *worker) closing(r logfile.Record, c cloudtrail.Closing) {
	if c.Skipped != "" || !w.wanted(c.AccountID, c.Region) {
		return
	}
	t := tally{kind: closed, call: -1}
	w.noteIDs(c.Rules)
	// It may tell of an edited rule whose own direction is not known.
	either := slices.Clone(c.Rules)
	for i := range either {
		either[i].Permission.Direction = 0
	}
	some := len(c.Rules) > 0
	if c.Rules = chosen(c.Rules, w.concern(either)); len(c.Rules) > 0 || !some {
		w.own(&c.Record)
		c.GroupID, c.GroupName = w.text(c.GroupID), w.text(c.GroupName)
		w.ownRules(c.Rules)
		t.call = w.keep(r, call{closing: &c})
	}
	w.tally(r, c.Record, t)
}

// creation takes a call that made a group.
func (w *worker) creation(r logfile.Record, c cloudtrail.Creation) {
	if c.Skipped != "" || c.GroupID == "" || !w.wanted(c.AccountID, c.Region) {
		return
	}
	w.own(&c.Record)
	c.GroupID, c.VPCID = w.text(c.GroupID), w.text(c.VPCID)
	w.tally(r, c.Record, tally{kind: created, call: w.keep(r, call{creation: &c, fates: make([]fate, 1)})})
}

// keep keeps a call and returns where.
func (w *worker) keep(r logfile.Record, c call) int32 {
	c.source, c.index, c.line = w.source, r.Index, r.Line
	w.calls = append(w.calls, &c)
	return int32(len(w.calls) - 1)
}

// tally keeps what counts of a call.
func (w *worker) tally(r logfile.Record, c cloudtrail.Record, t tally) {
	t.source, t.index, t.at = w.source, r.Index, c.EventTime.Unix()
	h := sha256.New()
	parts := []string{c.EventID, c.AccountID, c.Region}
	if c.EventID == "" { // a failed call need not tell its id, and repeats no other
		parts = append(parts, strconv.Itoa(int(t.source)), strconv.FormatInt(t.index, 10))
	}
	for _, part := range parts {
		fmt.Fprintf(h, "%d %s", len(part), part)
	}
	copy(t.key[:], h.Sum(nil))
	w.tallies = append(w.tallies, t)
}

// concern reports of which rules some statement may speak, whoever made them and in
// whatever group: no other can become a finding, nor add to one.
func (w *worker) concern(rules []secgroup.Rule) []bool {
	out := make([]bool, len(rules))
	for _, p := range w.policies() {
		// A Request without a time and a place: what depends on them is undetermined.
		for i, j := range p.Evaluate(policy.Request{Rules: rules}) {
			out[i] = out[i] || j.Verdict != policy.Compliant
		}
	}
	return out
}

// chosen returns those of the rules that are marked.
func chosen(rules []secgroup.Rule, marked []bool) []secgroup.Rule {
	n := 0
	for _, m := range marked {
		if m {
			n++
		}
	}
	if n == 0 {
		return nil // and nothing is kept of the call
	}
	out := make([]secgroup.Rule, 0, n)
	for i, r := range rules {
		if marked[i] {
			out = append(out, r)
		}
	}
	return out
}

// own and its like make the texts that records repeat one in memory.
func (w *worker) own(r *cloudtrail.Record) {
	for _, s := range []*string{
		&r.EventName, &r.AccountID, &r.Region, &r.SourceIPAddress, &r.UserAgent,
		&r.Actor.Type, &r.Actor.ARN, &r.Actor.SessionIssuerARN, &r.Actor.InvokedBy,
	} {
		*s = w.text(*s)
	}
}

func (w *worker) ownRules(rules []secgroup.Rule) {
	for i := range rules {
		r := &rules[i]
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

// noteIDs keeps which way rules of a known direction go: an edit does not tell.
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
