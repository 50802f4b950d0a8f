package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sgward/internal/jsonscan"
)

// expected returns the elements of a sound input by encoding/json.
func expected(t *testing.T, data []byte) (elements []json.RawMessage) {
	t.Helper()
	var list []json.RawMessage
	if json.Unmarshal(data, &list) == nil && list != nil {
		return list
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return []json.RawMessage{bytes.TrimSpace(data)}
	}
	split := false
	for dec.More() {
		key, err := dec.Token()
		require.NoError(t, err)
		var value json.RawMessage
		require.NoError(t, dec.Decode(&value))
		if (key == "Records" || key == "Events") && value[0] == '[' {
			split = true
			var list []json.RawMessage
			require.NoError(t, json.Unmarshal(value, &list))
			elements = append(elements, list...)
		}
	}
	if split {
		return elements
	}
	return []json.RawMessage{bytes.TrimSpace(data)}
}

// check holds what is true of every input, and compares with encoding/json.
func check(t *testing.T, data []byte) {
	t.Helper()
	elements, faults := read(t, newSplitter(0), bytes.NewReader(data))
	for _, buffer := range []int{1, 21} {
		again, faultsAgain := read(t, newSplitter(buffer), bytes.NewReader(data))
		require.Equal(t, elements, again, "a buffer of %d makes a difference", buffer)
		require.Equal(t, faults, faultsAgain, "a buffer of %d makes a difference", buffer)
	}
	for _, e := range elements {
		require.Equal(t, string(data[e.Offset:int(e.Offset)+len(e.JSON)]), string(e.JSON))
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !json.Valid(data) || bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > jsonscan.MostDepth {
		return
	}
	require.Empty(t, faults)
	want := expected(t, data)
	require.Len(t, elements, len(want))
	for i, e := range elements {
		require.Equal(t, string(want[i]), string(e.JSON))
	}
}

func seeds() []string {
	return []string{
		`{"Records":[{"a":1},{"a":[true,false,null,-1.5e+7,"\u0057ord"]}],"b":2}`,
		`[{"a":"Word"},{"a":"W\u006frd"},{"a":"{\"x\":\"Word\"}"},{"a":"{\"x\":\"\\u0057ord\"}"},{"a":"{\"x\":\"\u005cu0057ord\"}"}]`,
		"{\"a\":1}\n{\"a\":\"x\\\\\"}\n", `{"a":{"b":[{"a":1},{"a":2}]},"c":x},{"a":3}]`, "\ufeff[]", `{"Records":{"a":1}}`, `{"Records":[{"a":tru},{"a":1}]}`,
		`{"a":"` + strings.Repeat("x", 70) + `Word"}`, "{\"a\":\"x}\n{\"a\":3}\n{\"a\":4}\n", `{"Records":[],"Records":[1]}`, `1 2`, `"`, `{"a":"\`,
	}
}

func FuzzNext(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(check)
}

// textMaker makes up JSON.
type textMaker struct{ *rand.Rand }

func (m textMaker) space() string {
	return []string{"", "", "", " ", "\n", "\r\n\t  "}[m.IntN(6)]
}

// escape writes a string, each character in one of the ways that JSON knows.
func (m textMaker) escape(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch short := strings.IndexByte("\"\\/\b\f\n\r\t", c); {
		case m.IntN(8) == 0:
			const upper, lower = "0123456789ABCDEF", "0123456789abcdef"
			hex := []string{upper, lower}[m.IntN(2)]
			b.WriteString(`\u00` + string(hex[c>>4]) + string(hex[c&15]))
		case short >= 0 && (c != '/' || m.IntN(2) == 0):
			b.WriteByte('\\')
			b.WriteByte(`"\/bfnrt`[short])
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (m textMaker) text() string {
	words := []string{"a", "Records", "{", "}", "[]", `"`, `\`, `\\`, "/", "\n", ",", ":", `{"a":1},{"a":2}`, "x y", ""}
	var b strings.Builder
	for range m.IntN(4) {
		b.WriteString(words[m.IntN(len(words))])
	}
	return b.String()
}

func (m textMaker) value(depth int) string {
	switch n := m.IntN(9); {
	case n < 2 && depth > 0:
		return m.object(depth - 1)
	case n < 3 && depth > 0:
		var parts []string
		for range m.IntN(4) {
			parts = append(parts, m.space()+m.value(depth-1)+m.space())
		}
		return "[" + strings.Join(parts, ",") + "]"
	case n < 4:
		return m.escape(m.value(min(depth, 1))) // JSON in a string
	case n < 6:
		return m.escape(m.text())
	default:
		return []string{"0", "-12.5e-3", "true", "false", "null", "123456789012"}[m.IntN(6)]
	}
}

func (m textMaker) object(depth int) string {
	var parts []string
	for range m.IntN(5) {
		key := []string{"a", "b", "Records", m.text()}[m.IntN(4)]
		parts = append(parts, m.space()+m.escape(key)+m.space()+":"+m.space()+m.value(depth)+m.space())
	}
	return "{" + strings.Join(parts, ",") + m.space() + "}"
}

func TestElementsAreThoseOfEncodingJSON(t *testing.T) {
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	for seed := range uint64(rounds) {
		m := textMaker{rand.New(rand.NewPCG(1, seed))}
		text := []byte(m.space() + m.value(5) + m.space())
		require.True(t, json.Valid(text), "%s", text)
		check(t, text)
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, text)
		}
		// Damage must not make it depend on the buffer either.
		for range 3 {
			damaged := bytes.Clone(text)
			damaged[m.IntN(len(damaged))] = "{}[],:\"\\ x1"[m.IntN(11)]
			check(t, damaged)
		}
	}
}
