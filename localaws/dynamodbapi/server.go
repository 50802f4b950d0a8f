// Package dynamodbapi is an in-memory stand-in for Amazon DynamoDB: tables with a
// string key, read by Scan and written by BatchWriteItem and UpdateItem. It speaks the JSON
// protocol of the AWS SDKs and the CLI and keeps DynamoDB's limits and errors.
//
// It is for tests and tours only: signatures are not verified, values are strings
// and numbers, and an item whose time to live is over stays, as on DynamoDB it may
// for days. What else a call asks for is refused, not passed over.
package dynamodbapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sgward/localaws/awswire"
)

// The limits of DynamoDB
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html).
const (
	maxRequest = 16 << 20
	maxItem    = 400 << 10
	maxBatch   = 25
	// DefaultPage is how much one Scan reads, in bytes.
	DefaultPage = 1 << 20
)

// target is what the header X-Amz-Target begins with.
const target = "DynamoDB_20120810."

// Table describes a table.
type Table struct {
	Name string
	Key  string // the name of its partition key, a string
}

// Config describes the server. The zero value knows no table.
type Config struct {
	Tables []Table
	// Authorize says whether an access key may call an action; nil allows everything.
	Authorize func(action, accessKey string) bool
	// Page is how many bytes one Scan reads; 0 is DefaultPage.
	Page int
}

// Value is the value of an attribute: exactly one of both is set.
type Value struct {
	S *string `json:"S,omitempty"`
	N *string `json:"N,omitempty"`
}

// Item is the attributes of an item by name.
type Item map[string]Value

// Server is an http.Handler for DynamoDB, safe for concurrent use. Servers come
// from New.
type Server struct {
	cfg Config

	mu     sync.Mutex
	tables map[string]*table
	calls  map[string]int
	faults []fault
	undone int // writes still to be left undone
}

type table struct {
	key   string
	items map[string]Item
}

type fault struct {
	action, code string
	left         int
}

// apiError is an error in DynamoDB's own words.
type apiError struct {
	status        int
	code, message string
	item          Item // of a failed condition, if it is asked for
}

func refuse(code, text string, args ...any) *apiError {
	status := http.StatusBadRequest
	if code == "InternalServerError" || code == "ServiceUnavailable" {
		status = http.StatusInternalServerError
	}
	return &apiError{status: status, code: code, message: fmt.Sprintf(text, args...)}
}

// New returns a server with the configured tables, empty.
func New(cfg Config) *Server {
	if cfg.Page <= 0 {
		cfg.Page = DefaultPage
	}
	s := &Server{cfg: cfg, tables: map[string]*table{}, calls: map[string]int{}}
	for _, t := range cfg.Tables {
		s.tables[t.Name] = &table{key: t.Key, items: map[string]Item{}}
	}
	return s
}

// FailNext makes the next n calls of an action ("Scan") fail with code
// ("ProvisionedThroughputExceededException", "InternalServerError").
func (s *Server) FailNext(action string, n int, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fault{action, code, n})
}

// LeaveUndone makes BatchWriteItem leave the next n writes undone, as a busy table
// does: the answer lists them.
func (s *Server) LeaveUndone(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undone += n
}

// Items returns what a table holds, in the order of the keys.
func (s *Server) Items(name string) []Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[name]
	if t == nil {
		return nil
	}
	out := make([]Item, 0, len(t.items))
	for _, key := range slices.Sorted(maps.Keys(t.items)) {
		out = append(out, maps.Clone(t.items[key]))
	}
	return out
}

// Put writes an item of a known table, which no call does.
func (s *Server) Put(name string, item Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tables[name]; t != nil && item[t.key].S != nil {
		t.items[*item[t.key].S] = maps.Clone(item)
	}
}

// Calls counts the calls by action, failed ones included.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// ActionOf returns the operation that a request asks of DynamoDB; false for requests
// of other services.
func ActionOf(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.Header.Get("X-Amz-Target"), target)
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		write(w, nil, refuse("ValidationException", "reading the request: %s", err))
		return
	}
	action, ok := ActionOf(r)
	if !ok {
		write(w, nil, refuse("UnknownOperationException", "the header X-Amz-Target names no operation of DynamoDB"))
		return
	}
	answer, failure := s.do(action, awswire.AccessKey(r), body)
	write(w, answer, failure)
}

func (s *Server) do(action, key string, body []byte) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[action]++
	for i := range s.faults {
		if f := &s.faults[i]; f.action == action && f.left > 0 {
			f.left--
			return nil, refuse(f.code, "injected by the test")
		}
	}
	if s.cfg.Authorize != nil && !s.cfg.Authorize(action, key) {
		return nil, refuse("AccessDeniedException", "%s is not authorized to perform: dynamodb:%s", key, action)
	}
	switch action {
	case "Scan":
		return s.scan(body)
	case "BatchWriteItem":
		return s.batchWrite(body)
	case "UpdateItem":
		return s.updateItem(body)
	default:
		return nil, refuse("UnknownOperationException", "%s is unknown here", action)
	}
}

