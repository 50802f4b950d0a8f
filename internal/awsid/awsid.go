// Package awsid checks the form of AWS identifiers: accounts, regions and EC2 ids. It does
// not check that they exist. These are functions rather than regular expressions because a
// Lambda function would compile the latter at every cold start.
package awsid

import "strings"

// Character sets for OnlyOf.
const (
	Digits       = "0123456789"
	LowerLetters = "abcdefghijklmnopqrstuvwxyz"
	Alphanumeric = LowerLetters + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + Digits
)

// OnlyOf reports whether s is not empty and consists of characters of set, which is ASCII.
func OnlyOf(s, set string) bool {
	for i := range len(s) {
		if strings.IndexByte(set, s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// IsAccount reports whether s is an account id: 12 digits.
func IsAccount(s string) bool { return len(s) == 12 && OnlyOf(s, Digits) }

// IsRegion reports whether s has the form of a region: "eu-central-1",
// "us-gov-west-1".
func IsRegion(s string) bool {
	parts := strings.Split(s, "-")
	last := len(parts) - 1
	if last < 2 || len(parts[0]) < 2 || len(parts[0]) > 4 || len(parts[last]) > 2 || !OnlyOf(parts[last], Digits) {
		return false
	}
	for _, p := range parts[:last] {
		if !OnlyOf(p, LowerLetters) {
			return false
		}
	}
	return true
}

// IsVPC reports whether s has the form of a VPC's id: "vpc-0123456789abcdef0".
func IsVPC(s string) bool { return isHex(s, "vpc-") }

// IsGroup reports whether s has the form of a security group's id: "sg-01234567".
func IsGroup(s string) bool { return isHex(s, "sg-") }

// IsPrefixList reports whether s has the form of a prefix list's id: "pl-01234567".
func IsPrefixList(s string) bool { return isHex(s, "pl-") }

// isHex reports whether s is the prefix and 8 to 17 hexadecimal digits. Old EC2 ids have
// 8.
func isHex(s, prefix string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	return ok && len(rest) >= 8 && len(rest) <= 17 && OnlyOf(rest, Digits+"abcdef")
}
