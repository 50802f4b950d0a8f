package remediation

import (
	"context"
	"net/netip"
	"slices"

	"sgward/internal/ec2rules"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// judge gives items of one change the verdict on them together, beside standing
// rules or alone. An error says what could not be read; the verdicts are then those
// without it: undetermined where it matters.
func (w *groupWork) judge(ctx context.Context, c *change, items []*item, with company) error {
	judgements, err := w.evaluate(ctx, c, items, with)
	for i, j := range judgements {
		items[i].judgement = j
	}
	return err
}

// failUnread fails what is open of a change for which something could not be read.
func (w *groupWork) failUnread(ctx context.Context, c *change, err error) {
	w.Logger.ErrorContext(ctx, "group not read", "groupId", w.group.ID, "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
	c.failOpen(err, w.Now())
}

// company says beside which rules items are judged. The zero value is none.
type company uint8

const (
	alone     company = iota // what they add up to with the group's others is not asked
	inCompany                // of the group's other rules
)

// evaluate judges items of one change together and reads what the policy asks for
// beyond rules. With an error it returns what can be said without that.
func (w *groupWork) evaluate(ctx context.Context, c *change, items []*item, with company) ([]policy.Judgement, error) {
	if len(items) == 0 {
		return nil, nil
	}
	var lists map[string][]netip.Prefix
	for {
		req := w.request(c, items, lists)
		if with == inCompany {
			req.StandingKnown, req.Standing = true, w.standing(c)
		}
		judgements := w.Policy.Evaluate(req)
		w.judgeStrangers(req, items, judgements)
		var needs policy.Needs
		for _, j := range judgements {
			needs |= j.Needs
		}
		switch {
		case needs&(policy.NeedVPC|policy.NeedGroupTags) != 0 && !w.group.TagsKnown:
			group, err := w.describe(ctx)
			if err != nil {
				return judgements, err
			}
			w.group = group
		case needs&policy.NeedPrefixList != 0 && lists == nil:
			ids := secgroup.PrefixLists(req.Rules, req.Standing)
			read, err := w.lists.Read(ctx, ids)
			if err != nil {
				return judgements, err
			}
			lists, c.lists, c.notes = read.Entries, read.Entries, read.Why(ids)
		default:
			return judgements, nil
		}
	}
}

// request asks for the verdict on items of one change.
func (w *groupWork) request(c *change, items []*item, lists map[string][]netip.Prefix) policy.Request {
	req := c.request(w.now, rulesOf(items))
	req.Group, req.PrefixLists = w.known(c), lists
	return req
}

// judgeStrangers judges items again whose present values another call than the
// event's has made: a clause on the actor says nothing of them.
func (w *groupWork) judgeStrangers(req policy.Request, items []*item, judgements []policy.Judgement) {
	if !slices.ContainsFunc(items, func(it *item) bool { return it.stranger }) {
		return
	}
	req.Actor = policy.Actor{}
	for i, j := range w.Policy.Evaluate(req) {
		if items[i].stranger {
			judgements[i] = j
		}
	}
}

// known is the group as far as it is known: as read, else as the event names it.
func (w *groupWork) known(c *change) secgroup.Group {
	if w.group.TagsKnown {
		return w.group
	}
	return c.group
}

// standing returns the rules that the group held without the change's: the read
// ones less those, less what later calls of the batch made, less what has been
// closed.
func (w *groupWork) standing(c *change) []secgroup.Rule {
	others := map[string]bool{} // by id, as an edited rule has other values now
	for _, it := range c.items {
		others[it.rule.ID] = true
	}
	for _, later := range w.changes[slices.Index(w.changes, c)+1:] {
		for _, it := range later.items {
			if !later.whole {
				others[it.rule.ID] = true
			}
		}
	}
	var out []secgroup.Rule
	for _, r := range w.held {
		if w.closed[r.Permission.Identity()] == nil && !others[r.ID] {
			out = append(out, r)
		}
	}
	return out
}

// leftInCrowd is why a rule stays open that judgeCrowd found.
const leftInCrowd = "the group's other rules were at the line without it too, so it is not known which call crossed the line. " +
	"Close those that nobody needs"

// judgeCrowd finds the items that crossed nothing only because the rest of the group
// is at the line already. Calls made in quick succession look so, each to itself,
// when the group is read after the last of them: which of them crossed the line
// cannot be told from here, so people decide.
func (w *groupWork) judgeCrowd(c *change, items []*item) {
	if c.whole || len(items) == 0 {
		return
	}
	req := w.request(c, items, c.lists)
	others := w.standing(c)
	req.StandingKnown, req.Rules = true, slices.Concat(req.Rules, others)
	judgements := w.Policy.Evaluate(req)
	for i, it := range items {
		j := judgements[i]
		// An undetermined verdict alerts anyhow, and says what is not known.
		if !j.Union || it.judgement.Verdict == policy.Undetermined || j.Verdict <= it.judgement.Verdict {
			continue
		}
		for k, r := range others {
			if judgements[len(items)+k].Union && sharesTraffic(r.Permission, it.rule.Permission) {
				j.With = append(j.With, r)
			}
		}
		it.judgement, it.left = j, leftInCrowd
	}
}

// sharesTraffic reports whether two rules let through some of the same traffic.
func sharesTraffic(a, b secgroup.Permission) bool {
	if a.Direction != b.Direction {
		return false
	}
	if a.Protocol != b.Protocol {
		return a.Protocol == secgroup.AllProtocols || b.Protocol == secgroup.AllProtocols
	}
	return !a.Protocol.HasPorts() || a.Ports.Overlaps(b.Ports)
}