// decode reads a request. An unknown field is refused: without a filter, say, the answer
// would be wrong.
func decode(body []byte, into any) *apiError {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return refuse("SerializationException", "reading the request: %s", err)
	}
	return nil
}

func (s *Server) table(name string) (*table, *apiError) {
	t := s.tables[name]
	if t == nil {
		return nil, refuse("ResourceNotFoundException", "Requested resource not found: Table: %s not found", name)
	}
	return t, nil
}

func (s *Server) scan(body []byte) (any, *apiError) {
	var in struct {
		TableName         string
		ConsistentRead    bool
		Limit             int
		ExclusiveStartKey Item
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	after := ""
	if in.ExclusiveStartKey != nil {
		if after, err = t.keyOf(in.ExclusiveStartKey, true); err != nil {
			return nil, err
		}
	}
	out := struct {
		Items            []Item
		Count            int
		ScannedCount     int
		LastEvaluatedKey Item `json:",omitempty"`
	}{Items: []Item{}}
	read := 0
	for _, key := range slices.Sorted(maps.Keys(t.items)) {
		if in.ExclusiveStartKey != nil && key <= after {
			continue
		}
		if read >= s.cfg.Page || in.Limit > 0 && len(out.Items) == in.Limit {
			out.LastEvaluatedKey = Item{t.key: out.Items[len(out.Items)-1][t.key]}
			break
		}
		out.Items = append(out.Items, t.items[key])
		read += t.items[key].size()
	}
	out.Count, out.ScannedCount = len(out.Items), len(out.Items)
	return out, nil
}

// writeRequest is one write of a batch: exactly one of both is set.
type writeRequest struct {
	PutRequest    *struct{ Item Item } `json:",omitempty"`
	DeleteRequest *struct{ Key Item }  `json:",omitempty"`
}

func (s *Server) batchWrite(body []byte) (any, *apiError) {
	var in struct{ RequestItems map[string][]writeRequest }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		t, err := s.table(name)
		if err != nil {
			return nil, err
		}
		total += len(in.RequestItems[name])
		if err := t.check(in.RequestItems[name]); err != nil {
			return nil, err
		}
	}
	if total < 1 || total > maxBatch {
		return nil, refuse("ValidationException", "a batch of %d writes: want 1 to %d", total, maxBatch)
	}
	out := struct{ UnprocessedItems map[string][]writeRequest }{map[string][]writeRequest{}}
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		for _, w := range in.RequestItems[name] {
			if s.undone > 0 {
				s.undone--
				out.UnprocessedItems[name] = append(out.UnprocessedItems[name], w)
				continue
			}
			s.tables[name].apply(w)
		}
	}
	return out, nil
}

// check refuses a batch as a whole, before anything is written.
func (t *table) check(writes []writeRequest) *apiError {
	seen := map[string]bool{}
	for _, w := range writes {
		if (w.PutRequest == nil) == (w.DeleteRequest == nil) {
			return refuse("ValidationException", "want exactly one of PutRequest and DeleteRequest")
		}
		item, alone := Item(nil), w.PutRequest == nil
		if alone {
			item = w.DeleteRequest.Key
		} else {
			item = w.PutRequest.Item
		}
		key, err := t.keyOf(item, alone)
		if err != nil {
			return err
		}
		if seen[key] {
			return refuse("ValidationException", "Provided list of item keys contains duplicates")
		}
		seen[key] = true
		if item.size() > maxItem {
			return refuse("ValidationException", "Item size has exceeded the maximum allowed size")
		}
	}
	return nil
}

func (t *table) apply(w writeRequest) {
	if w.PutRequest != nil {
		t.items[*w.PutRequest.Item[t.key].S] = w.PutRequest.Item
		return
	}
	delete(t.items, *w.DeleteRequest.Key[t.key].S)
}

// keyOf checks an item and returns its key. alone says that it may hold nothing
// else.
func (t *table) keyOf(item Item, alone bool) (string, *apiError) {
	for name, v := range item {
		if (v.S == nil) == (v.N == nil) {
			return "", refuse("ValidationException", "%s: want exactly one of S and N: other types are not known here", name)
		}
		if v.N == nil {
			continue
		}
		if _, err := strconv.ParseFloat(*v.N, 64); err != nil {
			return "", refuse("ValidationException", "%s: a value cannot be converted to a number", name)
		}
	}
	key := item[t.key].S
	if key == nil || *key == "" || alone && len(item) != 1 {
		return "", refuse("ValidationException", "The provided key element does not match the schema")
	}
	return *key, nil
}

// size is what DynamoDB counts of an item, near enough: names and values.
func (i Item) size() int {
	total := 0
	for name, v := range i {
		total += len(name)
		for _, text := range []*string{v.S, v.N} {
			if text != nil {
				total += len(*text)
			}
		}
	}
	return total
}

// write answers a call. DynamoDB's answers carry a checksum, which the SDKs verify.
func write(w http.ResponseWriter, answer any, failure *apiError) {
	status := http.StatusOK
	if failure != nil {
		status = failure.status
		said := map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#" + failure.code, "message": failure.message}
		if failure.item != nil {
			said["Item"] = failure.item
		}
		answer = said
	}
	body, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
