// Package athena reads a history from CloudTrail's table in Amazon Athena: it writes the
// query that returns the calls of a replay, and runs it. It judges nothing.
package athena

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sgward/internal/bucket"
	"sgward/internal/cloudtrail"
	"sgward/internal/logfile"
)

// Table is CloudTrail's table, with the columns that AWS documents
// (https://docs.aws.amazon.com/athena/latest/ug/cloudtrail-logs.html).
type Table struct {
	// Name is TABLE, DATABASE.TABLE or CATALOG.DATABASE.TABLE.
	Name string
	// Account and Region are the partition columns of these; "" if there is none.
	Account, Region string
	// Date are the partition columns that make a day such as 2026/11/03 if they are joined
	// with slashes: one, or those of year, month and day. None if there are none.
	Date []string
}

// DefaultPartitions are those of the table in docs/ATHENA.md.
func DefaultPartitions() []string {
	return []string{"account=account", "region=region", "date=timestamp"}
}

// NoPartitions is the word for a table without partitions.
const NoPartitions = "none"

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

	errTable      = errors.New("want TABLE, DATABASE.TABLE or CATALOG.DATABASE.TABLE, of letters, digits, - and _")
	errPartitions = errors.New("want account=COLUMN, region=COLUMN and date=COLUMN or date=YEAR/MONTH/DAY, each at most once, or " + NoPartitions)
)

// NewTable checks the name of a table and its partition columns, such as
// DefaultPartitions.
func NewTable(name string, partitions []string) (Table, error) {
	t := Table{Name: name}
	parts := strings.Split(name, ".")
	if len(parts) > 3 || slices.ContainsFunc(parts, func(p string) bool { return !nameForm.MatchString(p) }) {
		return t, fmt.Errorf("table %q: %w", name, errTable)
	}
	if len(partitions) == 1 && partitions[0] == NoPartitions {
		return t, nil
	}
	for _, p := range partitions {
		key, value, _ := strings.Cut(p, "=")
		columns := strings.Split(value, "/")
		ok := !slices.ContainsFunc(columns, func(c string) bool { return !nameForm.MatchString(c) })
		switch {
		case !ok:
		case key == "account" && t.Account == "" && len(columns) == 1:
			t.Account = value
			continue
		case key == "region" && t.Region == "" && len(columns) == 1:
			t.Region = value
			continue
		case key == "date" && t.Date == nil && (len(columns) == 1 || len(columns) == 3):
			t.Date = columns
			continue
		}
		return t, fmt.Errorf("partitions %q: %w", p, errPartitions)
	}
	return t, nil
}

// Query returns the query, in the SQL of Athena and Trino, for the successful calls on
// security groups in a selection. Each struct is JSON text in the result.
//
// Where the table has a partition column, the condition is on that: then Athena scans no
// other partition. As in a bucket, days end a day after the selection, as files may arrive
// late.
func (t Table) Query(s bucket.Selection) string {
	var columns []string
	for _, c := range logfile.TableColumns() {
		if c == logfile.TableStruct {
			c = fmt.Sprintf("json_format(CAST(%s AS JSON)) AS %s", c, c)
		}
		columns = append(columns, c)
	}
	conditions := []string{
		"eventsource = 'ec2.amazonaws.com'",
		"eventname IN (" + literals(cloudtrail.Names(cloudtrail.GroupCalls()...), ",\n    ") + ")",
		"(errorcode IS NULL OR errorcode = '')",
	}
	add := func(condition string) { conditions = append(conditions, condition) }
	if len(s.Accounts) > 0 {
		if t.Account != "" {
			add(quoted(t.Account) + " IN (" + literals(s.Accounts, ", ") + ")")
		} else { // old records lack it
			add("(recipientaccountid IS NULL OR recipientaccountid IN (" + literals(s.Accounts, ", ") + "))")
		}
	}
	if len(s.Regions) > 0 {
		column := "awsregion"
		if t.Region != "" {
			column = quoted(t.Region)
		}
		add(column + " IN (" + literals(s.Regions, ", ") + ")")
	}
	day := func(slashed string) string { return literal(slashed) }
	var column string
	switch len(t.Date) {
	case 0:
		column = "substr(eventtime, 1, 10)"
		day = func(slashed string) string { return literal(strings.ReplaceAll(slashed, "/", "-")) }
	case 1:
		column = quoted(t.Date[0])
	default:
		column = "concat(" + quoted(t.Date[0]) + ", '/', " + quoted(t.Date[1]) + ", '/', " + quoted(t.Date[2]) + ")"
	}
	if first := s.FirstDay(); first != "" {
		add(column + " >= " + day(first))
	}
	if last := s.LastDay(); last != "" {
		add(column + " <= " + day(last))
	}
	var name []string
	for part := range strings.SplitSeq(t.Name, ".") {
		name = append(name, quoted(part))
	}
	return "SELECT\n  " + strings.Join(columns, ",\n  ") + "\nFROM " + strings.Join(name, ".") + "\nWHERE " + strings.Join(conditions, "\n  AND ") + "\n"
}

// quoted returns a name as SQL has it. It was checked, so it has no quotes.
func quoted(name string) string { return `"` + name + `"` }

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func literals(values []string, between string) string {
	var out []string
	for _, v := range values {
		out = append(out, literal(v))
	}
	return strings.Join(out, between)
}
