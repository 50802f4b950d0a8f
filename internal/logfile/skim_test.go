package logfile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/logfile"
	"sgward/internal/logfile/logfiletest"
)

// usualFile is a log file as CloudTrail writes it, with fewer keys.
func usualFile(records ...string) string { return `{"Records":[` + strings.Join(records, ",") + `]}` }

const describe = `{"eventVersion":"1.11","eventName":"DescribeSecurityGroups","userAgent":"a \u003d b"}`

func TestFilesThatNameNoCallAreCountedWithoutAScan(t *testing.T) {
	// What only a scan tells, and which no gzip file of a sound checksum that CloudTrail
	// wrote has.
	damaged := strings.Replace(describe, `":"1`, `"::"1`, 1)
	for name, c := range map[string]struct {
		text    string
		records int64
		scanned bool
	}{
		"usual":                          {usualFile(describe, damaged, describe), 3, false},
		"one record":                     {usualFile(damaged), 1, false},
		"a line end":                     {usualFile(damaged, describe) + "\n", 2, false},
		"another version":                {usualFile(damaged, `{"eventVersion":"1.08","tlsVersion":"TLSv1.3"}`), 2, false},
		"the key as a value":             {usualFile(damaged, `{"eventVersion":"1.08","x":"eventVersion"}`), 1, true},
		"a call that is named":           {usualFile(damaged, record), 1, true},
		"a call in a string in a string": {usualFile(damaged, `{"eventVersion":"1","eventName":"x","x":"{\"eventName\":\"ModifySecurityGroupRules\"}"}`), 1, true},
		"an escaped letter":              {usualFile(damaged, `{"eventVersion":"1","eventName":"x","x":"\u006d"}`), 1, true},
		"other keys first":               {usualFile(damaged, `{"eventName":"x","eventVersion":"1"}`), 1, true},
		"a version within a record":      {usualFile(damaged, `{"eventVersion":"1","x":{"eventVersion":"1"}}`), 1, true},
		"pretty-printed":                 {"{\n" + usualFile(damaged, describe)[1:], 1, true},
		"another list first":             {`{"x":[],` + usualFile(damaged, describe)[1:], 1, true},
		"something behind":               {usualFile(damaged, describe) + usualFile(describe), 2, true},
		"cut":                            {usualFile(damaged, describe) + `,`, 1, true},
		"no checksum":                    {usualFile(damaged, describe), 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			text := gz(c.text)
			if name == "no checksum" {
				text = c.text
			}
			r := scanText(t, text)
			assert.Equal(t, c.scanned, len(r.problems) > 0, r.problems)
			assert.Equal(t, c.records, r.counts.Records)
			assert.Equal(t, int64(len(c.text)), r.counts.Text)
			assert.Equal(t, int64(len(text)), r.counts.Bytes)
		})
	}
}

func TestFilesAreScannedUpToTheLastCall(t *testing.T) {
	damaged := strings.Replace(describe, `":"1`, `"::"1`, 1)
	filler := strings.TrimSuffix(strings.Repeat(describe+",", 1000), ",")
	r := scanText(t, gz(usualFile(record, filler, damaged)))
	assert.Equal(t, []string{record}, r.texts())
	assert.Empty(t, r.problems, "it is behind the last call")
	assert.Equal(t, int64(1002), r.counts.Records)
	r = scanText(t, gz(usualFile(damaged, filler, record, filler, damaged)))
	assert.Equal(t, []string{record}, r.texts())
	assert.Len(t, r.problems, 2, "behind damage all is scanned")
	assert.Equal(t, int64(2001), r.counts.Records)
	r = scanText(t, gz(usualFile(record, unnamedCall, filler, describe)))
	assert.Len(t, r.problems, 1)
	assert.Equal(t, int64(1002), r.counts.Records, "a record that is a problem does not count")
}

// unnamedCall mentions a call and does not say which it is of.
const unnamedCall = `{"eventVersion":"1.11","x":"AuthorizeSecurityGroupIngress"}`

