package check_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/check"
	"sgward/internal/planned"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
)

var update = flag.Bool("update", false, "write the expected findings anew")

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func testPolicy(t *testing.T) *policy.Policy {
	t.Helper()
	data, err := os.ReadFile("testdata/policy.yaml")
	require.NoError(t, err)
	p, err := policy.Compile(policyyaml.Document("policy.yaml", data))
	require.NoError(t, err)
	return p
}

// lines shows findings and problems, one a line and sorted.
func lines(p *policy.Policy, r *check.Input) []string {
	var out []string
	for _, c := range r.Changes {
		for _, f := range planned.Judge(p, c.Change, c.Name, now) {
			line := fmt.Sprintf("%s %s %s", f.Location.Address, f.Verdict, f.StatementID)
			if f.Location.Line > 0 {
				line = fmt.Sprintf("%4d %s", f.Location.Line, line)
			}
			if f.Rule != nil {
				line += ": " + f.Rule.Permission.String()
			}
			var place []string
			for _, s := range []string{f.AccountID, f.Region, f.GroupID, f.GroupName, f.Group} {
				if s != "" {
					place = append(place, s)
				}
			}
			line += " in " + strings.Join(place, " ")
			for _, w := range f.With {
				line += "; with " + w.Permission.String()
			}
			for _, reason := range f.Reasons {
				if reason.Line == 0 {
					line += "; " + reason.Text
				}
			}
			if f.Verdict == policy.Undetermined && len(f.Unknown) == 0 {
				line += "; it does not say what is unknown"
			}
			out = append(out, line)
		}
	}
	for _, problem := range r.Problems {
		out = append(out, "problem "+problem.Place+": "+problem.Text)
	}
	slices.Sort(out)
	return out
}

// The plans were made by Terraform of the cases in e2e/terraform, whose comments say what
// each rule is for.
func TestFindingsOfPlans(t *testing.T) {
	plans, err := filepath.Glob("../terraform/testdata/*.json")
	require.NoError(t, err)
	require.Greater(t, len(plans), 10)
	for _, plan := range plans {
		t.Run(strings.TrimSuffix(filepath.Base(plan), ".json"), func(t *testing.T) {
			compare(t, strings.TrimSuffix(plan, ".json")+".txt", check.Read([]string{plan}, nil, nil))
		})
	}
}

// The comments of the templates say what each rule is for.
func TestFindingsOfTemplates(t *testing.T) {
	const folder = "../template/testdata/"
	for name, parameters := range map[string]map[string]string{"forms.yaml": nil, "unknown.yaml": nil, "loops.yaml": nil, "nested/parent.yaml": nil, "cdk.out": nil} {
		t.Run(name, func(t *testing.T) {
			compare(t, folder+strings.ReplaceAll(name, "/", "-")+".txt", check.Read([]string{folder + name}, nil, parameters))
		})
	}
	t.Run("forms.yaml, of production", func(t *testing.T) {
		compare(t, folder+"forms-prod.txt", check.Read([]string{folder + "forms.yaml"}, nil, map[string]string{"Env": "prod", "World": "10.0.0.0/8"}))
	})
}

