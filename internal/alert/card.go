package alert

import (
	"encoding/json"
	"net/url"
	"strings"

	"sgward/internal/awsid"
	"sgward/internal/finding"
	"sgward/internal/text"
)

// Card is an alert in parts, for a chat that shows fields and buttons. Its texts are in
// Slack's markup, with untrusted text as code; Title and names are plain.
type Card struct {
	ID      string // of the alert; "" for other messages
	Title   string
	Urgency Urgency
	Lead    []string // before the facts
	Facts   []Fact
	Text    []Paragraph // after them
	Links   []Link
	Note    string // "critical"
}

// Fact is a short text under a name: "Who".
type Fact struct{ Name, Text string }

// Paragraph is a text, or a block to be copied as it is.
type Paragraph struct {
	Text   string
	IsCode bool
}

// Link is a page with a label.
type Link struct{ Text, URL string }

// Urgency says at a glance whether something is open, and needs people.
type Urgency uint8

// The urgencies. The zero value is that of messages that are not about openings.
const (
	Unknown Urgency = iota
	Open
	Warned // open, and alerted only
	Closed
	Recurring // closed, and made again and again: people have to stop it
)

// CardOf returns the card of a message of the alert topic: of an alert by its machine
// JSON, of a CloudWatch alarm, or of any other text, such as an alert of another version.
func CardOf(subject, message string) Card {
	if a, err := finding.ReadAlert([]byte(message)); err == nil && a.ID != "" {
		return cardOf(*a)
	}
	var alarm cloudWatchAlarm
	if err := json.Unmarshal([]byte(message), &alarm); err == nil && alarm.Name != "" {
		return alarm.card()
	}
	title := text.Shown(subject, maxTitle)
	if title == "" {
		title = "Message"
	}
	return Card{Title: title, Lead: []string{chatQuote(message, maxDescription)}}
}

func cardOf(a finding.Alert) Card {
	a = bounded(Complete(a))
	v := newView(&a)
	c := Card{ID: text.Shown(a.ID, maxShownID), Title: v.title(), Note: v.severity.String()}
	switch v.outcome {
	case finding.OutcomeFailed, finding.OutcomeWouldRevoke:
		c.Urgency = Open
	case finding.OutcomeAlerted:
		c.Urgency = Warned
	case finding.OutcomeRevoked, finding.OutcomeAlreadyClosed:
		c.Urgency = Closed
	}
	m := chat()
	for _, s := range m.filled(v, m.limits) {
		c.add(s)
	}
	switch v.repeat() {
	case repeatEscalated:
		if c.Urgency == Closed {
			c.Urgency = Recurring
		}
	case repeatAgain:
		c.shortened()
	}
	return c
}

// add adds a section.
func (c *Card) add(s section) {
	switch {
	case s.isFact:
		var lines []string
		for _, it := range s.items {
			lines = append(lines, it.text)
		}
		c.Facts = append(c.Facts, Fact{s.title, strings.Join(lines, "\n")})
		return
	case s.title == "":
		for _, it := range s.items {
			c.Lead = append(c.Lead, it.text)
		}
		return
	}
	for i, it := range s.items {
		switch {
		case it.kind == link:
			c.Links = append(c.Links, Link{it.text, it.url})
			continue
		case i == 0 && it.kind == prose:
			it.text = "*" + s.title + "* " + it.text
		case i == 0:
			c.Text = append(c.Text, Paragraph{Text: "*" + s.title + "*"})
		}
		c.Text = append(c.Text, Paragraph{Text: it.text, IsCode: it.kind == block})
	}
}

// cloudWatchAlarm is the message of an alarm, as far as a card shows it.
type cloudWatchAlarm struct {
	Name        string `json:"AlarmName"`
	Description string `json:"AlarmDescription"`
	ARN         string `json:"AlarmArn"`
	AccountID   string `json:"AWSAccountId"`
	State       string `json:"NewStateValue"` // ALARM, OK or INSUFFICIENT_DATA
	Reason      string `json:"NewStateReason"`
}

func (a *cloudWatchAlarm) card() Card {
	c := Card{Title: "CloudWatch alarm", Note: "alarm"}
	// These texts are the account's own: escaped, they need no quotes.
	escaped := func(s string) string { return strings.Trim(chatQuote(s, maxDescription/2), "`") }
	switch a.State {
	case "ALARM":
		c.Title, c.Urgency = "Alarm: sgward needs you", Open
	case "OK":
		c.Title, c.Urgency = "Alarm is over", Closed
	}
	where := name(a.Name)
	region := ""
	if arn, _ := awsid.ParseARN(a.ARN); strings.Contains(arn.Resource, ":") && isIdentifier(arn.Region) {
		region = arn.Region
		where += ", " + region
	}
	if isIdentifier(a.AccountID) {
		where += ", account " + a.AccountID
	}
	c.Facts = append(c.Facts, Fact{"Alarm", chat().quotes.show(where, maxShownID)})
	if a.Description != "" {
		c.Facts = append(c.Facts, Fact{"What to do", escaped(a.Description)})
	}
	if a.Reason != "" {
		c.Text = append(c.Text, Paragraph{Text: escaped(a.Reason)})
	}
	if p, ok := text.PartitionOf(region); ok && p.ConsoleHost(region) != "" {
		c.Links = append(c.Links, Link{"Alarm", "https://" + p.ConsoleHost(region) + "/cloudwatch/home?region=" + region + "#alarmsV2:alarm/" + url.PathEscape(a.Name)})
	}
	return c
}
