// Package report writes down what replay and audit found: text that people read,
// JSON lines, CSV, SARIF and HTML, all from one stream of results. It judges
// nothing and reads nothing.
package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Format names a way to write a report down. The zero value is invalid.
type Format string

// The formats. JSON is one Entry per line and nothing else.
const (
	Text  Format = "text"
	JSON  Format = "json"
	CSV   Format = "csv"
	SARIF Format = "sarif"
	HTML  Format = "html"
)

// Formats lists every format.
func Formats() []Format { return []Format{Text, JSON, CSV, SARIF, HTML} }

func formatNames() string {
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// Command is what a report is of. The zero value is invalid.
type Command string

// What is reported on: a history of calls, or groups as they are.
const (
	Replay Command = "replay"
	Audit  Command = "audit"
)

// Run says what was judged, and by what. It is known before the first finding.
type Run struct {
	Command Command
	Version string // of sgward
	// Policy is the file that judged, and Other the one that it is compared with,
	// nil where nothing is compared.
	Policy Policy
	Other  *Policy
	// Sources are what was read, as the user named it: files, folders, "account
	// 123456789012, us-east-1".
	Sources []string
	// Chosen says which calls of a history are judged, as what follows "only calls", such
	// as "since 2026-10-01, of 123456789012"; "" stands for all.
	Chosen string
	// Now is the moment of judging. HTML alone prints it: the other formats are equal
	// for equal input, whenever they are written.
	Now time.Time
}

// Policy names a policy file.
type Policy struct {
	File    string `json:"file"`
	Digest  string `json:"digest"`            // "sha256:" and 64 hex digits
	Summary string `json:"summary,omitempty"` // one line
}

// Entry is one finding and what surrounds it: one line of JSON.
//
// In a comparison the Finding is what Run.Policy says and Compared what Run.Other
// says; only differences are entries, and Verdict is Compliant where the policy has
// nothing against the rule.
type Entry struct {
	finding.Finding
	Compared *Compared `json:"compared,omitempty"`

	// Event is the call that made the rule, and Place where the history tells of it,
	// such as "logs/x.json.gz record 17". Absent in an audit.
	Event *cloudtrail.Event `json:"event,omitempty"`
	Place string            `json:"place,omitempty"`
	// ClosedAt is when the history shows the opening closed, ClosedBy by which call,
	// and ExposureSeconds how long it was open until then. All are absent where the
	// history does not show its end.
	ClosedAt        *time.Time        `json:"closedAt,omitempty"`
	ClosedBy        *cloudtrail.Event `json:"closedBy,omitempty"`
	ExposureSeconds *float64          `json:"exposureSeconds,omitempty"`

	// Attached are the network interfaces that use the group, in an audit that could
	// read them.
	Attached []finding.Interface `json:"attached,omitempty"`
}

// Compared is what the other policy of a comparison says of an entry's rule.
type Compared struct {
	Verdict     policy.Verdict  `json:"decision"` // Compliant where it has nothing against it
	Severity    policy.Severity `json:"severity,omitempty"`
	StatementID string          `json:"statementId,omitempty"`
	Reasons     []policy.Reason `json:"reasons,omitempty"` // as those of a finding
}

// deciding are the reasons of the statement that decided, all if none did.
func (c *Compared) deciding() []policy.Reason { return policy.Deciding(c.Reasons, c.StatementID) }

// Group is a security group as it is now, with what an audit found out about it.
type Group struct {
	AccountID   string // "" where the source does not tell
	Region      string // "" where the source does not tell
	ID          string
	Name        string
	VPCID       string
	Description string
	// Rules are what the group holds now, ingress first.
	Rules []secgroup.Rule
	// Attached are the network interfaces that use it; they mean something only
	// where AttachedKnown is set.
	Attached      []finding.Interface
	AttachedKnown bool
	// Notes say what else deserves attention and is no finding of the policy's, such
	// as "nothing uses it" or "the default group of its VPC has rules".
	Notes []string
}

// Coverage is what a run has read. It is known after the last finding.
type Coverage struct {
	// History is set for replay, Inventory for audit.
	History   *History
	Inventory *Inventory
	// Problems are what could not be read or understood, in the order of the
	// sources. The report says that it is incomplete.
	Problems []Problem
}

// History counts what a replay has read.
type History struct {
	Files     int       `json:"files"`
	Bytes     int64     `json:"bytes"`     // as read: compressed where files are
	Records   int64     `json:"records"`   // CloudTrail records of every kind
	Changes   int64     `json:"changes"`   // of them, successful calls that can open a group, each counted once
	Rules     int64     `json:"rules"`     // that these calls made
	Compliant int64     `json:"compliant"` // of them, those that the policy has nothing against
	Failed    int64     `json:"failed"`    // calls that failed and so opened nothing
	Repeated  int64     `json:"repeated"`  // records that were delivered more than once
	Closings  int64     `json:"closings"`  // calls that closed rules
	First     time.Time `json:"first,omitzero"`
	Last      time.Time `json:"last,omitzero"`
}

// Inventory counts what an audit has read.
type Inventory struct {
	Groups   int      `json:"groups"`
	Rules    int      `json:"rules"`
	Accounts []string `json:"accounts"`
	Regions  []string `json:"regions"`
	// Baseline is how many findings the baseline held back; -1 without one.
	Baseline int `json:"baseline"`
}

// Problem is something that could not be read or understood.
type Problem struct {
	Place string // file and record, or account and region
	Text  string
}

// Writer writes one report. Its methods are called from one goroutine. An error, of
// the underlying writer or of a value that the format cannot hold, ends the report.
type Writer interface {
	// Entry takes the next finding of a replay.
	Entry(Entry) error
	// Group takes the next group of an audit: one that has findings or notes, and its
	// findings.
	Group(Group, []Entry) error
	// Close ends the report.
	Close(Coverage) error
}

// Options are how a report looks.
type Options struct {
	Color bool // of text
	Width int  // of text in columns; 0 is 100
	// Quiet leaves out of text what is no finding.
	Quiet bool
	// Limit is how many findings or groups text and HTML list, the worst ones; counts
	// are always of all. 0 is 50 of each in text, and 5,000 findings or 500 groups in
	// HTML. JSON, CSV and SARIF list everything.
	Limit int
}

// New begins a report. The writer buffers: nothing is certain to be written before
// Close. JSON and CSV hold one entry at a time; what the others hold, their writers
// say.
func New(f Format, w io.Writer, run Run, o Options) (Writer, error) {
	if o.Limit < 0 || o.Width < 0 {
		return nil, fmt.Errorf("writing a report: limit %d and width %d: want 0 or more", o.Limit, o.Width)
	}
	switch f {
	case Text:
		return newText(w, run, o), nil
	case JSON:
		return newJSON(w), nil
	case CSV:
		return newCSV(w), nil
	case SARIF:
		return newSARIF(w, run), nil
	case HTML:
		return newHTML(w, run, o), nil
	default:
		return nil, fmt.Errorf("writing a report as %q: want one of %s", f, formatNames())
	}
}
