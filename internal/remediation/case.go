package remediation

import (
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// batch holds the cases of one message in one group. The rules that one call made are
// judged together.
type batch struct {
	*delivery
	account, region string
	group           secgroup.Group
	actor           policy.Actor
	cases           []*Case
	// whole is set if the event lacks the rules: all rules of the group are judged, and
	// their makers are unknown.
	whole bool
	// found is set if the message names rules that were found by reading the group: their
	// makers are unknown.
	found bool
	// of is the finding of a whole group whose rules have become cases; nil before.
	of *finding.Finding
	// sibling is, for a whole group, the batch with the rules that the event has.
	sibling *batch
	// replacements holds the rules that the group has instead of those that were found
	// gone moments after the call. It is whole, and in no delivery's list.
	replacements *batch
	// overtaken is set if a rule was found gone at once, and the group must be read for
	// others that let its traffic through.
	overtaken bool
	// lists are the prefix lists that were read for it, and notes name those that could
	// not be read, for the reasons of undetermined verdicts.
	lists map[string]secgroup.PrefixList
	notes []string
	// unread is why a read that its verdicts need failed.
	unread error
}

// makerUnknown reports that the rules may be older than the event, and made by others.
func (b *batch) makerUnknown() bool { return b.whole || b.found }

func (b *batch) isOpen() bool {
	if b.overtaken {
		return true
	}
	for _, c := range b.cases {
		if !c.isSettled() {
			return true
		}
	}
	return false
}

// age is the time since the event.
func (b *batch) age(now time.Time) time.Duration { return now.Sub(b.Detection.Event.EventTime) }

func (b *batch) failOpen(err error, at time.Time) {
	for _, c := range b.cases {
		if !c.isSettled() {
			c.fail(err, at)
		}
	}
}

// Case is one finding on its way from a message to an outcome.
type Case struct {
	batch   *batch
	finding finding.Finding // as in the message
	// rule is judged and closed; zero for the finding of a whole group.
	rule      secgroup.Rule
	judgement policy.Judgement
	// judged is set if judgement is this side's. Without it an alert reports the case with
	// the message's values.
	judged  bool
	shownAs shownAs
	present secgroup.Rule // as the group shows it, unless unseen
	evidence
	state state
	ending
}

// evidence is what an event, or a read, proves of a case's rule. It is set where a case is
// made or judged; weigh sets it for the rules that an event names.
type evidence struct {
	// fromGroup is set if the verdict requires that the group shows the rule: its
	// direction or peer is not completely known, or other rules take part.
	fromGroup bool
	// byID is set if only the rule with the event's id is meant, and not another that has
	// its values now.
	byID bool
	// seeFirst is set if the group must show the rule, of which the event lacks the id.
	seeFirst bool
	// actorUnknown is set if another call than the event's may have made the rule.
	actorUnknown bool
	// complete is set if the event alone proves which rule it made and that the policy
	// forbids it, so that a retry can tell again what this try closes.
	complete bool
	// opened is set if the edit of a prefix list that the message reports took the rule
	// across the threshold.
	opened bool
}

// ending is how a settled case ended. The methods of Case that settle it set it; carry,
// noteEdited and noteHeld add later facts.
type ending struct {
	outcome finding.Outcome // "" for a compliant rule, which is not reported
	at      time.Time
	// err is why the message must be retried.
	err error
	// left says why people must close a rule that the policy forbids, in the words of an
	// alert.
	left string
	// gone is set if the rule is gone and left names others that let its traffic through.
	gone bool
	// carried is set if a message that closes other rules reports the case.
	carried bool
	// earlier is set on a revoked rule that an earlier try has closed.
	earlier bool
	// editedBack is set if the rule exists with other values.
	editedBack bool
	// answerLost is set if EC2's answer to the revoke was lost.
	answerLost bool
}

// shownAs is how a read of the group shows a case's rule.
type shownAs uint8

const (
	unseen shownAs = iota // neither its id nor its values
	seen                  // a rule with exactly its values
	edited                // its id with other values
)

// state is the state of a case. The zero value is open. Only await, comply, conclude and
// handOff change it, and no settled case becomes open again.
type state uint8

const (
	stateOpen      state = iota
	stateWaiting         // its verdict needs the group to hold its rule, which a read may not show yet
	stateHandedOff       // settled: a message of its own closes the rule
	stateSettled
)

// isSettled reports that this try has ended its work on the case.
func (c *Case) isSettled() bool { return c.state >= stateHandedOff }

// await returns the state at a time, after the last read: a waiting case is open later.
func (c *Case) await(now time.Time) state {
	if c.isSettled() {
		return c.state
	}
	c.state = stateOpen
	if c.fromGroup && c.batch.age(now) < lagWindow && (c.shownAs == unseen || c.shownAs == edited && c.isEdit()) {
		c.state = stateWaiting
	}
	return c.state
}

// judge records this side's judgement.
func (c *Case) judge(j policy.Judgement) { c.judgement, c.judged = j, true }

// comply settles a case without a result.
func (c *Case) comply() { c.state = stateSettled }

// handOff settles a case whose rule a message of its own closes.
func (c *Case) handOff(at time.Time) { c.state, c.at = stateHandedOff, at }

// conclude settles a case with an outcome that is not a failure. A message of remediate
// proves that the group held its rules and that they were to be closed: an earlier try has
// closed those that its retry finds gone.
func (c *Case) conclude(outcome finding.Outcome, at time.Time) {
	c.state, c.outcome, c.at = stateSettled, outcome, at
	if outcome == finding.OutcomeAlreadyClosed && c.batch.Detection.Chosen && !c.editedBack && c.batch.retried(at) {
		c.outcome, c.earlier = finding.OutcomeRevoked, true
	}
}

// postpone leaves a case to a later try. It is not reported.
func (c *Case) postpone(err error, at time.Time) {
	c.conclude("", at)
	c.err = err
}

// close settles a case with the result of closing its opening. EC2 may not know a new
// group yet.
func (c *Case) close(done Closing) {
	c.rule, c.answerLost = done.Rule, done.answerLost
	if own := c.finding.Rule; own != nil && own.ID != "" && done.Outcome == finding.OutcomeRevoked && done.Rule.ID != own.ID && !c.batch.isStanding() {
		c.batch.addClosedEarlier(c, done)
	}
	switch {
	case done.Outcome == "":
		c.postpone(done.Err, done.At)
	case done.Outcome == finding.OutcomeFailed:
		c.fail(done.Err, done.At)
	case done.groupGone && !c.batch.isStanding() && c.batch.age(done.At) < lagWindow:
		c.fail(ec2rules.ErrNoGroup, done.At)
	default:
		c.conclude(done.Outcome, done.At)
	}
}

// addClosedEarlier adds a case for a message's own rule if another rule with its values was
// closed instead. An attempt whose answer was lost, or an earlier try, may have closed the
// own rule, and no other message would report that.
func (b *batch) addClosedEarlier(c *Case, done Closing) {
	own := &Case{batch: b, finding: c.finding, rule: *c.finding.Rule, judgement: c.judgement, judged: c.judged}
	switch {
	case done.attemptLost:
		own.answerLost = true
		own.conclude(finding.OutcomeRevoked, done.At)
	case b.retried(done.At):
		own.conclude(finding.OutcomeAlreadyClosed, done.At)
	default: // somebody else has removed it
		return
	}
	b.cases = append(b.cases, own)
	c.finding.ID = finding.NewID(b.account, b.region, b.group.ID, c.rule.ID, b.Detection.Event.EventID)
}

// fail settles a case that failed. The message is retried.
func (c *Case) fail(err error, at time.Time) {
	c.conclude(finding.OutcomeFailed, at)
	c.err = err
}

// leave settles a case that no try of this function can close, without calling EC2. why
// tells people the reason.
func (c *Case) leave(outcome finding.Outcome, why string, at time.Time) {
	c.conclude(outcome, at)
	c.left = why
}

// settleBy settles a case by its verdict, unless that is revoke.
func (c *Case) settleBy(v policy.Verdict, at time.Time) {
	switch v {
	case policy.Compliant:
		c.comply()
	case policy.Exempt:
		c.conclude(finding.OutcomeExempt, at)
	default: // alert and undetermined
		c.conclude(finding.OutcomeAlerted, at)
	}
}

// carry has a message that closes other rules report the case.
func (c *Case) carry() { c.carried = true }

// noteEdited records that the rule exists with other values.
func (c *Case) noteEdited() { c.editedBack = true }

// noteHeld records the rules by which the group still lets a closed rule's traffic through.
// The outcome stays, and with it the undo: sgward itself may have closed the rule.
func (c *Case) noteHeld(held []secgroup.Rule) {
	if why := stillHolding(held); why != "" {
		c.gone, c.left = true, why
	}
}

// needsPeople reports a failure that a retry is unlikely to solve: it is reported on the
// first try.
func (c *Case) needsPeople() bool {
	return c.outcome == finding.OutcomeFailed && (c.err == nil || !ec2rules.IsTransient(c.err))
}

// identity identifies the case's rule within its group.
func (c *Case) identity() secgroup.Permission { return c.rule.Permission.Identity() }

// ownRevoke reports that the rule is to be closed whatever else the group holds.
func (c *Case) ownRevoke() bool {
	return c.judgement.Verdict == policy.Revoke && !c.judgement.Union
}

// isEdit reports that the case is about an edit, whose record has no direction.
func (c *Case) isEdit() bool {
	return c.finding.Rule != nil && c.finding.Rule.Permission.Direction == 0
}

func rulesOf(cases []*Case) []secgroup.Rule {
	out := make([]secgroup.Rule, len(cases))
	for i, c := range cases {
		out[i] = c.rule
	}
	return out
}
