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
	isSweep   bool              // a digest, or the rules that a sweep closed, but not those of a call
	isDigest  bool              // of old events
	isExpiry  bool              // exceptions that end, without rules
	titles    []string          // from the most detailed to the shortest
	subjects  []string          // likewise
	openings  []opening         // all but exempt ones, most urgent first; the first maxListed have texts
	exempt    []opening         // likewise
	omitted   int               // findings left out of the JSON
	account   string            // the account's name, or ""
	severity  policy.Severity   // the highest severity
	outcome   finding.Outcome   // the worst
	links     []item            // console pages
	resources []string          // ARNs of groups
	facts     map[string]string // ids and words without markup
	footer    string
}

// newView computes the view of an alert that Complete has completed.
func newView(a *finding.Alert) *view {
	v := &view{alert: a, isSweep: a.Sweep != nil && !a.Sweep.UnnamedCall, isDigest: a.OldEvents > 0, isExpiry: a.IsExpiryNotice()}
	v.severity, v.outcome = worst(a)
	if finding.IsAccountName(a.AccountName) {
		v.account = a.AccountName
	}
	for i := range a.Findings {
		o := opening{Result: a.Findings[i]}
		o.accountID, o.region = placeOf(a, &a.Findings[i])
		if o.needsNothing() {
			v.exempt = append(v.exempt, o)
		} else {
			v.openings = append(v.openings, o)
		}
	}
	v.titles, v.subjects = v.headlines()
	for _, list := range [][]opening{v.openings, v.exempt} {
		for i := range first(list, maxListed) {
			list[i].describe(v)
		}
	}
	v.links, v.resources, v.facts = v.linksOf(), v.resourcesOf(), v.factsOf()
	v.footer = "Alert " + a.ID + " (sent again, it has the same id)"
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
		"severity": v.severity.String(), "outcome": string(v.outcome), "mode": string(v.alert.Mode), "alertId": v.alert.ID,
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

func pick(isFirst bool, one, other string) string {
	if isFirst {
		return one
	}
	return other
}
