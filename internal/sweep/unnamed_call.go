package sweep

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
)

// secondRead is the time between a first read without a result and the second.
const secondRead = 15 * time.Second

// Unnamed looks for the openings of a call whose record does not even name the group: it
// was padded until CloudTrail left out its parameters. Only sweep can find them, because it
// has the memory.
//
//   - account is the account of EC2's credentials, "" if unknown.
//   - A forbidden rule is the call's if the last completed sweep before the call did not see
//     it or, where that is unknown, if its own tags and description are the padding.
//   - The Detection has decision revoke and names such rules for remediate, at most
//     MaxRevokes, in observe mode too; or its decision is none. remediate reports all others.
//   - The choice is a message of its own, so that a retry still has it when a read no longer
//     shows the rules that the first try closed.
func (s *Sweeper) Unnamed(ctx context.Context, account string, call cloudtrail.Call) (finding.Detection, error) {
	out := finding.NewDetection(s.Policy, call.Event, finding.SourceUnnamedCall)
	log := s.Logger.With("eventId", call.EventID, "eventName", call.EventName)
	switch {
	case call.Skipped != "" || !call.RulesMissing() || call.Group.String() != "":
		log.InfoContext(ctx, "nothing to judge", "reason", cmp.Or(call.Skipped, "the record names the group, so detect's finding does too"))
		return out, nil
	case call.Region != s.Region:
		return out, fmt.Errorf("looking for the rules of %s: %w", call.EventID, errElsewhere)
	case remediation.IsOld(call.Event, s.Now()):
		log.InfoContext(ctx, "nothing to judge", "reason", "the event is old, so what it opened is a standing rule")
		return out, nil
	}
	acting, cancel := remediation.KeepReserve(ctx, answerReserve)
	defer cancel()
	var chosen []*candidate
	for _, age := range []time.Duration{remediation.SettleAge, remediation.SettleAge + secondRead} {
		if err := s.waitUntilAge(acting, call.EventTime, age); err != nil {
			return out, err
		}
		run := &sweep{Sweeper: s, event: call.Event, began: s.Now()}
		run.event.AccountID = cmp.Or(account, call.AccountID)
		groups, err := run.readGroups(acting)
		if err == nil {
			err = run.judge(acting, groups)
		}
		if err != nil {
			return out, fmt.Errorf("looking for the rules of %s: %w", call.EventID, err)
		}
		run.recall(acting)
		if chosen = run.madeBy(call); len(chosen) > 0 {
			break
		}
	}
	taken := s.limit(chosen)
	out.Findings = messageOf(taken)
	log.InfoContext(ctx, "unnamed call judged", "forbidden", len(chosen), "toClose", len(out.Findings))
	if len(out.Findings) > 0 {
		out.Verdict = policy.Revoke
	}
	return out, nil
}

// madeBy returns the forbidden rules that a call certainly made, padded ones first, then the
// most urgent.
func (s *sweep) madeBy(call cloudtrail.Call) []*candidate {
	before := call.EventTime.Add(-announceMargin)
	isNew := s.isNew()
	var out []*candidate
	for _, f := range s.found {
		if f.Rule == nil || f.Undetermined || f.Verdict != policy.Revoke || f.Union {
			continue
		}
		held, isKnown := s.known[f.ID]
		waiting, waits := s.pending[pendingPrefix+f.ID]
		switch {
		case waits && !waiting.firstSeen.Before(before): // a sweep saw it since the call, and none before
		case isKnown && held.firstSeen.Before(before):
			continue // whatever its tags are by now
		case !isKnown && !s.last.firstSeen.After(call.EventTime) && isNew(f):
		case s.padded[f.Held.ID]:
		default:
			continue
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b *candidate) int {
		switch p, q := s.padded[a.Held.ID], s.padded[b.Held.ID]; {
		case p == q:
			return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.GroupID, b.GroupID), cmp.Compare(a.ID, b.ID))
		case p:
			return -1
		default:
			return 1
		}
	})
	return out
}
