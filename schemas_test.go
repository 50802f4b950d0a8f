package sgward_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert/alerttest"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/outlets"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/report"
	"sgward/internal/secgroup"
)

const schemaFolder = "docs/schemas"

// schemaBase is where the schemas refer to each other. It is no place on disk, so that a folder of any name will do.
const schemaBase = "https://example.com/schemas/"

// schemas compiles those of docs/schemas, by their names: "alert".
func schemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	files, err := filepath.Glob(schemaFolder + "/*.schema.json")
	require.NoError(t, err)
	require.Len(t, files, 5)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	out := map[string]*jsonschema.Schema{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		require.NoError(t, err)
		require.NoError(t, c.AddResource(schemaBase+filepath.Base(file), doc))
	}
	for _, file := range files {
		name, _, _ := strings.Cut(filepath.Base(file), ".")
		out[name], err = c.Compile(schemaBase + filepath.Base(file))
		require.NoError(t, err)
	}
	return out
}

// documents are JSON of the product, by the name of their schema: golden alerts, what the bus
// gets of them, golden reports, and what detect makes of every recorded event.
func documents(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	alerts, err := filepath.Glob("internal/alert/testdata/*.txt")
	require.NoError(t, err)
	for _, file := range alerts {
		body := alerttest.JSON(t, file)
		if body == "" {
			continue
		}
		out["alert"] = append(out["alert"], body)
		var a finding.Alert
		require.NoError(t, json.Unmarshal([]byte(body), &a), file)
		for _, d := range outlets.Details(&a) {
			out["result"] = append(out["result"], encoded(t, d))
		}
	}
	reports, err := filepath.Glob("internal/report/testdata/*.json")
	require.NoError(t, err)
	for _, file := range reports {
		lines, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(lines)) {
			out["report"] = append(out["report"], line)
			out["finding"] = append(out["finding"], line)
		}
	}
	data, err := os.ReadFile("policy.yaml")
	require.NoError(t, err)
	judge, err := policy.Compile(policyyaml.Document("policy.yaml", data))
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir("events", func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".json" {
			return err
		}
		event, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		call, err := cloudtrail.Parse(event, cloudtrail.Openings()...)
		if err != nil && call.Fault == "" {
			return nil // detect fails
		}
		detection, fits, err := finding.Detect(judge, call, time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)).Encode(900_000)
		assert.True(t, fits)
		out["detection"] = append(out["detection"], string(detection))
		return err
	}))
	return out
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return string(out)
}

func parsed(t *testing.T, document string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	require.NoError(t, err)
	return v
}

func TestWhatTheProductWritesIsAsItsSchemaSays(t *testing.T) {
	compiled := schemas(t)
	written := documents(t)
	assert.ElementsMatch(t, slices.Collect(maps.Keys(compiled)), slices.Collect(maps.Keys(written)))
	for name, list := range written {
		assert.Greater(t, len(list), 15, name)
		for _, document := range list {
			assert.NoError(t, compiled[name].Validate(parsed(t, document)), "%s: %.300s", name, document)
		}
	}
}

// A schema that accepts everything would pass the test above: each member of each document,
// with a value of another kind, and each required one left out, has to be refused.
func TestASchemaRefusesEveryMemberOfAnotherKind(t *testing.T) {
	compiled := schemas(t)
	changed := map[string]int{}
	for name, list := range documents(t) {
		for _, document := range list[:min(len(list), 25)] {
			v := parsed(t, document)
			spoil(v, name, func(path string) {
				changed[name]++
				assert.Error(t, compiled[name].Validate(v), "%s with another %s", name, path)
			})
			root := v.(map[string]any)
			for _, required := range map[string][]string{
				"alert": {"schemaVersion", "id", "mode", "decision", "policyDigest", "event", "findings"}, "detection": {"schemaVersion", "decision", "policyDigest", "event", "findings"},
				"result": {"id", "alertId", "finding", "openingId", "event"}, "report": {"id", "decision", "severity", "reasons"}, "finding": {"id", "decision", "severity", "reasons"},
			}[name] {
				was := root[required]
				delete(root, required)
				assert.Error(t, compiled[name].Validate(v), "%s without %s", name, required)
				root[required] = was
			}
			require.NoError(t, compiled[name].Validate(v), "it is as it was")
		}
	}
	for name, n := range changed {
		assert.Greater(t, n, 100, name)
	}
}

