package sweep_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep/sweeptest"
)

// The attack: a rule for a list that is harmless, which nobody minds, and then an edit of
// the list.
func TestAnEditThatOpensADatabaseIsAnOpeningByTheEditor(t *testing.T) {
	b, list, groups := sweeptest.ThreeUsers(t, sweeptest.Telling, finding.Enforce)
	b.Run(b.Edit(list, "0.0.0.0/1", "128.0.0.0/1"))

	a := b.Alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeRevoked, "b 5432": finding.OutcomeRevoked}, sweeptest.Told(a))
	assert.Equal(t, policy.Revoke, a.Verdict)
	assert.Equal(t, "ModifyManagedPrefixList", a.Event.EventName)
	assert.Equal(t, "arn:aws:iam::123456789012:user/demo", a.Event.Actor.ARN)
	assert.Equal(t, list, a.PrefixListID)
	assert.Equal(t, []finding.PrefixListEntry{{Cidr: "10.0.0.0/8", Description: "entry 10.0.0.0/8"}}, a.PrefixListBefore)
	assert.Equal(t, []finding.PrefixListEntry{
		{Cidr: "0.0.0.0/1", Description: "entry 0.0.0.0/1", Added: true}, {Cidr: "128.0.0.0/1", Description: "entry 128.0.0.0/1", Added: true},
		{Cidr: "10.0.0.0/8", Description: "entry 10.0.0.0/8"},
	}, a.PrefixListEntries)
	for _, f := range a.Findings {
		assert.True(t, f.OpenedByEdit)
		require.NotNil(t, f.ExposureSeconds)
		assert.InDelta(t, 10, *f.ExposureSeconds, 1, "since the edit")
	}
	assert.Equal(t, []int{22}, b.Ports(groups[0]))
	assert.Equal(t, []int{443}, b.Ports(groups[2]))
	m, err := alert.NewMessage(a)
	require.NoError(t, err)
	email := strings.Join(strings.Fields(m.Email), " ")
	assert.Contains(t, email, "The edit of the prefix list "+list+" opened it")
	assert.Contains(t, email, "Before the call it held 1 entry: 10.0.0.0/8")
}

// standingList is a list that was the world before its edit, and two uses of it.
func standingList(t *testing.T, document string, mode finding.Mode) (*sweeptest.Bench, cloudtrail.Call) {
	t.Helper()
	b := sweeptest.New(t, document, mode)
	list := b.List("0.0.0.0/0")
	b.Open(b.Group("a"), 5432, list)
	b.Open(b.Group("b"), 5432, list)
	return b, b.Edit(list, "203.0.113.0/24")
}

func TestAListThatWasTheWorldBeforeItsEditIsStanding(t *testing.T) {
	b, change := standingList(t, sweeptest.Telling, finding.Enforce)
	b.Run(change)
	a := b.Alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted, "b 5432": finding.OutcomeAlerted}, sweeptest.Told(a))
	assert.Equal(t, policy.Alert, a.Verdict)
	for _, f := range a.Findings {
		assert.False(t, f.OpenedByEdit)
		assert.Contains(t, f.Left, "leaves existing ones", "why it is open is said")
		assert.Equal(t, policy.High, f.Severity)
		assert.NotEmpty(t, f.VPCID)
		assert.Equal(t, sweeptest.Account, f.AccountID)
		assert.Nil(t, f.ExposureSeconds, "the list held the same before")
	}
	assert.Zero(t, b.Revokes())
}

func TestAnOldOrReplayedEventOfAnEditIsAboutWhatStands(t *testing.T) {
	for _, replay := range []string{"", "replay-of-may"} {
		b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Telling, finding.Enforce)
		change := b.Edit(list, "0.0.0.0/0")
		if change.ReplayName = replay; replay == "" {
			b.Pass(7 * time.Hour)
		}
		d, err := b.Changed(change)
		require.NoError(t, err)
		assert.Zero(t, d.PrefixListVersion)
		assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted, "b 5432": finding.OutcomeAlerted}, sweeptest.Told(b.Alert()))
		assert.Zero(t, b.Revokes())
	}
}

