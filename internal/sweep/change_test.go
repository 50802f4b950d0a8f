package sweep_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
)

// threeUsers is a harmless list that two groups use for a database and one for HTTPS,
// edited to hold the world.
func threeUsers(t *testing.T, document string, mode finding.Mode) (b *bench, list string, groups []string) {
	t.Helper()
	b = newBench(t, document, mode)
	list = b.list("10.0.0.0/8")
	for _, name := range []string{"a", "b", "web"} {
		groups = append(groups, b.group(name))
	}
	b.open(groups[0], 5432, list)
	b.open(groups[1], 5432, list)
	b.open(groups[2], 443, list)
	b.open(groups[0], 22, "10.0.0.0/8")
	return b, list, groups
}

func (b *bench) revokes() int {
	return b.server.Calls().Of("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress") // the user makes none
}

func TestAnEditThatOpensADatabaseIsToldForEveryGroupThatUsesTheList(t *testing.T) {
	b, list, groups := threeUsers(t, telling, finding.Enforce)
	b.run(b.edit(list, "0.0.0.0/0"))

	a := b.alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted, "b 5432": finding.OutcomeAlerted}, told(a))
	assert.Equal(t, policy.Alert, a.Verdict)
	assert.Equal(t, "ModifyManagedPrefixList", a.Event.EventName)
	assert.Equal(t, "arn:aws:iam::123456789012:user/demo", a.Event.Actor.ARN)
	assert.Equal(t, list, a.PrefixListID)
	assert.Equal(t, []finding.PrefixListEntry{
		{Cidr: "0.0.0.0/0", Description: "entry 0.0.0.0/0", Added: true}, {Cidr: "10.0.0.0/8", Description: "entry 10.0.0.0/8"},
	}, a.PrefixListEntries)
	for _, f := range a.Findings {
		assert.Contains(t, f.Left, "existing: revoke", "why it is open is said")
		assert.Equal(t, policy.High, f.Severity)
		assert.NotEmpty(t, f.VPCID)
		assert.Equal(t, account, f.AccountID)
		assert.Nil(t, f.ExposureSeconds, "the list may have held the same before")
	}
	assert.Zero(t, b.revokes())
	assert.Equal(t, []int{5432, 22}, b.ports(groups[0]))
}

func TestAnEditThatOpensADatabaseIsClosedWhereTheStatementSaysSo(t *testing.T) {
	b, list, groups := threeUsers(t, closing, finding.Enforce)
	b.run(b.edit(list, "0.0.0.0/0"))

	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeRevoked, "b 5432": finding.OutcomeRevoked}, told(b.alert()))
	assert.Equal(t, []int{22}, b.ports(groups[0]), "nothing but the rule that uses the list")
	assert.Empty(t, b.ports(groups[1]))
	assert.Equal(t, []int{443}, b.ports(groups[2]))
	for _, f := range b.alert().Findings {
		assert.Contains(t, f.Undo, list)
		assert.Contains(t, f.Undo, "by list", "the description too")
		assert.NotNil(t, f.ClosedAt)
		assert.NotEmpty(t, f.Rule.ID)
	}
}

func TestObserveModeClosesNothingAndSaysWhatItWould(t *testing.T) {
	b, list, _ := threeUsers(t, closing, finding.Observe)
	d, err := b.changed(b.edit(list, "0.0.0.0/0"))
	require.NoError(t, err)
	assert.Equal(t, policy.Compliant, d.Verdict, "there is nothing to hand over")
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeWouldRevoke, "b 5432": finding.OutcomeWouldRevoke}, told(b.alert()))
	assert.Zero(t, b.revokes())
}

