// Package cloudtrail reads CloudTrail records: the caller of EC2, and the change to a
// security group or managed prefix list. It judges nothing. A record that it cannot parse
// is a *MalformedError that names the field, never an empty result.
package cloudtrail

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"sgward/internal/secgroup"
)

// Call is one call as its record describes it.
//
// The fields below Failed are zero if the call is Skipped or of the zero Kind.
type Call struct {
	Event
	Kind Kind
	// Skipped says why the record changed nothing: the call failed, was a dry run, changed
	// nothing, or is not a call that sgward reads. A skipped record is never malformed;
	// its Event holds the fields that could be read.
	Skipped string
	// Failed is set beside Skipped if the record has an errorCode: EC2 refused the call,
	// or it was a dry run.
	Failed bool

	// Group is the group that the call changed. Its ID is empty if the record names the
	// group only by Name, or not at all. VPCID is known for KindCreate only.
	Group secgroup.Group
	// Rules are the rules that the call made or closed; none if From is RulesUnknown.
	//
	//  - For KindModify they have the zero Direction, which the record leaves out.
	//  - A rule that a Revoke call names by id has only that and the Direction.
	//  - A source group that a request names by name is a GroupPeer with that name as id:
	//    it has no address, so it is never the world, and no name can begin with "sg-".
	Rules []secgroup.Rule
	From  RulesFrom
	// Incomplete is set if the request asks for more rules than EC2's response lists.
	// Rules is then not complete: read the group.
	Incomplete bool
	// Fault says which part of the record cannot be read. It is set only beside an error
	// of Parse, if the record still names the group that the call opened. From is then
	// RulesUnknown.
	Fault string
	// List is set for KindEditList, and for no other.
	List *ListEdit
}

// Kind is the kind of a call. The zero value is a call that is not read, or not known to
// be one to EC2.
type Kind uint8

// The kinds of calls.
const (
	KindAuthorize Kind = iota + 1 // makes rules
	KindModify                    // edits rules; the record leaves out some of the new values
	KindRevoke                    // closes rules
	KindCreate                    // makes a group
	KindDelete                    // deletes a group and all its rules
	KindEditList                  // changes the entries of a managed prefix list, and so the rules that use it
)

// RulesFrom is the source of a Call's rules. The zero value means that the record leaves
// the rules out.
type RulesFrom uint8

// The sources of rules.
const (
	// RulesUnknown: the record leaves out the rules; read the group.
	RulesUnknown RulesFrom = iota
	// RulesFromRequest: the rules that the caller typed, which EC2 may have stored
	// differently; for a Revoke call, without those that EC2 reports as unknown.
	RulesFromRequest
	// RulesFromResponse: the rules that EC2 stored or closed, with rule ids.
	RulesFromResponse
)

// ListEdit is a change of a managed prefix list's entries.
type ListEdit struct {
	// ID is pl-..., empty if the record leaves out the parameters and the response lacks
	// it too.
	ID string
	// Added and Removed are the entries as asked for, masked, in the order of the
	// request. A call that only gives an entry another description adds it. Both are
	// empty for RestoreManagedPrefixListVersion, and may lack entries where Omitted is
	// set.
	Added, Removed []netip.Prefix
	// FromVersion is the version that the call started from; the call makes the next one.
	// 0 if the record lacks it.
	FromVersion int64
	// RestoredVersion is the version that the call restored, 0 for ModifyManagedPrefixList
	// or if the record lacks it.
	RestoredVersion int64
	// Omitted is set if only EC2 knows the whole change: the record leaves the parameters
	// out (they had more than 100 KB), or it has unknown members, which may be entries in
	// another spelling or from another source (IpamPrefixListResolverSyncEnabled).
	Omitted bool
}

// Opens reports whether calls of the kind can open a group.
func (k Kind) Opens() bool { return k == KindAuthorize || k == KindModify }

// Openings lists the kinds of calls that can open a group.
func Openings() []Kind { return []Kind{KindAuthorize, KindModify} }

// GroupCalls lists the kinds of calls that change a group.
func GroupCalls() []Kind {
	return []Kind{KindAuthorize, KindModify, KindRevoke, KindCreate, KindDelete}
}

// RulesMissing reports whether the call opened something that Rules does not hold.
func (c Call) RulesMissing() bool {
	return c.Skipped == "" && c.Kind.Opens() && (c.Incomplete || c.From == RulesUnknown)
}

func notRead(name string) string { return "the call is " + clip(name) + ", which is not judged" }

// family is the way to read the records of one call.
type family struct {
	name      string // eventName
	kind      Kind
	direction secgroup.Direction
	// read fills in a successful Call, or returns why it changed nothing.
	read func(*decoder, *Call, secgroup.Direction) (skipped string)
}

// families holds all calls that are read.
var families = []family{
	{"AuthorizeSecurityGroupIngress", KindAuthorize, secgroup.Ingress, (*decoder).authorize},
	{"AuthorizeSecurityGroupEgress", KindAuthorize, secgroup.Egress, (*decoder).authorize},
	{"ModifySecurityGroupRules", KindModify, 0, (*decoder).modify},
	{"RevokeSecurityGroupIngress", KindRevoke, secgroup.Ingress, (*decoder).revoke},
	{"RevokeSecurityGroupEgress", KindRevoke, secgroup.Egress, (*decoder).revoke},
	{"CreateSecurityGroup", KindCreate, 0, (*decoder).createGroup},
	{"DeleteSecurityGroup", KindDelete, 0, (*decoder).deleteGroup},
	{"ModifyManagedPrefixList", KindEditList, 0, (*decoder).editList},
	{"RestoreManagedPrefixListVersion", KindEditList, 0, (*decoder).editList},
}

