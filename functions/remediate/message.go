package main

import (
	"encoding/json"
	jsonv2 "encoding/json/v2"
	"errors"
	"fmt"
	"strings"
	"time"

	"sgward/internal/awsid"
	"sgward/internal/finding"
	"sgward/internal/invocation"
	"sgward/internal/remediation"
)

// malformedError says that a message is not an invocation record with a Detection.
type malformedError struct {
	field   string // such as "responsePayload.event.eventId"
	problem string // what was found, and what is expected
}

func (e *malformedError) Error() string {
	return fmt.Sprintf("reading message: %s: %s", e.field, e.problem)
}

func malformed(field, problem string, args ...any) *malformedError {
	return &malformedError{field, fmt.Sprintf(problem, args...)}
}

// readMessage reads a message's body. The error is a *malformedError.
func readMessage(body string) (remediation.Message, error) {
	var record invocation.Record
	if err := json.Unmarshal([]byte(body), &record); err != nil {
		return remediation.Message{}, notJSON("body", err)
	}
	switch {
	case record.RequestContext.RequestID == "":
		return remediation.Message{}, malformed("requestContext.requestId", "it is missing: want the invocation record of a function")
	case record.ResponseContext.FunctionError != "":
		return remediation.Message{}, malformed("responseContext.functionError", "the function failed (%.100q): want the record of a success", record.ResponseContext.FunctionError)
	case len(record.ResponsePayload) == 0 || string(record.ResponsePayload) == "null":
		return remediation.Message{}, malformed("responsePayload", "it is missing: want a Detection")
	}
	var d finding.Detection
	if err := jsonv2.Unmarshal(record.ResponsePayload, &d); err != nil {
		return remediation.Message{}, notJSON("responsePayload", err)
	}
	if err := check(d, record.ResponsePayload); err != nil {
		return remediation.Message{}, err
	}
	// A time that cannot be read counts as unknown and leaves nothing open.
	sent, _ := time.Parse(time.RFC3339, record.Timestamp)
	return remediation.Message{Detection: d, Sent: sent}, nil
}

// notJSON names the field at which decoding failed.
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

// check verifies that a Detection has the fields that handling it needs. encoded is its
// JSON.
func check(d finding.Detection, encoded []byte) error {
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
	if err := checkDecisions(encoded); err != nil {
		return err
	}
	for i := range d.Told {
		if d.Told[i].Rule == nil {
			return malformed(fmt.Sprintf("responsePayload.told.%d.rule", i), "it is missing")
		}
	}
	if d.Source == finding.SourceCall {
		return nil
	}
	return checkStanding(d)
}

// checkDecisions verifies that a Detection's JSON and each of its findings have a
// decision: a missing one would be read as inspect.
func checkDecisions(encoded []byte) error {
	type decided struct {
		Decision *string `json:"decision"`
	}
	var d struct {
		decided
		Findings []decided `json:"findings"`
	}
	if err := json.Unmarshal(encoded, &d); err != nil {
		return notJSON("responsePayload", err)
	}
	if d.Decision == nil {
		return malformed("responsePayload.decision", "it is missing")
	}
	for i, f := range d.Findings {
		if f.Decision == nil {
			return malformed(fmt.Sprintf("responsePayload.findings.%d.decision", i), "it is missing")
		}
	}
	return nil
}

// checkStanding verifies the fields of findings about existing rules.
func checkStanding(d finding.Detection) error {
	ofList := d.Source == finding.SourcePrefixListEdit
	if ofList && d.PrefixListID == "" {
		return malformed("responsePayload.prefixListId", "it is missing")
	}
	for i, f := range d.Findings {
		at := fmt.Sprintf("responsePayload.findings.%d.", i)
		switch {
		case f.GroupID == "":
			return malformed(at+"groupId", "it is missing")
		case f.Rule == nil:
			return malformed(at+"rule", "it is missing")
		case ofList && f.Rule.Permission.Peer.PrefixList() != d.PrefixListID:
			return malformed(at+"rule.prefixListId", "%.40q: want %q, which was edited", f.Rule.Permission.Peer.PrefixList(), d.PrefixListID)
		}
	}
	return nil
}
