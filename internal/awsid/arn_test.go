package awsid_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/awsid"
)

func TestAnARNIsSplitIntoItsParts(t *testing.T) {
	for s, want := range map[string]awsid.ARN{
		"arn:aws:iam::123456789012:role/teams/deploy":                      {Partition: "aws", Service: "iam", Account: "123456789012", Resource: "role/teams/deploy"},
		"arn:aws-cn:sns:cn-north-1:123456789012:alerts":                    {Partition: "aws-cn", Service: "sns", Region: "cn-north-1", Account: "123456789012", Resource: "alerts"},
		"arn:aws:lambda:eu-central-1:123456789012:function:detect:$LATEST": {Partition: "aws", Service: "lambda", Region: "eu-central-1", Account: "123456789012", Resource: "function:detect:$LATEST"},
		"arn:aws:s3:::bucket":                                              {Partition: "aws", Service: "s3", Resource: "bucket"},
		"arn:::::":                                                         {},
		"arn:<b>:*:`x`:\n:\u202e":                                          {Partition: "<b>", Service: "*", Region: "`x`", Account: "\n", Resource: "\u202e"},
	} {
		got, ok := awsid.ParseARN(s)
		assert.True(t, ok, s)
		assert.Equal(t, want, got, s)
	}
}

func TestOtherTextsAreNoARNs(t *testing.T) {
	for _, s := range []string{"", "arn", "arn:", "arn::::", "arn:aws:iam::123456789012", "ARN:aws:iam::123456789012:root", " arn:aws:iam::123456789012:root", "root", "a:b:c:d:e:f"} {
		got, ok := awsid.ParseARN(s)
		assert.False(t, ok, s)
		assert.Zero(t, got, s)
	}
}

func TestOnlySTSNamesSessionsOfRoles(t *testing.T) {
	for s, want := range map[string][2]string{
		"arn:aws:sts::123456789012:assumed-role/Developer/casey": {"Developer", "casey"},
		"arn:aws:sts::123456789012:assumed-role/Developer/a/b":   {"Developer", "a/b"},
		"arn:aws:sts::123456789012:assumed-role/Developer":       {"Developer", ""},
		"arn:aws:sts::123456789012:assumed-role/":                {"", ""},
	} {
		a, _ := awsid.ParseARN(s)
		role, session, ok := a.Session()
		assert.True(t, ok, s)
		assert.Equal(t, want, [2]string{role, session}, s)
	}
	for _, s := range []string{"", "arn:aws:iam::123456789012:assumed-role/Developer/casey", "arn:aws:sts::123456789012:federated-user/casey", "arn:aws:sts::123456789012:x:assumed-role/Developer/casey"} {
		a, _ := awsid.ParseARN(s)
		role, session, ok := a.Session()
		assert.False(t, ok, s)
		assert.Empty(t, role+session, s)
	}
}

// The parts are those of a split at every colon, and no byte is lost or made.
func FuzzARN(f *testing.F) {
	f.Add("arn:aws:sts::123456789012:assumed-role/Developer/casey")
	f.Add("arn:aws:lambda:eu-central-1:123456789012:function:detect:$LATEST")
	f.Add("arn:<b>:*:`x`:\n")
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := awsid.ParseARN(s)
		parts := strings.SplitN(s, ":", 6)
		if ok != (len(parts) == 6 && parts[0] == "arn") {
			t.Fatalf("%q: ok is %t", s, ok)
		}
		if ok && strings.Join([]string{"arn", a.Partition, a.Service, a.Region, a.Account, a.Resource}, ":") != s {
			t.Fatalf("%q became %+v", s, a)
		}
		if !ok && a != (awsid.ARN{}) {
			t.Fatalf("%q is not an ARN and became %+v", s, a)
		}
		if role, session, ok := a.Session(); ok && a.Resource != "assumed-role/"+role+"/"+session && a.Resource != "assumed-role/"+role {
			t.Fatalf("%q: role %q, session %q", s, role, session)
		}
	})
}