// Names lists the eventNames of the calls of the kinds.
func Names(kinds ...Kind) []string {
	var names []string
	for _, f := range families {
		if slices.Contains(kinds, f.kind) {
			names = append(names, f.name)
		}
	}
	return names
}

// Parse reads a CloudTrail record of a call of one of the kinds, or of any kind if none
// is given: bare, as log files hold it, or as the detail of an EventBridge event. A
// record of another call or of a failed one, and an event of another detail-type, give
// a Call that is Skipped.
//
// The error is always a *MalformedError. The Call beside it is zero, unless it has a
// Fault: an opening that cannot be read is still an opening, in a group that is known.
func Parse(data []byte, kinds ...Kind) (Call, error) {
	d := decoders.Get().(*decoder)
	defer d.release()
	skipped := d.open(data)
	c := Call{Event: Event{AccountID: cut(d.account, mostName), Region: cut(d.region, mostName)}, Skipped: skipped}
	switch {
	case d.err != nil: // not JSON, or not an event
		c = Call{}
	case skipped == "":
		if c = d.call(kinds); d.err != nil {
			c = d.named(d.err, kinds)
		}
	}
	if d.err != nil {
		d.err.EventID = d.record.id()
		return c, d.err
	}
	return c, nil
}

// call reads the record.
func (d *decoder) call(kinds []Kind) Call {
	f, skipped := d.family(kinds)
	if skipped != "" || d.err != nil {
		return d.skip(f.kind, skipped)
	}
	c := Call{Kind: f.kind}
	caller := d.event(&c.Event)
	if skipped = f.read(d, &c, f.direction); skipped != "" && d.err == nil {
		return d.skip(f.kind, skipped)
	}
	if len(c.Rules) == 0 {
		c.From = RulesUnknown
	} else {
		c.AccountID = cmp.Or(c.AccountID, c.Rules[0].OwnerID)
	}
	if c.AccountID = cmp.Or(c.AccountID, caller); c.AccountID == "" {
		d.fail("recipientAccountId", "is missing, and nothing else names the account")
	}
	return c
}

// named returns the call of a record with a fault, as far as it is known: the zero Call if
// it opened nothing, or if event, account, region or group cannot be read.
func (d *decoder) named(fault *MalformedError, kinds []Kind) Call {
	d.err, d.lenient = nil, true
	defer func() { d.err, d.lenient = fault, false }()
	f, skipped := d.family(kinds)
	if skipped != "" || !f.kind.Opens() {
		return Call{}
	}
	c := Call{Kind: f.kind, Fault: fault.Field + ": " + fault.Problem}
	caller := d.event(&c.Event)
	c.AccountID = cmp.Or(c.AccountID, caller)
	id := func(r *reader) func() { return func() { c.Group.ID = cut(r.text(), mostName) } }
	d.value(d.record.response, "responseElements", func(r *reader) {
		r.member("securityGroupRuleSet", func() { r.list(func() { r.member("groupId", id(r)) }) })
	})
	d.value(d.record.request, "requestParameters", func(r *reader) {
		r.object(func(key []byte) bool {
			switch string(key) {
			case "groupId":
				id(r)()
			case "groupName":
				c.Group.Name = cut(r.text(), mostName)
			case "ModifySecurityGroupRulesRequest":
				r.member("GroupId", id(r))
			default:
				return false
			}
			return true
		})
	})
	if c.EventID == "" || c.EventTime.IsZero() || c.AccountID == "" || c.Region == "" || c.Group.String() == "" {
		return Call{}
	}
	return c
}

// family returns the way to read the call, or why it is skipped: it is not a call to EC2,
// is unknown or not of the kinds, or failed.
func (d *decoder) family(kinds []Kind) (f family, skipped string) {
	switch source := d.text(d.record.eventSource, "eventSource"); source {
	case ec2Source:
	case "":
		return f, "the record has no eventSource, so it may not be a call to EC2"
	default:
		return f, "the call was to " + quote(source) + ", not to EC2"
	}
	if kind := d.text(d.record.eventType, "eventType"); kind != "" && kind != apiCallType {
		return f, "the record is of eventType " + quote(kind) + ", not of an API call"
	}
	name := d.must(d.record.eventName, "eventName")
	i := slices.IndexFunc(families, func(f family) bool { return f.name == name })
	if i < 0 {
		return f, notRead(name)
	}
	if f = families[i]; len(kinds) > 0 && !slices.Contains(kinds, f.kind) {
		return f, notRead(name)
	}
	if d.record.errorCode == nil {
		return f, ""
	}
	if code := bestEffort(d.record.errorCode); code != "" {
		return f, "the call failed: " + clip(code)
	}
	return f, "the call failed"
}

// skip returns a skipped Call, with the fields of its Event that can be read. It never
// fails.
func (d *decoder) skip(kind Kind, why string) Call {
	c := Call{Kind: kind, Skipped: why, Failed: d.record.errorCode != nil}
	d.prefix, d.lenient = "", true
	d.event(&c.Event)
	return c
}

// MalformedError is the error of a record that cannot be parsed.
type MalformedError struct {
	// Field is the path of the offending field, such as
	// "detail.requestParameters.ipPermissions.items[0].ipRanges".
	Field string
	// Problem says what was found and what is expected. Untrusted text in it is quoted and
	// cut.
	Problem string
	// EventID is the record's id, if it could be read.
	EventID string
}

// Error names the event, the field and the problem.
func (e *MalformedError) Error() string {
	if e.EventID == "" {
		return fmt.Sprintf("reading CloudTrail record: %s: %s", e.Field, e.Problem)
	}
	return fmt.Sprintf("reading CloudTrail record %s: %s: %s", e.EventID, e.Field, e.Problem)
}
