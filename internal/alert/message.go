package alert

import (
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"sgward/internal/finding"
	"sgward/internal/text"
)

// Message is an alert in the forms that SNS delivers.
type Message struct {
	Subject string // ASCII, under 100 characters, no line break
	Default string // the JSON of finding.Alert, for programs
	Email   string // plain text
	HTTPS   string // the JSON of a chat notification
	// Attributes are for subscribers' filters, in the order of their names.
	Attributes []Attribute
}

// Attribute is one SNS message attribute. Value is never empty.
type Attribute struct {
	Name  string
	Type  string // "String", or "String.Array": a JSON list
	Value string
}

// NewMessage renders an alert that Complete has completed. If the JSON is too long, it
// leaves out the least urgent findings and counts them in FindingsOmitted; the texts say
// so. The only error is a value that JSON cannot represent, such as a time in the year
// 10000.
func NewMessage(a finding.Alert) (Message, error) {
	a = bounded(a)
	v := newView(&a)
	m := Message{Subject: v.subject(), Attributes: v.attributes()}
	room := maxMessage - maxMail - maxChat - len(m.Subject)
	for _, at := range m.Attributes {
		room -= len(at.Name) + len(at.Type) + len(at.Value)
	}
	var err error
	if m.Default, v.omitted, err = encoded(a, room); err != nil {
		return Message{}, err
	}
	m.Email = mail().text(v)
	if m.HTTPS, err = notificationOf(v); err != nil {
		return Message{}, err
	}
	return m, nil
}

// input returns the request that publishes the message.
func (m Message) input(topicARN string) (*sns.PublishInput, error) {
	body, err := m.body()
	if err != nil {
		return nil, err
	}
	in := &sns.PublishInput{
		TopicArn:          aws.String(topicARN),
		Subject:           aws.String(m.Subject),
		Message:           aws.String(body),
		MessageStructure:  aws.String("json"),
		MessageAttributes: make(map[string]types.MessageAttributeValue, len(m.Attributes)),
	}
	for _, at := range m.Attributes {
		in.MessageAttributes[at.Name] = types.MessageAttributeValue{DataType: aws.String(at.Type), StringValue: aws.String(at.Value)}
	}
	return in, nil
}

// body is the text of an SNS message with a variant for each protocol.
func (m Message) body() (string, error) {
	out, err := marshal(struct {
		Default string `json:"default"`
		Email   string `json:"email"`
		HTTPS   string `json:"https"`
	}{m.Default, m.Email, m.HTTPS})
	if err != nil {
		return "", fmt.Errorf("encoding SNS message: %w", err)
	}
	return out, nil
}

// attributes are computed over all findings, including those that a bounded message leaves
// out, so that no filter misses an alert. Ten are the most that SNS delivers to SQS as they
// are (https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html).
func (v *view) attributes() []Attribute {
	var statements, owners []string
	for i := range v.alert.Findings {
		statements = append(statements, v.alert.Findings[i].StatementID)
		owners = append(owners, v.alert.Findings[i].Owner)
	}
	e := v.alert.Event
	var callers []string
	if !v.isSweep && !v.isDigest && !v.isExpiry {
		callers = actors(e)
	}
	all := []Attribute{
		{"accountId", "String", attributeText(e.AccountID)},
		{"accountName", "String", v.account},
		{"actor", "String.Array", listAttribute(callers)},
		{"outcome", "String", string(v.outcome)},
		{"owner", "String.Array", listAttribute(owners)},
		{"region", "String", attributeText(e.Region)},
		{"repeat", "String", v.repeat()},
		{"severity", "String", v.severity.String()},
		{"statementId", "String.Array", listAttribute(statements)},
	}
	return slices.DeleteFunc(all, func(at Attribute) bool { return at.Value == "" })
}

// attributeText makes a text acceptable for an attribute.
func attributeText(s string) string { return text.Shown(s, maxID) }

// listAttribute is a JSON list of texts, sorted, each once, or "".
func listAttribute(texts []string) string {
	var list []string
	for _, s := range texts {
		if s = attributeText(s); s != "" {
			list = append(list, s)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	for n := min(len(list), maxValues); n > 0; n-- {
		if out, err := marshal(list[:n]); err == nil && len(out) <= maxListBytes {
			return out
		}
	}
	return ""
}
