package alert

import (
	"maps"
	"strconv"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
)

// view holds every fact and text for people, computed once for all media. Untrusted text
// is enclosed in marks (quote.go).
type view struct {
	alert     *finding.Alert
	isSweep   bool              // a digest, or the rules that a sweep closed
	isDigest  bool              // of old events
	isExpiry  bool              // exceptions that end, without rules
	headlines []string          // one line, from the most detailed to the shortest
	openings  []opening         // all but exempt ones, most urgent first; the first maxListed have texts
	exempt    []opening         // likewise
	omitted   int               // findings left out of the JSON
	place     string            // ", account 123456789012 us-east-1", or ""
	severity  policy.Severity   // the highest severity
	outcome   finding.Outcome   // the worst
	nextStep  string            // the first step, or ""
	links     []item            // console pages
	resources []string          // ARNs of groups
	facts     map[string]string // ids and words without markup
	footer    string
}

// newView computes the view of an alert that Complete has completed.
func newView(a *finding.Alert) *view {
	v := &view{alert: a, isSweep: a.Sweep != nil, isDigest: a.OldEvents > 0, isExpiry: isExpiryNotice(a)}
	v.severity, v.outcome = worst(a)
	for i := range a.Findings {
		o := opening{Result: a.Findings[i]}
		o.accountID, o.region = placeOf(a, &a.Findings[i])
		if o.Outcome == finding.OutcomeExempt {
			v.exempt = append(v.exempt, o)
		} else {
			v.openings = append(v.openings, o)
		}
	}
	if isIdentifier(a.Event.AccountID) && isIdentifier(a.Event.Region) {
		v.place = ", account " + a.Event.AccountID + " " + a.Event.Region
	}
	v.headlines = v.headlinesOf()
	for _, list := range [][]opening{v.openings, v.exempt} {
		for i := range first(list, maxListed) {
			list[i].describe(v)
		}
	}
	v.nextStep, v.links, v.resources, v.facts = v.nextStepOf(), v.linksOf(), v.resourcesOf(), v.factsOf()
	v.footer = "Alert " + a.ID + " (repeats carry the same id)"
	if digits, ok := strings.CutPrefix(a.PolicyDigest, "sha256:"); ok && isIdentifier(digits) {
		// People need no more digits to tell two policies apart.
		v.footer += ", policy sha256:" + digits[:min(len(digits), 12)]
	}
	return v
}

// factsOf returns the ids and words that chat shows as keywords and that its custom
// actions can use as variables. They hold no untrusted text, so none reaches a command.
func (v *view) factsOf() map[string]string {
	e := v.alert.Event
	facts := map[string]string{
		"severity": v.severity.String(), "outcome": string(v.outcome), "mode": string(v.alert.Mode),
		"accountId": e.AccountID, "region": e.Region, "eventId": e.EventID,
	}
	if len(v.openings) > 0 {
		facts["groupId"] = v.openings[0].GroupID
		if rule := v.openings[0].Rule; rule != nil {
			facts["securityGroupRuleId"] = rule.ID
		}
	}
	maps.DeleteFunc(facts, func(_, value string) bool { return !isPlainName(value) })
	return facts
}

func (v *view) listed(lim limits) []opening { return first(v.openings, lim.listed) }

// detailed are the listed openings with commands in a text.
func (v *view) detailed(lim limits) []opening {
	return first(v.listed(lim), lim.commands)
}

// numbered names an opening in commands.
func (v *view) numbered(i int) string {
	if len(v.openings) < 2 {
		return "it"
	}
	return strconv.Itoa(i + 1)
}