// contextOfReports are members of reports that the schema of a finding does not know.
var contextOfReports = []string{"compared", "accountName", "event", "place", "closedAt", "closedBy", "exposureSeconds", "attached", "location",
	"groupAddress", "unknown", "title", "closeCommand", "controls", "runbook"}

// spoil changes one member after the other, calls check, and changes it back.
func spoil(v any, schema string, check func(path string)) {
	var walk func(v any, path string)
	try := func(value any, path string, set func(any)) {
		other := any(map[string]any{"of": "another kind"})
		if _, isObject := value.(map[string]any); isObject {
			other = "of another kind"
		}
		set(other)
		check(path)
		set(value)
		walk(value, path)
	}
	walk = func(v any, path string) {
		switch v := v.(type) {
		case map[string]any:
			for name, value := range v {
				if schema == "finding" && path == "" && slices.Contains(contextOfReports, name) {
					continue
				}
				try(value, path+"."+name, func(other any) { v[name] = other })
			}
		case []any:
			for i, value := range v {
				try(value, fmt.Sprintf("%s[%d]", path, i), func(other any) { v[i] = other })
			}
		}
	}
	walk(v, "")
}

func TestARuleHasOnePeerAndBothPorts(t *testing.T) {
	s := schemas(t)["finding"]
	const rule = `{"id":"f-0123456789abcdef","decision":"revoke","severity":"high","reasons":[],"rule":{"direction":"ingress","ipProtocol":"tcp"%s}}`
	for members, ok := range map[string]bool{
		`,"fromPort":1,"toPort":2,"cidrIpv4":"0.0.0.0/0"`:         true,
		`,"cidrIpv6":"::/0"`:                                      true,
		`,"referencedGroupId":"sg-1","referencedGroupUserId":"1"`: true,
		``: false,
		`,"cidrIpv4":"0.0.0.0/0","cidrIpv6":"::/0"`:                          false,
		`,"cidrIpv4":"0.0.0.0/0","referencedGroupUserId":"123456789012"`:     false,
		`,"fromPort":1,"cidrIpv4":"0.0.0.0/0"`:                               false,
		`,"fromPort":1,"toPort":65536,"cidrIpv4":"0.0.0.0/0"`:                false,
		`,"fromPort":1.5,"toPort":2,"cidrIpv4":"0.0.0.0/0"`:                  false,
		`,"cidrIpv4":"0.0.0.0/0","tags":[{"key":"only a key"}]`:              false,
		`,"prefixListId":"pl-1","description":"x","tags":[]`:                 true,
		`,"prefixListId":"pl-1","direction":"both","securityGroupRuleId":""`: false,
	} {
		assert.Equal(t, ok, s.Validate(parsed(t, fmt.Sprintf(rule, members))) == nil, members)
	}
}

// node is a schema as it is written.
type node struct {
	Ref        string          `json:"$ref"`
	Type       string          `json:"type"`
	Const      any             `json:"const"`
	Enum       []string        `json:"enum"`
	Format     string          `json:"format"`
	Properties map[string]node `json:"properties"`
	Required   []string        `json:"required"`
	Items      *node           `json:"items"`
	AllOf      []node          `json:"allOf"`
	Defs       map[string]node `json:"$defs"`
	file       string
}

// written reads the schemas as they are, with references resolved by at.
type written map[string]node

