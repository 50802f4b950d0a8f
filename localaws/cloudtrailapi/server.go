// Package cloudtrailapi is an in-memory stand-in for AWS CloudTrail's event history:
// LookupEvents, in the JSON protocol of the AWS SDKs and the CLI. It holds the records
// that it is given, each from the moment on at which it is given: nothing lags.
//
// It is for tests and tours only: signatures are not verified, and of the lookup
// attributes it knows EventName and EventId. Others are refused, not passed over.
package cloudtrailapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"sgward/localaws/awswire"
)

const (
	// target is what the header X-Amz-Target begins with; some SDKs put
	// "com.amazonaws.cloudtrail.v20131101." before it.
	target = "CloudTrail_20131101."
	// maxPage is the most that CloudTrail answers at once.
	maxPage = 50
	// maxKept bounds the memory; the oldest records go first.
	maxKept    = 10_000
	maxRequest = 1 << 20
)

// Server holds one account's event history in one region. The zero value is ready, and
// lets everybody look.
type Server struct {
	// Authorize says whether an access key may call an action; nil allows everything.
	Authorize func(action, accessKey string) bool

	mu     sync.Mutex
	events []event // oldest first
}

type event struct {
	id, name, source, user string
	at                     time.Time
	record                 string
}

// Add takes the record of a call, in EventBridge's envelope. What is no record is
// dropped.
func (s *Server) Add(envelope []byte) {
	var e struct {
		Detail json.RawMessage `json:"detail"`
	}
	var d struct {
		EventID      string    `json:"eventID"`
		EventName    string    `json:"eventName"`
		EventSource  string    `json:"eventSource"`
		EventTime    time.Time `json:"eventTime"`
		UserIdentity struct {
			ARN string `json:"arn"`
		} `json:"userIdentity"`
	}
	if json.Unmarshal(envelope, &e) != nil || json.Unmarshal(e.Detail, &d) != nil {
		return
	}
	user := d.UserIdentity.ARN[strings.LastIndexByte(d.UserIdentity.ARN, '/')+1:]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event{d.EventID, d.EventName, d.EventSource, user, d.EventTime, string(e.Detail)})
	if len(s.events) > maxKept {
		s.events = s.events[len(s.events)-maxKept:]
	}
}

// Clear forgets all records.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = nil
}

// ActionOf returns the CloudTrail action that a request names, if it is for CloudTrail.
func ActionOf(r *http.Request) (string, bool) {
	_, action, ok := strings.Cut(r.Header.Get("X-Amz-Target"), target)
	return action, ok
}

// request is LookupEvents's.
type request struct {
	LookupAttributes []struct{ AttributeKey, AttributeValue string }
	StartTime        *float64
	EndTime          *float64
	MaxResults       int
	NextToken        string
}

// answered is one event of the answer.
type answered struct {
	EventID         string  `json:"EventId"`
	EventName       string  `json:"EventName"`
	EventSource     string  `json:"EventSource"`
	EventTime       float64 `json:"EventTime"` // seconds
	ReadOnly        string  `json:"ReadOnly"`
	Username        string  `json:"Username"`
	CloudTrailEvent string  `json:"CloudTrailEvent"`
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	action, ok := ActionOf(r)
	switch {
	case !ok || action != "LookupEvents":
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "UnsupportedOperationException", fmt.Sprintf("This stand-in for CloudTrail knows LookupEvents, not %q.", action))
		return
	case s.Authorize != nil && !s.Authorize(action, awswire.AccessKey(r)):
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "AccessDeniedException", "The role may not call cloudtrail:LookupEvents.")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var in request
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "SerializationException", err.Error())
		return
	}
	matches, problem := in.matcher()
	from, err := strconv.Atoi("0" + in.NextToken)
	switch {
	case problem != "":
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "InvalidLookupAttributesException", problem)
		return
	case err != nil:
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "InvalidNextTokenException", "The token is none of this history's.")
		return
	}
	page := maxPage
	if in.MaxResults > 0 && in.MaxResults < page {
		page = in.MaxResults
	}
	found := s.newest(matches)
	out := struct {
		Events    []answered `json:"Events"`
		NextToken string     `json:"NextToken,omitempty"`
	}{Events: []answered{}}
	for _, e := range found[min(from, len(found)):min(from+page, len(found))] {
		out.Events = append(out.Events, answered{e.id, e.name, e.source, float64(e.at.Unix()), "false", e.user, e.record})
	}
	if from+page < len(found) {
		out.NextToken = strconv.Itoa(from + page)
	}
	awswire.WriteJSON(w, "1.1", http.StatusOK, out)
}

// matcher returns what picks the events that are asked for.
func (in *request) matcher() (matches func(event) bool, problem string) {
	key, value := "", ""
	switch len(in.LookupAttributes) {
	case 0:
	case 1:
		key, value = in.LookupAttributes[0].AttributeKey, in.LookupAttributes[0].AttributeValue
	default:
		return nil, "You can look up by one attribute only."
	}
	if key != "" && key != "EventName" && key != "EventId" {
		return nil, "This stand-in looks up by EventName and EventId, not by " + key + "."
	}
	return func(e event) bool {
		at := float64(e.at.Unix())
		return (in.StartTime == nil || at >= *in.StartTime) && (in.EndTime == nil || at <= *in.EndTime) &&
			(key != "EventName" || e.name == value) && (key != "EventId" || e.id == value)
	}, ""
}

// newest returns events, the newest first.
func (s *Server) newest(matches func(event) bool) []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []event
	for i := len(s.events) - 1; i >= 0; i-- {
		if matches(s.events[i]) {
			out = append(out, s.events[i])
		}
	}
	return out
}
