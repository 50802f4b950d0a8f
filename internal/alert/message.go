package alert

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

const (
	// maxSNS is SNS's limit in bytes for a message with all its variants and
	// attributes (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html).
	maxSNS = 262_144
	// maxMessage is what we allow ourselves: some room for what SNS may count.
	maxMessage = 256_000
	// maxSubject is SNS's limit for a subject, which must stay under 100.
	maxSubject = 99
	// maxStatements and maxStatementBytes bound the attribute statementId.
	maxStatements     = 200
	maxStatementBytes = 8_000
)

// Message is an alert in the forms that SNS delivers.
type Message struct {
	Subject string // ASCII, under 100 characters, no line break
	Default string // the JSON of finding.Alert, for programs
	Email   string // plain text
	HTTPS   string // the JSON of a chat notification
	// Attributes are what subscribers filter on, in the order of their names.
	Attributes []Attribute
}

// Attribute is one SNS message attribute. Value is never empty.
type Attribute struct {
	Name  string
	Type  string // "String", or "String.Array": a JSON list
	Value string
}

// NewMessage renders an alert that Complete has completed. Findings that have no
// room in the JSON are left out, the least urgent ones, and counted in
// FindingsOmitted; the texts say so. It is an error only where JSON cannot carry a
// value, such as a time in the year 10000.
func NewMessage(a finding.Alert) (Message, error) {
	a = bounded(a)
	m := Message{Subject: headline(&a, maxSubject), Attributes: attributes(&a)}
	room := maxMessage - maxMail - maxChat - m.attributesSize() - len(m.Subject)
	omitted, text, err := fit(a, room)
	if err != nil {
		return Message{}, err
	}
	m.Default = text
	// The texts count over all findings, also those that the JSON leaves out.
	a.FindingsOmitted = omitted
	m.Email = mail(&a)
	if m.HTTPS, err = chat(&a); err != nil {
		return Message{}, err
	}
	return m, nil
}

// Input returns the request that publishes the message.
func (m Message) Input(topicARN string) (*sns.PublishInput, error) {
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
	text, err := marshal(struct {
		Default string `json:"default"`
		Email   string `json:"email"`
		HTTPS   string `json:"https"`
	}{m.Default, m.Email, m.HTTPS})
	if err != nil {
		return "", fmt.Errorf("encoding SNS message: %w", err)
	}
	return text, nil
}

func (m Message) attributesSize() int {
	n := 0
	for _, at := range m.Attributes {
		n += len(at.Name) + len(at.Type) + len(at.Value)
	}
	return n
}

// attributes are computed over all findings, also those that a bounded message
// leaves out, so that no filter misses an alert.
func attributes(a *finding.Alert) []Attribute {
	var out []Attribute
	put := func(name, kind, value string) {
		if value != "" {
			out = append(out, Attribute{name, kind, value})
		}
	}
	put("accountId", "String", attributeText(a.Event.AccountID))
	put("outcome", "String", string(worstOutcome(a)))
	put("region", "String", attributeText(a.Event.Region))
	put("severity", "String", worstSeverity(a).String())
	put("statementId", "String.Array", statementIDs(a))
	return out
}

// attributeText makes a text one that an attribute can carry.
func attributeText(s string) string { return text.Cut(text.Visible(s), 256) }

// statementIDs is a JSON list of the statements that decided, sorted, or "".
func statementIDs(a *finding.Alert) string {
	var ids []string
	for i := range a.Findings {
		if id := attributeText(a.Findings[i].StatementID); id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	ids = ids[:min(len(ids), maxStatements)]
	for len(ids) > 0 {
		if text, err := marshal(ids); err == nil && len(text) <= maxStatementBytes {
			return text
		}
		ids = ids[:len(ids)-1]
	}
	return ""
}

// worstSeverity is the severity that decides who is woken. Exempt findings count
// only where there is nothing else.
func worstSeverity(a *finding.Alert) policy.Severity {
	worst := policy.Low
	for i := range a.Findings {
		r := &a.Findings[i]
		switch {
		case r.Outcome == finding.OutcomeExempt:
		case r.Severity == policy.NoSeverity: // nobody has said that it may wait
			return policy.Critical
		default:
			worst = max(worst, r.Severity)
		}
	}
	return worst
}

// worstOutcome is the first of finding.OutcomesWorstFirst that occurs.
func worstOutcome(a *finding.Alert) finding.Outcome {
	rank := len(finding.OutcomesWorstFirst()) - 1
	for i := range a.Findings {
		rank = min(rank, outcomeRank(a.Findings[i].Outcome))
	}
	return finding.OutcomesWorstFirst()[rank]
}

// encodedSize is the length of s as a JSON string, quotes and all.
func encodedSize(s string) int {
	n := len(`""`)
	for _, r := range s {
		switch {
		case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t' || r == '\b' || r == '\f':
			n += 2
		case r < ' ' || r == '\u2028' || r == '\u2029' || r == utf8.RuneError:
			n += 6
		default:
			n += utf8.RuneLen(r)
		}
	}
	return n
}
