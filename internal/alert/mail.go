package alert

import (
	"fmt"
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
	// factWidth is the width of the titles "Who", "Where" and their like.
	factWidth = 7
)

// mail is plain text: the brief sections and, below a rule, all that is known.
func mail() medium {
	return medium{
		sections: append(brief(), details()...),
		limits:   limits{listed: maxListed, commands: 8, untrusted: 255, line: 900, isLong: true},
		quotes:   quotes{text: mailQuote, policy: mailCite},
		print:    printMail,
		size:     encodedSize, most: maxMail,
	}
}

func printMail(v *view, sections []section) string {
	var b strings.Builder
	b.WriteString(text.Wrap(v.title(), "", mailWidth, maxWord) + "\n")
	wasFact := false
	for _, s := range sections {
		if !s.isFact || !wasFact {
			b.WriteString("\n")
		}
		wasFact = s.isFact
		label := ""
		switch {
		case s.isFact:
			label = fmt.Sprintf("%-*s", factWidth, s.title)
		case s.title != "":
			b.WriteString(strings.ToUpper(s.title) + "\n")
		}
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
			switch it.kind {
			case rule:
				b.WriteString("-- " + it.text + " " + strings.Repeat("-", mailWidth-len(it.text)-4) + "\n")
			case link:
				b.WriteString(it.text + ":\n" + it.url + "\n")
			default:
				indent := hanging(it.text)
				if s.isFact {
					indent = strings.Repeat(" ", factWidth)
				}
				b.WriteString(text.Wrap(label+it.text, indent, mailWidth, maxWord) + "\n")
				label = strings.Repeat(" ", len(label))
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

// details lists the sections that only the mail has, after the brief ones: all that is
// known, and at the very end the exception that keeps a rule open.
func details() []func(*view, limits) section {
	return []func(*view, limits) section{
		(*view).detailsBegin, (*view).opened, (*view).why, (*view).call, (*view).sweep, (*view).exposed,
		(*view).toClose, (*view).toUndo, (*view).beforeEdit, (*view).toAllow,
	}
}

func (v *view) detailsBegin(limits) section {
	return section{items: []item{{kind: rule, text: "Details"}}}
}
