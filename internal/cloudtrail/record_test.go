package cloudtrail_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
)

// opening is the record of a complete opening of MySQL to the world.
func opening() fields {
	return successful("AuthorizeSecurityGroupIngress", asked(mysqlWorld), answered(stored("false", mysql, `"cidrIpv4":"0.0.0.0/0"`)))
}

func TestEventTellsWhoDidWhatWhenAndWhere(t *testing.T) {
	c, err := cloudtrail.Parse(complete(t))
	require.NoError(t, err)
	assert.Equal(t, eventID, c.EventID)
	assert.Equal(t, "AuthorizeSecurityGroupIngress", c.EventName)
	assert.Equal(t, time.Date(2026, 11, 3, 9, 15, 42, 0, time.UTC), c.EventTime)
	assert.Equal(t, account, c.AccountID)
	assert.Equal(t, region, c.Region)
	assert.Equal(t, "198.51.100.7", c.SourceIPAddress)
	assert.Equal(t, userAgent, c.UserAgent)
	assert.Equal(t, cloudtrail.Actor{
		Type:             "AssumedRole",
		ARN:              "arn:aws:sts::123456789012:assumed-role/deploy/deploy-4711",
		SessionIssuerARN: "arn:aws:iam::123456789012:role/deploy",
	}, c.Actor)
	assert.Equal(t, []string{"ingress tcp 3306 from 0.0.0.0/0 / replica"}, said(c.Rules))
}

func TestEventAndItsDetailGiveTheSameChange(t *testing.T) {
	rec := opening().JSON(t)
	fromEvent, err := cloudtrail.Parse(envelope(rec).JSON(t))
	require.NoError(t, err)
	fromRecord, err := cloudtrail.Parse(rec)
	require.NoError(t, err)
	assert.Equal(t, fromRecord, fromEvent)
}

func TestAReplayIsNamed(t *testing.T) {
	event := envelope(opening().JSON(t)).with("replay-name", `"archive-2026"`)
	c, err := cloudtrail.Parse(event.JSON(t))
	require.NoError(t, err)
	assert.Equal(t, "archive-2026", c.ReplayName)
	encoded, err := json.Marshal(c.Event)
	require.NoError(t, err)
	assert.Contains(t, string(encoded), `"replayName":"archive-2026"`)
	c, err = cloudtrail.Parse(event.with("replay-name", `"`+strings.Repeat("x", 70_000)+`"`).JSON(t))
	require.NoError(t, err)
	assert.Len(t, c.ReplayName, 64)
	_, err = cloudtrail.Parse(event.with("replay-name", `7`).JSON(t))
	assert.Equal(t, "replay-name", requireMalformed(t, err).Field)
	c, err = cloudtrail.Parse(opening().with("replay-name", `"not the envelope's"`).JSON(t))
	require.NoError(t, err)
	assert.Empty(t, c.ReplayName)
}

func TestActorIsReadFromEveryKindOfIdentity(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Admin_0123456789abcdef"
	for _, test := range []struct {
		name, identity string
		want           cloudtrail.Actor
	}{
		{"user", `{"type":"IAMUser","arn":"` + aliceARN + `"}`, cloudtrail.Actor{Type: "IAMUser", ARN: aliceARN}},
		{
			"user in the console", `{"type":"IAMUser","arn":"` + aliceARN + `","sessionContext":{"sessionIssuer":{},"webIdFederationData":{},"attributes":{}}}`,
			cloudtrail.Actor{Type: "IAMUser", ARN: aliceARN},
		},
		{
			"session context without an issuer", `{"type":"IAMUser","arn":"` + aliceARN + `","sessionContext":{"attributes":{"mfaAuthenticated":"false"}}}`,
			cloudtrail.Actor{Type: "IAMUser", ARN: aliceARN},
		},
		{
			"role through single sign-on", `{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/x/bob","sessionContext":{"sessionIssuer":{"type":"Role","arn":"` + role + `"},"ec2RoleDelivery":"2.0"}}`,
			cloudtrail.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/x/bob", SessionIssuerARN: role},
		},
		{
			"root, for a service", `{"type":"Root","arn":"arn:aws:iam::123456789012:root","invokedBy":"autoscaling.amazonaws.com"}`,
			cloudtrail.Actor{Type: "Root", ARN: "arn:aws:iam::123456789012:root", InvokedBy: "autoscaling.amazonaws.com"},
		},
		{"service", `{"type":"AWSService","invokedBy":"elasticmapreduce.amazonaws.com"}`, cloudtrail.Actor{Type: "AWSService", InvokedBy: "elasticmapreduce.amazonaws.com"}},
		{"no type", `{"accountId":"123456789012","invokedBy":"ec2.amazonaws.com"}`, cloudtrail.Actor{InvokedBy: "ec2.amazonaws.com"}},
		{"another account", `{"type":"AWSAccount","principalId":"AIDAEXAMPLE","accountId":"111122223333"}`, cloudtrail.Actor{Type: "AWSAccount"}},
		{"nulls", `{"type":null,"arn":null,"sessionContext":null,"invokedBy":null}`, cloudtrail.Actor{}},
		{"null issuer", `{"sessionContext":{"sessionIssuer":null}}`, cloudtrail.Actor{}},
		{"empty", `{}`, cloudtrail.Actor{}},
		{"null", `null`, cloudtrail.Actor{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, parse(t, opening().with("userIdentity", test.identity)).Actor)
		})
	}
	assert.Equal(t, cloudtrail.Actor{}, parse(t, opening().without("userIdentity")).Actor)
}

