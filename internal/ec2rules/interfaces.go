package ec2rules

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/awsid"
	"sgward/internal/finding"
)

// smallestPage is the least value that DescribeNetworkInterfaces accepts for MaxResults.
const smallestPage = 5

// InterfaceReader reads network interfaces. *ec2.Client implements it.
type InterfaceReader interface {
	DescribeNetworkInterfaces(context.Context, *ec2.DescribeNetworkInterfacesInput, ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error)
}

// Interfaces reads at most limit network interfaces that use a group.
func Interfaces(ctx context.Context, client InterfaceReader, groupID string, limit int) ([]finding.Interface, error) {
	pages := ec2.NewDescribeNetworkInterfacesPaginator(client, &ec2.DescribeNetworkInterfacesInput{
		Filters:    []types.Filter{{Name: aws.String("group-id"), Values: []string{groupID}}},
		MaxResults: aws.Int32(int32(min(max(limit, smallestPage), perPage))),
	})
	var out []finding.Interface
	for pages.HasMorePages() && len(out) < limit { // a page may be empty and not the last
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the network interfaces of %s: %w", groupID, err)
		}
		for _, n := range page.NetworkInterfaces {
			if len(out) < limit {
				out = append(out, InterfaceOf(n, groupID))
			}
		}
	}
	return out, nil
}

// AllInterfaces reads all network interfaces of the client's region and returns them by
// the id of each group that they use, sorted by id.
func AllInterfaces(ctx context.Context, client InterfaceReader) (map[string][]finding.Interface, error) {
	out := map[string][]finding.Interface{}
	pages := ec2.NewDescribeNetworkInterfacesPaginator(client, &ec2.DescribeNetworkInterfacesInput{MaxResults: aws.Int32(perPage)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading network interfaces: %w", err)
		}
		for _, n := range page.NetworkInterfaces {
			AddInterface(out, n)
		}
	}
	SortInterfaces(out)
	return out, nil
}

// AddInterface adds an interface to each group that it uses.
func AddInterface(byGroup map[string][]finding.Interface, n types.NetworkInterface) {
	for _, g := range n.Groups {
		id := aws.ToString(g.GroupId)
		byGroup[id] = append(byGroup[id], InterfaceOf(n, id))
	}
}

// SortInterfaces sorts the interfaces of each group by id and drops duplicates, which
// overlapping sources have.
func SortInterfaces(byGroup map[string][]finding.Interface) {
	for id, list := range byGroup {
		slices.SortStableFunc(list, func(a, b finding.Interface) int { return cmp.Compare(a.ID, b.ID) })
		byGroup[id] = slices.CompactFunc(list, func(a, b finding.Interface) bool { return a.ID == b.ID })
	}
}

// InterfaceOf converts a network interface of DescribeNetworkInterfaces to one that uses
// the group.
func InterfaceOf(n types.NetworkInterface, groupID string) finding.Interface {
	out := finding.Interface{
		ID: aws.ToString(n.NetworkInterfaceId), GroupID: groupID,
		PrivateIP: aws.ToString(n.PrivateIpAddress), Description: aws.ToString(n.Description),
	}
	if n.Association != nil {
		out.PublicIP = aws.ToString(n.Association.PublicIp)
	}
	for _, a := range n.PrivateIpAddresses {
		if a.Association == nil {
			continue
		}
		switch ip := aws.ToString(a.Association.PublicIp); ip {
		case "", out.PublicIP:
		default:
			out.MorePublicIPs = append(out.MorePublicIPs, ip)
		}
	}
	for _, a := range n.Ipv6Addresses {
		out.IPv6Addresses = append(out.IPv6Addresses, aws.ToString(a.Ipv6Address))
	}
	if n.Attachment != nil {
		out.InstanceID = aws.ToString(n.Attachment.InstanceId)
	}
	if out.InstanceID == "" {
		out.Service = serviceBehind(n)
	}
	return out
}

// serviceBehind names the service that made an interface. For some services EC2 has a
// field; for others only the description shows it, in mostly undocumented forms, and a
// description of another form is ignored. Anyone may describe an interface like that, so
// no verdict depends on it.
func serviceBehind(n types.NetworkInterface) string {
	description := aws.ToString(n.Description)
	for _, s := range describedServices() {
		rest, ok := strings.CutPrefix(description, s.prefix)
		switch name, _, _ := strings.Cut(rest, " "); {
		case !ok:
		case s.named && isResourceName(name):
			return s.words + " " + name
		case !s.named && rest == "":
			return s.words
		}
	}
	return serviceOfType(n.InterfaceType)
}

type describedService struct {
	prefix string // the text before the resource's name, or the whole description
	named  bool
	words  string
}

// describedServices are the descriptions that services give to their interfaces.
func describedServices() []describedService {
	return []describedService{
		{"ELB ", true, "load balancer"},
		{"Interface for NAT Gateway ", true, "NAT gateway"},
		{"VPC Endpoint Interface ", true, "VPC endpoint"},
		{"EC2 Instance Connect Endpoint ", true, "instance connect endpoint"},
		{"Network Interface for Transit Gateway Attachment ", true, "transit gateway attachment"},
		{"arn:aws:ecs:", true, "ECS task attachment"},
		{"EFS mount target for ", true, "EFS file system"},
		{"ElastiCache ", true, "ElastiCache"},
		{"ES ", true, "OpenSearch domain"},
		{"Amazon EKS ", true, "EKS cluster"},
		{"AWS created network interface for directory ", true, "directory"},
		{"Route 53 Resolver: ", true, "Route 53 Resolver"},
		{"RDSNetworkInterface", false, "RDS database"},
		{"Network interface for DBProxy", false, "RDS proxy"},
		{"RedshiftNetworkInterface", false, "Redshift cluster"},
		{"DMSNetworkInterface", false, "DMS replication instance"},
	}
}

// serviceOfType names the service of an interface type, if the type identifies one.
func serviceOfType(t types.NetworkInterfaceType) string {
	switch t {
	case types.NetworkInterfaceTypeNatGateway, "nat_gateway": // the latter in answers, the former in the SDK's model
		return "NAT gateway"
	case types.NetworkInterfaceTypeLoadBalancer, types.NetworkInterfaceTypeNetworkLoadBalancer, types.NetworkInterfaceTypeGatewayLoadBalancer:
		return "load balancer"
	case types.NetworkInterfaceTypeVpcEndpoint, types.NetworkInterfaceTypeGatewayLoadBalancerEndpoint:
		return "VPC endpoint"
	case types.NetworkInterfaceTypeTransitGateway:
		return "transit gateway"
	case types.NetworkInterfaceTypeLambda: // functions share it, and its description names one of them
		return "Lambda functions"
	case types.NetworkInterfaceTypeQuicksight:
		return "QuickSight"
	case types.NetworkInterfaceTypeGlobalAcceleratorManaged:
		return "Global Accelerator"
	case types.NetworkInterfaceTypeApiGatewayManaged:
		return "API Gateway"
	case types.NetworkInterfaceTypeIotRulesManaged:
		return "IoT rules"
	case types.NetworkInterfaceTypeAwsCodestarConnectionsManaged:
		return "CodeStar connection"
	default:
		return ""
	}
}

// isResourceName reports whether s can be the name or id of a resource, and not free text.
func isResourceName(s string) bool {
	return awsid.OnlyOf(s, awsid.Alphanumeric+"-_./:+")
}
