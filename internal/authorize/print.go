package authorize

import (
	"fmt"
	"strings"
	"time"

	"sgward/internal/alert"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// GroupText names a group: "sg-0123456789abcdef0 "web", account 123456789012,
// us-east-1".
func GroupText(id, name, account, region string) string {
	out := id
	if name != "" {
		out += fmt.Sprintf(" %q", text.Visible(name))
	}
	return out + ", account " + account + ", " + region
}

// RuleText describes a rule, with its description and tags, which are untrusted.
func RuleText(r secgroup.Rule) string {
	out := r.Permission.String()
	if r.Description != "" {
		out += fmt.Sprintf(" %q", text.Visible(r.Description))
	}
	for _, tag := range r.Tags {
		out += fmt.Sprintf(" %q", text.Visible(tag.Key+"="+tag.Value))
	}
	return out
}

// ReasonsText prints reasons on one line.
func ReasonsText(reasons []policy.Reason) string {
	return text.Visible(strings.Join(policy.Texts(reasons), "; "))
}

// Terms are the terms of an exception to paste.
type Terms = alert.Terms

// Exception returns the exception to paste for a rule that is about to be opened; "" if
// there is none. Without an end in its terms, it ends 30 days from now.
func Exception(f finding.Finding, now time.Time, terms Terms) string {
	return alert.ExceptionOn(terms, cloudtrail.Event{EventTime: now}, f)
}
