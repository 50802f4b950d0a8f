// Package cloudtrail reads CloudTrail records and gives the security group rules
// that a call made, one peer each. It judges nothing. A record it does not
// understand is a *MalformedError that names the field, never an empty result.
package cloudtrail

import (
	"fmt"
	"time"

	"sgward/internal/secgroup"
)

// RulesFrom says where the rules of a Change come from. The zero value means that
// the record does not tell them.
type RulesFrom uint8

// The sources of rules.
const (
	// RulesUnknown: the record leaves out what the call made; read the group.
	RulesUnknown RulesFrom = iota
	// RulesFromRequest: what the caller typed. EC2 may have stored it otherwise.
	RulesFromRequest
	// RulesFromResponse: what EC2 stored, with rule ids.
	RulesFromResponse
)

// Record is what a CloudTrail record says of a call whatever it was to: which, when,
// where and by whom.
type Record struct {
	EventID   string
	EventName string
	EventTime time.Time // whole seconds, UTC
	// AccountID is the account that received the record, 12 digits: where to act.
	// Calls on security groups and prefix lists reach those of the caller's own
	// account only, so what was changed lives there; accounts with which it is shared
	// get no record. It is recipientAccountId; where that is absent (EventBridge
	// copies up to 2021) the envelope's account, else the owner that EC2's answer
	// states, else the caller's.
	AccountID       string
	Region          string // awsRegion, else the envelope's region
	Actor           Actor
	SourceIPAddress string // an address, a service name or "AWS Internal"
	UserAgent       string

	// Skipped is set where the record changed nothing of what is asked for: the call
	// failed, only tried (dry run), or was another one. It says why, and all fields
	// that tell of the change are then zero. The fields above hold what could be read:
	// nothing of a skipped record is malformed but its JSON and the fields that tell
	// that it is to be skipped.
	Skipped string
	// Failed is set beside Skipped where the record has an errorCode: EC2 refused the
	// call, or only tried it.
	Failed bool
}

// Change is what one successful call did to the rules of one group. It is Skipped
// where the call opened nothing that sgward judges.
type Change struct {
	Record

	// GroupID is empty where the record names the group by GroupName only, or not
	// at all.
	GroupID   string
	GroupName string
	RulesFrom RulesFrom
	// Rules is empty where RulesFrom is RulesUnknown, else not. They have the zero
	// Direction where Edited is set: the record of ModifySecurityGroupRules does not
	// tell it. The peer of a rule from a request that names its source group by name
	// only is a GroupPeer with that name for an id: it has no address, so it is never
	// the world, and EC2 lets no name begin with "sg-".
	Rules []secgroup.Rule
	// Edited is set for ModifySecurityGroupRules: the rules existed before with
	// values that the record does not tell.
	Edited bool
}

// Group returns the id of the group, else its name, else "".
func (c Change) Group() string {
	if c.GroupID != "" {
		return c.GroupID
	}
	return c.GroupName
}

// Actor is who made the call. Every field may be empty: some calls that AWS makes
// itself name the service and nothing else.
type Actor struct {
	Type             string // IAMUser, AssumedRole, Root, AWSService, ...; may be empty
	ARN              string
	SessionIssuerARN string // the role's own ARN, for sessions
	InvokedBy        string // the AWS service that made the call for the actor
}

// MalformedError says that a record cannot be understood.
type MalformedError struct {
	// Field is the path of the offending field, such as
	// "detail.requestParameters.ipPermissions.items[0].ipRanges".
	Field string
	// Problem says what is there and what would be right. Strangers' text in it is
	// quoted and cut.
	Problem string
	// EventID is the record's id where it could be read.
	EventID string
}

// Error names the event, the field and the problem.
func (e *MalformedError) Error() string {
	if e.EventID == "" {
		return fmt.Sprintf("reading CloudTrail record: %s: %s", e.Field, e.Problem)
	}
	return fmt.Sprintf("reading CloudTrail record %s: %s: %s", e.EventID, e.Field, e.Problem)
}
