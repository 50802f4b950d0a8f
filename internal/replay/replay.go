// Package replay reports what a policy would have done to a history of CloudTrail records.
// It judges each call as detect and remediate would have judged it then, with the group's
// rules as the history shows them, and finds out when each opening was closed. It changes
// nothing and calls nothing.
//
// Memory grows with the findings, not with the input: beside the buffers of package
// logfile, Run keeps some 80 bytes for each call on a security group that made one rule,
// and about a kilobyte for each rule that some statement of the policy is about
// (BenchmarkMemory measures it).
package replay

import (
	"context"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"sgward/internal/finding"
	"sgward/internal/logfile"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/text"
)

// Options are the options of Run. Policy is required.
type Options struct {
	Policy *policy.Policy
	// Other is the policy to compare with. Only rules that it judges differently are then
	// entries.
	Other *policy.Policy
	// Since and Until limit the calls that are judged: from Since, and before Until. Zero
	// means no limit. Calls outside still count for what a group held.
	Since, Until time.Time
	// Accounts and Regions limit the records that are read; empty means all.
	Accounts, Regions []string
	// Bad gets each problem in order, one at a time. It may be nil.
	Bad func(text.Problem)
	// Progress counts the input read so far. It may be nil.
	Progress *Progress
}

// Progress is updated while a history is read. The zero value is ready.
type Progress struct {
	Files    atomic.Int64 // read to their end
	Bytes    atomic.Int64 // read, compressed if files are
	Openings atomic.Int64 // rules found that a statement may forbid
}

// policies returns the policies that judge.
func (o *Options) policies() []*policy.Policy {
	if o.Other == nil {
		return []*policy.Policy{o.Policy}
	}
	return []*policy.Policy{o.Policy, o.Other}
}

// judged reports whether calls of that time are judged.
func (o *Options) judged(at time.Time) bool {
	return !at.Before(o.Since) && (o.Until.IsZero() || at.Before(o.Until))
}

// wanted reports whether records of a place are read.
func (o *Options) wanted(account, region string) bool {
	return (len(o.Accounts) == 0 || slices.Contains(o.Accounts, account)) &&
		(len(o.Regions) == 0 || slices.Contains(o.Regions, region))
}

// Run reads sources with one worker per core, and then passes each finding to emit.
//
//   - Findings, exempt ones too, are sorted by the event's time, then its id, account and
//     region, then in the order of the rules in the call.
//   - If a call is in several sources, the first is reported; nothing else depends on the
//     order of the sources. They may be listed while Run reads.
//   - An exception counts if it applied when the call was made.
//   - Input that cannot be read is a problem of the Coverage; the rest is still judged.
//   - The error is ctx's or emit's.
func Run(ctx context.Context, sources iter.Seq[logfile.Source], o Options, emit func(report.Entry) error) (report.Coverage, error) {
	if o.Progress == nil {
		o.Progress = &Progress{}
	}
	g, err := gather(ctx, sources, &o)
	if err != nil {
		return report.Coverage{}, err
	}
	h := newHistory(g, &o)
	problems, names := g.problems, g.names
	g = nil // most of it is not needed any more
	h.follow()
	j := judging{Options: &o, history: h, names: names, emit: emit}
	if err := j.run(ctx); err != nil {
		return report.Coverage{}, err
	}
	return report.Coverage{History: &h.counts, Problems: problems}, nil
}

// differ reports whether two policies judge a rule differently.
func differ(a, b finding.Finding) bool {
	return a.Verdict != b.Verdict || a.StatementID != b.StatementID || a.Severity != b.Severity
}
