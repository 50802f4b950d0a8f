package cloudtrail

import (
	"cmp"
	"slices"
	"time"

	"sgward/internal/secgroup"
)

// The calls whose rules are read.
const (
	authorizeIngress = "AuthorizeSecurityGroupIngress"
	authorizeEgress  = "AuthorizeSecurityGroupEgress"
	modifyRules      = "ModifySecurityGroupRules"
)

// What marks a record of a call to EC2, and the envelope around it.
const (
	apiCallDetailType = "AWS API Call via CloudTrail"
	ec2Source         = "ec2.amazonaws.com"
	apiCallType       = "AwsApiCall"
)

// record is a CloudTrail record taken apart into its members, each still JSON, nil
// where absent or null. They are read only once it is known that the record is of
// a call that matters: what others hold is none of our business.
type record struct {
	eventSource, eventType, eventName, errorCode []byte
	eventID, eventTime, awsRegion                []byte
	recipientAccountID                           []byte
	sourceIPAddress, userAgent, userIdentity     []byte
	request, response                            []byte
}

func (rec *record) read(r *reader) {
	r.object(func(key []byte) bool {
		var member *[]byte
		switch string(key) {
		case "eventSource":
			member = &rec.eventSource
		case "eventType":
			member = &rec.eventType
		case "eventName":
			member = &rec.eventName
		case "errorCode":
			member = &rec.errorCode
		case "eventID":
			member = &rec.eventID
		case "eventTime":
			member = &rec.eventTime
		case "awsRegion":
			member = &rec.awsRegion
		case "recipientAccountId":
			member = &rec.recipientAccountID
		case "sourceIPAddress":
			member = &rec.sourceIPAddress
		case "userAgent":
			member = &rec.userAgent
		case "userIdentity":
			member = &rec.userIdentity
		case "requestParameters":
			member = &rec.request
		case "responseElements":
			member = &rec.response
		default:
			return false
		}
		*member = r.raw()
		return true
	})
}

// ParseEvent reads an EventBridge event whose detail is a CloudTrail record. The
// Change of an event of another detail-type, or of none, is Skipped. An event
// without a detail, a bare record among them, is malformed. The error is always a
// *MalformedError.
func ParseEvent(event []byte) (Change, error) {
	var rec record
	d, skipped, err := openEvent(event, &rec)
	if err != nil || skipped.Skipped != "" {
		return Change{Record: skipped}, err
	}
	return d.change(rec)
}

// openEvent takes the record out of an EventBridge event. The Record is Skipped
// where there is none to read, and otherwise empty. The error is always a
// *MalformedError.
func openEvent(event []byte, rec *record) (decoder, Record, error) {
	var (
		r                           = reader{data: event}
		d                           = decoder{prefix: "detail"}
		detailType, account, region []byte
		notRecord                   []byte // a detail that is no object
		found                       bool
	)
	r.object(func(key []byte) bool {
		switch string(key) {
		case "detail-type":
			detailType = r.raw()
		case "account":
			account = r.raw()
		case "region":
			region = r.raw()
		case "detail":
			if r.peek() == '{' {
				found = true
				rec.read(&r)
			} else {
				notRecord = r.raw()
			}
		default:
			return false
		}
		return true
	})
	r.end()
	if r.failed {
		return decoder{}, Record{}, malformed(&r, "event", *rec)
	}
	envelope := decoder{}
	kind := envelope.text(detailType, "detail-type")
	if envelope.err == nil && kind != "" && kind != apiCallDetailType {
		return decoder{}, Record{
			AccountID: bestEffort(account), Region: bestEffort(region),
			Skipped: "the event is of detail-type " + quote(kind) + ", not " + quote(apiCallDetailType),
		}, nil
	}
	switch {
	case envelope.err != nil:
	case notRecord != nil:
		envelope.value(notRecord, "detail", func(r *reader) { r.mismatch("an object: the CloudTrail record") })
	case !found:
		envelope.fail("detail", "is missing: want an EventBridge event around the CloudTrail record")
	case kind == "":
		return decoder{}, Record{
			AccountID: bestEffort(account), Region: bestEffort(region),
			Skipped: "the event has no detail-type, so it is not known to be a CloudTrail record",
		}, nil
	default:
		d.account = envelope.text(account, "account")
		d.region = envelope.text(region, "region")
	}
	if envelope.err != nil {
		envelope.err.EventID = bestEffort(rec.eventID)
		return decoder{}, Record{}, envelope.err
	}
	return d, Record{}, nil
}

