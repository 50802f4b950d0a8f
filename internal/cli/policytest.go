package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"sgward/internal/awsid"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// testFile is a file of policy unit tests as written.
type testFile struct {
	Policy string     `yaml:"policy"` // relative to this file; policy.yaml beside it by default
	Tests  []testCase `yaml:"tests"`
}

// testCase is one expectation. One of Rule, Rules and Event says what is judged.
type testCase struct {
	line        int
	Name        string              `yaml:"name"`
	Rule        *testRule           `yaml:"rule"`
	Rules       []testRule          `yaml:"rules"`
	Event       string              `yaml:"event"`
	Standing    *[]testRule         `yaml:"standing"` // the group's other rules; left out: not known
	PrefixLists map[string][]string `yaml:"prefix-lists"`
	Given       struct {
		Account   string             `yaml:"account"`
		Region    string             `yaml:"region"`
		Group     string             `yaml:"group"`
		VPC       string             `yaml:"vpc"`
		GroupTags *map[string]string `yaml:"group-tags"`
		Actor     string             `yaml:"actor"`
		Time      string             `yaml:"time"`
	} `yaml:"given"`
	Decision  string `yaml:"decision"`  // revoke, alert, inspect, exempt or none
	Statement string `yaml:"statement"` // the statement that decides; not compared if left out
	Exception string `yaml:"exception"` // the exception that covers; not compared if left out
}

// testRule is a rule in the words of explain's flags.
type testRule struct {
	Direction   string `yaml:"direction"`
	Protocol    string `yaml:"protocol"`
	Port        string `yaml:"port"`
	CIDR        string `yaml:"cidr"`
	PrefixList  string `yaml:"prefix-list"`
	SourceGroup string `yaml:"source-group"`
}

func policyTestCommand(in Invocation) *cobra.Command {
	var policyFile string
	var output outputFlags
	cmd := &cobra.Command{
		Use:   "test [FILE...]",
		Short: "Run unit tests of a policy",
		Long: "Test runs files of policy unit tests (policy_test.yaml if none is named): rules or event files, each with the\n" +
			"decision that is expected of it. docs/POLICY.md shows the form.\n" +
			"Exit status: 0 all pass, 1 some fail, 2 a file is not sound.",
		Example: "  sgward policy test\n  sgward policy test --policy new-policy.yaml policy_test.yaml",
		RunE: func(cmd *cobra.Command, files []string) error {
			if len(files) == 0 {
				files = []string{"policy_test.yaml"}
			}
			passed, failed := 0, 0
			for _, file := range files {
				outcomes, err := runPolicyTests(cmd.Context(), file, policyFile)
				for _, o := range outcomes {
					if o.Passed {
						passed++
					} else {
						failed++
					}
					if err := o.write(in.Stdout, output); err != nil {
						return fmt.Errorf("writing the results: %w", err)
					}
				}
				if err != nil {
					return &statusError{StatusUsage, err}
				}
			}
			if output.format == string(report.Text) && !output.quiet {
				if _, err := fmt.Fprintf(in.Stdout, "%d passed, %d failed\n", passed, failed); err != nil {
					return fmt.Errorf("writing the results: %w", err)
				}
			}
			if failed > 0 {
				return &statusError{status: StatusError}
			}
			return nil
		},
	}
	output.add(cmd, report.Text, report.JSON)
	cmd.Flags().StringVar(&policyFile, "policy", "", "policy file (default: what the test file names, or policy.yaml beside it)")
	return cmd
}

// testOutcome is what became of one test: one line of JSON.
type testOutcome struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	// Differences are the fields that came otherwise than expected, Reasons what the
	// policy says of its verdict. Both are absent where the test passed.
	Differences []testDifference `json:"differences,omitempty"`
	Reasons     []string         `json:"reasons,omitempty"`
}

type testDifference struct {
	Field string `json:"field"`
	Want  string `json:"want"`
	Got   string `json:"got"` // "none" where there is none
}

