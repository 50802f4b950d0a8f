package text

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible replaces every character that people cannot see or that rearranges others
// (control characters, line breaks, bidirectional overrides, zero-width characters, odd
// spaces) by its code, such as [U+202E]. Bytes that are not UTF-8 become the replacement
// character.
func Visible(s string) string {
	plain := utf8.ValidString(s)
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] < utf8.RuneSelf && s[i] != 0x7F
	}
	if plain {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "[U+%04X]", r)
		}
	}
	return b.String()
}

// VisibleLines is Visible for each line of a text that quotes untrusted words; its own
// line breaks stay.
func VisibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = Visible(lines[i])
	}
	return strings.Join(lines, "\n")
}

// EncodeJSON returns a value as one line of JSON, with <, > and & as they are: encoding/json
// escapes them for HTML, which nobody reads it as.
func EncodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// EscapeJSON escapes the characters that encoding/json leaves alone and a terminal
// acts on or an eye cannot see: DEL, C1 controls, bidirectional overrides, zero-width
// characters. In JSON they occur in strings only, where \uXXXX means the same.
func EscapeJSON(data []byte) []byte {
	plain := true
	for _, c := range data {
		if c >= 0x7F {
			plain = false
			break
		}
	}
	if plain {
		return data
	}
	out := make([]byte, 0, len(data)+64)
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r < 0x7F || unicode.IsPrint(r):
			out = append(out, data[:size]...)
		case r > 0xFFFF:
			// JSON writes these as two UTF-16 surrogates
			// (https://www.rfc-editor.org/rfc/rfc8259#section-7).
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+(r-0x10000)>>10, 0xDC00+(r-0x10000)&0x3FF)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		data = data[size:]
	}
	return out
}
