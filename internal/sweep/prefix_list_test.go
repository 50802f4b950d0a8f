package sweep_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep/sweeptest"
)

// unfinished is EC2 while it is at work on a list, which the stand-in never is: for
// a number of looks it shows the state and the version from before.
type unfinished struct {
	sweeptest.EC2
	state   types.PrefixListState
	version int64
	looks   *int
}

func (u unfinished) DescribeManagedPrefixLists(ctx context.Context, in *ec2.DescribeManagedPrefixListsInput, o ...func(*ec2.Options)) (*ec2.DescribeManagedPrefixListsOutput, error) {
	out, err := u.EC2.DescribeManagedPrefixLists(ctx, in, o...)
	if err == nil && *u.looks > 0 {
		*u.looks--
		out.PrefixLists[0].State, out.PrefixLists[0].Version = u.state, aws.Int64(u.version)
	}
	return out, err
}

func (u unfinished) GetManagedPrefixListEntries(ctx context.Context, in *ec2.GetManagedPrefixListEntriesInput, o ...func(*ec2.Options)) (*ec2.GetManagedPrefixListEntriesOutput, error) {
	if *u.looks > 0 && in.TargetVersion == nil { // it shows what it had
		in.TargetVersion = aws.Int64(u.version)
	}
	return u.EC2.GetManagedPrefixListEntries(ctx, in, o...)
}

// hidden is EC2 with a list that another account shares and does not show, or one
// version of it.
type hidden struct {
	sweeptest.EC2
	list    string
	version int64 // 0 for all
}

func (h hidden) GetManagedPrefixListEntries(ctx context.Context, in *ec2.GetManagedPrefixListEntriesInput, o ...func(*ec2.Options)) (*ec2.GetManagedPrefixListEntriesOutput, error) {
	if aws.ToString(in.PrefixListId) == h.list && (h.version == 0 || aws.ToInt64(in.TargetVersion) == h.version) {
		return nil, &smithy.GenericAPIError{Code: "UnauthorizedOperation", Message: "no"}
	}
	return h.EC2.GetManagedPrefixListEntries(ctx, in, o...)
}

func TestAnEditIsWaitedForUntilEC2HasFinishedIt(t *testing.T) {
	for name, shown := range map[string]struct {
		state   types.PrefixListState
		version int64
	}{
		"in progress":     {types.PrefixListStateModifyInProgress, 1},
		"nearly done":     {types.PrefixListStateModifyInProgress, 2},
		"read lags":       {types.PrefixListStateCreateComplete, 1}, // complete, but of the version before
		"an earlier fail": {types.PrefixListStateModifyFailed, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b, list, groups := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
			looks := 4
			b.Client = unfinished{b.Client, shown.state, shown.version, &looks}
			b.Run(b.Edit(list, "0.0.0.0/0"))
			assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeRevoked, "b 5432": finding.OutcomeRevoked}, sweeptest.Told(b.Alert()))
			assert.Empty(t, b.Ports(groups[1]))
			assert.Positive(t, b.Waited)
		})
	}
}

func TestAnEditThatEC2DoesNotFinishIsReportedByWhatItAskedForAndIsRetried(t *testing.T) {
	b, list, groups := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
	looks := 1000
	b.Client = unfinished{b.Client, types.PrefixListStateModifyInProgress, 1, &looks}
	change := b.Edit(list, "0.0.0.0/0")
	_, err := b.Changed(change)
	require.ErrorContains(t, err, "EC2 has not finished the edit")
	a := b.Alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted, "b 5432": finding.OutcomeAlerted}, sweeptest.Told(a))
	assert.Contains(t, a.Findings[0].Left, "still being edited")
	assert.Contains(t, a.Findings[0].Reasons[len(a.Findings[0].Reasons)-1].String(), "modify-in-progress at version 1")
	assert.Len(t, a.PrefixListEntries, 2)
	assert.Zero(t, b.Revokes())
	assert.Equal(t, []int{5432, 22}, b.Ports(groups[0]))

	looks, b.Alerts = 0, nil
	b.Run(change)
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeRevoked, "b 5432": finding.OutcomeRevoked}, sweeptest.Told(b.Alert()), "once it is finished")
}

func TestAnUnfinishedEditIsNeverCalledSafe(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
	looks := 1000
	b.Client = unfinished{b.Client, types.PrefixListStateModifyInProgress, 1, &looks}
	_, err := b.Changed(b.Edit(list, "10.1.0.0/16"))
	require.ErrorContains(t, err, "EC2 has not finished the edit", "what it will hold is not certain, so it has to come again")
	assert.Empty(t, b.Alerts, "by all that is known it opens nothing")
}

