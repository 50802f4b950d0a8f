package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// sarifWriter writes SARIF 2.1.0
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html) in one run. The
// results are streamed; the tool, whose rules are the statements that occurred, follows
// them, which JSON allows. It holds one group, a line for each statement, and at most
// reservedResults encoded results.
//
// A result is located at the deciding line of the policy, since code scanning shows
// results beside files of a repository, and logically at the rule's or group's ARN. GitHub
// refuses runs of more than 25,000 results, and shows 5,000 of them
// (https://docs.github.com/en/code-security/code-scanning/troubleshooting-sarif-uploads/results-exceed-limit).
type sarifWriter struct {
	out   *bufio.Writer
	run   Run
	rules []sarifRule
	index map[string]int // of rules, by id
	plain *strings.Replacer
	err   error

	written int      // results
	held    [][]byte // encoded results that are not errors, written last if there is room
	leftOut int      // results
}

const (
	// maxResults is the number of results that GitHub takes.
	maxResults = 25_000
	// reservedResults of them are for errors, as long as there may be any.
	reservedResults = 5_000
)

// Rules of sgward's own, beside the statements. No statement's id has a slash.
const (
	unsettledRule = "sgward/unsettled" // a finding that no statement decided
	noteRule      = "sgward/note"      // Group.Notes
)

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID               string         `json:"id"`
	ShortDescription sarifText      `json:"shortDescription"`
	FullDescription  sarifText      `json:"fullDescription"`
	Help             sarifText      `json:"help"`
	HelpURI          string         `json:"helpUri,omitempty"`
	Configuration    sarifLevel     `json:"defaultConfiguration"`
	Properties       sarifRuleProps `json:"properties"`
	urgency          int
}

type sarifLevel struct {
	Level string `json:"level"`
}

type sarifRuleProps struct {
	// GitHub ranks by this number and filters by the tag.
	SecuritySeverity string   `json:"security-severity,omitempty"`
	Precision        string   `json:"precision"`
	Tags             []string `json:"tags"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints sarifFingerprints  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions"` // never null: all results have the member or none
	Properties   any                `json:"properties,omitempty"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   struct {
		StartLine int `json:"startLine"`
	} `json:"region"`
}

type sarifArtifact struct {
	URI       string `json:"uri"`
	URIBaseID string `json:"uriBaseId,omitempty"`
}

type sarifLogical struct {
	Name               string `json:"name"`
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Kind               string `json:"kind"`
}

type sarifFingerprints struct {
	Finding string `json:"sgwardFinding/v1"`
	// GitHub distinguishes results by this value alone. Without it, GitHub would hash the
	// policy's line, which many results share.
	Line string `json:"primaryLocationLineHash"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification"`
}

func newSARIF(w io.Writer, run Run) *sarifWriter {
	s := &sarifWriter{
		out: bufio.NewWriter(w), run: run, index: map[string]int{},
		// In a message, brackets make links and braces placeholders (sections 3.11.5 and
		// 3.11.6).
		plain: strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, "{", "{{", "}", "}}"),
	}
	s.write("{\n\"$schema\": \"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json\",\n" +
		"\"version\": \"2.1.0\",\n\"runs\": [{\n\"results\": [")
	return s
}

func (s *sarifWriter) Entry(e Entry) error {
	id, severity := e.StatementID, e.Severity
	if e.Compared != nil && e.Verdict == policy.Compliant {
		id, severity = e.Compared.StatementID, e.Compared.Severity
	}
	index := s.rule(id, severity)
	result := sarifResult{
		RuleID: s.rules[index].ID, RuleIndex: index, Level: level(severity),
		Message:      s.text(messageOf(s.run.Command, &e)),
		Locations:    []sarifLocation{s.location(&e)},
		Fingerprints: sarifFingerprints{e.ID, e.ID},
		Suppressions: []sarifSuppression{},
		Properties:   s.run.complete(e),
	}
	if x := e.Exception; x != nil && e.Verdict == policy.Exempt && e.Compared == nil {
		result.Suppressions = append(result.Suppressions, sarifSuppression{
			"external", "accepted", text.Visible("exception " + x.ID + ", owner " + x.Owner + ", until " + policy.ShownEnd(x.Expires)),
		})
	}
	return s.result(result)
}

