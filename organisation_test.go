package sgward_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"sgward/internal/policy"
	"sgward/internal/policyyaml"
)

var fenced = regexp.MustCompile("(?ms)^```(json|yaml)\n(.*?)^```$")

// A snippet that is pasted must at least be what it says it is.
func TestSnippetsOfTheRolloutPageAreSound(t *testing.T) {
	page, err := os.ReadFile("docs/ORGANISATION.md")
	require.NoError(t, err)
	kinds := map[string]int{}
	for _, m := range fenced.FindAllStringSubmatch(string(page), -1) {
		kinds[m[1]]++
		var value any
		if m[1] == "json" {
			assert.NoError(t, json.Unmarshal([]byte(m[2]), &value), m[2])
			continue
		}
		assert.NoError(t, yaml.Unmarshal([]byte(m[2]), &value), m[2])
		if strings.HasPrefix(m[2], "exceptions:") {
			text := "version: 1\nworld: {ipv4: 9, ipv6: 32}\nports:\n  vpn: [443/udp]\nstatements:\n  - {id: open, severity: high, effect: alert, ingress: {from: world, ports: vpn}}\n" + m[2]
			_, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(text)))
			assert.NoError(t, err)
		}
	}
	assert.GreaterOrEqual(t, kinds["json"], 5)
	assert.GreaterOrEqual(t, kinds["yaml"], 3)
}

// parametersOf returns the parameters of template.yaml.
func parametersOf(t *testing.T) map[string]yaml.Node {
	t.Helper()
	source, err := os.ReadFile("template.yaml")
	require.NoError(t, err)
	var template struct {
		Parameters map[string]yaml.Node `yaml:"Parameters"`
	}
	require.NoError(t, yaml.Unmarshal(source, &template))
	return template.Parameters
}

func TestExamplesForTerraformParseAndNameTheParameters(t *testing.T) {
	files, err := filepath.Glob("examples/terraform/*/*.tf")
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, name := range files {
		file, problems := hclparse.NewParser().ParseHCLFile(name)
		require.False(t, problems.HasErrors(), problems.Error())
		body, ok := file.Body.(*hclsyntax.Body)
		require.True(t, ok)
		for _, block := range body.Blocks {
			if block.Type != "resource" || block.Labels[0] != "aws_cloudformation_stack_set" {
				continue
			}
			named := map[string]bool{}
			for _, item := range block.Body.Attributes["parameters"].Expr.(*hclsyntax.ObjectConsExpr).Items {
				key, problems := item.KeyExpr.Value(nil)
				require.False(t, problems.HasErrors(), problems.Error())
				named[key.AsString()] = true
			}
			for parameter := range parametersOf(t) {
				assert.True(t, named[parameter], "%s: the StackSet names every parameter of template.yaml, but not %s", name, parameter)
			}
		}
	}
}
