// Package report writes the results of replay, audit and check as text for people, JSON lines,
// CSV, SARIF, OCSF, HTML, GitHub's annotations and Markdown, all from one stream of results. It judges nothing and reads
// nothing.
package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// Format is a format of reports. The zero value is invalid.
type Format string

// The formats. JSON is one Entry per line and nothing else, OCSF one Compliance Finding.
const (
	Text  Format = "text"
	JSON  Format = "json"
	CSV   Format = "csv"
	SARIF Format = "sarif"
	OCSF  Format = "ocsf"
	HTML  Format = "html"
	// GitHub is workflow commands of GitHub Actions, Markdown a summary in GitHub's Markdown.
	GitHub   Format = "github"
	Markdown Format = "markdown"
)

// Formats lists every format.
func Formats() []Format { return []Format{Text, JSON, CSV, SARIF, OCSF, HTML, GitHub, Markdown} }

func formatNames() string {
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// Command is the command that reports. The zero value is invalid.
type Command string

// The commands: replay of a history of calls, audit of the current groups, and check of
// planned changes.
const (
	Replay Command = "replay"
	Audit  Command = "audit"
	Check  Command = "check"
)

// Run describes the run: its input and its policies. It is known before the first finding.
type Run struct {
	Command Command
	Version string // of sgward
	// Policy is the file that judges, and Other the one to compare with, nil if there is
	// none.
	Policy Policy
	Other  *Policy
	// Sources are the inputs as the user named them: files, folders, "account
	// 123456789012, us-east-1".
	Sources []string
	// Chosen describes the calls of a history that are judged, in words that follow "only
	// calls", such as "since 2026-10-01, of 123456789012"; "" means all.
	Chosen string
	// Now is the moment of judging. Only HTML and OCSF print it, so that the other formats
	// are equal for equal input.
	Now time.Time
	// Statement returns what Policy says of a statement for people, CloseCommand the command
	// that closes a finding's rule, and NextSteps everything to do about a finding. Nil
	// functions know nothing.
	Statement    func(id string) (ref policy.StatementRef, ok bool)
	CloseCommand func(*Entry) string
	NextSteps    func(*Entry) NextSteps
}

// NextSteps are texts to paste, and pages to open, for one finding. Each may be empty.
type NextSteps struct {
	Close     string // the command that closes the rule
	Exception string // for the policy; it depends on the moment, so only HTML shows it
	GroupURL  string // in the AWS console
	EventURL  string
}

func (r *Run) statement(id string) policy.StatementRef {
	if r.Statement == nil || id == "" {
		return policy.StatementRef{}
	}
	ref, _ := r.Statement(id)
	return ref
}

func (r *Run) nextSteps(e *Entry) NextSteps {
	if r.NextSteps == nil {
		return NextSteps{}
	}
	return r.NextSteps(e)
}

// Policy names a policy file.
type Policy struct {
	File    string `json:"file"`
	Name    string `json:"-"`                 // for people; File if empty
	Digest  string `json:"digest"`            // "sha256:" and 64 hex digits
	Summary string `json:"summary,omitempty"` // one line
}

// Entry is one finding with its context: one line of JSON.
//
// In a comparison the Finding is by Run.Policy and Compared by Run.Other. Only differences
// are entries; Verdict is Compliant if the policy does not forbid the rule.
type Entry struct {
	finding.Finding
	Compared *Compared `json:"compared,omitempty"`
	// AccountName is the account's name, in an audit that knows it.
	AccountName string `json:"accountName,omitempty"`

	// Event is the call that made the rule, and Place its place in the history, such as
	// "logs/x.json.gz record 17". Absent in an audit.
	Event *cloudtrail.Event `json:"event,omitempty"`
	Place string            `json:"place,omitempty"`
	// ClosedAt is when the opening was closed, ClosedBy by which call, and ExposureSeconds
	// how long it was open. All are absent if the history does not show its end.
	ClosedAt        *time.Time        `json:"closedAt,omitempty"`
	ClosedBy        *cloudtrail.Event `json:"closedBy,omitempty"`
	ExposureSeconds *float64          `json:"exposureSeconds,omitempty"`

	// Attached are the network interfaces that use the group, in an audit that could read
	// them.
	Attached []finding.Interface `json:"attached,omitempty"`

	// Location is where a check found the rule, and Group the address of its group's
	// resource. Unknown says what is not known before the change is made.
	Location *Location `json:"location,omitempty"`
	Group    string    `json:"groupAddress,omitempty"`
	Unknown  []string  `json:"unknown,omitempty"`

	// Title names the opening: "MySQL (3306) from the whole internet". CloseCommand closes
	// it, and Controls and Runbook are those of its statement. The writers fill them in.
	Title        string   `json:"title,omitempty"`
	CloseCommand string   `json:"closeCommand,omitempty"`
	Controls     []string `json:"controls,omitempty"`
	Runbook      string   `json:"runbook,omitempty"`
}

// Location is a place in a plan or template.
type Location struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // from 1
	// Address is Terraform's address, or CloudFormation's logical id.
	Address string `json:"address,omitempty"`
}

// String prints "template.yaml:12 WebIngress".
func (l *Location) String() string {
	if l == nil {
		return ""
	}
	out := l.File
	if l.Line > 0 {
		out += ":" + strconv.Itoa(l.Line)
	}
	return strings.TrimSpace(out + " " + l.Address)
}

