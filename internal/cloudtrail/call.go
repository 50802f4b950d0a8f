// Package cloudtrail reads CloudTrail records: who called EC2, and what the call did
// to a security group or a managed prefix list. It judges nothing. A record it does not
// understand is a *MalformedError that names the field, never an empty result.
package cloudtrail

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"sgward/internal/secgroup"
)

// Call is one call as its record tells it.
//
// The fields below Failed are zero where the call is Skipped or of the zero Kind.
type Call struct {
	Event
	Kind Kind
	// Skipped says why the record changed nothing: the call failed, only tried (dry
	// run), changed nothing, or is none that is read. Of a skipped record the Event holds
	// what could be read, and nothing else of it is malformed.
	Skipped string
	// Failed is set beside Skipped where the record has an errorCode: EC2 refused the
	// call, or only tried it.
	Failed bool

	// Group is the group that the call changed. Its ID is empty where the record names
	// the group by its Name only, or not at all. VPCID is known of KindCreate alone.
	Group secgroup.Group
	// Rules are those that the call made or closed; none where From is RulesUnknown.
	//
	// Of KindModify they have the zero Direction: the record does not tell it. A rule
	// that a Revoke call names by its id alone has that and the Direction. The peer of a
	// rule whose request names its source group by name is a GroupPeer with that name for
	// an id: it has no address, so it is never the world, and EC2 lets no name begin with
	// "sg-".
	Rules []secgroup.Rule
	From  RulesFrom
	// Incomplete is set where the request asks for more rules than EC2's answer
	// lists: Rules are then not all that the call made, and the group tells the rest.
	Incomplete bool
	// Fault says what of the record cannot be read, and where. It is set beside an error
	// of Parse only, where the record names all the same what the call opened: From is
	// then RulesUnknown.
	Fault string
	// List is set for KindEditList, and for no other.
	List *ListEdit
}

// Kind is what a call does. The zero value is a call that is not read, or that is not
// known to be one to EC2.
type Kind uint8

// The kinds of calls.
const (
	KindAuthorize Kind = iota + 1 // makes rules
	KindModify                    // gives rules other values, which the record does not tell all of
	KindRevoke                    // closes rules
	KindCreate                    // makes a group
	KindDelete                    // deletes a group, and so every rule of it
	KindEditList                  // changes what a managed prefix list holds, and so what the rules that use it let through
)

// RulesFrom says where the rules of a Call come from. The zero value means that the
// record does not tell them.
type RulesFrom uint8

// The sources of rules.
const (
	// RulesUnknown: the record leaves out the rules; read the group.
	RulesUnknown RulesFrom = iota
	// RulesFromRequest: what the caller typed. EC2 may have stored it otherwise; of a
	// Revoke call EC2 named none of them as unknown.
	RulesFromRequest
	// RulesFromResponse: what EC2 stored or closed, with rule ids.
	RulesFromResponse
)

// ListEdit is what a call did to the entries of a managed prefix list.
type ListEdit struct {
	// ID is pl-..., empty where the record leaves the parameters out and its answer does
	// not tell either.
	ID string
	// Added and Removed are the entries as asked for, masked, in the order of the
	// request. A call that only gives an entry another description adds it. Both are
	// empty for RestoreManagedPrefixListVersion, and may lack entries where Omitted is
	// set.
	Added, Removed []netip.Prefix
	// FromVersion is the version that the call started from; it makes the next one.
	// 0 where the record does not tell.
	FromVersion int64
	// RestoredVersion is the version whose entries the call put back, 0 for
	// ModifyManagedPrefixList or where the record does not tell.
	RestoredVersion int64
	// Omitted is set where only EC2 knows all that was changed: the record leaves the
	// parameters out (they had more than 100 KB), or has members that are not known,
	// which may be entries in another spelling or what has them come from elsewhere
	// (IpamPrefixListResolverSyncEnabled).
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

// Untold reports that the call opened something that Rules does not hold.
func (c Call) Untold() bool {
	return c.Skipped == "" && c.Kind.Opens() && (c.Incomplete || c.From == RulesUnknown)
}

// Only returns c where it is of one of the kinds. Else it returns c as a call that is
// skipped.
func (c Call) Only(kinds ...Kind) Call {
	if slices.Contains(kinds, c.Kind) {
		return c
	}
	if c.Kind != 0 {
		c.Skipped = notRead(c.EventName)
	}
	return Call{Event: c.Event, Kind: c.Kind, Skipped: c.Skipped, Failed: c.Failed}
}

func notRead(name string) string { return "the call is " + clip(name) + ", which is not judged" }

// family is how the records of one call are read.
type family struct {
	name      string // eventName
	kind      Kind
	direction secgroup.Direction
	// read fills in a successful Call, or says why it changed nothing.
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

// Parse reads a CloudTrail record: bare, as log files hold it, or as the detail of an
// EventBridge event. A record of a call that is not read or that failed, and an event
// of another detail-type or of none, gives a Call that is Skipped.
//
// The error is always a *MalformedError. The Call beside it is zero, unless it has a
// Fault: what cannot be read is still somebody's opening, in a group that can be.
func Parse(data []byte) (Call, error) {
	d := decoders.Get().(*decoder)
	defer d.release()
	skipped := d.open(data)
	c := Call{Event: Event{AccountID: cut(d.account, mostName), Region: cut(d.region, mostName)}, Skipped: skipped}
	switch {
	case d.err != nil: // the text is not JSON, or is no event
		c = Call{}
	case skipped == "":
		if c = d.call(); d.err != nil {
			c = d.named(d.err)
		}
	}
	if d.err != nil {
		d.err.EventID = d.record.id()
		return c, d.err
	}
	return c, nil
}

// call reads the record.
func (d *decoder) call() Call {
	f, skipped := d.family()
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

// named returns the call of a record with a fault, as far as it can be told: the zero
// Call where it opened nothing or where event, account, region or group cannot be read.
func (d *decoder) named(fault *MalformedError) Call {
	d.err, d.lenient = nil, true
	defer func() { d.err, d.lenient = fault, false }()
	f, skipped := d.family()
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

// family returns how the call is read, or why it is not: it is none to EC2, is not
// known, or failed.
func (d *decoder) family() (f family, skipped string) {
	switch source := d.text(d.record.eventSource, "eventSource"); source {
	case ec2Source:
	case "":
		return f, "the record has no eventSource, so it is not known to be a call to EC2"
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
	f = families[i]
	if d.record.errorCode == nil {
		return f, ""
	}
	if code := bestEffort(d.record.errorCode); code != "" {
		return f, "the call failed: " + clip(code)
	}
	return f, "the call failed"
}

// skip returns a Call that is not read, with what can be read of its Event: it is
// nothing to fail on.
func (d *decoder) skip(kind Kind, why string) Call {
	c := Call{Kind: kind, Skipped: why, Failed: d.record.errorCode != nil}
	d.prefix, d.lenient = "", true
	d.event(&c.Event)
	return c
}

// MalformedError says that a record cannot be understood.
type MalformedError struct {
	// Field is the path of the offending field, such as
	// "detail.requestParameters.ipPermissions.items[0].ipRanges".
	Field string
	// Problem says what is there and what would be right. Untrusted text in it is
	// quoted and cut.
	Problem string
	// EventID is the record's id where it could be read.
	EventID string
}

// Error names the event, the field and the problem.
func (e *MalformedError) Error() string {
	if e.EventID == "" {
		return fmt.Sprintf("reading CloudTrail record: %s: %s", e.Field, e.Problem)
	}
	return fmt.Sprintf("reading CloudTrail record %s: %s: %s", e.EventID, e.Field, e.Problem)
}
