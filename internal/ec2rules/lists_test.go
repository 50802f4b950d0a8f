package ec2rules_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/ec2rules"
	"sgward/localaws/ec2api"
	"sgward/localaws/ec2api/ec2apitest"
)

func TestPrefixListsAreReadOrSaidToBeUnreadable(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	c.Server.SetRuleQuota(1000)
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	var many []string
	for i := range 150 { // two pages
		many = append(many, fmt.Sprintf("203.0.%d.0/24", i))
	}
	long, short := newList(t, api, many...), newList(t, api, "198.51.100.0/24")
	lists, err := ec2rules.NewLists(api).Read(t.Context(), []string{long, short, "pl-0fedcba9876543210"})
	require.NoError(t, err)
	assert.Len(t, lists.Known[long].Entries, 150)
	assert.Equal(t, []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, lists.Known[short].Entries)
	require.Len(t, lists.Unreadable, 1)
	assert.Contains(t, lists.Unreadable["pl-0fedcba9876543210"], "InvalidPrefixListID.NotFound")

	c.Server.FailNext("GetManagedPrefixListEntries", 4, "RequestLimitExceeded")
	_, err = ec2rules.NewLists(api).Read(t.Context(), []string{short})
	assert.ErrorContains(t, err, "reading prefix list "+short, "asked again it may be readable")
}

// badEntry has every list hold what is not a CIDR.
type badEntry struct{ *ec2.Client }

func (badEntry) GetManagedPrefixListEntries(context.Context, *ec2.GetManagedPrefixListEntriesInput, ...func(*ec2.Options)) (*ec2.GetManagedPrefixListEntriesOutput, error) {
	return &ec2.GetManagedPrefixListEntriesOutput{Entries: []types.PrefixListEntry{{Cidr: aws.String("203.0.113.7")}}}, nil
}

func TestAnEntryThatIsNoneMakesItsListUnreadable(t *testing.T) {
	lists, err := ec2rules.NewLists(badEntry{ec2apitest.New(t, ec2api.WithSeed("ec2rules")).Client(ec2apitest.OwnKey, "us-east-1")}).Read(t.Context(), []string{listID})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{listID: "reading prefix list " + listID + `: "203.0.113.7": an entry is not a CIDR`}, lists.Unreadable)
	assert.Nil(t, lists.Known[listID].Entries)
}

func TestAListIsReadOnceAndAPassingErrorIsNotRemembered(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	one, other := newList(t, api, "198.51.100.0/24"), newList(t, api, "203.0.113.0/24")
	lists := ec2rules.NewLists(api)
	c.Server.FailNext("GetManagedPrefixListEntries", 4, "RequestLimitExceeded")
	_, err := lists.Read(t.Context(), []string{one})
	require.Error(t, err)
	c.Server.ResetCalls()
	for range 2 {
		got, err := lists.Read(t.Context(), []string{one, other, listID})
		require.NoError(t, err)
		assert.Nil(t, got.Known[listID].Entries)
		assert.NotNil(t, got.Known[one].Entries)
		assert.Len(t, got.Why([]string{other, listID}), 1)
	}
	assert.Equal(t, 3, c.Server.Calls().Of("GetManagedPrefixListEntries"), "what cannot be read is not asked for again")
}

func TestTheStateOfAListSaysWhetherAnEditIsUnderWay(t *testing.T) {
	assert.False(t, ec2rules.ListState{}.Complete())
	assert.Equal(t, "not shown", ec2rules.ListState{}.String())
	state := ec2rules.ListState{State: "modify-in-progress", Version: 7}
	assert.False(t, state.Complete())
	assert.Equal(t, "modify-in-progress at version 7", state.String())
	assert.True(t, ec2rules.ListState{State: "modify-complete"}.Complete())
}
