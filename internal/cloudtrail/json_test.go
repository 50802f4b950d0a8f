package cloudtrail

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// jsonTexts are texts at the edges of JSON's grammar, sound ones and others.
var jsonTexts = []string{
	``, ` `, `{`, `}`, `{}`, ` { } `, `{]`, `[}`, `[]`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[1 2]`, `[1,,2]`, `[[[]]]`,
	`{"a"}`, `{"a":}`, `{"a":1}`, `{"a":1,}`, `{"a" 1}`, `{"a"::1}`, `{a:1}`, `{'a':1}`, `{"a":1 "b":2}`, `{"a":1,"b":{"c":[]}}`, `{"":0}`, `{1:2}`,
	`0`, `-0`, `-`, `+1`, `01`, `-01`, `00`, `1.`, `.1`, `1.5`, `1.50e10`, `1e`, `1e+`, `1E-7`, `1e5.5`, `0x10`, `1_000`, `Infinity`, `NaN`, `1 `, `1 1`, `--1`,
	`true`, `false`, `null`, `tru`, `truee`, `TRUE`, `nul`, `nulll`, `fals`, `true false`,
	`"`, `""`, `"a`, `"\"`, `"\\"`, `"\"\\\/\b\f\n\r\t"`, `"\a"`, `"\u"`, `"\u00"`, `"\u0041"`, `"\u00zz"`, `"\u004"`, `"\U0041"`, `"\u0041`,
	`"\ud83d\ude00"`, `"\uD83D\uDE00"`, `"\`, `"\ud83d"`, `"\ude00"`, `"\ud83dx"`, `"\ud83d\n"`, `"\ud83d\ud83d\ude00"`, `"\ud83d\u0041"`, `"\u0000"`, `"\ud83d\u00"`,
	"\"\n\"", "\"\x00\"", "\"\x1f\"", "\"\x7f\"", "\"\xff\"", "\"\xc3\"", "\"\xc3\xa9\"", "\"\xed\xa0\x80\"", "\"a\xf0\x9f\x98\"", "\"\xff\\n\xfe\"",
	"\x00", "{\"a\":1}\x00", "\xef\xbb\xbf{}", "\u00a0{}", "\v{}", `{}{}`, `{} // x`, `/* */{}`, `{"a":1}]`,
}

func TestReaderAcceptsWhatIsJSONAndNothingElse(t *testing.T) {
	for _, text := range jsonTexts {
		r := new(reader).reset([]byte(text))
		r.value()
		r.end()
		assert.Equal(t, json.Valid([]byte(text)), !r.failed, "%q: %s", text, r.problem)
	}
}

func TestReaderReadsStringsAsEncodingJSONDoes(t *testing.T) {
	for _, text := range jsonTexts {
		var want string
		if !strings.HasPrefix(text, `"`) {
			continue
		}
		err := json.Unmarshal([]byte(text), &want)
		r := new(reader).reset([]byte(text))
		assert.Equal(t, want, r.text(), "%q", text)
		r.end()
		assert.Equal(t, err != nil, r.failed, "%q: %s", text, r.problem)
	}
}

func TestReaderMatchesKeysExactlyWhateverTheirEscapes(t *testing.T) {
	for text, want := range map[string]string{
		`{"name":"x"}`:          "x",
		`{"n\u0061me":"x"}`:     "x",
		` { "name" : "x" } `:    "x",
		`{"Name":"x"}`:          "",
		`{"NAME":"x","n":"y"}`:  "",
		`{"name ":"x"}`:         "",
		`{"\u017fname":"x"}`:    "",
		`{"a":{"name":"x"}}`:    "",
		`{"b":[],"name":"\"x"}`: `"x`,
	} {
		r := new(reader).reset([]byte(text))
		got := ""
		r.member("name", func() { got = r.text() })
		require.False(t, r.failed, text)
		assert.Equal(t, want, got, text)
	}
}

func TestReaderDoesNothingAfterAFailure(t *testing.T) {
	r := new(reader).reset([]byte(`[1,"x",{"a":true}]`))
	r.fail("first")
	assert.Nil(t, r.value())
	r.object(func([]byte) bool { t.Error("read an object"); return false })
	r.array(func() { t.Error("read a list") })
	r.list(func() { t.Error("read items") })
	assert.Nil(t, r.raw())
	assert.Empty(t, r.text())
	assert.Empty(t, r.textOrNumber())
	_, ok := r.port(true)
	assert.False(t, ok)
	_, ok = r.boolean()
	assert.False(t, ok)
	r.end()
	r.fail("second")
	assert.Equal(t, "first", r.problem)
	assert.Zero(t, r.tokens.InputOffset())
	assert.Empty(t, r.field)
}

func TestTextIsCutAtRuneBoundaries(t *testing.T) {
	assert.Equal(t, "abc", cut("abc", 3))
	assert.Equal(t, "…", cut("abcd", 3))
	assert.Equal(t, "a…", cut("abcde", 4))
	assert.Equal(t, "ä…", cut("äöüß", 5))
	assert.Equal(t, "ä…", cut("äöüß", 6), "half a rune is none")
	long := strings.Repeat("€", 1000)
	assert.LessOrEqual(t, len(cut(long, 100)), 100)
	assert.True(t, strings.HasSuffix(cut(long, 100), "€…"))
}

// FuzzReader holds the reader to encoding/json.
func FuzzReader(f *testing.F) {
	for _, text := range jsonTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := new(reader).reset(data)
		r.value()
		r.end()
		if json.Valid(data) == r.failed {
			t.Fatalf("json.Valid says %t, the reader %q", json.Valid(data), r.problem)
		}
		if r.failed {
			return
		}
		var want string
		var kind *json.UnmarshalTypeError
		if err := json.Unmarshal(data, &want); errors.As(err, &kind) {
			return // valid, but no string
		}
		again := new(reader).reset(data)
		if got := again.text(); again.failed || got != want {
			t.Fatalf("read %q, want %q (%s)", got, want, again.problem)
		}
	})
}
