package input

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"strings"

	"sgward/internal/cloudtrail"
	"sgward/internal/logfile"
	"sgward/internal/text"
)

// errSeveral ends a scan that found more than one call.
var errSeveral = errors.New("several records can open a group: want one (sgward replay judges many)")

// Call returns the one call of data that can open a group: data is an EventBridge
// event, a bare CloudTrail record, or the output of lookup-events or a log file. If
// there is none, it returns a Call with the reason in Skipped. A part of data that cannot
// be read may hold another call, so it is an error.
func Call(ctx context.Context, data []byte) (cloudtrail.Call, error) {
	var (
		call      cloudtrail.Call
		malformed error
		unread    error // the first problem
		found     int
		records   int64
	)
	data = withoutBOM(data)
	scanner := logfile.NewScanner(logfile.Config{
		Calls: cloudtrail.Names(cloudtrail.Openings()...),
		Found: func(_ logfile.Source, r logfile.Record) error {
			if found++; found > 1 {
				return errSeveral
			}
			call, malformed = cloudtrail.Parse(r.JSON)
			return nil
		},
		Bad: func(p logfile.Problem) {
			if unread == nil {
				unread = errors.New(strings.TrimPrefix(p.Place+": "+p.Text, ": "))
			}
		},
	})
	for _, source := range logfile.Find([]string{"-"}, bytes.NewReader(data)).Sources {
		counts, err := scanner.Scan(ctx, source)
		if err != nil {
			return cloudtrail.Call{}, err
		}
		records += counts.Records
	}
	if found > 0 {
		return call, cmp.Or(unread, malformed)
	}
	// The parser has the best message for a single event or record that cannot be judged.
	// It reads no lists of records.
	call, malformed = cloudtrail.Parse(data, cloudtrail.Openings()...)
	var fault *cloudtrail.MalformedError
	if errors.As(malformed, &fault) && (fault.Field == "detail" || fault.Field == "event") {
		isJSON := jsontext.Value(data).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		switch {
		case unread != nil && isJSON:
			malformed = unread
		case unread == nil && fault.Field == "detail":
			return cloudtrail.Call{Skipped: fmt.Sprintf("none of its %s is of a call that can open a group", text.Plural(records, "record"))}, nil
		}
	}
	return call, malformed
}

// withoutBOM drops the byte order mark that some editors and shells write in front
// of UTF-8 text, and that JSON does not allow.
func withoutBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\ufeff")) }
