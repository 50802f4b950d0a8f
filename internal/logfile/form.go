package logfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sgward/internal/jsonscan"
)

// The keys that tell forms apart.
const (
	recordsKey = "Records"         // of a log file: the list of records
	eventsKey  = "Events"          // of lookup-events: the list of events
	lookupKey  = "CloudTrailEvent" // of one of those: the record, in a string
	detailKey  = "detail"          // of an EventBridge event: the record
	versionKey = "eventVersion"    // of a record, nearly always the first
	nameKey    = "eventName"       // of a record
	insightKey = "insightDetails"  // of a record of unusual activity, which is of no call
	digestKey  = "digestStartTime" // of a digest file
)

// wanted says what a source should hold.
const wanted = `{"Records":[...]} as in CloudTrail's log files, EventBridge events, CloudTrail records, or the output of lookup-events`

// form is what an element is.
type form uint8

const (
	unknown    form = iota
	bare            // a CloudTrail record
	event           // an EventBridge event around one
	lookup          // an event of lookup-events around one
	otherEvent      // an EventBridge event of something else
	digest          // of CloudTrail's
)

func (f form) holdsRecord() bool { return f == bare || f == event || f == lookup }

// usual begins nearly every record that CloudTrail writes.
var usual = []byte(`{"` + versionKey + `":`)

// formOf tells forms apart by the first key of an object that only one of them has.
func formOf(object []byte) form {
	if bytes.HasPrefix(object, usual) {
		return bare
	}
	for key, rest := range jsonscan.Members(object) {
		switch string(key) {
		case versionKey, nameKey:
			return bare
		case lookupKey:
			return lookup
		case detailKey:
			switch {
			case formOf(rest) == bare:
				return event
			case rest[0] == '{':
				return otherEvent
			}
			return unknown // EventBridge itself writes an object
		case digestKey:
			return digest
		}
	}
	return unknown
}

// isOf tells whether a record is of one of the calls. The error is told of a record
// that does not say which call it is of, as CloudTrail's do: another tool has altered it.
func isOf(record []byte, calls []string) (of bool, err error) {
	said := false
	for key, rest := range jsonscan.Members(record) {
		switch string(key) {
		case nameKey:
			var name *string
			if json.Unmarshal(jsonscan.First(rest), &name) != nil || name == nil {
				return false, errUnnamed
			}
			of, said = of || slices.Contains(calls, *name), true
		case insightKey:
			said = true
		}
	}
	if !said {
		return false, errUnnamed
	}
	return of, nil
}

var errUnnamed = errors.New(nameKey + ": want a string, the name of the call")

// member returns the value of an object's first member of that key, nil without one.
func member(object []byte, want string) []byte {
	for key, rest := range jsonscan.Members(object) {
		if string(key) == want {
			return jsonscan.First(rest)
		}
	}
	return nil
}

// errLookup is told of an event of lookup-events that has something else where its
// record should be.
var errLookup = errors.New(lookupKey + ": want a string that holds a CloudTrail record as JSON")

// lookedUp returns the record in an event of lookup-events.
func lookedUp(object []byte) ([]byte, error) {
	var text string
	if err := json.Unmarshal(member(object, lookupKey), &text); err != nil {
		return nil, errLookup
	}
	if formOf([]byte(text)) != bare {
		return nil, errLookup
	}
	return []byte(text), nil
}

// describe says what an element is, for people.
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
	for key := range jsonscan.Members(value) {
		if s := string(key); s == recordsKey || s == eventsKey {
			return fmt.Sprintf("an object whose %q is no list", s)
		}
		if len(keys) == mostKeys {
			keys = append(keys, "...")
			break
		}
		keys = append(keys, strconv.Quote(string(key[:min(len(key), mostShown)])))
	}
	if len(keys) == 0 {
		return "an empty object"
	}
	return "an object with " + strings.Join(keys, ", ")
}

// How much of what is no record is repeated.
const (
	mostKeys  = 5
	mostShown = 40
)