func TestAnUnfinishedRestoreIsJudgedByTheVersionThatItPutsBack(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Telling, finding.Enforce)
	b.Edit(list, "0.0.0.0/0")
	_, err := b.User.ModifyManagedPrefixList(t.Context(), &ec2.ModifyManagedPrefixListInput{
		PrefixListId: &list, CurrentVersion: aws.Int64(2), RemoveEntries: []types.RemovePrefixListEntry{{Cidr: aws.String("0.0.0.0/0")}},
	})
	require.NoError(t, err)
	_, err = b.User.RestoreManagedPrefixListVersion(t.Context(), &ec2.RestoreManagedPrefixListVersionInput{
		PrefixListId: &list, CurrentVersion: aws.Int64(3), PreviousVersion: aws.Int64(2),
	})
	require.NoError(t, err)
	looks := 1000
	b.Client = unfinished{b.Client, types.PrefixListStateRestoreInProgress, 3, &looks}
	_, err = b.Changed(b.LastChange())
	require.ErrorContains(t, err, "EC2 has not finished the edit")
	assert.Len(t, b.Alert().Findings, 2)
}

func TestAnUnfinishedEditWhoseEntriesMayNotBeReadIsRetried(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Closing+`
  - {id: lists, severity: low, effect: revoke, existing: revoke, ingress: {from: {prefix-lists: [PL]}, ports: [443/tcp]}}
`, finding.Enforce)
	b.Policy = strings.ReplaceAll(b.Policy, "PL", list)
	looks := 1000
	b.Client = unfinished{hidden{b.Client, list, 0}, types.PrefixListStateModifyInProgress, 1, &looks}
	change := b.Edit(list, "0.0.0.0/0")
	_, err := b.Changed(change)
	require.ErrorContains(t, err, "EC2 has not finished the edit")
	a := b.Alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted, "b 5432": finding.OutcomeAlerted, "web 443": finding.OutcomeAlerted}, sweeptest.Told(a))
	for _, f := range a.Findings {
		if f.Rule != nil && f.Rule.Permission.Ports.From == 443 { // forbidden whatever the list holds
			assert.Contains(t, f.Left, "will read it again")
			continue
		}
		assert.Equal(t, policy.Undetermined, f.Verdict)
		reason := f.Reasons[len(f.Reasons)-1].String()
		assert.Contains(t, reason, "modify-in-progress at version 1")
		assert.Contains(t, reason, "UnauthorizedOperation", "both facts are told")
	}
	assert.Empty(t, a.PrefixListEntries, "half a list is none")

	looks, b.Alerts = 0, nil
	_, err = b.Changed(change)
	require.NoError(t, err, "nothing will change about what may not be read")
	for _, f := range b.Alert().Findings {
		if f.Rule.Permission.Ports.From == 443 {
			assert.Contains(t, f.Left, "could not be read")
		}
		assert.NotContains(t, f.Left, "look again", "sgward will not")
	}
}

func TestHalfOfWhatAnUnfinishedRestoreMayHoldIsNotTheList(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
	b.Edit(list, "0.0.0.0/0")
	b.Remove(list, 2, "0.0.0.0/0")
	_, err := b.User.RestoreManagedPrefixListVersion(t.Context(), &ec2.RestoreManagedPrefixListVersionInput{
		PrefixListId: &list, CurrentVersion: aws.Int64(3), PreviousVersion: aws.Int64(2),
	})
	require.NoError(t, err)
	looks := 1000
	b.Client = unfinished{hidden{b.Client, list, 2}, types.PrefixListStateRestoreInProgress, 3, &looks}
	_, err = b.Changed(b.LastChange())
	require.ErrorContains(t, err, "EC2 has not finished the edit")
	assert.Empty(t, b.Alert().PrefixListEntries, "it shows the harmless version 3, and not what is put back")
	for _, f := range b.Alert().Findings {
		assert.Equal(t, policy.Undetermined, f.Verdict)
	}
}

func TestAnUnfinishedEditWithoutParametersIsUnknown(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
	looks := 1000
	b.Client = unfinished{b.Client, types.PrefixListStateModifyInProgress, 1, &looks}
	change := b.Edit(list, "0.0.0.0/0")
	change.List.Added, change.List.FromVersion, change.List.Omitted = nil, 0, true
	_, err := b.Changed(change)
	require.ErrorContains(t, err, "EC2 has not finished the edit")
	for _, f := range b.Alert().Findings {
		assert.Equal(t, policy.Undetermined, f.Verdict)
	}
	looks = 0
	b.Alerts = nil
	b.Run(change)
	assert.False(t, slices.ContainsFunc(b.Alert().Findings, func(r finding.Result) bool { return r.Outcome != finding.OutcomeRevoked }))
}