// ParseRecord reads a bare CloudTrail record, as log files hold it and as the
// detail of an EventBridge event is. A record of a call that is not judged, or that
// failed, gives a Change with Skipped. The error is always a *MalformedError.
func ParseRecord(data []byte) (Change, error) {
	var rec record
	if err := openRecord(data, &rec); err != nil {
		return Change{}, err
	}
	return (&decoder{}).change(rec)
}

// openRecord takes a bare record apart. The error is always a *MalformedError.
func openRecord(data []byte, rec *record) error {
	r := reader{data: data}
	rec.read(&r)
	r.end()
	if r.failed {
		return malformed(&r, "record", *rec)
	}
	return nil
}

// malformed makes the error of a reader that failed on a text as a whole. whole is
// what to call that where no member is to blame.
func malformed(r *reader, whole string, rec record) *MalformedError {
	field := r.field("")
	if field == "" {
		field = whole
	}
	return &MalformedError{Field: field, Problem: r.problem, EventID: bestEffort(rec.eventID)}
}

// bestEffort returns the string that raw holds, or "" if it holds none.
func bestEffort(raw []byte) string {
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	r := reader{data: raw}
	return r.text()
}

// decoder reads the members of one record. It keeps the first fault; what is read
// after it is zero.
type decoder struct {
	prefix          string // of paths: "detail" or ""
	account, region string // the envelope's, "" where there is none
	err             *MalformedError
}

func (d *decoder) path(member string) string {
	if d.prefix == "" {
		return member
	}
	return d.prefix + "." + member
}

func (d *decoder) fail(member, problem string) {
	if d.err == nil {
		d.err = &MalformedError{Field: d.path(member), Problem: problem}
	}
}

// value calls read with a reader of the member, unless that is absent.
func (d *decoder) value(raw []byte, member string, read func(*reader)) {
	if raw == nil || d.err != nil {
		return
	}
	r := reader{data: raw}
	read(&r)
	if r.failed {
		d.err = &MalformedError{Field: r.field(d.path(member)), Problem: r.problem}
	}
}

func (d *decoder) text(raw []byte, member string) string {
	if raw == nil || d.err != nil {
		return ""
	}
	r := reader{data: raw} // not by value: there the reader would go to the heap
	s := r.text()
	if r.failed {
		d.err = &MalformedError{Field: r.field(d.path(member)), Problem: r.problem}
	}
	return s
}

// must reads a member that has to be there.
func (d *decoder) must(raw []byte, member string) string {
	s := d.text(raw, member)
	if s == "" {
		d.fail(member, "is missing")
	}
	return s
}

// change reads the record.
func (d *decoder) change(rec record) (Change, error) {
	head, caller := d.head(rec, Openings()...)
	if head.Skipped != "" {
		return Change{Record: head}, nil
	}
	c := Change{Record: head, Edited: head.EventName == modifyRules}
	skipped := ""
	switch c.EventName {
	case authorizeIngress:
		skipped = d.authorized(rec, &c, secgroup.Ingress)
	case authorizeEgress:
		skipped = d.authorized(rec, &c, secgroup.Egress)
	case modifyRules:
		skipped = d.modified(rec, &c)
	}
	if d.err == nil && skipped != "" {
		return Change{Record: d.skip(rec, skipped)}, nil
	}
	owner := ""
	if len(c.Rules) > 0 {
		owner = c.Rules[0].OwnerID
	}
	if err := d.finish(rec, &c.Record, owner, caller); err != nil {
		return Change{}, err
	}
	if len(c.Rules) == 0 {
		c.RulesFrom, c.Rules = RulesUnknown, nil
	}
	return c, nil
}

