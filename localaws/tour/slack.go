package tour

import (
	"encoding/json"
	"fmt"
	"strings"

	"sgward/internal/text"
)

// notification is the part of Amazon Q Developer's custom notification that a reader
// of the channel sees.
type notification struct {
	Version string `json:"version"`
	Source  string `json:"source"`
	Content struct {
		Title       string   `json:"title"`
		Description string   `json:"description"`
		Keywords    []string `json:"keywords"`
	} `json:"content"`
}

// parseNotification reads the https body of an alert. A message that Amazon Q would drop
// silently is an error here.
func parseNotification(body string) (notification, error) {
	var n notification
	if err := json.Unmarshal([]byte(body), &n); err != nil {
		return notification{}, fmt.Errorf("reading the chat notification: %w", err)
	}
	if n.Version != "1.0" || n.Source != "custom" || n.Content.Description == "" {
		return notification{}, fmt.Errorf("reading the chat notification: version %q, source %q: chat would drop it", n.Version, n.Source)
	}
	return n, nil
}

// slack draws a notification as a message in a channel: a bar on the left, bold headings,
// code set off, links by their names. There is no bar on the right, which wide characters
// would displace.
func (s *screen) slack(n notification) {
	bar := s.Apply(text.Dim, "   │ ")
	s.line("%s", s.Apply(text.Dim, "   ┌─ #cloud-security, as Slack shows it "+strings.Repeat("─", max(s.width-44, 0))))
	write := func(how text.Style, out string) {
		lines := wrap(out, s.width-6)
		if how == text.Cyan {
			lines = wrapCode(out, s.width-6)
		}
		for _, l := range lines {
			s.line("%s%s", bar, s.Apply(how, l))
		}
	}
	write(text.Bold, text.Visible(unescape(n.Content.Title)))
	s.line("%s", strings.TrimRight(bar, " "))
	code := false
	for l := range strings.Lines(n.Content.Description) {
		l = strings.TrimRight(l, "\r\n")
		switch {
		case strings.TrimSpace(l) == "```":
			code = !code
		case code:
			write(text.Cyan, "  "+text.Visible(unescape(l)))
		case isHeading(l):
			write(text.Bold, "  "+text.Visible(unescape(strings.Trim(l, "*"))))
		default:
			label, rest := labelled(l)
			for i, part := range wrap("  "+text.Visible(unmarked(label+rest)), s.width-6) {
				if before, after, ok := strings.Cut(part, label); i == 0 && label != "" && ok {
					part = before + s.Apply(text.Bold, label) + after
				}
				s.line("%s%s", bar, part)
			}
		}
	}
	s.line("%s", s.Apply(text.Dim, "   └"+strings.Repeat("─", s.width-6)))
}

// labelled splits a line that begins with bold words: "*Who* casey".
func labelled(line string) (label, rest string) {
	marked, ok := strings.CutPrefix(line, "*")
	if !ok {
		return "", line
	}
	label, rest, ok = strings.Cut(marked, "*")
	if !ok || label != text.Visible(unescape(label)) {
		return "", line
	}
	return label, rest
}

func isHeading(line string) bool {
	return len(line) > 2 && strings.HasPrefix(line, "*") && strings.HasSuffix(line, "*") && strings.Count(line, "*") == 2
}

// unmarked shows Slack's inline markup as a reader sees it: a link by its text (the
// terminal cannot hide the address, and it would fill the screen), no marks around
// code and bold.
func unmarked(line string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(line, "<")
		b.WriteString(before)
		if !ok {
			break
		}
		link, after, closed := strings.Cut(rest, ">")
		if !closed {
			b.WriteString("<" + rest)
			break
		}
		if _, label, named := strings.Cut(link, "|"); named {
			b.WriteString(label + " ↗")
		} else {
			b.WriteString(link)
		}
		line = after
	}
	return unescape(strings.NewReplacer("`", "", "*", "").Replace(b.String()))
}

// unescape undoes the three escapes that Slack has.
func unescape(text string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}
