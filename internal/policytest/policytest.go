// Package policytest runs unit tests of policies: files that list rules or events with
// their expected verdicts.
package policytest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"sgward/internal/awsid"
	"sgward/internal/finding"
	"sgward/internal/input"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// file is a file of policy unit tests as written.
type file struct {
	Policy string `yaml:"policy"` // relative to this file; policy.yaml beside it by default
	Tests  []test `yaml:"tests"`
}

// test is one expectation. One of Rule, Rules and Event is judged.
type test struct {
	line        int
	Name        string              `yaml:"name"`
	Rule        *input.Rule         `yaml:"rule"`
	Rules       []input.Rule        `yaml:"rules"`
	Event       string              `yaml:"event"`
	Standing    *[]input.Rule       `yaml:"standing"` // the group's other rules; unknown if missing
	PrefixLists map[string][]string `yaml:"prefix-lists"`
	ListOwners  map[string]string   `yaml:"prefix-list-owners"` // the account itself if missing
	Given       struct {
		Account   string             `yaml:"account"`
		Region    string             `yaml:"region"`
		Group     string             `yaml:"group"`
		VPC       string             `yaml:"vpc"`
		GroupTags *map[string]string `yaml:"group-tags"`
		Actor     string             `yaml:"actor"`
		Time      string             `yaml:"time"`
		Until     string             `yaml:"until"` // the rules' tag for their end: they exist
	} `yaml:"given"`
	Decision  string `yaml:"decision"`  // revoke, alert, inspect, exempt or none
	Statement string `yaml:"statement"` // the deciding statement; not compared if missing
	Exception string `yaml:"exception"` // the covering exception; not compared if missing
}

// Outcome is the result of one test: one line of JSON.
type Outcome struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	// Differences are the fields that differ from the expectation, Reasons the policy's
	// reasons. Both are absent if the test passed.
	Differences []Difference `json:"differences,omitempty"`
	Reasons     []string     `json:"reasons,omitempty"`
}

// Difference is a field that differs from the expectation.
type Difference struct {
	Field string `json:"field"`
	Want  string `json:"want"`
	Got   string `json:"got"` // "none" if there is none
}

// Text lists the differences; "" if the test passed.
func (o Outcome) Text() string {
	if o.Passed {
		return ""
	}
	var b strings.Builder
	for _, d := range o.Differences {
		fmt.Fprintf(&b, "    - %s: %s\n    + %s: %s\n", d.Field, d.Want, d.Field, d.Got)
	}
	for _, r := range o.Reasons {
		fmt.Fprintf(&b, "      %s\n", r)
	}
	return fmt.Sprintf("FAIL %s:%d %s\n%s", o.File, o.Line, text.VisibleLines(o.Name), text.VisibleLines(b.String()))
}

