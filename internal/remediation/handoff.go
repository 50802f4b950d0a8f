package remediation

import (
	"context"
	"errors"
	"slices"
	"strings"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// ErrTooLarge says that a choice fits no message.
var ErrTooLarge = errors.New("the event and the rules to close do not fit one message")

// choose hands the rules of cases to messages of their own, one for each delivery, and
// settles those cases. It returns the cases whose rules are to be closed at once.
//
//   - A message that leaves out the rules of its event, or whose verdict rests on other
//     rules, could not tell in a retry which rules an earlier try had closed. So its choice
//     is written down before they are revoked.
//   - The new message is judged again like any other: it proves that the rule was there, not
//     that it may be closed.
func (g *changedGroup) choose(ctx context.Context, cases []*Case) (atOnce []*Case) {
	var deliveries []*delivery
	chosen := map[*delivery][]*Case{}
	for _, c := range cases {
		d := c.batch.delivery
		if g.Choose == nil || g.Mode != finding.Enforce || c.complete || d.old || d.Detection.Chosen {
			atOnce = append(atOnce, c)
			continue
		}
		if chosen[d] == nil {
			deliveries = append(deliveries, d)
		}
		chosen[d] = append(chosen[d], c)
	}
	for _, d := range deliveries {
		carried := carriedBy(chosen[d])
		for _, c := range carried {
			c.noteHeld(g.stillHeld(ctx, c)) // beside the chosen rules
		}
		err := g.Choose(ctx, d.Message, g.choice(d, chosen[d], carried))
		log := g.Logger.With("eventId", d.Detection.Event.EventID, "groupId", g.group.ID, ruleAttrs(rulesOf(chosen[d])))
		switch {
		case err == nil:
			log.InfoContext(ctx, "rules chosen")
			for _, c := range chosen[d] {
				c.handOff(g.Now())
			}
			for _, c := range carried {
				c.carry()
			}
		case errors.Is(err, ErrTooLarge) || !ec2rules.IsTransient(err):
			// No retry could write it down either, and an open rule is worse.
			log.ErrorContext(ctx, "choice not sent: the rules are closed without it", "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
			atOnce = append(atOnce, chosen[d]...)
		default:
			log.ErrorContext(ctx, "choice not sent", "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
			for _, c := range chosen[d] {
				c.fail(err, g.Now())
			}
		}
	}
	return atOnce
}

// carriedBy returns the cases of rules that were found gone and that chosen rules have
// replaced: their traffic is closed only once those are.
func carriedBy(chosen []*Case) (out []*Case) {
	for _, c := range chosen {
		if c.batch.sibling == nil || c.batch.sibling.replacements != c.batch {
			continue
		}
		for _, gone := range c.batch.sibling.cases {
			if gone.outcome == finding.OutcomeAlreadyClosed && gone.overlaps(c.rule) && !slices.Contains(out, gone) {
				out = append(out, gone)
			}
		}
	}
	return out
}

// choice returns the Detection of a message that has the rules of cases closed, and that
// reports the carried ones beside them.
func (g *changedGroup) choice(d *delivery, cases, carried []*Case) finding.Detection {
	out := finding.NewDetection(g.Policy, d.Detection.Event, finding.SourceCall)
	out.Verdict, out.Chosen = policy.Revoke, true
	others := map[string]bool{} // ids of the rules that the verdicts count
	for _, c := range cases {
		f, rule := c.finding, c.rule
		f.Judge(c.judgement)
		f.AccountID, f.Region, f.GroupID = c.batch.account, c.batch.region, g.group.ID
		f.Rule, f.FromRequest = &rule, false
		f.MakerUnknown = c.batch.makerUnknown() || c.actorUnknown
		out.Findings = append(out.Findings, f)
		others[rule.ID] = true
		for _, r := range g.standing(c.batch) {
			others[r.ID] = true
		}
	}
	for _, r := range g.held {
		if !others[r.ID] && r.ID != "" {
			out.Apart = append(out.Apart, r.ID)
		}
	}
	for _, c := range carried {
		out.Told = append(out.Told, c.result())
	}
	return out
}

// told returns the results that a choice carries. Each names the rules that replaced its
// own and may still be open: they let its traffic through.
func (d *delivery) told() []finding.Result {
	out := slices.Clone(d.Detection.Told)
	for i := range out {
		r := &out[i]
		carried := Case{rule: *r.Rule}
		var open []secgroup.Rule
		for _, b := range d.batches {
			for _, c := range b.cases {
				if isOpen := c.outcome == finding.OutcomeFailed || c.outcome == finding.OutcomeAlerted; isOpen && carried.overlaps(c.rule) {
					open = append(open, c.rule)
				}
			}
		}
		why := stillHolding(open)
		if why == "" {
			continue
		}
		if r.Gone {
			why = r.Left + "; " + strings.TrimPrefix(why, stillHolds)
		}
		r.Gone, r.Left = true, why
	}
	return out
}
