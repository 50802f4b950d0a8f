package logfile

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The keys that distinguish forms.
const (
	recordsKey = "Records"         // of a log file: the list of records
	eventsKey  = "Events"          // of lookup-events: the list of events
	lookupKey  = "CloudTrailEvent" // of one of those: the record, in a string
	detailKey  = "detail"          // of an EventBridge event: the record
	versionKey = "eventVersion"    // of a record, nearly always the first
	nameKey    = "eventName"       // of a record
	insightKey = "insightDetails"  // of a record of unusual activity, which is not about one call
	digestKey  = "digestStartTime" // of a digest file

	identityKey = "userIdentity" // of a record
	requestKey  = "requestParameters"
	responseKey = "responseElements"
)

// The columns that mark a row of a table.
const (
	versionColumn = "eventversion"
	nameColumn    = "eventname"
)

// wanted describes the content of a source.
const wanted = `{"Records":[...]} as in CloudTrail's log files, EventBridge events, CloudTrail records, the output of lookup-events, or Athena's results`

// form is the form of an element.
type form uint8

const (
	unknown    form = iota
	bare            // a CloudTrail record
	event           // an EventBridge event around one
	lookup          // an event of lookup-events around one
	tableRow        // a row of a table of records
	otherEvent      // an EventBridge event of something else
	digest          // of CloudTrail
)

func (f form) holdsRecord() bool { return f == bare || f == event || f == lookup || f == tableRow }

// usual begins nearly every record that CloudTrail writes.
var usual = []byte(`{"` + versionKey + `":`)

// members calls visit with the members of an object until it returns false. The error is
// for text that is not JSON, as far as it was read.
//
// As other log readers do, it accepts repeated keys and bytes that are not UTF-8.
func members(object []byte, visit func(key string, value jsontext.Value) bool) error {
	in := jsontext.NewDecoder(bytes.NewBuffer(object), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if begin, err := in.ReadToken(); err != nil || begin.Kind() != jsontext.KindBeginObject {
		return notJSON(err)
	}
	for in.PeekKind() == jsontext.KindString {
		name, err := in.ReadToken()
		if err != nil {
			return notJSON(err)
		}
		key := name.String()
		value, err := in.ReadValue()
		if err != nil {
			return notJSON(err)
		}
		if !visit(key, value) {
			return nil
		}
	}
	_, err := in.ReadToken() // the end of the object
	return notJSON(err)
}

// notJSON describes a JSON error and its place, for people.
func notJSON(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &syntax):
		return fmt.Errorf("is not JSON: %w", err)
	case syntax.JSONPointer == "":
		return fmt.Errorf("is not JSON: %w", syntax.Err)
	default:
		return fmt.Errorf("is not JSON: %w in %s", syntax.Err, syntax.JSONPointer)
	}
}

// formOf identifies the form by the first key that only one form has. The error is for an
// object that is not JSON before any such key.
func formOf(object []byte) (f form, err error) {
	if bytes.HasPrefix(object, usual) {
		return bare, nil
	}
	err = members(object, func(key string, value jsontext.Value) bool {
		switch key {
		case versionKey, nameKey:
			f = bare
		case versionColumn, nameColumn:
			f = tableRow
		case lookupKey:
			f = lookup
		case digestKey:
			f = digest
		case detailKey:
			inner, _ := formOf(value) // it was read, so it is JSON
			switch {
			case inner == bare:
				f = event
			case value.Kind() == jsontext.KindBeginObject:
				f = otherEvent
			}
			return false // EventBridge itself writes an object
		}
		return f == unknown
	})
	return f, err
}

// isOf reports whether a record is of one of the calls. The error is for a record that is
// not JSON, and for one without a call's name: another tool has altered it.
func isOf(record []byte, calls []string) (of bool, err error) {
	said, altered := false, false
	err = members(record, func(key string, value jsontext.Value) bool {
		switch key {
		case nameKey:
			name, isString := text(value)
			of, said, altered = of || isString && slices.Contains(calls, name), true, altered || !isString
		case insightKey:
			said = true
		}
		return true
	})
	if err == nil && (altered || !said) {
		err = errUnnamed
	}
	return of && err == nil, err
}

var errUnnamed = errors.New(nameKey + ": want a string, the name of the call")

// text returns the text of a JSON string.
func text(value jsontext.Value) (string, bool) {
	if value.Kind() != jsontext.KindString {
		return "", false
	}
	s, err := jsontext.AppendUnquote(nil, value)
	return string(s), err == nil
}

// errLookup is for an event of lookup-events that does not hold a record.
var errLookup = errors.New(lookupKey + ": want a string that holds a CloudTrail record as JSON")

// recordIn returns the record in an element and whether it is of one of the calls.
func recordIn(element []byte, f form, calls []string) (record []byte, of bool, err error) {
	key := map[form]string{event: detailKey, lookup: lookupKey}[f]
	switch {
	case f == tableRow:
		if record, err = recordOfRow(element); err == nil {
			of, err = isOf(record, calls)
		}
		return record, of, err
	case key == "":
		if of, err = isOf(element, calls); of && hasText(element) {
			element, err = recordOfRow(element)
		}
		return element, of, err
	}
	var inner jsontext.Value
	if err := members(element, func(k string, value jsontext.Value) bool {
		if k == key && inner == nil {
			inner = bytes.Clone(value)
		}
		return true
	}); err != nil {
		return nil, false, err
	}
	if f == event {
		of, err = isOf(inner, calls)
		return element, of, err
	}
	s, _ := text(inner)
	if inside, _ := formOf([]byte(s)); inside != bare {
		return nil, false, errLookup
	}
	of, err = isOf([]byte(s), calls)
	return []byte(s), of, err
}

// describe describes an element, for people.
func describe(value []byte) string {
	switch value[0] {
	case '{':
	case '[':
		return "a list within a list"
	case '"':
		return "a string"
	default:
		return "only " + strconv.Quote(string(value[:min(len(value), mostShown)]))
	}
	var keys []string
	list := ""
	_ = members(value, func(key string, _ jsontext.Value) bool { // it is JSON
		switch {
		case key == recordsKey, key == eventsKey:
			list = key
			return false
		case len(keys) == mostKeys:
			keys = append(keys, "...")
			return false
		}
		keys = append(keys, strconv.Quote(key[:min(len(key), mostShown)]))
		return true
	})
	switch {
	case list != "":
		return fmt.Sprintf("an object whose %q is not a list", list)
	case len(keys) == 0:
		return "an empty object"
	}
	return "an object with " + strings.Join(keys, ", ")
}

// Limits on the text repeated from an element that is not a record.
const (
	mostKeys  = 5
	mostShown = 40
)
