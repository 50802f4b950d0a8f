package cli

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"sgward/internal/awsid"
	"sgward/internal/secgroup"
)

// actorForm is what the policy compares: a role, a user or root. Explain asks for one
// of them, not for a pattern.
var actorForm = regexp.MustCompile(`^arn:[a-z-]+:iam::\d{12}:(role/.+|user/.+|root)$`)

// isPeerGroup reports whether s names a group, of another account if it says so.
func isPeerGroup(s string) bool {
	owner, id, ok := strings.Cut(s, "/")
	if !ok {
		return awsid.IsGroup(s)
	}
	return awsid.IsAccount(owner) && awsid.IsGroup(id)
}

// checkForms refuses the first of the given values that lacks its form. Those left
// out are not checked. A slip in one would not be an error to the policy, which
// compares: it would be a wrong verdict. written says how the caller writes a flag's
// name.
func (f explainFlags) checkForms(written func(flag string) string) error {
	for _, v := range []struct {
		flag, value string
		is          func(string) bool
		want        string
	}{
		{"prefix-list", f.prefixList, awsid.IsPrefixList, "a prefix list such as pl-0123456789abcdef0"},
		{"source-group", f.sourceGroup, isPeerGroup, "a security group such as sg-0123456789abcdef0, or 111122223333/sg-0123456789abcdef0 of another account"},
		{"account", f.account, awsid.IsAccount, "an account id of 12 digits"},
		{"region", f.region, awsid.IsRegion, "a region such as eu-central-1"},
		{"group-id", f.group, awsid.IsGroup, "a security group such as sg-0123456789abcdef0"},
		{"vpc-id", f.vpc, awsid.IsVPC, "a VPC such as vpc-0123456789abcdef0"},
		{"actor", f.actor, actorForm.MatchString, "the ARN of a role, user or root such as arn:aws:iam::123456789012:role/deploy (of a session, that of its role)"},
	} {
		if v.value != "" && !v.is(v.value) {
			return fmt.Errorf("%s %q: want %s", written(v.flag), v.value, v.want)
		}
	}
	return nil
}

// readTags reads what a flag gives as KEY=VALUE, once for each tag.
func readTags(flag string, texts []string) ([]secgroup.Tag, error) {
	var out []secgroup.Tag
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, usageError("%s %q: want KEY=VALUE", flag, text)
		}
		out = append(out, secgroup.Tag{Key: key, Value: value})
	}
	return out, nil
}

// withoutBOM drops the byte order mark that some editors and shells write in front
// of UTF-8 text, and that JSON does not allow.
func withoutBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\ufeff")) }