func readSchemas(t *testing.T) written {
	t.Helper()
	out := written{}
	files, err := filepath.Glob(schemaFolder + "/*.schema.json")
	require.NoError(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var n node
		require.NoError(t, json.Unmarshal(data, &n))
		out[filepath.Base(file)] = n
	}
	return out
}

// at follows a node's reference. from is the file of the node.
func (w written) at(t *testing.T, n node, from string) node {
	t.Helper()
	n.file = from
	if n.Ref == "" {
		return n
	}
	file, name, inDefs := strings.Cut(n.Ref, "#")
	if file == "" {
		file = from
	}
	target, ok := w[file]
	require.True(t, ok, n.Ref)
	if name = strings.TrimPrefix(name, "/$defs/"); inDefs && name != "" {
		target, ok = target.Defs[name]
		require.True(t, ok, n.Ref)
	}
	return w.at(t, target, file)
}

// members are all of an object, with its required ones.
func (w written) members(t *testing.T, n node, from string) (members map[string]node, required []string) {
	t.Helper()
	n = w.at(t, n, from)
	members = map[string]node{}
	for name, m := range n.Properties {
		m.file = n.file
		members[name] = m
	}
	required = n.Required
	for _, part := range n.AllOf {
		more, also := w.members(t, part, n.file)
		maps.Copy(members, more)
		required = append(required, also...)
	}
	return members, required
}

var (
	timeType  = reflect.TypeFor[time.Time]()
	ruleType  = reflect.TypeFor[secgroup.Rule]()
	textType  = reflect.TypeFor[encoding.TextMarshaler]()
	enums     = enumsOf()
	textKinds = []reflect.Type{reflect.TypeFor[netip.Prefix](), reflect.TypeFor[policy.Reason]()}
)

// enumsOf lists the values of types that have a few.
func enumsOf() map[reflect.Type][]string {
	out := map[reflect.Type][]string{
		reflect.TypeFor[finding.Mode]():   {string(finding.Observe), string(finding.Enforce)},
		reflect.TypeFor[finding.Source](): {string(finding.SourcePrefixListEdit), string(finding.SourceSweep), string(finding.SourceUnnamedCall)},
	}
	for _, v := range policy.Verdicts() {
		out[reflect.TypeFor[policy.Verdict]()] = append(out[reflect.TypeFor[policy.Verdict]()], v.String())
	}
	for s := policy.NoSeverity; s <= policy.Critical; s++ {
		out[reflect.TypeFor[policy.Severity]()] = append(out[reflect.TypeFor[policy.Severity]()], s.String())
	}
	for _, o := range finding.OutcomesWorstFirst() {
		out[reflect.TypeFor[finding.Outcome]()] = append(out[reflect.TypeFor[finding.Outcome]()], string(o))
	}
	return out
}

// agree compares a type of Go, as encoding/json writes it, with a schema, down to the leaves.
func agree(t *testing.T, w written, goType reflect.Type, n node, from, place string) {
	t.Helper()
	for goType.Kind() == reflect.Pointer {
		goType = goType.Elem()
	}
	n = w.at(t, n, from)
	from = n.file
	switch {
	case n.Const != nil:
		assert.Equal(t, finding.SchemaVersion, n.Const, place)
	case enums[goType] != nil:
		assert.ElementsMatch(t, enums[goType], n.Enum, place)
	case goType == timeType:
		assert.Equal(t, []string{"string", "date-time"}, []string{n.Type, n.Format}, place)
	case goType == ruleType:
		agreeOnRules(t, w, n, from)
	case goType.Implements(textType):
		assert.Contains(t, textKinds, goType, "%s: which texts does it have?", place)
		assert.Equal(t, "string", n.Type, place)
	case goType.Kind() == reflect.Struct:
		agreeOnMembers(t, w, goType, n, from, place)
	case goType.Kind() == reflect.Slice:
		assert.Equal(t, "array", n.Type, place)
		if assert.NotNil(t, n.Items, place) {
			agree(t, w, goType.Elem(), *n.Items, from, place+"[]")
		}
	default:
		want := map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number"}[goType.Kind()]
		assert.Equal(t, want, n.Type, place)
	}
}

