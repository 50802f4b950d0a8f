package logfile_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/logfile"
)

// historyMaker makes up histories in every form, as odd as JSON lets them be.
type historyMaker struct {
	*rand.Rand
	// plain leaves out what looks like a record and is part of one: behind damage nobody
	// could tell them apart.
	plain bool
}

func (m historyMaker) space() string {
	return []string{"", "", "", " ", "\n", "\t", "\r\n  "}[m.IntN(7)]
}

// quote writes a string, now and then with escapes that need not be.
func (m historyMaker) quote(s string) string {
	var b strings.Builder
	odd := m.IntN(4) == 0
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case odd && m.IntN(4) == 0:
			hex := []string{"0123456789ABCDEF", "0123456789abcdef"}[m.IntN(2)]
			b.WriteString(`\u00` + string(hex[c>>4]) + string(hex[c&15]))
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c < ' ':
			b.WriteString(`\n`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// object writes members in any order.
func (m historyMaker) object(members map[string]string) string {
	keys := make([]string, 0, len(members))
	for key := range members {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	m.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	var parts []string
	for _, key := range keys {
		parts = append(parts, m.space()+m.quote(key)+m.space()+":"+m.space()+members[key]+m.space())
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// list writes elements between brackets.
func (m historyMaker) list(elements []string) string {
	var parts []string
	for _, e := range elements {
		parts = append(parts, m.space()+e+m.space())
	}
	return "[" + strings.Join(parts, ",") + m.space() + "]"
}

// name is that of a call, or nearly.
func (m historyMaker) name() string {
	return []string{"AuthorizeSecurityGroupIngress", "ModifySecurityGroupRules", "AuthorizeSecurityGroupIngressX", "modifysecuritygrouprules",
		"Authorize", "DescribeInstances", "DescribeInstances", ""}[m.IntN(8)]
}

// other is a value of a member that does not matter.
func (m historyMaker) other(depth int) string {
	switch m.IntN(9) {
	case 0:
		return m.quote(m.name())
	case 1:
		return m.quote(`}]},{"eventName":"` + m.name() + `"}`)
	case 2:
		return m.quote(`\` + m.name() + `\"`)
	case 3:
		return m.quote(strings.Repeat("x", m.IntN(300)))
	case 4, 5:
		if depth == 0 {
			return "[]"
		}
		members := map[string]string{"x": m.other(depth - 1), m.name(): m.other(depth - 1)}
		if !m.plain {
			members["eventName"] = m.quote(m.name())
		}
		if m.IntN(2) == 0 {
			return m.object(members)
		}
		return m.list([]string{m.object(members), m.other(depth - 1)})
	default:
		return []string{"null", "true", "-1.5e3", "{}"}[m.IntN(4)]
	}
}

// record is a bare record.
func (m historyMaker) record() string {
	members := map[string]string{"eventVersion": `"1.11"`, "eventName": m.quote(m.name()), "requestParameters": m.other(3), "userAgent": m.other(0)}
	if m.IntN(10) == 0 {
		members["eventName"] = m.other(1) // perhaps not even a string
	}
	if m.IntN(10) == 0 {
		delete(members, "eventName")
	}
	return m.object(members)
}

// element is a record with or without what may be around it.
func (m historyMaker) element() string {
	switch m.IntN(6) {
	case 0:
		return m.object(map[string]string{"detail": m.record(), "version": `"0"`, "detail-type": m.other(0), "resources": m.list([]string{m.other(1)})})
	case 1:
		return m.object(map[string]string{"CloudTrailEvent": m.quote(m.record()), "EventName": m.quote(m.name())})
	}
	return m.record()
}

// history is what one source may hold.
func (m historyMaker) history() (text string, elements []string) {
	var b strings.Builder
	for range 1 + m.IntN(3) {
		var some []string
		for range m.IntN(6) {
			some = append(some, m.element())
		}
		elements = append(elements, some...)
		switch list := m.list(some); m.IntN(4) {
		case 0:
			b.WriteString(m.object(map[string]string{"Records": list, "other": m.other(2)}))
		case 1:
			b.WriteString(m.object(map[string]string{"Events": list, "NextToken": m.other(0)}))
		case 2:
			b.WriteString(list)
		default:
			b.WriteString(strings.Join(some, []string{"", "\n", "\r\n"}[m.IntN(3)]))
		}
		b.WriteString(m.space())
	}
	return b.String(), elements
}

// inElement decodes an element with encoding/json alone.
func inElement(t *testing.T, element string) (record string, of bool) {
	t.Helper()
	record = element
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(element), &members))
	bare := members
	if detail, ok := members["detail"]; ok {
		bare = nil
		require.NoError(t, json.Unmarshal(detail, &bare))
	} else if lookup, ok := members["CloudTrailEvent"]; ok {
		require.NoError(t, json.Unmarshal(lookup, &record))
		bare = nil
		require.NoError(t, json.Unmarshal([]byte(record), &bare))
	}
	var name string
	of = json.Unmarshal(bare["eventName"], &name) == nil && slices.Contains(calls(), name)
	return record, of
}

// expected returns what a scan must find.
func expected(t *testing.T, elements []string) (records []logfile.Record) {
	t.Helper()
	for i, e := range elements {
		if record, of := inElement(t, e); of {
			records = append(records, logfile.Record{Index: int64(i + 1), JSON: []byte(record)})
		}
	}
	return records
}

// rounds is how often a property is tried.
func rounds() uint64 {
	if testing.Short() {
		return 100
	}
	return 500
}

func TestScanFindsWhatDecodingEverythingFinds(t *testing.T) {
	found := 0
	for seed := range rounds() {
		m := historyMaker{rand.New(rand.NewPCG(2, seed)), false}
		text, elements := m.history()
		for buffer, packed := range map[int]string{0: text, 64: text, 100: gz(text)} {
			r := scanWith(t, buffer, packed)
			want := expected(t, elements)
			for i := range r.records { // places are another test's
				r.records[i].Line, r.records[i].Offset = 0, 0
			}
			require.Equal(t, want, r.records, "seed %d, buffer %d: %s", seed, buffer, text)
			if len(elements) > 0 {
				require.Equal(t, int64(len(elements)-len(r.problems)), r.counts.Records, "seed %d: %s", seed, text)
			}
			for _, p := range r.problems {
				if len(elements) > 0 {
					require.Equal(t, unnamed, p.Text, "seed %d: %s", seed, text)
				}
			}
			found += len(want)
		}
	}
	assert.Greater(t, found, int(rounds()), "too little was found for the test to mean something")
}

func TestGzipMayBeCutIntoMembersAnywhere(t *testing.T) {
	m := historyMaker{rand.New(rand.NewPCG(3, 3)), false}
	text, elements := m.history()
	want := expected(t, elements)
	for n := range len(text) {
		r := scanText(t, gz(text[:n])+gz("")+gz(text[n:]))
		require.Empty(t, r.problems, "cut at %d", n)
		require.Len(t, r.records, len(want), "cut at %d", n)
	}
}

// quoted is a string: what is in it is not checked in records that nobody looks for.
var quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// Whatever happens to one record, what is before and behind it is found.
func TestDamageCostsTheDamagedRecordOnly(t *testing.T) {
	told := 0
	for seed := range rounds() {
		m := historyMaker{rand.New(rand.NewPCG(4, seed)), true}
		var elements []string
		for range 3 + m.IntN(4) {
			elements = append(elements, m.record())
		}
		victim := m.IntN(len(elements))
		others := slices.Concat(elements[:victim], elements[victim+1:])
		damaged := []byte(elements[victim])
		at := m.IntN(len(damaged))
		switch m.IntN(4) {
		case 0:
			damaged = slices.Delete(damaged, at, at+1)
		case 1:
			damaged = slices.Delete(damaged, at, at+m.IntN(len(damaged)-at))
		case 2:
			damaged = slices.Insert(damaged, at, "{}[],:\"\\x"[m.IntN(9)])
		default:
			damaged[at] = "{}[],:\"\\x"[m.IntN(9)]
		}
		elements[victim] = string(damaged)
		text := `{"Records":[` + strings.Join(elements, ",") + `]}`
		if m.IntN(2) == 0 {
			for i := range elements {
				elements[i] = strings.NewReplacer("\n", " ", "\r", " ").Replace(elements[i])
			}
			text = strings.Join(elements, "\n")
			for i := range others {
				others[i] = strings.NewReplacer("\n", " ", "\r", " ").Replace(others[i])
			}
		}
		r := scanWith(t, 64, text)
		var texts []string
		for _, rec := range r.records {
			texts = append(texts, string(rec.JSON))
		}
		for _, want := range expected(t, others) {
			require.Contains(t, texts, string(want.JSON), "seed %d, record %d: %s\n%v", seed, victim+1, text, r.problems)
		}
		if !json.Valid(quoted.ReplaceAll(damaged, []byte(`""`))) {
			require.NotEmpty(t, r.problems, "seed %d, record %d: %s", seed, victim+1, text)
			told++
		}
	}
	assert.Greater(t, told, int(rounds()/3), "too little was damaged for the test to mean something")
}

// Of gzip that ends anywhere at least those records are found, in their order, that the
// standard library inflates whole from two bytes less: an inflater may want to see more
// bits than a code has.
func TestGzipCutAnywhereLosesOnlyWhatIsBehind(t *testing.T) {
	m := historyMaker{rand.New(rand.NewPCG(5, 5)), true}
	var elements []string
	for range 12 {
		elements = append(elements, m.record())
	}
	text := `{"Records":[` + strings.Join(elements, ",") + `]}`
	whole := gz(text[:len(text)/2]) + gz(text[len(text)/2:])
	all := scanText(t, whole).records
	for n := 18; n < len(whole); n++ {
		in, err := gzip.NewReader(strings.NewReader(whole[:n-2]))
		require.NoError(t, err)
		inflated, _ := io.ReadAll(in)
		sound := 0
		for end := len(`{"Records":[`); sound < len(elements); sound++ {
			if end += len(elements[sound]); end > len(inflated) {
				break
			}
			end++
		}
		r := scanText(t, whole[:n])
		require.GreaterOrEqual(t, len(r.records), len(expected(t, elements[:sound])), "cut at %d of %d", n, len(whole))
		require.Equal(t, all[:len(r.records)], append([]logfile.Record{}, r.records...), "cut at %d of %d", n, len(whole))
		if n != len(gz(text[:len(text)/2])) {
			cuts := slices.DeleteFunc(r.problems, func(p logfile.Problem) bool { return p.Text == unnamed })
			require.Len(t, cuts, 1, "cut at %d of %d", n, len(whole))
		}
	}
}

func scanWith(t *testing.T, buffer int, text string) result {
	t.Helper()
	return scanBuffered(t, buffer, logfile.Find([]string{"-"}, strings.NewReader(text)))
}

// FuzzScan checks that no input breaks the reading, and that a sound list of sound
// objects is read as encoding/json reads it.
func FuzzScan(f *testing.F) {
	for seed := range uint64(20) {
		text, _ := historyMaker{rand.New(rand.NewPCG(6, seed)), false}.history()
		f.Add([]byte(text))
	}
	for _, s := range []string{record, event, lookedUp, gz(record), "\ufeff" + unrelated, `{"Records":[` + record + `,{"eventName":},` + record + `]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := scanWith(t, 0, string(data))
		small := scanWith(t, 64, string(data))
		require.Equal(t, r, small)
		for _, rec := range r.records {
			require.True(t, json.Valid(rec.JSON))
			require.True(t, bytes.HasPrefix(bytes.TrimSpace(rec.JSON), []byte("{")))
		}
		if bytes.HasPrefix(data, []byte("\x1f\x8b")) {
			return
		}
		var list []map[string]json.RawMessage
		if json.Unmarshal(data, &list) != nil {
			return
		}
		n := 0
		for _, members := range list {
			var name string
			_, around := members["detail"]
			_, lookup := members["CloudTrailEvent"]
			if !around && !lookup && json.Unmarshal(members["eventName"], &name) == nil && slices.Contains(calls(), name) {
				n++
			}
		}
		require.GreaterOrEqual(t, len(r.records), n)
	})
}
