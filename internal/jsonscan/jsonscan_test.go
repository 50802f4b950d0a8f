package jsonscan_test

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/jsonscan"
)

// read splits all of an input.
func read(t *testing.T, s *jsonscan.Splitter, in io.Reader) (elements []jsonscan.Element, faults []*jsonscan.Fault) {
	t.Helper()
	s.Reset(in)
	for calls := 0; ; calls++ {
		require.Less(t, calls, 1_000_000, "the splitter does not end")
		e, err := s.Next()
		var fault *jsonscan.Fault
		switch {
		case err == nil:
			e.JSON = bytes.Clone(e.JSON)
			elements = append(elements, e)
		case errors.As(err, &fault):
			faults = append(faults, fault)
		default:
			require.ErrorIs(t, err, io.EOF)
			return elements, faults
		}
	}
}

func texts(elements []jsonscan.Element) []string {
	var out []string
	for _, e := range elements {
		out = append(out, string(e.JSON))
	}
	return out
}

// hasA is a Config.Resume.
func hasA(object []byte) bool {
	var members map[string]jsontext.Value
	_ = json.Unmarshal(object, &members, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) // what came before an error counts
	_, has := members["a"]
	return has
}

func newSplitter(buffer int) *jsonscan.Splitter {
	return jsonscan.New(jsonscan.Config{Lists: []string{"Records", "Events"}, Resume: hasA, MaxElement: 1 << 20, Buffer: buffer})
}

// bothSizes runs a test with a buffer that holds everything, and with the smallest.
func bothSizes(t *testing.T, test func(t *testing.T, s *jsonscan.Splitter)) {
	t.Helper()
	t.Run("one read", func(t *testing.T) { test(t, newSplitter(0)) })
	t.Run("many reads", func(t *testing.T) { test(t, newSplitter(1)) })
}

func TestElementsOfEveryForm(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"list under a key":                 {`{"Records":[{"a":1},{"a":2}]}`, []string{`{"a":1}`, `{"a":2}`}},
		"keys before and behind the list":  {`{"x":[{"Records":[1]}],"Records":[{"a":1}],"y":{"z":[]}}`, []string{`{"a":1}`}},
		"two lists in one object":          {`{"Records":[{"a":1}],"Events":[{"a":2}]}`, []string{`{"a":1}`, `{"a":2}`}},
		"escaped key":                      {`{"\u0052ecords":[{"a":1}]}`, []string{`{"a":1}`}},
		"pretty-printed":                   {"{\n  \"Records\" : [\r\n\t{ \"a\": 1 } ,\n    {}\n  ]\n}\n", []string{`{ "a": 1 }`, `{}`}},
		"list at the top":                  {`[{"a":1}, 2 ,"x",[3],true,null]`, []string{`{"a":1}`, `2`, `"x"`, `[3]`, `true`, `null`}},
		"object with no such list":         {`{"a":{"Records":[1]}}`, []string{`{"a":{"Records":[1]}}`}},
		"key that holds no list":           {`{"Records":{"a":1}}`, []string{`{"Records":{"a":1}}`}},
		"one to a line":                    {"{\"a\":1}\n{\"a\":2}\r\n\n{\"a\":3}", []string{`{"a":1}`, `{"a":2}`, `{"a":3}`}},
		"one right after the other":        {`{"a":1}{"a":2}[3]{"Records":[4]}5 6 "x" 7`, []string{`{"a":1}`, `{"a":2}`, `3`, `4`, `5`, `6`, `"x"`, `7`}},
		"nothing":                          {``, nil},
		"nothing but space":                {" \n\t\r ", nil},
		"empty lists":                      {`{"Records":[]}[ ]{"Records":[ ]}`, nil},
		"empty object":                     {`{}`, []string{`{}`}},
		"byte order mark":                  {"\ufeff[1]", []string{`1`}},
		"quotes and brackets in a string":  {`[{"a":"}]\"\\"},{"\"":"\\\\\"{["}]`, []string{`{"a":"}]\"\\"}`, `{"\"":"\\\\\"{["}`}},
		"numbers":                          {`[0,-0,10.25,1e5,-1.5E-07,2e+3]`, []string{`0`, `-0`, `10.25`, `1e5`, `-1.5E-07`, `2e+3`}},
		"number at the end of the input":   {`1234567890123456789012345`, []string{`1234567890123456789012345`}},
		"space for longer than the buffer": {`{"Records":` + strings.Repeat(" ", 999) + `[` + strings.Repeat("\n", 999) + `1` + strings.Repeat("\t", 999) + `]}`, []string{`1`}},
	} {
		t.Run(name, func(t *testing.T) {
			bothSizes(t, func(t *testing.T, s *jsonscan.Splitter) {
				elements, faults := read(t, s, strings.NewReader(c.in))
				assert.Empty(t, faults)
				assert.Equal(t, c.want, texts(elements))
				for i, e := range elements {
					assert.Equal(t, int64(i+1), e.Index)
					assert.True(t, strings.HasPrefix(c.in[e.Offset:], string(e.JSON)), "offset %d", e.Offset)
					assert.Equal(t, int64(1+strings.Count(c.in[:e.Offset], "\n")), e.Line)
				}
			})
		})
	}
}