func agreeOnMembers(t *testing.T, w written, goType reflect.Type, n node, from, place string) {
	t.Helper()
	members, required := w.members(t, n, from)
	var names, always []string
	for _, field := range reflect.VisibleFields(goType) {
		tag, ok := field.Tag.Lookup("json")
		if field.Anonymous && !ok {
			continue // its members are listed themselves
		}
		name, options, _ := strings.Cut(tag, ",")
		require.NotEmpty(t, name, "%s: %s has no name in JSON", place, field.Name)
		names = append(names, name)
		if options == "" {
			always = append(always, name)
		}
		if m, ok := members[name]; assert.True(t, ok, "%s.%s: the schema lacks it", place, name) {
			agree(t, w, field.Type, m, m.file, place+"."+name)
		}
	}
	assert.ElementsMatch(t, names, slices.Collect(maps.Keys(members)), "%s: members", place)
	assert.ElementsMatch(t, always, required, "%s: required members", place)
}

// agreeOnRules compares rules by their JSON: the type that has its members is private.
func agreeOnRules(t *testing.T, w written, n node, from string) {
	t.Helper()
	members, required := w.members(t, n, from)
	port := 443
	var names []string
	inAll := slices.Collect(maps.Keys(members))
	for _, peer := range []secgroup.Peer{
		cidrPeer(t, "192.0.2.0/24"), cidrPeer(t, "2001:db8::/32"), secgroup.PrefixListPeer("pl-1"), secgroup.GroupPeer("sg-1", "123456789012"),
	} {
		for _, protocol := range []secgroup.Protocol{"tcp", secgroup.AllProtocols} {
			ports := &port
			if protocol != "tcp" {
				ports = nil
			}
			permission, err := secgroup.NewPermission(secgroup.Ingress, protocol, ports, ports, peer)
			require.NoError(t, err)
			var object map[string]any
			require.NoError(t, json.Unmarshal([]byte(encoded(t, secgroup.Rule{ID: "sgr-1", Permission: permission, Description: "d", Tags: []secgroup.Tag{{Key: "k", Value: "v"}}})), &object))
			names = append(names, slices.Collect(maps.Keys(object))...)
			inAll = slices.DeleteFunc(inAll, func(name string) bool { return object[name] == nil })
		}
	}
	slices.Sort(names)
	assert.ElementsMatch(t, slices.Compact(names), slices.Collect(maps.Keys(members)))
	assert.Subset(t, inAll, required)
	assert.ElementsMatch(t, []string{"direction", "ipProtocol"}, required)
	agree(t, w, reflect.TypeFor[[]secgroup.Tag](), members["tags"], from, "rule.tags")
}

func cidrPeer(t *testing.T, s string) secgroup.Peer {
	t.Helper()
	p, err := secgroup.ParseCIDRPeer(s)
	require.NoError(t, err)
	return p
}

// A new member, kind or value has to be in the schema, and nothing else may be.
func TestSchemasHaveTheMembersThatTheProductHas(t *testing.T) {
	w := readSchemas(t)
	for name, goType := range map[string]reflect.Type{
		"finding": reflect.TypeFor[finding.Finding](), "detection": reflect.TypeFor[finding.Detection](), "alert": reflect.TypeFor[finding.Alert](),
		"result": reflect.TypeFor[outlets.Detail](), "report": reflect.TypeFor[report.Entry](),
	} {
		file := name + ".schema.json"
		agree(t, w, goType, w[file], file, name)
	}
	// Every definition is used.
	var all strings.Builder
	for file := range w {
		data, err := os.ReadFile(filepath.Join(schemaFolder, file))
		require.NoError(t, err)
		all.Write(data)
	}
	for name := range w["finding.schema.json"].Defs {
		assert.Contains(t, all.String(), `#/$defs/`+name+`"`)
	}
}
