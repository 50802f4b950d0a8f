package alert

import (
	"fmt"
	"strings"

	"sgward/internal/text"
)

// notification is the custom notification of Amazon Q Developer in chat applications
// (https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html). It silently
// drops messages of any other shape.
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

// chat is the medium of a notification's description, in Slack's markup.
func chat() medium {
	return medium{
		sections: append(everything(), (*view).elsewhere),
		limits:   limits{listed: 5, commands: 1, excepted: 1, exposed: 3, reasons: 4, untrusted: 120, line: 1200},
		quotes:   quotes{text: chatQuote, policy: chatQuote},
		print:    printChat,
		size:     text.Units, most: maxDescription,
	}
}

// printChat leaves out links, which are next steps.
func printChat(_ *view, sections []section) string {
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
		if s.title != "" && body.Len() > 0 {
			b.WriteString("*" + s.title + "*\n")
		}
		b.WriteString(body.String())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// notificationOf encodes a view as a notification.
func notificationOf(v *view) (string, error) {
	id, title := v.alert.ID, v.headline(maxTitle)
	n := notification{
		Version: "1.0", Source: "custom", ID: id,
		Content: notificationContent{TextType: "client-markdown", Title: title, Description: chat().text(v), NextSteps: nextSteps(v)},
		Metadata: notificationMetadata{
			ThreadID: id, Summary: title, EventType: "sgward.alert",
			RelatedResources: v.resources, AdditionalContext: v.facts, EnableCustomActions: true,
		},
	}
	for _, key := range []string{"severity", "outcome", "mode", "accountId", "region"} {
		if word := v.facts[key]; word != "" {
			n.Content.Keywords = append(n.Content.Keywords, word)
		}
	}
	out, err := marshal(n)
	if err != nil {
		return "", fmt.Errorf("encoding chat notification: %w", err)
	}
	return out, nil
}

// nextSteps are the first step and the links.
func nextSteps(v *view) []string {
	var steps []string
	if v.nextStep != "" {
		steps = append(steps, v.nextStep)
	}
	for _, it := range v.links {
		// A truncated link leads nowhere.
		if step := "<" + it.url + "|" + it.text + ">"; it.kind == link && text.Units(step) <= maxStep {
			steps = append(steps, step)
		}
	}
	return first(steps, maxSteps)
}
