package outletsapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func call(s *Server, path, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestEventsAreKeptInOrder(t *testing.T) {
	s := &Server{}
	w := call(s, "/", "AWSEvents.PutEvents", `{"Entries":[{"Source":"a","Detail":"{}"},{"Source":"b"}]}`)
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Contains(t, w.Body.String(), `"FailedEntryCount":0`)
	assert.Equal(t, []string{"a", "b"}, []string{s.Events()[0].Source, s.Events()[1].Source})
}

func TestAnOlderFindingIsIgnored(t *testing.T) {
	s := &Server{}
	for _, f := range []string{`"UpdatedAt":"2026-01-02","RecordState":"ARCHIVED"`, `"UpdatedAt":"2026-01-01","RecordState":"ACTIVE"`} {
		w := call(s, "/findings/import", "", `{"Findings":[{"Id":"x",`+f+`}]}`)
		assert.Contains(t, w.Body.String(), `"SuccessCount":1`)
	}
	assert.Equal(t, "ARCHIVED", s.Findings()["x"].RecordState)
}

func TestOtherCallsAndForbiddenOnesAreRefused(t *testing.T) {
	s := &Server{Authorize: func(action, _ string) bool { return action == "events:PutEvents" }}
	assert.Equal(t, http.StatusForbidden, call(s, "/findings/import", "", `{}`).Code)
	assert.Equal(t, http.StatusOK, call(s, "/", "AWSEvents.PutEvents", `{}`).Code)
	assert.Equal(t, http.StatusBadRequest, call(s, "/", "AWSEvents.PutEvents", `{`).Code)
	assert.Equal(t, http.StatusBadRequest, call(s, "/", "AWSEvents.PutRule", `{}`).Code)
}
