package alert

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
)

// textsOf are all texts of a card.
func textsOf(c Card) string {
	out := append([]string{c.Title, c.Note}, c.Lead...)
	for _, f := range c.Facts {
		out = append(out, f.Name+" "+f.Text)
	}
	for _, p := range c.Text {
		out = append(out, p.Text)
	}
	for _, l := range c.Links {
		out = append(out, l.Text+" "+l.URL)
	}
	return strings.Join(out, "\n")
}

func TestACardSaysWhatTheNotificationSays(t *testing.T) {
	for _, s := range scenarios() {
		m := messageOf(t, s.alert)
		if decoded(t, m).FindingsOmitted > 0 {
			continue
		}
		c, n := CardOf(m.Subject, m.Default), chatOf(t, m).Content
		require.Equal(t, n.Title, c.Title, s.name)
		require.Equal(t, n.Keywords[len(n.Keywords)-1], c.ID)
		said := textsOf(c)
		for _, f := range c.Facts {
			assert.Contains(t, n.Description, "*"+f.Name+"* "+f.Text, s.name)
		}
		for _, p := range c.Text {
			assert.Contains(t, n.Description, p.Text, s.name)
		}
		for _, line := range strings.Split(n.Description, "\n") {
			if s.name == "closed-again" {
				continue // TestTheCardOfARepeatIsShort
			}
			if plain, _, isLink := strings.Cut(line, "<https"); !isLink && !strings.Contains(line, "```") && !strings.HasPrefix(line, "*") {
				assert.Contains(t, said, plain, s.name)
			}
		}
	}
}

func TestStatesAreSeenAtAGlance(t *testing.T) {
	for outcome, want := range map[finding.Outcome]Urgency{
		finding.OutcomeFailed: Open, finding.OutcomeWouldRevoke: Open, finding.OutcomeAlerted: Warned,
		finding.OutcomeRevoked: Closed, finding.OutcomeAlreadyClosed: Closed, finding.OutcomeExempt: Unknown,
	} {
		assert.Equal(t, want, CardOf("", messageOf(t, alertOf(result(outcome, tcp(22, "0.0.0.0/0")))).Default).Urgency, outcome)
	}
}

func TestACardCountsWhatItsMessageLeavesOut(t *testing.T) {
	m := messageOf(t, thousandRules())
	c := CardOf(m.Subject, m.Default)
	assert.Contains(t, c.Title, ", and 999 more")
	assert.Contains(t, strings.Join(c.Lead, "\n"), "And 995 more.")
}

func TestOtherMessagesOfTheTopicHaveCardsToo(t *testing.T) {
	alarm := CardOf("ALARM: x", `{"AlarmName":"a/b <!here>","AlarmDescription":"sgward: all retries <!channel> failed","AWSAccountId":"123456789012",
		"NewStateValue":"ALARM","NewStateReason":"Threshold Crossed","AlarmArn":"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:a/b"}`)
	assert.Equal(t, "Alarm: sgward needs you", alarm.Title)
	assert.Equal(t, Open, alarm.Urgency)
	assert.Equal(t, []Link{{"Alarm", "https://console.aws.amazon.com/cloudwatch/home?region=eu-central-1#alarmsV2:alarm/a%2Fb%20%3C%21here%3E"}}, alarm.Links)
	assert.Contains(t, textsOf(alarm), "all retries &lt;!channel&gt; failed")
	assert.Equal(t, Closed, CardOf("", `{"AlarmName":"x","NewStateValue":"OK"}`).Urgency)

	for _, message := range []string{"<!channel> hello", `{"schemaVersion":"2","id":"a-1"}`, `{"schemaVersion":"1"}`, `{"a":`, "", "null", "[]"} {
		c := CardOf("subject", message)
		assert.Equal(t, "subject", c.Title)
		assert.Equal(t, []string{chatQuote(message, maxDescription)}, c.Lead, "whole, and quoted")
	}
	assert.Equal(t, "Message", CardOf("", "x").Title)
}

func TestOwnersAreAttributesToRouteBy(t *testing.T) {
	one, two := result(finding.OutcomeRevoked, tcp(22, "0.0.0.0/0")), result(finding.OutcomeRevoked, tcp(23, "0.0.0.0/0"))
	one.Owner, two.Owner = "web team", "data"
	m := messageOf(t, alertOf(one, two))
	assert.Contains(t, m.Attributes, Attribute{"owner", "String.Array", `["data","web team"]`})
	assert.LessOrEqual(t, len(m.Attributes), 10, "what SNS delivers to SQS as it is")
	assert.Contains(t, m.Email, "owner \"web team\"")
}

func FuzzCard(f *testing.F) {
	for _, s := range hostileTexts() {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, subject, message string) {
		for _, c := range []Card{CardOf(subject, message), CardOf(subject, `{"AlarmName":`+jsonString(message)+`,"NewStateReason":`+jsonString(subject)+`}`)} {
			said := strings.Join(append(c.Lead, textsOf(Card{Facts: c.Facts, Text: c.Text})), "\n")
			require.NotContains(t, said, "<!")
			require.NotContains(t, said, " @here")
		}
	})
}
