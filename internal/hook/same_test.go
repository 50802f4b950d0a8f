package hook_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/check"
	"sgward/internal/cloudformation"
	"sgward/internal/hook"
	"sgward/internal/planned"
	"sgward/internal/policy"
	"sgward/internal/template"
)

// whole are resources of the templates that check is tested on whose groups have no rules but
// their own, and no prefix list of the template: a hook can know all that check knows.
var whole = []string{"Web", "Merged", "Group"}

// A resource with its values in place, as CloudFormation hands it to a hook, is judged as
// "sgward check" judges it in its template. Where a hook lacks the rest of the template, it
// does not know, and refuses nothing.
func TestAHookJudgesAsCheckDoes(t *testing.T) {
	const folder = "../template/testdata/"
	compared, equal := 0, 0
	for _, c := range []struct {
		file       string
		parameters map[string]string
	}{
		{"forms.yaml", nil},
		{"forms.yaml", map[string]string{"Env": "prod", "World": "10.0.0.0/8"}},
		{"unknown.yaml", map[string]string{"Cidr": "0.0.0.0/0", "Port": "22", "Group": "sg-0123456789abcdef0", "Vpc": "vpc-0123456789abcdef0"}},
		{"loops.yaml", nil},
		{"nested/web.yaml", nil},
		{"nested/database.yaml", map[string]string{"Source": "0.0.0.0/0", "Port": "5432", "WebGroup": "sg-0123456789abcdef0"}},
		{"cdk.out/App.template.json", nil},
	} {
		t.Run(c.file, func(t *testing.T) {
			j := judge(t, hook.Refuse, "../check/testdata/policy.yaml")
			checked := map[string][]string{} // by logical id
			for _, change := range check.Read([]string{folder + c.file}, nil, c.parameters).Changes {
				for _, f := range planned.Judge(j.Policy, change.Change, change.Name, now) {
					checked[f.Location.Address] = append(checked[f.Location.Address], line(&f))
				}
			}
			for _, r := range resolved(t, folder+c.file, c.parameters) {
				a := j.Answer(request(r.kind, r.properties, ""))
				require.NoError(t, a.Err, r.id)
				var said []string
				for i := range a.Findings {
					f := &a.Findings[i]
					said = append(said, line(f))
					assert.NotEqual(t, policy.Compliant, f.Verdict)
					if f.Verdict == policy.Revoke || f.Verdict == policy.Alert {
						assert.Contains(t, checked[r.id], line(f), "%s: what a hook is sure of, check says too", r.id)
					}
				}
				for _, found := range checked[r.id] {
					traffic, _, _ := strings.Cut(found, " with ") // its name in the template is another
					assert.Contains(t, strings.Join(said, "\n"), traffic, "%s: a hook finds what check finds, or says that it cannot know", r.id)
				}
				if slices.Contains(whole, r.id) && !strings.Contains(strings.Join(checked[r.id], ""), "inspect") {
					assert.ElementsMatch(t, checked[r.id], said, r.id)
					equal++
				}
				compared++
			}
		})
	}
	assert.Greater(t, compared, 20, "resources had values for all that they say")
	assert.GreaterOrEqual(t, equal, 3)
}

func line(f *planned.Finding) string {
	if f.Rule == nil {
		return f.Verdict.String()
	}
	p := f.Rule.Permission
	return fmt.Sprintf("%s %s with %s = %s %s", p.Direction, p.Traffic(), p.Peer, f.Verdict, f.StatementID)
}

// resource is one with its values in place.
type resource struct{ kind, id, properties string }

// resolved returns the groups and rules of a template all of whose values are known, as
// CloudFormation resolves them: texts for numbers, ids for references.
func resolved(t *testing.T, file string, parameters map[string]string) (out []resource) {
	t.Helper()
	src, err := os.ReadFile(filepath.FromSlash(file))
	require.NoError(t, err)
	declared, err := cloudformation.Declared(src)
	require.NoError(t, err)
	given := map[string]string{}
	for name, value := range parameters {
		if slices.Contains(declared, name) {
			given[name] = value
		}
	}
	id := func(r cloudformation.Resource) (any, error) {
		prefix := map[string]string{"AWS::EC2::SecurityGroup": "sg-", "AWS::EC2::PrefixList": "pl-", "AWS::EC2::VPC": "vpc-"}[r.Type]
		if prefix == "" {
			return cloudformation.Unknown{Why: "not made"}, nil
		}
		return fmt.Sprintf("%s%017x", prefix, []byte(r.LogicalID + "12345678")[:8]), nil
	}
	tmpl, err := cloudformation.Parse(src, cloudformation.Options{Partial: true, Parameters: given,
		Ref: func(_ *cloudformation.Template, r cloudformation.Resource) (any, error) { return id(r) },
		Attribute: func(tmpl *cloudformation.Template, r cloudformation.Resource, name string) (any, error) {
			if own := cloudformation.Child(r.Properties, name); own != nil {
				return tmpl.Value(own)
			}
			return id(r)
		}})
	require.NoError(t, err)
	for _, r := range tmpl.Resources {
		if !template.OpensGroups(r.Type) || r.Uncertain != "" {
			continue
		}
		value, err := tmpl.Value(r.Properties)
		if err != nil {
			continue
		}
		text, known := texts(value)
		if !known {
			continue
		}
		encoded, err := json.Marshal(text)
		require.NoError(t, err)
		out = append(out, resource{r.Type, r.LogicalID, string(encoded)})
	}
	return out
}

// texts turns scalars into texts, leaves out what is AWS::NoValue, and reports whether all is
// known.
func texts(v any) (any, bool) {
	switch v := v.(type) {
	case cloudformation.Unknown:
		return nil, false
	case map[string]any:
		out := map[string]any{}
		for key, inner := range v {
			if _, nothing := inner.(cloudformation.NoValue); nothing {
				continue
			}
			text, known := texts(inner)
			if !known {
				return nil, false
			}
			out[key] = text
		}
		return out, true
	case []any:
		out := []any{}
		for _, inner := range v {
			if _, nothing := inner.(cloudformation.NoValue); nothing {
				continue
			}
			text, known := texts(inner)
			if !known {
				return nil, false
			}
			out = append(out, text)
		}
		return out, true
	case nil:
		return nil, true
	default:
		text := fmt.Sprint(v)
		return text, !strings.Contains(text, "{{resolve:")
	}
}
