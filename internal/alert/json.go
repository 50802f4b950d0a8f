package alert

import (
	"fmt"
	"slices"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// The longest texts in an alert. EC2 and CloudTrail keep theirs shorter; only forged
// messages have longer ones.
const (
	maxID       = 256  // ids, regions, event names, addresses
	maxText     = 2048 // ARNs, user agents, reasons, error messages
	maxEC2Text  = 512  // descriptions, tag keys and values: EC2 has 255 characters, of two units at most
	maxEC2Tags  = 50   // of one rule, EC2's own limit
	maxReasons  = 40   // of one finding
	maxWith     = 40   // rules that complete a finding's union
	maxExposed  = 50   // network interfaces
	maxEntries  = 100  // of a prefix list
	maxSent     = 10   // addresses of one kind of a network interface
	maxOneBytes = 24_000
	maxSlimmed  = 5 // the same two for a finding that is too large
)

// bounded returns the alert with every text and list within its limit, so that the size
// depends on the number of findings alone.
func bounded(a finding.Alert) finding.Alert {
	boundEvent(&a.Event)
	cutAll(maxID, &a.ID, (*string)(&a.Mode), &a.PolicyDigest, &a.PrefixListID)
	cutAll(maxText, &a.ExposedError)
	if n := len(a.Exposed); n > maxExposed {
		note := fmt.Sprintf("only the first %d of %d network interfaces are listed", maxExposed, n)
		if a.ExposedError != "" {
			note += ": " + a.ExposedError
		}
		a.ExposedError = note
	}
	a.Exposed = boundList(a.Exposed, maxExposed, func(n *finding.Interface) {
		cutAll(maxID, &n.ID, &n.GroupID, &n.PrivateIP, &n.PublicIP, &n.InstanceID, &n.Description, &n.Service)
		n.MorePublicIPs, n.IPv6Addresses = addresses(n.MorePublicIPs), addresses(n.IPv6Addresses)
	})
	a.Sweep = boundCopy(a.Sweep, func(s *finding.Sweep) { cutAll(maxText, &s.Forgetful) })
	a.PrefixListEntriesOmitted += max(len(a.PrefixListEntries)-maxEntries, 0)
	a.PrefixListEntries = boundList(a.PrefixListEntries, maxEntries, func(e *finding.PrefixListEntry) {
		cutAll(maxID, &e.Cidr, &e.Description)
	})
	a.PrefixListBeforeOmitted += max(len(a.PrefixListBefore)-maxEntries, 0)
	a.PrefixListBefore = boundList(a.PrefixListBefore, maxEntries, func(e *finding.PrefixListEntry) {
		cutAll(maxID, &e.Cidr, &e.Description)
	})
	a.Statements = boundList(a.Statements, maxValues, func(s *policy.StatementRef) {
		cutAll(maxID, &s.ID)
		cutAll(maxEC2Text, &s.Description, &s.Runbook)
	})
	a.Findings = boundList(a.Findings, len(a.Findings), boundResult)
	return a
}

func boundEvent(e *cloudtrail.Event) {
	cutAll(maxID, &e.EventID, &e.EventName, &e.AccountID, &e.Region, &e.Actor.Type, &e.Actor.InvokedBy, &e.SourceIPAddress, &e.ReplayName)
	cutAll(maxText, &e.Actor.ARN, &e.Actor.SessionIssuerARN, &e.UserAgent)
}

func boundResult(r *finding.Result) {
	cutAll(maxID, &r.ID, &r.StatementID, &r.AccountID, &r.Region, &r.GroupID, &r.GroupName, &r.VPCID, &r.ErrorCode, &r.StackName)
	r.Repeat = boundCopy(r.Repeat, func(p *finding.Repeat) { cutAll(maxID, &p.FirstAlertID) })
	cutAll(maxText, &r.ErrorMessage, &r.Left)
	r.Event = boundCopy(r.Event, boundEvent)
	r.Reasons = boundList(r.Reasons, maxReasons, boundReason)
	r.With = boundList(r.With, maxWith, boundRule)
	r.Rule = boundCopy(r.Rule, boundRule)
	r.Exception, r.Ended = boundCopy(r.Exception, boundException), boundCopy(r.Ended, boundException)
}

func boundException(x *finding.Exception) { cutAll(maxID, &x.ID, &x.Owner, &x.Expires) }

// boundReason limits the printed text. If even the citation is too long, it is cut too.
func boundReason(r *policy.Reason) {
	if printed := r.String(); len(printed) > maxText {
		_ = r.UnmarshalText([]byte(text.Cut(printed, maxText))) // accepts every text
	}
}

func boundRule(r *secgroup.Rule) {
	cutAll(maxID, &r.ID)
	switch p := &r.Permission.Peer; p.Kind() {
	case secgroup.PrefixListPeerKind:
		*p = secgroup.PrefixListPeer(text.Cut(p.PrefixList(), maxID))
	case secgroup.GroupPeerKind:
		id, owner := p.Group()
		*p = secgroup.GroupPeer(text.Cut(id, maxID), text.Cut(owner, maxID))
	}
	cutAll(maxEC2Text, &r.Description)
	r.Tags = boundList(r.Tags, maxEC2Tags, func(t *secgroup.Tag) { cutAll(maxEC2Text, &t.Key, &t.Value) })
}

// addresses returns the IP addresses among the first of a list.
func addresses(list []string) []string {
	return first(slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !isAddress(s) }), maxSent)
}

