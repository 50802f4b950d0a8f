// Package alerttest gives the golden alerts of package alert to the tests of what reads them.
package alerttest

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/require"
)

// JSON returns the machine form of a golden alert, whose file is given by its path from the
// test; "" for one that holds a summary in its place.
func JSON(t testing.TB, file string) string {
	t.Helper()
	golden, err := os.ReadFile(file)
	require.NoError(t, err)
	_, body, ok := strings.Cut(string(golden), "===== JSON\n")
	require.True(t, ok, file)
	if !strings.HasPrefix(body, "{") {
		return ""
	}
	return body
}

// Notification is the event by which SNS invokes a function with a message.
func Notification(t testing.TB, subject, message string, at time.Time) []byte {
	t.Helper()
	payload, err := json.Marshal(events.SNSEvent{Records: []events.SNSEventRecord{{EventSource: "aws:sns",
		SNS: events.SNSEntity{MessageID: "m", Subject: subject, Message: message, Timestamp: at}}}})
	require.NoError(t, err)
	return payload
}