func TestARunClosesNoMoreThanItMayAndSaysHowManyAreLeft(t *testing.T) {
	for _, mode := range []finding.Mode{finding.Enforce, finding.Observe} {
		b := newBench(t, closing, mode)
		b.most = 2
		list := b.list("10.0.0.0/8")
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			b.open(b.group(name), 5432, list)
		}
		b.run(b.edit(list, "0.0.0.0/0"))
		done := map[finding.Outcome]int{}
		for _, f := range b.alert().Findings {
			done[f.Outcome]++
			if f.Outcome == finding.OutcomeAlerted {
				assert.Contains(t, f.Left, "MAX_REVOKES=2")
				assert.Contains(t, f.Left, "which leaves 3 open")
				assert.Equal(t, policy.Revoke, f.Verdict)
			}
		}
		acted := map[finding.Mode]finding.Outcome{finding.Enforce: finding.OutcomeRevoked, finding.Observe: finding.OutcomeWouldRevoke}[mode]
		assert.Equal(t, map[finding.Outcome]int{acted: 2, finding.OutcomeAlerted: 3}, done)
		assert.Equal(t, map[finding.Mode]int{finding.Enforce: 2, finding.Observe: 0}[mode], b.revokes())
	}
}

func TestAListThatNobodyUsesIsSilent(t *testing.T) {
	b, _, _ := threeUsers(t, closing, finding.Enforce)
	b.run(b.edit(b.list("10.0.0.0/8"), "0.0.0.0/0"))
	assert.Empty(t, b.alerts)
	assert.Zero(t, b.revokes())
}

func TestAnEditThatOpensNothingForbiddenIsSilent(t *testing.T) {
	b, list, _ := threeUsers(t, closing, finding.Enforce)
	b.run(b.edit(list, "203.0.113.0/24", "198.51.100.0/24"))
	assert.Empty(t, b.alerts)
}

func TestAnExemptUseIsNamedOnlyBesideOthers(t *testing.T) {
	b := newBench(t, telling, finding.Enforce)
	list := b.list("10.0.0.0/8")
	b.open(b.group("cache"), 6379, list)
	b.run(b.edit(list, "0.0.0.0/0"))
	assert.Empty(t, b.alerts, "an exception covers the only use")

	b.open(b.group("database"), 5432, list)
	b.run(b.edit(list, "203.0.113.0/24"))
	assert.Equal(t, map[string]finding.Outcome{"cache 6379": finding.OutcomeExempt, "database 5432": finding.OutcomeAlerted}, told(b.alert()))
}

func TestAListAndTheGroupsOtherRulesCountTogether(t *testing.T) {
	b := newBench(t, closing, finding.Enforce)
	list := b.list("10.0.0.0/8")
	group := b.group("a")
	b.open(group, 5432, "52.0.0.0/10")
	b.open(group, 5432, list)
	alone := b.group("alone")
	b.open(alone, 5432, list)
	b.run(b.edit(list, "52.64.0.0/10", "52.128.0.0/11"))

	a := b.alert()
	require.Len(t, a.Findings, 1, "the same list alone is below the line")
	assert.Equal(t, finding.OutcomeRevoked, a.Findings[0].Outcome)
	assert.True(t, a.Findings[0].Union)
	require.Len(t, a.Findings[0].With, 1)
	assert.Equal(t, "52.0.0.0/10", a.Findings[0].With[0].Permission.Peer.String())
	require.Len(t, b.server.Rules(group), 2, "egress and the other rule stay")
	assert.Equal(t, []int{5432}, b.ports(alone))
}

func TestARestoredVersionIsJudgedByWhatItHolds(t *testing.T) {
	b, list, _ := threeUsers(t, telling, finding.Enforce)
	b.edit(list, "0.0.0.0/0")
	_, err := b.user.ModifyManagedPrefixList(t.Context(), &ec2.ModifyManagedPrefixListInput{
		PrefixListId: &list, CurrentVersion: aws.Int64(2), RemoveEntries: []types.RemovePrefixListEntry{{Cidr: aws.String("0.0.0.0/0")}},
	})
	require.NoError(t, err)
	b.run(b.lastChange())
	assert.Empty(t, b.alerts, "an edit that closes")
	_, err = b.user.RestoreManagedPrefixListVersion(t.Context(), &ec2.RestoreManagedPrefixListVersionInput{
		PrefixListId: &list, CurrentVersion: aws.Int64(3), PreviousVersion: aws.Int64(2),
	})
	require.NoError(t, err)
	b.run(b.lastChange())
	assert.Len(t, b.alert().Findings, 2)
}

