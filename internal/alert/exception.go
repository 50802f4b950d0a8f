package alert

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sgward/internal/awsid"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// exceptionDays is the length of a suggested exception, from the day of the event.
const exceptionDays = 30

// Terms are what a person who asks for an exception has said of it. The zero value leaves
// all to be filled in.
type Terms struct {
	Until time.Time // its end; zero for 30 days from the event
	Owner string    // printable; "" for a placeholder
}

// Exception returns the entry for the list "exceptions" of policy.yaml that would allow a
// finding's rule, and no more, for 30 days from the event: this account, region, group,
// direction, protocol, ports and peer (policies have no ICMP types, so it allows all of
// them). A person fills in reason and owner. It is "" if group or rule are unknown, since
// an exception must not be wider than the rule.
//
// It is a YAML list of one, indented by two to be pasted under "exceptions:", and holds no
// untrusted text.
func Exception(e cloudtrail.Event, f finding.Finding) string { return ExceptionOn(Terms{}, e, f) }

// ExceptionOn is Exception with an end and an owner.
func ExceptionOn(terms Terms, e cloudtrail.Event, f finding.Finding) string {
	if f.Rule == nil || !f.Rule.Permission.IsValid() || !isIdentifier(f.GroupID) {
		return ""
	}
	p := f.Rule.Permission
	var b strings.Builder
	account, region := cmp.Or(f.AccountID, e.AccountID), cmp.Or(f.Region, e.Region)
	b.WriteString("  - id: " + exceptionID(p, account, region, f.GroupID) + "\n")
	b.WriteString("    reason: " + yamlString(policy.PlaceholderReason) + "\n")
	owner := policy.PlaceholderOwner
	if terms.Owner != "" {
		owner = strconv.Quote(terms.Owner) // its printable text is the caller's own
	}
	b.WriteString("    owner: " + owner + "\n")
	if terms.Until.IsZero() {
		b.WriteString("    expires: " + e.EventTime.UTC().AddDate(0, 0, exceptionDays).Format(time.DateOnly) + "\n")
	} else {
		b.WriteString("    until: " + policy.EndTag(terms.Until).Value + "\n")
	}
	b.WriteString("    match:\n")
	list := func(key, value string) {
		if value != "" {
			b.WriteString("      " + key + ": [" + yamlString(value) + "]\n")
		}
	}
	list("accounts", account)
	list("regions", region)
	list("groups", f.GroupID)
	if p.Direction != 0 {
		b.WriteString("      direction: " + p.Direction.String() + "\n")
	}
	switch {
	case p.Protocol == secgroup.AllProtocols:
		list("protocols", "all")
	case p.Protocol.HasPorts():
		list("ports", p.Ports.String()+"/"+string(p.Protocol))
	default:
		list("protocols", string(p.Protocol))
	}
	switch p.Peer.Kind() {
	case secgroup.CIDRPeerKind:
		list("peers", p.Peer.CIDR().String())
	case secgroup.PrefixListPeerKind:
		list("prefix-lists", p.Peer.PrefixList())
	case secgroup.GroupPeerKind:
		id, _ := p.Peer.Group()
		list("referenced-groups", id)
	}
	return b.String()
}

// exceptionID names an exception after its traffic and its place:
// "allow-tcp-3306-0123abcd". The digits distinguish exceptions for several peers or
// groups, because duplicate ids are errors.
func exceptionID(p secgroup.Permission, accountID, region, groupID string) string {
	what := "protocol-" + string(p.Protocol)
	switch {
	case p.Protocol == secgroup.AllProtocols:
		what = "all-traffic"
	case p.Protocol.HasPorts():
		what = string(p.Protocol) + "-" + p.Ports.String()
	case p.Protocol.IsICMP():
		what = string(p.Protocol)
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{accountID, region, groupID, p.String()}, "\x00")))
	return "allow-" + what + "-" + hex.EncodeToString(sum[:4])
}

// isPlainYAML reports whether s is an id such as sg-..., a port such as 3306/tcp, an IPv4
// range or a protocol, and nothing that YAML could take for a number, a date or a keyword:
// none of these has a slash, or two letters before a dash.
func isPlainYAML(s string) bool {
	if s == "all" || secgroup.Protocol(s).IsICMP() {
		return true
	}
	if port, protocol, ok := strings.Cut(s, "/"); ok {
		return awsid.OnlyOf(port, awsid.Alphanumeric+".-") && strings.Contains(awsid.Alphanumeric, port[:1]) && awsid.OnlyOf(protocol, awsid.Alphanumeric)
	}
	prefix, rest, ok := strings.Cut(s, "-")
	return ok && len(prefix) >= 2 && awsid.OnlyOf(prefix, awsid.Alphanumeric) && !strings.ContainsAny(prefix[:2], awsid.Digits) && awsid.OnlyOf(rest, awsid.Alphanumeric+"-")
}

// yamlString returns a scalar that YAML reads as s.
func yamlString(s string) string {
	if isPlainYAML(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r >= ' ' && r < 0x7F && !strings.ContainsRune("&<>@`", r): // markup of chat
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
