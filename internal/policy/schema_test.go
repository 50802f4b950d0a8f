package policy

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"sgward/internal/policyyaml"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("policy.schema.json", doc))
	s, err := c.Compile("policy.schema.json")
	require.NoError(t, err)
	return s
}

// asJSON reads YAML as an editor does: everything typed, dates as text.
func asJSON(t *testing.T, data []byte) any {
	t.Helper()
	var n yaml.Node
	require.NoError(t, yaml.Unmarshal(data, &n))
	for stack := []*yaml.Node{&n}; len(stack) > 0; {
		at := stack[len(stack)-1]
		stack = append(stack[:len(stack)-1], at.Content...)
		if at.Tag == "!!timestamp" {
			at.Tag = "!!str"
		}
	}
	var v any
	require.NoError(t, n.Decode(&v))
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(t, err)
	return out
}

// The default policy tells editors to read the schema beside it.
func TestTheSchemaBesideTheDefaultPolicyIsThisOne(t *testing.T) {
	beside, err := os.ReadFile("../../policy.schema.json")
	require.NoError(t, err)
	assert.Equal(t, string(Schema()), string(beside), "run: cp internal/policy/policy.schema.json policy.schema.json")
	data, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(data), "# yaml-language-server: $schema=./policy.schema.json\n"))
}

func TestSchemaAcceptsTheDefaultPolicy(t *testing.T) {
	data, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	assert.NoError(t, compiledSchema(t).Validate(asJSON(t, data)))
}

const everyField = `
version: 1
world: {ipv4: 9, ipv6: 32}
allow-tag-exemptions: true
owner-tag: team
networks: {office: [198.51.100.0/24, 2001:db8::/32]}
ports: {stores: [mysql, 5432/tcp, 161/udp], more: stores}
statements:
  - {id: gone, severity: low, effect: alert, ingress: {from: any, ended: true}}
  - {id: a, severity: low, effect: revoke, existing: revoke, ingress: {from: world, ports: [stores]}, when: {accounts: [123456789012], regions: eu-west-1, vpcs: [vpc-0123456789abcdef0]}, description: Why it matters., runbook: "https://wiki.example.com/a?b=c#d", controls: [EC2.19, CIS AWS v3.0.0/5.2, 5.2]}
  - {id: b, severity: low, effect: alert, ingress: {from: {public: {ipv4: 24, ipv6: 56}}, except-ports: more, protocols: [gre, 50]}}
  - {id: c, severity: low, effect: alert, ingress: {from: {in: office}}, unless: {group-tags: {tier: [web, app]}, groups: sg-0123456789abcdef0}}
  - {id: d, effect: ignore, ingress: {from: {not-in: [10.0.0.0/8]}}, unless: {actors: ["arn:aws:iam::123456789012:role/*"]}}
  - {id: e, severity: low, effect: alert, ingress: {from: {prefix-lists: [pl-0123456789abcdef0]}}}
  - {id: f, severity: low, effect: alert, ingress: {from: {referenced-groups: other-accounts}}}
  - {id: g, severity: low, effect: alert, egress: {to: any, covering-ports: [0-65535/tcp]}}
exceptions:
  - id: x
    reason: because
    owner: somebody@example.com
    expires: 2027-03-31
    match: {accounts: ["123456789012"], direction: ingress, statements: [a], ports: [22/tcp], protocols: [esp], peers: office, prefix-lists: pl-0123456789abcdef0, referenced-groups: [sg-0123456789abcdef0], group-tags: {a: b}}
`

func TestSchemaAndParserAcceptEveryField(t *testing.T) {
	_, err := Compile(policyyaml.Document("every.yaml", []byte(everyField)))
	require.NoError(t, err)
	assert.NoError(t, compiledSchema(t).Validate(asJSON(t, []byte(everyField))))
}

