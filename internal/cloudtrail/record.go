package cloudtrail

import "sync"

// The marks of a record of a call to EC2, and of the envelope around it.
const (
	apiCallDetailType = "AWS API Call via CloudTrail"
	ec2Source         = "ec2.amazonaws.com"
	apiCallType       = "AwsApiCall"
)

// record is a CloudTrail record split into its members, each still JSON, nil if absent or
// null. They are parsed only once the record is known to matter.
type record struct {
	eventSource, eventType, eventName, errorCode []byte
	eventID, eventTime, awsRegion                []byte
	recipientAccountID                           []byte
	sourceIPAddress, userAgent, userIdentity     []byte
	request, response                            []byte
}

// member returns the place for the member of a key, nil for one that is not read.
func (rec *record) member(key []byte) *[]byte {
	switch string(key) {
	case "eventSource":
		return &rec.eventSource
	case "eventType":
		return &rec.eventType
	case "eventName":
		return &rec.eventName
	case "errorCode":
		return &rec.errorCode
	case "eventID":
		return &rec.eventID
	case "eventTime":
		return &rec.eventTime
	case "awsRegion":
		return &rec.awsRegion
	case "recipientAccountId":
		return &rec.recipientAccountID
	case "sourceIPAddress":
		return &rec.sourceIPAddress
	case "userAgent":
		return &rec.userAgent
	case "userIdentity":
		return &rec.userIdentity
	case "requestParameters":
		return &rec.request
	case "responseElements":
		return &rec.response
	default:
		return nil
	}
}

// read reads the member of a key. It returns false for a key that is not read.
func (rec *record) read(r *reader, key []byte) bool {
	member := rec.member(key)
	if member == nil {
		return false
	}
	*member = r.raw()
	return true
}

// isRecord reports whether the members mark a record.
func (rec *record) isRecord() bool {
	return rec.eventSource != nil || rec.eventType != nil || rec.eventName != nil || rec.eventID != nil || rec.eventTime != nil
}

func (rec *record) id() string { return cut(bestEffort(rec.eventID), mostName) }

// envelope is an EventBridge event around a record.
type envelope struct {
	detailType, account, region []byte
	replay                      []byte // the replay's name
	detail                      record
	found                       bool   // detail is an object
	notRecord                   []byte // a detail that is not an object
}

// open splits a text into the members of its record, or returns why there is nothing to
// read.
func (d *decoder) open(data []byte) (skipped string) {
	var e envelope
	r := d.reader.reset(data)
	r.object(func(key []byte) bool {
		switch string(key) {
		case "detail-type":
			e.detailType = r.raw()
		case "account":
			e.account = r.raw()
		case "region":
			e.region = r.raw()
		case "replay-name":
			e.replay = r.raw()
		case "detail":
			if r.kind() != '{' {
				e.notRecord = r.raw()
				break
			}
			e.found = true
			r.object(func(key []byte) bool { return e.detail.read(r, key) })
		default:
			return d.record.read(r, key)
		}
		return true
	})
	r.end()
	enveloped := !d.record.isRecord()
	if enveloped {
		d.record = e.detail
	}
	switch {
	case r.failed && r.field != "":
		d.fail(r.field, r.problem)
	case r.failed && enveloped:
		d.fail("event", r.problem)
	case r.failed:
		d.fail("record", r.problem)
	case enveloped:
		return d.unwrap(&e)
	}
	return ""
}

// unwrap reads the envelope of an event.
func (d *decoder) unwrap(e *envelope) (skipped string) {
	kind := d.text(e.detailType, "detail-type")
	switch other := kind != "" && kind != apiCallDetailType; {
	case d.err != nil:
		return ""
	case !other && e.notRecord != nil:
		d.value(e.notRecord, "detail", func(r *reader) { r.mismatch("an object: the CloudTrail record") })
		return ""
	case !other && !e.found:
		d.fail("detail", "is missing: want an EventBridge event around the CloudTrail record")
		return ""
	case kind != apiCallDetailType: // such an event is never malformed
		d.account, d.region = bestEffort(e.account), bestEffort(e.region)
		if kind == "" {
			return "the event has no detail-type, so it may not be a CloudTrail record"
		}
		return "the event is of detail-type " + quote(kind) + ", not " + quote(apiCallDetailType)
	}
	d.account = d.text(e.account, "account")
	d.region = d.text(e.region, "region")
	d.replay = d.text(e.replay, "replay-name")
	d.prefix = "detail"
	return ""
}

// decoder reads the members of one record. It keeps the first fault; what is read
// after it is zero.
type decoder struct {
	reader          reader
	record          record
	prefix          string // of paths: "detail" or ""
	replay          string // the envelope's
	account, region string // of the envelope, "" if there is none
	lenient         bool   // treats malformed values as absent
	err             *MalformedError
}

// decoders keeps decoders for reuse: most of a decoder's memory is its JSON decoder's.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

// release returns the decoder for reuse, without anything of its record.
func (d *decoder) release() {
	d.reader.reset(nil)
	d.record, d.prefix, d.account, d.region, d.replay, d.lenient, d.err = record{}, "", "", "", "", false, nil
	decoders.Put(d)
}

func (d *decoder) fail(member, problem string) {
	if d.err == nil && !d.lenient {
		d.err = &MalformedError{Field: join(d.prefix, member), Problem: problem}
	}
}

// value calls read with a reader of the member, unless it is absent.
func (d *decoder) value(raw []byte, member string, read func(*reader)) {
	if raw == nil || d.err != nil {
		return
	}
	r := d.reader.reset(raw)
	read(r)
	if r.failed {
		d.fail(join(member, r.field), r.problem)
	}
}

// text returns the string of the member, "" if it is absent.
func (d *decoder) text(raw []byte, member string) string {
	switch {
	case raw == nil || d.err != nil:
		return ""
	case raw[0] != '"':
		d.fail(member, "want a string, found "+nameOf(raw))
		return ""
	}
	return unquote(raw)
}

// must reads a member that is required.
func (d *decoder) must(raw []byte, member string) string {
	s := d.text(raw, member)
	if s == "" {
		d.fail(member, "is missing")
	}
	return s
}

// bestEffort returns the string that raw holds, or "" if it holds none.
func bestEffort(raw []byte) string {
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	return unquote(raw)
}
