package alert

import (
	"strings"

	"sgward/internal/finding"
	"sgward/internal/text"
)

const (
	// mailWidth is where lines of prose break.
	mailWidth = 76
	// maxMailLine is the longest line to be copied: mail allows 998 bytes
	// (https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1).
	maxMailLine = 900
	// maxMail bounds the mail in bytes, as encoded in the SNS message.
	maxMail = 40_000
)

// mailBounds are tried in this order until the mail is small enough; the last is,
// whatever the alert.
func mailBounds() []bounds {
	return []bounds{
		{listed: 25, detailed: 8, excepted: 8, exposed: 10, reasons: 20, text: 255, line: maxMailLine},
		{listed: 10, detailed: 4, excepted: 4, exposed: 10, reasons: 10, text: 255, line: maxMailLine},
		{listed: 5, detailed: 2, excepted: 2, exposed: 5, reasons: 5, text: 128, line: maxMailLine},
		{listed: 3, detailed: 1, excepted: 1, exposed: 3, reasons: 3, text: 64, line: maxMailLine},
		{listed: 1, detailed: 0, excepted: 0, exposed: 1, reasons: 1, text: 32, line: maxMailLine},
	}
}

// mail renders an alert as plain text.
func mail(a *finding.Alert) string {
	out := ""
	for _, lim := range mailBounds() {
		out = renderMail(a, tell(voice{quote: mailQuote, cite: mailCite}, a, lim))
		if encodedSize(out) <= maxMail {
			return out
		}
	}
	return text.Cut(out, maxMail/8)
}

func renderMail(a *finding.Alert, sections []section) string {
	var b strings.Builder
	b.WriteString(text.Wrap(headline(a, maxTitle), "", mailWidth, maxWord) + "\n")
	for _, s := range sections {
		b.WriteString("\n" + strings.ToUpper(s.title) + "\n")
		gap := false
		for _, it := range s.items {
			if gap && it.kind != block {
				b.WriteString("\n")
			}
			gap = false
			switch it.kind {
			case block:
				// Blank lines set it apart; no indent, so that it can be copied.
				b.WriteString("\n" + it.text + "\n")
				gap = true
				continue
			case link:
				b.WriteString(it.text + ":\n" + it.url + "\n")
			default:
				b.WriteString(text.Wrap(it.text, hanging(it.text), mailWidth, maxWord) + "\n")
			}
		}
	}
	b.WriteString("\nAlert " + a.ID + " (repeats carry the same id)")
	if isDigest(a.PolicyDigest) {
		b.WriteString(", policy " + a.PolicyDigest[:min(len(a.PolicyDigest), digestShown)])
	}
	b.WriteString("\n")
	return b.String()
}

// digestShown is how much of "sha256:" and 64 digits people need to tell two
// policies apart.
const digestShown = len("sha256:") + 12

func isDigest(s string) bool {
	digits, ok := strings.CutPrefix(s, "sha256:")
	return ok && isIdentifier(digits)
}

// hanging is the indent of the further lines of a list's item.
func hanging(text string) string {
	if head, _, ok := strings.Cut(text, " "); ok && (head == "-" || strings.HasSuffix(head, ".") && head[0] >= '0' && head[0] <= '9') {
		return strings.Repeat(" ", len(head)+1)
	}
	return ""
}
