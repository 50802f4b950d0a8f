package logfile_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/logfile"
	"sgward/internal/logfile/logfiletest"
)

const (
	record    = `{"eventVersion":"1.11","eventName":"AuthorizeSecurityGroupIngress","requestParameters":{"groupId":"sg-0123456789abcdef0"}}`
	unrelated = `{"eventVersion":"1.11","eventName":"DescribeInstances","requestParameters":{"note":"AuthorizeSecurityGroupIngress"}}`
	event     = `{"version":"0","detail-type":"AWS API Call via CloudTrail","detail":` + record + `,"resources":[]}`
	lookedUp  = `{"EventId":"1","EventName":"AuthorizeSecurityGroupIngress","CloudTrailEvent":"{\"eventVersion\":\"1.11\",\"eventName\":\"AuthorizeSecurityGroupIngress\"}"}`
	unnamed   = "eventName: want a string, the name of the call" // is told of a record that does not say it
	inLookup  = `{"eventVersion":"1.11","eventName":"AuthorizeSecurityGroupIngress"}`
)

// result is all that a scan tells.
type result struct {
	records  []logfile.Record
	problems []logfile.Problem
	counts   logfile.Counts
	progress int64
}

func (r result) texts() []string {
	var out []string
	for _, rec := range r.records {
		out = append(out, string(rec.JSON))
	}
	return out
}

func calls() []string { return []string{"AuthorizeSecurityGroupIngress", "ModifySecurityGroupRules"} }

// scan reads every source of found.
func scan(t *testing.T, found logfile.Found) result {
	t.Helper()
	return scanBuffered(t, 0, found)
}

// scanBuffered does it with a buffer of that many bytes at first, 0 for the usual one.
func scanBuffered(t *testing.T, buffer int, found logfile.Found) result {
	t.Helper()
	var r result
	scanner := logfile.NewBuffered(buffer, logfile.Config{
		Calls: calls(),
		Found: func(s logfile.Source, rec logfile.Record) error {
			rec.JSON = bytes.Clone(rec.JSON)
			r.records = append(r.records, rec)
			return nil
		},
		Bad:      func(p logfile.Problem) { r.problems = append(r.problems, p) },
		Progress: func(n int64) { r.progress += n },
	})
	for _, s := range found.Sources {
		counts, err := scanner.Scan(t.Context(), s)
		require.NoError(t, err)
		r.counts.Records += counts.Records
		r.counts.Others += counts.Others
		r.counts.Bytes += counts.Bytes
		r.counts.Text += counts.Text
		r.counts.Digest = r.counts.Digest || counts.Digest
	}
	return r
}

func scanText(t *testing.T, text string) result {
	t.Helper()
	return scan(t, logfile.Find([]string{"-"}, strings.NewReader(text)))
}

func gz(text string) string { return string(logfiletest.Compress([]byte(text))) }

func TestEveryFormIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		want    []string
		records int64
		index   int64 // of the first one found
		line    int64
	}{
		"log file":                      {`{"Records":[` + unrelated + `,` + record + `]}`, []string{record}, 2, 2, 0},
		"log file, pretty-printed":      {"{\n  \"Records\": [\n    " + unrelated + ",\n    " + record + "\n  ]\n}\n", []string{record}, 2, 2, 0},
		"log files after each other":    {`{"Records":[` + record + `]}{"Records":[` + record + `]}`, []string{record, record}, 2, 1, 0},
		"event":                         {event, []string{event}, 1, 1, 1},
		"events in a list":              {`[` + event + `,` + event + `]`, []string{event, event}, 2, 1, 0},
		"events by line":                {"\n" + event + "\n" + event + "\n", []string{event, event}, 2, 1, 2},
		"record":                        {record, []string{record}, 1, 1, 1},
		"records in a list":             {` [ ` + unrelated + ` , ` + record + ` ] `, []string{record}, 2, 2, 0},
		"records by line":               {unrelated + "\r\n" + record + "\r\n", []string{record}, 2, 2, 2},
		"records after each other":      {unrelated + record, []string{record}, 2, 2, 1},
		"lookup-events":                 {`{"Events":[` + lookedUp + `,` + lookedUp + `],"NextToken":"x"}`, []string{inLookup, inLookup}, 2, 1, 0},
		"events of it by line":          {lookedUp + "\n" + lookedUp, []string{inLookup, inLookup}, 2, 1, 1},
		"byte order mark":               {"\ufeff" + record, []string{record}, 1, 1, 1},
		"another order of keys":         {`{"eventName":"ModifySecurityGroupRules","eventVersion":"1.11"}`, []string{`{"eventName":"ModifySecurityGroupRules","eventVersion":"1.11"}`}, 1, 1, 1},
		"no eventVersion":               {`{"eventName":"ModifySecurityGroupRules"}`, []string{`{"eventName":"ModifySecurityGroupRules"}`}, 1, 1, 1},
		"escaped name":                  {`{"eventName":"\u004dodifySecurityGroupRules"}`, []string{`{"eventName":"\u004dodifySecurityGroupRules"}`}, 1, 1, 1},
		"escaped key":                   {`{"event\u004eame":"ModifySecurityGroupRules"}`, []string{`{"event\u004eame":"ModifySecurityGroupRules"}`}, 1, 1, 1},
		"empty log file":                {`{"Records":[]}`, nil, 0, 0, 0},
		"no events looked up":           {`{"Events":[]}`, nil, 0, 0, 0},
		"empty list":                    {`[]`, nil, 0, 0, 0},
		"names elsewhere in the record": {`{"eventVersion":"1","userAgent":"ModifySecurityGroupRules","x":{"eventName":"ModifySecurityGroupRules"},"eventName":"ModifySecurityGroup"}`, nil, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for packing, text := range map[string]string{"plain": c.text, "gzip": gz(c.text), "two members": gz(c.text[:len(c.text)/2]) + gz(c.text[len(c.text)/2:])} {
				r := scanText(t, text)
				assert.Empty(t, r.problems, packing)
				assert.Equal(t, c.want, r.texts(), packing)
				assert.Equal(t, logfile.Counts{Records: c.records, Bytes: int64(len(text)), Text: int64(len(c.text))}, r.counts)
				assert.Equal(t, int64(len(text)), r.progress)
				if len(c.want) > 0 {
					assert.Equal(t, c.index, r.records[0].Index)
					assert.Equal(t, c.line, r.records[0].Line)
				}
			}
		})
	}
}

func TestPlacesAreNamed(t *testing.T) {
	r := scanText(t, `{"Records":[`+unrelated+`,`+record+`]}`)
	require.Len(t, r.records, 1)
	assert.Equal(t, "record 2", r.records[0].Place())
	assert.Equal(t, int64(12+len(unrelated)+1), r.records[0].Offset)
	r = scanText(t, unrelated+"\n"+record)
	require.Len(t, r.records, 1)
	assert.Equal(t, "line 2", r.records[0].Place())
}

func TestOtherEventsAreCountedApart(t *testing.T) {
	r := scanText(t, `{"detail-type":"EC2 Instance State-change Notification","detail":{"state":"running"}}`+"\n"+event)
	assert.Empty(t, r.problems)
	assert.Equal(t, int64(1), r.counts.Others)
	assert.Equal(t, int64(1), r.counts.Records)
}

func TestDigestIsRecognisedByItsContent(t *testing.T) {
	r := scanText(t, `{"awsAccountId":"123456789012","digestStartTime":"2026-11-03T09:00:00Z","digestEndTime":"2026-11-03T10:00:00Z","logFiles":[]}`)
	assert.Empty(t, r.problems)
	assert.True(t, r.counts.Digest)
	assert.Zero(t, r.counts.Records)
}