// Of edits that only together reach the world the one is to blame that crossed the
// threshold, in whatever order their events come.
func TestOnlyTheEditThatCrossedTheThresholdClosesRules(t *testing.T) {
	b, list, groups := sweeptest.ThreeUsers(t, sweeptest.Telling, finding.Enforce)
	harmless, crossing := b.Edit(list, "52.0.0.0/10"), b.Edit(list, "52.64.0.0/10")
	b.Run(crossing)
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeRevoked, "b 5432": finding.OutcomeRevoked}, sweeptest.Told(b.Alert()))
	b.Alerts = nil
	b.Open(groups[1], 5432, list)
	b.Run(harmless)
	assert.Equal(t, map[string]finding.Outcome{"b 5432": finding.OutcomeAlerted}, sweeptest.Told(b.Alert()), "this edit did not open it")
}

func TestAnEditThatIsTakenBackAtOnceLeavesNothingToClose(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Telling, finding.Enforce)
	change := b.Edit(list, "0.0.0.0/0")
	b.Remove(list, 2, "0.0.0.0/0")
	b.Run(change)
	assert.Empty(t, b.Alerts)
}

func TestAnEditWhoseVersionTheRecordLeavesOutIsTheLastOne(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Telling, finding.Enforce)
	change := b.Edit(list, "0.0.0.0/0")
	change.List = &cloudtrail.ListEdit{ID: list, Omitted: true}
	b.Run(change)
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeRevoked, "b 5432": finding.OutcomeRevoked}, sweeptest.Told(b.Alert()))
}

func TestAnEditThatOpensADatabaseIsClosedWhereTheStatementSaysSo(t *testing.T) {
	b, list, groups := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
	b.Run(b.Edit(list, "0.0.0.0/0"))

	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeRevoked, "b 5432": finding.OutcomeRevoked}, sweeptest.Told(b.Alert()))
	assert.Equal(t, []int{22}, b.Ports(groups[0]), "nothing but the rule that uses the list")
	assert.Empty(t, b.Ports(groups[1]))
	assert.Equal(t, []int{443}, b.Ports(groups[2]))
	for _, f := range b.Alert().Findings {
		assert.Contains(t, f.Undo, list)
		assert.Contains(t, f.Undo, "by list", "the description too")
		assert.NotNil(t, f.ClosedAt)
		assert.NotEmpty(t, f.Rule.ID)
	}
}

func TestObserveModeClosesNothingAndSaysWhatItWould(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Observe)
	d, err := b.Changed(b.Edit(list, "0.0.0.0/0"))
	require.NoError(t, err)
	assert.Equal(t, policy.Compliant, d.Verdict, "there is nothing to hand over")
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeWouldRevoke, "b 5432": finding.OutcomeWouldRevoke}, sweeptest.Told(b.Alert()))
	assert.Zero(t, b.Revokes())
}

func TestARunClosesNoMoreThanItMayAndSaysHowManyAreLeft(t *testing.T) {
	for _, mode := range []finding.Mode{finding.Enforce, finding.Observe} {
		b := sweeptest.New(t, sweeptest.Closing, mode)
		b.Most = 2
		list := b.List("10.0.0.0/8")
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			b.Open(b.Group(name), 5432, list)
		}
		b.Run(b.Edit(list, "0.0.0.0/0"))
		done := map[finding.Outcome]int{}
		var findings []finding.Result
		for _, a := range b.Alerts {
			findings = append(findings, a.Findings...)
		}
		for _, f := range findings {
			done[f.Outcome]++
			if f.Outcome == finding.OutcomeAlerted {
				assert.Contains(t, f.Left, "no more than 2 rules")
				assert.Contains(t, f.Left, "which leaves 3 open")
				assert.Equal(t, policy.Revoke, f.Verdict)
			}
		}
		acted := map[finding.Mode]finding.Outcome{finding.Enforce: finding.OutcomeRevoked, finding.Observe: finding.OutcomeWouldRevoke}[mode]
		assert.Equal(t, map[finding.Outcome]int{acted: 2, finding.OutcomeAlerted: 3}, done)
		assert.Equal(t, map[finding.Mode]int{finding.Enforce: 2, finding.Observe: 0}[mode], b.Revokes())
	}
}

