package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/lambdaenv"
	"sgward/internal/sweep"
	"sgward/localaws/logsapi"
)

// logOf returns detect's log as the function reads it.
func logOf(t *testing.T, server *logsapi.Server, more map[string]string) sweep.Announcements {
	t.Helper()
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	env := map[string]string{
		"AWS_REGION": "us-east-1", "MODE": "observe", "ALERT_TOPIC_ARN": topicARN, "DETECT_LOG_GROUP": "/detect", "LOG_RETENTION_DAYS": "30",
		"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": web.URL, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
	}
	for name, value := range more {
		env[name] = value
	}
	read, err := lambdaenv.Read(lookup(env))
	require.NoError(t, err)
	log, err := readAnnouncements(lookup(env), read)
	require.NoError(t, err)
	return log
}

func TestTheEventsThatDetectLoggedAreReadFromAllPages(t *testing.T) {
	server := &logsapi.Server{Page: 2}
	began := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for i, line := range []string{
		`{"message":"judged","groupId":"sg-1","findings":1,"securityGroupRuleIds":["sgr-0"]}`, // too old
		`{"time":"2026-11-22T10:01:00Z","type":"platform.start","record":{}}`,
		`{"message":"judged","groupId":"sg-1","findings":2,"securityGroupRuleIds":["sgr-1","sgr-2"]}`,
		`{"message":"judged","groupId":"sg-2","findings":1,"securityGroupRuleIds":[""]}`,
		`{"message":"nothing to judge","groupId":"sg-9"}`,
		`{"message":"judged","groupId":"","findings":1,"securityGroupRuleIds":null}`,
		`{"message":"judged","groupId":"sg-3","findings":0}`,
		`not JSON`,
	} {
		server.Add("/detect", line, began.Add(time.Duration(i)*time.Minute))
	}
	got, err := logOf(t, server, nil).Since(t.Context(), began.Add(time.Minute))
	require.NoError(t, err)
	assert.Equal(t, []sweep.Announcement{
		{GroupID: "sg-1", RuleIDs: []string{"sgr-1", "sgr-2"}}, {GroupID: "sg-2", Partial: true}, {Partial: true}, {GroupID: "sg-3"},
	}, got)
}

func TestAConnectionThatWasClosedMeanwhileIsNoError(t *testing.T) {
	server := &logsapi.Server{}
	server.Add("/detect", `{"message":"judged","groupId":"sg-1","findings":0}`, time.Now())
	requests := map[string]int{} // by connection
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests[r.RemoteAddr]++; requests[r.RemoteAddr] > 1 {
			panic(http.ErrAbortHandler) // closes the connection without an answer
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	log := logOf(t, server, map[string]string{"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": web.URL})
	for range 3 {
		got, err := log.Since(t.Context(), time.Now().Add(-time.Minute))
		require.NoError(t, err)
		assert.Len(t, got, 1)
	}
}

func TestALogThatCannotBeReadIsAnErrorThatNamesIt(t *testing.T) {
	server := &logsapi.Server{}
	_, err := logOf(t, server, nil).Since(t.Context(), time.Now())
	require.ErrorContains(t, err, "reading log group /detect")
	require.ErrorContains(t, err, "ResourceNotFoundException")

	server.Add("/detect", "{}", time.Now())
	server.Authorize = func(action, accessKey string) bool {
		return action != "FilterLogEvents" || accessKey != "AKIAIOSFODNN7EXAMPLE"
	}
	_, err = logOf(t, server, nil).Since(t.Context(), time.Now())
	require.ErrorContains(t, err, "AccessDeniedException", "it is signed by the function's own keys")
	_, err = logOf(t, server, map[string]string{"AWS_ACCESS_KEY_ID": ""}).Since(t.Context(), time.Now())
	require.ErrorContains(t, err, "AWS_ACCESS_KEY_ID")
}

func TestTheRetentionOfDetectsLogMustBeKnown(t *testing.T) {
	for _, days := range []string{"", "0", "a year"} {
		_, err := readAnnouncements(lookup(map[string]string{"DETECT_LOG_GROUP": "/detect", "LOG_RETENTION_DAYS": days}), lambdaenv.Environment{})
		assert.ErrorContains(t, err, "LOG_RETENTION_DAYS")
	}
	none, err := readAnnouncements(lookup(nil), lambdaenv.Environment{})
	require.NoError(t, err)
	assert.Nil(t, none)
}
