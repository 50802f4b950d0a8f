package alert

import (
	"strings"
	"unicode"

	"sgward/internal/text"
)

// cutMark ends a text that was shortened, so that nobody takes it for the whole.
const cutMark = "… [cut]" // mailQuote puts a stranger's text into plain-text mail: visible, in quotation
// marks, shortened, and with no address that a mail program would turn into a
// link.
func mailQuote(s string, limit int) string {
	s = text.Cut(text.Visible(s), limit)
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "://", "[:]//").Replace(s) + `"`
}

// mailCite is mailQuote without the marks.
func mailCite(s string, limit int) string {
	return strings.ReplaceAll(text.Cut(text.Visible(s), limit), "://", "[:]//")
}

// chatQuote puts a stranger's text into chat, as code: there no markdown, mention
// or link acts. What could end the code or mean something to Slack outside of it
// is replaced as well, since a chat program may show code otherwise. The result
// is at most limit+2 units long.
func chatQuote(s string, limit int) string {
	var b strings.Builder
	b.WriteByte('`')
	room, prev := limit-text.Units(cutMark), ' '
	// end is where the text has to stop if it turns out too long for limit.
	end, used := -1, 0
	for _, r := range text.Visible(s) {
		piece := chatRune(r, prev)
		prev = r
		n := text.Units(piece)
		if end < 0 && used+n > room {
			end = b.Len()
		}
		if used+n > limit {
			return b.String()[:max(end, 1)] + cutMark + "`"
		}
		b.WriteString(piece)
		used += n
	}
	b.WriteByte('`')
	return b.String()
}

// chatRune escapes one character for Slack's markup
// (https://docs.slack.dev/messaging/formatting-message-text). Look-alikes stand in
// where Slack has no escape.
func chatRune(r, prev rune) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '`':
		return "ˋ"
	case '@':
		// alice@example.com stays as it is; @here does not.
		if !unicode.IsLetter(prev) && !unicode.IsDigit(prev) {
			return "＠"
		}
	}
	return string(r)
}

// isIdentifier reports whether s has the form of an AWS identifier such as
// sg-0123456789abcdef0, us-east-1 or an event id, and so can stand anywhere
// (a title, a link, a command) without quoting.
func isIdentifier(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' {
			return false
		}
	}
	return true
}

// isPlainName reports whether a name that a person chose can stand without
// quotes: no spaces, no dots (chat programs make links of them), no markup.
func isPlainName(s string) bool {
	return s != "" && isAlphanumeric(s[0]) && isAlphanumeric(s[len(s)-1]) &&
		isIdentifier(strings.ReplaceAll(s, "_", "-"))
}

// isPlainAddress reports whether an IP address has nothing but digits and
// separators: a zone ("fe80::1%text") may hold any text.
func isPlainAddress(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '.' && c != ':' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// maxWord is the longest word that a line keeps whole; an ARN is shorter. Lines
// thus stay within the 998 bytes that mail allows
// (https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1).
const maxWord = 160
