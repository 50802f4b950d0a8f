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
