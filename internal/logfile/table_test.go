package logfile_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/logfile"
	"sgward/internal/logfile/logfiletest"
)

// cells are those of a row by its columns.
type cells map[string]string

func aRow() cells {
	return cells{
		"eventversion": "1.11", "eventtime": "2026-11-03T09:15:42Z", "eventsource": "ec2.amazonaws.com",
		"eventname": "AuthorizeSecurityGroupIngress", "awsregion": "eu-central-1", "sourceipaddress": "203.0.113.7",
		"useragent": `a "quoted", agent` + "\nof two lines", "eventid": "e-1", "eventtype": "AwsApiCall", "recipientaccountid": "123456789012",
		"useridentity":      `{"type":"AssumedRole","principalid":"A:b","arn":"arn:aws:sts::123456789012:assumed-role/r/s","accountid":"123456789012","invokedby":null,"sessioncontext":{"attributes":null,"sessionissuer":{"arn":"arn:aws:iam::123456789012:role/x/r"}}}`,
		"requestparameters": `{"groupId":"sg-0123456789abcdef0"}`, "responseelements": `{"_return":true}`,
	}
}

func (c cells) with(name, value string) cells {
	c[name] = value
	return c
}

const recordOfARow = `{"eventVersion":"1.11","eventTime":"2026-11-03T09:15:42Z","eventSource":"ec2.amazonaws.com",
	"eventName":"AuthorizeSecurityGroupIngress","awsRegion":"eu-central-1","sourceIPAddress":"203.0.113.7",
	"userAgent":"a \"quoted\", agent\nof two lines","eventID":"e-1","eventType":"AwsApiCall","recipientAccountId":"123456789012",
	"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/r/s","accountId":"123456789012",
		"sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::123456789012:role/x/r"}}},
	"requestParameters":{"groupId":"sg-0123456789abcdef0"},"responseElements":{"_return":true}}`

// tableOf writes rows as Athena does: all values in quotes, and nothing for NULL.
func tableOf(columns []string, rows ...cells) string {
	var b strings.Builder
	line := func(value func(string) string) {
		for i, c := range columns {
			if i > 0 {
				b.WriteByte(',')
			}
			if v := value(c); v != "" {
				b.WriteString(`"` + strings.ReplaceAll(v, `"`, `""`) + `"`)
			}
		}
		b.WriteByte('\n')
	}
	line(func(c string) string { return c })
	for _, r := range rows {
		line(func(c string) string { return r[c] })
	}
	return b.String()
}

func scanFile(t *testing.T, name, content string) result {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return scan(t, logfile.Find([]string{path}, nil))
}

func TestTablesAreRead(t *testing.T) {
	columns := logfile.TableColumns()
	object := func(c cells) string {
		row := map[string]any{}
		for k, v := range c {
			row[k] = v
		}
		text, err := json.Marshal(row)
		require.NoError(t, err)
		return string(text)
	}
	other := aRow().with("eventname", "DescribeInstances").with("requestparameters", "").with("responseelements", "null")
	row := `{type=AssumedRole, principalid=A:b, arn=arn:aws:sts::123456789012:assumed-role/r/s, accountid=123456789012, invokedby=null, ` +
		`sessioncontext={attributes=null, sessionissuer={type=Role, arn=arn:aws:iam::123456789012:role/x/r, username=a, b}}}`
	table := tableOf(columns, other, aRow())
	var simple bytes.Buffer // quotes only where it must
	w := csv.NewWriter(&simple)
	lines, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	require.NoError(t, err)
	require.NoError(t, w.WriteAll(lines))
	for name, c := range map[string]struct {
		content string
		lines   []int64
		records int64
	}{
		"CSV":                      {table, []int64{4}, 2}, // the other row has two lines
		"gzipped CSV":              {string(logfiletest.Compress([]byte(table))), []int64{4}, 2},
		"CSV with a mark":          {"\ufeff" + table, []int64{4}, 2},
		"CSV without end of line":  {strings.TrimSuffix(table, "\n"), []int64{4}, 2},
		"CSV of a spreadsheet":     {strings.ReplaceAll(simple.String(), "\"\n", "\"\r\n"), []int64{4}, 2},
		"further columns":          {tableOf(append([]string{"account", "timestamp"}, columns...), aRow()), []int64{2}, 1},
		"columns in capitals":      {strings.Replace(table, "eventname", "eventName", 1), []int64{4}, 2},
		"a ROW":                    {tableOf(columns, aRow().with("useridentity", row)), []int64{2}, 1},
		"JSON lines":               {object(other) + "\n" + object(aRow()) + "\n", []int64{2}, 2},
		"a list":                   {"[" + object(aRow()) + "]", []int64{0}, 1},
		"JSON lines of structs":    {strings.Replace(object(aRow().with("useridentity", "X")), `"X"`, aRow()["useridentity"], 1), []int64{1}, 1},
		"a record with text in it": {strings.NewReplacer(`{"groupId":"sg-0123456789abcdef0"}`, `"{\"groupId\":\"sg-0123456789abcdef0\"}"`, "\t", "").Replace(recordOfARow), []int64{1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got := scanFile(t, "history.csv", c.content)
			require.Empty(t, got.problems)
			require.Len(t, got.records, len(c.lines))
			for i, r := range got.records {
				assert.JSONEq(t, recordOfARow, string(r.JSON))
				assert.Equal(t, c.lines[i], r.Line)
			}
			assert.Equal(t, c.records, got.counts.Records)
			assert.Equal(t, int64(len(c.content)), got.counts.Bytes)
		})
	}
}