func TestWhatIsNoHistoryIsAProblem(t *testing.T) {
	const want = `: want {"Records":[...]} as in CloudTrail's log files, EventBridge events, CloudTrail records, the output of lookup-events, or Athena's results`
	for name, c := range map[string]struct{ text, place, problem string }{
		"nothing":           {"", "", "holds nothing" + want},
		"gzipped nothing":   {gz(""), "", "holds nothing" + want},
		"space":             {" \n", "", "holds nothing" + want},
		"another object":    {`{"name":"x","version":1}`, "line 1", `is an object with "name", "version"` + want},
		"an empty one":      {`{}`, "line 1", `is an empty object` + want},
		"many keys":         {`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}`, "line 1", `is an object with "a", "b", "c", "d", "e", ...` + want},
		"records no list":   {`{"Records":null}`, "line 1", `is an object whose "Records" is not a list` + want},
		"records no object": {`{"Records":["x"]}`, "record 1", `is a string` + want},
		"lists in a list":   {`[[]]`, "record 1", `is a list within a list` + want},
		"a number":          {`12`, "line 1", `is only "12"` + want},
		"text":              {"name,time\n", "record 1 (byte 0, line 1)", "is not JSON: want a value, found 'n'"},
		"zip":               {"PK\x03\x04xxxxxxxx", "", "is a zip archive: want JSON, gzipped or plain"},
		"zstd":              {"\x28\xb5\x2f\xfdxxxxxx", "", "is compressed with zstd: want JSON, gzipped or plain"},
		"gzip's magic only": {"\x1f\x8b", "", "is cut off: the gzip data ends too early"},
		"no gzip behind it": {"\x1f\x8bxxxxxxxxxxxxxxxxx", "", "is damaged: something else is where gzip data should begin"},
		"lookup, no string": {`{"Events":[{"EventName":"ModifySecurityGroupRules","CloudTrailEvent":{"eventName":"ModifySecurityGroupRules"}}]}`, "record 1", "CloudTrailEvent: want a string that holds a CloudTrail record as JSON"},
		"lookup, no record": {`{"Events":[{"EventName":"ModifySecurityGroupRules","CloudTrailEvent":"ModifySecurityGroupRules"}]}`, "record 1", "CloudTrailEvent: want a string that holds a CloudTrail record as JSON"},
		"control character": {"{\"eventVersion\":\"\x01\",\"eventName\":\"ModifySecurityGroupRules\"}", "line 1", `is not JSON: invalid character '\x01' in string (expecting non-control character) in /eventVersion`},
	} {
		t.Run(name, func(t *testing.T) {
			r := scanText(t, c.text)
			assert.Empty(t, r.records)
			assert.Equal(t, []logfile.Problem{{Source: "-", Place: c.place, Text: c.problem}}, r.problems)
			assert.Zero(t, r.counts.Records)
		})
	}
}

func TestDamagedRecordIsReportedAndTheRestIsRead(t *testing.T) {
	r := scanText(t, `{"Records":[`+record+`,`+strings.Replace(record, `":{`, `:{`, 1)+`,`+unrelated+`,`+record+`]}`)
	assert.Equal(t, []string{record, record}, r.texts())
	assert.Equal(t, int64(4), r.records[1].Index)
	require.Len(t, r.problems, 1)
	assert.Equal(t, logfile.Problem{Source: "-", Place: "record 2 (byte 223, line 1)", Text: "is not JSON: want :, found 'g'"}, r.problems[0])
	assert.Equal(t, int64(3), r.counts.Records)
}

func TestRecordThatIsTooLongIsReportedAndTheRestIsRead(t *testing.T) {
	long := `{"eventVersion":"1.11","x":"` + strings.Repeat("x", logfile.MostRecord) + `"}`
	r := scan(t, logfile.Find([]string{"-"}, io.MultiReader(strings.NewReader(`{"Records":[`+record+`,`), strings.NewReader(long), strings.NewReader(`,`+record+`]}`))))
	assert.Equal(t, []string{record, record}, r.texts())
	require.Len(t, r.problems, 1)
	assert.Equal(t, "is longer than 16777216 bytes", r.problems[0].Text)
	assert.Equal(t, int64(2), r.counts.Records)
}

func TestGzipThatIsCutOffIsReadUpToThere(t *testing.T) {
	text := string(logfiletest.New(1).File(50))
	text = strings.Replace(text, `{"Records":[`, `{"Records":[`+record+`,`, 1)
	whole := gz(text)
	for n := 300; n < len(whole); n += 97 {
		r := scanText(t, whole[:n])
		require.Len(t, r.problems, 1, "of %d bytes", n)
		assert.Equal(t, "is cut off: the gzip data ends too early", r.problems[0].Text)
		assert.Contains(t, r.problems[0].Place, "record ")
		assert.Contains(t, r.texts(), record)
		if n > len(whole)-8 {
			assert.Equal(t, int64(51), r.counts.Records, "only the checksum is lacking")
		}
	}
}

