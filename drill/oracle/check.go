package oracle

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Invariant is the name of something that must hold.
type Invariant string

// The invariants.
const (
	LeftOpen       Invariant = "left-open"         // a forbidden rule is left, and its event is not with the dead letters
	WronglyRemoved Invariant = "wrongly-removed"   // a rule went that is compliant, exempt, tolerated or older than sgward
	ClosedUnheard  Invariant = "closed-unheard"    // sgward closed a rule, and no alert says so
	Disowned       Invariant = "closing-disowned"  // sgward closed a rule, and alerts say that somebody else did
	Unheard        Invariant = "opening-unheard"   // no alert names a rule that the policy speaks of
	FalseClosed    Invariant = "false-closed"      // the last alert says closed, and the rule is there
	FalseRevoked   Invariant = "false-revoked"     // the last alert says that sgward closed what it did not
	NotTakenBack   Invariant = "not-taken-back"    // the last alert says failed, and there is nothing to close
	FalseAlarm     Invariant = "false-alarm"       // the last alert names a rule that the policy has nothing against
	Lost           Invariant = "message-lost"      // a message is neither done nor with the dead letters
	DeadAgain      Invariant = "dead-after-faults" // the dead letters' way back failed although no fault was left
	UndoInexact    Invariant = "undo-inexact"      // undo did not put a rule back as it was
	Differs        Invariant = "ledger-differs"    // EC2 holds other rules than its records say: the drill itself is wrong
	TooManyCalls   Invariant = "too-many-calls"    // EC2 was called too often for an opening
)

// Violation is an invariant that did not hold.
type Violation struct {
	Invariant Invariant
	Scene     string // "17-open"; "" if it is about all
	Op        string // "17.2": of the rule's maker
	Text      string
	// Told is what the alerts say of the rule, such as "failed, revoked".
	Told string
	// Known names a limit that is known; "" for a new one.
	Known string
}

func (v Violation) String() string {
	known := ""
	if v.Known != "" {
		known = " (known: " + v.Known + ")"
	}
	return fmt.Sprintf("%s in %s, op %s%s: %s", v.Invariant, v.Scene, v.Op, known, v.Text)
}

// Delivery is what became of the event of a call.
type Delivery struct {
	Op, Scene string
	// Withheld means that no event came. Replayed means that it came as from an archive.
	Withheld, Replayed bool
	// Form is that of the record: "", "no-ids" or "no-rules".
	Form string
	// Copies is how often it came beside the first time.
	Copies int
	// Dead means that it is with the dead letters.
	Dead bool
}

// Evidence is what a drill saw.
type Evidence struct {
	Ledger *Ledger
	// Deliveries are the calls of scenes by event id.
	Deliveries map[string]Delivery
	Alerts     []Alert // in the order of their publication
	// Present are the ids of the rules that EC2 holds at the end.
	Present map[string]bool
}

// Alert is the machine-readable part of an alert that the oracle reads.
type Alert struct {
	Event struct {
		ID string `json:"eventId"`
	} `json:"event"`
	// Sweep is set in the alerts of sweep, which names rules that events have named already.
	Sweep    *struct{} `json:"sweep"`
	Findings []Finding `json:"findings"`
	Omitted  int       `json:"findingsOmitted"`
	Try      int       `json:"try"`
	At       time.Time `json:"-"`
}

// Finding is one of an alert.
type Finding struct {
	ID      string `json:"id"`
	Group   string `json:"groupId"`
	Outcome string `json:"outcome"`
	Rule    *struct {
		item
		Direction string `json:"direction"`
	} `json:"rule"`
	Event *struct {
		ID string `json:"eventId"`
	} `json:"event"`
	// MaybeEarlier and AnswerLost say that nobody can know for sure who closed it: an earlier try, or a call whose answer was
	// lost, or somebody else in between.
	MaybeEarlier bool   `json:"maybeEarlier"`
	AnswerLost   bool   `json:"answerLost"`
	Gone         bool   `json:"gone"`
	Union        bool   `json:"union"`
	Left         string `json:"left"`
}

