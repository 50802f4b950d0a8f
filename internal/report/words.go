package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sgward/internal/finding"
	"sgward/internal/plaintext"
)

// cutMark ends a text that was shortened, so that nobody takes it for the whole.
const cutMark = "… [cut]"

// shown makes a stranger's text safe for terminals and shortens it to limit
// characters.
func shown(s string, limit int) string {
	// What is far beyond the limit need not be made visible first. A character has
	// at most four bytes; the cut may split one, which is cut off with the rest.
	if most := utf8.UTFMax * (limit + 1); len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	s = plaintext.Visible(s)
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	room := limit - utf8.RuneCountInString(cutMark)
	for i := range s {
		if room == 0 {
			return s[:i] + cutMark
		}
		room--
	}
	return s
}

// mostName is how much of a name or ARN is shown; mostText of a reason or
// description.
const (
	mostName = 120
	mostText = 600
)

// plural says "1 rule" and "3,000 rules".
func plural[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// thousands prints 16777216 as 16,777,216.
func thousands[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// byteSize says "1.2 GB": powers of 1000.
func byteSize(n int64) string {
	const units = "kMGTPE"
	value, unit := float64(n), -1
	for value >= 999.5 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	switch {
	case unit < 0:
		return plural(n, "byte")
	case value < 9.95:
		return fmt.Sprintf("%.1f %cB", value, units[unit])
	default:
		return fmt.Sprintf("%.0f %cB", value, units[unit])
	}
}

// span says how long something lasted: "42 s", "4 min 10 s", "3 h 5 min", "12 d 4 h".
func span(seconds float64) string {
	s := int64(math.Round(min(max(seconds, 0), 1e12)))
	for _, u := range []struct {
		size        int64
		large, less string
	}{{86400, "d", "h"}, {3600, "h", "min"}, {60, "min", "s"}} {
		if s < u.size {
			continue
		}
		next := map[string]int64{"h": 3600, "min": 60, "s": 1}[u.less]
		text := thousands(s/u.size) + " " + u.large
		if rest := s % u.size / next; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, u.less)
		}
		return text
	}
	return fmt.Sprintf("%d s", s)
}

// moment prints a time in UTC to the second.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// date prints the day of a time in UTC.
func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// ruleText says what a finding's rule lets through: "ingress tcp 3306 from
// 0.0.0.0/0".
func ruleText(r *finding.Rule) string {
	if r == nil {
		return "rules that the record does not tell"
	}
	parsed, err := r.SecurityGroupRule("", "")
	if err == nil {
		return parsed.Permission.String()
	}
	// The fields make no sense together: show them as they are.
	var parts []string
	for _, f := range []struct{ name, value string }{
		{"direction", r.Direction}, {"ipProtocol", r.IPProtocol}, {"fromPort", decimal(r.FromPort)}, {"toPort", decimal(r.ToPort)},
		{"cidrIpv4", r.CidrIPv4}, {"cidrIpv6", r.CidrIPv6}, {"prefixListId", r.PrefixListID},
		{"referencedGroupId", r.ReferencedGroupID}, {"referencedGroupUserId", r.ReferencedGroupUserID},
	} {
		if f.value != "" {
			parts = append(parts, f.name+" "+strconv.Quote(f.value))
		}
	}
	return "a rule that makes no sense (" + strings.Join(parts, ", ") + ")"
}

func decimal(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// cited reads the id and the line of what a reason cites of the policy file, such as
// "policy.yaml:14 world-open-database: ...". The line is 0 where it cites nothing.
func cited(reason, file string) (id string, line int) {
	rest, ok := strings.CutPrefix(reason, file+":")
	if !ok {
		return "", 0
	}
	digits, rest, _ := strings.Cut(rest, " ")
	id, _, ok = strings.Cut(rest, ": ")
	line, err := strconv.Atoi(digits)
	if err != nil || line < 1 || !ok {
		return "", 0
	}
	return id, line
}

// groupText names a security group: "sg-0123456789abcdef0 (web)".
func groupText(id, name string) string {
	switch {
	case id == "" && name == "":
		return "a group that the record does not name"
	case id == "":
		return name
	case name == "":
		return id
	default:
		return id + " (" + name + ")"
	}
}

// actorText names who made a call: the role behind a session, else the caller
// itself.
func actorText(a finding.Actor) string {
	for _, s := range []string{a.Principal(), a.InvokedBy, a.Type} {
		if s != "" {
			return s
		}
	}
	return "a caller that the record does not name"
}

// shortARN splits "arn:aws:iam::123456789012:role/deploy" into "role/deploy" and
// "123456789012". What is no such ARN comes back whole.
func shortARN(s string) (label, accountID string) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[5] == "" {
		return s, ""
	}
	return parts[5], parts[4]
}

// callerText is actorText with what a reader needs to find the person: the session's
// name, the service in between, and the address.
func callerText(e *finding.Event) string {
	text := actorText(e.Actor)
	if e.Actor.SessionIssuerARN != "" {
		if _, session, ok := strings.Cut(e.Actor.ARN, ":assumed-role/"); ok {
			if _, session, ok = strings.Cut(session, "/"); ok {
				text += " (session " + session + ")"
			}
		}
	}
	if e.Actor.InvokedBy != "" && e.Actor.InvokedBy != text {
		text += " through " + e.Actor.InvokedBy
	}
	if e.SourceIPAddress != "" && e.SourceIPAddress != e.Actor.InvokedBy {
		text += " from " + e.SourceIPAddress
	}
	return text
}
