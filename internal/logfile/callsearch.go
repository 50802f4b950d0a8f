package logfile

import (
	"bytes"
	"strconv"
	"strings"
)

// callSearch finds the names of calls in JSON that was not decoded.
type callSearch struct {
	names []callName
	// common is a part of all names, so that one search finds all. If it is empty, every
	// text may hold a name.
	common []byte
	// overlap is how much of a text to search again together with the next text.
	overlap int
}

// callName is a name with the position of the common part in it.
type callName struct {
	name   string
	common int
}

const escapeLength = len(`\u0041`)

// newCallSearch returns a search for names. They consist of ASCII letters and digits.
func newCallSearch(names []string) callSearch {
	common := longestCommon(names)
	if i := strings.LastIndexAny(common, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"); i > 0 {
		common = common[i:] // capitals are rare in JSON, so a text that begins with one is found fast
	}
	c := callSearch{common: []byte(common), overlap: escapeLength - 1}
	for _, name := range names {
		c.overlap = max(c.overlap, len(name)+1) // a name in quotes, of which the last byte is new
		c.names = append(c.names, callName{name, strings.Index(name, common)})
		if strings.ContainsFunc(name, func(r rune) bool { return !alphanumeric(r) }) {
			return callSearch{}
		}
	}
	return c
}

func alphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z'
}

// longestCommon returns the longest text that is in all of some texts.
func longestCommon(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	first := texts[0]
	for n := len(first); n > 0; n-- {
	parts:
		for i := range len(first) - n + 1 {
			for _, text := range texts[1:] {
				if !strings.Contains(text, first[i:i+n]) {
					continue parts
				}
			}
			return first[i : i+n]
		}
	}
	return ""
}

// mayName reports whether a string in JSON may be one of the names, or a string of JSON
// inside a string. False is certain, however the text is escaped.
//
// A string that is a name is written in one of two ways:
//   - as it is, between quotes; inside another string, a backslash precedes each quote;
//   - with an escape like \u0041 (\\u0041 in another string) for one of its characters or
//     for a quote, where any character of the escape may be escaped in turn.
//
// So a text has no such string if it has no name between quotes, and no escape of a
// letter, a digit, a backslash or a quote. CloudTrail escapes other characters only.
func (c *callSearch) mayName(text []byte) bool {
	if len(c.common) == 0 {
		return true
	}
	for at := 0; ; at++ {
		i := bytes.Index(text[at:], c.common)
		if i < 0 {
			return hides(text)
		}
		if at += i; c.namedAround(text, at) {
			return true
		}
	}
}

// namedAround reports whether the common part at an index belongs to a name in quotes.
func (c *callSearch) namedAround(text []byte, at int) bool {
	for _, n := range c.names {
		begin := at - n.common
		end := begin + len(n.name)
		if begin > 0 && text[begin-1] == '"' && end < len(text) && (text[end] == '"' || text[end] == '\\') && string(text[begin:end]) == n.name {
			return true
		}
	}
	return false
}

// hides reports whether an escape stands for a character that mayName looks for.
func hides(text []byte) bool {
	begin := []byte(`\u`)
	const digits = escapeLength - len(`\u`)
	for {
		i := bytes.Index(text, begin)
		if i < 0 || i+escapeLength > len(text) {
			return false
		}
		text = text[i+len(begin):]
		c, err := strconv.ParseUint(string(text[:digits]), 16, 16)
		if err == nil && (c == '\\' || c == '"' || alphanumeric(rune(c))) {
			return true
		}
	}
}
