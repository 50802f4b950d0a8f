package tour

import (
	"fmt"
	"time"

	"sgward/internal/text"
	"sgward/localaws"
)

// narration is the state of one cause's time line: a call, or an invocation by a person.
type narration struct {
	judged bool // sweep's judgement is shown
	// acted is set if something was closed, reported or sent on since the last message was
	// handled, and sent counts the messages that follow one of the cause.
	acted bool
	sent  int
}

// lines returns the lines of a step, with those that its cause makes clear.
func (n *narration) lines(step localaws.Step) []stepLine {
	var out []stepLine
	switch step.Kind {
	case localaws.StepAlerted:
		n.acted = true
		// Sweep publishes its digest before it ends: what it judged comes first.
		if a, ok := step.Alert(); ok && !n.judged && a.Tries == 0 && (a.Sweep != nil && !a.Sweep.Closing || a.PrefixListID != "") {
			n.judged = true
			out = append(out, stepLine{where: part(sweepFunction), what: "has judged: " + text.Plural(len(a.Findings), "finding") + " to report"})
		}
	case localaws.StepSent:
		n.acted = true
		n.sent++
	case localaws.StepRevoked, localaws.StepDeadLetter:
		n.acted = true
	case localaws.StepDetected:
		if step.Function == sweepFunction {
			l := describeDetection(step)
			if n.judged && len(l.more) == 0 {
				l.what = "ends: nothing to close"
			}
			n.judged = true
			return []stepLine{l}
		}
	case localaws.StepHandled:
		if n.sent > 0 { // the messages may be handled in any order
			n.sent--
			break
		}
		if !n.acted {
			out = append(out, stepLine{where: part(step.Function), what: "has read the group: nothing to close, nothing to report", how: text.Green})
		}
		n.acted = false
	}
	if l, ok := describe(step); ok {
		out = append(out, l)
	}
	return out
}

// follower shows the steps of several causes, one cause after the other: steps of the next
// wait until those of the one before are shown.
type follower struct {
	*screen
	known map[string]*cause // by event, "group:" and id, "function:" and logical id
	queue []*cause          // with steps to show; the first is being shown
	last  *cause            // shown last
	// alert shows an alert's text; kept is the file that has its JSON, "" for none.
	alert func(step localaws.Step, kept string)
}

// cause is a call or an invocation, and what follows from it.
type cause struct {
	narration
	name    string
	began   time.Duration
	done    bool // a step has ended it; a retry may follow
	sent    int  // messages to be handled besides the one that ends it
	shown   bool
	touched time.Time
	waiting []keptStep
}

type keptStep struct {
	localaws.Step
	kept string
}

// patience is how long the next cause waits for one that does not end.
const patience = 2 * time.Second

// add takes a step.
func (f *follower) add(step localaws.Step, kept string, now time.Time) {
	c := f.causeOf(step)
	if len(c.waiting) == 0 && (len(f.queue) == 0 || f.queue[0] != c) {
		f.queue = append(f.queue, c)
	}
	c.waiting = append(c.waiting, keptStep{step, kept})
	c.touched = now
	switch step.Kind {
	case localaws.StepSent:
		c.sent++
	case localaws.StepHandled:
		c.done = c.sent == 0
		c.sent = max(c.sent-1, 0)
	case localaws.StepFiltered, localaws.StepDeadLetter, localaws.StepLost:
		c.done = true
	case localaws.StepIgnored:
		c.done = c.done || f.known[step.EventID] == c && step.EventName == c.name // not of sgward's own call
	case localaws.StepCall:
		c.done = step.ErrorCode != ""
	}
}

// causeOf returns the cause that a step follows from.
func (f *follower) causeOf(step localaws.Step) *cause {
	know := func(c *cause, keys ...string) *cause {
		for _, key := range keys {
			if key != "" && key != "group:" {
				f.known[key] = c
			}
		}
		return c
	}
	switch step.Kind {
	case localaws.StepCall:
		return know(&cause{name: step.EventName, began: step.At}, step.EventID, "group:"+step.GroupID)
	case localaws.StepInvoked:
		return know(&cause{name: part(step.Function), began: step.At}, "function:"+step.Function)
	}
	keys := []string{step.EventID}
	switch {
	case step.Kind == localaws.StepRevoked:
		keys = append(keys, "group:"+step.GroupID)
	case step.Detection != nil:
		keys = append(keys, "function:"+step.Function)
	default:
		keys = append(keys, "function:"+step.Function, "function:"+sweepFunction)
	}
	for _, key := range keys {
		c, ok := f.known[key]
		if !ok || key == "" {
			continue
		}
		know(c, step.EventID)
		if d := step.Detection; d != nil {
			know(c, d.Event.EventID)
			for _, found := range d.Findings {
				know(c, "group:"+found.GroupID)
			}
		}
		return c
	}
	return know(&cause{name: step.EventName, began: step.At}, step.EventID)
}

// show writes what can be shown. With all it waits for nothing.
func (f *follower) show(now time.Time, all bool) {
	for len(f.queue) > 0 {
		head := f.queue[0]
		f.write(head)
		if len(f.queue) == 1 || !head.done && !all && now.Sub(head.touched) < patience {
			return
		}
		f.queue = f.queue[1:]
	}
}

func (f *follower) write(c *cause) {
	if len(c.waiting) == 0 {
		return
	}
	if f.last != c {
		f.line("")
		if c.shown {
			f.line("%s", f.Apply(text.Dim, "later, of "+text.Visible(c.name)+":"))
		}
	}
	f.last, c.shown = c, true
	for _, step := range c.waiting {
		for _, l := range c.lines(step.Step) {
			f.stepLine(step.At-c.began, l)
		}
		if step.Kind == localaws.StepAlerted {
			f.alert(step.Step, step.kept)
		}
	}
	c.waiting = nil
}

// stepLine writes a line of a time line, with the time since its cause.
func (s *screen) stepLine(since time.Duration, l stepLine) {
	lines := wrap(l.what, s.width-column)
	s.line("%s  %-11s  %s", s.Apply(text.Dim, fmt.Sprintf("%7.1f ms", float64(since.Microseconds())/1000)), l.where, s.Apply(l.how, lines[0]))
	for _, rest := range lines[1:] {
		s.line("%*s%s", column, "", s.Apply(l.how, rest))
	}
	for _, out := range l.more {
		for _, rest := range wrap(out, s.width-column) {
			s.line("%*s%s", column, "", s.Apply(text.Dim, rest))
		}
	}
}
