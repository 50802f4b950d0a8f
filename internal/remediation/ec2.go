package remediation

import (
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"sgward/internal/ec2rules"
)

// EC2 is the part of EC2's API that remediation needs: reads and Revoke. *ec2.Client
// implements it.
type EC2 interface {
	ec2rules.Revoker
	ec2rules.GroupReader
	ec2rules.ListReader
	ec2rules.InterfaceReader
}

var _ EC2 = (*ec2.Client)(nil)
