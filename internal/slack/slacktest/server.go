// Package slacktest stands in for Slack's incoming webhooks: it refuses what Slack refuses,
// with Slack's answers. Only tests import it.
package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"
)

// Path is the webhook's secret path.
const Path = "/services/T0123456789/B0123456789/abcdefghijklmnopqrstuvwx"

// Server is a running stand-in, over TLS.
type Server struct {
	*httptest.Server
	mu       sync.Mutex
	messages []map[string]any
	tries    int
	faults   []Fault
}

// Fault is the answer to one request, in place of Slack's own.
type Fault struct {
	Status     int
	RetryAfter string
	Body       string
	Delay      time.Duration
	Hangup     bool // ends the connection without an answer
}

// New starts a stand-in that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

// Webhook is the URL to post to.
func (s *Server) Webhook() string { return s.URL + Path }

// Fail answers the next requests with faults, one each.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Messages are those that were taken.
func (s *Server) Messages() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages
}

// Tries counts requests.
func (s *Server) Tries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.tries++
	var fault Fault
	if len(s.faults) > 0 {
		fault, s.faults = s.faults[0], s.faults[1:]
	}
	s.mu.Unlock()
	time.Sleep(fault.Delay)
	switch {
	case fault.Hangup:
		panic(http.ErrAbortHandler)
	case fault.Status != 0:
		if fault.RetryAfter != "" {
			w.Header().Set("Retry-After", fault.RetryAfter)
		}
		w.WriteHeader(fault.Status)
		_, _ = io.WriteString(w, fault.Body)
		return
	case r.URL.Path != Path:
		http.Error(w, "no_service", http.StatusNotFound)
		return
	}
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	if err := Check(m); err != nil {
		http.Error(w, "invalid_blocks", http.StatusBadRequest)
		return
	}
	if text, _ := m["text"].(string); text == "" && m["blocks"] == nil {
		http.Error(w, "no_text", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.messages = append(s.messages, m)
	s.mu.Unlock()
	_, _ = io.WriteString(w, "ok")
}

// Check returns what Slack would refuse in a message's blocks
// (https://docs.slack.dev/reference/block-kit/blocks).
func Check(m map[string]any) error {
	blocks, _ := m["blocks"].([]any)
	if len(blocks) > 50 {
		return fmt.Errorf("%d blocks", len(blocks))
	}
	for i, b := range blocks {
		if err := checkBlock(b.(map[string]any)); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
	}
	return nil
}

func checkBlock(b map[string]any) error {
	switch b["type"] {
	case "header":
		return checkText(b["text"], 150, "plain_text")
	case "section":
		fields, _ := b["fields"].([]any)
		if b["text"] == nil && len(fields) == 0 || len(fields) > 10 {
			return fmt.Errorf("section with %d fields", len(fields))
		}
		for _, f := range fields {
			if err := checkText(f, 2000, "mrkdwn"); err != nil {
				return err
			}
		}
		if b["text"] != nil {
			return checkText(b["text"], 3000, "mrkdwn")
		}
		return nil
	case "actions":
		elements, _ := b["elements"].([]any)
		if len(elements) == 0 || len(elements) > 25 {
			return fmt.Errorf("%d elements", len(elements))
		}
		ids := map[any]bool{}
		for _, e := range elements {
			button := e.(map[string]any)
			if url, _ := button["url"].(string); len(url) > 3000 || !strings.HasPrefix(url, "https://") {
				return fmt.Errorf("url %.20q", url)
			}
			if id := button["action_id"]; id != nil && id != "" && ids[id] {
				return fmt.Errorf("action_id %q twice", id)
			}
			ids[button["action_id"]] = true
			if err := checkText(button["text"], 75, "plain_text"); err != nil {
				return err
			}
		}
		return nil
	case "context":
		for _, e := range b["elements"].([]any) {
			if err := checkText(e, 3000, "mrkdwn"); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("type %q", b["type"])
}

func checkText(v any, most int, kind string) error {
	t, _ := v.(map[string]any)
	s, _ := t["text"].(string)
	if n := len(utf16.Encode([]rune(s))); n == 0 || n > most || t["type"] != kind {
		return fmt.Errorf("%v text of %d characters, want %s of 1 to %d", t["type"], n, kind, most)
	}
	return nil
}
