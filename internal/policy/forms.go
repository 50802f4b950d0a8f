package policy

import (
	"net/url"
	"strings"

	"sgward/internal/awsid"
)

// isID reports whether s is made of at most 64 lower-case letters, digits and hyphens, and
// does not begin with a hyphen.
func isID(s string) bool {
	return len(s) > 0 && len(s) <= 64 && s[0] != '-' && awsid.OnlyOf(s, awsid.LowerLetters+awsid.Digits+"-")
}

// isName reports whether s is an id that begins with a letter, so that no name can
// be taken for a port.
func isName(s string) bool { return isID(s) && s[0] >= 'a' }

// IsActor reports whether s is the ARN of one role, user or root: an actor that the
// patterns of a policy may match.
func IsActor(s string) bool { return isActorPattern(s) && !strings.Contains(s, "*") }

// isActorPattern reports whether s is the ARN of a role, a user or root, with * as the
// partition, as the account, or after the kind.
func isActorPattern(s string) bool {
	arn, _ := awsid.ParseARN(s)
	if arn.Service != "iam" || arn.Region != "" || !awsid.OnlyOf(arn.Partition, awsid.LowerLetters+"-*") || arn.Account != "*" && !awsid.IsAccount(arn.Account) {
		return false
	}
	for _, kind := range []string{"role/", "user/"} {
		if name, ok := strings.CutPrefix(arn.Resource, kind); ok {
			return name != "" && !strings.Contains(name, ":") // IAM allows no colon in names
		}
	}
	return arn.Resource == "root"
}

// isLink reports whether s is an https URL that mail, chat and HTML show as one link.
func isLink(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && !strings.ContainsAny(s, " <>|\"'`\\^{}")
}
