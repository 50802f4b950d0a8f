package undo

import (
	"bytes"
	"encoding/json"
	jsonv2 "encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"strings"

	"sgward/internal/finding"
)

// mostNested limits the nesting of envelopes: SQS around SNS around the alert is three.
const mostNested = 6

// errNoAlert describes the expected input.
var errNoAlert = errors.New(`not an alert of sgward: want its JSON (with "schemaVersion" and "findings"), an SNS notification, ` +
	`or the messages that "aws sqs receive-message" prints`)

// envelope holds the members of the known forms that can contain an alert.
type envelope struct {
	SchemaVersion *string `json:"schemaVersion"`
	// SNS: as delivered, and as published for several protocols.
	Type    string  `json:"Type"`
	Message *string `json:"Message"`
	Default *string `json:"default"`
	// SQS: as the AWS CLI prints it, and as Lambda gets it. SNS gives Lambda "Sns".
	Messages []json.RawMessage `json:"Messages"`
	Records  []json.RawMessage `json:"Records"`
	Body     *string           `json:"body"` // in any case: "Body" of the CLI too
	Sns      json.RawMessage   `json:"Sns"`
}

// Read finds the alerts in JSON: bare alerts or in the envelopes of SNS and SQS, one after
// another or in a list. A part without one is an error that names its place; so is an
// alert of an unknown schema version.
func Read(data []byte) ([]finding.Alert, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("reading the alert: it is empty")
	}
	var out []finding.Alert
	dec := json.NewDecoder(bytes.NewReader(data))
	for n := 1; ; n++ {
		var value json.RawMessage
		err := dec.Decode(&value)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		place := "reading the alert"
		if n > 1 || err == nil && dec.More() {
			place = fmt.Sprintf("reading alert %d", n)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: it is not JSON: %w: the text of an e-mail or chat message holds no alert, but its id does: sgward undo ALERT-ID", place, err)
		}
		alerts, err := read(value, place, 0)
		if err != nil {
			return nil, err
		}
		out = append(out, alerts...)
	}
}

func read(value json.RawMessage, place string, depth int) ([]finding.Alert, error) {
	if depth > mostNested {
		return nil, fmt.Errorf("%s: it is within more than %d envelopes", place, mostNested)
	}
	if trimmed := bytes.TrimSpace(value); len(trimmed) > 0 && trimmed[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(value, &list); err != nil {
			return nil, fmt.Errorf("%s: %w", place, err)
		}
		return readAll(list, place+": ", depth)
	}
	var e envelope
	if err := json.Unmarshal(value, &e); err != nil {
		return nil, fmt.Errorf("%s: %w (%w)", place, errNoAlert, err)
	}
	within := func(text, name string) ([]finding.Alert, error) {
		if !json.Valid([]byte(text)) {
			return nil, fmt.Errorf("%s: %s is not JSON: the text of an e-mail or chat message holds no alert, but its id does: sgward undo ALERT-ID", place, name)
		}
		return read(json.RawMessage(text), place+": "+name, depth+1)
	}
	switch {
	case e.SchemaVersion != nil:
		a, err := alertOf(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", place, err)
		}
		return []finding.Alert{a}, nil
	case e.Message != nil && (e.Type == "" || e.Type == "Notification"):
		return within(*e.Message, "Message")
	case e.Default != nil:
		return within(*e.Default, "default")
	case e.Body != nil:
		return within(*e.Body, "body")
	case e.Sns != nil:
		return read(e.Sns, place+": Sns", depth+1)
	case len(e.Records) > 0:
		return readAll(e.Records, place+": Records", depth+1)
	case len(e.Messages) > 0:
		return readAll(e.Messages, place+": Messages", depth+1)
	default:
		return nil, fmt.Errorf("%s: %w", place, errNoAlert)
	}
}

func readAll(list []json.RawMessage, place string, depth int) ([]finding.Alert, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: %w", strings.TrimSuffix(place, ": "), errNoAlert)
	}
	var out []finding.Alert
	for i, value := range list {
		alerts, err := read(value, fmt.Sprintf("%s[%d]", place, i), depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, alerts...)
	}
	return out, nil
}

// alertOf reads an alert. A Detection has the same schema and findings, but nothing has
// been closed yet.
func alertOf(value json.RawMessage) (finding.Alert, error) {
	a, err := finding.ReadAlert(value)
	if err != nil {
		return finding.Alert{}, inWords(err)
	}
	for i := range a.Findings {
		if a.Findings[i].Outcome == "" {
			return finding.Alert{}, fmt.Errorf("findings[%d] has no outcome: this is detect's result and not an alert", i)
		}
	}
	return *a, nil
}

// inWords says why an alert cannot be read, by its field if one is wrong.
func inWords(err error) error {
	var other *finding.VersionError
	var wrong *jsonv2.SemanticError
	switch {
	case errors.Is(err, finding.ErrNoAlert):
		return errNoAlert
	case errors.As(err, &other):
		return err
	case !errors.As(err, &wrong) || wrong.JSONPointer == "":
		return fmt.Errorf("decoding the alert: %w", err)
	}
	field := strings.ReplaceAll(strings.TrimPrefix(string(wrong.JSONPointer), "/"), "/", ".")
	if wrong.Err != nil {
		return fmt.Errorf("the alert's %s: %w", field, wrong.Err)
	}
	return fmt.Errorf("the alert's %s is a JSON %s, which it cannot be", field, wrong.JSONKind)
}
