// Package logline names the lines in the functions' logs that sgward itself reads back: sweep
// learns from detect's log which openings had an event, and doctor and its self-test follow an
// event through all logs. Metric filters, saved queries and docs name the same words.
package logline

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// The messages that are read back.
const (
	Judged         = "judged"          // of detect, one for each event; of hook, one for each request
	AlertPublished = "alert published" // of remediate and sweep
	SweepCompleted = "sweep completed"
	MemoryFailed   = "memory failed" // of sweep
)

// The attributes that are read back.
const (
	Decision     = "decision"
	EventID      = "eventId"
	EventName    = "eventName"
	GroupID      = "groupId"
	Findings     = "findings" // their number
	RuleIDs      = "securityGroupRuleIds"
	StatementIDs = "statementIds"
)

// mostFindings is the number of findings that a line lists.
const mostFindings = 10

// OfFindings returns the attributes of a call's n findings: their number and, of the first ten,
// the rules, the deciding statements and the reasons. at returns the i-th finding. rules is
// the name of the attribute with the rules, and nameOf what it holds of each.
func OfFindings(n int, at func(i int) *finding.Finding, rules string, nameOf func(*secgroup.Rule) string) []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 4), slog.Int(Findings, n))
	if n == 0 {
		return attrs
	}
	var names, statements, reasons []string
	for i := range min(n, mostFindings) {
		f := at(i)
		if f.Rule != nil {
			names = append(names, nameOf(f.Rule))
		}
		statements = append(statements, f.StatementID)
		reasons = append(reasons, policy.Texts(f.Reasons)...)
	}
	return append(attrs, slog.Any(rules, names), slog.Any(StatementIDs, statements), slog.Any("reasons", reasons))
}

// Where returns the filter pattern of CloudWatch Logs for the lines with a value of an
// attribute.
func Where(attribute, value string) string { return fmt.Sprintf("{ $.%s = %q }", attribute, value) }

// WhereMessage returns the filter pattern for the lines with a message.
func WhereMessage(message string) string { return Where("message", message) }

// Is reports whether a line of a log has a message. The platform's own lines have none.
func Is(line, message string) bool {
	var read struct {
		Message string `json:"message"`
	}
	return json.Unmarshal([]byte(line), &read) == nil && read.Message == message
}

// JudgedLine is detect's line about an event.
type JudgedLine struct {
	Message   string `json:"message"` // Judged
	Decision  string `json:"decision"`
	EventID   string `json:"eventId"`
	EventName string `json:"eventName"`
	GroupID   string `json:"groupId"` // "" if the event names the group by its name, or not at all
	Findings  int    `json:"findings"`
	// RuleIDs are the ids of the first ten findings' rules, "" where the event lacks one. A
	// finding without a rule has none here. StatementIDs decided these findings.
	RuleIDs      []string `json:"securityGroupRuleIds"`
	StatementIDs []string `json:"statementIds"`
}

// ReadJudged reads detect's line about an event; ok is false if a line is another.
func ReadJudged(line string) (read JudgedLine, ok bool) {
	if json.Unmarshal([]byte(line), &read) != nil || read.Message != Judged {
		return JudgedLine{}, false
	}
	return read, true
}