func TestServiceNamesInPlaceOfAddressesAreKept(t *testing.T) {
	c := parse(t, opening().with("sourceIPAddress", `"AWS Internal"`).with("userAgent", `"cloudformation.amazonaws.com"`))
	assert.Equal(t, "AWS Internal", c.SourceIPAddress)
	assert.Equal(t, "cloudformation.amazonaws.com", c.UserAgent)
	c = parse(t, opening().without("sourceIPAddress", "userAgent"))
	assert.Empty(t, c.SourceIPAddress)
	assert.Empty(t, c.UserAgent)
}

func TestEventTimeIsWholeSecondsInUTC(t *testing.T) {
	want := time.Date(2026, 11, 3, 9, 15, 42, 0, time.UTC)
	for _, s := range []string{"2026-11-03T09:15:42Z", "2026-11-03T10:15:42+01:00", "2026-11-03T09:15:42.999Z"} {
		assert.Equal(t, want, parse(t, opening().with("eventTime", `"`+s+`"`)).EventTime, s)
	}
}

func TestAccountIsThatOfTheGroup(t *testing.T) {
	const other, identity = "111122223333", `{"type":"IAMUser","accountId":"111122223333"}`
	parseEvent := func(rec fields, change func(fields)) string {
		event := envelope(rec.JSON(t))
		change(event)
		c, err := cloudtrail.Parse(event.JSON(t))
		require.NoError(t, err)
		return c.AccountID
	}
	t.Run("the recipient before the envelope", func(t *testing.T) {
		assert.Equal(t, account, parseEvent(opening().with("userIdentity", identity), func(e fields) { e["account"] = `"` + other + `"` }))
	})
	t.Run("the envelope before the owner", func(t *testing.T) {
		assert.Equal(t, other, parseEvent(opening().without("recipientAccountId"), func(e fields) { e["account"] = `"` + other + `"` }))
	})
	t.Run("the owner before the caller", func(t *testing.T) {
		rec := opening().without("recipientAccountId").with("userIdentity", identity)
		assert.Equal(t, account, parseEvent(rec, func(e fields) { delete(e, "account") }))
		assert.Equal(t, account, parse(t, rec).AccountID)
	})
	t.Run("the caller where nothing else is known", func(t *testing.T) {
		rec := successful("AuthorizeSecurityGroupIngress", asked(mysqlWorld), oldAnswer)
		assert.Equal(t, other, parse(t, rec.without("recipientAccountId").with("userIdentity", identity)).AccountID)
	})
}

func TestRegionIsTheRecordsElseTheEnvelopes(t *testing.T) {
	event := envelope(opening().JSON(t)).with("region", `"eu-central-1"`)
	c, err := cloudtrail.Parse(event.JSON(t))
	require.NoError(t, err)
	assert.Equal(t, region, c.Region)
	event = envelope(opening().without("awsRegion").JSON(t)).with("region", `"eu-central-1"`)
	c, err = cloudtrail.Parse(event.JSON(t))
	require.NoError(t, err)
	assert.Equal(t, "eu-central-1", c.Region)
}

func TestRecordThatOpensNothingIsSkipped(t *testing.T) {
	for _, test := range []struct {
		name string
		rec  fields
		why  string
	}{
		{"denied", opening().with("errorCode", `"Client.UnauthorizedOperation"`), "the call failed: Client.UnauthorizedOperation"},
		{"dry run", opening().with("errorCode", `"Client.DryRunOperation"`).with("responseElements", `null`), "the call failed: Client.DryRunOperation"},
		{"no prefix", opening().with("errorCode", `"RequestExpired"`), "the call failed: RequestExpired"},
		{"empty error", opening().with("errorCode", `""`), "the call failed"},
		{"error of an odd kind", opening().with("errorCode", `{"code":1}`), "the call failed"},
		{"refused", opening().with("responseElements", `{"_return":false}`), "the call failed: EC2 answered false"},
		{"hostile error", opening().with("errorCode", `"\u001b[31m<!channel>"`), `the call failed: "\x1b[31m<!channel>"`},
		{"revoke", opening().with("eventName", `"RevokeSecurityGroupIngress"`), "the call is RevokeSecurityGroupIngress, which is not judged"},
		{"read", opening().with("eventName", `"DescribeSecurityGroups"`), "the call is DescribeSecurityGroups, which is not judged"},
		{"other case", opening().with("eventName", `"authorizeSecurityGroupIngress"`), "the call is authorizeSecurityGroupIngress, which is not judged"},
		{"other service", opening().with("eventSource", `"rds.amazonaws.com"`), `the call was to "rds.amazonaws.com", not to EC2`},
		{"no service", opening().without("eventSource"), "the record has no eventSource, so it may not be a call to EC2"},
		{"null service", opening().with("eventSource", `null`), "the record has no eventSource, so it may not be a call to EC2"},
		{"no call", opening().with("eventType", `"AwsServiceEvent"`), `the record is of eventType "AwsServiceEvent", not of an API call`},
		{"only text", successful("ModifySecurityGroupRules", edited(editsOnlyText), editAnswer), "only descriptions were edited"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, c := range []cloudtrail.Call{parse(t, test.rec), parseEvent(t, test.rec)} {
				assert.Equal(t, test.why, c.Skipped)
				assert.Equal(t, eventID, c.EventID)
				assert.Equal(t, account, c.AccountID)
				assert.Equal(t, region, c.Region)
				assert.Equal(t, aliceARN, c.Actor.ARN)
				assert.Equal(t, 2026, c.EventTime.Year())
				assert.Empty(t, c.Group.ID)
				assert.Empty(t, c.Rules)
			}
		})
	}
}

