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
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

// digest tells people what they have not been told before, and remembers it. chosen
// are told by another alert; that they were chosen is remembered too.
func (s *sweep) digest(ctx context.Context, chosen []*standing) error {
	s.tally.Ordered = len(chosen)
	news, memos, forget := s.compare(chosen)
	s.Logger.InfoContext(ctx, "swept", "eventId", s.event.EventID, "groups", s.tally.Groups, "rules", s.tally.Rules, "findings", len(s.found),
		"new", len(news), "known", s.tally.Known, "gone", s.tally.Gone, "ordered", s.tally.Ordered)
	if len(news) > 0 {
		s.nameEnded(news)
		if err := s.publish(ctx, s.alertOf(news)); err != nil {
			return err
		}
	}
	// Only now: told twice is better than never.
	s.remember(ctx, memos, forget)
	return nil
}

// compare sets what was found against what is known: what has to be told, what to
// remember once it has been, and what to forget. chosen keep what was said of them.
func (s *sweep) compare(chosen []*standing) (news []*standing, memos []memo, forget []string) {
	still := map[string]bool{}
	for _, f := range s.found {
		switch {
		case still[f.ID]: // a group holds no two equal rules, and the table takes no id twice
			continue
		case slices.Contains(chosen, f):
			still[f.ID] = true
			held := s.known[f.ID]
			held.id, held.groupID, held.lastSeen, held.tried = f.ID, f.GroupID, s.now, s.event.EventTime
			if held.firstSeen.IsZero() {
				held.firstSeen = s.now
			}
			memos = append(memos, held)
			continue
		case f.outcome == finding.OutcomeExempt && (f.Exception == nil || !f.Exception.ByTag):
			// An exception is agreed on in review, and quiet; one that rests on tags is as
			// good as whoever may set them.
			continue
		}
		still[f.ID] = true
		held := s.known[f.ID]
		f.firstSeen = s.now
		if held.said != "" {
			f.firstSeen = held.firstSeen
		}
		memos = append(memos, memo{id: f.ID, groupID: f.GroupID, said: said(f), firstSeen: f.firstSeen, lastSeen: s.now, tried: held.tried})
		if held.said == said(f) {
			s.tally.Known++
		} else {
			news = append(news, f)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.known)) {
		if still[id] {
			continue
		}
		forget = append(forget, id)
		if s.known[id].said != "" {
			s.tally.Gone++
		}
	}
	return news, memos, forget
}

// said is what people are told of a finding: while it stays the same there is no
// news. Of rules that could not be understood the reasons name each; strangers may
// have a part in these, so only their sum is kept.
func said(f *standing) string {
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

// recall asks the memory. Without an answer the run tells everything, and says so.
func (s *sweep) recall(ctx context.Context) {
	if s.Memory == nil {
		s.tally.Forgetful = "it has no table to remember by (MEMORY_TABLE)"
		return
	}
	known, err := s.Sweeper.recall(ctx, s.now)
	if err != nil {
		s.tally.Forgetful = "its table could not be read"
		return
	}
	delete(known, warningID) // no finding
	s.known = known
}

// remember writes into the memory what has been told. Where the memory could not be
// read nothing is written either, as that would forget since when a finding is known.
func (s *sweep) remember(ctx context.Context, memos []memo, forget []string) {
	if s.tally.Forgetful == "" {
		s.Sweeper.remember(ctx, memos, forget)
	}
}

// recall reads the memory, which must be set, within bounds of time.
func (a *Sweeper) recall(ctx context.Context, now time.Time) (map[string]memo, error) {
	bounded, cancel := context.WithTimeout(ctx, memoryTime)
	defer cancel()
	known, err := a.Memory.recall(bounded, now)
	if err != nil {
		a.Logger.ErrorContext(ctx, "memory failed", "error", err.Error())
	}
	return known, err
}

// remember writes into the memory, which must be set, within bounds of time. It fails
// nobody: what it does not take is told once more by the next run.
func (a *Sweeper) remember(ctx context.Context, memos []memo, forget []string) {
	kept, cancel := remediation.KeepReserve(ctx, answerReserve)
	defer cancel()
	bounded, stop := context.WithTimeout(kept, memoryTime)
	defer stop()
	if err := a.Memory.remember(bounded, memos, forget, a.Wait); err != nil {
		a.Logger.ErrorContext(ctx, "memory failed", "error", err.Error())
	}
}

// endedWithin is for how long after its end an exception is named beside what it used
// to cover, in days.
const endedWithin = 14

// nameEnded notes of findings which exception that has ended lately would cover
// them. Each group is judged once more as of the last moment of such an exception.
func (s *sweep) nameEnded(findings []*standing) {
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

// alertOf makes the digest of findings.
func (s *sweep) alertOf(findings []*standing) finding.Alert {
	a := s.alert(s.event, resultsOf(findings))
	tally := s.tally
	a.Sweep = &tally
	return a
}