// compare holds findings against a file.
func compare(t *testing.T, path string, r *check.Input) {
	t.Helper()
	got := strings.Join(lines(testPolicy(t), r), "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "-update writes it anew")
}

func read(t *testing.T, name, text string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	var out []string
	for _, problem := range check.Read([]string{path}, nil, nil).Problems {
		assert.Contains(t, problem.Place, name)
		out = append(out, problem.Text)
	}
	return out
}

func TestBadInputSaysWhatToRun(t *testing.T) {
	plan, err := os.ReadFile("../terraform/testdata/create.json")
	require.NoError(t, err)
	// Nine levels of nine aliases.
	bomb := "Metadata:\n  a0: &a0 [x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("  a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", "))
	}
	bomb += "Resources:\n  A: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: x, SecurityGroupIngress: [{IpProtocol: *a9}]}}\n"
	for name, c := range map[string]struct{ file, text, want string }{
		"a binary plan":               {"tfplan", "PK\x03\x04rest", "run: terraform show -json"},
		"a state":                     {"terraform.tfstate", `{"version": 4, "terraform_version": "1.11.4", "serial": 3, "lineage": "x", "resources": []}`, "is a state, not a plan"},
		"the state as shown":          {"state.json", `{"format_version":"1.0","terraform_version":"1.11.4","values":{"root_module":{}}}`, "is a state, not a plan"},
		"UTF-16":                      {"plan.json", "\xff\xfe{\x00", "is UTF-16: want UTF-8"},
		"a log":                       {"plan.json", `{"@level":"info","@message":"Terraform 1.11.4"}` + "\n" + `{"@level":"info"}`, "is the log of terraform plan -json"},
		"a plan as text":              {"plan.txt", "\nTerraform used the selected providers to generate the following execution plan.", "is a plan as text: run: terraform show -json"},
		"the wrapper's output":        {"plan.json", "[command]/opt/terraform-bin show -json tfplan\n" + string(plan), "terraform_wrapper: false"},
		"schemas":                     {"schemas.json", `{"format_version":"1.0","provider_schemas":{}}`, "holds the schemas of providers"},
		"a cut plan":                  {"plan.json", string(plan[:len(plan)/2]), "is cut off"},
		"damaged JSON":                {"plan.json", `{"format_version":"1.2",` + "\n" + `"resource_changes":[{]}`, "line 2"},
		"a plan of the future":        {"plan.json", `{"format_version":"2.0","resource_changes":[]}`, "format version 2.0"},
		"source":                      {"main.tf", `resource "aws_security_group" "x" {}`, "is Terraform's source"},
		"a YAML bomb":                 {"bomb.yaml", bomb, "aliases expand to more than"},
		"an alias within itself":      {"loop.yaml", "Resources:\n  A: &a {Type: AWS::EC2::SecurityGroup, Properties: {SecurityGroupIngress: [*a]}}\n", `parsing protocol ""`},
		"no template":                 {"compose.yaml", "services:\n  web: {image: x}\n", "is neither a plan nor a template"},
		"JSON of another kind":        {"package.json", `{"name": "x", "Parameters": {}}`, "is neither a plan nor a template"},
		"text":                        {"README.md", "Hello, world", "is neither a plan nor a template"},
		"damaged YAML":                {"t.yaml", "Resources:\n  A: {Type: [\n", "line"},
		"a key twice":                 {"t.yaml", "Resources:\n  A: {Type: AWS::EC2::VPC}\n  A: {Type: AWS::EC2::VPC}\n", `line 3: key "A" is in line 2 already`},
		"a cut template":              {"t.json", `{"Resources": {"A": {"Type": "AWS::EC2::VPC"`, "is cut off"},
		"no Type":                     {"t.yaml", "Resources:\n  A: {Properties: {}}\n", "line 2: resource A has no Type"},
		"a value that is not allowed": {"t.yaml", "Parameters:\n  E: {Type: String, Default: x, AllowedValues: [a]}\nResources: {}\n", "is not one of its AllowedValues"},
		"no peer":                     {"t.yaml", "Resources:\n  A:\n    Type: AWS::EC2::SecurityGroupIngress\n    Properties: {GroupId: sg-0123456789abcdef0, IpProtocol: tcp, FromPort: 22, ToPort: 22}\n", "has no peer"},
		"a port in words":             {"t.yaml", "Resources:\n  A:\n    Type: AWS::EC2::SecurityGroupIngress\n    Properties: {GroupId: sg-0123456789abcdef0, IpProtocol: tcp, FromPort: ssh, ToPort: 22, CidrIp: 10.0.0.0/8}\n", `FromPort: "ssh" is not a number`},
		"nothing":                     {"plan.json", " \n", "is empty"},
		"a list":                      {"plan.json", "[]", "is a JSON list"},
		"a binary file":               {"plan", "\x7fELF\x00\x00", "is a binary file"},
	} {
		t.Run(name, func(t *testing.T) {
			got := read(t, c.file, c.text)
			require.Len(t, got, 1)
			assert.Contains(t, got[0], c.want)
		})
	}
	missing := check.Read([]string{"nowhere.json"}, nil, nil).Problems
	require.Len(t, missing, 1)
	assert.Equal(t, "nowhere.json", missing[0].Place)
}