func parseEvent(t *testing.T, rec fields) cloudtrail.Call {
	t.Helper()
	c, err := cloudtrail.Parse(envelope(rec.JSON(t)).JSON(t), cloudtrail.Openings()...)
	require.NoError(t, err)
	return c
}

func TestRecordIsJudgedWhereMarksOfSuccessAreAbsentOrNull(t *testing.T) {
	for name, rec := range map[string]fields{
		"errorCode null":     opening().with("errorCode", `null`),
		"eventType absent":   opening().without("eventType"),
		"eventType null":     opening().with("eventType", `null`),
		"old record":         opening().without("eventType", "readOnly", "managementEvent", "eventCategory", "tlsDetails"),
		"_return null":       opening().with("responseElements", `{"_return":null}`),
		"error text alone":   opening().with("errorMessage", `"left over"`),
		"read only, it lied": opening().with("readOnly", `true`),
	} {
		t.Run(name, func(t *testing.T) {
			c := parse(t, rec)
			assert.Empty(t, c.Skipped)
			assert.Equal(t, []string{"ingress tcp 3306 from 0.0.0.0/0"}, said(c.Rules))
		})
	}
}

func TestSkippedRecordIsNotMalformedForWhatIsNotRead(t *testing.T) {
	rec := opening().with("eventName", `"RunInstances"`).with("eventTime", `"yesterday"`).with("eventID", `7`).
		with("userIdentity", `"root"`).with("requestParameters", `[1]`).with("sourceIPAddress", `{}`).
		without("recipientAccountId", "awsRegion")
	c := parse(t, rec)
	assert.Equal(t, cloudtrail.Call{Event: cloudtrail.Event{EventName: "RunInstances", UserAgent: userAgent}, Skipped: "the call is RunInstances, which is not judged"}, c)
	c = parseEvent(t, rec)
	assert.Equal(t, account, c.AccountID, "the envelope's")
	assert.Equal(t, region, c.Region, "the envelope's")
	c = parse(t, opening().with("errorCode", `"Client.DryRunOperation"`).without("eventTime"))
	assert.Equal(t, aliceARN, c.Actor.ARN, "a time that is missing hides nothing else")
}

func TestEventOfAnotherDetailTypeIsSkipped(t *testing.T) {
	for _, test := range []struct{ name, detailType, detail, why string }{
		{"schedule", `"Scheduled Event"`, `{}`, `the event is of detail-type "Scheduled Event", not "AWS API Call via CloudTrail"`},
		{"detail of another kind", `"Other"`, `"text"`, `the event is of detail-type "Other", not "AWS API Call via CloudTrail"`},
		{"a record inside", `"AWS Service Event via CloudTrail"`, string(opening().JSON(t)), `the event is of detail-type "AWS Service Event via CloudTrail", not "AWS API Call via CloudTrail"`},
		{"none", `null`, string(opening().JSON(t)), "the event has no detail-type, so it may not be a CloudTrail record"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := cloudtrail.Parse(envelope([]byte(test.detail)).with("detail-type", test.detailType).JSON(t))
			require.NoError(t, err)
			assert.Equal(t, cloudtrail.Call{Event: cloudtrail.Event{AccountID: account, Region: region}, Skipped: test.why}, c)
		})
	}
}

// The project's own events are what people try first; README.md there says what
// each is.
func TestOwnEventsAreUnderstood(t *testing.T) {
	for _, test := range []struct {
		pattern string
		skipped bool
	}{{"*.json", false}, {filepath.Join("unmatched", "*.json"), true}} {
		files, err := filepath.Glob(filepath.Join("..", "..", "events", test.pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) {
				event, err := os.ReadFile(file)
				require.NoError(t, err)
				c, err := cloudtrail.Parse(event, cloudtrail.Openings()...)
				require.NoError(t, err)
				assert.Equal(t, test.skipped, c.Skipped != "", c.Skipped)
				assert.NotEmpty(t, c.EventID)
				assert.Len(t, c.AccountID, 12)
			})
		}
	}
}