// Run runs one file. The error is of a file, or of tests in it, that cannot be run.
func Run(ctx context.Context, path, policyFile string) ([]Outcome, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading policy tests: %w", err)
	}
	var tests file
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&tests); err != nil {
		return nil, readingProblem(path, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: a second YAML document: want one list of tests a file", path)
	}
	if len(tests.Tests) == 0 {
		return nil, fmt.Errorf("%s: no tests: want a list under tests", path)
	}
	tests.noteLines(data)
	folder := filepath.Dir(path)
	if policyFile == "" {
		policyFile = filepath.Join(folder, input.DefaultPolicy)
		if tests.Policy != "" {
			policyFile = filepath.Join(folder, tests.Policy)
		}
	}
	p, err := input.Policy(policyFile)
	if err != nil {
		return nil, err
	}
	var outcomes []Outcome
	var problems []error
	for _, c := range tests.Tests {
		got, err := c.run(ctx, p, folder)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %s: %w", path, c.line, c.Name, err))
			continue
		}
		o := Outcome{File: path, Line: c.line, Name: c.Name, Differences: c.differences(got)}
		if o.Passed = len(o.Differences) == 0; !o.Passed {
			o.Reasons = policy.Texts(got.reasons)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, errors.Join(problems...)
}

// noteLines records the line on which every test starts.
func (f *file) noteLines(data []byte) {
	var lines struct {
		Tests []yaml.Node `yaml:"tests"`
	}
	if err := yaml.Unmarshal(data, &lines); err != nil || len(lines.Tests) != len(f.Tests) {
		return // the strict reading before this one has reported the problem
	}
	for i := range f.Tests {
		f.Tests[i].line = lines.Tests[i].Line
	}
}

// result is the policy's result for a test.
type result struct {
	verdict              policy.Verdict
	statement, exception string
	reasons              []policy.Reason
}

// run judges the test's rules or event.
func (c test) run(ctx context.Context, p *policy.Policy, folder string) (result, error) {
	if err := new(policy.Verdict).UnmarshalText([]byte(c.Decision)); err != nil {
		return result{}, fmt.Errorf("decision %w", err)
	}
	now := time.Now()
	if c.Given.Time != "" {
		var err error
		if now, err = time.Parse(time.RFC3339, c.Given.Time); err != nil {
			return result{}, fmt.Errorf("given.time %q: want a time such as 2027-03-31T12:00:00Z", c.Given.Time)
		}
	}
	place := input.Place{Account: c.Given.Account, Region: c.Given.Region, Group: c.Given.Group, VPC: c.Given.VPC, Actor: c.Given.Actor}
	if err := place.Check(func(field string) string { return "given." + strings.TrimSuffix(field, "-id") }); err != nil {
		return result{}, err
	}
	rules := c.Rules
	if c.Rule != nil {
		rules = append(rules, *c.Rule)
	}
	if c.Rule != nil && len(c.Rules) > 0 || (len(rules) == 0) == (c.Event == "") {
		return result{}, errors.New("want one of rule, rules and event")
	}
	if c.Event != "" {
		if err := c.nothingBesideEvent(); err != nil {
			return result{}, err
		}
		return c.runEvent(ctx, p, filepath.Join(folder, c.Event), now)
	}
	req := place.Request(now)
	if c.Given.GroupTags != nil {
		req.Group.TagsKnown = true
		for key, value := range *c.Given.GroupTags {
			req.Group.Tags = append(req.Group.Tags, secgroup.Tag{Key: key, Value: value})
		}
	}
	var err error
	if req.Rules, err = readRules(rules, c.Given.Account); err != nil {
		return result{}, err
	}
	if c.Given.Until != "" {
		end, ok := policy.ParseMoment(c.Given.Until)
		if !ok {
			return result{}, fmt.Errorf("given.until %q: want a time such as 2027-03-31T18:00Z", c.Given.Until)
		}
		req.RulesRead = true
		for i := range req.Rules {
			req.Rules[i].Tags = []secgroup.Tag{policy.EndTag(end)}
		}
	}
	if c.Standing != nil {
		req.StandingKnown = true
		if req.Standing, err = readRules(*c.Standing, c.Given.Account); err != nil {
			return result{}, fmt.Errorf("standing: %w", err)
		}
	}
	if req.PrefixLists, err = c.prefixLists(); err != nil {
		return result{}, err
	}
	var findings []finding.Finding
	for i, j := range p.Evaluate(req) {
		if j.Verdict != policy.Compliant {
			findings = append(findings, finding.Of(req, i, j, ""))
		}
	}
	return resultOf(findings), nil
}

// nothingBesideEvent refuses fields that have no effect beside an event, which is judged
// as detect judges it: by its record and the time.
func (c test) nothingBesideEvent() error {
	given := c.Given
	given.Time = ""
	if c.Standing != nil || c.PrefixLists != nil || c.ListOwners != nil || given.GroupTags != nil ||
		given.Account+given.Region+given.Group+given.VPC+given.Actor+given.Until != "" {
		return errors.New("standing, prefix-lists, prefix-list-owners and given (but for its time) do not go with event: detect judges it by its record")
	}
	return nil
}

func (c test) runEvent(ctx context.Context, p *policy.Policy, file string, now time.Time) (result, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return result{}, fmt.Errorf("reading event: %w", err)
	}
	call, err := input.Call(ctx, data)
	if err != nil {
		return result{}, err
	}
	return resultOf(finding.Detect(p, call, now).Findings), nil
}

// resultOf is the decision of the strongest finding, the first of equals.
func resultOf(findings []finding.Finding) result {
	out := result{verdict: finding.Strongest(findings)}
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

// differences are the fields that differ from the expectation.
func (c test) differences(got result) []Difference {
	var out []Difference
	for _, d := range []Difference{
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

// readRules reads rules, which default to TCP ingress.
func readRules(rules []input.Rule, account string) ([]secgroup.Rule, error) {
	var out []secgroup.Rule
	for _, r := range rules {
		r.Direction, r.Protocol = cmp.Or(r.Direction, "ingress"), cmp.Or(r.Protocol, "tcp")
		rule, err := r.Read(input.Place{Account: account}, input.Field)
		if err != nil {
			return nil, err
		}
		out = append(out, rule)
	}
	return out, nil
}

// prefixLists are those of a test, of the account itself unless it says otherwise.
// Where no account is given that is one whom every account trusts.
func (c test) prefixLists() (map[string]secgroup.PrefixList, error) {
	out := map[string]secgroup.PrefixList{}
	for _, id := range slices.Sorted(maps.Keys(c.ListOwners)) {
		if _, told := c.PrefixLists[id]; !told {
			return nil, fmt.Errorf("prefix-list-owners: %q is not under prefix-lists", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.PrefixLists)) {
		if !awsid.IsPrefixList(id) {
			return nil, fmt.Errorf("prefix-lists: %q: want a prefix list such as pl-0123456789abcdef0", id)
		}
		entries := c.PrefixLists[id]
		if entries == nil {
			entries = []string{} // a test says what a list holds, if only nothing
		}
		owner := cmp.Or(c.ListOwners[id], c.Given.Account, secgroup.OwnerAWS)
		list, err := input.PrefixList(owner, entries, "prefix-list-owners."+id, "prefix-lists."+id, input.Field)
		if err != nil {
			return nil, err
		}
		out[id] = list
	}
	return out, nil
}