func TestAListThatNobodyUsesIsSilent(t *testing.T) {
	b, _, _ := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
	b.Run(b.Edit(b.List("10.0.0.0/8"), "0.0.0.0/0"))
	assert.Empty(t, b.Alerts)
	assert.Zero(t, b.Revokes())
}

func TestAnEditThatOpensNothingForbiddenIsSilent(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
	b.Run(b.Edit(list, "203.0.113.0/24", "198.51.100.0/24"))
	assert.Empty(t, b.Alerts)
}

func TestAnExemptUseIsNamedOnlyBesideOthers(t *testing.T) {
	b := sweeptest.New(t, sweeptest.Telling, finding.Enforce)
	list := b.List("10.0.0.0/8")
	b.Open(b.Group("cache"), 6379, list)
	b.Run(b.Edit(list, "0.0.0.0/0"))
	assert.Empty(t, b.Alerts, "an exception covers the only use")

	b.Open(b.Group("database"), 5432, list)
	b.Run(b.Edit(list, "203.0.113.0/24"))
	assert.Equal(t, map[string]finding.Outcome{"cache 6379": finding.OutcomeExempt, "database 5432": finding.OutcomeAlerted}, sweeptest.Told(b.Alert()))
}

func TestAListAndTheGroupsOtherRulesCountTogether(t *testing.T) {
	b := sweeptest.New(t, sweeptest.Closing, finding.Enforce)
	list := b.List("10.0.0.0/8")
	group := b.Group("a")
	b.Open(group, 5432, "52.0.0.0/10")
	b.Open(group, 5432, list)
	alone := b.Group("alone")
	b.Open(alone, 5432, list)
	b.Run(b.Edit(list, "52.64.0.0/10", "52.128.0.0/11"))

	a := b.Alert()
	require.Len(t, a.Findings, 1, "the same list alone is below the threshold")
	assert.Equal(t, finding.OutcomeRevoked, a.Findings[0].Outcome)
	assert.True(t, a.Findings[0].Union)
	require.Len(t, a.Findings[0].With, 1)
	assert.Equal(t, "52.0.0.0/10", a.Findings[0].With[0].Permission.Peer.String())
	require.Len(t, b.Server.Rules(group), 2, "egress and the other rule stay")
	assert.Equal(t, []int{5432}, b.Ports(alone))
}

func TestARestoredVersionIsJudgedByWhatItHolds(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Telling, finding.Enforce)
	b.Edit(list, "0.0.0.0/0")
	_, err := b.User.ModifyManagedPrefixList(t.Context(), &ec2.ModifyManagedPrefixListInput{
		PrefixListId: &list, CurrentVersion: aws.Int64(2), RemoveEntries: []types.RemovePrefixListEntry{{Cidr: aws.String("0.0.0.0/0")}},
	})
	require.NoError(t, err)
	b.Run(b.LastChange())
	assert.Empty(t, b.Alerts, "an edit that closes")
	_, err = b.User.RestoreManagedPrefixListVersion(t.Context(), &ec2.RestoreManagedPrefixListVersionInput{
		PrefixListId: &list, CurrentVersion: aws.Int64(3), PreviousVersion: aws.Int64(2),
	})
	require.NoError(t, err)
	b.Run(b.LastChange())
	assert.Len(t, b.Alert().Findings, 2)
}

func TestListsAreReadToTheirLastPage(t *testing.T) {
	b := sweeptest.New(t, sweeptest.Telling, finding.Enforce)
	list := b.List("10.0.0.0/8")
	b.Open(b.Group("a"), 5432, list)
	var cidrs []string
	for i := range 120 { // a page holds 100, and the entry that matters sorts last
		cidrs = append(cidrs, fmt.Sprintf("10.200.%d.0/24", i))
	}
	for chunk := range slices.Chunk(cidrs, 100) {
		b.Edit(list, chunk...)
	}
	b.Run(b.Edit(list, "128.0.0.0/1"))
	assert.Len(t, b.Alert().Findings, 1)
}

