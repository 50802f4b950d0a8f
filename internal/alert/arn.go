package alert

import "strings"

// sessionARN holds the parts of "arn:aws:sts::123456789012:assumed-role/ROLE/SESSION".
// Both are empty for any other ARN.
type sessionARN struct{ role, session string }

func arnOf(arn string) sessionARN {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[2] != "sts" {
		return sessionARN{}
	}
	rest, ok := strings.CutPrefix(parts[5], "assumed-role/")
	if !ok {
		return sessionARN{}
	}
	role, session, _ := strings.Cut(rest, "/")
	return sessionARN{role, session}
}
