package cloudtrail_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
)

// calls has a sound record of every call that is read.
func calls() map[string]fields {
	const group = `{"groupId":"` + groupID + `"}`
	out := map[string]fields{}
	for name, p := range map[string][2]string{
		"AuthorizeSecurityGroupIngress": {asked(mysqlWorld), oldAnswer},
		"AuthorizeSecurityGroupEgress":  {asked(mysqlWorld), oldAnswer},
		"ModifySecurityGroupRules":      {edited(editToWorld), editAnswer},
		"RevokeSecurityGroupIngress":    {asked(mysqlWorld), oldAnswer},
		"RevokeSecurityGroupEgress":     {asked(mysqlWorld), oldAnswer},
		"CreateSecurityGroup":           {`{}`, group},
		"DeleteSecurityGroup":           {group, oldAnswer},
	} {
		out[name] = successful(name, p[0], p[1])
	}
	for _, name := range []string{"ModifyManagedPrefixList", "RestoreManagedPrefixListVersion"} {
		out[name] = editedList(name, `{"PrefixListId":"`+listID+`","AddEntry":{"Cidr":"10.0.0.0/8"}}`)
	}
	return out
}

func TestEveryCallIsOfOneKind(t *testing.T) {
	kinds := append(cloudtrail.GroupCalls(), cloudtrail.KindEditList)
	names := cloudtrail.Names(kinds...)
	assert.Len(t, names, len(calls()))
	for _, kind := range kinds {
		for _, name := range cloudtrail.Names(kind) {
			rec, known := calls()[name]
			require.True(t, known, name)
			for _, data := range [][]byte{rec.JSON(t), delivered(t, rec)} {
				c, err := cloudtrail.Parse(data)
				require.NoError(t, err, name)
				assert.Equal(t, kind, c.Kind, name)
				assert.Equal(t, name, c.EventName)
				assert.Empty(t, c.Skipped, name)
				assert.Equal(t, kind == cloudtrail.KindEditList, c.List != nil, name)
			}
			failed, err := cloudtrail.Parse(rec.with("errorCode", `"Client.UnauthorizedOperation"`).JSON(t))
			require.NoError(t, err, name)
			assert.Equal(t, kind, failed.Kind, name)
			assert.True(t, failed.Failed, name)
		}
	}
	c, err := cloudtrail.Parse(successful("RunInstances", `{}`, `{}`).JSON(t))
	require.NoError(t, err)
	assert.Zero(t, c.Kind)
	assert.Equal(t, []string{"AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "ModifySecurityGroupRules"}, cloudtrail.Names(cloudtrail.Openings()...))
	assert.Empty(t, cloudtrail.Names())
}

func TestACallThatIsNotAskedForIsSkipped(t *testing.T) {
	record := calls()["AuthorizeSecurityGroupIngress"].JSON(t)
	opening, err := cloudtrail.Parse(record)
	require.NoError(t, err)
	asked, err := cloudtrail.Parse(record, cloudtrail.KindModify, cloudtrail.KindAuthorize)
	require.NoError(t, err)
	assert.Equal(t, opening, asked)
	skipped, err := cloudtrail.Parse(record, cloudtrail.KindEditList)
	require.NoError(t, err)
	assert.Equal(t, cloudtrail.Call{
		Event: opening.Event, Kind: cloudtrail.KindAuthorize, Skipped: "the call is AuthorizeSecurityGroupIngress, which is not judged",
	}, skipped, "and nothing is left of what it did")
	denied, err := cloudtrail.Parse(calls()["DeleteSecurityGroup"].with("errorCode", `"Client.UnauthorizedOperation"`).JSON(t), cloudtrail.Openings()...)
	require.NoError(t, err)
	assert.Equal(t, "the call is DeleteSecurityGroup, which is not judged", denied.Skipped)
	assert.True(t, denied.Failed)
}

// Nobody is called to a dead letter that tells of no opening.
func TestOfACallThatIsNotAskedForNothingIsMalformed(t *testing.T) {
	for name, rec := range calls() {
		if slices.Contains(cloudtrail.Names(cloudtrail.Openings()...), name) {
			continue
		}
		rec = rec.with("userIdentity", `"alice"`).with("eventTime", `7`).with("requestParameters", `[]`)
		_, err := cloudtrail.Parse(rec.JSON(t))
		require.Error(t, err, name)
		c, err := cloudtrail.Parse(rec.JSON(t), cloudtrail.Openings()...)
		require.NoError(t, err, name)
		assert.Equal(t, "the call is "+name+", which is not judged", c.Skipped)
	}
}

func TestACallIsUntoldWhereItOpenedWhatRulesDoNotHold(t *testing.T) {
	for name, rec := range calls() {
		c, err := cloudtrail.Parse(rec.JSON(t))
		require.NoError(t, err)
		assert.False(t, c.RulesMissing(), name)
		c, err = cloudtrail.Parse(rec.with("requestParameters", `{"omitted":true}`).with("responseElements", `{"omitted":true}`).JSON(t))
		if name == "DeleteSecurityGroup" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, c.Kind.Opens(), c.RulesMissing(), name)
	}
	c := parse(t, successful("AuthorizeSecurityGroupIngress", asked(mysqlWorld, mysqlWorld), answered(stored("false", mysql, `"cidrIpv4":"0.0.0.0/0"`))))
	assert.True(t, c.RulesMissing())
	c.Skipped = "the call failed"
	assert.False(t, c.RulesMissing())
}

func TestABareRecordAndAnEventAreDistinguished(t *testing.T) {
	for name, rec := range map[string]fields{
		"members that an envelope has too": opening().with("account", `"111122223333"`).with("region", `"eu-central-1"`),
		"a detail of its own":              opening().with("detail", `{"eventSource":"rds.amazonaws.com"}`).with("detail-type", `"Scheduled Event"`),
		"only an id and a source":          {"eventSource": `"rds.amazonaws.com"`, "eventID": `"` + eventID + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := cloudtrail.Parse(rec.JSON(t))
			require.NoError(t, err)
			assert.Equal(t, eventID, c.EventID)
			if rec["eventName"] != "" {
				assert.Len(t, c.Rules, 1)
				assert.Equal(t, account, c.AccountID)
				assert.Equal(t, region, c.Region)
			}
		})
	}
	for _, data := range []string{`{}`, `{"requestParameters":{}}`, `{"Records":[]}`, `{"eventSource":null}`} {
		_, err := cloudtrail.Parse([]byte(data))
		assert.Equal(t, "detail", requireMalformed(t, err).Field, data)
	}
}
