package policy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestForms(t *testing.T) {
	for name, form := range map[string]struct {
		is      func(string) bool
		yes, no []string
	}{
		"id":          {isID, []string{"a", "7", "world-open-22", strings.Repeat("a", 64)}, []string{"", "-a", "A", "a_b", "ä", strings.Repeat("a", 65)}},
		"name":        {isName, []string{"a", "web-2"}, []string{"", "22", "2a", "-a"}},
		"account":     {isAccount, []string{"123456789012", "012345678901"}, []string{"", "12345678901", "1234567890123", "12345678901a"}},
		"region":      {isRegion, []string{"eu-central-1", "us-gov-west-1", "ap-southeast-12", "eusc-de-east-1"}, []string{"", "eu", "eu-1", "eu-central", "EU-central-1", "e-central-1", "eu-central-123", "eu--1", "eu-c3ntral-1", "eu-central-1a"}},
		"vpc":         {isVPC, []string{"vpc-01234567", "vpc-0123456789abcdef0"}, []string{"", "vpc-", "vpc-0123456", "vpc-0123456789abcdef01", "sg-01234567", "vpc-0123456G"}},
		"group":       {isGroup, []string{"sg-01234567"}, []string{"sgr-01234567", "sg-01234567 "}},
		"prefix list": {isPrefixList, []string{"pl-0123456789abcdef0"}, []string{"pl-xyz"}},
		"actor": {isActor,
			[]string{"arn:aws:iam::123456789012:role/deploy", "arn:aws-cn:iam::*:role/path/*", "arn:*:iam::123456789012:user/alice", "arn:aws:iam::123456789012:root"},
			[]string{"", "arn:aws:sts::123456789012:assumed-role/deploy/alice", "arn:aws:iam::123456789012:role/", "arn:aws:iam::123456789012:role/x:y", "arn:aws:iam::123:role/x", "arn:aws:iam::123456789012:roots", "arn:aws:iam:eu-west-1:123456789012:role/x", "*"}},
	} {
		for _, s := range form.yes {
			assert.True(t, form.is(s), "%s %q", name, s)
		}
		for _, s := range form.no {
			assert.False(t, form.is(s), "%s %q", name, s)
		}
	}
}
