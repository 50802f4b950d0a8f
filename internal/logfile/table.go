package logfile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// A table is the result of a query on CloudTrail's records, as Athena writes it: CSV with a
// header, or an object for each row. Its columns are the members of a record in lower case.
// The parameters are JSON text in a string.

// columnKind says how a column holds its member.
type columnKind uint8

const (
	textColumn     columnKind = iota // the text itself
	jsonColumn                       // JSON text of an object
	identityColumn                   // JSON text, or Athena's text of a ROW
)

// column is a column that a record is made of.
type column struct {
	name     string
	member   string // of a record
	kind     columnKind
	required bool // in CSV: without it a call would be judged wrongly, or not at all
}

// Columns of other names are ignored.
var columns = []column{
	{name: "eventversion", member: versionKey},
	{name: "useridentity", member: identityKey, kind: identityColumn, required: true},
	{name: "eventtime", member: "eventTime", required: true},
	{name: "eventsource", member: "eventSource", required: true},
	{name: "eventname", member: nameKey, required: true},
	{name: "awsregion", member: "awsRegion", required: true},
	{name: "sourceipaddress", member: "sourceIPAddress"},
	{name: "useragent", member: "userAgent"},
	{name: "errorcode", member: "errorCode", required: true},
	{name: "requestparameters", member: requestKey, kind: jsonColumn, required: true},
	{name: "responseelements", member: responseKey, kind: jsonColumn, required: true},
	{name: "eventid", member: "eventID", required: true},
	{name: "eventtype", member: "eventType"},
	{name: "recipientaccountid", member: "recipientAccountId", required: true},
}

func columnOf(name string) (column, bool) {
	i := slices.IndexFunc(columns, func(c column) bool { return strings.EqualFold(c.name, name) })
	if i < 0 {
		return column{}, false
	}
	return columns[i], true
}

// TableColumns lists the columns that a query on CloudTrail's table must return. Those of
// structs must be JSON text.
func TableColumns() (names []string) {
	for _, c := range columns {
		names = append(names, c.name)
	}
	return names
}

// TableStruct is the column of those that is a struct in CloudTrail's table.
const TableStruct = "useridentity"

// asQueried ends the problem of a table that another query made.
const asQueried = `, as the query of "sgward replay --athena TABLE" returns it`

// set adds a column's value to a record.
func (c column) set(record map[string]json.RawMessage, value string) error {
	if value == "" {
		return nil // NULL
	}
	var err error
	switch c.kind {
	case textColumn:
		record[c.member], err = json.Marshal(value)
	case jsonColumn:
		if !json.Valid([]byte(value)) || value[0] != '{' && value != "null" {
			return fmt.Errorf("%s: want the JSON text of an object, found %s%s", c.name, shown(value), asQueried)
		}
		record[c.member] = json.RawMessage(value)
	case identityColumn:
		record[c.member], err = identity(value)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w%s", c.name, err, asQueried)
	}
	return err
}

// shown quotes the beginning of a text.
func shown(s string) string {
	if len(s) > mostShown {
		return fmt.Sprintf("%q...", s[:mostShown])
	}
	return fmt.Sprintf("%q", s)
}

// caller is a userIdentity, as far as a record's reader needs it. Athena's names are in
// lower case, which encoding/json accepts.
type caller struct {
	Type           string `json:"type,omitempty"`
	ARN            string `json:"arn,omitempty"`
	AccountID      string `json:"accountId,omitempty"`
	InvokedBy      string `json:"invokedBy,omitempty"`
	SessionContext struct {
		SessionIssuer struct {
			ARN string `json:"arn,omitempty"`
		} `json:"sessionIssuer,omitzero"`
	} `json:"sessionContext,omitzero"`
}

// identity returns the JSON of a userIdentity from JSON text or the text of a ROW.
func identity(value string) (json.RawMessage, error) {
	text := []byte(value)
	if !json.Valid(text) {
		row, rest, err := rowOf(value)
		if err == nil && rest != "" {
			err = errRow
		}
		if err != nil {
			return nil, fmt.Errorf("%w, found %s", err, shown(value))
		}
		if text, err = json.Marshal(row); err != nil {
			return nil, fmt.Errorf("%w, found %s", errRow, shown(value))
		}
	}
	var c caller
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("want the JSON text of an object with texts, found %s", shown(value))
	}
	return json.Marshal(c) //nolint:wrapcheck // texts always have JSON
}

var errRow = errors.New("want the JSON text of an object, or a ROW such as {type=IAMUser, arn=arn:aws:iam::...} without repeated names or braces in its values")

