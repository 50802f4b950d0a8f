// Package snsapi is an in-memory stand-in for Amazon SNS standard topics, as far
// as publishing goes. It speaks the Query protocol of the AWS SDKs and the CLI,
// checks messages as SNS does, keeps them, and hands them to a callback.
//
// It is for tests and tours only: signatures are not verified, nothing is delivered
// to anybody, and filter policies, FIFO topics, batches and encryption are left out.
package snsapi

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"

	"sgward/localaws/awswire"
)

const namespace = "http://sns.amazonaws.com/doc/2010-03-31/"

// Subscription is who would receive a topic's messages; nothing is sent to it.
type Subscription struct {
	ARN      string
	TopicARN string
	Protocol string
	Endpoint string
}

// Config describes the server. The zero value knows no topic.
type Config struct {
	AccountID string // default 123456789012
	Region    string // default us-east-1
	TopicARNs []string
	// OnPublish hears of each message before its publisher has the answer.
	OnPublish func(Message)
	// Authorize says whether an access key may call an action; nil allows everything.
	Authorize func(action, accessKey string) bool
	Now       func() time.Time // nil is time.Now
}

// Server is an http.Handler for SNS, safe for concurrent use. Servers come from New.
type Server struct {
	cfg Config

	mu            sync.Mutex
	topics        map[string]bool
	subscriptions []Subscription
	messages      []Message
	calls         map[string]int
	faults        []fault
}

type fault struct {
	action, code, message string
	left                  int
}

// apiError is an error in SNS's own words.
type apiError struct {
	status        int
	code, message string
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// New returns a server with the configured topics.
func New(cfg Config) *Server {
	if cfg.AccountID == "" {
		cfg.AccountID = "123456789012"
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{cfg: cfg, topics: map[string]bool{}, calls: map[string]int{}}
	for _, arn := range cfg.TopicARNs {
		s.topics[arn] = true
	}
	return s
}

// FailNext makes the next n calls of action ("Publish") fail with code
// ("AuthorizationError", "InternalError", "Throttling").
func (s *Server) FailNext(action string, n int, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fault{action: action, code: code, message: "injected by the test", left: n})
}

// Messages returns what was published, oldest first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Calls counts the calls by action, failed ones included.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// Subscriptions returns who asked to receive messages.
func (s *Server) Subscriptions() []Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.subscriptions)
}

// ServeHTTP answers one call of the Query protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<20)
	requestID := newUUID()
	if err := r.ParseForm(); err != nil {
		writeError(w, requestID, &apiError{http.StatusBadRequest, "InvalidParameter", "reading the form: " + err.Error()})
		return
	}
	action := r.Form.Get("Action")
	result, err := s.do(action, r)
	if err != nil {
		writeError(w, requestID, err)
		return
	}
	awswire.WriteXML(w, "text/xml", http.StatusOK, struct {
		XMLName   xml.Name
		Result    any
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}{xml.Name{Space: namespace, Local: action + "Response"}, result, requestID})
}

func (s *Server) do(action string, r *http.Request) (any, *apiError) {
	if err := s.injected(action); err != nil {
		return nil, err
	}
	if s.cfg.Authorize != nil && !s.cfg.Authorize(action, awswire.AccessKey(r)) {
		return nil, &apiError{http.StatusForbidden, "AuthorizationError", "User is not authorized to perform: SNS:" + action}
	}
	switch action {
	case "Publish":
		return s.publish(r)
	case "CreateTopic":
		return s.createTopic(r)
	case "Subscribe":
		return s.subscribe(r)
	case "ListTopics":
		return s.listTopics(), nil
	}
	return nil, &apiError{http.StatusBadRequest, "InvalidAction",
		fmt.Sprintf("%q is unknown here: CreateTopic, ListTopics, Publish and Subscribe are", action)}
}

func (s *Server) injected(action string) *apiError {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[action]++
	for i := range s.faults {
		f := &s.faults[i]
		if f.action != action || f.left == 0 {
			continue
		}
		f.left--
		return &apiError{statusOf(f.code), f.code, f.message}
	}
	return nil
}

func statusOf(code string) int {
	switch code {
	case "AuthorizationError":
		return http.StatusForbidden
	case "NotFound":
		return http.StatusNotFound
	case "InternalError":
		return http.StatusInternalServerError
	case "ServiceUnavailable":
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

func (s *Server) createTopic(r *http.Request) (any, *apiError) {
	name := r.Form.Get("Name")
	if !topicName.MatchString(name) {
		return nil, invalid("Topic Name")
	}
	arn := "arn:aws:sns:" + s.cfg.Region + ":" + s.cfg.AccountID + ":" + name
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics[arn] = true
	return struct {
		XMLName  xml.Name `xml:"CreateTopicResult"`
		TopicARN string   `xml:"TopicArn"`
	}{TopicARN: arn}, nil
}

func (s *Server) subscribe(r *http.Request) (any, *apiError) {
	sub := Subscription{
		TopicARN: r.Form.Get("TopicArn"),
		Protocol: r.Form.Get("Protocol"),
		Endpoint: r.Form.Get("Endpoint"),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.topics[sub.TopicARN] {
		return nil, &apiError{http.StatusNotFound, "NotFound", "Topic does not exist"}
	}
	if sub.Protocol == "" {
		return nil, invalid("Protocol")
	}
	sub.ARN = sub.TopicARN + ":" + newUUID()
	s.subscriptions = append(s.subscriptions, sub)
	return struct {
		XMLName xml.Name `xml:"SubscribeResult"`
		ARN     string   `xml:"SubscriptionArn"`
	}{ARN: sub.ARN}, nil
}

func (s *Server) listTopics() any {
	type member struct {
		ARN string `xml:"TopicArn"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	result := struct {
		XMLName xml.Name `xml:"ListTopicsResult"`
		Topics  []member `xml:"Topics>member"`
	}{}
	for _, arn := range slices.Sorted(maps.Keys(s.topics)) {
		result.Topics = append(result.Topics, member{ARN: arn})
	}
	return result
}

func writeError(w http.ResponseWriter, requestID string, err *apiError) {
	kind := "Sender"
	if err.status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	awswire.WriteXML(w, "text/xml", err.status, struct {
		XMLName   xml.Name
		Type      string `xml:"Error>Type"`
		Code      string `xml:"Error>Code"`
		Message   string `xml:"Error>Message"`
		RequestID string `xml:"RequestId"`
	}{xml.Name{Space: namespace, Local: "ErrorResponse"}, kind, err.code, err.message, requestID})
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