func TestFilesOfAnySizeAreRead(t *testing.T) {
	for _, size := range []int{100 << 10, 600 << 10, 9 << 20} { // within the room at first, more, and more than is skimmed
		filler := strings.Repeat(describe+",", size/len(describe))
		for name, last := range map[string]string{"nothing": describe, "a call": record} {
			text := `{"Records":[` + filler + last + `]}`
			r := scanText(t, gz(text))
			assert.Empty(t, r.problems)
			assert.Equal(t, int64(size/len(describe)+1), r.counts.Records)
			assert.Equal(t, name == "a call", len(r.records) == 1)
		}
	}
}

// usualHistory is a file of CloudTrail's with records as odd as JSON lets them be.
func (m historyMaker) usualHistory() string {
	var records []string
	for range 1 + m.IntN(4) {
		body := m.record()
		r := `{"eventVersion":"1.11",` + strings.TrimLeft(body[1:], " \n\t\r")
		if m.IntN(3) > 0 {
			r = fmt.Sprintf(`{"eventVersion":"1.11","eventName":%s,"requestParameters":{"x":%s}}`, m.quote(m.name()), m.quote(m.name()))
		}
		records = append(records, r)
	}
	return usualFile(records...)
}

// A gzipped file may be skimmed, the same file is scanned where it is not.
func TestSkimmingFindsWhatScanningFinds(t *testing.T) {
	found, none := 0, 0
	for seed := range rounds() {
		m := historyMaker{rand.New(rand.NewPCG(7, seed)), false}
		text := m.usualHistory()
		require.True(t, json.Valid([]byte(text)), text)
		scanned := scanText(t, text)
		at := m.IntN(len(text))
		for _, packed := range []string{gz(text), gz(text[:at]) + gz(text[at:])} {
			skimmed := scanText(t, packed)
			require.Equal(t, scanned.records, skimmed.records, "seed %d: %s", seed, text)
			require.Equal(t, scanned.problems, skimmed.problems, "seed %d: %s", seed, text)
			require.Equal(t, scanned.counts.Records, skimmed.counts.Records, "seed %d: %s", seed, text)
		}
		if found += len(scanned.records); len(scanned.records) == 0 {
			none++
		}
	}
	assert.Greater(t, found, int(rounds()/4), "too little was found for the test to mean something")
	assert.Greater(t, none, int(rounds()/10), "too little was found for the test to mean something")
}

// holds tells whether a call is a string in a decoded value, or a string in JSON that
// is in a string.
func holds(value any, within bool) bool {
	switch v := value.(type) {
	case string:
		var inner any
		for _, call := range calls() {
			if v == call {
				return true
			}
		}
		return !within && json.Unmarshal([]byte(v), &inner) == nil && holds(inner, true)
	case []any:
		for _, e := range v {
			if holds(e, within) {
				return true
			}
		}
	case map[string]any:
		for _, e := range v {
			if holds(e, within) {
				return true
			}
		}
	}
	return false
}

func TestNamesAreSeenHoweverTheyAreWritten(t *testing.T) {
	long := strings.Repeat("Long", 20)
	for name, texts := range map[string][]string{
		"Word": {`"Word"`, `"\u0057ord"`, `"\u0057\u006F\u0072d"`, `"{\"x\":\"Word\"}"`, `"{\"x\":\"\\u0057ord\"}"`, `"{\"x\":\"\u005cu0057ord\"}"`, `"{\"x\":\"\\\u0075\u0030057ord\"}"`,
			`"{\u0022x\u0022:\u0022Word\u0022}"`, `"\u003d" "Word"`},
		long:      {`"` + long + `"`, `"\u004c` + long[1:] + `"`},
		"a/b":     {`"a/b"`, `"a\/b"`, `"\u0061/b"`},
		"\u00fc":  {"\"\u00fc\"", `"\u00fc"`},
		"nowhere": {`"\u006eowhere"`},
	} {
		for _, text := range texts {
			for _, names := range [][]string{{name}, {"Other", name}, {"XX" + name, name}, {name, name + "s"}} {
				for _, around := range []string{`%s`, `[%s]`, `[{"x":[1,%s]}]`} {
					text := strings.Replace(around, "%s", text, 1)
					assert.True(t, logfile.MayName(names, text), "%s in %s", names, text)
				}
			}
		}
	}
	assert.True(t, logfile.MayName(nil, ""), "a search without names takes everything")
	assert.False(t, logfile.MayName([]string{"Word", "OtherWord"}, `"Wor" "word" "xWord" "Wordx" "\n\"x" "\u00fc\u003d" "W\nord" Word "\u00`))
}

