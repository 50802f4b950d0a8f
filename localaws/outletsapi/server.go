// Package outletsapi is an in-memory stand-in for the two calls of sgward's outlets: PutEvents
// of EventBridge, and BatchImportFindings of Security Hub.
//
// It is for tests and tours only: signatures are not verified, every bus exists, no rule
// leads anywhere, and findings are kept as they come.
package outletsapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"sgward/localaws/awswire"
)

const maxRequest = 8 << 20

// Event is an entry of PutEvents.
type Event struct {
	Source, DetailType, Detail, EventBusName string
	Resources                                []string
}

// Finding is a finding of Security Hub, as far as it is looked at.
type Finding struct {
	ID          string `json:"Id"`
	UpdatedAt   string
	RecordState string
	Title       string
}

// Server is an http.Handler. The zero value is empty, and lets everybody call. It is safe for
// concurrent use.
type Server struct {
	// Authorize says whether an access key may call an action ("events:PutEvents"); nil
	// allows everything.
	Authorize func(action, accessKey string) bool

	mu       sync.Mutex
	events   []Event
	findings map[string]Finding
}

// Events returns what was put, in order.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Event(nil), s.events...)
}

// Findings returns the findings as they are, by id.
func (s *Server) Findings() map[string]Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]Finding{}
	for id, f := range s.findings {
		out[id] = f
	}
	return out
}

// ActionOf returns the service and action of a request that is for this stand-in.
func ActionOf(r *http.Request) (service, action string, ok bool) {
	switch {
	case r.Header.Get("X-Amz-Target") == "AWSEvents.PutEvents":
		return "events", "PutEvents", true
	case r.Method == http.MethodPost && r.URL.Path == "/findings/import":
		return "securityhub", "BatchImportFindings", true
	default:
		return "", "", false
	}
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, action, ok := ActionOf(r)
	if !ok {
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "InvalidAction", "This stand-in knows PutEvents and BatchImportFindings.")
		return
	}
	if s.Authorize != nil && !s.Authorize(service+":"+action, awswire.AccessKey(r)) {
		awswire.WriteError(w, "1.1", http.StatusForbidden, "AccessDeniedException", "The role may not call "+service+":"+action+".")
		return
	}
	var in struct {
		Entries  []Event
		Findings []Finding
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&in); err != nil {
		awswire.WriteError(w, "1.1", http.StatusBadRequest, "ValidationException", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if action == "PutEvents" {
		answers := make([]map[string]string, len(in.Entries))
		for i, e := range in.Entries {
			s.events = append(s.events, e)
			answers[i] = map[string]string{"EventId": fmt.Sprintf("00000000-0000-0000-0000-%012d", len(s.events))}
		}
		awswire.WriteJSON(w, "1.1", http.StatusOK, map[string]any{"FailedEntryCount": 0, "Entries": answers})
		return
	}
	if s.findings == nil {
		s.findings = map[string]Finding{}
	}
	for _, f := range in.Findings {
		if s.findings[f.ID].UpdatedAt <= f.UpdatedAt { // an older one is ignored
			s.findings[f.ID] = f
		}
	}
	awswire.WriteJSON(w, "1.1", http.StatusOK, map[string]any{"FailedCount": 0, "SuccessCount": len(in.Findings), "FailedFindings": []any{}})
}
