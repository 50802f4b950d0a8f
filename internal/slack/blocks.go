// Package slack posts alerts to an incoming webhook of Slack, as Block Kit messages within
// Slack's limits.
package slack

import (
	"strings"

	"github.com/slack-go/slack"

	"sgward/internal/alert"
	"sgward/internal/text"
)

// Slack's limits, in characters (https://docs.slack.dev/reference/block-kit/blocks). A
// message over one of them is refused whole.
const (
	maxHeader  = 150
	maxSection = 3000
	maxFields  = 10
	maxBlocks  = 50
	maxButton  = 75
	maxURL     = 3000
	maxButtons = 25

	// maxShort is the longest fact in a field, which has half the width; Slack's own limit
	// is 2000.
	maxShort = 170
)

// Message renders a card: a header, its facts as fields, its texts, links as buttons, and
// a line with severity and alert id.
func Message(c alert.Card) *slack.WebhookMessage {
	title := mark(c.Urgency) + escape(c.Title)
	blocks := []slack.Block{slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, text.Cut(title, maxHeader), true, false))}
	add := func(s string) {
		if s != "" {
			blocks = append(blocks, slack.NewSectionBlock(markdown(text.Cut(s, maxSection)), nil, nil))
		}
	}
	add(strings.Join(c.Lead, "\n"))
	var fields []*slack.TextBlockObject
	var long []string
	for _, f := range c.Facts {
		switch {
		case text.Units(f.Text) > maxShort:
			long = append(long, "*"+f.Name+"* "+f.Text)
		case len(fields) < maxFields:
			fields = append(fields, markdown("*"+f.Name+"*\n"+f.Text))
		}
	}
	if len(fields) > 0 {
		blocks = append(blocks, slack.NewSectionBlock(nil, fields, nil))
	}
	add(strings.Join(long, "\n"))
	var prose []string
	for _, p := range c.Text {
		if p.IsCode {
			add(strings.Join(prose, "\n"))
			add("```" + text.Cut(p.Text, maxSection-len("``````")) + "```")
			prose = nil
		} else {
			prose = append(prose, p.Text)
		}
	}
	add(strings.Join(prose, "\n"))
	blocks = blocks[:min(len(blocks), maxBlocks-2)]
	if buttons := buttonsOf(c.Links); len(buttons) > 0 {
		blocks = append(blocks, slack.NewActionBlock("", buttons...))
	}
	note := strings.Join(notEmpty("sgward", escape(c.Note), escape(c.ID)), " · ")
	blocks = append(blocks, slack.NewContextBlock("", markdown(note)))
	isOff := false
	return &slack.WebhookMessage{
		// Notifications and screen readers have this text alone.
		Text:        text.Cut(title, maxSection),
		Blocks:      &slack.Blocks{BlockSet: blocks},
		UnfurlLinks: &isOff, UnfurlMedia: &isOff,
	}
}

// plain is a message without blocks, for one whose blocks Slack refuses.
func plain(m *slack.WebhookMessage) *slack.WebhookMessage {
	return &slack.WebhookMessage{Text: m.Text + "\nSlack refused the rest of this alert: see the e-mail or the JSON form."}
}

func markdown(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, s, false, false)
}

func buttonsOf(links []alert.Link) []slack.BlockElement {
	var out []slack.BlockElement
	for _, l := range links {
		if len(l.URL) > maxURL || len(out) == maxButtons { // a truncated link leads nowhere
			continue
		}
		label := slack.NewTextBlockObject(slack.PlainTextType, text.Cut(escape(l.Text), maxButton), false, false)
		out = append(out, slack.NewButtonBlockElement("", "", label).WithURL(l.URL))
	}
	return out
}

// mark shows a card's state before its title.
func mark(s alert.Urgency) string {
	switch s {
	case alert.Open:
		return "🔴 "
	case alert.Warned:
		return "🟠 "
	case alert.Closed:
		return "✅ "
	case alert.Recurring:
		return "🔁 "
	default:
		return ""
	}
}

// escape escapes plain text (https://docs.slack.dev/messaging/formatting-message-text).
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func notEmpty(texts ...string) []string {
	var out []string
	for _, s := range texts {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}