const exceptDemo = `
exceptions:
  - {id: deploy, reason: deploys, owner: o@example.com, expires: 2099-12-31, match: {actors: ["arn:aws:iam::123456789012:user/demo"]}}
`

func TestRulesMadeByAnUnknownActorAreNeverClosedWhereTheActorCouldExempt(t *testing.T) {
	b, change := standingList(t, sweeptest.Closing+exceptDemo, finding.Enforce)
	b.Run(change)
	a := b.Alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted, "b 5432": finding.OutcomeAlerted}, sweeptest.Told(a))
	assert.Equal(t, policy.Undetermined, a.Findings[0].Verdict)
	assert.Zero(t, b.Revokes(), "demo edited the list, which does not tell who made the rules")
}

func TestAnEditByWhomThePolicyExceptsOpensNothingForbidden(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Closing+exceptDemo, finding.Enforce)
	change := b.Edit(list, "0.0.0.0/0")
	b.Run(change)
	assert.Empty(t, b.Alerts, "the opening is the editor's, as an Authorize would be")
	assert.Zero(t, b.Revokes())

	change.Actor.ARN = "arn:aws:iam::123456789012:user/other"
	b.Run(change)
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeRevoked, "b 5432": finding.OutcomeRevoked}, sweeptest.Told(b.Alert()))
}

func TestGroupTagsAreReadForThePolicy(t *testing.T) {
	b, list, groups := sweeptest.ThreeUsers(t, `
version: 1
world: {ipv4: 9, ipv6: 32}
allow-tag-exemptions: true
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp]}}
exceptions:
  - {id: public, reason: meant, owner: o@example.com, expires: 2099-12-31, match: {group-tags: {exposure: public}}}
`, finding.Enforce)
	_, err := b.User.CreateTags(t.Context(), &ec2.CreateTagsInput{
		Resources: groups[:1], Tags: []types.Tag{{Key: aws.String("exposure"), Value: aws.String("public")}},
	})
	require.NoError(t, err)
	b.Run(b.Edit(list, "0.0.0.0/0"))
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeExempt, "b 5432": finding.OutcomeRevoked}, sweeptest.Told(b.Alerts...))
}

func TestGroupsOfOtherAccountsAreTheirs(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
	b.Account = "111122223333"
	b.Run(b.Edit(list, "0.0.0.0/0"))
	assert.Empty(t, b.Alerts)
	assert.Zero(t, b.Revokes())
}

func TestAnUnreadableListIsUnknownAndReported(t *testing.T) {
	for _, action := range []string{"DescribeManagedPrefixLists", "GetManagedPrefixListEntries"} {
		b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
		change := b.Edit(list, "0.0.0.0/0")
		b.Server.SetAuthorizer(func(called, key string) string {
			if called == action && key == sweeptest.SgwardKey {
				return "UnauthorizedOperation"
			}
			return ""
		})
		b.Run(change)
		a := b.Alert()
		assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted, "b 5432": finding.OutcomeAlerted}, sweeptest.Told(a), action)
		for _, f := range a.Findings {
			assert.Equal(t, policy.Undetermined, f.Verdict, action)
			assert.Contains(t, f.Reasons[len(f.Reasons)-1].String(), "UnauthorizedOperation", action)
		}
		assert.Empty(t, a.PrefixListEntries)
		assert.Zero(t, b.Revokes(), action)
	}
}

func TestGroupsThatMayNotBeDescribedAreJudgedByTheirRules(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
	change := b.Edit(list, "0.0.0.0/0")
	b.Server.SetAuthorizer(func(action, _ string) string {
		if action == "DescribeSecurityGroups" {
			return "UnauthorizedOperation"
		}
		return ""
	})
	b.Run(change)
	for _, f := range b.Alert().Findings {
		assert.Equal(t, finding.OutcomeRevoked, f.Outcome, "the policy asks for nothing that the description would tell")
		assert.Empty(t, f.GroupName)
		assert.Equal(t, sweeptest.Account, f.AccountID)
	}
}

