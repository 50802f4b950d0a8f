package report

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"

	"sgward/internal/text"
)

// The page's template, style and script.
var (
	//go:embed page/page.html.tmpl
	pageTemplate string
	//go:embed page/style.css
	pageStyle string
	//go:embed page/script.js
	pageScript string
)

// newHTML writes one self-contained page: it fetches nothing, and its content security
// policy forbids it. All text passes html/template, which escapes it for its context.
// Without its script, the page lacks only sorting and filters.
func newHTML(w io.Writer, run Run, o Options) Writer {
	return newCollector(w, run, limits{
		findings: cmp.Or(o.Limit, 5000), groups: cmp.Or(o.Limit, 500),
		groupFindings: 200, rules: 200, interfaces: 200, rows: 12, buckets: 62, problems: 500,
	}, printHTML)
}

func printHTML(w io.Writer, s *Summary) error {
	t, err := template.New("page").Funcs(template.FuncMap{"thousands": text.Thousands[int], "plural": text.Plural[int], "time": text.Time, "list": func(items ...any) []any { return items }}).Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("parsing the page's template: %w", err)
	}
	out := bufio.NewWriter(w)
	if err := t.Execute(out, page{
		Summary: s, Policy: contentPolicy(pageStyle, pageScript),
		Style:  template.CSS(pageStyle), //nolint:gosec // our own file, the same in every report
		Script: template.JS(pageScript), //nolint:gosec // our own file, the same in every report
	}); err != nil {
		return err
	}
	return out.Flush()
}

// page is a summary with the parts that only a browser needs.
type page struct {
	*Summary
	Policy string // content security policy
	Style  template.CSS
	Script template.JS
}

// contentPolicy allows the page's own style and script, by their digests, and nothing
// else: the page makes no request.
func contentPolicy(style, script string) string {
	digest := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + digest(style) + "; script-src " + digest(script) + "; base-uri 'none'; form-action 'none'"
}
