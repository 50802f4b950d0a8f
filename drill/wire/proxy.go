package wire

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sgward/localaws/ec2api"
)

// deniedCalls is for how many calls a denial lasts at most.
const deniedCalls = 4

// hangsFor is longer than any function waits for one call.
const hangsFor = 8 * time.Second

// Proxy passes the calls of functions on to Target, or not.
type Proxy struct {
	Target http.Handler
	Faults *Faults
	// MaxLag is the most that a stale read lags behind.
	MaxLag time.Duration
	// Label names an id of EC2 or CloudTrail the same way in every run; "" if it is not known.
	Label func(id string) string
	// Kill ends the process with that session token.
	Kill func(sessionToken string)
	// OnCall, if not nil, is called for every call, before faults.
	OnCall func(Call)
}

// Call is one call of a function.
type Call struct {
	Action  string // "RevokeSecurityGroupIngress"
	Subject string // the label of the group, list or event that it is about; "-" if there is none
}

func (c Call) String() string { return c.Subject + " " + c.Action }

// IsRead reports whether the call only reads.
func (c Call) IsRead() bool {
	return strings.HasPrefix(c.Action, "Describe") || strings.HasPrefix(c.Action, "Get")
}

// isGuarded reports whether the call is one that may be denied for a while.
func (c Call) isGuarded() bool { return strings.HasPrefix(c.Action, "Revoke") || c.Action == "Publish" }

// ServeHTTP handles one call.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller is gone
	}
	call := p.read(r, body)
	if p.OnCall != nil {
		p.OnCall(call)
	}
	happens := func(kind Kind) bool { return p.Faults.Happens(kind, call.String()) }
	token := r.Header.Get("X-Amz-Security-Token")
	switch {
	case happens(KilledBefore):
		p.Kill(token)
		hangUp()
	case happens(HungBefore):
		hang(r)
	case happens(RequestLost):
		hangUp()
	case happens(Throttled):
		refuse(w, r, call, http.StatusServiceUnavailable, "RequestLimitExceeded", "Throttling")
		return
	case happens(Failed):
		refuse(w, r, call, http.StatusInternalServerError, "InternalError", "InternalError")
		return
	case call.isGuarded() && p.Faults.lasts(Denied, call.String(), deniedCalls):
		refuse(w, r, call, http.StatusForbidden, "UnauthorizedOperation", "AuthorizationError")
		return
	}
	forward := r.Clone(r.Context())
	forward.Body = io.NopCloser(bytes.NewReader(body))
	forward.RequestURI = ""
	if call.IsRead() {
		lag := time.Duration(0)
		if happens(Stale) {
			lag = p.MaxLag
		}
		forward = forward.WithContext(ec2api.WithReadLag(r.Context(), lag))
	}
	answer := httptest.NewRecorder()
	p.Target.ServeHTTP(answer, forward)
	switch {
	case happens(KilledAfter):
		p.Kill(token)
		hangUp()
	case happens(HungAfter):
		hang(r)
	case happens(ReplyLost):
		hangUp()
	}
	reply := answer.Body.Bytes()
	header := w.Header()
	for name, values := range answer.Header() {
		header[name] = values
	}
	header.Set("Content-Length", strconv.Itoa(len(reply)))
	w.WriteHeader(answer.Code)
	if len(reply) > 1 && happens(ReplyCut) {
		_, _ = w.Write(reply[:len(reply)/2])
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		hangUp()
	}
	_, _ = w.Write(reply) // the caller may be gone
}

// hangUp closes the connection.
func hangUp() { panic(http.ErrAbortHandler) }

// hang keeps the caller waiting until it gives up.
func hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(hangsFor):
	}
	hangUp()
}

// eventID finds the first event in a message, however often it is quoted.
var eventID = regexp.MustCompile(`event(?:ID|Id)\\*":\s*\\*"([^"\\]+)`)

// read reads what a call is about.
func (p *Proxy) read(r *http.Request, body []byte) Call {
	call := Call{Subject: "-"}
	label := func(id string) bool {
		if name := p.Label(id); id != "" && name != "" {
			call.Subject = name
			return true
		}
		return false
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_, call.Action, _ = strings.Cut(target, ".")
		if found := eventID.FindSubmatch(body); found != nil {
			label(string(found[1]))
		}
		return call
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return call
	}
	call.Action = form.Get("Action")
	if call.Action == "Publish" {
		if found := eventID.FindStringSubmatch(form.Get("Message")); found != nil {
			label(found[1])
		}
		return call
	}
	for _, name := range []string{"GroupId", "PrefixListId", "GroupId.1", "PrefixListId.1", "Filter.1.Value.1", "Filter.2.Value.1"} {
		if label(form.Get(name)) {
			break
		}
	}
	return call
}

// refuse answers with an error in the words of the service: that of EC2, or else.
func refuse(w http.ResponseWriter, r *http.Request, call Call, status int, ofEC2, otherwise string) {
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if status == http.StatusServiceUnavailable {
			status, otherwise = http.StatusBadRequest, "ThrottlingException"
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"__type":"%s","message":"by the drill"}`, otherwise)
	case call.Action == "Publish":
		if status == http.StatusServiceUnavailable {
			status = http.StatusBadRequest
		}
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>by the drill</Message></Error><RequestId>drill</RequestId></ErrorResponse>`, otherwise)
	default:
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `<Response><Errors><Error><Code>%s</Code><Message>by the drill</Message></Error></Errors><RequestID>drill</RequestID></Response>`, ofEC2)
	}
}
