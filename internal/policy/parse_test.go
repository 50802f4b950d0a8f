package policy

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policyyaml"
)

var update = flag.Bool("update", false, "write the problems in testdata/problems.txt anew")

// problemCase is one entry of testdata/problems.txt.
type problemCase struct{ name, file, problems string }

func readProblemCases(t *testing.T) (head string, cases []problemCase) {
	t.Helper()
	data, err := os.ReadFile("testdata/problems.txt")
	require.NoError(t, err)
	parts := strings.Split(string(data), "\n== ")
	for _, part := range parts[1:] {
		name, rest, ok := strings.Cut(part, "\n")
		require.True(t, ok, part)
		file, problems, ok := strings.Cut("\n"+rest, "\n---\n")
		if !ok {
			file, ok = strings.CutSuffix("\n"+rest, "\n---")
		}
		require.True(t, ok, "case %q lacks ---", name)
		// The marker of a YAML document is the case's own, but for this.
		file = strings.ReplaceAll(strings.TrimPrefix(file, "\n"), "---yaml", "---")
		cases = append(cases, problemCase{name, file, strings.TrimSpace(problems)})
	}
	return parts[0], cases
}

func TestEveryProblemOfAFileIsListedByLine(t *testing.T) {
	head, cases := readProblemCases(t)
	var out strings.Builder
	out.WriteString(head)
	for _, c := range cases {
		p, err := Compile(policyyaml.Document("policy.yaml", []byte(c.file)))
		require.Error(t, err, c.name)
		assert.Nil(t, p, "%s: an unsound policy must not come back", c.name)
		var problems Problems
		require.ErrorAs(t, err, &problems, c.name)
		for _, one := range problems {
			assert.Positive(t, one.Line, "%s: %s", c.name, one)
			assert.Equal(t, "policy.yaml", one.File)
		}
		if *update {
			out.WriteString("\n== " + c.name + "\n" + strings.ReplaceAll(c.file, "---", "---yaml") + "\n---\n" + err.Error() + "\n")
			continue
		}
		assert.Equal(t, c.problems, err.Error(), c.name)
	}
	if *update {
		require.NoError(t, os.WriteFile("testdata/problems.txt", []byte(out.String()), 0o644))
	}
}

func TestAFileThatIsNoTextIsAProblemNotAPanic(t *testing.T) {
	for name, data := range map[string][]byte{
		"bytes that are no UTF-8": {0xff, 0xfe, 0x00, 0x01},
		"a zero byte":             []byte("version: 1\x00"),
		"deep nesting":            []byte(strings.Repeat("[", 20000)),
		"many aliases":            []byte("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nversion: *c\n"),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(policyyaml.Document("policy.yaml", data))
			assert.Nil(t, p)
			var problems Problems
			require.ErrorAs(t, err, &problems)
			assert.NotEmpty(t, problems)
		})
	}
}

func TestTheDefaultPolicyIsSound(t *testing.T) {
	p := defaultPolicy(t)
	assert.Equal(t, "6 statements, 0 exceptions", p.Summary())
	assert.Equal(t, "policy.yaml", p.File())
	assert.Empty(t, p.Warnings(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)))
}

func TestAStatementIsDescribedForPeople(t *testing.T) {
	p := mustParse(t, `
statements:
  - id: one
    effect: alert
    severity: low
    ingress: {from: world}
    description: >
      Why it
      matters.
    runbook: https://wiki.example.com/one
    controls: [EC2.19, 5.2]
  - {id: two, effect: ignore, ingress: {from: world}}
`)
	one, ok := p.Statement("one")
	require.True(t, ok)
	assert.Equal(t, StatementRef{"one", Low, "Why it matters.", "https://wiki.example.com/one", []string{"EC2.19", "5.2"}}, one)
	two, ok := p.Statement("two")
	require.True(t, ok)
	assert.Equal(t, StatementRef{ID: "two"}, two)
	_, ok = p.Statement("three")
	assert.False(t, ok)
	_, ok = p.Statement("")
	assert.False(t, ok)
}

func TestEveryStatementOfTheDefaultPolicyHasADescriptionAndARunbook(t *testing.T) {
	p := defaultPolicy(t)
	for _, s := range p.statements {
		assert.NotEmpty(t, s.description, s.id)
		assert.NotEmpty(t, s.runbook, s.id)
	}
}

func TestTheDigestIsOfTheBytes(t *testing.T) {
	const text = "version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - {id: one, effect: alert, severity: low, ingress: {from: world}}\n"
	assert.Regexp(t, `^sha256:[0-9a-f]{64}$`, mustParse(t, text).Digest())
	again := mustParse(t, text)
	assert.Equal(t, mustParse(t, text).Digest(), again.Digest())
	assert.NotEqual(t, mustParse(t, text).Digest(), mustParse(t, text+"# a remark\n").Digest())
}

const withExceptions = `
statements:
  - {id: one, effect: revoke, severity: low, ingress: {from: world}}
exceptions:
  - {id: early, reason: a migration, owner: data@example.com, expires: 2026-03-31, match: {ports: [5432/tcp]}}
  - {id: late, reason: a migration, owner: data@example.com, expires: 2026-12-31, match: {ports: [3306/tcp]}}
`

func TestAnExpiredExceptionIsAWarningAndNoError(t *testing.T) {
	p := mustParse(t, withExceptions)
	day := func(month time.Month, day, hour int) time.Time {
		return time.Date(2026, month, day, hour, 0, 0, 0, time.UTC)
	}
	const (
		expired = "policy.yaml:7: exception early expired on 2026-03-31 and no longer applies: remove it, or agree on a new date with data@example.com"
		soon    = "policy.yaml:7: exception early expires on 2026-03-31: data@example.com should close the rule it covers or agree on a new date"
		late    = "policy.yaml:8: exception late expires on 2026-12-31: data@example.com should close the rule it covers or agree on a new date"
	)
	for _, c := range []struct {
		name string
		at   time.Time
		want string
	}{
		{"long before", day(time.January, 1, 0), ""},
		{"an hour before the notice", day(time.March, 17, 23), ""},
		{"14 days before the end of the last day", day(time.March, 18, 0), soon},
		{"on the last day", day(time.March, 31, 23), soon},
		{"at midnight", day(time.April, 1, 0), expired},
		{"one expired and one about to", day(time.December, 20, 0), expired + "\n" + late},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, p.Warnings(c.at).Error()) })
	}
}

func TestAnExceptionAppliesUntilTheEndOfItsLastDay(t *testing.T) {
	p := mustParse(t, withExceptions)
	r, err := parseRule("tcp 5432 from 0.0.0.0/0")
	require.NoError(t, err)
	for at, want := range map[string]Verdict{
		"2026-03-31T23:59:59Z":      Exempt,
		"2026-04-01T00:00:00Z":      Revoke,
		"2026-04-01T01:59:59+02:00": Exempt,
		"2026-03-31T20:00:00-04:00": Revoke,
	} {
		req := newRequest()
		req.Time, err = time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		req.Rules = append(req.Rules, r)
		assert.Equal(t, want, p.Evaluate(req)[0].Verdict, at)
	}
}

func TestProblemsArePrintedOneALine(t *testing.T) {
	assert.Equal(t, "p.yaml:3: one\np.yaml:9: two", Problems{{"p.yaml", 3, "one"}, {"p.yaml", 9, "two"}}.Error())
}