// ReadAlert reads the machine-readable body of a published message.
func ReadAlert(body string, at time.Time) (Alert, error) {
	var a Alert
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		return a, fmt.Errorf("reading alert: %w", err)
	}
	a.At = at
	return a, nil
}

// Values are those of the finding's rule, which it must have, in the words of Closed.
func (f Finding) Values() string {
	i := f.Rule.item
	i.Egress = f.Rule.Direction == "egress"
	return i.value().String()
}

// told is a finding with its event.
type told struct {
	Finding
	event string
}

func (f told) claimsClosed() bool { return f.Outcome == "revoked" || f.Outcome == "already_closed" }

// isOurs reports whether the finding says that sgward closed the rule, or may have.
func (f told) isOurs() bool {
	return f.Outcome == "revoked" || f.Outcome == "already_closed" && f.MaybeEarlier
}

// names reports whether the finding is about a version of a rule.
func (f told) names(id string, v version) bool {
	if f.Rule == nil || f.Group != v.group {
		return false
	}
	return (f.Rule.ID == "" || f.Rule.ID == id) && f.sameValues(v)
}

// sameValues reports whether the finding is about a rule with the values of a version, whichever it is.
func (f told) sameValues(v version) bool {
	if f.Rule == nil || f.Group != v.group {
		return false
	}
	i := f.Rule.item
	i.Group, i.Egress = f.Group, f.Rule.Direction == "egress"
	got := i.value()
	if f.Rule.Direction == "" { // of an edit it may be unknown
		got.egress = v.egress
	}
	return got == v.value
}

// check is one verdict over evidence.
type check struct {
	Evidence
	told  []told
	found []Violation
	// patient excuses what is with the dead letters.
	patient bool
}

// Check returns what did not hold. Before the dead letters have been led back (patient), whatever is with them is excused.
func Check(e Evidence, patient bool) []Violation {
	c := &check{Evidence: e, patient: patient}
	for _, a := range e.Alerts {
		for _, f := range a.Findings {
			if a.Sweep != nil && f.Outcome == "alerted" {
				continue
			}
			t := told{f, a.Event.ID}
			if f.Event != nil {
				t.event = f.Event.ID
			}
			c.told = append(c.told, t)
		}
	}
	for _, r := range e.Ledger.order {
		if (r.removed == 0) != e.Present[r.id] {
			c.add(Differs, r.versions[0], "EC2 and its records differ about %s", r.id)
			continue
		}
		c.removal(r)
		c.remains(r)
		for i := range r.versions {
			c.heard(r, i)
		}
	}
	c.unions()
	return c.found
}

func (c *check) add(i Invariant, v version, text string, args ...any) *Violation {
	d := c.Deliveries[v.event]
	c.found = append(c.found, Violation{Invariant: i, Scene: d.Scene, Op: d.Op, Text: fmt.Sprintf(text, args...)})
	return &c.found[len(c.found)-1]
}

// excused reports whether what is about an event is not to be expected yet.
func (c *check) excused(events ...string) bool {
	return c.patient && slices.ContainsFunc(events, func(id string) bool { return c.Deliveries[id].Dead })
}

// listEvents are the events of the edits of the list that a version names.
func (c *check) listEvents(v version) []string {
	var out []string
	for _, l := range c.Ledger.lists[v.peer] {
		out = append(out, l.event)
	}
	return out
}

func describe(id string, v version) string {
	return fmt.Sprintf("%s %s in %s, made by %s", id, v.value, v.group, v.actor)
}

// removal checks a rule that sgward closed: that it was right, and that people know.
func (c *check) removal(r *rule) {
	if r.remover != Remediate {
		return
	}
	v, _ := r.at(r.removed - 1)
	c.rightly(r, v)
	if c.excused(append(c.listEvents(v), v.event)...) {
		return
	}
	var disowned bool
	for _, f := range c.told {
		if f.names(r.id, v) && f.isOurs() {
			return
		}
		disowned = disowned || f.names(r.id, v) && f.Outcome == "already_closed"
	}
	if disowned {
		c.add(Disowned, v, "%s: the alert says that somebody else removed it", describe(r.id, v))
		return
	}
	told := c.outcomes(r.id, v)
	c.add(ClosedUnheard, v, "%s: told as %s", describe(r.id, v), told).Told = told
}

