package cloudformation_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudformation"
)

const template = `
Parameters:
  Office: {Type: String, Default: 203.0.113.0/24}
  Ports: {Type: CommaDelimitedList, Default: "80, 443"}
Conditions:
  Home: !Equals [!Ref AWS::Region, us-east-1]
Resources:
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties:
      Cidr: !If [Home, !Ref Office, !Ref AWS::NoValue]
      Gone: {"Fn::If": [Home, {Ref: "AWS::NoValue"}, 1]}
      Name: !Sub "${AWS::StackName}-${!Kept}-${Office}"
      Second: !Select [1, !Ref Ports]
      Group: !GetAtt Web.GroupId
  Away: {Type: AWS::EC2::SecurityGroup, Condition: Home}
`

func TestPropertiesAreEvaluatedWithParametersConditionsAndReferences(t *testing.T) {
	tmpl, err := cloudformation.Parse([]byte(template), cloudformation.Options{
		Parameters: map[string]string{"Office": "198.51.100.0/24"},
		Attribute: func(_ *cloudformation.Template, r cloudformation.Resource, attribute string) (any, error) {
			return r.LogicalID + "'s " + attribute, nil
		},
	})
	require.NoError(t, err)
	require.Len(t, tmpl.Resources, 2)
	web, ok := tmpl.Resource("Web")
	require.True(t, ok)
	v, err := tmpl.Value(web.Properties)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{
		"Cidr": "198.51.100.0/24", "Name": "sgward-${Kept}-198.51.100.0/24", "Second": "443", "Group": "Web's GroupId",
	}, v)
}

func TestAResourceWithAFalseConditionIsAbsent(t *testing.T) {
	tmpl, err := cloudformation.Parse([]byte(template), cloudformation.Options{Region: "eu-west-1"})
	require.NoError(t, err)
	_, ok := tmpl.Resource("Away")
	assert.False(t, ok)
	web, _ := tmpl.Resource("Web")
	v, err := tmpl.Value(cloudformation.Child(web.Properties, "Cidr"))
	require.NoError(t, err)
	assert.Equal(t, cloudformation.NoValue{}, v)
}

func TestAReferenceThatTheCallerDoesNotKnowIsAnErrorWithItsLine(t *testing.T) {
	tmpl, err := cloudformation.Parse([]byte(template), cloudformation.Options{})
	require.NoError(t, err)
	web, _ := tmpl.Resource("Web")
	_, err = tmpl.Value(web.Properties)
	assert.ErrorContains(t, err, "line 15: GetAtt: attribute GroupId of Web is unknown here")
}