// rowOf reads Athena's text of a ROW, {name=value, name=value}, and returns what follows it.
// That text quotes nothing, so a value may look like more members. A caller who forges one
// repeats a name, as Athena writes all members of a ROW: then the ROW is refused.
func rowOf(s string) (row map[string]any, rest string, err error) {
	s, ok := strings.CutPrefix(s, "{")
	row = map[string]any{}
	for ok {
		var name string
		if name, s, ok = strings.Cut(s, "="); !ok || name == "" || strings.ContainsAny(name, "{}") {
			break
		}
		if _, repeated := row[name]; repeated {
			break
		}
		if strings.HasPrefix(s, "{") {
			if row[name], s, err = rowOf(s); err != nil {
				return nil, "", err
			}
		} else {
			end := endOfValue(s)
			if end < 0 {
				break
			}
			if s[:end] == "null" {
				row[name] = nil
			} else {
				row[name] = s[:end]
			}
			s = s[end:]
		}
		if rest, ended := strings.CutPrefix(s, "}"); ended {
			return row, rest, nil
		}
		s, ok = strings.CutPrefix(s, ", ")
	}
	return nil, "", errRow
}

// endOfValue returns where a value of a ROW ends: at a brace, or at a comma with a name
// behind it. It is -1 if the ROW does not end.
func endOfValue(s string) int {
	for i := range len(s) {
		switch {
		case s[i] == '{':
			return -1
		case s[i] == '}':
			return i
		case strings.HasPrefix(s[i:], ", "):
			if name, _, ok := strings.Cut(s[i+2:], "="); ok && !strings.ContainsAny(name, ", {}") {
				return i
			}
		}
	}
	return -1
}

// recordOfRow returns the record in a row that is an object. The parameters may be JSON
// text in a string, or JSON.
func recordOfRow(row []byte) ([]byte, error) {
	record := map[string]json.RawMessage{}
	var bad error
	err := members(row, func(key string, value jsontext.Value) bool {
		c, known := columnOf(key)
		if !known || value.Kind() == jsontext.KindNull {
			return true
		}
		s, isString := text(value)
		if !isString {
			s = string(value)
			if c.kind == textColumn {
				bad = fmt.Errorf("%s: want a string, found %s%s", c.name, shown(s), asQueried)
			}
		}
		if _, repeated := record[c.member]; repeated {
			bad = fmt.Errorf("%s: is there twice", c.name)
		}
		if bad == nil {
			bad = c.set(record, s)
		}
		return bad == nil
	})
	if err = errors.Join(bad, err); err != nil {
		return nil, err
	}
	return whole(record)
}

var errNoSource = errors.New("eventsource: want the service of the call, such as ec2.amazonaws.com" + asQueried)

// whole returns the JSON of a record made of a row.
func whole(record map[string]json.RawMessage) ([]byte, error) {
	if record[nameKey] == nil {
		return nil, errUnnamed
	}
	if record["eventSource"] == nil { // such a record would be skipped as one of another service
		return nil, errNoSource
	}
	return json.Marshal(record) //nolint:wrapcheck // its parts are JSON
}

// hasText reports whether parameters of a bare record are JSON text in a string.
func hasText(record []byte) (has bool) {
	_ = members(record, func(key string, value jsontext.Value) bool { // it was read before
		if key == requestKey || key == responseKey || key == identityKey {
			s, isString := text(value)
			has = isString && strings.HasPrefix(s, "{") && json.Valid([]byte(s))
		}
		return !has
	})
	return has
}

// csvTable reads the rows of a table in CSV.
type csvTable struct {
	in     *bufio.Reader
	header []string
	line   int64 // of the next line, from 1
	offset int64 // of the next line
	next   []byte
	err    error
}

// byteOrderMark may begin a text.
const byteOrderMark = "\ufeff"

// tableIn returns the table in a text, nil if it is none: its first line must name a column
// of CloudTrail's, or the name of the source end in .csv. It reads no more than that line.
func tableIn(s Source, in *bufio.Reader) *csvTable {
	head, end := []byte(nil), -1
	for n := 1; end < 0; n = max(n+1, in.Buffered()) {
		var err error
		head, err = in.Peek(n)
		if start := bytes.TrimPrefix(head, []byte(byteOrderMark)); len(start) > 0 && !bytes.HasPrefix([]byte(byteOrderMark), head) &&
			start[0] != '"' && !alphanumeric(rune(start[0])) && start[0] != '_' {
			return nil // JSON
		}
		if end = bytes.IndexByte(head, '\n'); end < 0 && err != nil {
			end = len(head)
		}
	}
	header, err := fieldsOf(bytes.TrimPrefix(head[:end], []byte(byteOrderMark)))
	isKnown := slices.ContainsFunc(header, func(name string) bool { _, ok := columnOf(name); return ok })
	if err != nil || !isKnown && path.Ext(strings.TrimSuffix(strings.ToLower(s.Name), ".gz")) != ".csv" {
		return nil
	}
	t := &csvTable{in: in, header: header, line: 1}
	t.take()
	return t
}

