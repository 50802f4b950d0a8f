package awsid_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/awsid"
)

func TestFormsAreRecognised(t *testing.T) {
	for name, form := range map[string]struct {
		is      func(string) bool
		yes, no []string
	}{
		"account":     {awsid.IsAccount, []string{"123456789012", "012345678901"}, []string{"", "12345678901", "1234567890123", "12345678901a"}},
		"region":      {awsid.IsRegion, []string{"eu-central-1", "us-gov-west-1", "ap-southeast-12", "eusc-de-east-1"}, []string{"", "eu", "eu-1", "eu-central", "EU-central-1", "e-central-1", "eu-central-123", "eu--1", "eu-c3ntral-1", "eu-central-1a"}},
		"vpc":         {awsid.IsVPC, []string{"vpc-01234567", "vpc-0123456789abcdef0"}, []string{"", "vpc-", "vpc-0123456", "vpc-0123456789abcdef01", "sg-01234567", "vpc-0123456G"}},
		"group":       {awsid.IsGroup, []string{"sg-01234567"}, []string{"sgr-01234567", "sg-01234567 "}},
		"prefix list": {awsid.IsPrefixList, []string{"pl-0123456789abcdef0"}, []string{"pl-xyz"}},
	} {
		for _, s := range form.yes {
			assert.True(t, form.is(s), "%s %q", name, s)
		}
		for _, s := range form.no {
			assert.False(t, form.is(s), "%s %q", name, s)
		}
	}
}