// head reads what does not depend on the call, if it is one of calls; else the Record
// is Skipped. caller is the account of who made it. finish has to follow.
func (d *decoder) head(rec record, calls ...string) (c Record, caller string) {
	name, skipped := d.judged(rec, calls...)
	if d.err == nil && skipped != "" {
		return d.skip(rec, skipped), ""
	}
	c = Record{
		EventName:       name,
		EventID:         d.must(rec.eventID, "eventID"),
		EventTime:       d.time(rec.eventTime),
		AccountID:       cmp.Or(d.text(rec.recipientAccountID, "recipientAccountId"), d.account),
		Region:          cmp.Or(d.text(rec.awsRegion, "awsRegion"), d.region),
		SourceIPAddress: d.text(rec.sourceIPAddress, "sourceIPAddress"),
		UserAgent:       d.text(rec.userAgent, "userAgent"),
	}
	if c.Region == "" {
		d.fail("awsRegion", "is missing")
	}
	id := d.identity(rec.userIdentity)
	c.Actor = id.Actor
	return c, id.accountID
}

// finish names the account of what the call changed, once its answer has been read,
// and returns the record's first fault, if it has one. owner is who owns it by EC2's
// answer, "" where that does not tell.
func (d *decoder) finish(rec record, c *Record, owner, caller string) error {
	c.AccountID = cmp.Or(c.AccountID, owner, caller)
	if c.AccountID == "" {
		d.fail("recipientAccountId", "is missing, and nothing else names the account")
	}
	if d.err == nil {
		return nil
	}
	d.err.EventID = bestEffort(rec.eventID)
	return d.err
}

// judged returns the name of the call, or why it is not judged: it failed, or is
// none of calls.
func (d *decoder) judged(rec record, calls ...string) (name, skipped string) {
	switch source := d.text(rec.eventSource, "eventSource"); source {
	case ec2Source:
	case "":
		return "", "the record has no eventSource, so it is not known to be a call to EC2"
	default:
		return "", "the call was to " + quote(source) + ", not to EC2"
	}
	if kind := d.text(rec.eventType, "eventType"); kind != "" && kind != apiCallType {
		return "", "the record is of eventType " + quote(kind) + ", not of an API call"
	}
	if name = d.must(rec.eventName, "eventName"); !slices.Contains(calls, name) {
		return "", "the call is " + clip(name) + ", which is not judged"
	}
	if rec.errorCode == nil {
		return name, ""
	}
	if code := bestEffort(rec.errorCode); code != "" {
		return "", "the call failed: " + clip(code)
	}
	return "", "the call failed"
}

// skip returns the Record of one that is not judged, with what of it can be read: it
// is nothing to fail on.
func (d *decoder) skip(rec record, why string) Record {
	c := Record{
		EventID: bestEffort(rec.eventID), EventName: bestEffort(rec.eventName),
		AccountID:       cmp.Or(bestEffort(rec.recipientAccountID), d.account),
		Region:          cmp.Or(bestEffort(rec.awsRegion), d.region),
		SourceIPAddress: bestEffort(rec.sourceIPAddress), UserAgent: bestEffort(rec.userAgent),
		Skipped: why, Failed: rec.errorCode != nil,
	}
	lenient := decoder{}
	c.EventTime = lenient.time(rec.eventTime)
	lenient = decoder{}
	if id := lenient.identity(rec.userIdentity); lenient.err == nil {
		c.Actor = id.Actor
	}
	return c
}

// time reads eventTime, which CloudTrail writes in whole seconds.
func (d *decoder) time(raw []byte) time.Time {
	s := d.must(raw, "eventTime")
	if d.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	// A zone may move the year out of what RFC 3339, and so JSON, can write.
	if t = t.UTC(); err != nil || t.Year() < 0 || t.Year() > 9999 {
		d.fail("eventTime", "want a time such as 2026-11-03T09:15:42Z, found "+quote(s))
		return time.Time{}
	}
	return t.Truncate(time.Second)
}

// clip returns s as it is if it is a short plain word, else quoted and cut.
func clip(s string) string {
	if len(s) > mostQuote {
		return quote(s)
	}
	for _, c := range []byte(s) {
		if c != '.' && c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return quote(s)
		}
	}
	return s
}
