package remediation

import (
	"cmp"
	"fmt"
	"time"

	"sgward/internal/finding"
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
	batches []*batch
}

// isOpen reports whether a finding still has no outcome.
func (d *delivery) isOpen() bool {
	for _, b := range d.batches {
		if b.isOpen() {
			return true
		}
	}
	return false
}

// read reads a message into batches, one for each group and one more for a group whose
// rules the event does not tell. An error names the part that is not sound.
func (m Message) read() (*delivery, error) {
	d := &delivery{Message: m}
	type key struct {
		account, region, groupID, groupName string
		whole                               bool
	}
	byKey := map[key]*batch{}
	event := m.Detection.Event
	for i, f := range m.Detection.Findings {
		switch {
		case m.isStanding() && (f.Rule == nil || f.GroupID == ""):
			return nil, fmt.Errorf("reading findings[%d]: want a rule and its group", i)
		case f.Rule != nil && !f.Rule.Permission.IsValid():
			return nil, fmt.Errorf("reading findings[%d].rule: it is no rule that EC2 could hold", i)
		}
		k := key{cmp.Or(f.AccountID, event.AccountID), cmp.Or(f.Region, event.Region), f.GroupID, f.GroupName, f.Rule == nil}
		b := byKey[k]
		if b == nil {
			b = &batch{
				delivery: d, account: k.account, region: k.region, whole: k.whole,
				// Not the VPC: no event tells it, and it could be what spares the rule.
				group: secgroup.Group{ID: f.GroupID, Name: f.GroupName},
			}
			if !b.whole {
				b.actor = event.Actor.Subject()
			}
			byKey[k] = b
			d.batches = append(d.batches, b)
		}
		c := &Case{batch: b, finding: f, fromGroup: f.Rule == nil}
		if f.Rule != nil {
			c.rule = *f.Rule
		}
		b.cases = append(b.cases, c)
	}
	for k, b := range byKey {
		if k.whole {
			k.whole = false
			b.sibling = byKey[k]
		}
	}
	return d, nil
}
