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
	Keywords    []string `json:"keywords,omitempty"`
}

type notificationMetadata struct {
	// ThreadID keeps the alerts of one event in one thread, and those of one opening that is
	// made again and again.
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
		sections: brief(),
		limits:   limits{listed: 5, commands: 1, untrusted: 120, line: 1200},
		quotes:   quotes{text: chatQuote, policy: chatQuote},
		print:    printChat,
		size:     text.Units, most: maxDescription,
	}
}

func printChat(_ *view, sections []section) string {
	var b strings.Builder
	for _, s := range sections {
		if s.title != "" && s.title != linksTitle {
			b.WriteString("*" + s.title + "*" + pick(s.items[0].kind == prose, " ", "\n"))
		}
		for i, it := range s.items {
			switch it.kind {
			case block:
				b.WriteString("```\n" + it.text + "\n```\n")
			case link:
				b.WriteString("<" + it.url + "|" + it.text + ">" + pick(i < len(s.items)-1, " · ", "\n"))
			default:
				b.WriteString(it.text + "\n")
			}
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// notificationOf encodes a view as a notification.
func notificationOf(v *view) (string, error) {
	id, title := v.alert.ID, v.title()
	n := notification{
		Version: "1.0", Source: "custom", ID: id,
		Content: notificationContent{TextType: "client-markdown", Title: title, Description: chat().text(v)},
		Metadata: notificationMetadata{
			ThreadID: v.thread(), Summary: title, EventType: "sgward.alert",
			RelatedResources: v.resources, AdditionalContext: v.facts, EnableCustomActions: true,
		},
	}
	for _, key := range []string{"severity", "outcome", "region", "alertId"} {
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
