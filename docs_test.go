package sgward_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	codeBlock  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	inlineCode = regexp.MustCompile("`[^`\n]*`")
	pageLink   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.*)$`)
)

func TestEveryLinkOfThePagesLeadsSomewhere(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	pages = append(pages, "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "events/README.md")
	links := 0
	for _, page := range pages {
		for _, m := range pageLink.FindAllStringSubmatch(inlineCode.ReplaceAllString(proseOf(t, page), ""), -1) {
			target := m[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			links++
			file, anchor, hasAnchor := strings.Cut(target, "#")
			path := page
			if file != "" {
				path = filepath.Join(filepath.Dir(page), filepath.FromSlash(file))
			}
			if _, err := os.Stat(path); !assert.NoError(t, err, "%s links to %s", page, target) || !hasAnchor {
				continue
			}
			assert.Contains(t, anchors(t, path), anchor, "%s links to %s: no heading of that name", page, target)
		}
	}
	assert.Greater(t, links, 100, "the pages were read")
}

// A page that no other page links to is never found.
func TestREADMELinksToEveryPage(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	var linked []string
	for _, m := range pageLink.FindAllStringSubmatch(proseOf(t, "README.md"), -1) {
		linked = append(linked, m[1])
	}
	for _, page := range pages {
		assert.Contains(t, linked, filepath.ToSlash(page))
	}
}

// A line break in a cell ends the table there.
func TestEveryRowOfATableIsOneLine(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	rows := 0
	for _, page := range append(pages, "README.md", "events/README.md") {
		for line := range strings.Lines(proseOf(t, page)) {
			if strings.HasPrefix(line, "|") {
				rows++
				assert.True(t, strings.HasSuffix(strings.TrimRight(line, " \r\n"), "|"), "%s: %s", page, line)
			}
		}
	}
	assert.Greater(t, rows, 200, "the pages were read")
}

// Without the file SAM reads samconfig.toml, which lacks the answers of make deploy.
func TestEveryDeploymentNamesTheFileThatHasTheAnswers(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	deployments := 0
	for _, page := range append(pages, "README.md", "events/README.md", "Makefile") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			for i, rest := range strings.Split(line, "sam deploy") {
				if i > 0 {
					deployments++
					assert.True(t, strings.HasPrefix(strings.TrimPrefix(rest, " --guided"), " --config-file samconfig.local.toml"), "%s: %s", page, line)
				}
			}
		}
	}
	assert.GreaterOrEqual(t, deployments, 5, "the pages were read")
}

// proseOf returns a page without its code blocks.
func proseOf(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	return codeBlock.ReplaceAllString(string(text), "")
}

// anchors returns the names that GitHub gives the headings of a page.
func anchors(t *testing.T, page string) []string {
	t.Helper()
	var all []string
	for _, m := range heading.FindAllStringSubmatch(proseOf(t, page), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return all
}

// docs/UPGRADE.md promises it: what was opened and closed can be looked up after the stack is gone.
func TestLogsOutliveTheStack(t *testing.T) {
	template, err := os.ReadFile("template.yaml")
	require.NoError(t, err)
	for _, group := range []string{"Detect", "Remediate", "Sweep"} {
		_, resource, found := strings.Cut(string(template), "\n  "+group+"LogGroup:\n")
		require.True(t, found, group)
		resource, _, _ = strings.Cut(resource, "    Properties:\n")
		assert.Contains(t, resource, "    UpdateReplacePolicy: Retain\n    DeletionPolicy: RetainExceptOnCreate\n", group)
	}
}

// Whoever is woken by an alarm looks for its name, and a page that names another one does not help.
func TestEveryAlarmThatThePagesNameIsOfTheTemplate(t *testing.T) {
	template, err := os.ReadFile("template.yaml")
	require.NoError(t, err)
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	var alarms []string
	for _, m := range regexp.MustCompile(`\n  (\w+):\n    Type: AWS::CloudWatch::Alarm\n`).FindAllStringSubmatch(string(template), -1) {
		alarms = append(alarms, m[1])
	}
	named := 0
	for _, page := range append(pages, "README.md", "SECURITY.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\b(?:[A-Z][a-z]+)+Alarm\b`).FindAllString(string(text), -1) {
			if strings.HasPrefix(m, "Test") {
				continue
			}
			named++
			assert.Contains(t, alarms, m, page)
		}
	}
	assert.Greater(t, named, 20, "the pages were read")
}