func TestSchemaRefusesWhatTheParserRefuses(t *testing.T) {
	s := compiledSchema(t)
	for _, change := range []struct{ old, new string }{
		{"version: 1", "version: 2"},
		{"ipv4: 9", "ipv4: 0"},
		{"effect: alert", "effect: warn"},
		{"severity: low", "severity: worst"},
		{"ingress: {from: world", "ingress: {from: moon"},
		{"ports: [stores]}", "port: [stores]}"},
		{"expires: 2027-03-31", "expires: next year"},
		{"expires: 2027-03-31", "until: 2027-03-31"},
		{"expires: 2027-03-31", "until: 2027-03-31T18:00"},
		{"expires: 2027-03-31", "expires: 2027-03-31T18:00Z"},
		{"    expires: 2027-03-31\n", "    expires: 2027-03-31\n    until: 2027-03-31T18:00Z\n"},
		{"    expires: 2027-03-31\n", ""},
		{"    owner: somebody@example.com\n", ""},
		{"owner: somebody@example.com", "owner: " + PlaceholderOwner},
		{"reason: because", "reason: \"" + PlaceholderReason + "\""},
		{"[22/tcp]", "[22]"},
		{"group-tags: {a: b}", "group-tags: {}"},
		{"when: {accounts: [123456789012], ", "when: {account: [123456789012], "},
		{"description: Why it matters.", "description: ' '"},
		{"description: Why it matters.", "description: " + strings.Repeat("x", 301)},
		{"https://wiki", "http://wiki"},
		{"https://wiki.", "https://<wiki>."},
		{"controls: [EC2.19, CIS AWS v3.0.0/5.2, 5.2]", "controls: []"},
		{"controls: [EC2.19, ", "controls: [" + strings.Repeat("x", 61) + ", "},
	} {
		broken := strings.Replace(everyField, change.old, change.new, 1)
		require.NotEqual(t, everyField, broken)
		_, err := Compile(policyyaml.Document("broken.yaml", []byte(broken)))
		assert.Error(t, err, change.new)
		assert.Error(t, s.Validate(asJSON(t, []byte(broken))), change.new)
	}
}

// The parser names the fields that it knows when it meets one that it does not: at
// each level they have to be the schema's.
func TestSchemaKnowsTheFieldsThatTheParserKnows(t *testing.T) {
	var doc struct {
		Properties map[string]any
		Defs       map[string]json.RawMessage `json:"$defs"`
	}
	require.NoError(t, json.Unmarshal(Schema(), &doc))
	properties := func(def string, path ...string) []string {
		raw := doc.Defs[def]
		for _, p := range path {
			var m map[string]json.RawMessage
			if strings.HasPrefix(string(bytes.TrimSpace(raw)), "[") {
				var list []json.RawMessage
				require.NoError(t, json.Unmarshal(raw, &list))
				raw = list[len(list)-1]
				continue
			}
			require.NoError(t, json.Unmarshal(raw, &m))
			raw = m[p]
		}
		var of struct{ Properties map[string]any }
		require.NoError(t, json.Unmarshal(raw, &of))
		return slices.Sorted(maps.Keys(of.Properties))
	}
	for level, tt := range map[string]struct {
		text string
		want []string
	}{
		"top":       {"zzz: 1", slices.Sorted(maps.Keys(doc.Properties))},
		"world":     {"world: {zzz: 1}", properties("width")},
		"statement": {"statements: [{zzz: 1}]", properties("statement")},
		"ingress":   {"statements: [{ingress: {zzz: 1}}]", properties("ingress")},
		"egress":    {"statements: [{egress: {zzz: 1}}]", properties("egress")},
		"peer":      {"statements: [{ingress: {from: {zzz: 1}}}]", properties("peer", "oneOf", "last")},
		"when":      {"statements: [{when: {zzz: 1}}]", properties("scope")},
		"unless":    {"statements: [{unless: {zzz: 1}}]", properties("scope")},
		"exception": {"exceptions: [{zzz: 1}]", properties("exception")},
		"match":     {"exceptions: [{match: {zzz: 1}}]", properties("exception", "properties", "match")},
	} {
		_, err := Compile(policyyaml.Document("p.yaml", []byte(tt.text)))
		require.Error(t, err)
		m := regexp.MustCompile(`unknown field "zzz": want ([a-z0-9, -]+)`).FindStringSubmatch(err.Error())
		require.NotNil(t, m, err.Error())
		known := strings.Split(m[1], ", ")
		slices.Sort(known)
		assert.Equal(t, tt.want, known, level)
	}
}
