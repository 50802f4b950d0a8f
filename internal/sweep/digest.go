package sweep

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"sgward/internal/finding"
	"sgward/internal/inventory"
	"sgward/internal/logline"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

// digest reports new findings, reminders and unannounced rules, and remembers them.
// Another alert reports the chosen ones; the choice is remembered too.
func (s *sweep) digest(ctx context.Context, chosen []*candidate) error {
	s.tally.Ordered = len(chosen)
	settled := s.checkPending(ctx)
	news, memos, forget := s.compare(chosen)
	memos = append(memos, s.awaited()...)
	memos = append(memos, memo{id: lastSweepID, fingerprint: s.version(), firstSeen: s.began, lastSeen: s.now})
	s.Logger.InfoContext(ctx, "swept", "eventId", s.event.EventID, "groups", s.tally.Groups, "rules", s.tally.Rules, "findings", len(s.found),
		"new", len(news), "known", s.tally.Known, "gone", s.tally.Gone, "ordered", s.tally.Ordered)
	if len(news) > 0 {
		s.nameEnded(news)
		if err := s.publish(ctx, s.alertOf(news)); err != nil {
			return err
		}
	}
	// Only now: a repeated report is better than none.
	s.remember(ctx, memos, append(s.reportGone(ctx, forget), settled...))
	return nil
}

// compare compares the findings with the memory. It returns those to report, those to
// remember afterwards, and those to forget. chosen keep their fingerprints.
func (s *sweep) compare(chosen []*candidate) (news []*candidate, memos []memo, forget []string) {
	still := map[string]bool{}
	remind := s.reminders()
	for _, f := range s.found {
		switch {
		case still[f.ID]: // a group holds no two equal rules, and the table accepts no id twice
			continue
		case slices.Contains(chosen, f):
			still[f.ID] = true
			held := s.known[f.ID]
			held.id, held.groupID, held.rule, held.lastSeen, held.tried = f.ID, f.GroupID, f.Rule, s.now, s.event.EventTime
			if held.firstSeen.IsZero() {
				held.firstSeen = s.now
			}
			memos = append(memos, held)
			continue
		case f.outcome.IsQuiet(f.Exception):
			continue
		}
		still[f.ID] = true
		held := s.known[f.ID]
		f.firstSeen = s.now
		if held.fingerprint != "" {
			f.firstSeen = held.firstSeen
		}
		isKnown := held.fingerprint == fingerprint(f)
		f.reports, f.isReminder = held.reports, isKnown && remind(f)
		isReported := !isKnown || f.isReminder || f.isUnannounced
		if isReported {
			news = append(news, f)
			held.reported, held.reports = s.now, held.reports+1
		} else {
			s.tally.Known++
		}
		if isReported || s.now.Sub(held.lastSeen) >= confirmAge {
			held.id, held.groupID, held.rule, held.fingerprint, held.firstSeen, held.lastSeen = f.ID, f.GroupID, f.Rule, fingerprint(f), f.firstSeen, s.now
			memos = append(memos, held)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.known)) {
		if still[id] {
			continue
		}
		forget = append(forget, id)
		if s.known[id].fingerprint != "" {
			s.tally.Gone++
		}
	}
	return news, memos, forget
}

// fingerprint identifies the reported state of a finding: while it is the same, nothing
// new is reported. The reasons of a group with unparsed rules name each of them and may contain
// untrusted text, so only their hash is kept.
func fingerprint(f *candidate) string {
	words := []string{f.Verdict.String(), f.Severity.String(), f.StatementID}
	if f.Exception != nil {
		words = append(words, f.Exception.ID)
	}
	if f.Rule == nil {
		sum := sha256.Sum256([]byte(strings.Join(policy.Texts(f.Reasons), "\n")))
		words = append(words, hex.EncodeToString(sum[:8]))
	}
	return strings.Join(words, " ")
}

// recall reads the memory. If that fails, the run reports everything, and says so.
func (s *sweep) recall(ctx context.Context) {
	if s.Memory == nil {
		s.tally.Forgetful = "it has no table of earlier digests"
		return
	}
	known, err := s.readMemory(ctx, s.now)
	if err != nil {
		s.tally.Forgetful = "its table could not be read"
		return
	}
	// Not findings:
	s.last = known[lastSweepID]
	delete(known, lastSweepID)
	delete(known, warningID)
	s.pending = map[string]memo{}
	for id, m := range known {
		if m.isPending() {
			s.pending[id] = m
			delete(known, id)
		}
	}
	s.known = known
}

// remember writes the reported findings into the memory. If the memory could not be read,
// nothing is written either, because that would lose the times at which findings were
// first seen.
func (s *sweep) remember(ctx context.Context, memos []memo, forget []string) {
	if s.tally.Forgetful == "" {
		s.writeMemory(ctx, memos, forget)
	}
}

// readMemory reads the memory, which must be set, within limits of time.
func (s *Sweeper) readMemory(ctx context.Context, now time.Time) (map[string]memo, error) {
	bounded, cancel := context.WithTimeout(ctx, memoryTime)
	defer cancel()
	known, err := readMemos(bounded, s.Memory, now)
	if err != nil {
		s.Logger.ErrorContext(ctx, logline.MemoryFailed, "error", err.Error())
	}
	return known, err
}

// writeMemory writes into the memory, which must be set, within limits of time. Errors are
// only logged: the next run reports the lost findings again.
func (s *Sweeper) writeMemory(ctx context.Context, memos []memo, forget []string) {
	kept, cancel := remediation.KeepReserve(ctx, answerReserve)
	defer cancel()
	bounded, stop := context.WithTimeout(kept, memoryTime)
	defer stop()
	if err := writeMemos(bounded, s.Memory, memos, forget, s.Wait); err != nil {
		s.Logger.ErrorContext(ctx, logline.MemoryFailed, "error", err.Error())
	}
}

// endedWithin is for how many days after its end an exception is named beside the rules
// that it covered.
const endedWithin = 14

// nameEnded adds to findings the recently ended exception that would cover them. Each
// group is judged again as of the last moment of such an exception.
func (s *sweep) nameEnded(findings []*candidate) {
	var ends []time.Time
	for days := range endedWithin {
		for _, x := range s.Policy.Expiring(s.now.AddDate(0, 0, -days), s.event.AccountID, s.Region) {
			if x.Ended && !slices.ContainsFunc(ends, x.Ends.Equal) {
				ends = append(ends, x.Ends)
			}
		}
	}
	slices.SortFunc(ends, func(a, b time.Time) int { return b.Compare(a) }) // the last end first
	for _, end := range ends {
		before := map[*secgroup.Group]map[string]*finding.Exception{}
		for _, f := range findings {
			if f.group == nil || f.Ended != nil || f.Verdict == policy.Exempt {
				continue
			}
			covered, judged := before[f.group]
			if !judged {
				covered = map[string]*finding.Exception{}
				for _, was := range inventory.Judge(s.Policy, *f.group, s.lists, end.Add(-time.Nanosecond)) {
					if was.Verdict == policy.Exempt {
						covered[was.ID] = was.Exception
					}
				}
				before[f.group] = covered
			}
			f.Ended = covered[f.ID]
		}
	}
}

// alertOf returns the digest of findings.
func (s *sweep) alertOf(findings []*candidate) finding.Alert {
	a := s.alert(s.event, resultsOf(findings))
	tally := s.tally
	a.Sweep = &tally
	return a
}