// write writes the outcome. Text says nothing of what passed, and neither does a
// quiet JSON.
func (o testOutcome) write(w io.Writer, output outputFlags) error {
	if output.format == string(report.JSON) {
		if o.Passed && output.quiet {
			return nil
		}
		return writeJSON(w, o)
	}
	if o.Passed {
		return nil
	}
	var b strings.Builder
	for _, d := range o.Differences {
		fmt.Fprintf(&b, "    - %s: %s\n    + %s: %s\n", d.Field, d.Want, d.Field, d.Got)
	}
	for _, r := range o.Reasons {
		fmt.Fprintf(&b, "      %s\n", r)
	}
	_, err := fmt.Fprintf(w, "FAIL %s:%d %s\n%s", o.File, o.Line, text.VisibleLines(o.Name), text.VisibleLines(b.String()))
	return err
}

// runPolicyTests runs one file. The error is of a file, or of tests in it, that
// cannot be run.
func runPolicyTests(ctx context.Context, file, policyFile string) ([]testOutcome, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading policy tests: %w", err)
	}
	var tests testFile
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&tests); err != nil {
		return nil, readingProblem(file, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: a second YAML document: want one list of tests a file", file)
	}
	if len(tests.Tests) == 0 {
		return nil, fmt.Errorf("%s: no tests: want a list under tests", file)
	}
	tests.noteLines(data)
	folder := filepath.Dir(file)
	if policyFile == "" {
		policyFile = filepath.Join(folder, defaultPolicy)
		if tests.Policy != "" {
			policyFile = filepath.Join(folder, tests.Policy)
		}
	}
	p, err := readPolicy(policyFile)
	if err != nil {
		return nil, err
	}
	var outcomes []testOutcome
	var problems []error
	for _, c := range tests.Tests {
		got, err := c.run(ctx, p, folder)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %s: %w", file, c.line, c.Name, err))
			continue
		}
		o := testOutcome{File: file, Line: c.line, Name: c.Name, Differences: c.differences(got)}
		if o.Passed = len(o.Differences) == 0; !o.Passed {
			o.Reasons = policy.Texts(got.reasons)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, errors.Join(problems...)
}

// noteLines tells every test the line on which it starts.
func (f *testFile) noteLines(data []byte) {
	var lines struct {
		Tests []yaml.Node `yaml:"tests"`
	}
	if err := yaml.Unmarshal(data, &lines); err != nil || len(lines.Tests) != len(f.Tests) {
		return // the strict reading before this one has reported what is wrong
	}
	for i := range f.Tests {
		f.Tests[i].line = lines.Tests[i].Line
	}
}

// testResult is what the policy made of a test.
type testResult struct {
	verdict              policy.Verdict
	statement, exception string
	reasons              []policy.Reason
}

// run judges the test's rules or event.
func (c testCase) run(ctx context.Context, p *policy.Policy, folder string) (testResult, error) {
	if err := new(policy.Verdict).UnmarshalText([]byte(c.Decision)); err != nil {
		return testResult{}, fmt.Errorf("decision %w", err)
	}
	now := time.Now()
	if c.Given.Time != "" {
		var err error
		if now, err = time.Parse(time.RFC3339, c.Given.Time); err != nil {
			return testResult{}, fmt.Errorf("given.time %q: want a time such as 2027-03-31T12:00:00Z", c.Given.Time)
		}
	}
	given := explainFlags{account: c.Given.Account, region: c.Given.Region, group: c.Given.Group, vpc: c.Given.VPC, actor: c.Given.Actor}
	if err := given.checkForms(func(flag string) string { return "given." + strings.TrimSuffix(flag, "-id") }); err != nil {
		return testResult{}, err
	}
	rules := c.Rules
	if c.Rule != nil {
		rules = append(rules, *c.Rule)
	}
	if c.Rule != nil && len(c.Rules) > 0 || (len(rules) == 0) == (c.Event == "") {
		return testResult{}, errors.New("want one of rule, rules and event")
	}
	if c.Event != "" {
		if err := c.nothingBesideEvent(); err != nil {
			return testResult{}, err
		}
		return c.runEvent(ctx, p, filepath.Join(folder, c.Event), now)
	}
	req := given.request(now)
	if c.Given.GroupTags != nil {
		req.Group.TagsKnown = true
		for key, value := range *c.Given.GroupTags {
			req.Group.Tags = append(req.Group.Tags, secgroup.Tag{Key: key, Value: value})
		}
	}
	var err error
	if req.Rules, err = secgroupRules(rules, c.Given.Account); err != nil {
		return testResult{}, err
	}
	if c.Standing != nil {
		req.StandingKnown = true
		if req.Standing, err = secgroupRules(*c.Standing, c.Given.Account); err != nil {
			return testResult{}, fmt.Errorf("standing: %w", err)
		}
	}
	if req.PrefixLists, err = c.prefixLists(); err != nil {
		return testResult{}, err
	}
	var findings []finding.Finding
	for i, j := range p.Evaluate(req) {
		if j.Verdict != policy.Compliant {
			findings = append(findings, finding.Of(req, i, j, ""))
		}
	}
	return resultOf(findings), nil
}

// nothingBesideEvent refuses what would have no effect beside an event, which is judged
// as detect does: by what its record tells, and the time.
func (c testCase) nothingBesideEvent() error {
	given := c.Given
	given.Time = ""
	if c.Standing != nil || c.PrefixLists != nil || given.GroupTags != nil ||
		given.Account+given.Region+given.Group+given.VPC+given.Actor != "" {
		return errors.New("standing, prefix-lists and given (but for its time) do not go with event: detect judges it by what its record tells")
	}
	return nil
}

func (c testCase) runEvent(ctx context.Context, p *policy.Policy, file string, now time.Time) (testResult, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return testResult{}, fmt.Errorf("reading event: %w", err)
	}
	call, err := callOf(ctx, data)
	if err != nil {
		return testResult{}, err
	}
	return resultOf(finding.Detect(p, call, now).Findings), nil
}