// boundList returns a copy of the first items of a list, each of them bounded.
func boundList[T any](list []T, most int, bound func(*T)) []T {
	list = slices.Clone(first(list, most))
	for i := range list {
		bound(&list[i])
	}
	return list
}

// boundCopy returns a bounded copy; nil for nil.
func boundCopy[T any](p *T, bound func(*T)) *T {
	if p == nil {
		return nil
	}
	out := *p
	bound(&out)
	return &out
}

func cutAll(limit int, texts ...*string) {
	for _, s := range texts {
		*s = text.Cut(*s, limit)
	}
}

// encoded encodes the alert with as many of its findings, from the first, as fit room as a
// JSON string, and returns the number of the others.
func encoded(a finding.Alert, room int) (out string, omitted int, err error) {
	encode := func(findings []finding.Result) (string, error) {
		part := a
		part.Findings, part.FindingsOmitted = findings, len(a.Findings)-len(findings)
		out, err := marshal(part)
		if err != nil {
			return "", fmt.Errorf("encoding alert %s: %w", a.ID, err)
		}
		return out, nil
	}
	if out, err = encode([]finding.Result{}); err != nil {
		return "", 0, err
	}
	used := encodedSize(out)
	kept := make([]finding.Result, 0, len(a.Findings))
	for _, r := range a.Findings {
		size, err := sizeOf(r)
		if size > maxOneBytes {
			r, size, err = slimmed(r, room-used, len(kept) == 0)
		}
		if err != nil {
			return "", 0, fmt.Errorf("encoding finding %s: %w", r.ID, err)
		}
		if used+size > room {
			break
		}
		used += size
		kept = append(kept, r)
	}
	out, err = encode(kept)
	return out, len(a.Findings) - len(kept), err
}

// sizeOf is the size of a finding in the list, with its comma.
func sizeOf(r finding.Result) (int, error) {
	out, err := marshal(r)
	return encodedSize(out) + len(","), err
}

// slimmed cuts an oversized finding's reasons and other rules to the first few. If it is
// the only finding and still too large, it also drops tags and undo, together: an undo
// without the tags would not restore the rule.
func slimmed(r finding.Result, room int, only bool) (finding.Result, int, error) {
	r.With = first(r.With, maxSlimmed)
	for i := range r.With {
		r.With[i].Tags = nil
	}
	r.Reasons = first(r.Reasons, maxSlimmed)
	size, err := sizeOf(r)
	if err != nil || size <= room || !only || r.Rule == nil {
		return r, size, err
	}
	rule := *r.Rule
	rule.Tags, r.Undo = nil, ""
	r.Rule = &rule
	size, err = sizeOf(r)
	return r, size, err
}

// marshal encodes without escaping <, > and &, which SNS transports unchanged. Maps are
// sorted by key.
func marshal(v any) (string, error) {
	encoded, err := text.EncodeJSON(v)
	return string(encoded), err
}

// encodedSize is the length of s as a JSON string, with quotes.
func encodedSize(s string) int {
	out, _ := marshal(s) // accepts every string
	return len(out)
}
