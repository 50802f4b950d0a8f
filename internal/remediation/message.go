package remediation

import (
	"cmp"
	"fmt"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

// Message is one Detection with its delivery by the queue.
type Message struct {
	Detection finding.Detection
	// Try is the number of this delivery, and Tries after how many the message goes to the
	// dead-letter queue. Zero means unknown.
	Try, Tries int
	// Sent is when the message was made, zero if unknown.
	Sent time.Time
	// Record is the invocation record that holds the Detection, for Config.Choose. It may be
	// empty.
	Record string
	// Queued is when the queue took the message, zero where that is not known.
	Queued time.Time
}

// repeats reports that earlier tries have been reported: the first was, and the last
// reports all again, in case that alert was lost.
func (m Message) repeats() bool { return m.Try > 1 && m.Try < m.Tries }

// isStanding reports that the message names existing rules.
func (m Message) isStanding() bool { return m.Detection.Source != finding.SourceCall }

// delivery is a message while it is handled.
type delivery struct {
	Message
	index   int // among the messages of its Run
	batches []*batch
	// old is set for a call's event that is about rules which exist already.
	old bool
	// listBefore holds the entries that a prefix list had before its edit.
	listBefore []ec2rules.ListEntry
	// err is why the message must be retried; nil before the delivery has ended.
	err error
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

// read splits a message into batches, one for each group and one more for a group whose
// rules the event leaves out. An error names the invalid part.
func (m Message) read() (*delivery, error) {
	d := &delivery{Message: m}
	type key struct {
		account, region, groupID, groupName string
		whole, found                        bool
	}
	byKey := map[key]*batch{}
	event := m.Detection.Event
	for i, f := range m.Detection.Findings {
		switch {
		case m.isStanding() && (f.Rule == nil || f.GroupID == ""):
			return nil, fmt.Errorf("reading findings[%d]: want a rule and its group", i)
		case f.Rule != nil && !f.Rule.Permission.IsValid():
			return nil, fmt.Errorf("reading findings[%d].rule: EC2 could not hold this rule", i)
		}
		k := key{cmp.Or(f.AccountID, event.AccountID), cmp.Or(f.Region, event.Region), f.GroupID, f.GroupName, f.Rule == nil, f.MakerUnknown}
		b := byKey[k]
		if b == nil {
			b = &batch{
				delivery: d, account: k.account, region: k.region, whole: k.whole, found: k.found,
				// Not the VPC: events lack it, and it could exempt the rule.
				group: secgroup.Group{ID: f.GroupID, Name: f.GroupName},
			}
			if !b.makerUnknown() {
				b.actor = event.Actor.Subject()
			}
			byKey[k] = b
			d.batches = append(d.batches, b)
		}
		c := &Case{batch: b, finding: f, evidence: evidence{fromGroup: f.Rule == nil}}
		if f.Rule != nil {
			c.rule = *f.Rule
		}
		b.cases = append(b.cases, c)
	}
	for k, b := range byKey {
		if k.whole {
			k.whole, k.found = false, false
			b.sibling = byKey[k]
		}
	}
	return d, nil
}
