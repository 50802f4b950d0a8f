package alert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

// howToClose shows the commands that close what is still open.
func howToClose(a *finding.Alert, openings, detailed []opening, lim bounds) section {
	s := section{title: "To close it by hand"}
	for i := range detailed {
		o := &detailed[i]
		if o.Rule == nil || !stillOpen(*o) {
			continue
		}
		account, region := o.place(a)
		s.command("To close"+numbered(i, openings)+" yourself, if it still is as judged:",
			closeArguments(account, region, o.GroupID, *o.Rule), lim.line)
	}
	return s
}

// howToUndo shows the commands that put back what was closed, or what a person
// closes in observe mode.
func howToUndo(a *finding.Alert, openings, detailed []opening, lim bounds) section {
	s := section{title: "Undo"}
	undone := false
	for i := range detailed {
		o := &detailed[i]
		if o.Rule == nil || stillOpen(*o) && o.Outcome != finding.OutcomeWouldRevoke {
			continue
		}
		intro := "To put" + numbered(i, openings) + " back exactly as it was, description and tags included:"
		switch {
		case o.Outcome == finding.OutcomeWouldRevoke:
			intro = "If you close" + numbered(i, openings) + " and regret it, this puts it back:"
		case o.Edited:
			intro = "To put" + numbered(i, openings) + " back as the edit left it, description and tags included:"
		}
		undone = undone || !stillOpen(*o)
		account, region := o.place(a)
		s.command(intro, undoArguments(account, region, o.GroupID, *o.Rule, "\n  "), lim.line)
		if slices.ContainsFunc(o.Rule.Tags, secgroup.Tag.IsOwnedByAWS) {
			s.say("Tags that begin with aws: are missing from it: only AWS can set them.")
		}
		if o.Edited {
			s.say("This is not what the rule was before the edit: see below.")
		}
	}
	if undone {
		account := "the account"
		if isIdentifier(a.Event.AccountID) {
			account += " " + a.Event.AccountID
		}
		s.say("Run it with credentials of " + account + ": sgward itself has no permission to open anything. " +
			"While the policy forbids the rule, sgward will close it again within seconds: add an exception first.")
	}
	return s
}

// numbered names the opening in commands where there are several.
func numbered(i int, openings []opening) string {
	if len(openings) < 2 {
		return " it"
	}
	return " " + strconv.Itoa(i+1)
}

// command shows a command to copy, or says why there is none.
func (s *section) command(intro string, args []string, line int) {
	if args == nil {
		s.say(strings.TrimSuffix(intro, ":") + ", there is no command: the record does not tell enough of the rule.")
		return
	}
	text := fold(args)
	for part := range strings.SplitSeq(text, "\n") {
		if len(part) > line {
			s.say(strings.TrimSuffix(intro, ":") + ", the command is too long for this text; it is in the JSON form of this alert, as \"undo\".")
			return
		}
	}
	s.say(intro)
	s.show(text)
}

// whatItWas says of edited rules how to find out what they were: a record of
// ModifySecurityGroupRules holds the new values only.
func whatItWas(a *finding.Alert, listed []opening) section {
	s := section{title: "What the rule was before the edit"}
	for i := range listed {
		o := &listed[i]
		if !o.Edited || o.Rule == nil {
			continue
		}
		_, region := o.place(a)
		name := "AuthorizeSecurityGroupIngress"
		if o.isEgress() {
			name = "AuthorizeSecurityGroupEgress"
		}
		history, lookup := groupHistory(region, o.GroupID), lookupRule(region, name, o.Rule.ID)
		s.say("CloudTrail records an edit without the old values, so sgward cannot put them back.")
		if history != nil {
			s.say("If AWS Config records security groups here, it knows them:")
			s.show(fold(history))
		}
		if lookup != nil {
			s.say("Else look in the last 90 days for the call that made the rule, and for earlier edits with EventName ModifySecurityGroupRules:")
			s.show(fold(lookup))
		}
		// One example serves: the commands differ by the ids only.
		break
	}
	return s
}

// howToAllow shows the exceptions to paste.
func howToAllow(a *finding.Alert, openings, detailed []opening, lim bounds) section {
	s := section{title: "If this is meant to be open"}
	for i := range detailed[:min(len(detailed), lim.excepted)] {
		text := Exception(a.Event, detailed[i].Finding)
		tooLong := func(line string) bool { return len(line) > lim.line }
		if text == "" || slices.ContainsFunc(strings.Split(text, "\n"), tooLong) { // only a forged id is so long
			continue
		}
		if len(s.items) == 0 {
			s.say(fmt.Sprintf("Paste this under exceptions: in policy.yaml; "+
				"fill in reason and owner, have it reviewed, deploy. It ends after %d days.", exceptionDays))
		}
		if len(openings) > 1 {
			s.say(fmt.Sprintf("For %d:", i+1))
		}
		s.show(strings.TrimSuffix(text, "\n"))
	}
	return s
}

// whereToLook lists console pages, and a command where there is no page.
func whereToLook(a *finding.Alert, listed []opening) section {
	s := section{title: "Links"}
	seen := map[string]bool{}
	for i := range listed {
		o := &listed[i]
		_, region := o.place(a)
		url := groupURL(region, o.GroupID)
		if url != "" && !seen[url] && len(seen) < maxLinkedGroups {
			seen[url] = true
			s.items = append(s.items, item{kind: link, text: "Security group " + o.GroupID, url: url})
		}
	}
	if a.Sweep != nil { // which CloudTrail does not know
		return s
	}
	if url := eventURL(a.Event.Region, a.Event.EventID); url != "" {
		s.items = append(s.items, item{kind: link, text: "CloudTrail event " + a.Event.EventID, url: url})
	}
	if len(seen) > 0 {
		return s
	}
	// Without a group to look at, the event is all there is.
	if lookup := lookupEvent(a.Event.Region, a.Event.EventID); lookup != nil {
		s.say("To see the whole event (the console and CloudTrail's look-up know it after some minutes):")
		s.show(fold(lookup))
	}
	return s
}

// maxLinkedGroups bounds the links: one call changes one group.
const maxLinkedGroups = 3