func TestElementsKnowWhetherTheyAreInAList(t *testing.T) {
	elements, _ := read(t, newSplitter(0), strings.NewReader(`{"Records":[1],"Events":[2]}[3]4`))
	require.Len(t, elements, 4)
	for i, want := range []bool{true, true, true, false} {
		assert.Equal(t, want, elements[i].InList)
	}
}

func TestListsAreRecognised(t *testing.T) {
	bothSizes(t, func(t *testing.T, s *jsonscan.Splitter) {
		for text, want := range map[string]bool{
			`{"Events":[],"NextToken":"abc","Other":1}`: true, // an empty list is one
			`[]`:                   true,
			`x{"Records":[]}`:      true, // it stands behind damage
			`{"NextToken":"abc"}`:  false,
			`{"Events":{},"x":[]}`: false,
		} {
			_, _ = read(t, s, strings.NewReader(text))
			assert.Equal(t, want, s.HasList(), text)
		}
	})
}

func TestFaultsAreNamedAndWhatFollowsIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		in      string
		want    []string
		problem string
		at      int64 // in bytes
		index   int64
		between bool
	}{
		"literal":                      {`[{"a":1},{"a":tru},{"a":3}]`, []string{`{"a":1}`, `{"a":3}`}, "is not JSON: want a value, found 't'", 14, 2, false},
		"number":                       {`[{"a":1},{"a":1.},{"a":3}]`, []string{`{"a":1}`, `{"a":3}`}, "is not JSON: want a digit, found '}'", 16, 2, false},
		"number with a zero in front":  {`[{"a":01},{"a":3}]`, []string{`{"a":3}`}, "is not JSON: want , or }, found '1'", 7, 1, false},
		"key without quotes":           {`[{a:1},{"a":3}]`, []string{`{"a":3}`}, "is not JSON: want a key or }, found 'a'", 2, 1, false},
		"comma before a brace":         {`[{"a":1,},{"a":3}]`, []string{`{"a":3}`}, "is not JSON: want a key, found '}'", 8, 1, false},
		"colon":                        {`[{"a" 1},{"a":3}]`, []string{`{"a":3}`}, "is not JSON: want :, found '1'", 6, 1, false},
		"bracket for a brace":          {`[{"a":[1}},{"a":3}]`, []string{`{"a":3}`}, "is not JSON: want , or ], found '}'", 8, 1, false},
		"lost quote":                   {`[{"a":"x,"b":"y"},{"a":3}]`, []string{`{"a":3}`}, "is not JSON: want , or }, found 'b'", 10, 1, false},
		"lost brace":                   {`[{"a":1,"b":{"c":2},{"a":3}]`, []string{`{"a":3}`}, "is not JSON: want a key, found '{'", 20, 1, false},
		"one brace more":               {`[{"a":1}},{"a":3}]`, []string{`{"a":1}`, `{"a":3}`}, "is not JSON: want , or ], found '}'", 8, 1, true},
		"lost comma":                   {`[{"a":1}{"a":2}]`, []string{`{"a":1}`, `{"a":2}`}, "is not JSON: want , or ], found '{'", 8, 1, true},
		"comma before a bracket":       {`{"Records":[{"a":1},]}`, []string{`{"a":1}`}, "is not JSON: want a value, found ']'", 20, 2, false},
		"object within the damaged":    {`[{"b":[{"a":1,"x":2}],"c":},{"a":3}]`, []string{`{"a":1,"x":2}`, `{"a":3}`}, "is not JSON: want a value, found '}'", 26, 1, false},
		"member of the damaged":        {`[{"b":{"a":1},"c":},{"a":3}]`, []string{`{"a":3}`}, "is not JSON: want a value, found '}'", 18, 1, false},
		"no element by its keys":       {`[{"a":},{"b":3},{"a":4}]`, []string{`{"a":4}`}, "is not JSON: want a value, found '}'", 6, 1, false},
		"line that was cut":            {"{\"a\":1}\n{\"a\":\n{\"a\":3}\n", []string{`{"a":1}`, `{"a":3}`}, "ends too early: want , or }", 22, 2, false},
		"quote at the end of a line":   {"{\"a\":\"x}\n{\"a\":3}\n{\"a\":4}\n", []string{`{"a":3}`, `{"a":4}`}, "is not JSON: want , or }, found 'a'", 11, 1, false},
		"text between lines":           {"{\"a\":1}\n-- \n{\"a\":3}\n", []string{`{"a":1}`, `{"a":3}`}, "is not JSON: want a digit, found '-'", 9, 2, false},
		"text before a list":           {`2026-11-03T09:15Z {"Records":[{"a":1},{"a":2}]}`, []string{`{"a":1}`, `{"a":2}`}, "is not JSON: want white space, found '-'", 4, 1, false},
		"key of the list":              {`{"Records:[{"a":1},{"a":2}]}{"a":3}`, []string{`{"a":1}`, `{"a":2}`, `{"a":3}`}, "is not JSON: want :, found 'a'", 13, 1, false},
		"behind the list":              {`{"Records":[{"a":1}];"x":1}{"a":3}`, []string{`{"a":1}`, `{"a":3}`}, "is not JSON: want , or }, found ';'", 20, 1, true},
		"a list of texts":              {`[{"a":x,"b":{"Records":["y"]}},{"a":3}]`, []string{`{"a":3}`}, "is not JSON: want a value, found 'x'", 6, 1, false},
		"no JSON at all":               {`<html>`, nil, "is not JSON: want a value, found '<'", 0, 1, false},
		"UTF-16":                       {"\xff\xfe[\x00]\x00", nil, "is UTF-16, as some shells write it: want UTF-8", 0, 1, false},
		"zero bytes":                   {"\x00\x00\x00\x00\x00\x00\x00\x00\x00", nil, `is not JSON: want a value, found '\x00'`, 0, 1, false},
		"two top objects after damage": {`[{"a":1},{"a":x}] {"Records":[{"a":2}]}`, []string{`{"a":1}`, `{"a":2}`}, "is not JSON: want a value, found 'x'", 14, 2, false},
		"object in the line's object":  {"{\"x\":{\"a\":1},\"y\":z}\n{\"a\":3}\n", []string{`{"a":3}`}, "is not JSON: want a value, found 'z'", 17, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			bothSizes(t, func(t *testing.T, s *jsonscan.Splitter) {
				elements, faults := read(t, s, strings.NewReader(c.in))
				assert.Equal(t, c.want, texts(elements))
				require.NotEmpty(t, faults)
				assert.Equal(t, c.problem, faults[0].Problem)
				assert.Equal(t, c.at, faults[0].Offset)
				assert.Equal(t, c.index, faults[0].Index)
				assert.Equal(t, c.between, faults[0].Between)
				assert.Equal(t, int64(1+strings.Count(c.in[:c.at], "\n")), faults[0].Line)
				for _, e := range elements {
					assert.True(t, strings.HasPrefix(c.in[e.Offset:], string(e.JSON)), "offset %d", e.Offset)
					assert.Equal(t, int64(1+strings.Count(c.in[:e.Offset], "\n")), e.Line)
				}
			})
		})
	}
}
