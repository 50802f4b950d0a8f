package policy

import "strings"

// The forms of what a policy names. They are functions and not regular expressions
// because a Lambda function compiles the latter at every cold start.

// isID reports whether s is made of lower-case letters, digits and hyphens, begins
// with none of the latter and has 64 characters at most.
func isID(s string) bool {
	return len(s) > 0 && len(s) <= 64 && s[0] != '-' && onlyOf(s, lowerLetters+digits+"-")
}

// isName reports whether s is an id that begins with a letter, so that no name can
// be taken for a port.
func isName(s string) bool { return isID(s) && s[0] >= 'a' }

const (
	lowerLetters = "abcdefghijklmnopqrstuvwxyz"
	digits       = "0123456789"
)

// onlyOf reports whether s is not empty and holds no character that is not in set.
func onlyOf(s, set string) bool {
	for i := range len(s) {
		if strings.IndexByte(set, s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// isAccount reports whether s is an account id.
func isAccount(s string) bool { return len(s) == 12 && onlyOf(s, digits) }

// isRegion reports whether s has the form of a region: "eu-central-1",
// "us-gov-west-1".
func isRegion(s string) bool {
	parts := strings.Split(s, "-")
	last := len(parts) - 1
	if last < 2 || len(parts[0]) < 2 || len(parts[0]) > 4 || len(parts[last]) > 2 || !onlyOf(parts[last], digits) {
		return false
	}
	for _, p := range parts[:last] {
		if !onlyOf(p, lowerLetters) {
			return false
		}
	}
	return true
}

// hexID returns a test for EC2's ids: the prefix and 8 to 17 hexadecimal digits.
func hexID(prefix string) func(string) bool {
	return func(s string) bool {
		rest, ok := strings.CutPrefix(s, prefix)
		return ok && len(rest) >= 8 && len(rest) <= 17 && onlyOf(rest, digits+"abcdef")
	}
}

var (
	isVPC        = hexID("vpc-")
	isGroup      = hexID("sg-")
	isPrefixList = hexID("pl-")
)

// isActor reports whether s is the ARN of a role, a user or root, with * in the
// partition, for the account, or behind the kind.
func isActor(s string) bool {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "iam" || parts[3] != "" ||
		!onlyOf(parts[1], lowerLetters+"-*") || parts[4] != "*" && !isAccount(parts[4]) {
		return false
	}
	for _, kind := range []string{"role/", "user/"} {
		if name, ok := strings.CutPrefix(parts[5], kind); ok {
			return name != "" && !strings.Contains(name, ":") // which IAM allows in no name
		}
	}
	return parts[5] == "root"
}
