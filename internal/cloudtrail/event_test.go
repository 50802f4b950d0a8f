package cloudtrail_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/policy"
)

func TestTheActorOfAPolicyIsTheRoleBehindTheSession(t *testing.T) {
	session := cloudtrail.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/deploy/chosen-by-the-caller", SessionIssuerARN: "arn:aws:iam::123456789012:role/deploy"}
	assert.Equal(t, policy.Actor{Known: true, ARN: "arn:aws:iam::123456789012:role/deploy"}, session.Subject())
	user := cloudtrail.Actor{Type: "IAMUser", ARN: "arn:aws:iam::123456789012:user/me"}
	assert.Equal(t, policy.Actor{Known: true, ARN: user.ARN}, user.Subject())
	assert.Equal(t, policy.Actor{Known: true}, cloudtrail.Actor{Type: "AWSService", InvokedBy: "autoscaling.amazonaws.com"}.Subject(), "a service is known and has no ARN")
	assert.Equal(t, policy.Actor{}, cloudtrail.Actor{}.Subject(), "nobody is not known")
}

func TestAnActorWithoutARoleOrUserIsUnknown(t *testing.T) {
	for name, a := range map[string]cloudtrail.Actor{
		"a session without its issuer":         {Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/deploy/me"},
		"a federated user without the issuer":  {Type: "FederatedUser", ARN: "arn:aws-cn:sts::123456789012:federated-user/me"},
		"a user without an ARN":                {Type: "IAMUser"},
		"a role without an ARN":                {Type: "AssumedRole"},
		"an account":                           {Type: "AWSAccount"},
		"whom CloudTrail does not know either": {Type: "Unknown"},
	} {
		assert.Equal(t, policy.Actor{}, a.Subject(), name)
	}
	service := cloudtrail.Actor{InvokedBy: "autoscaling.amazonaws.com"}
	assert.Equal(t, policy.Actor{Known: true}, service.Subject(), "of which some records tell no type")
	root := cloudtrail.Actor{Type: "Root", ARN: "arn:aws:iam::123456789012:root", InvokedBy: "autoscaling.amazonaws.com"}
	assert.Equal(t, policy.Actor{Known: true, ARN: root.ARN}, root.Subject())
}

func TestTheTextsOfAForgedEventAreCut(t *testing.T) {
	long := strings.Repeat("ü", 50_000)
	text := `"` + long + `"`
	forged := func(rec fields) fields {
		return rec.with("eventID", text).with("awsRegion", text).with("recipientAccountId", text).with("sourceIPAddress", text).with("userAgent", text).
			with("userIdentity", `{"type":`+text+`,"arn":`+text+`,"invokedBy":`+text+`,"accountId":`+text+`,"sessionContext":{"sessionIssuer":{"arn":`+text+`}}}`)
	}
	byName := successful("AuthorizeSecurityGroupIngress", `{"groupName":`+text+`,"groupId":`+text+`,"ipPermissions":{"items":[`+mysqlWorld+`]}}`, oldAnswer)
	for name, rec := range map[string]fields{
		"judged": forged(byName), "skipped": forged(byName).with("eventName", text), "failed": forged(byName).with("errorCode", text),
	} {
		for _, data := range [][]byte{rec.JSON(t), envelope(rec.without("recipientAccountId").JSON(t)).with("account", text).JSON(t)} {
			c, err := cloudtrail.Parse(data)
			require.NoError(t, err)
			assert.LessOrEqual(t, len(c.UserAgent), 1024, name)
			assert.LessOrEqual(t, len(c.Group.ID)+len(c.Group.Name), 4096, name)
			encoded, err := json.Marshal(c.Event)
			require.NoError(t, err)
			assert.Less(t, len(encoded), 20_000, name)
			assert.NotContains(t, string(encoded), "\ufffd", name)
			assert.True(t, strings.HasSuffix(c.Actor.ARN, "…") && utf8.ValidString(c.Actor.ARN), name)
		}
	}
	_, err := cloudtrail.Parse(forged(byName).without("eventTime").JSON(t))
	assert.Less(t, len(requireMalformed(t, err).Error()), 3000)
}

func TestAnEventIsWrittenInTheWordsOfCloudTrail(t *testing.T) {
	encoded, err := json.Marshal(parse(t, opening()).Event)
	require.NoError(t, err)
	assert.Equal(t, `{"eventId":"`+eventID+`","eventName":"AuthorizeSecurityGroupIngress","eventTime":"2026-11-03T09:15:42Z","accountId":"`+account+`",`+
		`"region":"`+region+`","actor":{"type":"IAMUser","arn":"`+aliceARN+`"},"sourceIpAddress":"198.51.100.7","userAgent":"`+userAgent+`"}`, string(encoded))
	encoded, err = json.Marshal(cloudtrail.Event{})
	require.NoError(t, err)
	assert.Equal(t, `{"eventId":"","eventName":"","eventTime":"0001-01-01T00:00:00Z","accountId":"","region":"","actor":{}}`, string(encoded))
}
