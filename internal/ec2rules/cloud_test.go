package ec2rules_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"sgward/internal/secgroup"
)

const (
	groupID = "sg-0000000000000000a"
	listID  = "pl-0123456789abcdef0"
)

// newList makes a prefix list and returns its id.
func newList(t *testing.T, api *ec2.Client, cidrs ...string) string {
	t.Helper()
	var entries []types.AddPrefixListEntry
	for _, cidr := range cidrs {
		entries = append(entries, types.AddPrefixListEntry{Cidr: aws.String(cidr)})
	}
	out, err := api.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("offices"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(int32(len(entries))), Entries: entries,
	})
	require.NoError(t, err)
	return *out.PrefixList.PrefixListId
}

// permissions are what a group's rules let through.
func permissions(g secgroup.Group) []string {
	var out []string
	for _, r := range g.Rules {
		out = append(out, r.Permission.String())
	}
	return out
}
