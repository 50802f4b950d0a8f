package localaws

import (
	"encoding/json"
	"strings"
	"time"

	"sgward/internal/finding"
	"sgward/localaws/snsapi"
)

// StepKind is the kind of a Step. The zero value is invalid.
type StepKind string

// The kinds of step, in the order of an event's way.
const (
	// StepCall is a write call to EC2 that CloudTrail records, by a client.
	StepCall StepKind = "call"
	// StepMatched and StepIgnored: whether a rule of the template matched the event.
	StepMatched StepKind = "matched"
	StepIgnored StepKind = "ignored"
	// StepDetected is an answer of a rule's target; Detection is set if it is one.
	StepDetected StepKind = "detected"
	// StepFunctionFailed is one try that ended in an error, crash or timeout.
	StepFunctionFailed StepKind = "function failed"
	// StepFiltered is a message that a queue's filter dropped.
	StepFiltered StepKind = "filtered"
	// StepDelivered is a batch of messages on its way into a function.
	StepDelivered StepKind = "delivered"
	// StepRevoked is a revoke by a function; ErrorCode is set if EC2 refused it.
	StepRevoked StepKind = "revoked"
	// StepAlerted is a message published to a topic; Message is set.
	StepAlerted StepKind = "alerted"
	// StepReturned is a message that will be delivered again.
	StepReturned StepKind = "returned"
	// StepDeadLetter is a message that went to a dead-letter queue.
	StepDeadLetter StepKind = "dead letter"
	// StepLost is a record that no destination accepted: on AWS only a metric shows it.
	StepLost StepKind = "lost"
)

// Step is one event in the stack. Fields that do not apply to its kind are zero.
type Step struct {
	Kind StepKind
	// At is the time since the stack started, by the monotonic clock.
	At time.Duration

	EventID   string // CloudTrail's eventID
	EventName string
	GroupID   string // of the security group that the call names; empty if it names none
	ErrorCode string // with CloudTrail's prefix: "Client.InvalidPermission.Duplicate"
	Record    json.RawMessage

	Function  string // logical id
	Rule      string // logical id of the event rule
	Queue     string // logical id
	Messages  int    // of a batch
	Duration  time.Duration
	Detection *finding.Detection
	Message   *snsapi.Message
	Reason    string
}

// Alert reads the machine-readable body of a StepAlerted; false if the message is
// not one of sgward's alerts.
func (s Step) Alert() (finding.Alert, bool) {
	var alert finding.Alert
	if s.Message == nil || json.Unmarshal([]byte(s.Message.For("default")), &alert) != nil {
		return finding.Alert{}, false
	}
	return alert, alert.SchemaVersion != ""
}

// cloudEvent holds the members of an event that the stack itself reads.
type cloudEvent struct {
	Region string `json:"region"`
	Detail struct {
		EventID      string `json:"eventID"`
		EventName    string `json:"eventName"`
		ErrorCode    string `json:"errorCode"`
		UserIdentity struct {
			AccessKeyID string `json:"accessKeyId"`
		} `json:"userIdentity"`
		RequestParameters struct {
			GroupID string `json:"groupId"`
			Modify  struct {
				GroupID string `json:"GroupId"`
			} `json:"ModifySecurityGroupRulesRequest"`
		} `json:"requestParameters"`
	} `json:"detail"`
}

func (e cloudEvent) groupID() string {
	if id := e.Detail.RequestParameters.GroupID; id != "" {
		return id
	}
	return e.Detail.RequestParameters.Modify.GroupID
}

func (e cloudEvent) step(kind StepKind) Step {
	return Step{
		Kind: kind, EventID: e.Detail.EventID, EventName: e.Detail.EventName,
		GroupID: e.groupID(), ErrorCode: e.Detail.ErrorCode,
	}
}

// isRevoke reports whether the call removes rules.
func (e cloudEvent) isRevoke() bool {
	return strings.HasPrefix(e.Detail.EventName, "RevokeSecurityGroup")
}

// eventOf reads an event as far as it can be read: the stack only labels with it.
func eventOf(raw []byte) cloudEvent {
	var e cloudEvent
	_ = json.Unmarshal(raw, &e) // a malformed event still travels; its label stays empty
	return e
}

// emit passes every step to the receiver, one at a time.
func (s *Stack) emit(step Step) {
	s.stepMu.Lock()
	defer s.stepMu.Unlock()
	step.At = time.Since(s.began)
	if s.cfg.OnStep != nil {
		s.cfg.OnStep(step)
	}
}