func TestFunctionsOfListsAndMaps(t *testing.T) {
	const template = `
Mappings: {Sizes: {us-east-1: {Bits: 8, List: [a, b]}}}
Parameters: {Later: {Type: String}, Known: {Type: String, Default: x}}
Conditions:
  Unknown: !Equals [!Ref Later, x]
  No: !And [!Equals [a, b], !Condition Unknown]
  Yes: !Or [!Equals [a, a], !Condition Unknown]
Resources:
  X:
    Type: X
    Properties:
`
	for expression, want := range map[string]any{
		`!Cidr [10.0.0.0/16, 2, 8]`:                           []any{"10.0.0.0/24", "10.0.1.0/24"},
		`!Cidr [10.0.0.0/24, 1, 8]`:                           []any{"10.0.0.0/24"},
		`!Cidr [0.0.0.0/0, 2, 31]`:                            []any{"0.0.0.0/1", "128.0.0.0/1"},
		`!Cidr ["2001:db8::/56", 2]`:                          []any{"2001:db8::/64", "2001:db8:0:1::/64"},
		`!Cidr [10.0.0.0/16, 300, 8]`:                         "count 300: want 1 to 256",
		`!Cidr [10.0.0.0/24, 2, 8]`:                           "10.0.0.0/24 does not hold 2 such networks",
		`!Cidr [0.0.0.0/0, 3, 31]`:                            "0.0.0.0/0 does not hold 3 such networks",
		`!Cidr [10.0.0.0/24, 2, 9]`:                           "9 bits for hosts do not fit into 10.0.0.0/24",
		`!Cidr [office, 2, 8]`:                                "office is not a CIDR block",
		`!FindInMap [Sizes, us-east-1, Bits]`:                 8,
		`!FindInMap [Sizes, us-east-1, Gone]`:                 "the Mappings have no Gone here",
		`!FindInMap [Sizes, !Ref AWS::Region, Bits]`:          "AWS::Region depends on where the stack is made",
		`!FindInMap [Sizes, eu, Bits, {DefaultValue: 9}]`:     9,
		`!Length [a, b]`:                                      2,
		`{"Fn::Length": !FindInMap [Sizes, us-east-1, List]}`: 2,
		`!Select [1, [!Ref Later, b]]`:                        "b",
		`!Select [0, [!Ref Later, b]]`:                        "parameter Later has no default",
		`!Select [2, [a, b]]`:                                 "there is no element 2",
		`!Join ["-", [a, !Ref Later]]`:                        "parameter Later has no default",
		`!Sub "${Known}-${Later}"`:                            "parameter Later has no default",
		`!Sub ["${A}-${Known}", {A: !Ref Later}]`:             "parameter Later has no default",
		`!Sub "{{resolve:ssm:${Known}}}"`:                     "a dynamic reference is resolved by AWS",
		`!If [No, a, b]`:                                      "b",
		`!If [Yes, a, b]`:                                     "a",
		`!If [Yes, a, !Ref Later]`:                            "a",
		`!Nonsense x`:                                         "this intrinsic function is unknown here",
		`!ImportValue x`:                                      "only AWS knows its value",
		`{"Fn::GetAtt": [Elsewhere, Arn]}`:                    "there is no resource Elsewhere here",
		`!Ref Elsewhere`:                                      "Elsewhere is neither a parameter nor a resource",
		`!Split [",", !Ref Later]`:                            "parameter Later has no default",
		`!Equals [!Ref Later, x]`:                             "parameter Later has no default",
		`{"Fn::Transform": {Name: "AWS::Include"}}`:           "only AWS knows its value",
	} {
		t.Run(expression, func(t *testing.T) {
			tmpl, err := cloudformation.Parse([]byte(template+"      V: "+expression+"\n"), cloudformation.Options{Partial: true})
			require.NoError(t, err)
			x, ok := tmpl.Resource("X")
			require.True(t, ok)
			v, err := tmpl.Value(cloudformation.Child(x.Properties, "V"))
			require.NoError(t, err)
			if unknown, ok := v.(cloudformation.Unknown); ok {
				assert.Contains(t, unknown.Why, want)
				assert.Regexp(t, `^line \d+: `, unknown.Why)
				return
			}
			assert.Equal(t, want, v)
		})
	}
}

func TestAnIfWhoseConditionIsUnknownIsEither(t *testing.T) {
	tmpl, err := cloudformation.Parse([]byte(`
Parameters: {Later: {Type: String}}
Conditions: {Unknown: !Equals [!Ref Later, x]}
Resources:
  X: {Type: X, Condition: Unknown, Properties: {V: !If [Unknown, a, !If [Unknown, b, c]]}}
`), cloudformation.Options{Partial: true})
	require.NoError(t, err)
	x, ok := tmpl.Resource("X")
	require.True(t, ok, "a resource whose condition is unknown may be made")
	assert.Contains(t, x.Uncertain, "parameter Later has no default")
	node := cloudformation.Child(x.Properties, "V")
	v, err := tmpl.Value(node)
	require.NoError(t, err)
	assert.Equal(t, []any{"a", "b", "c"}, v.(cloudformation.Unknown).Either)
	var branches []string
	for _, b := range tmpl.Branches(node) {
		assert.NotEmpty(t, b.Uncertain)
		branches = append(branches, b.Node.Value)
	}
	assert.Equal(t, []string{"a", "b", "c"}, branches)
}
