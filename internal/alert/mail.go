package alert

import (
	"strings"

	"sgward/internal/text"
)

const (
	// mailWidth is the width of prose lines.
	mailWidth = 76
	// maxWord is the longest word that is not broken; ARNs are shorter. So lines stay
	// within the 998 bytes that mail allows
	// (https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1).
	maxWord = 160
)

// mail is plain text with every section.
func mail() medium {
	return medium{
		sections: everything(),
		limits:   limits{listed: maxListed, commands: 8, excepted: 8, exposed: 10, reasons: 20, untrusted: 255, line: 900},
		quotes:   quotes{text: mailQuote, policy: mailCite},
		print:    printMail,
		size:     encodedSize, most: maxMail,
	}
}

func printMail(v *view, sections []section) string {
	var b strings.Builder
	b.WriteString(text.Wrap(v.headline(maxTitle), "", mailWidth, maxWord) + "\n")
	for _, s := range sections {
		b.WriteString("\n" + strings.ToUpper(s.title) + "\n")
		for i, it := range s.items {
			isAfterBlock := i > 0 && s.items[i-1].kind == block
			switch {
			case it.kind == block:
				// Blank lines set it off, without an indent, so that it can be copied.
				b.WriteString("\n" + it.text + "\n")
				continue
			case isAfterBlock:
				b.WriteString("\n")
			}
			if it.kind == link {
				b.WriteString(it.text + ":\n" + it.url + "\n")
			} else {
				b.WriteString(text.Wrap(it.text, hanging(it.text), mailWidth, maxWord) + "\n")
			}
		}
	}
	b.WriteString("\n" + v.footer + "\n")
	return b.String()
}

// hanging is the indent of the further lines of a list item.
func hanging(text string) string {
	if head, _, ok := strings.Cut(text, " "); ok && (head == "-" || strings.HasSuffix(head, ".") && head[0] >= '0' && head[0] <= '9') {
		return strings.Repeat(" ", len(head)+1)
	}
	return ""
}
