package alert

import (
	"fmt"
	"slices"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/text"
)

// section is a part of the text that people get, free of any medium's markup but
// for strangers' text, which the voice has quoted.
type section struct {
	title string
	items []item
}

// item is a sentence or two, a block to be copied as it is, or a link.
type item struct {
	kind itemKind
	text string
	url  string // of a link; text is then its label
}

type itemKind uint8

const (
	prose itemKind = iota
	block
	link
)

func (s *section) say(text string) {
	if text != "" {
		s.items = append(s.items, item{kind: prose, text: text})
	}
}

func (s *section) show(text string) { s.items = append(s.items, item{kind: block, text: text}) }

// bounds is how much of an alert a text tells.
type bounds struct {
	listed   int // openings and exempt rules that are listed, each
	detailed int // openings with their undo command and exception
	excepted int // of these, how many with the exception
	exposed  int // network interfaces
	reasons  int
	text     int // units of one text that a stranger chose
	line     int // bytes of a line that is to be copied as it is
}

// tell writes an alert down: what was open to whom and for how long, what was
// done and why, who did it from where, what was exposed, how to undo it, the
// exception to paste, links.
func tell(v voice, a *finding.Alert, lim bounds) []section {
	if isExpiryNotice(a) {
		return tellExpiry(v, a, lim)
	}
	if a.Sweep != nil {
		return tellSweep(v, a, lim)
	}
	openings, exempt := openingsOf(a)
	listed := openings[:min(len(openings), lim.listed)]
	out := []section{
		whatWasOpen(v, a, openings, listed, lim),
		whatWasDone(v, a, openings, listed, exempt, lim),
		{title: "Who did it"},
	}
	for _, line := range actor(v, a.Event, lim.text) {
		out[2].say(line)
	}
	detailed := listed[:min(len(listed), lim.detailed)]
	for _, s := range []section{
		whatWasExposed(v, a, openings, lim),
		howToClose(a, openings, detailed, lim), howToUndo(a, openings, detailed, lim),
		whatItWas(a, listed), howToAllow(a, openings, detailed, lim), whereToLook(a, listed),
	} {
		if len(s.items) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func whatWasOpen(v voice, a *finding.Alert, openings, listed []opening, lim bounds) section {
	s := section{title: whenOpen(openings)}
	for i := range listed {
		o := &listed[i]
		number := ""
		if len(openings) > 1 {
			number = fmt.Sprintf("%d. ", i+1)
		}
		out := number + o.sentence(v, lim.text)
		for _, more := range []string{o.detail(v, lim.text), o.together(v)} {
			if more != "" {
				out += " " + more
			}
		}
		s.say(out)
	}
	if len(openings) == 0 {
		s.say("Nothing that the policy forbids.")
	}
	if more := len(openings) - len(listed); more > 0 {
		s.say("And " + text.Plural(more, "more opening") + " that " + text.Agree(more, "is", "are") + " not listed here: " + counts(openings[len(listed):]) + ".")
	}
	s.say(entriesOf(v, a, lim))
	if a.FindingsOmitted > 0 {
		s.say(fmt.Sprintf("The JSON form of this alert lists %s of %s; for the others see the CloudTrail event and sgward's log.",
			text.Thousands(len(a.Findings)-a.FindingsOmitted), text.Plural(len(a.Findings), "finding")))
	}
	return s
}

// whenOpen is the title over a list of openings.
func whenOpen(openings []opening) string {
	closed := func(o opening) bool { return !stillOpen(o) }
	switch {
	case !slices.ContainsFunc(openings, stillOpen):
		return "What was open"
	case slices.ContainsFunc(openings, closed):
		return "What was open and what still is"
	default:
		return "What is open"
	}
}

func stillOpen(o opening) bool {
	return o.Outcome != finding.OutcomeRevoked && o.Outcome != finding.OutcomeAlreadyClosed
}

func whatWasDone(v voice, a *finding.Alert, openings, listed, exempt []opening, lim bounds) section {
	s := section{title: "What was done"}
	var done, reasons [][]string
	for i := range listed {
		o := &listed[i]
		done = append(done, []string{o.done(v, a, 2*lim.text)})
		var quoted []string
		deciding, others := o.deciding()
		label := "Policy: "
		if o.Rule == nil { // nothing was judged
			label = "Reason: "
		}
		for _, r := range deciding {
			quoted = append(quoted, label+v.cite(r.String(), 2*lim.text))
		}
		if others > 0 {
			quoted = append(quoted, text.Plural(others, "more statement")+" of the policy "+text.Agree(others, "applies", "apply")+" to it.")
		}
		reasons = append(reasons, quoted)
	}
	// Where a text stands for several, it says so.
	for _, out := range grouped(done) {
		if len(listed) > 1 && strings.HasPrefix(out, "sgward") {
			out = "Each of them: " + out
		}
		s.say(out)
	}
	lines := grouped(reasons)
	for _, out := range lines[:min(len(lines), lim.reasons)] {
		s.say(out)
	}
	if more := len(lines) - lim.reasons; more > 0 {
		s.say("And " + text.Plural(more, "more reason") + " of the policy.")
	}
	for i := range exempt[:min(len(exempt), lim.listed)] {
		s.say(exempt[i].allowed(v, lim.text))
	}
	if more := len(exempt) - lim.listed; more > 0 {
		s.say("And " + text.Plural(more, "more rule") + " that exceptions allow.")
	}
	if len(openings) == 0 && len(exempt) == 0 {
		s.say("Nothing.")
	}
	return s
}

// allowed says in one line which exception covers an exempt rule.
func (o *opening) allowed(v voice, limit int) string {
	text := "Allowed: " + o.what() + ", " + o.who(v) + ", in " + v.group(o.GroupID, o.GroupName, limit)
	if x := o.Exception; x != nil {
		text += ", by exception " + v.name(x.ID, limit) + " of " + v.quote(x.Owner, limit) + " until " + v.id(x.Expires)
		if x.ByTag {
			return text + ". It rests on tags of the group. Who set them this event does not show: CloudTrail's CreateTags and " +
				"CreateSecurityGroup events of the group do (aws cloudtrail lookup-events)."
		}
	}
	return text + "."
}

func whatWasExposed(v voice, a *finding.Alert, openings []opening, lim bounds) section {
	s := section{title: "What was exposed"}
	if len(openings) == 0 {
		return s
	}
	groups := len(groupsOf(openings))
	used := text.Agree(groups, "the group", "the groups")
	switch {
	case len(a.Exposed) > 0:
		s.say(text.Plural(len(a.Exposed), "network interface") + " " + text.Agree(len(a.Exposed), "uses", "use") + " " + used + ":")
	case a.Exposed != nil && a.ExposedError == "":
		s.say("No network interface uses " + used + " at present.")
	case a.Exposed != nil:
		s.say("No network interface was found that uses " + used + ".")
	case a.ExposedError == "":
		s.say("Not looked up.")
	}
	for _, n := range a.Exposed[:min(len(a.Exposed), lim.exposed)] {
		s.say(exposure(v, n, groups > 1, lim.text))
	}
	if more := len(a.Exposed) - lim.exposed; more > 0 {
		s.say("And " + text.Thousands(more) + " more.")
	}
	switch {
	case a.ExposedError != "" && a.Exposed != nil:
		s.say("This is not all: " + v.quote(a.ExposedError, 2*lim.text) + ".")
	case a.ExposedError != "":
		s.say("Reading the interfaces that use the group did not work: " + v.quote(a.ExposedError, 2*lim.text) + ".")
	}
	return s
}

// groupsOf returns the groups that openings are in.
func groupsOf(openings []opening) map[string]bool {
	out := map[string]bool{}
	for i := range openings {
		out[openings[i].GroupID] = true
	}
	return out
}

// maxAddresses bounds the public addresses of one interface that a text lists.
const maxAddresses = 3

func exposure(v voice, n finding.Interface, namesGroup bool, limit int) string {
	out := "- " + v.id(n.ID)
	if n.InstanceID != "" {
		out += " of " + v.id(n.InstanceID)
	}
	var public []string
	for _, address := range n.PublicAddresses() {
		public = append(public, v.address(address))
	}
	if len(public) > 0 {
		out += ", PUBLIC " + text.Agree(len(public), "address ", "addresses ") + text.First(public, maxAddresses, ", ")
	} else {
		out += ", no public address"
	}
	if n.PrivateIP != "" {
		out += ", private " + v.address(n.PrivateIP)
	}
	if namesGroup && n.GroupID != "" {
		out += ", in " + v.id(n.GroupID)
	}
	if n.Description != "" {
		out += ", " + v.quote(n.Description, limit)
	}
	return out
}

// counts says how many openings have which outcome, worst first.
func counts(openings []opening) string {
	words := map[finding.Outcome]string{
		finding.OutcomeFailed: "not closed", finding.OutcomeWouldRevoke: "would be closed", finding.OutcomeAlerted: "left open",
		finding.OutcomeRevoked: "closed", finding.OutcomeAlreadyClosed: "already closed", finding.OutcomeExempt: "exempt",
	}
	n := map[finding.Outcome]int{}
	for i := range openings {
		n[openings[i].Outcome]++
	}
	var parts []string
	for _, o := range finding.OutcomesWorstFirst() {
		if n[o] > 0 {
			parts = append(parts, text.Thousands(n[o])+" "+words[o])
		}
	}
	return strings.Join(parts, ", ")
}
