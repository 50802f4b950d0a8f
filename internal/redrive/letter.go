// Package redrive leads dead letters back through the front door: it invokes the function
// that handles the event which a message began with, and deletes the message. The event is
// judged anew. SQS's own redrive, or a copy of a message, would not be.
package redrive

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sgward/internal/awsid"
	"sgward/internal/cloudtrail"
	"sgward/internal/invocation"
	"sgward/internal/sqs"
	"sgward/internal/stack"
	"sgward/internal/text"
)

// The functions that dead letters come from, by their logical ids in template.yaml.
const (
	detect  = "DetectFunction"
	sweep   = "SweepFunction"
	slack   = "SlackFunction"
	outlets = "OutletsFunction"
)

// Letter is a dead letter.
type Letter struct {
	ID    string // of the message
	Since time.Time
	// Function is the name of the function that handles the event anew, such as "detect".
	Function string
	// What describes the event, and Why the failure; both hold untrusted text.
	What, Why string
	// Unknown says why nothing can be invoked; then Function is "".
	Unknown string

	handle       string
	functionName string // as Lambda knows it
	event        []byte
}

// envelope has the members by which the events of the functions are told apart.
type envelope struct {
	invocation.Event
	Detail struct {
		RequestParameters struct {
			Omitted bool `json:"omitted"`
		} `json:"requestParameters"`
	} `json:"detail"`
	Records []struct {
		SNS struct {
			Subject   string    `json:"Subject"`
			Timestamp time.Time `json:"Timestamp"`
		} `json:"Sns"`
	} `json:"Records"`
}

// isScheduled reports whether sweep can run at an event.
func (e *envelope) isScheduled() bool { return e.IsScheduled() && !e.Time.IsZero() }

// read recognises a message of a stack's dead-letter queue.
func read(m sqs.Message, s *stack.Stack) Letter {
	l := Letter{ID: m.ID, handle: m.ReceiptHandle, Since: sqs.SentAt(m.Attributes)}
	body := []byte(m.Body)
	if !isObject(body) {
		l.Unknown = "it is not a JSON object"
		return l
	}
	var r invocation.Record
	var e envelope
	err := json.Unmarshal(body, &r)
	if err == nil && r.RequestContext.FunctionARN == "" {
		err = json.Unmarshal(body, &e)
	}
	switch {
	case err != nil: // what is not understood is not sent, and so not deleted
		l.Unknown = whatIsWrong(err)
	case r.RequestContext.FunctionARN != "":
		l.ofRecord(m, s, r)
	case e.DetailType != "":
		l.ofEvent(m, s, body, e)
	default:
		l.Unknown = "it is neither an event of EventBridge nor an invocation record of Lambda"
	}
	return l
}

// whatIsWrong says why a message is neither an event nor a record.
func whatIsWrong(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return "its member " + wrong.Field + " is of another type (" + wrong.Value + ") than in events and invocation records"
	}
	return "it is not like an event or an invocation record: " + err.Error()
}

func isObject(text []byte) bool {
	return json.Valid(text) && bytes.HasPrefix(bytes.TrimSpace(text), []byte("{"))
}

// ofRecord fills in a letter that is an invocation record.
func (l *Letter) ofRecord(m sqs.Message, s *stack.Stack, r invocation.Record) {
	logical := functionOf(s, r.RequestContext.FunctionARN, detect, sweep, slack, outlets)
	l.Why = whyOfRecord(m, r, logical)
	switch {
	case logical == "":
		l.Unknown = "it is of function " + r.RequestContext.FunctionARN + ", which is not of stack " + s.Name
	case !isObject(r.RequestPayload):
		l.Unknown = "its invocation record holds no event (requestPayload)"
	default:
		l.send(s, logical, r.RequestPayload)
	}
}

// whyOfRecord says which step failed.
func whyOfRecord(m sqs.Message, r invocation.Record, logical string) string {
	if reason := attribute(m, sqs.ReasonAttribute); reason != "" { // functions/remediate sends it itself
		return "remediate could make nothing of it: " + reason
	}
	who := cmp.Or(called(logical), "the function")
	if r.RequestContext.Condition == "Success" {
		var verdict struct {
			Decision string            `json:"decision"`
			Findings []json.RawMessage `json:"findings"`
		}
		_ = json.Unmarshal(r.ResponsePayload, &verdict) // it is only shown
		out := "remediate failed on every try with what " + who + " found"
		if verdict.Decision != "" {
			out += " (" + verdict.Decision + ", " + text.Plural(len(verdict.Findings), "finding") + ")"
		}
		return out + ": its log says why"
	}
	var failure struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}
	_ = json.Unmarshal(r.ResponsePayload, &failure) // it is only shown
	out := who + " failed"
	if n := r.RequestContext.ApproximateInvokeCount; n > 0 {
		out += fmt.Sprintf(" %d times", n)
		if n == 1 {
			out = who + " failed once"
		}
	}
	if r.RequestContext.Condition == "EventAgeExceeded" {
		out = who + " was not invoked within the event's greatest age (throttled, or its concurrency is 0)"
	}
	switch {
	case failure.Message != "" && failure.Type != "":
		return out + ": " + failure.Type + ": " + failure.Message
	case failure.Message+failure.Type != "":
		return out + ": " + failure.Message + failure.Type
	default:
		return out
	}
}

