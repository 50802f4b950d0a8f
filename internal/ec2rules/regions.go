package ec2rules

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// RegionReader lists regions. *ec2.Client implements it.
type RegionReader interface {
	DescribeRegions(context.Context, *ec2.DescribeRegionsInput, ...func(*ec2.Options)) (*ec2.DescribeRegionsOutput, error)
}

// Regions returns the regions that the account of the client has enabled, sorted.
func Regions(ctx context.Context, client RegionReader) ([]string, error) {
	out, err := client.DescribeRegions(ctx, &ec2.DescribeRegionsInput{}) // without AllRegions EC2 lists only the enabled ones
	if err != nil {
		return nil, fmt.Errorf("listing the regions: %w", err)
	}
	var names []string
	for _, r := range out.Regions {
		names = append(names, aws.ToString(r.RegionName))
	}
	slices.Sort(names)
	return names, nil
}
