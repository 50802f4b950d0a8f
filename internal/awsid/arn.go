package awsid

import "strings"

// ARN is the parts of an ARN (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html).
// Each part may be empty, and nothing but their number was checked: they are as untrusted as
// the text. The zero value is of no ARN.
type ARN struct {
	Partition, Service, Region, Account string
	// Resource is the rest, which may hold colons and slashes.
	Resource string
}

// ParseARN splits "arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE". ok is false, and the ARN
// zero, if s has another form.
func ParseARN(s string) (a ARN, ok bool) {
	rest, ok := strings.CutPrefix(s, "arn:")
	if !ok {
		return ARN{}, false
	}
	parts := strings.SplitN(rest, ":", 5)
	if len(parts) != 5 {
		return ARN{}, false
	}
	return ARN{Partition: parts[0], Service: parts[1], Region: parts[2], Account: parts[3], Resource: parts[4]}, true
}

// Session returns the parts of STS's "assumed-role/ROLE/SESSION"; either may be empty. ok is
// false for the ARN of anything else.
func (a ARN) Session() (role, session string, ok bool) {
	rest, ok := strings.CutPrefix(a.Resource, "assumed-role/")
	if !ok || a.Service != "sts" {
		return "", "", false
	}
	role, session, _ = strings.Cut(rest, "/")
	return role, session, true
}