func TestGzipThatIsDamagedIsReadUpToThere(t *testing.T) {
	text := `{"Records":[` + record + `,` + strings.TrimPrefix(string(logfiletest.New(1).File(50)), `{"Records":[`)
	damaged := []byte(gz(text))
	damaged[len(damaged)-6]++ // in the checksum
	r := scanText(t, string(damaged))
	require.Len(t, r.problems, 1)
	assert.Contains(t, r.problems[0].Text, "checksum does not fit")
	assert.Equal(t, int64(51), r.counts.Records)

	r = scanText(t, gz(text)+"more than a header")
	require.Len(t, r.problems, 1)
	assert.Equal(t, "is damaged: something else is where gzip data should begin", r.problems[0].Text)
	assert.Equal(t, int64(51), r.counts.Records)

	damaged = []byte(gz(text))
	for i := len(damaged) / 2; i < len(damaged)/2+40; i++ {
		damaged[i] ^= 0x55
	}
	r = scanText(t, string(damaged))
	require.NotEmpty(t, r.problems)
	assert.Contains(t, r.texts(), record)
}

func TestErrorsOfFoundAndOfTheContextEndAScan(t *testing.T) {
	enough := errors.New("enough")
	n := 0
	scanner := logfile.NewScanner(logfile.Config{Calls: calls(), Found: func(logfile.Source, logfile.Record) error { n++; return enough }})
	source := func(r io.Reader) logfile.Source { return logfile.Find([]string{"-"}, r).Sources[0] }
	_, err := scanner.Scan(t.Context(), source(strings.NewReader(record+record)))
	assert.ErrorIs(t, err, enough)
	assert.Equal(t, 1, n)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = scanner.Scan(ctx, source(strings.NewReader(record)))
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, n)

	ctx, cancel = context.WithCancel(t.Context())
	scanner = logfile.NewScanner(logfile.Config{Calls: calls(), Found: func(logfile.Source, logfile.Record) error { cancel(); return nil },
		Bad: func(p logfile.Problem) { t.Error("the context's end is no problem of the file: ", p) }})
	_, err = scanner.Scan(ctx, source(io.MultiReader(strings.NewReader(record+strings.Repeat(" ", 1<<20)), strings.NewReader(record))))
	assert.ErrorIs(t, err, context.Canceled)
}

func TestRecordsThatAnotherToolHasAlteredAreProblems(t *testing.T) {
	for altered, want := range map[string]string{
		`{"eventVersion":"1.11","EventName":"AuthorizeSecurityGroupIngress"}`:                                    unnamed,
		`{"eventVersion":"1.11","eventName":["AuthorizeSecurityGroupIngress"]}`:                                  unnamed,
		`{"eventVersion":"1.11","eventName":null,"x":"AuthorizeSecurityGroupIngress"}`:                           unnamed,
		`{"version":"0","detail":"{\"eventVersion\":\"1.11\",\"eventName\":\"AuthorizeSecurityGroupIngress\"}"}`: `is an object with "version", "detail": want `,
	} {
		r := scan(t, logfile.Find([]string{"-"}, strings.NewReader(altered)))
		assert.Empty(t, r.records, altered)
		require.Len(t, r.problems, 1, altered)
		assert.Contains(t, r.problems[0].Text, want, altered)
	}
	for _, sound := range []string{
		`{"eventVersion":"1.11","eventType":"AwsCloudTrailInsight","insightDetails":{"eventName":"AuthorizeSecurityGroupIngress"}}`,
		`{"version":"0","detail-type":"GuardDuty Finding","detail":{"api":"AuthorizeSecurityGroupIngress"}}`,
	} {
		r := scan(t, logfile.Find([]string{"-"}, strings.NewReader(sound)))
		assert.Empty(t, r.records, sound)
		assert.Empty(t, r.problems, sound)
	}
}

func TestUnreadableSourceIsAProblem(t *testing.T) {
	r := scan(t, logfile.Find([]string{"-"}, io.MultiReader(strings.NewReader(record), iotest.ErrReader(errors.New("the disk is gone")))))
	assert.Equal(t, []string{record}, r.texts())
	assert.Equal(t, []logfile.Problem{{Source: "-", Place: "behind record 1 (byte 122, line 1)", Text: "cannot be read: the disk is gone"}}, r.problems)

	folder := t.TempDir()
	name := filepath.Join(folder, "a.json")
	require.NoError(t, os.WriteFile(name, []byte(record), 0o600))
	found := logfile.Find([]string{name}, nil)
	require.NoError(t, os.Remove(name))
	r = scan(t, found)
	assert.Equal(t, []logfile.Problem{{Source: name, Text: "cannot be opened: no such file or directory"}}, r.problems)
}