func TestNoNameIsOverlooked(t *testing.T) {
	named := 0
	for seed := range rounds() {
		m := historyMaker{rand.New(rand.NewPCG(8, seed)), false}
		text := m.other(3)
		for range m.IntN(3) { // JSON in a string
			text = m.quote(text)
		}
		var value any
		require.NoError(t, json.Unmarshal([]byte(text), &value))
		if holds(value, false) {
			named++
			require.True(t, logfile.MayName(calls(), text), "seed %d: %s", seed, text)
		}
	}
	assert.Greater(t, named, int(rounds()/10), "too little was named for the test to mean something")
}

func TestGzipIsReadAsGzipDoes(t *testing.T) {
	text := usualFile(describe, record)
	half := len(text) / 2
	padded := gz(text[:half]) + strings.Repeat("\x00", 100_000) + gz(text[half:]) + strings.Repeat("\x00", 512)
	extra := "\x1f\x8b\x08\x1c\x00\x00\x00\x00\x00\x03" + "\x03\x00xyz" + "a name\x00" + "a comment\x00" + gz(text)[10:]
	for name, packed := range map[string]string{"members padded with zeros": padded, "a header with all fields": extra, "an empty member": gz("") + gz(text)} {
		r := scanText(t, packed)
		assert.Empty(t, r.problems, name)
		assert.Equal(t, []string{record}, r.texts(), name)
		assert.Equal(t, int64(2), r.counts.Records, name)
	}
	whole := gz(usualFile(describe))
	for n := 2; n < len(whole); n++ {
		r := scanText(t, whole[:n])
		require.Len(t, r.problems, 1, "cut at %d", n)
		require.Contains(t, r.problems[0].Text, "is cut off: the gzip data ends too early", "cut at %d", n)
	}
	for i := 1; i <= 8; i++ {
		damaged := []byte(whole)
		damaged[len(damaged)-i] ^= 0x10
		r := scanText(t, string(damaged))
		require.Len(t, r.problems, 1)
		assert.Contains(t, r.problems[0].Text, "checksum does not fit")
		assert.Equal(t, int64(1), r.counts.Records)
	}
	for name, packed := range map[string]string{"reserved flag": "\x1f\x8b\x08\x20" + whole[4:], "unknown method": "\x1f\x8b\x09" + whole[3:], "text behind": whole + "a text of some length"} {
		r := scanText(t, packed)
		require.Len(t, r.problems, 1, name)
		assert.Contains(t, r.problems[0].Text, "is damaged: something else is where gzip data should begin", name)
	}
	const blockOfNoKind = "\x07"
	r := scanText(t, whole[:10]+blockOfNoKind+whole[10:])
	require.Len(t, r.problems, 1)
	assert.Contains(t, r.problems[0].Text, "is damaged: the gzip data is corrupt")
}

// BenchmarkSkim reads a log file of 400 records of which none is of a call looked for.
func BenchmarkSkim(b *testing.B) {
	generator := logfiletest.New(1)
	generator.AuthorizeEvery = 1 << 30
	text := generator.File(400)
	packed := logfiletest.Compress(text)
	scanner := logfile.NewScanner(logfile.Config{Calls: calls(), Found: func(logfile.Source, logfile.Record) error { return nil }})
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		counts, err := scanner.Scan(b.Context(), logfile.Find([]string{"-"}, bytes.NewReader(packed)).Sources[0])
		require.NoError(b, err)
		require.Equal(b, int64(400), counts.Records)
	}
}
