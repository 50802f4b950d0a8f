package alert

import (
	"net/netip"
	"strings"
	"unicode"

	"sgward/internal/awsid"
	"sgward/internal/text"
)

// Untrusted text is enclosed in marks in a view, because only the printer knows the quotes
// of its medium. The text itself cannot hold a mark: text.Visible removes control
// characters.
const (
	markText   = '\x01' // descriptions, tags, names
	markLong   = '\x02' // ARNs, error messages, user agents: twice as long
	markID     = '\x03' // identifiers, which are short
	markPolicy = '\x04' // lines of the policy, written by its authors: twice as long
	endMark    = "\x05"

	maxShownID = 64 // no identifier of AWS is longer
)

func marked(mark rune, s string) string { return string(mark) + text.Visible(s) + endMark }

func quote(s string) string     { return marked(markText, s) }
func quoteLong(s string) string { return marked(markLong, s) }
func cite(s string) string      { return marked(markPolicy, s) }

// id shows an identifier, quoted if it does not have the form of one.
func id(s string) string { return unless(isIdentifier(s), markID, s) }

// name shows a name that a person chose.
func name(s string) string { return unless(isPlainName(s), markText, s) }

// address shows an IP address, quoted if it is not one.
func address(s string) string { return unless(isAddress(s), markID, s) }

// cidr shows an address range, quoted if it is not one.
func cidr(s string) string {
	p, err := netip.ParsePrefix(s)
	return unless(err == nil && p.String() == s, markID, s)
}

// unless marks a text unless it is known to be harmless.
func unless(isHarmless bool, mark rune, s string) string {
	if isHarmless {
		return s
	}
	return marked(mark, s)
}

// quotes is a medium's way to show untrusted text, and lines of the policy.
type quotes struct {
	text, policy func(s string, limit int) string
}

// show puts the marked parts of a text in quotes.
func (q quotes) show(s string, limit int) string {
	var b strings.Builder
	for {
		i := strings.IndexAny(s, string([]rune{markText, markLong, markID, markPolicy}))
		if i < 0 {
			return b.String() + s
		}
		b.WriteString(s[:i])
		untrusted, rest, _ := strings.Cut(s[i+1:], endMark)
		switch s[i] {
		case markText:
			b.WriteString(q.text(untrusted, limit))
		case markLong:
			b.WriteString(q.text(untrusted, 2*limit))
		case markID:
			b.WriteString(q.text(untrusted, maxShownID))
		case markPolicy:
			b.WriteString(q.policy(untrusted, 2*limit))
		}
		s = rest
	}
}

// mailQuote prepares untrusted text for plain-text mail: visible, in quotation marks,
// shortened, and without addresses that a mail program would turn into links.
func mailQuote(s string, limit int) string {
	s = text.Cut(text.Visible(s), limit)
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "://", "[:]//").Replace(s) + `"`
}

// mailCite is mailQuote without the marks.
func mailCite(s string, limit int) string {
	return strings.ReplaceAll(text.Cut(text.Visible(s), limit), "://", "[:]//")
}

// chatQuote prepares untrusted text for chat, as code, where no markdown, mention or link
// works. Characters that could end the code or mean something to Slack are replaced as
// well, since other chat programs may show code differently. The result is at most limit+2
// units long.
func chatQuote(s string, limit int) string {
	var b strings.Builder
	b.WriteByte('`')
	room, prev := limit-text.Units(text.CutMark), ' '
	// end is where the text must stop if it turns out too long for limit.
	end, used := -1, 0
	for _, r := range text.Visible(s) {
		piece := chatRune(r, prev)
		prev = r
		n := text.Units(piece)
		if end < 0 && used+n > room {
			end = b.Len()
		}
		if used+n > limit {
			return b.String()[:max(end, 1)] + text.CutMark + "`"
		}
		b.WriteString(piece)
		used += n
	}
	b.WriteByte('`')
	return b.String()
}

// chatRune escapes one character for Slack's markup
// (https://docs.slack.dev/messaging/formatting-message-text). Characters that Slack cannot
// escape are replaced by look-alikes.
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
// sg-0123456789abcdef0, us-east-1 or an event id, and so needs no quotes anywhere (a
// title, a link, a command).
func isIdentifier(s string) bool {
	return len(s) <= maxShownID && awsid.OnlyOf(s, awsid.Alphanumeric+"-") && s[0] != '-'
}

// isPlainName reports whether a name that a person chose needs no quotes: no spaces, no
// dots (chat programs make links of them), no markup.
func isPlainName(s string) bool {
	return len(s) <= maxShownID && awsid.OnlyOf(s, awsid.Alphanumeric+"-_") && !strings.ContainsRune("-_", rune(s[0])) && !strings.ContainsRune("-_", rune(s[len(s)-1]))
}

// isAddress reports whether s is an IP address without a zone, which may hold any
// text ("fe80::1%text").
func isAddress(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == ""
}
