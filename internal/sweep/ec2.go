package sweep

import (
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"sgward/internal/ec2rules"
	"sgward/internal/remediation"
)

// EC2 is all that sweep asks of EC2: reads, and the calls that close. *ec2.Client is
// one.
type EC2 interface {
	remediation.Revoker
	ec2rules.GroupDescriber
	ec2rules.EntryReader
	ec2rules.ListDescriber
}

var _ EC2 = (*ec2.Client)(nil)
