package alert

import (
	"encoding/json"
	"fmt"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/text"
)

// The limits of a chat notification, in characters. AWS publishes none; these
// are Slack's for the blocks that Amazon Q Developer makes of it, with room.
const (
	maxTitle       = 150
	maxDescription = 2800
	maxStep        = 300
	maxSteps       = 5
)

// notification is the custom notification of Amazon Q Developer in chat
// applications (https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html).
// A message of any other shape is dropped there without a word.
type notification struct {
	Version  string               `json:"version"`
	Source   string               `json:"source"`
	ID       string               `json:"id"`
	Content  notificationContent  `json:"content"`
	Metadata notificationMetadata `json:"metadata"`
}

type notificationContent struct {
	TextType    string   `json:"textType"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	NextSteps   []string `json:"nextSteps,omitempty"`
	Keywords    []string `json:"keywords,omitempty"`
}

type notificationMetadata struct {
	// ThreadID keeps the repeats of one event in one thread.
	ThreadID            string            `json:"threadId"`
	Summary             string            `json:"summary"`
	EventType           string            `json:"eventType"`
	RelatedResources    []string          `json:"relatedResources,omitempty"`
	AdditionalContext   map[string]string `json:"additionalContext,omitempty"`
	EnableCustomActions bool              `json:"enableCustomActions"`
}

// chatBounds are tried in this order until the description fits; the last does,
// whatever the alert.
func chatBounds() []bounds {
	const line = 1200
	return []bounds{
		{listed: 5, detailed: 1, excepted: 1, exposed: 3, reasons: 4, text: 120, line: line},
		{listed: 3, detailed: 1, excepted: 1, exposed: 2, reasons: 2, text: 80, line: line},
		{listed: 3, detailed: 1, excepted: 0, exposed: 2, reasons: 2, text: 80, line: line},
		{listed: 2, detailed: 1, excepted: 0, exposed: 1, reasons: 1, text: 40, line: line},
		{listed: 2, detailed: 0, excepted: 0, exposed: 1, reasons: 1, text: 60, line: line},
		{listed: 1, detailed: 0, excepted: 0, exposed: 1, reasons: 1, text: 30, line: 0},
	}
}

// chat renders an alert as a notification.
func chat(a *finding.Alert) (string, error) {
	title := headline(a, maxTitle)
	n := notification{
		Version: "1.0", Source: "custom", ID: a.ID,
		Content: notificationContent{
			TextType: "client-markdown", Title: title, Description: description(a),
			NextSteps: nextSteps(a), Keywords: keywords(a),
		},
		Metadata: notificationMetadata{
			ThreadID: a.ID, Summary: title, EventType: "sgward.alert",
			RelatedResources: relatedResources(a), AdditionalContext: additionalContext(a),
			EnableCustomActions: true,
		},
	}
	text, err := marshal(n)
	if err != nil {
		return "", fmt.Errorf("encoding chat notification: %w", err)
	}
	return text, nil
}

func description(a *finding.Alert) string {
	out := ""
	for _, lim := range chatBounds() {
		out = renderChat(a, tell(voice{quote: chatQuote, cite: chatQuote}, a, lim), lim)
		if text.Units(out) <= maxDescription {
			return out
		}
	}
	return text.Cut(out, maxDescription)
}

// renderChat writes the sections in Slack's markup. Links are next steps.
func renderChat(a *finding.Alert, sections []section, lim bounds) string {
	var b strings.Builder
	for _, s := range sections {
		var body strings.Builder
		for _, it := range s.items {
			switch it.kind {
			case block:
				body.WriteString("```\n" + it.text + "\n```\n")
			case prose:
				body.WriteString(it.text + "\n")
			}
		}
		if body.Len() > 0 {
			b.WriteString("*" + s.title + "*\n" + body.String())
		}
	}
	openings, _ := openingsOf(a)
	if told := min(lim.detailed, lim.excepted); !isExpiryNotice(a) && (told < min(len(openings), 1) || lim.detailed < len(openings)) {
		b.WriteString("More commands and exceptions to paste are in the e-mail of this alert; its JSON form has what there was no room for.\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// nextSteps are what a reader does now, the links among them.
func nextSteps(a *finding.Alert) []string {
	if isExpiryNotice(a) {
		return []string{expiryStep}
	}
	openings, _ := openingsOf(a)
	var steps []string
	if len(openings) > 0 {
		steps = append(steps, firstStep(&openings[0], a.Sweep != nil))
	}
	for _, it := range whereToLook(a, openings).items {
		if it.kind == link {
			steps = append(steps, "<"+it.url+"|"+it.text+">")
		}
	}
	out := make([]string, 0, maxSteps)
	for _, step := range steps[:min(len(steps), maxSteps)] {
		// A link that is cut leads nowhere.
		if text.Units(step) <= maxStep {
			out = append(out, step)
		}
	}
	return out
}

func firstStep(o *opening, standing bool) string {
	switch {
	case o.Rule == nil && standing:
		return "Look at the group's rules: sgward could not understand all of them."
	case o.Rule == nil:
		return "Look at the event and at the group's rules: sgward does not know what was opened."
	case o.isFinal():
		return "Find the group by the CloudTrail event, and close the rule by hand."
	case o.Outcome == finding.OutcomeFailed:
		return "Close it by hand, then find out what keeps sgward from doing it."
	case o.Outcome == finding.OutcomeWouldRevoke:
		return "Decide whether it is meant to be open: close it, or add an exception before you switch to enforce mode."
	case o.Outcome == finding.OutcomeAlerted:
		return "Decide whether it is meant to be open: close it, or add an exception."
	case o.Edited:
		return "Find out what the rule allowed before the edit: whoever relied on that is cut off now."
	default:
		return "If it is meant to be open, add an exception to the policy first, then undo."
	}
}

func keywords(a *finding.Alert) []string {
	var out []string
	for _, word := range []string{worstSeverity(a).String(), string(worstOutcome(a)), string(a.Mode), a.Event.AccountID, a.Event.Region} {
		if isPlainName(word) {
			out = append(out, word)
		}
	}
	return out
}

// maxResources bounds the list of groups.
const maxResources = 5

func relatedResources(a *finding.Alert) []string {
	var out []string
	seen := map[string]bool{}
	openings, _ := openingsOf(a)
	for i := range openings {
		o := &openings[i]
		account, region := o.place(a)
		arn := groupARN(account, region, o.GroupID)
		if arn != "" && !seen[arn] && len(out) < maxResources {
			seen[arn] = true
			out = append(out, arn)
		}
	}
	return out
}

// additionalContext is what custom actions in the chat can use as variables: ids
// only, so that no stranger's text reaches a command.
func additionalContext(a *finding.Alert) map[string]string {
	out := map[string]string{}
	put := func(key, value string) {
		if isPlainName(value) {
			out[key] = value
		}
	}
	put("severity", worstSeverity(a).String())
	put("outcome", string(worstOutcome(a)))
	put("mode", string(a.Mode))
	put("accountId", a.Event.AccountID)
	put("region", a.Event.Region)
	put("eventId", a.Event.EventID)
	if openings, _ := openingsOf(a); len(openings) > 0 {
		put("groupId", openings[0].GroupID)
		if openings[0].Rule != nil {
			put("securityGroupRuleId", openings[0].Rule.ID)
		}
	}
	return out
}

// marshal encodes without escaping <, > and &, which SNS carries as they are.
// Maps are written in the order of their keys.
func marshal(v any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