// resultOf is the decision of the strongest finding, the first of equals.
func resultOf(findings []finding.Finding) testResult {
	out := testResult{verdict: finding.Strongest(findings)}
	for _, f := range findings {
		if out.statement == "" && (f.Verdict == out.verdict || out.verdict == policy.Compliant) {
			if f.Verdict == policy.Exempt {
				out.verdict = policy.Exempt
				out.exception = f.Exception.ID
			}
			out.statement, out.reasons = f.StatementID, f.Reasons
		}
	}
	return out
}

// differences are the fields that came otherwise than expected.
func (c testCase) differences(got testResult) []testDifference {
	var out []testDifference
	for _, d := range []testDifference{
		{"decision", c.Decision, got.verdict.String()},
		{"statement", c.Statement, got.statement},
		{"exception", c.Exception, got.exception},
	} {
		if d.Want != "" && d.Want != d.Got {
			d.Got = cmp.Or(d.Got, "none")
			out = append(out, d)
		}
	}
	return out
}

func secgroupRules(rules []testRule, account string) ([]secgroup.Rule, error) {
	var out []secgroup.Rule
	for _, r := range rules {
		f := explainFlags{
			direction: r.Direction, protocol: r.Protocol, port: r.Port, account: account,
			cidr: r.CIDR, prefixList: r.PrefixList, sourceGroup: r.SourceGroup,
		}
		if f.direction == "" {
			f.direction = "ingress"
		}
		if f.protocol == "" {
			f.protocol = "tcp"
		}
		if err := (explainFlags{prefixList: f.prefixList, sourceGroup: f.sourceGroup}).checkForms(func(flag string) string { return flag }); err != nil {
			return nil, err
		}
		rule, err := f.rule()
		if err != nil {
			return nil, errors.New(strings.ReplaceAll(err.Error(), "--", ""))
		}
		out = append(out, rule)
	}
	return out, nil
}

func (c testCase) prefixLists() (map[string][]netip.Prefix, error) {
	out := map[string][]netip.Prefix{}
	for _, id := range slices.Sorted(maps.Keys(c.PrefixLists)) {
		if !awsid.IsPrefixList(id) {
			return nil, fmt.Errorf("prefix-lists: %q: want a prefix list such as pl-0123456789abcdef0", id)
		}
		out[id] = []netip.Prefix{}
		for _, s := range c.PrefixLists[id] {
			p, err := netip.ParsePrefix(s)
			if err != nil {
				return nil, fmt.Errorf("prefix-lists.%s: %q is no CIDR", id, s)
			}
			out[id] = append(out[id], p)
		}
	}
	return out, nil
}
