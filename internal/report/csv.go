package report

import (
	"cmp"
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// csvWriter writes RFC 4180: a header, then one line for each finding, always with the
// same columns. It holds one finding.
//
//   - Spreadsheets take cells that start with =, +, -, @, a tab or a line break for formulas
//     (https://owasp.org/www-community/attacks/CSV_Injection). Such cells, and those that
//     start with an apostrophe, get an apostrophe in front; removing it restores the text.
//   - Whole numbers stay as they are.
//   - Invisible characters and line breaks are written as [U+000A], so that one finding is
//     one line and terminals can show it.
type csvWriter struct {
	out     *csv.Writer
	run     Run
	columns []column
	failed  error // of the header
}

// column is a column of the file: its name, and its value for an entry.
type column struct {
	name string
	of   func(*Entry) string
}

func newCSV(w io.Writer, run Run) *csvWriter {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	var names []string
	columns := columnsOfCSV()
	for _, c := range columns {
		names = append(names, c.name)
	}
	return &csvWriter{out, run, columns, out.Write(names)}
}

func (w *csvWriter) Entry(e Entry) error {
	if w.failed != nil {
		return wrote(w.failed)
	}
	e = w.run.complete(e)
	cells := make([]string, 0, len(w.columns))
	for _, c := range w.columns {
		cells = append(cells, defused(text.Visible(c.of(&e))))
	}
	return wrote(w.out.Write(cells))
}

func (w *csvWriter) Group(_ Group, entries []Entry) error {
	for i := range entries {
		if err := w.Entry(entries[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *csvWriter) Close(Coverage) error {
	w.out.Flush()
	return wrote(w.out.Error())
}

// defused keeps a spreadsheet from reading a cell as a formula. Some also accept the
// full-width forms.
func defused(cell string) string {
	first, _ := utf8.DecodeRuneInString(cell)
	if !strings.ContainsRune("=+-@'\t\r\n＝＋－＠", first) {
		return cell
	}
	if _, err := strconv.ParseInt(cell, 10, 64); err == nil && first == '-' {
		return cell
	}
	return "'" + cell
}

// columnsOfCSV lists the columns. New ones go at the end.
func columnsOfCSV() []column {
	rule := partOf(func(e *Entry) *secgroup.Rule { return e.Rule })
	event := partOf(func(e *Entry) *cloudtrail.Event { return e.Event })
	closing := partOf(func(e *Entry) *cloudtrail.Event { return e.ClosedBy })
	exception := partOf(func(e *Entry) *finding.Exception { return e.Exception })
	compared := partOf(func(e *Entry) *Compared { return e.Compared })
	return []column{
		{"id", func(e *Entry) string { return e.ID }},
		{"decision", func(e *Entry) string { return e.Verdict.String() }},
		{"severity", func(e *Entry) string { return e.Severity.String() }},
		{"statementId", func(e *Entry) string { return e.StatementID }},
		{"accountId", func(e *Entry) string { return e.AccountID }},
		{"region", func(e *Entry) string { return e.Region }},
		{"groupId", func(e *Entry) string { return e.GroupID }},
		{"groupName", func(e *Entry) string { return e.GroupName }},
		{"vpcId", func(e *Entry) string { return e.VPCID }},
		{"securityGroupRuleId", rule(func(r *secgroup.Rule) string { return r.ID })},
		{"direction", rule(func(r *secgroup.Rule) string { return r.Permission.Direction.String() })},
		{"ipProtocol", rule(func(r *secgroup.Rule) string { return string(r.Permission.Protocol) })},
		{"fromPort", rule(func(r *secgroup.Rule) string { from, _ := portsText(r); return from })},
		{"toPort", rule(func(r *secgroup.Rule) string { _, to := portsText(r); return to })},
		{"cidrIpv4", rule(func(r *secgroup.Rule) string { v4, _ := r.Permission.Peer.CIDRByFamily(); return v4 })},
		{"cidrIpv6", rule(func(r *secgroup.Rule) string { _, v6 := r.Permission.Peer.CIDRByFamily(); return v6 })},
		{"prefixListId", rule(func(r *secgroup.Rule) string { return r.Permission.Peer.PrefixList() })},
		{"referencedGroupId", rule(func(r *secgroup.Rule) string { id, _ := r.Permission.Peer.Group(); return id })},
		{"referencedGroupUserId", rule(func(r *secgroup.Rule) string { _, owner := r.Permission.Peer.Group(); return owner })},
		{"description", rule(func(r *secgroup.Rule) string { return r.Description })},
		{"tags", rule(tagsText)},
		{"eventTime", event(func(v *cloudtrail.Event) string { return timeOf(&v.EventTime) })},
		{"eventName", event(func(v *cloudtrail.Event) string { return v.EventName })},
		{"eventId", event(func(v *cloudtrail.Event) string { return v.EventID })},
		{"actorType", event(func(v *cloudtrail.Event) string { return v.Actor.Type })},
		{"actorArn", event(func(v *cloudtrail.Event) string { return v.Actor.ARN })},
		{"sessionIssuerArn", event(func(v *cloudtrail.Event) string { return v.Actor.SessionIssuerARN })},
		{"invokedBy", event(func(v *cloudtrail.Event) string { return v.Actor.InvokedBy })},
		{"sourceIpAddress", event(func(v *cloudtrail.Event) string { return v.SourceIPAddress })},
		{"userAgent", event(func(v *cloudtrail.Event) string { return v.UserAgent })},
		{"closedAt", func(e *Entry) string { return timeOf(e.ClosedAt) }},
		{"closedByEventName", closing(func(v *cloudtrail.Event) string { return v.EventName })},
		{"closedByEventId", closing(func(v *cloudtrail.Event) string { return v.EventID })},
		{"closedByActorArn", closing(func(v *cloudtrail.Event) string { return v.Actor.ARN })},
		{"exposureSeconds", func(e *Entry) string { return seconds(e.ExposureSeconds) }},
		{"exceptionId", exception(func(x *finding.Exception) string { return x.ID })},
		{"exceptionOwner", exception(func(x *finding.Exception) string { return x.Owner })},
		{"exceptionExpires", exception(func(x *finding.Exception) string { return x.Expires })},
		{"comparedDecision", compared(func(c *Compared) string { return c.Verdict.String() })},
		{"comparedSeverity", compared(func(c *Compared) string { return c.Severity.String() })},
		{"comparedStatementId", compared(func(c *Compared) string { return c.StatementID })},
		{"union", func(e *Entry) string { return yes(e.Union) }},
		{"with", func(e *Entry) string { return strings.Join(rulesText(e.With), " | ") }},
		{"fromRequest", func(e *Entry) string { return yes(e.FromRequest) }},
		{"networkInterfaceIds", attachedList(func(a *finding.Interface) []string { return []string{a.ID} })},
		{"publicIps", attachedList((*finding.Interface).PublicAddresses)},
		{"place", func(e *Entry) string { return cmp.Or(e.Place, e.Location.String()) }},
		{"reasons", func(e *Entry) string { return strings.Join(policy.Texts(e.Reasons), " | ") }},
		{"title", func(e *Entry) string { return e.Title }},
		{"controls", func(e *Entry) string { return strings.Join(e.Controls, " | ") }},
		{"runbook", func(e *Entry) string { return e.Runbook }},
		{"closeCommand", func(e *Entry) string { return e.CloseCommand }},
	}
}

// partOf returns columns of a part of the entry, which are empty if the part is nil.
func partOf[T any](part func(*Entry) *T) func(func(*T) string) func(*Entry) string {
	return func(text func(*T) string) func(*Entry) string {
		return func(e *Entry) string {
			if p := part(e); p != nil {
				return text(p)
			}
			return ""
		}
	}
}

func timeOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func seconds(s *float64) string {
	if s == nil {
		return ""
	}
	return strconv.FormatFloat(*s, 'f', -1, 64)
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return ""
}

// portsText returns fromPort and toPort, empty if the protocol has neither ports nor
// types.
func portsText(r *secgroup.Rule) (from, to string) {
	if p := r.Permission; p.Protocol.HasPorts() || p.Protocol.IsICMP() {
		a, b := p.FromTo()
		return strconv.Itoa(a), strconv.Itoa(b)
	}
	return "", ""
}

func tagsText(r *secgroup.Rule) string {
	var out []string
	for _, t := range r.Tags {
		out = append(out, t.Key+"="+t.Value)
	}
	return strings.Join(out, " | ")
}

// attachedList joins a property of the interfaces with blanks.
func attachedList(of func(*finding.Interface) []string) func(*Entry) string {
	return func(e *Entry) string {
		var out []string
		for i := range e.Attached {
			out = append(out, of(&e.Attached[i])...)
		}
		return strings.Join(out, " ")
	}
}
