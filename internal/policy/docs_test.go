package policy

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policyyaml"
	"sgward/internal/secgroup"
)

// fence is one fenced block of a page.
type fence struct {
	kind string
	line int // of its first line of text
	text string
}

const page = "docs/POLICY.md"

func readPage(t *testing.T) (fences []fence, text string) {
	t.Helper()
	data, err := os.ReadFile("../../" + page)
	require.NoError(t, err)
	text = string(data)
	var open *fence
	for i, line := range strings.Split(text, "\n") {
		mark, isMark := strings.CutPrefix(line, "```")
		switch {
		case isMark && open == nil:
			open = &fence{kind: mark, line: i + 2}
		case isMark:
			fences = append(fences, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	require.Nil(t, open, "a fence is not closed")
	return fences, text
}

// Every policy on the page is judged by the block behind it, which holds either
// openings with verdicts or the problems that the policy has.
func TestEveryExampleOfThePageIsTrue(t *testing.T) {
	fences, _ := readPage(t)
	openings := 0
	for i, f := range fences {
		where := fmt.Sprintf("%s:%d", page, f.line)
		next := fence{kind: "nothing"}
		if i+1 < len(fences) {
			next = fences[i+1]
		}
		switch f.kind {
		case "yaml":
			assert.Contains(t, []string{"verdicts", "problems", "warnings"}, next.kind, "%s: no block behind this policy says what it does", where)
			p, err := Compile(policyyaml.Document("policy.yaml", []byte(f.text)))
			if next.kind == "problems" {
				assert.EqualError(t, err, strings.TrimSpace(next.text), where)
				continue
			}
			if !assert.NoError(t, err, where) {
				continue
			}
			warned := p.Warnings(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)).Error()
			// platform-network shows an exception that matters only together with other rules.
			if next.kind == "warnings" {
				assert.Equal(t, strings.TrimSpace(next.text), warned, where)
			} else if !strings.Contains(warned, "policy.yaml:6: exception platform-network covers nothing") {
				assert.Empty(t, warned, "%s: an example that lint warns of", where)
			}
		case "verdicts":
			require.Equal(t, "yaml", fences[i-1].kind, where)
			p, err := Compile(policyyaml.Document("policy.yaml", []byte(fences[i-1].text)))
			require.NoError(t, err, where)
			scenarios, err := parseScenarios(f.text, f.line)
			require.NoError(t, err, page)
			for _, s := range scenarios {
				openings += len(s.req.Rules)
				s.run(t, p, page)
			}
		case "problems", "warnings", "yaml test": // seen with its policy, or run as a file by the command
		default:
			assert.Fail(t, "a block that no test runs", "%s: %q", where, f.kind)
		}
	}
	assert.Greater(t, openings, 80)
}

var serviceRow = regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| ([0-9/, a-z-]+) \\|$")

func TestThePageListsEveryServiceName(t *testing.T) {
	_, text := readPage(t)
	_, table, found := strings.Cut(text, "\n## Service names\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n## ")
	var listed []string
	for _, row := range serviceRow.FindAllStringSubmatch(table, -1) {
		listed = append(listed, row[1])
		service, _ := secgroup.ServiceNamed(row[1])
		assert.Equal(t, service.PortList(), row[2], row[1])
	}
	assert.True(t, slices.IsSorted(listed))
	assert.Equal(t, secgroup.ServiceNames(), listed)
}

// A field that the language knows and the page does not name is a field that nobody
// will find.
func TestThePageNamesEveryField(t *testing.T) {
	_, text := readPage(t)
	fields := slices.Concat(scopeFields, []string{
		"version", "world", "ports", "networks", "trusted-prefix-list-owners", "allow-tag-exemptions", "owner-tag", "statements", "exceptions",
		"id", "severity", "effect", "existing", "description", "runbook", "controls", "ingress", "egress", "when", "unless",
		"except-ports", "covering-ports", "protocols", "direction", "peers", "prefix-lists", "referenced-groups",
		"expires", "until", "ended", "reason", "owner", "match", "{referenced-groups: other-accounts", "portless", "public", "any",
	})
	for _, field := range fields {
		assert.True(t, strings.Contains(text, "`"+field) || strings.Contains(text, "`{"+field), "the page does not name %s", field)
	}
}
