package main

import (
	"encoding/json"
	jsonv2 "encoding/json/v2"
	"errors"
	"fmt"
	"strings"

	"sgward/internal/awsid"
	"sgward/internal/finding"
)

// invocationRecord is what Lambda puts on the queue after detect's invocation, as
// far as it matters here
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html).
type invocationRecord struct {
	RequestContext *struct {
		RequestID string `json:"requestId"`
	} `json:"requestContext"`
	ResponseContext *struct {
		FunctionError string `json:"functionError"`
	} `json:"responseContext"`
	ResponsePayload json.RawMessage `json:"responsePayload"`
}

// malformedError says that a message is not an invocation record with a Detection.
type malformedError struct {
	field   string // such as "responsePayload.event.eventId"
	problem string // what is there, and what would be right
}

func (e *malformedError) Error() string {
	return fmt.Sprintf("reading message: %s: %s", e.field, e.problem)
}

func malformed(field, problem string, args ...any) *malformedError {
	return &malformedError{field, fmt.Sprintf(problem, args...)}
}

// readDetection reads a message's body. The error is a *malformedError.
func readDetection(body string) (finding.Detection, error) {
	var record invocationRecord
	if err := json.Unmarshal([]byte(body), &record); err != nil {
		return finding.Detection{}, notJSON("body", err)
	}
	switch {
	case record.RequestContext == nil || record.RequestContext.RequestID == "":
		return finding.Detection{}, malformed("requestContext.requestId", "it is missing: want the invocation record of a function")
	case record.ResponseContext != nil && record.ResponseContext.FunctionError != "":
		return finding.Detection{}, malformed("responseContext.functionError", "the function failed (%.100q): want the record of a success", record.ResponseContext.FunctionError)
	case len(record.ResponsePayload) == 0 || string(record.ResponsePayload) == "null":
		return finding.Detection{}, malformed("responsePayload", "it is missing: want a Detection")
	}
	var d finding.Detection
	if err := jsonv2.Unmarshal(record.ResponsePayload, &d); err != nil {
		return finding.Detection{}, notJSON("responsePayload", err)
	}
	if err := check(d); err != nil {
		return finding.Detection{}, err
	}
	return d, nil
}

// notJSON names the field that JSON decoding stumbled over.
func notJSON(root string, err error) *malformedError {
	var wrong *jsonv2.SemanticError
	if !errors.As(err, &wrong) {
		return malformed(root, "%s", err)
	}
	field := root + strings.ReplaceAll(string(wrong.JSONPointer), "/", ".")
	if wrong.Err != nil {
		return malformed(field, "%s", wrong.Err)
	}
	return malformed(field, "it is a JSON %s: want %s", wrong.JSONKind, wrong.GoType)
}

// check looks for what a Detection must carry to be worked on.
func check(d finding.Detection) error {
	if d.SchemaVersion != finding.SchemaVersion {
		return malformed("responsePayload.schemaVersion", "%.20q: want %q", d.SchemaVersion, finding.SchemaVersion)
	}
	switch e := d.Event; {
	case e.EventID == "":
		return malformed("responsePayload.event.eventId", "it is missing")
	case e.EventTime.IsZero():
		return malformed("responsePayload.event.eventTime", "it is missing")
	case !awsid.IsAccount(e.AccountID):
		return malformed("responsePayload.event.accountId", "%.20q: want 12 digits", e.AccountID)
	case e.Region == "":
		return malformed("responsePayload.event.region", "it is missing")
	}
	return nil
}