func TestAnotherListOfTheGroupThatCannotBeReadIsUnknownToo(t *testing.T) {
	b := sweeptest.New(t, sweeptest.Closing, finding.Enforce)
	list, secret := b.List("10.0.0.0/8"), b.List("10.1.0.0/16")
	group := b.Group("a")
	b.Open(group, 5432, list)
	b.Open(group, 5432, secret)
	change := b.Edit(list, "52.64.0.0/12")
	b.Client = hidden{b.Client, secret, 0}
	b.Run(change)
	a := b.Alert()
	require.Len(t, a.Findings, 1)
	assert.Equal(t, policy.Undetermined, a.Findings[0].Verdict)
	assert.Contains(t, a.Findings[0].Reasons[len(a.Findings[0].Reasons)-1].String(), secret)
}

func TestThrottledReadsHaveTheChangeRetried(t *testing.T) {
	for _, action := range []string{"DescribeManagedPrefixLists", "GetManagedPrefixListEntries", "DescribeSecurityGroupRules", "DescribeSecurityGroups"} {
		b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
		change := b.Edit(list, "0.0.0.0/0")
		b.Server.FailNext(action, 1, "RequestLimitExceeded")
		_, err := b.Changed(change)
		require.ErrorContains(t, err, "RequestLimitExceeded", action)
		assert.Empty(t, b.Alerts, action)
		b.Run(change)
		assert.Len(t, b.Alert().Findings, 2, action)
	}
}

func TestARuleMadeJustBeforeTheEditIsWaitedFor(t *testing.T) {
	b := sweeptest.New(t, sweeptest.Telling, finding.Observe)
	list := b.List("10.0.0.0/8")
	group := b.Group("a")
	b.Server.SetReadLag(4 * time.Second)
	b.Open(group, 5432, list)
	change := b.Edit(list, "0.0.0.0/0")
	_, err := b.Sweeper().Changed(t.Context(), sweeptest.Account, change)
	require.NoError(t, err)
	assert.Len(t, b.Alert().Findings, 1, "the first read would not have shown it")
	assert.Equal(t, 5*time.Second, b.Waited)
}

func TestAnOldEventIsNotWaitedFor(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Telling, finding.Enforce)
	b.Run(b.Edit(list, "0.0.0.0/0"))
	assert.Zero(t, b.Waited)
}

func TestAnEventOfAnotherRegionIsAnErrorAndOfNoListIsReported(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Telling, finding.Enforce)
	change := b.Edit(list, "0.0.0.0/0")
	elsewhere := change
	elsewhere.Region = "eu-west-1"
	_, err := b.Changed(elsewhere)
	require.ErrorContains(t, err, "another region")
	assert.Empty(t, b.Alerts)

	nameless := change
	nameless.List = &cloudtrail.ListEdit{Omitted: true}
	d, err := b.Changed(nameless)
	require.NoError(t, err)
	assert.Equal(t, policy.Compliant, d.Verdict)
	assert.Contains(t, b.Alert().Findings[0].Reasons[0].String(), "leaves out its parameters")
}

func TestPublishingThatFailsHasTheChangeRetriedAndReportsTheSame(t *testing.T) {
	b, change := standingList(t, sweeptest.Telling, finding.Enforce)
	b.Refused = 1
	_, err := b.Changed(change)
	require.ErrorContains(t, err, "publishing the alert of event "+change.EventID)
	_, err = b.Changed(change)
	require.NoError(t, err)
	first := b.Alert()
	_, err = b.Changed(change)
	require.NoError(t, err)
	assert.Equal(t, first.ID, b.Alerts[1].ID, "repeats share an id")
	assert.Equal(t, first.Findings, b.Alerts[1].Findings)
}

func TestACallThatEditedNoListIsNothingToJudge(t *testing.T) {
	b := sweeptest.New(t, sweeptest.Telling, finding.Enforce)
	call := cloudtrail.Call{Event: cloudtrail.Event{EventID: "e", EventName: "DeleteSecurityGroup", Region: sweeptest.Region}, Kind: cloudtrail.KindDelete}
	d, err := b.Changed(call)
	require.NoError(t, err)
	assert.Equal(t, policy.Compliant, d.Verdict)
	assert.Empty(t, b.Alerts)
}
