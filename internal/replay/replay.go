// Package replay says what a policy would have done to a history of CloudTrail
// records: it judges each call as detect and remediate would have judged it then, with
// what the history itself tells of the group, and finds out when what was opened was
// closed again. It changes nothing and calls nothing.
//
// Memory grows with what is found, never with what is read: beside the buffers of
// package logfile, Run keeps some 80 bytes for each call on a security group that made
// one rule, and about a kilobyte for each rule that some statement of the policy
// speaks of (BenchmarkMemory measures it).
package replay

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"sgward/internal/finding"
	"sgward/internal/logfile"
	"sgward/internal/policy"
	"sgward/internal/report"
)

// Options say what is replayed, and by what it is judged. Policy is required.
type Options struct {
	Policy *policy.Policy
	// Other is the policy to compare with. Only what it judges otherwise is then an
	// entry.
	Other *policy.Policy
	// Since and Until bound the calls that are judged: from Since on, and before Until.
	// A zero one is no bound. What happened outside still tells of the groups.
	Since, Until time.Time
	// Accounts and Regions are the only ones that are looked at; empty: all.
	Accounts, Regions []string
	// Bad is told of each problem as it is met, one at a time. Nil is not told.
	Bad func(report.Problem)
	// Progress counts what has been read. Nil does not.
	Progress *Progress
}

// Progress counts while a history is read. The zero value is ready.
type Progress struct {
	Files    atomic.Int64 // read to their end
	Bytes    atomic.Int64 // read, compressed where files are
	Openings atomic.Int64 // rules found that the policy may have something against
}

// policies returns the policies that judge.
func (o *Options) policies() []*policy.Policy {
	if o.Other == nil {
		return []*policy.Policy{o.Policy}
	}
	return []*policy.Policy{o.Policy, o.Other}
}

// judged reports whether a call of that time is to be judged.
func (o *Options) judged(at time.Time) bool {
	return !at.Before(o.Since) && (o.Until.IsZero() || at.Before(o.Until))
}

// wanted reports whether a place is one to look at.
func (o *Options) wanted(account, region string) bool {
	return (len(o.Accounts) == 0 || slices.Contains(o.Accounts, account)) &&
		(len(o.Regions) == 0 || slices.Contains(o.Regions, region))
}

// Run reads sources with all cores, and then hands emit each finding, exempt ones too:
// in the order of the events' times, then of their ids, accounts and regions, then of
// the rules within the call. The same sources in any order give the same entries. An
// exception counts if it applied when the call was made.
//
// What cannot be read or understood is a problem of the Summary and keeps nothing else
// from being judged. The error is ctx's or emit's.
func Run(ctx context.Context, sources []logfile.Source, o Options, emit func(report.Entry) error) (report.Coverage, error) {
	if o.Progress == nil {
		o.Progress = &Progress{}
	}
	sources = slices.Clone(sources)
	slices.SortStableFunc(sources, func(a, b logfile.Source) int { return cmp.Compare(a.Name, b.Name) })
	g, err := gather(ctx, sources, &o)
	if err != nil {
		return report.Coverage{}, err
	}
	h := newHistory(g, &o)
	problems := g.problems
	g = nil // most of it is of no more use
	h.follow()
	j := judging{Options: &o, history: h, sources: sources, emit: emit}
	if err := j.run(ctx); err != nil {
		return report.Coverage{}, err
	}
	return report.Coverage{History: &h.counts, Problems: problems}, nil
}

// differ reports whether two policies judge a rule otherwise.
func differ(a, b finding.Finding) bool {
	return a.Verdict != b.Verdict || a.StatementID != b.StatementID || a.Severity != b.Severity
}
