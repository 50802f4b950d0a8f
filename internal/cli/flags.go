package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/spf13/cobra"

	"sgward/internal/awsid"
	"sgward/internal/input"
	"sgward/internal/report"
	"sgward/internal/sdkhttp"
	"sgward/internal/text"
)

// outputFlags are the flags for the output of every command.
type outputFlags struct {
	format string
	quiet  bool
}

// add gives a command its formats, with the first as default.
func (f *outputFlags) add(cmd *cobra.Command, formats ...report.Format) {
	var names []string
	for _, format := range formats {
		names = append(names, string(format))
	}
	cmd.Flags().StringVar(&f.format, "format", names[0], "format of the results: "+text.Or(names))
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "write results and errors only")
	offer(cmd, "format", names...)
	before := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(names, f.format) {
			return usageError("--format %q: want %s", f.format, text.Or(names))
		}
		return before(cmd, args)
	}
}

// portUsage is the usage of flags for ports.
const portUsage = "port, range or service, such as 3306, 27017-27019 or mysql"

// policyFlag names the policy that judges, alike for every command.
func policyFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "policy", input.DefaultPolicy, "policy file")
	offerFiles(cmd, "policy", policyFiles...)
}

// awsFlags are the flags of every command that calls AWS. Their defaults come from the
// environment and the shared configuration files, as for the AWS CLI.
type awsFlags struct {
	profile  string
	region   string
	endpoint string
}

func (f *awsFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.profile, "profile", "", "named profile of the shared AWS configuration")
	flags.StringVar(&f.region, "region", "", "AWS region (default: of the environment or the profile)")
	flags.StringVar(&f.endpoint, "endpoint-url", "", "send all calls here, for example to sgward local")
	offer(cmd, "region", regionNames()...)
	offerProfiles(cmd)
}

// errNoRegion is returned if neither flag nor configuration names a region.
var errNoRegion = errors.New("no AWS region: name one with --region, AWS_REGION or the profile's configuration")

// checkRegion refuses text that cannot be the name of a region; "" names none.
func checkRegion(region string) error {
	if region != "" && !awsid.IsRegion(region) {
		return usageError("--region %q: want a region such as eu-central-1", region)
	}
	return nil
}

// config resolves credentials and region through the SDK's default chain. It reads
// the process's own environment and files: the SDK offers no other way.
func (f *awsFlags) config(ctx context.Context) (aws.Config, error) {
	if err := checkRegion(f.region); err != nil {
		return aws.Config{}, err
	}
	options := []func(*config.LoadOptions) error{
		config.WithAppID("sgward"),
		config.WithLogger(logging.Nop{}), // errors say what its warnings do
	}
	if f.profile != "" {
		options = append(options, config.WithSharedConfigProfile(f.profile))
	}
	if f.region != "" {
		options = append(options, config.WithRegion(f.region))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	c.HTTPClient = sdkhttp.Client(c.HTTPClient)
	if f.endpoint != "" {
		c.BaseEndpoint = aws.String(f.endpoint)
	}
	if c.Region == "" {
		return aws.Config{}, &statusError{StatusUsage, errNoRegion}
	}
	if !awsid.IsRegion(c.Region) {
		return aws.Config{}, usageError("the region %q of the environment or the profile: want a region such as eu-central-1", c.Region)
	}
	if _, err := c.Credentials.Retrieve(ctx); err != nil {
		return aws.Config{}, fmt.Errorf("no usable AWS credentials: %w", err)
	}
	return c, nil
}
