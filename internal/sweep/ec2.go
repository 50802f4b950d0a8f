package sweep

import (
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"sgward/internal/ec2rules"
)

// EC2 is the part of EC2's API that sweep needs: reads. *ec2.Client implements it.
type EC2 interface {
	ec2rules.GroupReader
	ec2rules.ListReader
	ec2rules.ListUseReader
}

var _ EC2 = (*ec2.Client)(nil)
