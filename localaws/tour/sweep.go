package tour

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
	"sgward/localaws"
	"sgward/localaws/ec2api"
)

const (
	sweepFunction = "SweepFunction"
	// sweepEvent is the event with which a person invokes a sweep.
	sweepEvent = `{"sgward":"sweep"}`
)

// sweepCommand is the command for a sweep, in lines, for version 1 and 2 of the AWS CLI.
// AWS itself makes one an hour.
func sweepCommand() []string {
	return []string{
		`echo '` + sweepEvent + `' | aws lambda invoke \`,
		`  --function-name ` + sweepFunction + ` \`,
		`  --invocation-type Event \`,
		`  --payload fileb:///dev/stdin /dev/null`,
	}
}

// lostEvent is the last scene: a lost event, the sweep that finds its opening, a person who
// closes it, and the next sweep, which has nothing new.
func (s *stage) lostEvent(ctx context.Context, number int) error {
	const group, lost = "shop-web", "tcp 27017 from 0.0.0.0/0"
	title := "An event that gets lost"
	s.title(fmt.Sprintf("%d. %s", number, title))
	s.paragraph("", "   ", "Nobody promises that events arrive. This one does not, so the opening stays, and no alert is sent.")
	problems := len(s.problems)
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			s.problems = append(s.problems, title+": "+fmt.Sprintf(format, args...))
		}
	}
	s.stack.FailHandOvers(1)
	if _, err := s.showSteps(ctx, func() error {
		return s.authorizeShown(ctx, group, opening{27017, "0.0.0.0/0", "for analytics"})
	}); err != nil {
		return fmt.Errorf("scene %d: %w", number, err)
	}
	opened, ok := s.rule(group, lost)
	expect(ok, "%s is gone", lost)
	standing := s.standingVerdict(opened)

	told, err := s.sweep(ctx, "Every hour sweep looks at all groups as they are. Here it is asked to:")
	if err != nil {
		return fmt.Errorf("scene %d: %w", number, err)
	}
	for _, a := range told {
		s.found(a)
	}
	if standing.Existing != policy.ExistingRevoke {
		reported := slices.ContainsFunc(told, func(a finding.Alert) bool {
			return slices.ContainsFunc(a.Findings, func(f finding.Result) bool {
				return f.Rule != nil && ruleText(*f.Rule) == lost && f.GroupID == s.groups[group] && f.Outcome == finding.OutcomeAlerted
			})
		})
		expect(reported == standing.Verdict.IsStrongerThan(policy.Compliant), "whether %s is reported: %v", lost, reported)
		expect(len(told) == 1 || s.cfg.PolicyFile != "", "%d alerts, not one", len(told))
	}
	if _, open := s.rule(group, lost); open {
		if err := s.closeByHand(ctx, opened, standing); err != nil {
			return fmt.Errorf("scene %d: %w", number, err)
		}
	}
	told, err = s.sweep(ctx, "The next sweep has nothing new to report, and keeps quiet:")
	if err != nil {
		return fmt.Errorf("scene %d: %w", number, err)
	}
	expect(len(told) == 0, "%s although nothing has changed", text.Plural(len(told), "alert"))
	for _, problem := range s.problems[problems:] {
		s.line("   %s", s.Apply(text.Red, "UNEXPECTED: "+text.Visible(problem)))
	}
	return s.err
}

// sweep has sweep look at all groups, and returns the alerts.
func (s *stage) sweep(ctx context.Context, story string) (told []finding.Alert, err error) {
	s.line("")
	s.paragraph("", "   ", story)
	steps, err := s.showSteps(ctx, func() error {
		s.command(sweepCommand()...)
		return s.stack.InvokeAsync(sweepFunction, []byte(sweepEvent))
	})
	for _, step := range steps {
		if a, ok := step.Alert(); ok && step.Kind == localaws.StepAlerted {
			told = append(told, a)
		}
	}
	return told, err
}

// closeByHand has a person close the rule that the sweep left open.
func (s *stage) closeByHand(ctx context.Context, r ec2api.Rule, j policy.Judgement) error {
	s.line("")
	story := "Rules that exist already are reported and not touched, unless their statement says existing: revoke. " +
		"A person decides, and closes this one:"
	if !j.Verdict.IsStrongerThan(policy.Compliant) {
		story = "The policy has nothing against it. Its maker closes it again:"
	}
	s.paragraph("", "   ", story)
	_, err := s.showSteps(ctx, func() error {
		s.command(`aws ec2 revoke-security-group-ingress \`, "  --group-id "+r.GroupID+` \`, "  --security-group-rule-ids "+r.ID)
		_, err := s.client.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
			GroupId: aws.String(r.GroupID), SecurityGroupRuleIds: []string{r.ID},
		})
		return err
	})
	return err
}

// rule returns the rule of a group with a permission.
func (s *stage) rule(group, wanted string) (ec2api.Rule, bool) {
	for _, r := range s.stack.EC2().Rules(s.groups[group]) {
		if permission(r) == wanted {
			return r, true
		}
	}
	return ec2api.Rule{}, false
}

// standingVerdict is the policy's verdict on a rule that stands.
func (s *stage) standingVerdict(r ec2api.Rule) policy.Judgement {
	return judgeAll(s.policy, s.stack.EC2(), s.ownGroups(), time.Now())[r.ID]
}

// showSteps does something, waits until the stack is idle, and shows the steps.
func (s *stage) showSteps(ctx context.Context, act func() error) ([]localaws.Step, error) {
	from := s.mark()
	if err := act(); err != nil {
		return nil, err
	}
	if err := s.rest(ctx); err != nil {
		return nil, err
	}
	steps := s.since(from)
	s.timeline(steps)
	return steps, nil
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
			s.line("   %s  %-8s  %-28s  %s", s.Apply(text.Yellow, "found"), f.Severity.String(), ruleText(*f.Rule), text.Visible(names[f.GroupID]))
		}
	}
}
