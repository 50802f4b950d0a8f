package text

import (
	"strings"
	"unicode/utf8"
)

// Style is an ANSI "select graphic rendition" sequence. The zero value is none.
type Style string

// The styles in use.
const (
	Bold    Style = "1"
	Dim     Style = "2"
	Red     Style = "31"
	Green   Style = "32"
	Yellow  Style = "33"
	Magenta Style = "35"
	Cyan    Style = "36"
	BoldRed Style = "1;31"
)

// Color styles text if it is on. Colour never carries information of its own.
type Color bool

// Apply puts s into a style.
func (on Color) Apply(style Style, s string) string {
	if !on || style == "" || s == "" {
		return s
	}
	return "\x1b[" + string(style) + "m" + s + "\x1b[0m"
}

// Columns counts the characters of s, without ANSI sequences.
func Columns(s string) int {
	n := utf8.RuneCountInString(s)
	for {
		begin := strings.IndexByte(s, '\x1b')
		if begin < 0 {
			return n
		}
		end := strings.IndexByte(s[begin:], 'm')
		if end < 0 {
			return n
		}
		n -= end + 1
		s = s[begin+end+1:]
	}
}

// PadRight pads s with blanks on the right to n columns.
func PadRight(s string, n int) string { return s + strings.Repeat(" ", max(n-Columns(s), 0)) }

// PadLeft pads s with blanks on the left, for numbers.
func PadLeft(s string, n int) string { return strings.Repeat(" ", max(n-Columns(s), 0)) + s }

// Wrap breaks s at blanks into lines of at most width columns; all but the first start
// with indent. Runs of blanks within a line stay. If longest is over 0, words of more than
// longest characters are broken too; such words may hold no styles.
func Wrap(s, indent string, width, longest int) string {
	var b strings.Builder
	column, first := 0, true
	for s != "" {
		word := strings.TrimLeft(s, " ")
		blanks := len(s) - len(word)
		if end := strings.IndexByte(word, ' '); end >= 0 {
			word = word[:end]
		}
		s = s[blanks+len(word):]
		if word == "" {
			break
		}
		for word != "" {
			part := word
			if longest > 0 && Columns(word) > longest {
				part = firstRunes(word, longest)
			}
			word = word[len(part):]
			n := Columns(part)
			if !first && column+blanks+n > width {
				b.WriteString("\n" + indent)
				column = len(indent)
			} else {
				b.WriteString(strings.Repeat(" ", blanks))
				column += blanks
			}
			b.WriteString(part)
			column += n
			first, blanks = false, 0
		}
	}
	return b.String()
}

func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
