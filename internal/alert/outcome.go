package alert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// grouped lists texts for numbered openings, each text once in the order of its first
// appearance, after its numbers: "1-3, 7: text". A text for all openings has no numbers.
func grouped(texts [][]string) []string {
	numbers := map[string][]int{}
	var order []string
	for i, list := range texts {
		for _, text := range list {
			held := numbers[text]
			if held == nil {
				order = append(order, text)
			}
			if len(held) == 0 || held[len(held)-1] != i+1 {
				numbers[text] = append(held, i+1)
			}
		}
	}
	out := make([]string, 0, len(order))
	for _, text := range order {
		if len(numbers[text]) == len(texts) {
			out = append(out, text)
		} else {
			out = append(out, ranges(numbers[text])+": "+text)
		}
	}
	return out
}

// ranges prints ascending numbers as "1-3, 7".
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		part := strconv.Itoa(numbers[i])
		if j > i {
			part += "-" + strconv.Itoa(numbers[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

// doneText says what sgward did about an opening, in a sentence or two.
func (o *opening) doneText(a *finding.Alert) string {
	retried := o.retriedText()
	switch {
	case retried != "":
		return retried
	case o.Gone:
		return "The rule itself was gone already, and yet its traffic is not closed: " + text.Visible(o.Left) + ". " + o.closedBy(a)
	case o.Edited && !o.isOpen():
		return pick(o.Outcome == finding.OutcomeRevoked, "The rule was removed", "The rule was gone already") +
			", and with it all that it allowed before the edit."
	case o.Outcome == finding.OutcomeRevoked:
		return "Only this rule was removed; nothing else in the group changed."
	case o.Outcome == finding.OutcomeAlreadyClosed:
		return "The rule was gone already. " + o.closedBy(a)
	case o.Outcome == finding.OutcomeWouldRevoke:
		return "Left open, as sgward runs in observe mode; enforce mode closes it."
	case o.isFinal():
		return "Left open, as " + text.Visible(o.Left) + ". There is no retry."
	case o.Outcome == finding.OutcomeFailed:
		return "Not closed, as " + o.refusal() + " " + nextTry(a)
	default:
		return "Left open, as " + o.whyLeft() + "."
	}
}

// closing gives the time of a closing, and what the record leaves open about the rule.
func (o *opening) closing() string {
	out := ""
	if o.ClosedAt != nil && !o.ClosedAt.IsZero() && o.Outcome == finding.OutcomeRevoked && !o.MaybeEarlier {
		out = "EC2 reported it removed at " + o.ClosedAt.UTC().Format("2006-01-02 15:04:05.000") + " UTC."
	}
	if o.ErrorMessage != "" {
		out = "EC2's message: " + quoteLong(strings.TrimRight(o.ErrorMessage, ".")) + "."
	}
	if o.FromRequest {
		out = joined(out, "The record lacks EC2's response: this is the rule as the caller typed it, and EC2 may have stored other values.")
	}
	return out
}

// isFinal reports that sgward could not even try to close the opening, and that there is
// no further try.
func (o *opening) isFinal() bool { return o.Outcome == finding.OutcomeFailed && o.Left != "" }

// closedBy says who may have closed a rule that was found gone.
func (o *opening) closedBy(a *finding.Alert) string {
	switch {
	case a.Try > 1:
		return "An earlier try of sgward may have closed it (this was " + tryOf(a) + "), or someone else."
	case a.Sweep != nil:
		return "An earlier try of sgward may have closed it, or someone else."
	default:
		return "Someone else removed it, or sgward itself: for another event of the group, or at an earlier delivery of this one."
	}
}

// whyLeft says why a finding was only reported, in words that end a sentence.
func (o *opening) whyLeft() string {
	switch {
	case o.Left != "":
		return text.Visible(o.Left)
	case o.Rule == nil && o.GroupID == "":
		return "sgward does not know which group to look at"
	case o.Verdict == policy.Undetermined || o.Verdict == policy.Revoke || o.Rule == nil:
		out := "a fact that the policy asks for is unknown"
		if deciding, _ := o.deciding(); len(deciding) > 0 {
			out += ": " + cite(strings.TrimSuffix(deciding[len(deciding)-1].String(), "."))
		}
		return out
	default:
		return "the policy says alert only"
	}
}

// refusal names EC2's error.
func (o *opening) refusal() string {
	switch o.ErrorCode {
	case "":
		return "EC2 gave no reason."
	case "UnauthorizedOperation":
		return "EC2 answered " + id(o.ErrorCode) + ". Look for a service control policy, a permissions boundary, or a stack deployed in observe mode."
	default:
		return "EC2 answered " + id(o.ErrorCode) + "."
	}
}

// nextTry says whether there is another try.
func nextTry(a *finding.Alert) string {
	switch {
	case a.Try <= 0 || a.Tries <= 0:
		return "Close it by hand."
	case a.Try >= a.Tries:
		return "This was the last try, " + tryOf(a) + ": there is no retry until the message is sent again from the dead-letter queue."
	default:
		return "T" + tryOf(a)[1:] + "; sgward will retry."
	}
}

func tryOf(a *finding.Alert) string {
	if a.Tries <= 0 {
		return fmt.Sprintf("try %d", a.Try)
	}
	return fmt.Sprintf("try %d of %d", a.Try, a.Tries)
}

// bySeverity counts openings, worst first: "3 critical, 1 medium".
func bySeverity(openings []opening) string {
	return counted(openings, []string{"critical", "high", "medium", "low"}, func(o *opening) int { return severityRank(o.Severity) })
}

// byOutcome counts openings, worst first: "1 not closed, 2 closed".
func byOutcome(openings []opening) string {
	// In the order of finding.OutcomesWorstFirst.
	words := []string{"not closed", "would be closed", "left open", "closed", "already closed", "compliant after all", "exempt"}
	return counted(openings, words, func(o *opening) int { return resultRank(&o.Result) })
}

func counted(openings []opening, words []string, rank func(*opening) int) string {
	n := make([]int, len(words))
	for i := range openings {
		n[rank(&openings[i])]++
	}
	var parts []string
	for i, word := range words {
		if n[i] > 0 {
			parts = append(parts, text.Thousands(n[i])+" "+word)
		}
	}
	return strings.Join(parts, ", ")
}

// worst returns the severity and outcome of the whole alert: the highest severity and the
// first of finding.OutcomesWorstFirst. Findings that the policy allows do not count for the
// severity.
func worst(a *finding.Alert) (policy.Severity, finding.Outcome) {
	outcomes := finding.OutcomesWorstFirst()
	severity, outcome := severityRank(policy.Low), len(outcomes)-1
	for i := range a.Findings {
		r := &a.Findings[i]
		outcome = min(outcome, resultRank(r))
		if r.Outcome != finding.OutcomeExempt && r.Outcome != finding.OutcomeCompliant {
			severity = min(severity, severityRank(r.Severity))
		}
	}
	return policy.Critical - policy.Severity(severity), outcomes[outcome]
}

// resultRank is the rank of a result's outcome: where other rules let the traffic of a
// closed rule through, that of alerted.
func resultRank(r *finding.Result) int {
	if r.Gone {
		return outcomeRank(finding.OutcomeAlerted)
	}
	return outcomeRank(r.Outcome)
}

// outcomeRank orders outcomes from worst to best. An unknown one is the worst.
func outcomeRank(o finding.Outcome) int {
	return max(slices.Index(finding.OutcomesWorstFirst(), o), 0)
}

// severityRank orders severities from most urgent (0) to least. Findings without a
// severity rank first, because they may be urgent.
func severityRank(s policy.Severity) int {
	if s == policy.NoSeverity {
		return 0
	}
	return int(policy.Critical - s)
}

// retriedText says how an opening ended of which an earlier try, a lost answer or another
// edit is part of the story. It is "" for all others.
func (o *opening) retriedText() string {
	switch {
	case o.Outcome == finding.OutcomeRevoked && o.AnswerLost:
		return "Only this rule was removed (EC2's answer was lost): it is gone."
	case o.Outcome == finding.OutcomeRevoked && o.MaybeEarlier:
		return "An earlier try removed the rule, unless someone else did in between: it is gone."
	case o.EditedBack:
		return "Someone edited the rule again: it no longer has these values."
	default:
		return ""
	}
}

// withdrawn says that the policy allows a rule of which an earlier alert warned.
func (o *opening) withdrawn() string {
	return "Compliant after all: " + o.ruleOr("the rules of the call") + ". The policy allows it; an earlier alert of this event could not tell."
}

// needsNothing reports that the policy allows the rule.
func (o *opening) needsNothing() bool {
	return o.Outcome == finding.OutcomeExempt || o.Outcome == finding.OutcomeCompliant
}
