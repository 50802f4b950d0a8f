package cli

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"sgward/internal/check"
	"sgward/internal/planned"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/text"
)

// checkFlags are the flags of check.
type checkFlags struct {
	judgeFlags
	overrides []string
}

func checkCommand(in Invocation) *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Judge what a plan or template would open",
		Long: "Check judges the security group rules that a change would make, before it is applied, and calls no AWS API.\n\n" +
			"FILE is the output of \"terraform show -json PLANFILE\" (OpenTofu's too), a CloudFormation or SAM template in YAML or\n" +
			"JSON, a folder of templates such as cdk.out (*.template.json, *.template.yaml), or - for standard input. A file may\n" +
			"be gzipped.\n\n" +
			"Only rules that are created or changed are findings. Rules that a plan leaves alone count where peers add up.\n" +
			"Verdicts that depend on values known only after the change (unknown values, parameters without default, imports,\n" +
			"macros, rules of groups outside the file) are \"inspect\": nothing unknown counts as safe.\n" +
			"Exit status: 0 nothing found, or only excepted rules, 1 error or input not read, 2 usage or an unsound policy,\n" +
			"3 findings.",
		Example: "  terraform plan -out tfplan && terraform show -json tfplan > plan.json && sgward check plan.json\n" +
			"  sgward check template.yaml --parameter-overrides Env=prod OfficeCidr=203.0.113.0/24\n" +
			"  cdk synth --quiet && sgward check cdk.out\n" +
			"  sgward check --format sarif plan.json > check.sarif",
		RunE: func(cmd *cobra.Command, paths []string) error { return f.run(cmd.Context(), in, paths) },
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&f.overrides, "parameter-overrides", nil, "value of a template's parameter, as KEY=VALUE (repeats)")
	return cmd
}

// overrideForm matches KEY=VALUE; names of parameters are alphanumeric.
var overrideForm = regexp.MustCompile(`(?s)^([A-Za-z0-9]+)=(.*)$`)

// parameters reads the overrides. As for the AWS CLI, several may follow one flag: those are
// among the paths.
func (f *checkFlags) parameters(args []string) (paths []string, values map[string]string, err error) {
	values = map[string]string{}
	given := f.overrides
	for _, arg := range args {
		_, missing := os.Stat(arg)
		if len(f.overrides) > 0 && missing != nil && overrideForm.MatchString(arg) {
			given = append(given, arg)
			continue
		}
		paths = append(paths, arg)
	}
	for _, text := range given {
		match := overrideForm.FindStringSubmatch(text)
		if match == nil {
			return nil, nil, usageError("--parameter-overrides %q: want KEY=VALUE", text)
		}
		values[match[1]] = match[2]
	}
	return paths, values, nil
}

func (f *checkFlags) run(ctx context.Context, in Invocation, args []string) error {
	paths, parameters, err := f.parameters(args)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return usageError("want a plan, a template, a folder of templates, or - for standard input")
	}
	p, format, err := f.read(in)
	if err != nil {
		return err
	}
	read := check.Read(paths, in.Stdin, parameters)
	if len(read.Undeclared) > 0 && len(read.Problems) == 0 {
		return usageError("--parameter-overrides %s: no template here has such a parameter", read.Undeclared[0])
	}
	if len(read.Changes) == 0 && len(read.Problems) > 0 && format != report.SARIF { // which has a place for the problems
		return nothingJudged(read.Problems)
	}
	run := report.Run{
		Command: report.Check, Version: in.Build.Version, Policy: namedPolicy(p), Sources: namedSources(paths), Now: time.Now().UTC(),
		Statement: p.Statement,
	}
	return f.write(in, format, run, func(w report.Writer) ([]text.Problem, error) { return f.judge(ctx, p, read, run.Now, w) }, nil)
}

// judge judges what was read and writes the report.
func (*checkFlags) judge(ctx context.Context, p *policy.Policy, read *check.Input, now time.Time, w report.Writer) ([]text.Problem, error) {
	of := report.Planned{Files: read.Files}
	for _, c := range read.Changes {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("judging: %w", err)
		}
		for i := range c.Groups {
			of.Groups++
			for k := range c.Groups[i].Rules {
				if c.Groups[i].Rules[k].Standing {
					of.Standing++
				} else {
					of.Rules++
				}
			}
		}
		for _, finding := range planned.Judge(p, c.Change, c.Name, now) {
			location := report.Location{File: finding.Location.File, Line: finding.Location.Line, Address: finding.Location.Address}
			entry := report.Entry{Finding: finding.Finding, Location: &location, Group: finding.Group, Unknown: finding.Unknown}
			if err := w.Entry(entry); err != nil {
				return nil, err
			}
		}
	}
	out := report.Coverage{Planned: &of, Problems: read.Problems}
	return out.Problems, w.Close(out)
}
