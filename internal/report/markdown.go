package report

import (
	"io"
	"strings"

	"sgward/internal/text"
)

// newMarkdown writes a short page in GitHub's Markdown, for the summary of a pipeline or a
// comment on a change: the sentence that decides, the totals, and a table of the worst
// findings. GitHub takes summaries of at most 1 MiB
// (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands).
func newMarkdown(w io.Writer, run Run, o Options) Writer {
	limit := 100
	if o.Limit > 0 {
		limit = o.Limit
	}
	return newCollector(w, run, limits{
		findings: limit, groups: limit, groupFindings: limit, rules: 1, interfaces: 1, rows: 1, buckets: 1, problems: 20,
	}, func(w io.Writer, s *Summary) error {
		_, err := io.WriteString(w, markdown(s))
		return err
	})
}

func markdown(s *Summary) string {
	var out strings.Builder
	put := func(paragraph string) { out.WriteString(paragraph + "\n\n") }
	put("### " + markdownText(s.Title))
	switch {
	case s.Empty != "":
		put(markdownText(s.Empty))
	default:
		if s.Headline != "" {
			put("**" + markdownText(s.Headline) + "**")
		}
		var tiles []string
		for _, t := range s.Tiles {
			tiles = append(tiles, markdownText(t.Value+" "+t.Label))
		}
		put(strings.Join(tiles, " · "))
	}
	var rows []string
	for i := range s.Groups.Items {
		for k := range s.Groups.Items[i].Findings.Items {
			rows = append(rows, markdownRow(&s.Groups.Items[i].Findings.Items[k], s.Groups.Items[i].named()))
		}
	}
	for i := range s.Findings.Items {
		rows = append(rows, markdownRow(&s.Findings.Items[i], s.Findings.Items[i].Group))
	}
	if len(rows) > 0 {
		put("| | opening | group | where | statement |\n| --- | --- | --- | --- | --- |\n" + strings.Join(rows, "\n"))
	}
	for _, limited := range []string{s.Groups.Limited(), s.Findings.Limited()} {
		if limited != "" {
			put("Listed are " + markdownText(limited) + ".")
		}
	}
	if s.Problems.All > 0 {
		put("**This report is incomplete: " + text.Plural(s.Problems.All, "problem") + "**")
		for _, p := range s.Problems.Items {
			out.WriteString("- " + markdownText(p.Place+": "+p.Text) + "\n")
		}
		if more := s.Problems.More(); more != "" {
			out.WriteString("- " + more + "\n")
		}
		out.WriteString("\n")
	}
	put("Judged by " + markdownText(s.Judged) + ".")
	return strings.TrimSuffix(out.String(), "\n")
}

func markdownRow(f *FindingView, group string) string {
	where := f.At
	if where == "" {
		where = f.Place
	}
	statement := markdownText(f.Statement)
	if f.Runbook != "" {
		statement += " ([runbook](<" + strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E", " ", "%20").Replace(f.Runbook) + ">))"
	}
	return "| " + strings.Join([]string{
		markdownText(verdictText(f.Verdict, f.Other, func(_, s string) string { return s })), markdownText(f.Title), markdownText(group),
		markdownText(where), statement,
	}, " | ") + " |"
}

// markdownText writes an untrusted text so that Markdown and HTML show
// it as it is, in one line of a table: no link, mention, image, heading or tag begins in
// it.
func markdownText(s string) string {
	var out strings.Builder
	for _, r := range text.Visible(s) {
		switch {
		case r == '<':
			out.WriteString("&lt;")
		case r == '>':
			out.WriteString("&gt;")
		case r == '&':
			out.WriteString("&amp;")
		case r == '@' || r == '#': // a mention; a reference to an issue
			out.WriteString(string(r) + "&#8203;")
		case strings.ContainsRune("\\`*_[]|~$", r):
			out.WriteString(`\` + string(r))
		default:
			out.WriteRune(r)
		}
	}
	return strings.NewReplacer("://", ":&#8203;//", "www.", "www&#8203;.").Replace(out.String())
}
