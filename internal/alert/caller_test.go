package alert

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/cloudtrail"
)

func TestCallersAreNamedInFewWords(t *testing.T) {
	role := "arn:aws:iam::123456789012:role/teams/Developer"
	session := "arn:aws:sts::123456789012:assumed-role/Developer/alice"
	center := "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Developer_0123456789abcdef"
	for want, a := range map[string]cloudtrail.Actor{
		`"alice" (unverified), role Developer`:                    {Type: "AssumedRole", ARN: session, SessionIssuerARN: role},
		`"bob" (unverified), role Admin`:                          {Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/Admin/bob"},
		`"alice", role AWSReservedSSO_Developer_0123456789abcdef`: {ARN: session, SessionIssuerARN: center},
		`user bob`:                               {Type: "IAMUser", ARN: "arn:aws:iam::123456789012:user/bob"},
		`user "ops/bob.b"`:                       {Type: "IAMUser", ARN: "arn:aws:iam::123456789012:user/ops/bob.b"},
		`the account's ROOT user`:                {Type: "Root", ARN: "arn:aws:iam::123456789012:root"},
		`the AWS service autoscaling`:            {Type: "AWSService", InvokedBy: "autoscaling.amazonaws.com"},
		`role Developer, through cloudformation`: {SessionIssuerARN: role, InvokedBy: "cloudformation.amazonaws.com"},
		`not named by the record`:                {},
		`a caller of type WebIdentityUser that the record does not name`: {Type: "WebIdentityUser"},
		`"x:user"`: {ARN: "x:user"},
	} {
		assert.Equal(t, want, shown(caller(cloudtrail.Event{Actor: a})))
	}
}

func TestProgramsAreNamedAsPeopleKnowThem(t *testing.T) {
	for agent, want := range map[string]string{
		"aws-cli/2.31.0 md/awscrt#0.27.6": "aws-cli", "Boto3/1.40.1 md/Botocore": "Boto3",
		"APN/1.0 HashiCorp/1.0 Terraform/1.13.1 (+https://www.terraform.io)": "Terraform",
		"Mozilla/5.0 (X11; Linux x86_64)":                                    "the console", "console.amazonaws.com": "the console",
		"cloudformation.amazonaws.com": "", "<!channel>/1": "", "": "",
	} {
		assert.Equal(t, want, program(agent))
	}
}

func TestTheCallsAuthorCanBeRoutedByARNAndByName(t *testing.T) {
	e := alertOf().Event
	assert.Equal(t, []string{"arn:aws:iam::123456789012:role/teams/Developer", "alice@example.com"}, actors(e))
	assert.Equal(t, []string{"autoscaling.amazonaws.com"}, actors(cloudtrail.Event{Actor: cloudtrail.Actor{InvokedBy: "autoscaling.amazonaws.com"}}))
}
