package remediation

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Message is one Detection and what the queue says of its delivery.
type Message struct {
	Detection finding.Detection
	// Try and Tries say which delivery this is and after how many the message goes
	// to the dead letters. Zero means not known.
	Try, Tries int
	// Sent is when the message was made, zero where that is not known.
	Sent time.Time
}

// repeats reports that people have heard before of what an earlier try did: on the
// first, and the last tells all once more, in case that alert was lost.
func (m Message) repeats() bool { return m.Try > 1 && m.Try < m.Tries }

// isStanding reports that the message names rules that exist already.
func (m Message) isStanding() bool { return m.Detection.Source != finding.SourceCall }

// delivery is a message being worked on.
type delivery struct {
	Message
	changes []*change
}

// open reports whether a finding still has no outcome.
func (d *delivery) open() bool {
	for _, c := range d.changes {
		if c.open() {
			return true
		}
	}
	return false
}

// change is what one event made in one group: its rules are judged together.
type change struct {
	*delivery
	account, region string
	group           secgroup.Group
	actor           policy.Actor
	items           []*item
	// whole is set where the event does not tell the rules: everything that the
	// group holds is judged, and nobody knows who made which rule.
	whole bool
	// sibling is, for a whole group, the change that holds the rules the event tells.
	sibling *change
	// lists are the prefix lists that were read for it, and notes say what could not
	// be read, for the reasons of what stays unknown.
	lists map[string][]netip.Prefix
	notes []string
	// unread is why not all that its verdicts need could be read.
	unread error
}

func (c *change) open() bool {
	for _, it := range c.items {
		if !it.settled {
			return true
		}
	}
	return false
}

// age is how long ago the event happened.
func (c *change) age(now time.Time) time.Duration { return now.Sub(c.Detection.Event.EventTime) }

// sight is what a read of the group shows of an item's rule.
type sight uint8

const (
	unseen sight = iota // neither its id nor its values
	seen                // a rule with exactly its values
	edited              // its id with other values
)

// item is one finding on its way from detect's word to an outcome.
type item struct {
	found   finding.Finding // as detect told it
	eventID string
	made    time.Time // the event's; zero for a rule that existed already
	// rule is what is judged and closed; zero for the finding of a whole group.
	rule      secgroup.Rule
	judgement policy.Judgement
	// asFound is set where the rule is not judged here: an alert tells of it in the words
	// of the message.
	asFound bool
	// fromGroup is set where the verdict needs the group's word that it holds the
	// rule: its direction or its peer is not wholly known, or other rules have a part.
	fromGroup bool
	// byID is set where only the rule with the event's id is meant, and not another
	// that has its values now.
	byID    bool
	sight   sight
	present secgroup.Rule // as the group shows it, unless unseen

	// stranger is set where rule is not what the event tells but what the group shows
	// since, or may be: who made it so is not known.
	stranger bool
	// left says why people have to close what the policy forbids, as an alert says it.
	left string

	settled bool
	outcome finding.Outcome // "" for a rule that is compliant: nobody hears of it
	at      time.Time
	err     error
	retry   bool // the message has to come again for it
	loud    bool // people hear of it on every try
}

// comply settles an item that needs nothing.
func (it *item) comply() { it.settled = true }

// conclude settles an item with an outcome that is no failure.
func (it *item) conclude(outcome finding.Outcome, at time.Time) {
	it.settled, it.outcome, it.at = true, outcome, at
}

// close settles an item with what became of its opening.
func (it *item) close(c Closing) {
	it.rule = c.Rule
	switch {
	case c.Outcome == finding.OutcomeFailed:
		it.fail(c.Err, c.At)
		return
	case c.GroupGone && c.At.Sub(it.made) < lagWindow:
		it.fail(ec2rules.ErrNoGroup, c.At)
		return
	}
	it.conclude(c.Outcome, c.At)
}

// fail settles an item that could not be brought to an end. The message comes
// again; people are told at once only where trying again is not likely to help.
func (it *item) fail(err error, at time.Time) {
	it.conclude(finding.OutcomeFailed, at)
	it.err, it.retry, it.loud = err, true, !ec2rules.IsTransient(err)
}

// leave settles an item that no try of this function can close, and for which EC2 is
// not asked. why is for people.
func (it *item) leave(outcome finding.Outcome, why string, at time.Time) {
	it.conclude(outcome, at)
	it.left, it.loud = why, outcome == finding.OutcomeFailed
}

// settleBy gives an item the outcome of its verdict, where that is not to revoke.
func (it *item) settleBy(v policy.Verdict, at time.Time) {
	switch v {
	case policy.Compliant:
		it.comply()
	case policy.Exempt:
		it.conclude(finding.OutcomeExempt, at)
	default: // alert; undetermined alerts as well, and nothing else does anything
		it.conclude(finding.OutcomeAlerted, at)
	}
}

// identity is what makes the item's rule unique within its group.
func (it *item) identity() secgroup.Permission { return it.rule.Permission.Identity() }

// ownRevoke reports that the rule is to be closed whatever else the group holds.
func (it *item) ownRevoke() bool {
	return it.judgement.Verdict == policy.Revoke && !it.judgement.Union
}

