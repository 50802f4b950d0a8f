package remediation_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

func opening(t *testing.T, groupID string, d secgroup.Direction, port int, peer secgroup.Peer, eventID string) remediation.Opening {
	t.Helper()
	p, err := secgroup.NewPermission(d, secgroup.TCP, &port, &port, cidr("0.0.0.0/0"))
	require.NoError(t, err)
	p.Peer = peer // which may be none
	return remediation.Opening{Rule: secgroup.Rule{GroupID: groupID, Permission: p}, EventID: eventID}
}

func cidr(s string) secgroup.Peer { return secgroup.CIDRPeer(netip.MustParsePrefix(s)) }

func TestAPlanHasOneCallForEachGroupAndDirection(t *testing.T) {
	world := cidr("0.0.0.0/0")
	got := remediation.PlannedCalls(
		opening(t, groupA, secgroup.Ingress, 22, world, "e1"),
		opening(t, groupB, secgroup.Ingress, 22, world, "e2"),
		opening(t, groupA, secgroup.Egress, 22, world, "e3"),
		opening(t, groupA, secgroup.Ingress, 3306, world, "e4"),
		opening(t, groupA, secgroup.Ingress, 22, world, "e5"), // again
		opening(t, groupA, secgroup.Ingress, 22, world, "e1"), // and again
	)
	assert.Equal(t, []string{groupA + " ingress 2 [e1 e4 e5]", groupB + " ingress 1 [e2]", groupA + " egress 1 [e3]"}, got)
}

func TestAPlanTakesAGroupForTheSameWhoeverOwnsIt(t *testing.T) {
	assert.Equal(t, []string{groupA + " ingress 1 []"}, remediation.PlannedCalls(
		opening(t, groupA, secgroup.Ingress, 22, secgroup.GroupPeer(groupB, account), ""),
		opening(t, groupA, secgroup.Ingress, 22, secgroup.GroupPeer(groupB, ""), ""),
	))
}

func TestAPlanSplitsWhatIsTooMuchForOneCall(t *testing.T) {
	var openings []remediation.Opening
	for i := range 1100 {
		openings = append(openings, opening(t, groupA, secgroup.Ingress, i, cidr("0.0.0.0/0"), ""))
	}
	call := groupA + " ingress "
	assert.Equal(t, []string{call + "500 []", call + "500 []", call + "100 []"}, remediation.PlannedCalls(openings...))
}

func TestAPlanHoldsNothingThatIsNotKnownWhole(t *testing.T) {
	world := cidr("0.0.0.0/0")
	assert.Empty(t, remediation.PlannedCalls(
		remediation.Opening{}, opening(t, "", secgroup.Ingress, 22, world, ""), opening(t, groupA, 0, 22, world, ""),
	))
}