func TestSeveralPlansInOneFileAreAllJudged(t *testing.T) {
	plan, err := os.ReadFile("../terraform/testdata/import.json")
	require.NoError(t, err)
	twice := check.Read([]string{"-"}, strings.NewReader(string(plan)+"\n"+string(plan)), nil)
	assert.Empty(t, twice.Problems)
	assert.Len(t, lines(testPolicy(t), twice), 2)
}

func TestWhatOneResourceHidesDoesNotHideTheOthers(t *testing.T) {
	plan := `{"format_version":"1.2","resource_changes":[
		{"address":"aws_security_group.odd","mode":"managed","type":"aws_security_group","name":"odd","change":{"actions":["create"],"after":{"ingress":7}}},
		{"address":"aws_security_group.bad","mode":"managed","type":"aws_security_group","name":"bad","change":{"actions":["create"],"before":null,"after":{"ingress":[
			{"protocol":"tcp","from_port":22,"to_port":22,"cidr_blocks":["10.0.0.0"]},
			{"protocol":"carrier pigeon","from_port":22,"to_port":22,"cidr_blocks":["0.0.0.0/0"]},
			{"protocol":"tcp","from_port":22,"to_port":22,"cidr_blocks":["0.0.0.0/0"]}]}}}]}`
	got := lines(testPolicy(t), check.Read([]string{"-"}, strings.NewReader(plan), nil))
	require.Len(t, got, 4)
	assert.Contains(t, got[0], "aws_security_group.bad revoke world-open-admin: ingress tcp 22 from 0.0.0.0/0")
	assert.Contains(t, got[1], `- aws_security_group.bad: ingress[0].cidr_blocks[0]: parsing CIDR "10.0.0.0"`)
	assert.Contains(t, got[2], `- aws_security_group.bad: ingress[1].protocol: parsing protocol "carrier pigeon"`)
	assert.Contains(t, got[3], "- aws_security_group.odd: does not have the attributes of the aws provider")
}

func TestDeferredChangesAreNotSafe(t *testing.T) {
	got := lines(testPolicy(t), check.Read([]string{"-"}, strings.NewReader(`{"format_version":"1.2","resource_changes":[],"deferred_changes":[
		{"reason":"instance_count_unknown","resource_change":{"address":"aws_security_group.g[*]","mode":"managed","type":"aws_security_group","name":"g","change":{"actions":["create"]}}},
		{"reason":"instance_count_unknown","resource_change":{"address":"aws_eip.x","mode":"managed","type":"aws_eip","name":"x"}}]}`), nil))
	require.Len(t, got, 1)
	assert.Contains(t, got[0], "aws_security_group.g[*] inspect")
}

// A plan that jq has stripped of its configuration joins nothing, and calls nothing safe.
func TestWithoutConfigurationWhatIsUnknownIsNotSafe(t *testing.T) {
	rule := `{"address":"aws_security_group_rule.x","mode":"managed","type":"aws_security_group_rule","name":"x","change":{"actions":["create"],"before":null,
		"after":{"type":"ingress","protocol":"tcp","from_port":22,"to_port":22,"cidr_blocks":["52.94.76.0/24"]},
		"after_unknown":{"id":true,"security_group_id":true,"source_security_group_id":true}}}`
	group := `{"address":"aws_security_group.g","mode":"managed","type":"aws_security_group","name":"g","change":{"actions":["create"],"before":null,
		"after":{"name":"g"},"after_unknown":{"id":true,"ingress":true,"egress":true}}}`
	got := lines(testPolicy(t), check.Read([]string{"-"}, strings.NewReader(`{"resource_changes":[`+rule+","+group+"]}"), nil))
	require.Len(t, got, 3)
	assert.Contains(t, got[0], "aws_security_group.g inspect world-open-database: ingress all traffic from (known after apply)")
	assert.Contains(t, got[1], "aws_security_group.g inspect world-open-egress: egress all traffic to (known after apply)")
	assert.Contains(t, got[2], "aws_security_group_rule.x inspect world-open-admin: ingress tcp 22 from 52.94.76.0/24")
}
