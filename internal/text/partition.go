package text

import "strings"

// Partition is an AWS partition, which has its own ARNs and console.
type Partition struct {
	// Name is the second part of its ARNs.
	Name string
	// DNSSuffix ends the host names of its services: logs.<region>.<suffix>.
	DNSSuffix string
	// DualStackSuffix is that of endpoints for IPv4 and IPv6.
	DualStackSuffix string
	// console is the host of its console; empty if that is not public.
	console string
	// regional is set if the host begins with the region.
	regional bool
}

// partitions are AWS's, by the prefixes of their regions' names; the first match wins
// (https://github.com/aws/aws-sdk-go-v2/blob/main/internal/endpoints/awsrulesfn/partitions.json).
var partitions = []struct {
	prefix string
	Partition
}{
	{"cn-", Partition{Name: "aws-cn", DNSSuffix: "amazonaws.com.cn", DualStackSuffix: "api.amazonwebservices.com.cn", console: "console.amazonaws.cn"}},
	{"us-gov-", Partition{Name: "aws-us-gov", DNSSuffix: "amazonaws.com", DualStackSuffix: "api.aws", console: "console.amazonaws-us-gov.com"}},
	{"us-iso-", Partition{Name: "aws-iso", DNSSuffix: "c2s.ic.gov", DualStackSuffix: "api.aws.ic.gov"}},
	{"us-isob-", Partition{Name: "aws-iso-b", DNSSuffix: "sc2s.sgov.gov", DualStackSuffix: "api.aws.scloud"}},
	{"eu-isoe-", Partition{Name: "aws-iso-e", DNSSuffix: "cloud.adc-e.uk", DualStackSuffix: "api.cloud-aws.adc-e.uk"}},
	{"us-isof-", Partition{Name: "aws-iso-f", DNSSuffix: "csp.hci.ic.gov", DualStackSuffix: "api.aws.hci.ic.gov"}},
	{"eusc-", Partition{Name: "aws-eusc", DNSSuffix: "amazonaws.eu", DualStackSuffix: "api.amazonwebservices.eu", console: "console.amazonaws-eusc.eu", regional: true}},
	{"", Partition{Name: "aws", DNSSuffix: "amazonaws.com", DualStackSuffix: "api.aws", console: "console.aws.amazon.com"}},
}

// PartitionOf returns the partition of a region. ok is false for a text that does not have
// the form of a region and must not get into a link or a command.
func PartitionOf(region string) (p Partition, ok bool) {
	if strings.Count(region, "-") < 2 || strings.Trim(region, "-") != region || len(region) > 64 {
		return Partition{}, false
	}
	for i := range len(region) {
		if c := region[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return Partition{}, false
		}
	}
	for _, known := range partitions {
		if strings.HasPrefix(region, known.prefix) {
			return known.Partition, true
		}
	}
	return Partition{}, false
}

// ARN returns the ARN of a resource in a region of the partition, such as
// "security-group/sg-0123456789abcdef0" of ec2.
func (p Partition) ARN(service, region, accountID, resource string) string {
	return strings.Join([]string{"arn", p.Name, service, region, accountID, resource}, ":")
}

// ConsoleHost returns the host of the console's pages for a region of the partition; empty
// if that is not public.
func (p Partition) ConsoleHost(region string) string {
	if p.regional {
		return region + "." + p.console
	}
	return p.console
}