// outcomes lists what alerts say of a version of a rule.
func (c *check) outcomes(id string, v version) string {
	var out []string
	for _, f := range c.told {
		switch {
		case f.names(id, v) && f.Gone:
			out = append(out, f.Outcome+" and gone")
		case f.names(id, v):
			out = append(out, f.Outcome)
		}
	}
	if out == nil {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// rightly checks that the policy forbade a rule that sgward closed, and that it might close it.
func (c *check) rightly(r *rule, v version) {
	before := r.removed - 1
	d := c.Deliveries[v.event]
	came := !d.Withheld
	meaning := c.Ledger.meaning(v, before)
	for _, moment := range c.Ledger.moments(v, before) {
		if meaning != Forbidden && strings.HasPrefix(v.peer, "pl-") {
			meaning = c.Ledger.meaning(v, moment) // the list was edited meanwhile
		}
	}
	edited := slices.ContainsFunc(c.listEvents(v), func(id string) bool { return !c.Deliveries[id].Withheld })
	switch {
	case meaning == Forbidden && (came || edited || v.covers(existing) && !v.egress):
		return
	case meaning == Forbidden:
		c.add(WronglyRemoved, v, "%s: it was there before, and its statement only alerts then", describe(r.id, v))
		return
	}
	for _, moment := range c.Ledger.moments(v, before) {
		if came && c.Ledger.isUnion(v.group, v, moment) {
			return
		}
	}
	c.add(WronglyRemoved, v, "%s: it is %s", describe(r.id, v), words[meaning])
}

var words = map[Meaning]string{Compliant: "compliant", Exempt: "exempt", Tolerated: "tolerated", Uncertain: "uncertain", Forbidden: "forbidden"}

// remains checks a rule that is there at the end.
func (c *check) remains(r *rule) {
	if r.removed != 0 {
		return
	}
	v := r.last()
	d := c.Deliveries[v.event]
	events := append(c.listEvents(v), v.event)
	if c.Ledger.meaning(v, c.Ledger.clock) != Forbidden || c.excused(events...) {
		return
	}
	came := slices.ContainsFunc(events, func(id string) bool { return !c.Deliveries[id].Withheld })
	if strings.HasPrefix(v.peer, "pl-") && c.Ledger.meaning(v, v.at) == Uncertain {
		return // heard checks that it was told: its owner's edits come from no event here
	}
	// Who made a rule is not known for sure where the record lacks its id: a clause on actors then leaves it to people.
	if d.Form != "" && v.onlyOfActors() && c.isTold(r.id, v, "alerted") {
		return
	}
	if came {
		c.add(LeftOpen, v, "%s: told as %s", describe(r.id, v), c.outcomes(r.id, v))
	}
}

func (v value) onlyOfActors() bool {
	for _, port := range revoked {
		if v.covers(port) && !slices.Contains(ofActors, port) {
			return false
		}
	}
	return !v.egress
}

func (c *check) isTold(id string, v version, outcomes ...string) bool {
	return slices.ContainsFunc(c.told, func(f told) bool { return f.names(id, v) && slices.Contains(outcomes, f.Outcome) })
}

// heard checks what alerts say of a version of a rule to those who hear of its call.
func (c *check) heard(r *rule, i int) {
	v := r.versions[i]
	d := c.Deliveries[v.event]
	if d.Withheld && !d.Replayed || c.excused(v.event) {
		return
	}
	until := c.Ledger.clock // the last moment of this version
	if i+1 < len(r.versions) {
		until = r.versions[i+1].at - 1
	} else if r.removed != 0 {
		until = r.removed - 1
	}
	meaning := c.Ledger.meaning(v, v.at)
	var last *told
	for k, f := range c.told {
		if f.event == v.event && f.names(r.id, v) {
			last = &c.told[k]
		}
	}
	closedByUs := r.remover == Remediate && i == len(r.versions)-1
	switch {
	case meaning == Forbidden || meaning == Tolerated || meaning == Uncertain:
		c.needed(r, v, d, meaning, last, closedByUs)
	case last != nil:
		c.needless(r, v, until, last)
	}
	if last == nil {
		return
	}
	there := r.removed == 0 && i == len(r.versions)-1
	switch {
	case last.claimsClosed() && there:
		c.add(FalseClosed, v, "%s: the last alert says %s, and it is there", describe(r.id, v), last.Outcome)
	case last.Outcome == "revoked" && !closedByUs && !last.MaybeEarlier && !last.AnswerLost:
		c.add(FalseRevoked, v, "%s: the last alert says revoked, and %s", describe(r.id, v), c.fate(r, i))
	case last.Outcome == "failed" && !there && !c.excused(append(c.listEvents(v), v.event)...):
		c.add(NotTakenBack, v, "%s: the last alert of its event says failed, and %s", describe(r.id, v), c.fate(r, i))
	}
}

func (c *check) fate(r *rule, i int) string {
	switch {
	case i < len(r.versions)-1:
		return "it has been edited"
	case r.removed != 0:
		return r.remover + " has removed it"
	default:
		return "it is there"
	}
}

// needed checks that people hear of a rule that the policy speaks of.
func (c *check) needed(r *rule, v version, d Delivery, meaning Meaning, last *told, closedByUs bool) {
	switch {
	case last != nil:
	case closedByUs: // removal checks it
	case d.Replayed && (r.removed != 0 || r.last().event != v.event): // replays of what is gone are not reported
	case c.isTold(r.id, v, "revoked", "already_closed", "alerted", "failed"): // by another event of its group
	case slices.ContainsFunc(c.told, func(f told) bool { return f.event == v.event && f.sameValues(v) }): // with the id of one that was made like it since
	case d.Form != "" && (r.removed != 0 || r.last().event != v.event): // the record does not name it, and it is gone
	default:
		c.add(Unheard, v, "%s: it is %s, and %s", describe(r.id, v), words[meaning], c.fate(r, slices.IndexFunc(r.versions, func(o version) bool { return o == v })))
	}
}

// needless checks that the last word about a rule that the policy has nothing against is no alarm.
func (c *check) needless(r *rule, v version, until int, last *told) {
	if last.Outcome == "exempt" || last.Outcome == "compliant" { // an earlier alarm is taken back
		return
	}
	for _, moment := range c.Ledger.moments(v, until) {
		if c.Ledger.isUnion(v.group, v, moment) || c.Ledger.meaning(v, moment) > Exempt {
			return
		}
	}
	c.add(FalseAlarm, v, "%s: it is %s, and the last alert says %s", describe(r.id, v), words[c.Ledger.meaning(v, v.at)], last.Outcome)
}

// unions checks groups whose rules reach the world together at the end.
func (c *check) unions() {
	now := c.Ledger.clock
	groups := map[string]bool{}
	for _, r := range c.Ledger.order {
		v, there := r.at(now)
		if !there || groups[v.group] || c.Ledger.meaning(v, now) == Forbidden || !c.Ledger.isUnion(v.group, v, now) {
			continue
		}
		// A rule that is the world alone is not this check's.
		var members []*rule
		alone, came, heard := false, false, false
		for _, o := range c.Ledger.groups[v.group] {
			ov, there := o.at(now)
			if !there || ov.group != v.group || !c.Ledger.isUnion(v.group, ov, now) {
				continue
			}
			members = append(members, o)
			alone = alone || c.Ledger.meaning(ov, now) == Forbidden
			came = came || !c.Deliveries[ov.event].Withheld
			heard = heard || c.excused(ov.event) || slices.ContainsFunc(c.told, func(f told) bool {
				return f.names(o.id, ov) && (f.Outcome == "alerted" || f.Outcome == "failed")
			})
		}
		groups[v.group] = true
		if !alone && came && !heard {
			c.add(LeftOpen, v, "%d rules of %s reach the world together, and no alert reports it", len(members), v.group)
		}
	}
}
