package localaws

import (
	"cmp"
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
	// StepInvoked is a function that a person invokes, or a schedule would.
	StepInvoked StepKind = "invoked"
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
	// StepSent is a message that a function sends to a queue by itself; Detection is set if
	// it holds one. One to a dead-letter queue is a StepDeadLetter.
	StepSent StepKind = "sent"
	// StepRevoked is a revoke by a function; ErrorCode is set if EC2 refused it.
	StepRevoked StepKind = "revoked"
	// StepAlerted is a message published to a topic; Message is set.
	StepAlerted StepKind = "alerted"
	// StepHandled is a message that its function has dealt with.
	StepHandled StepKind = "handled"
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
	// GroupID is of the security group that the call names or made, GroupName its name in
	// the call, and ListID is the prefix list that the call edits: empty if the call has none.
	GroupID   string
	GroupName string
	ListID    string
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
			GroupID   string `json:"groupId"`
			GroupName string `json:"groupName"`
			Modify    struct {
				GroupID string `json:"GroupId"`
			} `json:"ModifySecurityGroupRulesRequest"`
			ModifyList  listEdit `json:"ModifyManagedPrefixListRequest"`
			RestoreList listEdit `json:"RestoreManagedPrefixListVersionRequest"`
		} `json:"requestParameters"`
		ResponseElements struct {
			GroupID string `json:"groupId"`
		} `json:"responseElements"`
	} `json:"detail"`
}

type listEdit struct {
	ID string `json:"PrefixListId"`
}

func (e cloudEvent) groupID() string {
	p := e.Detail.RequestParameters
	return cmp.Or(p.GroupID, p.Modify.GroupID, e.Detail.ResponseElements.GroupID)
}

func (e cloudEvent) step(kind StepKind) Step {
	return Step{
		Kind: kind, EventID: e.Detail.EventID, EventName: e.Detail.EventName,
		GroupID: e.groupID(), GroupName: e.Detail.RequestParameters.GroupName, ErrorCode: e.Detail.ErrorCode,
		ListID: cmp.Or(e.Detail.RequestParameters.ModifyList.ID, e.Detail.RequestParameters.RestoreList.ID),
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
