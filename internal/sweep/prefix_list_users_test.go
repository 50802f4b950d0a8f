package sweep_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep/sweeptest"
)

// usedByOther is a list of the account that only a group of another account uses.
func usedByOther(t *testing.T) (b *sweeptest.Bench, list, group string) {
	t.Helper()
	b = sweeptest.New(t, sweeptest.Telling, finding.Enforce)
	list = b.List("10.0.0.0/8")
	require.NoError(t, b.Server.SharePrefixList(list, sweeptest.Other))
	made, err := b.Other.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("theirs"), Description: aws.String("theirs")})
	require.NoError(t, err)
	_, err = b.Other.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: made.GroupId, IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(5432), ToPort: aws.Int32(5432), PrefixListIds: []types.PrefixListId{{PrefixListId: &list}},
	}}})
	require.NoError(t, err)
	return b, list, *made.GroupId
}

// The attack: in the account that owns a list nothing uses it, and where it is used nobody
// hears of its edit.
func TestAnEditThatOpensAListToTheWorldSaysWhoElseUsesIt(t *testing.T) {
	b, list, group := usedByOther(t)
	b.Run(b.Edit(list, "0.0.0.0/0"))
	a := b.Alert()
	require.Len(t, a.Findings, 1)
	f := a.Findings[0]
	assert.Equal(t, []any{finding.OutcomeAlerted, policy.Alert, policy.High}, []any{f.Outcome, f.Verdict, f.Severity})
	assert.Contains(t, f.Reasons[0].String(), "1 resource of 1 other account uses it: "+sweeptest.Other+"/"+group)
	assert.Equal(t, list, a.PrefixListID)
	assert.NotEmpty(t, a.PrefixListEntries)

	b.Alerts = nil
	b.Run(b.Edit(list, "203.0.113.0/24"))
	assert.Empty(t, b.Alerts, "it was the world before")
}

func TestAnEditBelowTheWorldSaysNothingOfOthers(t *testing.T) {
	b, list, _ := usedByOther(t)
	b.Run(b.Edit(list, "52.0.0.0/10"))
	assert.Empty(t, b.Alerts)
	assert.Zero(t, b.Server.Calls().Of("GetManagedPrefixListAssociations"))
}

func TestThatTheUsersOfAListCannotBeReadIsSaidAndKeepsNoRuleOpen(t *testing.T) {
	b, list, _ := usedByOther(t)
	b.Open(b.Group("own"), 5432, list)
	b.Server.SetAuthorizer(func(action, _ string) string {
		if action == "GetManagedPrefixListAssociations" {
			return "UnauthorizedOperation"
		}
		return ""
	})
	b.Run(b.Edit(list, "0.0.0.0/0"))
	require.Len(t, b.Alerts, 2)
	assert.Equal(t, 1, b.Revokes())
	assert.Contains(t, b.Alerts[0].Findings[0].Reasons[0].String(), "which other accounts use it could not be read (GetManagedPrefixListAssociations: UnauthorizedOperation")
}