// open reads a message into changes, one for each group and one more for a group
// whose rules the event does not tell. An error names the part that is not sound.
func (b *batch) open(m Message) (*delivery, error) {
	d := &delivery{Message: m}
	type key struct {
		account, region, groupID, groupName string
		whole                               bool
	}
	byKey := map[key]*change{}
	event := m.Detection.Event
	for i, f := range m.Detection.Findings {
		k := key{cmp.Or(f.AccountID, event.AccountID), cmp.Or(f.Region, event.Region), f.GroupID, f.GroupName, f.Rule == nil}
		c := byKey[k]
		if c == nil {
			c = &change{
				delivery: d, account: k.account, region: k.region, whole: k.whole,
				// Not the VPC: no event tells it, and it could be what spares the rule.
				group: secgroup.Group{ID: f.GroupID, Name: f.GroupName},
			}
			if !c.whole && !m.isStanding() {
				c.actor = event.Actor.Subject()
			}
			byKey[k] = c
			d.changes = append(d.changes, c)
		}
		it := &item{found: f, eventID: event.EventID, fromGroup: f.Rule == nil, asFound: m.isStanding()}
		if !m.isStanding() {
			it.made = event.EventTime
		}
		if m.isStanding() && (f.Rule == nil || f.GroupID == "") {
			return nil, fmt.Errorf("reading findings[%d]: want a rule and its group", i)
		}
		if f.Rule != nil {
			if !f.Rule.Permission.IsValid() {
				return nil, fmt.Errorf("reading findings[%d].rule: it is no rule that EC2 could hold", i)
			}
			it.rule = *f.Rule
		}
		c.items = append(c.items, it)
	}
	for k, c := range byKey {
		if k.whole {
			k.whole = false
			c.sibling = byKey[k]
		}
	}
	return d, nil
}

// Why no try of this function can close something. What lies elsewhere is for the sgward
// of that account and region; what is here and cannot be found stays open.
const (
	leftElsewhere = "the group is in another account or region, where this sgward closes nothing"
	leftUnnamed   = "the event does not name the group"
)

// weigh judges a change by the event alone and settles what that settles. It
// returns the items that are to be closed at once; what is left open is read.
func (b *batch) weigh(c *change) (atOnce []*item) {
	elsewhere := b.isElsewhere(c.account, c.region)
	if c.whole || c.isStanding() {
		if elsewhere { // people get detect's or sweep's word for it
			b.leaveElsewhere(c)
		}
		return nil
	}
	req := c.request(b.now, rulesOf(c.items))
	const readable = ^policy.NeedActor
	judgements := b.Policy.Evaluate(req)
	// Of an old event, sent again by hand or late, the rule may be long gone, and one
	// with its values may have been made by somebody whom the policy lets. Unless it is
	// forbidden whoever made it, wherever the group is, only the event's own goes.
	var anyone []policy.Judgement
	if c.age(b.now) >= lagWindow {
		req.Actor = policy.Actor{}
		anyone = b.Policy.Evaluate(req)
	}
	for i, j := range judgements {
		it := c.items[i]
		settled := j.Verdict != policy.Revoke && j.Needs&readable == 0 && !j.Union
		if !settled && anyone != nil && anyone[i].Verdict != policy.Revoke {
			if it.rule.ID != "" {
				it.byID = true
			} else { // nothing tells its own rule from another
				it.stranger, j = true, anyone[i]
				settled = j.Needs&readable == 0 && !j.Union
			}
		}
		it.judgement = j
		it.fromGroup = it.byID || it.rule.Permission.Direction == 0 || j.Union || j.Needs&(policy.NeedStanding|policy.NeedPeerOwner) != 0
		switch {
		case settled:
			it.settleBy(j.Verdict, b.now)
		case elsewhere:
			it.leave(finding.OutcomeAlerted, leftElsewhere, b.now)
		case !c.isNamed():
			it.leave(finding.OutcomeFailed, leftUnnamed, b.now)
		case it.ownRevoke() && !it.byID && c.group.ID != "" && it.rule.Permission.Direction != 0 && !it.found.FromRequest:
			atOnce = append(atOnce, it)
		}
	}
	return atOnce
}

// isElsewhere reports whether nothing can be closed in an account and region from here.
func (b *batch) isElsewhere(account, region string) bool {
	return account != b.account && b.account != "" || region != b.Region
}

func (b *batch) leaveElsewhere(c *change) {
	for _, it := range c.items {
		it.leave(finding.OutcomeAlerted, leftElsewhere, b.now)
	}
}

// isNamed reports whether the event tells the change's group.
func (c *change) isNamed() bool { return c.group.ID != "" || c.group.Name != "" }

// request asks for the verdict on rules by what the event tells of their group and
// their maker.
func (c *change) request(now time.Time, rules []secgroup.Rule) policy.Request {
	return policy.Request{
		Time: now, AccountID: c.account, Region: c.region, Actor: c.actor, Group: c.group, Rules: rules,
	}
}

func rulesOf(items []*item) []secgroup.Rule {
	out := make([]secgroup.Rule, len(items))
	for i, it := range items {
		out[i] = it.rule
	}
	return out
}
