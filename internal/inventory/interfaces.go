package inventory

import (
	"cmp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/finding"
	"sgward/internal/remediation"
)

// addInterface notes an interface under each group that it uses.
func addInterface(byGroup map[string][]finding.Interface, n types.NetworkInterface) {
	for _, g := range n.Groups {
		id := aws.ToString(g.GroupId)
		byGroup[id] = append(byGroup[id], remediation.ReadInterface(n, id))
	}
}

// sortInterfaces orders those of each group by id and drops repeats, which
// overlapping dumps have.
func sortInterfaces(byGroup map[string][]finding.Interface) {
	for id, list := range byGroup {
		slices.SortStableFunc(list, func(a, b finding.Interface) int { return cmp.Compare(a.ID, b.ID) })
		byGroup[id] = slices.CompactFunc(list, func(a, b finding.Interface) bool { return a.ID == b.ID })
	}
}
