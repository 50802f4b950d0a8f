package tour

import (
	"context"
	"fmt"
	"slices"

	"sgward/internal/finding"
	"sgward/internal/text"
	"sgward/localaws"
)

const (
	sweepFunction = "SweepFunction"
	// sweepEvent is the event with which a person invokes a sweep.
	sweepEvent = `{"sgward":"sweep"}`
)

// sweepCommand is the command for a sweep, in lines, after "aws" and its options. AWS
// itself makes one an hour.
func sweepCommand(aws string) []string {
	return []string{
		aws + `lambda invoke --function-name ` + sweepFunction + ` --invocation-type Event \`,
		`  --cli-binary-format raw-in-base64-out \`,
		`  --payload '` + sweepEvent + `' /dev/null`,
	}
}

// lostEvent is the last scene: a lost event, the sweep that finds its opening, and the
// next sweep, which has nothing new.
func (s *stage) lostEvent(ctx context.Context, number int) error {
	const group, lost = "shop-web", "tcp 27017 from 0.0.0.0/0"
	title := "An event that gets lost"
	s.title(fmt.Sprintf("%d. %s", number, title))
	s.paragraph("", "   ", "Nobody promises that events arrive. This one does not: what it opened stays open, and nobody hears of it.")
	problems := len(s.problems)
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			s.problems = append(s.problems, title+": "+fmt.Sprintf(format, args...))
		}
	}
	s.stack.FailHandOvers(1)
	if err := s.showSteps(ctx, func() error {
		return s.authorizeShown(ctx, group, opening{27017, "0.0.0.0/0", "for analytics"})
	}); err != nil {
		return fmt.Errorf("scene %d: %w", number, err)
	}
	for day, story := range []string{
		"Every hour sweep looks at all groups as they are. Here it is asked to:",
		"And the next time, when nothing has changed, it keeps quiet:",
	} {
		s.line("")
		s.paragraph("", "   ", story)
		from := s.mark()
		if err := s.showSteps(ctx, func() error {
			s.command(sweepCommand("aws ")...)
			return s.stack.InvokeAsync(sweepFunction, []byte(sweepEvent))
		}); err != nil {
			return fmt.Errorf("scene %d: %w", number, err)
		}
		var told []finding.Alert
		for _, step := range s.since(from) {
			if a, ok := step.Alert(); ok && step.Kind == localaws.StepAlerted {
				told = append(told, a)
			}
		}
		if day > 0 {
			expect(len(told) == 0, "%s told twice", text.Plural(len(told), "alert"))
			continue
		}
		expect(len(told) == 1, "%d alerts, not one", len(told))
		for _, a := range told {
			expect(slices.ContainsFunc(a.Findings, func(f finding.Result) bool {
				return f.Rule != nil && ruleText(*f.Rule) == lost && f.GroupID == s.groups[group] && f.Outcome == finding.OutcomeAlerted
			}), "the alert does not tell of %s", lost)
			s.found(a)
		}
	}
	expect(slices.Contains(s.permissions(group), lost), "%s is gone", lost)
	s.line("")
	s.paragraph("", "   ", "What stands is told and not touched, unless its statement says existing: revoke. Each new group was "+
		"given its open egress by AWS itself, which no event announces.")
	for _, problem := range s.problems[problems:] {
		s.line("   %s", s.Paint(text.Red, "UNEXPECTED: "+text.Visible(problem)))
	}
	return s.err
}

// showSteps does something, waits until the stack is idle, and shows the steps.
func (s *stage) showSteps(ctx context.Context, act func() error) error {
	from := s.mark()
	if err := act(); err != nil {
		return err
	}
	if err := s.rest(ctx); err != nil {
		return err
	}
	steps := s.since(from)
	for _, step := range steps {
		s.step(step.At-steps[0].At, step)
	}
	return nil
}

// found lists a digest's findings in order.
func (s *stage) found(a finding.Alert) {
	names := map[string]string{}
	for _, g := range s.stack.EC2().Groups() {
		names[g.ID] = g.Name
	}
	s.line("")
	for _, f := range a.Findings {
		if f.Rule != nil {
			s.told[f.Rule.ID] = true
			s.line("   %s  %-8s  %-28s  %s", s.Paint(text.Yellow, "found"), f.Severity.String(), ruleText(*f.Rule), text.Visible(names[f.GroupID]))
		}
	}
}
