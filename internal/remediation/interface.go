package remediation

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/finding"
)

// ReadInterface reads a network interface of DescribeNetworkInterfaces as one that
// uses the group.
func ReadInterface(n types.NetworkInterface, groupID string) finding.Interface {
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

// serviceBehind says in words what a service has made an interface for. EC2 has a
// field for some of them; of the others only the description tells, in a form of the
// service's own, which is not documented for most: what it does not fit is left
// unsaid. Anybody may describe an interface of his own like that, so no verdict rests
// on it.
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
	prefix string // what stands before the resource's name, or the whole description
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

// serviceOfType names the service of an interface type that tells it.
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

// isResourceName reports whether s can be the name or id of a resource. What cannot
// is somebody's sentence.
func isResourceName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:+", r)
	})
}
