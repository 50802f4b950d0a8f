package cloudtrail

import (
	"cmp"
	"time"

	"sgward/internal/awsid"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// Event identifies a record's call: its name, time, place and caller. Its texts are
// bounded: CloudTrail keeps to its limits, a forged record need not.
type Event struct {
	EventID   string    `json:"eventId"`
	EventName string    `json:"eventName"`
	EventTime time.Time `json:"eventTime"` // whole seconds, UTC
	// AccountID is the account that received the record, 12 digits: where to act. Calls on
	// security groups and prefix lists change those of the caller's own account only;
	// accounts that they are shared with get no record. It is recipientAccountId, or if
	// that is absent (EventBridge copies up to 2021) the envelope's account, else the
	// owner in EC2's response, else the caller's account.
	AccountID       string `json:"accountId"`
	Region          string `json:"region"` // awsRegion, else the envelope's region
	Actor           Actor  `json:"actor"`
	SourceIPAddress string `json:"sourceIpAddress,omitempty"` // an address, a service name or "AWS Internal"
	UserAgent       string `json:"userAgent,omitempty"`
	// ReplayName is the EventBridge replay that sent the event again from an archive: the
	// envelope's replay-name. Empty for an event that is sent when its call is made.
	ReplayName string `json:"replayName,omitempty"`
}

// Actor is the caller as CloudTrail names it. Every field may be empty: for some calls
// that AWS makes itself, the record names the service and nothing else.
type Actor struct {
	Type string `json:"type,omitempty"` // IAMUser, AssumedRole, Root, AWSService, ...
	ARN  string `json:"arn,omitempty"`
	// SessionIssuerARN is the role behind an assumed-role session. The caller chooses the
	// session name at the end of ARN.
	SessionIssuerARN string `json:"sessionIssuerArn,omitempty"`
	// InvokedBy is the AWS service that made the call for the actor, if any.
	InvokedBy string `json:"invokedBy,omitempty"`
}

// Principal returns the ARN that policies compare: the session issuer's if there is one,
// else the caller's own; "" for AWS services.
func (a Actor) Principal() string { return cmp.Or(a.SessionIssuerARN, a.ARN) }

// Subject returns the actor as policies see it. It is known if the record names a role, a
// user, root or an AWS service. A session without an issuer stays unknown: its own STS ARN
// has the role without its path.
func (a Actor) Subject() policy.Actor {
	arn := a.Principal()
	if arn == "" {
		return policy.Actor{Known: a.InvokedBy != "" || a.Type == "AWSService"}
	}
	if parsed, _ := awsid.ParseARN(arn); parsed.Service == "sts" {
		return policy.Actor{}
	}
	return policy.Actor{Known: true, ARN: arn}
}

// The longest texts of an Event, in bytes.
const (
	mostUserAgent = 1024
	mostName      = 2048 // an ARN's limit
	mostReplay    = 64   // EventBridge's limit
)

// cut shortens s to at most n bytes at a rune boundary and marks the cut.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return text.CutBytes(s, n-len("…")) + "…"
}

// event reads the fields that do not depend on the call, and returns the caller's account.
func (d *decoder) event(e *Event) (caller string) {
	rec := &d.record
	e.EventID = cut(d.must(rec.eventID, "eventID"), mostName)
	e.EventName = cut(d.must(rec.eventName, "eventName"), mostName)
	e.EventTime = d.time(rec.eventTime)
	e.AccountID = cut(cmp.Or(d.text(rec.recipientAccountID, "recipientAccountId"), d.account), mostName)
	e.Region = cut(cmp.Or(d.text(rec.awsRegion, "awsRegion"), d.region), mostName)
	e.SourceIPAddress = cut(d.text(rec.sourceIPAddress, "sourceIPAddress"), mostName)
	e.UserAgent = cut(d.text(rec.userAgent, "userAgent"), mostUserAgent)
	e.ReplayName = cut(d.replay, mostReplay)
	if e.Region == "" {
		d.fail("awsRegion", "is missing")
	}
	d.value(rec.userIdentity, "userIdentity", func(r *reader) {
		var actor Actor
		actor, caller = r.identity()
		if !r.failed {
			e.Actor = actor
		}
	})
	return cut(caller, mostName)
}

// time reads eventTime, which CloudTrail writes in whole seconds.
func (d *decoder) time(raw []byte) time.Time {
	s := d.must(raw, "eventTime")
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	// A time zone may move the year out of the range of RFC 3339, and so of JSON.
	if t = t.UTC(); err != nil || t.Year() < 0 || t.Year() > 9999 {
		d.fail("eventTime", "want a time such as 2026-11-03T09:15:42Z, found "+quote(s))
		return time.Time{}
	}
	return t.Truncate(time.Second)
}

// identity reads userIdentity. Every member may be missing: calls that AWS makes itself
// have neither ARN nor account, some not even a type, and sessionIssuer may be an empty
// object.
func (r *reader) identity() (a Actor, accountID string) {
	r.object(func(key []byte) bool {
		switch string(key) {
		case "type":
			a.Type = cut(r.text(), mostName)
		case "arn":
			a.ARN = cut(r.text(), mostName)
		case "accountId":
			accountID = r.text()
		case "invokedBy":
			a.InvokedBy = cut(r.text(), mostName)
		case "sessionContext":
			r.member("sessionIssuer", func() {
				r.member("arn", func() { a.SessionIssuerARN = cut(r.text(), mostName) })
			})
		default:
			return false
		}
		return true
	})
	return a, accountID
}
