package cli

import (
	"context"
	"fmt"
	"time"

	"sgward/internal/awscall"
	"sgward/internal/doctor"
	"sgward/internal/report"
	"sgward/internal/selftest"
	"sgward/internal/stack"
	"sgward/internal/text"
)

// test runs the self-test.
func (f *doctorFlags) test(ctx context.Context, in Invocation) error {
	switch {
	case f.format != string(report.Text):
		return usageError("--self-test writes text only")
	case !f.yes && !isInteractive(in):
		return usageError("stdin is not a terminal: pass --yes to open a rule in a throw-away group")
	}
	config, err := f.config(ctx)
	if err != nil {
		return err
	}
	s, err := stack.Find(ctx, awscall.New(config), config.Region, f.stack)
	if err != nil {
		return err
	}
	judge, err := doctor.Deployed(ctx, config, s)
	if err != nil {
		local, problem := f.judge()
		if problem != nil || local == nil {
			return fmt.Errorf("reading the deployed policy: %w; name it with --policy", err)
		}
		fmt.Fprintf(in.Stderr, "The deployed policy cannot be read (%s): %s is used.\n", awsErrorText(err), text.Visible(f.policy))
		judge = local
	}
	t, err := selftest.Prepare(ctx, config, s, judge, f.vpc)
	if err != nil {
		return err
	}
	for _, id := range t.Leftovers {
		fmt.Fprintf(in.Stderr, "Group %s is of an earlier self-test, and perhaps open to the world. Unless that test still runs, delete it:\n  %s\n", id, t.CleanUp(id))
	}
	return f.follow(ctx, in, t)
}

// follow asks, runs the test, and prints its result.
func (f *doctorFlags) follow(ctx context.Context, in Invocation, t *selftest.Test) error {
	what := "report"
	if t.Closes() {
		what = "close"
	}
	if !f.quiet || !f.yes {
		fmt.Fprintf(in.Stderr, "The group %s will be made in %s, with the rule %s, which sgward should %s (%s).\n"+
			"Nothing uses the group. It is deleted at the end; subscribers get one alert.\n", t.Group, t.VPCID, t.Rule.Permission, what, text.Visible(t.Finding.StatementID))
	}
	if !f.yes {
		if err := confirm(ctx, in, "Run the test?"); err != nil {
			return err
		}
	}
	out := f.results(in)
	t.Step = func(after time.Duration, said string) {
		fmt.Fprintf(out, "%8.1f s  %s\n", after.Seconds(), text.Visible(said))
	}
	r, err := t.Run(ctx)
	switch {
	case r.Left != nil:
		fmt.Fprintf(in.Stderr, "The group could not be deleted (%s). Delete it by hand:\n  %s\n", awsErrorText(r.Left), t.CleanUp(r.GroupID))
		if err == nil {
			err = &statusError{StatusError, fmt.Errorf("group %s is left", t.Group)}
		}
	case !f.quiet && r.GroupID != "":
		fmt.Fprintf(in.Stderr, "Group %s is deleted.\n", r.GroupID)
	}
	if err != nil {
		return err
	}
	if !f.quiet {
		fmt.Fprintln(out, selfTestSummary(t, r))
	}
	return nil
}

// selfTestSummary is the last line of a test that succeeded.
func selfTestSummary(t *selftest.Test, r selftest.Timings) string {
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
	if t.Closes() {
		return "The path works: judged after " + seconds(r.Judged) + ", closed after " + seconds(r.Closed) + ", alert after " + seconds(r.Alerted) + "."
	}
	why := "observe mode"
	if t.Enforce {
		why = "the policy only reports it"
	}
	return "The path works: judged after " + seconds(r.Judged) + ", alert after " + seconds(r.Alerted) + "; it was not closed (" + why + ")."
}
