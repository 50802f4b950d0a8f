package sweep

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"sgward/internal/remediation"
)

// EC2 is all that sweep asks of EC2: reads, and the calls that close. *ec2.Client is
// one.
type EC2 interface {
	remediation.Revoker
	remediation.GroupReader
	DescribeManagedPrefixLists(context.Context, *ec2.DescribeManagedPrefixListsInput, ...func(*ec2.Options)) (*ec2.DescribeManagedPrefixListsOutput, error)
}

var _ EC2 = (*ec2.Client)(nil)
