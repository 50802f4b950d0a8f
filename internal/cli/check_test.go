package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
)

const (
	plans     = "../terraform/testdata/"
	templates = "../template/testdata/"
)

// checked runs check.
func checked(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var stdout, stderr strings.Builder
	status = cli.Run(t.Context(), cli.Invocation{
		Args: append([]string{"check", "--policy", "../check/testdata/policy.yaml"}, args...), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	return status, stdout.String(), stderr.String()
}

func TestCheckEndsWithTheStatusOfWhatItFound(t *testing.T) {
	compliant := filepath.Join(t.TempDir(), "t.yaml")
	require.NoError(t, os.WriteFile(compliant, []byte("Resources: {A: {Type: AWS::EC2::VPC}}"), 0o600))
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"nothing":                            {[]string{compliant}, cli.StatusClean, ""},
		"findings":                           {[]string{plans + "create.json"}, cli.StatusFindings, ""},
		"only what is not known":             {[]string{plans + "unknown.json"}, cli.StatusFindings, ""},
		"an error beside findings":           {[]string{plans + "create.json", "nowhere.json"}, cli.StatusError, "nowhere.json: cannot be opened"},
		"an errored plan":                    {[]string{plans + "errored.json"}, cli.StatusError, "run terraform plan again"},
		"no file":                            {nil, cli.StatusUsage, "want a plan"},
		"an unsound policy":                  {[]string{"--policy", "testdata/files/unsound.yaml", compliant}, cli.StatusUsage, "unsound.yaml"},
		"a parameter that no template has":   {[]string{templates + "forms.yaml", "--parameter-overrides", "Nobody=1"}, cli.StatusUsage, "Nobody: no template here has such a parameter"},
		"an override without a value":        {[]string{templates + "forms.yaml", "--parameter-overrides", "Env"}, cli.StatusUsage, "want KEY=VALUE"},
		"a value that the template forbids":  {[]string{templates + "forms.yaml", "--parameter-overrides", "Env=test"}, cli.StatusError, "AllowedValues"},
		"a folder without templates":         {[]string{plans}, cli.StatusError, "holds no template"},
		"several overrides behind one flag":  {[]string{"--parameter-overrides", "Env=prod", "World=10.0.0.0/8", templates + "forms.yaml"}, cli.StatusFindings, ""},
		"an override without the flag first": {[]string{"World=10.0.0.0/8", templates + "forms.yaml"}, cli.StatusError, "World=10.0.0.0/8: cannot be opened"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, format := range []string{"text", "json", "sarif", "csv", "html"} {
				status, out, errs := checked(t, append(c.args, "--format", format)...)
				assert.Equal(t, c.status, status, "%s: %s", format, errs)
				assert.Contains(t, strings.Join(strings.Fields(out+errs), " "), c.says, "lines are broken at blanks")
			}
		})
	}
}

func TestCheckWritesOneFindingALineWithItsPlace(t *testing.T) {
	_, out, _ := checked(t, "--format", "json", templates+"cdk.out")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 2)
	var first map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &first))
	assert.Regexp(t, "^f-[0-9a-f]{16}$", first["id"])
	assert.Equal(t, "../check/testdata/policy.yaml:10 world-open-admin: tcp 22 from 0.0.0.0/0 opens 22/tcp to the world (3,702,258,434 public IPv4 addresses; the threshold is 8,388,608): revoke",
		first["reasons"].([]any)[0])
	delete(first, "id")
	delete(first, "reasons")
	assert.Equal(t, map[string]any{
		"decision": "revoke", "severity": "critical", "statementId": "world-open-admin", "title": "SSH (22) from the whole internet",
		"rule":         map[string]any{"direction": "ingress", "ipProtocol": "tcp", "fromPort": 22.0, "toPort": 22.0, "cidrIpv4": "0.0.0.0/0", "description": "from 0.0.0.0/0:22"},
		"location":     map[string]any{"file": templates + "cdk.out/App.template.json", "line": 11.0, "address": "WebSG4A5B6C7D"},
		"groupAddress": "WebSG4A5B6C7D",
	}, first)
	_, again, _ := checked(t, "--format", "json", templates+"cdk.out")
	assert.Equal(t, out, again)
}

func TestSARIFOfACheckPointsAtTheTemplate(t *testing.T) {
	_, out, _ := checked(t, "--format", "sarif", templates+"forms.yaml")
	var log struct {
		Runs []struct {
			Results []struct {
				RuleID    string
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
					LogicalLocations []struct{ FullyQualifiedName string }
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &log))
	first := log.Runs[0].Results[0].Locations[0]
	assert.Equal(t, "../template/testdata/forms.yaml", first.PhysicalLocation.ArtifactLocation.URI)
	assert.Equal(t, 27, first.PhysicalLocation.Region.StartLine)
	assert.Equal(t, "Web", first.LogicalLocations[0].FullyQualifiedName)
}

func TestSensitiveValuesAreNotPrinted(t *testing.T) {
	for _, format := range []string{"text", "json", "sarif", "csv", "html"} {
		status, out, errs := checked(t, "--format", format, plans+"sensitive.json")
		assert.Equal(t, cli.StatusFindings, status)
		assert.NotContains(t, out+errs, "52.0.0.0", format)
	}
}
