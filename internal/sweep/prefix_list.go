package sweep

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/remediation"
)

// list is the edited prefix list as far as EC2 shows it.
type list struct {
	// known is set if entries are complete or, unless settled, include both the entries
	// before the edit and those after it.
	known   bool
	entries []ec2rules.ListEntry
	owner   string // "" if unknown
	version int64  // of entries, if settled
	// settled is set if EC2 has finished the edit, or a later one; unfinished if waiting
	// for it was in vain. Neither is set for a list that may not be read.
	settled, unfinished bool
	// problem says why the list is not settled, or not known.
	problem string
}

// patience lists the pauses between reads of a list that EC2 is still editing: it carries
// an edit to every place that uses the list, and shows the new entries only then
// (https://docs.aws.amazon.com/vpc/latest/userguide/working-with-managed-prefix-lists.html).
func patience() []time.Duration {
	const ms = time.Millisecond
	return []time.Duration{250 * ms, 500 * ms, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 30 * time.Second}
}

// readList reads the list that a change has edited, in the version that the change made or
// a later one. It waits for that version, within limits. A list that this account may not
// read is unknown; an error is transient.
func (s *Sweeper) readList(ctx context.Context, change cloudtrail.Call) (list, error) {
	var l list
	pauses := patience()
	for {
		state, err := ec2rules.StateOfList(ctx, s.EC2, change.List.ID)
		if err != nil {
			return unreadable(err)
		}
		l.owner = state.OwnerID
		if s.isFinished(change, state) {
			l.entries, err = ec2rules.Entries(ctx, s.EC2, change.List.ID, state.Version)
			switch {
			case err == nil:
				l.known, l.settled, l.version = true, true, state.Version
				return l, nil
			case !ec2rules.IsListVersionNotFound(err): // else the read lags behind
				return unreadable(err)
			}
		}
		l.problem = fmt.Sprintf("EC2 has not finished the edit of %s (%s)", change.List.ID, state)
		if len(pauses) == 0 || s.Wait(ctx, pauses[0]) != nil {
			l.unfinished = true
			return s.expectList(ctx, l, change)
		}
		pauses = pauses[1:]
	}
}

// unreadable returns the list after a failed read, or the error if it is transient.
func unreadable(err error) (list, error) {
	if ec2rules.IsTransient(err) {
		return list{}, err
	}
	return list{problem: err.Error()}, nil
}

// isFinished reports that EC2 shows the version that the change made, or a later one, and
// that no edit is in progress.
func (s *Sweeper) isFinished(change cloudtrail.Call, state ec2rules.ListState) bool {
	if !state.Complete() {
		return false
	}
	if change.List.FromVersion == 0 { // unknown: the age has to do
		return s.Now().Sub(change.EventTime) >= remediation.SettleAge
	}
	return state.Version > change.List.FromVersion
}

// expectList returns the possible entries of a list with an unfinished edit: the old ones,
// the shown ones, and those that the call asked for. If the call lacks them, or not all
// may be read, the list is unknown; an error is transient.
func (s *Sweeper) expectList(ctx context.Context, l list, change cloudtrail.Call) (list, error) {
	if change.List.Omitted || change.List.RestoredVersion == 0 && len(change.List.Added)+len(change.List.Removed) == 0 {
		return l, nil
	}
	for _, version := range slices.Compact([]int64{0, change.List.RestoredVersion}) {
		shown, err := ec2rules.Entries(ctx, s.EC2, change.List.ID, version)
		switch {
		case err == nil:
			l.add(shown...)
		case ec2rules.IsTransient(err):
			return list{}, err
		default:
			l.problem += "; " + err.Error()
			l.entries = nil
			return l, nil
		}
	}
	for _, p := range change.List.Added {
		l.add(ec2rules.ListEntry{CIDR: p})
	}
	l.known = true
	return l, nil
}

func (l *list) add(entries ...ec2rules.ListEntry) {
	for _, e := range entries {
		if !slices.ContainsFunc(l.entries, func(o ec2rules.ListEntry) bool { return o.CIDR == e.CIDR }) {
			l.entries = append(l.entries, e)
		}
	}
}
