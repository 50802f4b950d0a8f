package alert

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
)

func TestActorsAreNamedByWhatTheyCannotChoose(t *testing.T) {
	say := func(a cloudtrail.Actor) string {
		return shown(newView(&finding.Alert{Event: cloudtrail.Event{Actor: a}}).caller(limits{}).items[0].text)
	}
	role := "arn:aws:iam::123456789012:role/teams/Developer"
	session := "arn:aws:sts::123456789012:assumed-role/Developer/alice"
	for want, a := range map[string]cloudtrail.Actor{
		`The role "` + role + `", session "alice" (a name that the caller chose).`: {Type: "AssumedRole", ARN: session, SessionIssuerARN: role},
		`The role "Developer", session "alice" (a name that the caller chose).`:    {Type: "AssumedRole", ARN: session},
		`"arn:aws:iam::123456789012:user/bob".`:                                    {Type: "IAMUser", ARN: "arn:aws:iam::123456789012:user/bob"},
		`The account's ROOT user, "arn:aws:iam::123456789012:root".`:               {Type: "Root", ARN: "arn:aws:iam::123456789012:root"},
		`The AWS service "autoscaling.amazonaws.com".`:                             {Type: "AWSService", InvokedBy: "autoscaling.amazonaws.com"},
		`The role "` + role + `", through "cloudformation.amazonaws.com".`:         {SessionIssuerARN: role, InvokedBy: "cloudformation.amazonaws.com"},
		`The record does not say who made the call.`:                               {},
		`A caller of type WebIdentityUser that the record does not name.`:          {Type: "WebIdentityUser"},
	} {
		assert.Equal(t, want, say(a))
	}
}