// A caller chooses the name of a session: it must not become a member of its identity.
func TestAForgedROWIsRefused(t *testing.T) {
	for _, row := range []string{
		"{type=IAMUser, arn=a, username=x, arn=arn:aws:iam::123456789012:role/trusted}",
		"{type=IAMUser, username=x, arn=arn:aws:iam::123456789012:role/trusted, arn=a}",
		"{type=IAMUser, username={arn=b}", "{type=IAMUser}}", "{type=IAMUser, arn=a}b}", "{type=IAMUser", "IAMUser", "{=x}", "{type=a{b}",
	} {
		got := scanFile(t, "a.csv", tableOf(logfile.TableColumns(), aRow().with("useridentity", row)))
		assert.Empty(t, got.records, row)
		require.Len(t, got.problems, 1, row)
		assert.Contains(t, got.problems[0].Text, "useridentity: want the JSON text of an object", row)
	}
}

func TestWhatIsWrongInATableIsNamedWithItsLineAndTheRestIsRead(t *testing.T) {
	columns := logfile.TableColumns()
	good := aRow().with("useragent", "one line")
	whole := tableOf(columns, good, good, good)
	head, rows, _ := strings.Cut(whole, "\n")
	line := strings.SplitAfter(rows, "\n")[0]
	for name, c := range map[string]struct {
		content string
		records int
		place   string
		text    string
	}{
		"parameters of a ROW":      {tableOf(columns, good, aRow().with("requestparameters", "{groupid=sg-1}"), good), 2, "line 3", "requestparameters: want the JSON text of an object, found \"{groupid=sg-1}\", as the query of"},
		"parameters that are cut":  {tableOf(columns, good, aRow().with("responseelements", `{"a":`), good), 2, "line 3", "responseelements: want the JSON text"},
		"parameters of a list":     {tableOf(columns, aRow().with("responseelements", `[]`), good), 1, "line 2", "responseelements: want the JSON text"},
		"an unnamed call":          {tableOf(columns, good, aRow().with("eventname", ""), good), 2, "line 3", unnamed},
		"no service":               {tableOf(columns, good, aRow().with("eventsource", ""), good), 2, "line 3", "eventsource: want the service"},
		"too few values":           {head + "\n" + line + "\"1.11\",\n" + line, 2, "line 3", "has 2 values: want 14, as the first line names"},
		"cut in a quoted value":    {strings.TrimSuffix(whole, "\"\n"), 2, "line 4", "ends within a quoted value: the file may be cut"},
		"cut between values":       {whole[:strings.LastIndex(whole, ",")], 2, "line 4", "has 13 values"},
		"a row that has no end":    {head + "\n" + line[:40] + "\n" + line + line, 2, "line 2", "ends within a quoted value"},
		"a stray quote":            {head + "\n" + `"1"1,""` + "\n" + line, 1, "line 2", "is not CSV: extraneous or missing \" in quoted-field in column"},
		"missing columns":          {tableOf([]string{"eventname", "eventtime", "useridentity"}, good), 0, "line 1", "lacks the columns eventsource, awsregion, errorcode, requestparameters, responseelements, eventid, recipientaccountid: want the header of CloudTrail's table"},
		"a column twice":           {tableOf(append([]string{"eventname"}, columns...), good), 0, "line 1", "has the column eventname twice"},
		"another table":            {"name,value\na,b\n", 0, "line 1", "lacks the columns useridentity"},
		"a row in JSON, no JSON":   {`{"eventname":"AuthorizeSecurityGroupIngress","eventsource":"ec2.amazonaws.com","requestparameters":"{groupid=x}"}`, 0, "line 1", "requestparameters: want the JSON text"},
		"a row in JSON, no source": {`{"eventname":"AuthorizeSecurityGroupIngress","requestparameters":"{}"}`, 0, "line 1", "eventsource: want"},
		"a row in JSON, unnamed":   {`{"eventversion":"1.11","eventsource":"AuthorizeSecurityGroupIngress"}`, 0, "line 1", unnamed},
		"a row in JSON, a number":  {`{"eventname":"AuthorizeSecurityGroupIngress","eventid":1}`, 0, "line 1", "eventid: want a string, found \"1\""},
		"a member twice":           {`{"eventname":"AuthorizeSecurityGroupIngress","eventid":"1","eventId":"2"}`, 0, "line 1", "eventid: is there twice"},
	} {
		t.Run(name, func(t *testing.T) {
			got := scanFile(t, "history.csv", c.content)
			assert.Len(t, got.records, c.records)
			require.Len(t, got.problems, 1)
			assert.Equal(t, c.place, got.problems[0].Place)
			assert.Contains(t, got.problems[0].Text, c.text)
		})
	}
	long := scanFile(t, "a.csv", head+"\n"+strings.Repeat("x", logfile.MostRecord+2)+"\n"+line)
	assert.Len(t, long.records, 1)
	require.Len(t, long.problems, 1)
	assert.Equal(t, "is longer than 16 MB", long.problems[0].Text)
	packed := logfiletest.Compress([]byte(whole))
	cut := scanFile(t, "a.csv.gz", string(packed[:len(packed)-4]))
	assert.NotEmpty(t, cut.problems, "its checksum is missing")
}
