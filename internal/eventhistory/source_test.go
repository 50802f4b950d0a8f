package eventhistory_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/eventhistory"
	"sgward/internal/sdkhttp"
	"sgward/localaws/awswire"
	"sgward/localaws/cloudtrailapi"
)

const authorize, revoke = "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"

// history is the event history of a region with so many calls, and where it is asked.
func history(t *testing.T, wrap func(http.Handler) http.Handler, calls map[string]int) eventhistory.Trail {
	t.Helper()
	server := &cloudtrailapi.Server{}
	for name, n := range calls {
		for i := range n {
			server.Add(fmt.Appendf(nil, `{"detail":{"eventID":"%s-%d","eventName":%q,"eventTime":%q}}`, name, i, name, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)))
		}
	}
	web := httptest.NewServer(wrap(server))
	t.Cleanup(web.Close)
	return eventhistory.NewPatient(aws.Config{
		Region: "us-east-1", BaseEndpoint: &web.URL, HTTPClient: sdkhttp.Client(nil),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

func plain(h http.Handler) http.Handler { return h }

// read reads all sources: the number of records of each, or why it cannot be opened.
func read(t *testing.T, r *eventhistory.Reader) []string {
	t.Helper()
	var out []string
	for s := range r.Sources(t.Context()) {
		in, err := s.Open(t.Context())
		if err != nil {
			out = append(out, s.Name+": "+err.Error())
			continue
		}
		data, err := io.ReadAll(in)
		require.NoError(t, err)
		assert.Len(t, data, int(s.Size))
		out = append(out, fmt.Sprintf("%s: %d", s.Name, strings.Count(string(data), `"eventID"`)))
	}
	slices.Sort(out)
	return out
}

func TestPagesOfAllRegionsAreRead(t *testing.T) {
	throttled := 0
	r := &eventhistory.Reader{Names: []string{authorize, revoke}, Pause: time.Millisecond, Explain: func(error) string { return "told" }, Trails: map[string]eventhistory.Trail{
		"eu-central-1": history(t, plain, map[string]int{authorize: 120, revoke: 1, "RunInstances": 7}),
		"us-east-1": history(t, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if throttled++; throttled%2 == 1 {
					awswire.WriteError(w, "1.1", http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
					return
				}
				h.ServeHTTP(w, r)
			})
		}, map[string]int{revoke: 50}),
		"sa-east-1": history(t, func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				awswire.WriteError(w, "1.1", http.StatusBadRequest, "AccessDeniedException", "not here")
			})
		}, nil),
	}}
	assert.Equal(t, []string{
		"event history of eu-central-1, AuthorizeSecurityGroupIngress, page 1: 50",
		"event history of eu-central-1, AuthorizeSecurityGroupIngress, page 2: 50",
		"event history of eu-central-1, AuthorizeSecurityGroupIngress, page 3: 20",
		"event history of eu-central-1, RevokeSecurityGroupIngress, page 1: 1",
		"event history of sa-east-1: cannot be read: told",
		"event history of us-east-1, RevokeSecurityGroupIngress, page 1: 50",
	}, read(t, r))
	for range r.Sources(t.Context()) {
		break // and the rest ends
	}
}

func TestALookupSaysWhatIsWanted(t *testing.T) {
	var body []byte
	trail := history(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ = io.ReadAll(r.Body)
			_, _ = io.WriteString(w, `{"Events":[{"EventId":"e-1","EventTime":1764403200.25,"CloudTrailEvent":"{}"}],"NextToken":"3"}`)
		})
	}, nil)
	start := time.Date(2026, 11, 3, 12, 0, 0, 123_456_789, time.UTC)
	got, err := trail.LookupEvents(t.Context(), eventhistory.Lookup{By: eventhistory.ByID, Value: "e-1", Start: start, End: start.Add(time.Second), NextToken: "2"})
	require.NoError(t, err)
	assert.Equal(t, eventhistory.Page{Records: [][]byte{[]byte("{}")}, NextToken: "3"}, got)
	assert.JSONEq(t, `{"LookupAttributes":[{"AttributeKey":"EventId","AttributeValue":"e-1"}],"StartTime":1793707200.123,"EndTime":1793707201.123,"NextToken":"2"}`, string(body))
	_, err = trail.LookupEvents(t.Context(), eventhistory.Lookup{By: eventhistory.ByName, Value: revoke})
	require.NoError(t, err)
	assert.JSONEq(t, `{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"RevokeSecurityGroupIngress"}]}`, string(body))
}

func TestTwoCallsASecondAreKept(t *testing.T) {
	var at []time.Time
	r := &eventhistory.Reader{Names: []string{authorize}, Trails: map[string]eventhistory.Trail{"us-east-1": history(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			at = append(at, time.Now())
			h.ServeHTTP(w, r)
		})
	}, map[string]int{authorize: 101})}}
	began := time.Now() // no later than the first call, whose arrival a busy machine may delay
	assert.Len(t, read(t, r), 3)
	require.Len(t, at, 3)
	assert.GreaterOrEqual(t, at[2].Sub(began), 2*eventhistory.Pause)
}
