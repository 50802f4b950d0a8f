package remediation_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep/sweeptest"
)

// The attack: a rule for a list of another account, harmless when it is made. The edit
// that opens it happens where nobody here hears of it, and is taken back before each
// sweep.
func TestARuleForAnotherAccountsListIsToldWhenItIsMade(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	list, group := b.SharedList("10.0.0.0/8"), b.Group("a")
	b.Open(group, 5432, list)
	b.Announce()

	f := only(t, b.Alert())
	assert.Equal(t, finding.OutcomeAlerted, f.Outcome)
	assert.Equal(t, policy.Undetermined, f.Verdict)
	assert.Equal(t, "database", f.StatementID)
	assert.Contains(t, f.Reasons[0].String(), "whatever account "+sweeptest.Other+" puts into the prefix list", "who may change it is said")
	assert.Equal(t, []int{5432}, b.Ports(group))

	// The digest tells it as well, and remembers it, whatever the list holds at that time.
	require.Len(t, b.Day(), 1)
	require.Contains(t, b.Alerts[0].Findings[0].Reasons[0].String(), sweeptest.Other)
	assert.Empty(t, b.Day())
}

func TestAnotherAccountsListThatIsTheWorldIsClosedAsAnyOther(t *testing.T) {
	b := sweeptest.New(t, sweeptest.Telling, finding.Enforce)
	list, group := b.SharedList("0.0.0.0/1", "128.0.0.0/1"), b.Group("a")
	b.Open(group, 5432, list)
	b.Announce()
	assert.Equal(t, finding.OutcomeRevoked, only(t, b.Alert()).Outcome)
	assert.Empty(t, b.Ports(group))
}

func TestASweepNeverCallsAnotherAccountsListSafe(t *testing.T) {
	for name, entries := range map[string][]string{"private": {"10.0.0.0/8"}, "empty": nil} {
		t.Run(name, func(t *testing.T) {
			b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
			list, group := b.SharedList(entries...), b.Group("a")
			b.Open(group, 5432, list)
			b.Open(group, 443, list)
			require.Len(t, b.Day(), 1)
			assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted}, sweeptest.Told(b.Alert()))
			assert.Zero(t, b.Revokes())
		})
	}
}

func TestAnExceptionOrATrustedOwnerMakesAnotherAccountsListCountByWhatItHolds(t *testing.T) {
	b := sweeptest.New(t, sweeptest.Telling, finding.Enforce)
	list, group := b.SharedList("10.0.0.0/8"), b.Group("a")
	b.Policy += `
  - {id: carrier, reason: a carrier, owner: demo@example.com, expires: 2099-12-31, match: {prefix-lists: [` + list + `]}}
`
	b.Open(group, 5432, list)
	b.Announce()
	assert.Empty(t, b.Alerts, "the exception names the list")

	b.Policy = sweeptest.Telling + `
trusted-prefix-list-owners: ["` + sweeptest.Other + `"]
`
	b.Shut(group, 5432, list)
	b.Open(group, 5432, list)
	b.Announce()
	assert.Empty(t, b.Alerts, "its owner is trusted")

	b.EditBy(b.Other, list, "0.0.0.0/0")
	b.Memory = sweeptest.NewSweep(t, "", finding.Enforce).Memory
	assert.Len(t, b.Day(), 1, "the sweep is the net under the edits of those who are trusted")
}

func TestAListWhoseOwnerCannotBeReadIsNeverSafe(t *testing.T) {
	b := sweeptest.New(t, sweeptest.Telling, finding.Enforce)
	list, group := b.List("10.0.0.0/8"), b.Group("a")
	b.Server.SetAuthorizer(func(action, _ string) string {
		if action == "DescribeManagedPrefixLists" {
			return "UnauthorizedOperation"
		}
		return ""
	})
	b.Open(group, 5432, list)
	b.Announce()
	f := only(t, b.Alert())
	assert.Equal(t, finding.OutcomeAlerted, f.Outcome)
	assert.Contains(t, f.Reasons[len(f.Reasons)-1].String(), "who owns "+list+" cannot be read (DescribeManagedPrefixLists: UnauthorizedOperation")
}

// EC2 shows the entries from before until an edit is done.
func TestAListThatIsBeingEditedIsNotCalledSafe(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		const list = "pl-0123456789abcdef0"
		s.cloud.lists[list] = []string{"10.0.0.0/8"}
		s.cloud.states[list] = types.PrefixListStateModifyInProgress
		r := ranged(false, "tcp", 3306, 3306, "")
		r.CidrIpv4, r.PrefixListId = nil, new(list)
		s.done(s.open(groupA, r))
		f := only(t, s.alert())
		assert.Equal(t, finding.OutcomeAlerted, f.Outcome)
		assert.Contains(t, f.Reasons[len(f.Reasons)-1].String(), "modify-in-progress")
		assert.Len(t, s.cloud.rules(groupA), 1)
	})
}

func TestReadingAListsOwnerIsTriedAgainWhereThatMayHelp(t *testing.T) {
	onStage(t, closing, func(s *stage) {
		const list = "pl-0123456789abcdef0"
		s.cloud.lists[list] = []string{"10.0.0.0/8"}
		s.cloud.fault = failing("RequestLimitExceeded", "DescribeManagedPrefixLists")
		r := ranged(false, "tcp", 3306, 3306, "")
		r.CidrIpv4, r.PrefixListId = nil, new(list)
		m := s.open(groupA, r)
		require.Error(t, s.deliver(m)[0])
		s.cloud.fault = nil
		time.Sleep(time.Minute)
		s.alerts = nil
		s.done(again(m))
		assert.Empty(t, s.alerts)
	})
}
