package logsapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"sgward/localaws/logsapi"
)

func ask(server *logsapi.Server, action, body string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "Logs_20140328."+action)
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestLinesAreFilteredByTimeAndByOneMember(t *testing.T) {
	server := &logsapi.Server{}
	server.Create("/empty")
	for i, text := range []string{`{"message":"judged","n":0}`, `{"message":"other","n":1}`, `{"message":"judged","n":2}`, "judged"} {
		server.Add("/group", text, time.UnixMilli(int64(i)))
	}
	for body, want := range map[string]string{
		`{"logGroupName":"/empty"}`:               `{"events":[]}`,
		`{"logGroupName":"/group","startTime":3}`: `{"events":[{"timestamp":3,"message":"judged"}]}`,
		`{"logGroupName":"/group","endTime":1,"filterPattern":"{ $.message = \"judged\" }"}`: `{"events":[{"timestamp":0,"message":"{\"message\":\"judged\",\"n\":0}"}]}`,
	} {
		status, answer := ask(server, "FilterLogEvents", body)
		assert.Equal(t, http.StatusOK, status, body)
		assert.Equal(t, want, answer, body)
	}
	server.Page = 3
	_, first := ask(server, "FilterLogEvents", `{"logGroupName":"/group"}`)
	assert.Contains(t, first, `"nextToken":"3"`)
	_, second := ask(server, "FilterLogEvents", `{"logGroupName":"/group","nextToken":"3"}`)
	assert.Equal(t, `{"events":[{"timestamp":3,"message":"judged"}]}`, second)
}

func TestWhatItDoesNotKnowIsRefused(t *testing.T) {
	server := &logsapi.Server{}
	server.Add("/group", "x", time.UnixMilli(1))
	for _, c := range [][3]string{
		{"PutLogEvents", `{}`, "UnknownOperationException"},
		{"FilterLogEvents", `{`, "SerializationException"},
		{"FilterLogEvents", `{"logGroupName":"/other"}`, "ResourceNotFoundException"},
		{"FilterLogEvents", `{"logGroupName":"/group","filterPattern":"?a ?b"}`, "InvalidParameterException"},
		{"FilterLogEvents", `{"logGroupName":"/group","nextToken":"x"}`, "InvalidParameterException"},
	} {
		status, answer := ask(server, c[0], c[1])
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, answer, c[2])
	}
	server.Authorize = func(string, string) bool { return false }
	_, answer := ask(server, "FilterLogEvents", `{"logGroupName":"/group"}`)
	assert.Contains(t, answer, "AccessDeniedException")
}
