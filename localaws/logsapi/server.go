// Package logsapi is an in-memory stand-in for Amazon CloudWatch Logs: FilterLogEvents, in
// the JSON protocol of the AWS SDKs and the CLI. It holds the lines that it is given.
//
// It is for tests and tours only: signatures are not verified, and it knows filter patterns
// that compare one text member, such as { $.message = "judged" }. Others are refused.
package logsapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"sgward/localaws/awswire"
)

const (
	// target is what the header X-Amz-Target begins with.
	target = "Logs_20140328."
	// maxPage is the most lines that CloudWatch Logs answers with at once.
	maxPage = 10_000
	// maxKept bounds the memory of a group; the oldest lines go first.
	maxKept    = 100_000
	maxRequest = 1 << 20
)

// Server holds log groups. The zero value is ready, and
// lets everybody read.
type Server struct {
	// Authorize says whether an access key may call an action; nil allows everything.
	Authorize func(action, accessKey string) bool
	// Page is how many lines one answer holds; 0 means CloudWatch's 10,000.
	Page int

	mu     sync.Mutex
	groups map[string][]line // oldest first
}

type line struct {
	at   time.Time
	text string
}

// Create makes a group without lines, unless it is there.
func (s *Server) Create(group string) { s.add(group) }

// Add appends a line to a group, which it makes if need be.
func (s *Server) Add(group, text string, at time.Time) { s.add(group, line{at, text}) }

func (s *Server) add(group string, more ...line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups == nil {
		s.groups = map[string][]line{}
	}
	lines := append(s.groups[group], more...)
	s.groups[group] = lines[max(0, len(lines)-maxKept):]
}

// ActionOf returns the action that a request names, if it is for CloudWatch Logs.
func ActionOf(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.Header.Get("X-Amz-Target"), target)
}

// comparison is the one form of filter pattern that the server knows.
var comparison = regexp.MustCompile(`^\{ *\$\.([A-Za-z]+) *= *"([^"]*)" *\}$`)

// request is FilterLogEvents's.
type request struct {
	LogGroupName  string `json:"logGroupName"`
	StartTime     *int64 `json:"startTime"` // milliseconds since 1970, like EndTime
	EndTime       *int64 `json:"endTime"`
	FilterPattern string `json:"filterPattern"`
	NextToken     string `json:"nextToken"`
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	action, ok := ActionOf(r)
	switch {
	case !ok || action != "FilterLogEvents":
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "UnknownOperationException", fmt.Sprintf("This stand-in for CloudWatch Logs knows FilterLogEvents, not %q.", action))
		return
	case s.Authorize != nil && !s.Authorize(action, awswire.AccessKey(r)):
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "AccessDeniedException", "The role may not call logs:FilterLogEvents.")
		return
	}
	var in request
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "SerializationException", err.Error())
		return
	}
	compared := comparison.FindStringSubmatch(strings.TrimSpace(in.FilterPattern))
	from, err := strconv.Atoi("0" + in.NextToken)
	switch {
	case in.FilterPattern != "" && compared == nil:
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "InvalidParameterException", "This stand-in knows patterns such as { $.message = \"judged\" }, not "+in.FilterPattern)
		return
	case err != nil:
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "InvalidParameterException", "The specified nextToken is invalid.")
		return
	}
	found, known := s.find(in, compared)
	if !known {
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "ResourceNotFoundException", "The specified log group does not exist.")
		return
	}
	page := s.Page
	if page == 0 {
		page = maxPage
	}
	type answered struct {
		Timestamp int64  `json:"timestamp"`
		Message   string `json:"message"`
	}
	out := struct {
		Events    []answered `json:"events"`
		NextToken string     `json:"nextToken,omitempty"`
	}{Events: []answered{}}
	for _, l := range found[min(from, len(found)):min(from+page, len(found))] {
		out.Events = append(out.Events, answered{l.at.UnixMilli(), l.text})
	}
	if from+page < len(found) {
		out.NextToken = strconv.Itoa(from + page)
	}
	awswire.WriteJSON(w, "1.1", http.StatusOK, out)
}

// find returns the lines of a group that a request asks for, oldest first.
func (s *Server) find(in request, compared []string) (found []line, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines, known := s.groups[in.LogGroupName]
	for _, l := range lines {
		at := l.at.UnixMilli()
		if in.StartTime != nil && at < *in.StartTime || in.EndTime != nil && at > *in.EndTime {
			continue
		}
		var members map[string]any
		if compared == nil || json.Unmarshal([]byte(l.text), &members) == nil && members[compared[1]] == compared[2] {
			found = append(found, l)
		}
	}
	return found, known
}