// ofEvent fills in a letter that is an event which EventBridge could not deliver
// (EventBridge user guide, "Using dead-letter queues").
func (l *Letter) ofEvent(m sqs.Message, s *stack.Stack, body []byte, e envelope) {
	target := attribute(m, "TARGET_ARN")
	logical := functionOf(s, target, detect, sweep)
	if logical == "" && target == "" { // a message without attributes
		logical = handlerOf(body, e)
	}
	l.Why = "EventBridge could not deliver it"
	if logical != "" {
		l.Why += " to " + called(logical)
	}
	if code, message := attribute(m, "ERROR_CODE"), attribute(m, "ERROR_MESSAGE"); code+message != "" {
		l.Why += ": " + strings.Trim(code+": "+message, ": ")
	}
	switch {
	case logical != "":
		l.send(s, logical, body)
	case target != "":
		l.Unknown = "its target is " + target + ", which is not of stack " + s.Name
	default:
		l.Unknown = "no function of sgward handles events of type " + e.DetailType
	}
}

// handlerOf returns the function whose rule matches an event.
func handlerOf(body []byte, e envelope) string {
	if e.isScheduled() {
		return sweep
	}
	call, err := cloudtrail.Parse(body)
	switch {
	case call.Kind == cloudtrail.KindEditList:
		return sweep
	case call.Kind.Opens() || err != nil:
		if e.Detail.RequestParameters.Omitted { // UnnamedCallsRule: sweep finds what it opened
			return sweep
		}
		return detect
	default:
		return ""
	}
}

// send makes the letter one that is sent back.
func (l *Letter) send(s *stack.Stack, logical string, event []byte) {
	if l.functionName = s.Ref(logical); l.functionName == "" {
		l.Unknown = "stack " + s.Name + " has no " + logical
		return
	}
	l.Function, l.event = called(logical), event
	l.What = describe(logical, event)
}

// describe describes an event for a function: detect reads a call in every event.
func describe(logical string, event []byte) string {
	var e envelope
	_ = json.Unmarshal(event, &e) // what is missing is not said
	isSNS := logical == slack || logical == outlets
	switch {
	case logical == sweep && e.Sgward != "":
		return "a sweep that a person asked for"
	case logical == sweep && e.isScheduled():
		return "the scheduled sweep of " + text.Time(e.Time)
	case isSNS && len(e.Records) == 0:
		return "an event without an alert"
	case isSNS:
		return "the alert " + strconv.Quote(e.Records[0].SNS.Subject) + " of " + text.Time(e.Records[0].SNS.Timestamp)
	}
	call, err := cloudtrail.Parse(event)
	if err != nil && call.EventName == "" {
		return "an event that sgward cannot read: " + err.Error()
	}
	out := cmp.Or(call.EventName, "a call")
	switch {
	case call.List != nil && call.List.ID != "":
		out += " of " + call.List.ID
	case call.Group.ID != "" || call.Group.Name != "":
		out += " in " + call.Group.String()
	}
	for i, r := range call.Rules {
		if i == 2 {
			out += fmt.Sprintf(" and %d more", len(call.Rules)-i)
			break
		}
		out += map[bool]string{true: ": ", false: ", "}[i == 0] + r.Permission.String()
	}
	if who := cmp.Or(call.Actor.ARN, call.Actor.InvokedBy); who != "" {
		out += ", by " + who
	}
	if !call.EventTime.IsZero() {
		out += ", " + text.Time(call.EventTime)
	}
	return out
}

// called is the name of a function in texts: detect for DetectFunction.
func called(logical string) string {
	return strings.ToLower(strings.TrimSuffix(logical, "Function"))
}

// functionOf returns which of a stack's functions has an ARN; "" if none has: a function of
// another account or region may have the same name.
func functionOf(s *stack.Stack, function string, logicalIDs ...string) string {
	its, ok := awsid.ParseARN(function)
	name, named := strings.CutPrefix(its.Resource, "function:")
	own, ownOK := awsid.ParseARN(s.ID)
	if !ok || !ownOK || !named || its.Service != "lambda" || its.Account != own.Account || its.Region != own.Region {
		return ""
	}
	name, _, _ = strings.Cut(name, ":") // a version
	for _, id := range logicalIDs {
		if name != "" && s.Ref(id) == name {
			return id
		}
	}
	return ""
}

func attribute(m sqs.Message, name string) string {
	return m.MessageAttributes[name].StringValue
}
