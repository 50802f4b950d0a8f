package cli

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"sgward/internal/secgroup"
)

// The forms of what names a rule, its group and its maker. A slip in one of them
// would not be an error to the policy, which compares: it would be a wrong verdict.
var (
	accountForm    = regexp.MustCompile(`^\d{12}$`)
	regionForm     = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$`)
	vpcForm        = regexp.MustCompile(`^vpc-[0-9a-f]{8,17}$`)
	groupForm      = regexp.MustCompile(`^sg-[0-9a-f]{8,17}$`)
	peerGroupForm  = regexp.MustCompile(`^(\d{12}/)?sg-[0-9a-f]{8,17}$`)
	prefixListForm = regexp.MustCompile(`^pl-[0-9a-f]{8,17}$`)
	actorForm      = regexp.MustCompile(`^arn:[a-z-]+:iam::\d{12}:(role/.+|user/.+|root)$`)
)

// checkForms refuses the first of the given values that lacks its form. Those left
// out are not checked. written says how the caller writes a flag's name.
func (f explainFlags) checkForms(written func(flag string) string) error {
	for _, v := range []struct {
		flag, value string
		form        *regexp.Regexp
		want        string
	}{
		{"prefix-list", f.prefixList, prefixListForm, "a prefix list such as pl-0123456789abcdef0"},
		{"source-group", f.sourceGroup, peerGroupForm, "a security group such as sg-0123456789abcdef0, or 111122223333/sg-0123456789abcdef0 of another account"},
		{"account", f.account, accountForm, "an account id of 12 digits"},
		{"region", f.region, regionForm, "a region such as eu-central-1"},
		{"group-id", f.group, groupForm, "a security group such as sg-0123456789abcdef0"},
		{"vpc-id", f.vpc, vpcForm, "a VPC such as vpc-0123456789abcdef0"},
		{"actor", f.actor, actorForm, "the ARN of a role, user or root such as arn:aws:iam::123456789012:role/deploy (of a session, that of its role)"},
	} {
		if v.value != "" && !v.form.MatchString(v.value) {
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