func TestListsAreReadToTheirLastPage(t *testing.T) {
	b := newBench(t, telling, finding.Enforce)
	list := b.list("10.0.0.0/8")
	b.open(b.group("a"), 5432, list)
	var cidrs []string
	for i := range 120 { // a page holds 100, and the entry that matters sorts last
		cidrs = append(cidrs, fmt.Sprintf("10.200.%d.0/24", i))
	}
	for chunk := range slices.Chunk(cidrs, 100) {
		b.edit(list, chunk...)
	}
	b.run(b.edit(list, "128.0.0.0/1"))
	assert.Len(t, b.alert().Findings, 1)
}

func TestRulesMadeByAnUnknownActorAreNeverClosedWhereTheActorCouldExempt(t *testing.T) {
	b, list, _ := threeUsers(t, closing+`
exceptions:
  - {id: deploy, reason: deploys, owner: o@example.com, expires: 2099-12-31, match: {actors: ["arn:aws:iam::123456789012:user/demo"]}}
`, finding.Enforce)
	b.run(b.edit(list, "0.0.0.0/0"))
	a := b.alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted, "b 5432": finding.OutcomeAlerted}, told(a))
	assert.Equal(t, policy.Undetermined, a.Findings[0].Verdict)
	assert.Zero(t, b.revokes(), "demo edited the list, which does not tell who made the rules")
}

func TestGroupTagsAreReadForThePolicy(t *testing.T) {
	b, list, groups := threeUsers(t, `
version: 1
world: {ipv4: 9, ipv6: 32}
allow-tag-exemptions: true
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp]}}
exceptions:
  - {id: public, reason: meant, owner: o@example.com, expires: 2099-12-31, match: {group-tags: {exposure: public}}}
`, finding.Enforce)
	_, err := b.user.CreateTags(t.Context(), &ec2.CreateTagsInput{
		Resources: groups[:1], Tags: []types.Tag{{Key: aws.String("exposure"), Value: aws.String("public")}},
	})
	require.NoError(t, err)
	b.run(b.edit(list, "0.0.0.0/0"))
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeExempt, "b 5432": finding.OutcomeRevoked}, told(b.alert()))
}

func TestGroupsOfOtherAccountsAreTheirs(t *testing.T) {
	b, list, _ := threeUsers(t, closing, finding.Enforce)
	b.account = "111122223333"
	b.run(b.edit(list, "0.0.0.0/0"))
	assert.Empty(t, b.alerts)
	assert.Zero(t, b.revokes())
}

func TestAnUnreadableListIsUnknownAndTold(t *testing.T) {
	for _, action := range []string{"DescribeManagedPrefixLists", "GetManagedPrefixListEntries"} {
		b, list, _ := threeUsers(t, closing, finding.Enforce)
		change := b.edit(list, "0.0.0.0/0")
		b.server.SetAuthorizer(func(called, key string) string {
			if called == action && key == sgwardKey {
				return "UnauthorizedOperation"
			}
			return ""
		})
		b.run(change)
		a := b.alert()
		assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted, "b 5432": finding.OutcomeAlerted}, told(a), action)
		for _, f := range a.Findings {
			assert.Equal(t, policy.Undetermined, f.Verdict, action)
			assert.Contains(t, f.Reasons[len(f.Reasons)-1].String(), "UnauthorizedOperation", action)
		}
		assert.Empty(t, a.PrefixListEntries)
		assert.Zero(t, b.revokes(), action)
	}
}

func TestGroupsThatMayNotBeDescribedAreJudgedByTheirRules(t *testing.T) {
	b, list, _ := threeUsers(t, closing, finding.Enforce)
	change := b.edit(list, "0.0.0.0/0")
	b.server.SetAuthorizer(func(action, _ string) string {
		if action == "DescribeSecurityGroups" {
			return "UnauthorizedOperation"
		}
		return ""
	})
	b.run(change)
	for _, f := range b.alert().Findings {
		assert.Equal(t, finding.OutcomeRevoked, f.Outcome, "the policy asks for nothing that the description would tell")
		assert.Empty(t, f.GroupName)
		assert.Equal(t, account, f.AccountID)
	}
}