// Group writes the findings, and each note as a result of its own.
func (s *sarifWriter) Group(g Group, entries []Entry) error {
	for i := range entries {
		if err := s.Entry(entries[i]); err != nil {
			return err
		}
	}
	for _, note := range g.Notes {
		index := s.rule(noteRule, policy.NoSeverity)
		id := finding.NewID(g.AccountID, g.Region, g.ID, note, "")
		err := s.result(sarifResult{
			RuleID: noteRule, RuleIndex: index, Level: "note",
			Message:      s.text(groupText(g.ID, g.Name) + ": " + note),
			Locations:    []sarifLocation{s.locationOf(s.run.Policy.File, 1, arnOf("security-group", g.AccountID, g.Region, g.ID), groupText(g.ID, g.Name))},
			Fingerprints: sarifFingerprints{id, id},
			Suppressions: []sarifSuppression{},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Close writes the rules, and the problems as notifications of a failed invocation.
func (s *sarifWriter) Close(read Coverage) error {
	type driver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	type notification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	type invocation struct {
		Successful    bool           `json:"executionSuccessful"`
		Notifications []notification `json:"toolExecutionNotifications"`
	}
	in := invocation{Successful: len(read.Problems) == 0, Notifications: []notification{}}
	for _, p := range read.Problems {
		in.Notifications = append(in.Notifications, notification{"error", s.text(p.Place + ": " + p.Text)})
	}
	for _, encoded := range s.held {
		s.encoded(encoded)
	}
	if s.leftOut > 0 {
		in.Notifications = append(in.Notifications, notification{"warning", s.text(fmt.Sprintf(
			"%s not listed: GitHub takes %s results at most. The formats json and csv list all.",
			text.Plural(s.leftOut, "more result"), text.Thousands(maxResults)))})
	}
	rules := s.rules
	if rules == nil {
		rules = []sarifRule{}
	}
	s.write("\n],\n\"columnKind\": \"utf16CodeUnits\",\n\"automationDetails\": ")
	// GitHub keeps the results of each category apart.
	s.marshal(map[string]string{"id": "sgward/" + string(s.run.Command) + "/"})
	s.write(",\n\"tool\": ")
	s.marshal(map[string]driver{"driver": {"sgward", s.run.Version, rules}})
	s.write(",\n\"invocations\": ")
	s.marshal([]invocation{in})
	s.write(",\n\"properties\": ")
	s.marshal(struct {
		Policy    Policy     `json:"policy"`
		Compared  *Policy    `json:"compared,omitempty"`
		Sources   []string   `json:"sources,omitempty"`
		Chosen    string     `json:"chosen,omitempty"`
		History   *History   `json:"history,omitempty"`
		Inventory *Inventory `json:"inventory,omitempty"`
		Planned   *Planned   `json:"planned,omitempty"`
	}{s.run.Policy, s.run.Other, s.run.Sources, s.run.Chosen, read.History, read.Inventory, read.Planned})
	s.write("\n}]\n}\n")
	if s.err == nil {
		s.err = wrote(s.out.Flush())
	}
	return s.err
}

// result writes a result. Once only the places reserved for errors are left, others wait for
// the end.
func (s *sarifWriter) result(r sarifResult) error {
	encoded := s.encode(r)
	if s.written >= maxResults-reservedResults && r.Level != "error" {
		if len(s.held) < reservedResults {
			s.held = append(s.held, encoded)
		} else {
			s.leftOut++
		}
		return s.err
	}
	s.encoded(encoded)
	return s.err
}

func (s *sarifWriter) encoded(result []byte) {
	if s.written >= maxResults {
		s.leftOut++
		return
	}
	if s.written++; s.written > 1 {
		s.write(",")
	}
	s.write("\n")
	s.write(string(result))
}

// write, marshal and encode do nothing after an error.
func (s *sarifWriter) write(text string) {
	if s.err == nil {
		_, err := s.out.WriteString(text)
		s.err = wrote(err)
	}
}

func (s *sarifWriter) marshal(v any) { s.write(string(s.encode(v))) }

func (s *sarifWriter) encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("encoding as SARIF: %w", err)
	}
	return text.EscapeJSON(data)
}

// rule returns the index of a statement among the rules. Its level is that of the worst
// severity with which it occurred.
func (s *sarifWriter) rule(id string, severity policy.Severity) int {
	title := id + ": a security group rule that the policy forbids or warns of"
	full := title
	help := "The statement " + id + " of " + s.run.Policy.File + " says what it covers. Close the rule, or agree on an exception with an owner and a last day."
	ref := s.run.statement(id)
	if ref.Description != "" {
		title = id + ": " + ref.Description
		full = ref.Description
	}
	if ref.Runbook != "" {
		help = "Runbook: " + ref.Runbook + " . " + help
	}
	switch id {
	case "":
		id, title, full = unsettledRule, "The opened rules are unknown", "The opened rules are unknown"
		help = "The source does not hold the opened rules: look at the group."
	case noteRule:
		title, full, help = "A security group that needs attention", "A security group that needs attention", "The policy does not forbid it."
	}
	at, known := s.index[id]
	if !known {
		at = len(s.rules)
		s.index[id] = at
		s.rules = append(s.rules, sarifRule{ID: id, ShortDescription: s.text(title), FullDescription: s.text(full), Help: s.text(help), HelpURI: ref.Runbook, urgency: len(levels())})
	}
	r := &s.rules[at]
	r.Properties.Precision, r.Properties.Tags = "very-high", append([]string{"security", "aws", "security-group"}, ref.Controls...)
	if id == noteRule {
		r.Configuration.Level = "note"
		return at
	}
	if u := urgency(severity); u < r.urgency {
		r.urgency, r.Configuration.Level, r.Properties.SecuritySeverity = u, level(severity), levels()[u].number
	}
	return at
}

// levels maps severities, by urgency, to SARIF's level and a number in the range that
// GitHub shows as that severity (over 9.0 critical, over 7.0 high, over 4.0 medium).
func levels() []struct{ level, number string } {
	return []struct{ level, number string }{{"error", "9.5"}, {"error", "8.0"}, {"warning", "5.5"}, {"note", "2.0"}}
}

func level(severity policy.Severity) string { return levels()[urgency(severity)].level }

// messageOf describes the finding in one line.
func messageOf(c Command, e *Entry) string {
	verdict, other := marks(c, e)
	out := verdictText(verdict, other, func(_, s string) string { return s }) + ": " + e.titleText() + " in " + e.groupText()
	if at := place(e.AccountID, e.AccountName, e.Region); at != "" {
		out += ", " + at
	}
	if e.Event != nil {
		out += "; made " + text.Time(e.Event.EventTime) + " by " + callerText(e.Event) + "; " + closedText(e)
	}
	if len(e.Reasons) > 0 {
		out += ". " + strings.Join(policy.Texts(e.Reasons), "; ")
	}
	return out
}

// text returns a plain message.
func (s *sarifWriter) text(message string) sarifText {
	return sarifText{s.plain.Replace(text.Visible(message))}
}

// location is the deciding line of the policy, and the rule; of a check, the resource.
func (s *sarifWriter) location(e *Entry) sarifLocation {
	if at := e.Location; at != nil {
		return s.locationOf(at.File, max(at.Line, 1), at.Address, at.Address)
	}
	name, arn := groupText(e.GroupID, e.GroupName), arnOf("security-group", e.AccountID, e.Region, e.GroupID)
	if e.Rule != nil && e.Rule.ID != "" {
		name, arn = e.Rule.ID, arnOf("security-group-rule", e.AccountID, e.Region, e.Rule.ID)
	}
	file, line := s.run.Policy.File, 1
	if e.Compared != nil && e.Verdict == policy.Compliant {
		file = s.run.Other.File
	}
	for _, reason := range e.Reasons {
		if reason.Line > 0 && reason.File == file && reason.ID == e.StatementID {
			line = reason.Line
			break
		}
	}
	return s.locationOf(file, line, arn, name)
}

func (s *sarifWriter) locationOf(file string, line int, arn, name string) sarifLocation {
	l := sarifLocation{Logical: []sarifLogical{{Name: text.Visible(name), FullyQualifiedName: text.Visible(arn), Kind: "resource"}}}
	l.Physical.Region.StartLine = line
	l.Physical.Artifact = artifact(file)
	return l
}

// artifact is the URI of a file. Relative ones are those of the repository.
func artifact(file string) sarifArtifact {
	path := artifactPath(file)
	if filepath.IsAbs(file) {
		return sarifArtifact{URI: (&url.URL{Scheme: "file", Path: path}).String()}
	}
	return sarifArtifact{URI: (&url.URL{Path: path}).String(), URIBaseID: "%SRCROOT%"}
}

// artifactPath is the path of a file as code hosts write it.
func artifactPath(file string) string { return strings.TrimPrefix(filepath.ToSlash(file), "./") }

// arnOf returns the ARN of a group or rule
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html),
// as far as its parts are known.
func arnOf(kind, accountID, region, id string) string {
	partition, ok := text.PartitionOf(region)
	if !ok {
		partition.Name = "aws"
	}
	return partition.ARN("ec2", region, accountID, kind+"/"+id)
}
