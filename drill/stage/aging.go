package stage

import (
	"bytes"
	"encoding/json"
	"time"
)

// The places of times in an event and in an invocation record with one.
var timePlaces = [][]string{
	{"timestamp"}, {"time"}, {"detail", "eventTime"},
	{"requestPayload", "time"}, {"requestPayload", "detail", "eventTime"},
	{"responsePayload", "event", "eventTime"},
}

// aged moves the times of an event, or of an invocation record, into the past.
func aged(raw []byte, by time.Duration) []byte {
	for _, place := range timePlaces {
		raw = changed(raw, place, func(old json.RawMessage) json.RawMessage {
			var at time.Time
			if json.Unmarshal(old, &at) != nil {
				return old
			}
			layout := "2006-01-02T15:04:05Z"
			if at.Nanosecond() != 0 {
				layout = "2006-01-02T15:04:05.000Z"
			}
			return json.RawMessage(`"` + at.Add(-by).UTC().Format(layout) + `"`)
		})
	}
	return raw
}

// changed replaces one member of a JSON object, at a place that may be missing.
func changed(raw []byte, place []string, change func(json.RawMessage) json.RawMessage) []byte {
	var object map[string]json.RawMessage
	if len(place) == 0 {
		return change(raw)
	}
	if json.Unmarshal(raw, &object) != nil || object[place[0]] == nil {
		return raw
	}
	object[place[0]] = changed(object[place[0]], place[1:], change)
	return encoded(object)
}

// with sets a member of a JSON object whose parents exist.
func with(raw []byte, place []string, value string) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return raw
	}
	member, inner := place[0], place[1:] //nolint:gosec // a place has one member or more
	if len(inner) == 0 {
		object[member] = json.RawMessage(value)
	} else {
		object[member] = with(object[member], inner, value)
	}
	return encoded(object)
}

func encoded(object map[string]json.RawMessage) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(object) != nil { // it was JSON before
		return nil
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
