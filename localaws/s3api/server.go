// Package s3api is an in-memory stand-in for the two calls of Amazon S3 that reading needs:
// ListObjectsV2 and GetObject with a range, in path style. It is for tests and tours only:
// signatures are not verified, but a call must carry one.
package s3api

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"sgward/localaws/awswire"
)

// maxPage is the most keys of one answer, as of S3.
const maxPage = 1000

// Call is one call that the server has answered.
type Call struct {
	Bucket, Key string // Key is empty for a listing
	Query       url.Values
	Range       string
}

// Server holds buckets. The zero value is ready.
type Server struct {
	// Region is that of all buckets: a call signed for another is sent there. Empty takes
	// every region.
	Region string
	// PageSize is the most keys of one answer; 0 means S3's thousand.
	PageSize int
	// Fault may answer a call in place of the server; it returns false to leave it alone.
	Fault func(w http.ResponseWriter, c Call) (answered bool)
	// Delay is the time that each answer takes.
	Delay time.Duration

	mu      sync.Mutex
	buckets map[string]map[string][]byte
	calls   []Call
}

// Put stores an object.
func (s *Server) Put(bucket, key string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets == nil {
		s.buckets = map[string]map[string][]byte{}
	}
	if s.buckets[bucket] == nil {
		s.buckets[bucket] = map[string][]byte{}
	}
	s.buckets[bucket][key] = data
}

// Calls returns the calls answered so far.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	call := Call{name, key, r.URL.Query(), r.Header.Get("Range")}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	keys := s.buckets[name]
	data, exists := keys[key]
	s.mu.Unlock()
	time.Sleep(s.Delay)
	if s.Fault != nil && s.Fault(w, call) {
		return
	}
	_, region, service := awswire.Credential(r)
	switch {
	case service != "s3" || r.Header.Get("X-Amz-Content-Sha256") == "":
		WriteError(w, http.StatusForbidden, "AccessDenied", "Anonymous users may not call this stand-in.")
	case s.Region != "" && region != s.Region:
		w.Header().Set("X-Amz-Bucket-Region", s.Region)
		WriteError(w, http.StatusMovedPermanently, "PermanentRedirect", "The bucket is in another region.")
	case keys == nil:
		WriteError(w, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	case key == "":
		s.list(w, name, call.Query)
	case !exists:
		WriteError(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
	default:
		w.Header().Set("ETag", fmt.Sprintf("\"%x\"", len(data)))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

type listed struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name                  string
	Prefix                string
	KeyCount              int
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
	Contents              []object
	CommonPrefixes        []folder
}

type object struct {
	Key  string
	Size int
}

type folder struct{ Prefix string }

// list answers ListObjectsV2. The token of the next page is the last key or folder of this.
func (s *Server) list(w http.ResponseWriter, bucket string, q url.Values) {
	out := listed{Name: bucket, Prefix: q.Get("prefix")}
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	page := maxPage
	if s.PageSize > 0 {
		page = s.PageSize
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range s.buckets[bucket] {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	last := ""
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, out.Prefix)
		if !ok || key <= after {
			continue
		}
		item, folded := key, false
		if d := q.Get("delimiter"); d != "" {
			if i := strings.Index(rest, d); i >= 0 {
				item, folded = out.Prefix+rest[:i+len(d)], true
			}
		}
		if item == last || item <= after {
			continue
		}
		if out.KeyCount == page {
			out.IsTruncated, out.NextContinuationToken = true, last
			break
		}
		out.KeyCount++
		last = item
		if folded {
			out.CommonPrefixes = append(out.CommonPrefixes, folder{encoded(item)})
		} else {
			out.Contents = append(out.Contents, object{encoded(key), len(s.buckets[bucket][key])})
		}
	}
	awswire.WriteXML(w, "application/xml", http.StatusOK, out)
}

// encoded is a key as encoding-type=url has it.
func encoded(key string) string { return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/") }

// WriteError answers with an error of S3.
func WriteError(w http.ResponseWriter, status int, code, message string) {
	awswire.WriteXML(w, "application/xml", status, struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
	}{Code: code, Message: message})
}