func TestAnotherListOfTheGroupThatCannotBeReadIsUnknownToo(t *testing.T) {
	b := newBench(t, closing, finding.Enforce)
	list, secret := b.list("10.0.0.0/8"), b.list("10.1.0.0/16")
	group := b.group("a")
	b.open(group, 5432, list)
	b.open(group, 5432, secret)
	change := b.edit(list, "52.64.0.0/12")
	b.client = hidden{b.client, secret, 0}
	b.run(change)
	a := b.alert()
	require.Len(t, a.Findings, 1)
	assert.Equal(t, policy.Undetermined, a.Findings[0].Verdict)
	assert.Contains(t, a.Findings[0].Reasons[len(a.Findings[0].Reasons)-1].String(), secret)
}

func TestThrottledReadsHaveTheChangeComeAgain(t *testing.T) {
	for _, action := range []string{"DescribeManagedPrefixLists", "GetManagedPrefixListEntries", "DescribeSecurityGroupRules", "DescribeSecurityGroups"} {
		b, list, _ := threeUsers(t, closing, finding.Enforce)
		change := b.edit(list, "0.0.0.0/0")
		b.server.FailNext(action, 1, "RequestLimitExceeded")
		_, err := b.changed(change)
		require.ErrorContains(t, err, "RequestLimitExceeded", action)
		assert.Empty(t, b.alerts, action)
		b.run(change)
		assert.Len(t, b.alert().Findings, 2, action)
	}
}

func TestARuleMadeJustBeforeTheEditIsWaitedFor(t *testing.T) {
	b := newBench(t, telling, finding.Enforce)
	list := b.list("10.0.0.0/8")
	group := b.group("a")
	b.server.SetReadLag(4 * time.Second)
	b.open(group, 5432, list)
	change := b.edit(list, "0.0.0.0/0")
	_, err := b.sweeper().Changed(t.Context(), account, change)
	require.NoError(t, err)
	assert.Len(t, b.alert().Findings, 1, "the first read would not have shown it")
	assert.Equal(t, 5*time.Second, b.waited)
}

func TestAnOldEventIsNotWaitedFor(t *testing.T) {
	b, list, _ := threeUsers(t, telling, finding.Enforce)
	b.run(b.edit(list, "0.0.0.0/0"))
	assert.Zero(t, b.waited)
}

func TestAnEventOfAnotherRegionIsAnErrorAndOfNoListIsTold(t *testing.T) {
	b, list, _ := threeUsers(t, telling, finding.Enforce)
	change := b.edit(list, "0.0.0.0/0")
	elsewhere := change
	elsewhere.Region = "eu-west-1"
	_, err := b.changed(elsewhere)
	require.ErrorContains(t, err, "another region")
	assert.Empty(t, b.alerts)

	nameless := change
	nameless.List = &cloudtrail.ListEdit{Omitted: true}
	d, err := b.changed(nameless)
	require.NoError(t, err)
	assert.Equal(t, policy.Compliant, d.Verdict)
	assert.Contains(t, b.alert().Findings[0].Reasons[0].String(), "leaves out its parameters")
}

func TestACallThatEditedNoListIsNothingToJudgeAndNothingToClose(t *testing.T) {
	b := newBench(t, telling, finding.Enforce)
	call := cloudtrail.Call{Event: cloudtrail.Event{EventID: "e", EventName: "DeleteSecurityGroup", Region: region}, Kind: cloudtrail.KindDelete}
	d, err := b.changed(call)
	require.NoError(t, err)
	assert.Equal(t, policy.Compliant, d.Verdict)
	require.ErrorContains(t, b.close(call, finding.Detection{}, 1), "it edited no prefix list")
	assert.Empty(t, b.alerts)
}

func TestPublishingThatFailsHasTheChangeComeAgainAndTellsTheSame(t *testing.T) {
	b, list, _ := threeUsers(t, telling, finding.Enforce)
	change := b.edit(list, "0.0.0.0/0")
	b.refused = 1
	_, err := b.changed(change)
	require.ErrorContains(t, err, "publishing the alert of event "+change.EventID)
	_, err = b.changed(change)
	require.NoError(t, err)
	first := b.alert()
	_, err = b.changed(change)
	require.NoError(t, err)
	assert.Equal(t, first.ID, b.alerts[1].ID, "repeats share an id")
	assert.Equal(t, first.Findings, b.alerts[1].Findings)
}