// complete fills in the fields of an entry that the run knows.
func (r *Run) complete(e Entry) Entry {
	if e.Rule != nil {
		e.Title = e.Rule.Permission.Title()
	}
	ref := r.statement(e.StatementID)
	e.Controls, e.Runbook = ref.Controls, ref.Runbook
	if r.CloseCommand != nil {
		e.CloseCommand = r.CloseCommand(&e)
	}
	if e.Reasons == nil {
		e.Reasons = []policy.Reason{} // never null in JSON
	}
	return e
}

// Compared is the other policy's verdict on an entry's rule.
type Compared struct {
	Verdict     policy.Verdict  `json:"decision"` // Compliant if it does not forbid the rule
	Severity    policy.Severity `json:"severity,omitempty"`
	StatementID string          `json:"statementId,omitempty"`
	Reasons     []policy.Reason `json:"reasons,omitempty"` // as those of a finding
}

// deciding returns the reasons of the deciding statement, or all if none decided.
func (c *Compared) deciding() []policy.Reason { return policy.Deciding(c.Reasons, c.StatementID) }

// Group is a security group in its current state, with the audit's results.
type Group struct {
	AccountID   string // "" if the source lacks it
	AccountName string // "" if it is not known
	Region      string // "" if the source lacks it
	ID          string
	Name        string
	VPCID       string
	Description string
	// Rules are the group's current rules, ingress first.
	Rules []secgroup.Rule
	// Attached are the network interfaces that use it; valid only if AttachedKnown is set.
	Attached      []finding.Interface
	AttachedKnown bool
	// Notes are other points that need attention, such as "nothing uses it" or "the
	// default group of its VPC has rules".
	Notes []string
}

// Coverage describes the input of a run. It is known after the last finding.
type Coverage struct {
	// History is set for replay, Inventory for audit, Planned for check.
	History   *History
	Inventory *Inventory
	Planned   *Planned
	// Problems are the parts that could not be read, in the order of the sources. With
	// any, the report says that it is incomplete.
	Problems []text.Problem
}

// History counts the input of a replay.
type History struct {
	Files     int       `json:"files"`
	Bytes     int64     `json:"bytes"`     // as read: compressed if files are
	Records   int64     `json:"records"`   // CloudTrail records of every kind
	Changes   int64     `json:"changes"`   // of them, successful calls that can open a group, each counted once
	Rules     int64     `json:"rules"`     // made by these calls
	Compliant int64     `json:"compliant"` // of them, those that no statement forbids
	Failed    int64     `json:"failed"`    // calls that failed and so opened nothing
	Repeated  int64     `json:"repeated"`  // records that were delivered more than once
	Closings  int64     `json:"closings"`  // calls that closed rules
	First     time.Time `json:"first,omitzero"`
	Last      time.Time `json:"last,omitzero"`
}

// Inventory counts the input of an audit.
type Inventory struct {
	Groups   int      `json:"groups"`
	Rules    int      `json:"rules"`
	Accounts []string `json:"accounts"`
	Regions  []string `json:"regions"`
	// Baseline is the number of findings that the baseline hid; -1 without one.
	Baseline int `json:"baseline"`
}

// Planned counts the input of a check.
type Planned struct {
	Files    int `json:"files"`
	Groups   int `json:"groups"`
	Rules    int `json:"rules"`    // created or changed
	Standing int `json:"standing"` // left alone
}

// Writer writes one report. Its methods are called from one goroutine. An error, of
// the underlying writer or of a value that the format cannot hold, ends the report.
type Writer interface {
	// Entry adds the next finding of a replay.
	Entry(Entry) error
	// Group adds the next group of an audit that has findings or notes, and its findings.
	Group(Group, []Entry) error
	// Close ends the report.
	Close(Coverage) error
}

// Options are the options of a report's form.
type Options struct {
	Color bool // of text
	Width int  // of text in columns; 0 means that lines are as long as they are
	// Quiet limits text to findings and problems.
	Quiet bool
	// Details makes text show the reasons of each finding, and the rules and interfaces of
	// each group. Else a finding is one line.
	Details bool
	// Limit is the number of findings or groups that text, Markdown and HTML list, the worst ones;
	// counts always cover all. 0 means 100 of each in text (50 with Details) and Markdown, and
	// 5,000 findings or 500 groups in HTML. JSON, OCSF, CSV and GitHub list everything, SARIF 25,000.
	Limit int
}

// New begins a report. The writer buffers: nothing is certain to be written before Close.
// JSON, OCSF, CSV and GitHub hold one entry at a time; the other writers document what they hold.
func New(f Format, w io.Writer, run Run, o Options) (Writer, error) {
	if o.Limit < 0 || o.Width < 0 {
		return nil, fmt.Errorf("writing a report: limit %d and width %d: want 0 or more", o.Limit, o.Width)
	}
	switch f {
	case Text:
		return newText(w, run, o), nil
	case JSON:
		return newJSON(w, run), nil
	case CSV:
		return newCSV(w, run), nil
	case SARIF:
		return newSARIF(w, run), nil
	case OCSF:
		return newOCSF(w, run), nil
	case HTML:
		return newHTML(w, run, o), nil
	case GitHub:
		return newGitHub(w, run), nil
	case Markdown:
		return newMarkdown(w, run, o), nil
	default:
		return nil, fmt.Errorf("writing a report as %q: want one of %s", f, formatNames())
	}
}