// wrong describes required columns that a table lacks, or has twice; "" if it has none.
func (t *csvTable) wrong() string {
	var missing []string
	for _, c := range columns {
		switch n := countFold(t.header, c.name); {
		case n > 1:
			return "has the column " + c.name + " twice"
		case n == 0 && c.required:
			missing = append(missing, c.name)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("lacks the columns %s: want the header of CloudTrail's table%s", strings.Join(missing, ", "), asQueried)
}

func countFold(names []string, name string) (n int) {
	for _, s := range names {
		if strings.EqualFold(s, name) {
			n++
		}
	}
	return n
}

// row is a row of a table with the place of its first line.
type row struct {
	fields       []string
	line, offset int64
	err          error // it cannot be read
}

var (
	errCut     = errors.New(`ends within a quoted value: the file may be cut`)
	errLongRow = fmt.Errorf("is longer than %d MB", MostRecord>>20)
)

// read returns the next row; the error is that of the input, io.EOF at the end. A quoted
// value may have several lines. If it has no end and the next line is a row, the row with it
// is damaged, and the next one is not lost.
func (t *csvTable) read() (row, error) {
	for len(bytes.TrimRight(t.peek(), "\r\n")) == 0 {
		if t.err != nil && len(t.next) == 0 {
			return row{}, t.err
		}
		t.take()
	}
	r := row{line: t.line, offset: t.offset}
	text := t.take()
	for quotes := countQuotes(text); quotes%2 == 1; {
		following := t.peek()
		switch {
		case len(text) > MostRecord:
			return row{line: r.line, offset: r.offset, err: errLongRow}, nil
		case len(following) == 0 || t.isRow(following):
			return row{line: r.line, offset: r.offset, err: errCut}, nil
		}
		quotes += countQuotes(following)
		text = append(text, t.take()...)
	}
	if len(text) > MostRecord {
		r.err = errLongRow
		return r, nil
	}
	r.fields, r.err = fieldsOf(text)
	if r.err == nil && len(r.fields) != len(t.header) {
		r.err = fmt.Errorf("has %d values: want %d, as the first line names: the file may be cut", len(r.fields), len(t.header))
	}
	return r, nil
}

// isRow reports whether a line is a whole row.
func (t *csvTable) isRow(line []byte) bool {
	fields, err := fieldsOf(line)
	return err == nil && len(fields) == len(t.header)
}

func countQuotes(text []byte) int { return bytes.Count(text, []byte{'"'}) }

// peek returns the next line without taking it; empty at the end.
func (t *csvTable) peek() []byte {
	if t.next == nil && t.err == nil {
		t.next, t.err = readLine(t.in)
	}
	return t.next
}

func (t *csvTable) take() []byte {
	line := t.peek()
	t.next = nil
	t.line++
	t.offset += int64(len(line))
	return line
}

// readLine reads a line with its end. Of one that is too long it keeps only so much as
// shows that.
func readLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line) <= MostRecord {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// fieldsOf splits a row.
func fieldsOf(line []byte) ([]string, error) {
	fields, err := csv.NewReader(bytes.NewReader(line)).Read()
	var fault *csv.ParseError
	switch {
	case errors.As(err, &fault):
		return nil, fmt.Errorf("is not CSV: %w in column %d", fault.Err, fault.Column)
	case err != nil:
		return nil, errors.New("is an empty line")
	}
	return fields, nil
}

// readTable reads the rows of a table.
func (sc *Scanner) readTable(ctx context.Context, s Source, t *csvTable) (Counts, error) {
	var counts Counts
	if wrong := t.wrong(); wrong != "" {
		sc.bad(Problem{Source: s.Name, Place: place(0, 1), Text: wrong})
		return counts, nil
	}
	name := slices.IndexFunc(t.header, func(h string) bool { return strings.EqualFold(h, nameKey) })
	for index := int64(1); ; index++ {
		if err := ctx.Err(); err != nil {
			return counts, err
		}
		r, err := t.read()
		counts.Text = t.offset
		if err != nil {
			if !errors.Is(err, io.EOF) {
				sc.bad(Problem{Source: s.Name, Place: place(index, t.line), Text: err.Error()})
			}
			return counts, nil
		}
		var record []byte
		if err = r.err; err == nil && (slices.Contains(sc.config.Calls, r.fields[name]) || r.fields[name] == "") {
			record, err = t.record(r.fields)
		}
		if err != nil {
			sc.bad(Problem{Source: s.Name, Place: place(index, r.line), Text: err.Error()})
			continue
		}
		counts.Records++
		if record == nil {
			continue
		}
		if err := sc.config.Found(s, Record{Index: index, Line: r.line, Offset: r.offset, JSON: record}); err != nil {
			return counts, err
		}
	}
}

// record returns the record in a row.
func (t *csvTable) record(fields []string) ([]byte, error) {
	record := map[string]json.RawMessage{}
	for i, name := range t.header {
		if c, known := columnOf(name); known {
			if err := c.set(record, fields[i]); err != nil {
				return nil, err
			}
		}
	}
	return whole(record)
}
