package report

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	tagForm  = regexp.MustCompile(`<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s+[a-zA-Z0-9-]+(?:="[^"<>]*")?)*)\s*(/?)>`)
	attrForm = regexp.MustCompile(`\s+([a-zA-Z0-9-]+)(?:="([^"]*)")?`)
)

// assertPage checks that a page is well formed, fetches nothing, lets nothing but its
// own style and script act, and that what it refers to is there.
func assertPage(t *testing.T, out string) {
	t.Helper()
	require.Equal(t, 1, strings.Count(out, "<style>"))
	require.Equal(t, 1, strings.Count(out, "<script>"))
	policy := html.UnescapeString(between(t, out, `http-equiv="Content-Security-Policy" content="`, `"`))
	for element, directive := range map[string]string{"style": "style-src", "script": "script-src"} {
		content := between(t, out, "<"+element+">", "</"+element+">")
		sum := sha256.Sum256([]byte(content))
		assert.Contains(t, policy, directive+" 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'", "the browser would refuse it")
		assert.NotContains(t, content, "url(")
		assert.NotContains(t, content, "@import")
		out = strings.Replace(out, content, "", 1)
	}
	assert.True(t, strings.HasPrefix(policy, "default-src 'none';"))
	assert.NotContains(t, policy, "unsafe")
	assert.NotContains(t, policy, "http")

	ids, refs := map[string]int{}, []string{}
	var open []string
	void := []string{"meta", "input"}
	rest := tagForm.ReplaceAllStringFunc(strings.TrimPrefix(out, "<!doctype html>"), func(tag string) string {
		m := tagForm.FindStringSubmatch(tag)
		name := m[2]
		for _, a := range attrForm.FindAllStringSubmatch(m[3], -1) {
			switch a[1] {
			case "id":
				ids[a[2]]++
			case "href":
				if strings.HasPrefix(a[2], "https://") { // where a person goes, who has to click
					require.Equal(t, "a", name, tag)
					require.Contains(t, tag, `rel="noopener noreferrer"`)
					continue
				}
				require.True(t, strings.HasPrefix(a[2], "#"), "a reference that leaves the page: %s", tag)
				refs = append(refs, a[2][1:])
			case "aria-labelledby", "data-list":
				refs = append(refs, a[2])
			default:
				require.False(t, a[1] == "src" || a[1] == "style" || strings.HasPrefix(a[1], "on"), tag)
			}
		}
		switch {
		case m[1] == "/":
			require.NotEmpty(t, open, tag)
			require.Equal(t, open[len(open)-1], name, "closed out of order")
			open = open[:len(open)-1]
		case m[4] != "/" && !slices.Contains(void, name):
			open = append(open, name)
		}
		return ""
	})
	assert.Empty(t, open)
	assert.NotContains(t, rest, "<", "every < is that of a tag")
	for id, n := range ids {
		assert.Equal(t, 1, n, "id %q", id)
	}
	for _, ref := range refs {
		assert.Contains(t, ids, ref)
	}
	for _, element := range []string{"<link", "<iframe", "<object", "<embed", "<form", "<base"} {
		assert.NotContains(t, out, element)
	}
}

func between(t *testing.T, s, from, to string) string {
	t.Helper()
	_, s, ok := strings.Cut(s, from)
	require.True(t, ok, from)
	s, _, ok = strings.Cut(s, to)
	require.True(t, ok, to)
	return s
}

func TestPagesAreWholeAndFetchNothing(t *testing.T) {
	for name, s := range scenarios() {
		t.Run(name, func(t *testing.T) { assertPage(t, written(t, HTML, s, Options{})) })
	}
}

func TestThePageListsTheWorstAndSaysHowMany(t *testing.T) {
	s := replayed()
	out := written(t, HTML, s, Options{Limit: 2})
	assert.Contains(t, out, "The first 2 of 9")
	assert.Equal(t, 2, strings.Count(out, `<details class="item"`))
	assert.Contains(t, out, "<b>3</b><span>would have been closed</span>", "the totals are those of all")
	a := audited()
	out = written(t, HTML, a, Options{Limit: 1})
	assert.Contains(t, out, "The first 1 of 2")
	assert.Equal(t, 1, strings.Count(out, `<details class="item"`))
	assert.Contains(t, out, "sg-0123456789abcdef0", "the worst")
}

func TestAFindingWithoutAStatementHasItsChartToo(t *testing.T) {
	out := written(t, HTML, scenario{run: runOf(Replay), entries: replayed().entries[6:7]}, Options{})
	assertPage(t, out)
	assert.Equal(t, 1, strings.Count(out, `id="exposure"`))
	assert.Equal(t, 1, strings.Count(written(t, HTML, replayed(), Options{}), `id="exposure"`))
}

// The page is opened in a browser where CHROMIUM names one.
func TestTheScriptRunsUnderTheContentPolicy(t *testing.T) {
	browser := os.Getenv("CHROMIUM")
	if browser == "" {
		t.Skip("CHROMIUM names no browser")
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "page.html")
	require.NoError(t, os.WriteFile(file, []byte(written(t, HTML, advised(replayed()), Options{})), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
		"--user-data-dir="+filepath.Join(folder, "profile"), "--enable-logging=stderr", "--dump-dom", "file://"+file)
	var said strings.Builder
	cmd.Stderr = &said
	dom, err := cmd.Output()
	require.NoError(t, err)
	assert.Contains(t, string(dom), `<html lang="en" class="js">`)
	assert.Contains(t, string(dom), `<span><button type="button">Verdict</button></span>`)
	assert.Contains(t, string(dom), `<button type="button" class="copy">Copy</button>`)
	assert.NotContains(t, said.String(), "Content Security Policy")
}
