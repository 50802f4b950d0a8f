package alert

import (
	"fmt"
	"net/netip"
	"slices"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// maxChat bounds the chat notification in bytes, as encoded in the SNS message:
// a description and steps of 4,300 characters, each of which takes four bytes at
// most after two encodings, and some ids.
const maxChat = 24_000

// The longest texts that an alert carries. EC2 and CloudTrail keep theirs shorter;
// only a forged message has longer ones.
const (
	maxID       = 256  // ids, regions, event names, addresses
	maxText     = 2048 // ARNs, user agents, reasons, error messages
	maxReasons  = 40   // of one finding
	maxOthers   = 40   // rules that a union stands with
	maxExposed  = 50   // network interfaces
	maxEntries  = 100  // of a prefix list
	maxSent     = 10   // addresses of one kind of a network interface
	maxEC2Tags  = 50   // of one rule, EC2's own limit
	maxEC2Text  = 512  // descriptions, tag keys and values: EC2 has 255 characters, of two units at most
	maxOneBytes = 24_000
)

// bounded returns the alert with every text and list within bounds, so that what
// is left to do for its size is to count findings.
func bounded(a finding.Alert) finding.Alert {
	a.ID = text.Cut(a.ID, maxID)
	a.Mode = finding.Mode(text.Cut(string(a.Mode), maxID))
	a.PolicyDigest = text.Cut(a.PolicyDigest, maxID)
	e := &a.Event
	cutAll(maxID, &e.EventID, &e.EventName, &e.AccountID, &e.Region, &e.Actor.Type, &e.Actor.InvokedBy, &e.SourceIPAddress)
	cutAll(maxText, &e.Actor.ARN, &e.Actor.SessionIssuerARN, &e.UserAgent)
	a.ExposedError = text.Cut(a.ExposedError, maxText)
	if n := len(a.Exposed); n > maxExposed {
		a.Exposed = a.Exposed[:maxExposed]
		note := fmt.Sprintf("only the first %d of %d network interfaces are told", maxExposed, n)
		if a.ExposedError != "" {
			note += ": " + a.ExposedError
		}
		a.ExposedError = note
	}
	a.Exposed = slices.Clone(a.Exposed)
	for i := range a.Exposed {
		n := &a.Exposed[i]
		cutAll(maxID, &n.ID, &n.GroupID, &n.PrivateIP, &n.PublicIP, &n.InstanceID, &n.Description, &n.Service)
		n.MorePublicIPs, n.IPv6Addresses = addresses(n.MorePublicIPs), addresses(n.IPv6Addresses)
	}
	if a.Sweep != nil {
		sweep := *a.Sweep
		sweep.Forgetful = text.Cut(sweep.Forgetful, maxText)
		a.Sweep = &sweep
	}
	a.PrefixListID = text.Cut(a.PrefixListID, maxID)
	if more := len(a.PrefixListEntries) - maxEntries; more > 0 {
		a.PrefixListEntries = a.PrefixListEntries[:maxEntries]
		a.PrefixListEntriesOmitted += more
	}
	a.PrefixListEntries = slices.Clone(a.PrefixListEntries)
	for i := range a.PrefixListEntries {
		cutAll(maxID, &a.PrefixListEntries[i].Cidr, &a.PrefixListEntries[i].Description)
	}
	a.Findings = slices.Clone(a.Findings)
	for i := range a.Findings {
		boundResult(&a.Findings[i])
	}
	return a
}

// addresses returns the first of a list that are IP addresses.
func addresses(list []string) []string {
	list = slices.DeleteFunc(slices.Clone(list), func(s string) bool {
		_, err := netip.ParseAddr(s)
		return err != nil || !isPlainAddress(s)
	})
	return list[:min(len(list), maxSent)]
}

func boundResult(r *finding.Result) {
	cutAll(maxID, &r.ID, &r.StatementID, &r.AccountID, &r.Region, &r.GroupID, &r.GroupName, &r.VPCID, &r.ErrorCode)
	cutAll(maxText, &r.ErrorMessage, &r.Left)
	r.Reasons = slices.Clone(r.Reasons[:min(len(r.Reasons), maxReasons)])
	for i := range r.Reasons {
		boundReason(&r.Reasons[i])
	}
	r.With = slices.Clone(r.With[:min(len(r.With), maxOthers)])
	for i := range r.With {
		boundRule(&r.With[i])
	}
	if r.Rule != nil {
		rule := *r.Rule
		boundRule(&rule)
		r.Rule = &rule
	}
	for _, x := range []**finding.Exception{&r.Exception, &r.Ended} {
		if *x != nil {
			bound := **x
			cutAll(maxID, &bound.ID, &bound.Owner, &bound.Expires)
			*x = &bound
		}
	}
}

// boundReason bounds the text that is printed. The citation goes with it where even
// that has no room.
func boundReason(r *policy.Reason) {
	if printed := r.String(); len(printed) > maxText {
		_ = r.UnmarshalText([]byte(text.Cut(printed, maxText))) // takes every text
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
	r.Tags = slices.Clone(r.Tags[:min(len(r.Tags), maxEC2Tags)])
	for i := range r.Tags {
		cutAll(maxEC2Text, &r.Tags[i].Key, &r.Tags[i].Value)
	}
}

func cutAll(limit int, texts ...*string) {
	for _, s := range texts {
		*s = text.Cut(*s, limit)
	}
}

// fit encodes the alert with as many of its findings, from the first, as room
// allows for the text as a JSON string, and says how many were left out.
func fit(a finding.Alert, room int) (omitted int, text string, err error) {
	all := a.Findings
	kept := make([]finding.Result, 0, len(all))
	head := a
	head.Findings, head.FindingsOmitted = []finding.Result{}, len(all)
	text, err = marshal(head)
	if err != nil {
		return 0, "", fmt.Errorf("encoding alert %s: %w", a.ID, err)
	}
	used := encodedSize(text)
	for i := range all {
		r := all[i]
		size, err := sizeOf(r)
		if err != nil {
			return 0, "", fmt.Errorf("encoding finding %s: %w", r.ID, err)
		}
		if size > maxOneBytes {
			if r, size, err = slimmed(r, room-used, len(kept) == 0); err != nil {
				return 0, "", fmt.Errorf("encoding finding %s: %w", r.ID, err)
			}
		}
		if used+size > room {
			break
		}
		used += size
		kept = append(kept, r)
	}
	a.Findings, a.FindingsOmitted = kept, len(all)-len(kept)
	if text, err = marshal(a); err != nil {
		return 0, "", fmt.Errorf("encoding alert %s: %w", a.ID, err)
	}
	return a.FindingsOmitted, text, nil
}

// sizeOf is what a finding takes in the list, comma included.
func sizeOf(r finding.Result) (int, error) {
	text, err := marshal(r)
	if err != nil {
		return 0, err
	}
	return encodedSize(text) + len(","), nil
}

// slimmed takes from an oversized finding what can be missed: the rules it stands
// with and reasons but for the first few. If it is the only one and still has no
// room, it loses tags and undo, together: an undo that forgets tags would be a lie.
func slimmed(r finding.Result, room int, only bool) (finding.Result, int, error) {
	r.With = r.With[:min(len(r.With), maxWith)]
	for i := range r.With {
		r.With[i].Tags = nil
	}
	r.Reasons = r.Reasons[:min(len(r.Reasons), maxWith)]
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
