package remediation

import (
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"sgward/internal/ec2rules"
)

// Revoker closes, and looks where an answer leaves open what was closed.
// *ec2.Client is one.
type Revoker interface {
	ec2rules.Revoker
	ec2rules.RuleReader
}

// EC2 is all that remediation asks of EC2: reads, and no call that opens anything.
// *ec2.Client is one.
type EC2 interface {
	Revoker
	ec2rules.GroupReader
	ec2rules.EntryReader
	ec2rules.InterfaceReader
}

var _ EC2 = (*ec2.Client)(nil)
