package text

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEveryRegionHasItsPartition(t *testing.T) {
	for region, want := range map[string][2]string{
		"us-east-1":       {"aws", "console.aws.amazon.com"},
		"eu-isolde-1":     {"aws", "console.aws.amazon.com"}, // no region of today's, and none of the isolated ones
		"cn-northwest-1":  {"aws-cn", "console.amazonaws.cn"},
		"us-gov-west-1":   {"aws-us-gov", "console.amazonaws-us-gov.com"},
		"us-iso-east-1":   {"aws-iso", ""},
		"us-isob-east-1":  {"aws-iso-b", ""},
		"eu-isoe-west-1":  {"aws-iso-e", ""},
		"us-isof-south-1": {"aws-iso-f", ""},
		"eusc-de-east-1":  {"aws-eusc", "eusc-de-east-1.console.amazonaws-eusc.eu"},
	} {
		p, ok := PartitionOf(region)
		assert.True(t, ok, region)
		assert.Equal(t, want, [2]string{p.Name, p.ConsoleHost(region)}, region)
	}
	for _, s := range []string{"", "moon", "us-east", "-us-east-1", "us-east-1-", "US-EAST-1", "us-east-1/../x", "us-east-1#", "us-east-1.evil.example", "a-b-" + strings.Repeat("c", 64)} {
		p, ok := PartitionOf(s)
		assert.False(t, ok, s)
		assert.Empty(t, p, s)
	}
}
