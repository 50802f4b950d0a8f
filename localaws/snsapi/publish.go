package snsapi

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sgward/localaws/awswire"
)

const (
	// maxMessageBytes is SNS's limit on a message, attributes included.
	maxMessageBytes = 262_144
	// maxSubjectRunes: the documentation says "less than 100 characters".
	maxSubjectRunes = 99
)

// Attribute is a message attribute.
type Attribute struct {
	DataType string // String, String.Array, Number, Binary
	Value    string
}

// Message is a published message.
type Message struct {
	ID         string
	TopicARN   string
	Subject    string
	Body       string // as published: with Structure "json", the JSON object
	Structure  string // "json" or empty
	Attributes map[string]Attribute
	Published  time.Time
	// AccessKey is the key that signed the call.
	AccessKey string
}

// For returns the text that a protocol ("https", "email", "sqs") receives.
func (m Message) For(protocol string) string {
	if m.Structure != "json" {
		return m.Body
	}
	var variants map[string]any
	if json.Unmarshal([]byte(m.Body), &variants) != nil {
		return m.Body // cannot be: Publish checked it
	}
	if text, ok := variants[protocol].(string); ok {
		return text
	}
	text, _ := variants["default"].(string)
	return text
}

func (s *Server) publish(r *http.Request) (any, *apiError) {
	m := Message{
		ID:        newUUID(),
		TopicARN:  r.Form.Get("TopicArn"),
		Subject:   r.Form.Get("Subject"),
		Body:      r.Form.Get("Message"),
		Structure: r.Form.Get("MessageStructure"),
		Published: s.cfg.Now(),
		AccessKey: awswire.AccessKey(r),
	}
	if m.TopicARN == "" {
		m.TopicARN = r.Form.Get("TargetArn")
	}
	var err *apiError
	if m.Attributes, err = attributes(r); err != nil {
		return nil, err
	}
	if err := check(m, r.Form.Has("Subject")); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if !s.topics[m.TopicARN] {
		s.mu.Unlock()
		return nil, &apiError{http.StatusNotFound, "NotFound", "Topic does not exist"}
	}
	s.messages = append(s.messages, m)
	s.mu.Unlock()
	if s.cfg.OnPublish != nil {
		s.cfg.OnPublish(m)
	}
	return struct {
		XMLName   xml.Name `xml:"PublishResult"`
		MessageID string   `xml:"MessageId"`
	}{MessageID: m.ID}, nil
}

// check applies SNS's rules to a message.
func check(m Message, hasSubject bool) *apiError {
	switch {
	case m.TopicARN == "":
		return invalid("TopicArn or TargetArn Reason: no value for required parameter")
	case m.Body == "":
		return invalid("Empty message")
	case !utf8.ValidString(m.Body):
		return invalid("Message Reason: not UTF-8")
	case hasSubject && !validSubject(m.Subject):
		return invalid("Subject")
	}
	size := len(m.Body)
	for name, a := range m.Attributes {
		size += len(name) + len(a.DataType) + len(a.Value)
	}
	if size > maxMessageBytes {
		return invalid("Message too long")
	}
	switch m.Structure {
	case "":
		return nil
	case "json":
		return checkVariants(m.Body)
	}
	return invalid("MessageStructure")
}

func checkVariants(body string) *apiError {
	var variants map[string]any
	if err := json.Unmarshal([]byte(body), &variants); err != nil {
		return invalid("Message Structure - JSON message body failed to parse")
	}
	if _, ok := variants["default"].(string); !ok {
		return invalid("Message Structure - No default entry in JSON message body")
	}
	return nil
}

// validSubject: it begins with a letter, number or punctuation mark, has no line
// breaks or control characters and is under 100 characters (SNS API, Publish).
func validSubject(subject string) bool {
	if subject == "" || !utf8.ValidString(subject) || utf8.RuneCountInString(subject) > maxSubjectRunes {
		return false
	}
	first, _ := utf8.DecodeRuneInString(subject)
	return first != ' ' && !strings.ContainsFunc(subject, unicode.IsControl)
}

// attributes reads MessageAttributes.entry.N; gaps end the list.
func attributes(r *http.Request) (map[string]Attribute, *apiError) {
	read := map[string]Attribute{}
	for n := 1; ; n++ {
		prefix := "MessageAttributes.entry." + strconv.Itoa(n) + "."
		name := r.Form.Get(prefix + "Name")
		if name == "" {
			return read, nil
		}
		a := Attribute{DataType: r.Form.Get(prefix + "Value.DataType"), Value: r.Form.Get(prefix + "Value.StringValue")}
		kind, _, _ := strings.Cut(a.DataType, ".")
		if kind == "Binary" {
			a.Value = r.Form.Get(prefix + "Value.BinaryValue")
		}
		switch {
		case kind != "String" && kind != "Number" && kind != "Binary":
			return nil, invalidAttribute(name, "has an invalid type "+a.DataType)
		case a.Value == "":
			return nil, invalidAttribute(name, "must contain a non-empty value")
		case a.DataType == "String.Array" && !isScalarArray(a.Value):
			return nil, invalidAttribute(name, "of type String.Array must be a JSON array of strings, numbers, booleans or null")
		case kind == "Number" && !isNumber(a.Value):
			return nil, invalidAttribute(name, "of type Number must be a number")
		}
		if _, twice := read[name]; twice {
			return nil, invalidAttribute(name, "is there twice")
		}
		read[name] = a
	}
}

func isScalarArray(text string) bool {
	var list []any
	if json.Unmarshal([]byte(text), &list) != nil || list == nil {
		return false
	}
	return !slices.ContainsFunc(list, func(v any) bool {
		switch v.(type) {
		case map[string]any, []any:
			return true
		}
		return false
	})
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

func invalid(what string) *apiError {
	return &apiError{http.StatusBadRequest, "InvalidParameter", "Invalid parameter: " + what}
}

func invalidAttribute(name, what string) *apiError {
	return &apiError{http.StatusBadRequest, "ParameterValueInvalid", fmt.Sprintf("The message attribute '%s' %s", name, what)}
}
