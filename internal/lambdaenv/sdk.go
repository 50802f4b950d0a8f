package lambdaenv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"sgward/internal/awscall"
	"sgward/internal/table"
	"sgward/internal/text"
)

// Patience limits one call.
type Patience struct {
	Attempts int           // the most times it is sent
	Attempt  time.Duration // the time limit of one of them, for connections that hang
	Backoff  time.Duration // the longest pause between two
}

// Longest is the time of a call if every attempt fails.
func (p Patience) Longest() time.Duration {
	return time.Duration(p.Attempts)*p.Attempt + time.Duration(p.Attempts-1)*p.Backoff
}

// Service returns the configuration of a service's client, by its name in environment
// variables: "EC2", "SQS". Each function makes its own clients: others, linked here, would
// slow its start.
func (e Environment) Service(name string, p Patience) (aws.Config, aws.FIPSEndpointState) {
	return e.serviceConfig(name, p), useFIPS(e.lookup)
}

// Client returns a client for a service, for calls without a client of the SDK. One call of
// a service is worth no client of the SDK, which takes longer to compile than all of sweep,
// and more bytes than remediate has left.
func (e Environment) Client(s awscall.Service, p Patience) (*awscall.Client, error) {
	config, err := e.hosted(s, p)
	if err != nil {
		return nil, err
	}
	return awscall.New(config), nil
}

// Memory returns the table that MEMORY_TABLE names, in which sweep keeps findings and
// remediate counts closings; nil if it is not set.
func (e Environment) Memory(p Patience) (*table.Table, error) {
	name, _ := e.lookup("MEMORY_TABLE")
	if name == "" {
		return nil, nil //nolint:nilnil // optional
	}
	client, err := e.Client(awscall.DynamoDB, p)
	if err != nil {
		return nil, err
	}
	return &table.Table{Client: client, Name: name}, nil
}

// hosted is Service with the address of the service's endpoint. The service's name in
// environment variables is the SDK's id in capitals: CLOUDWATCH_LOGS.
func (e Environment) hosted(s awscall.Service, p Patience) (aws.Config, error) {
	c, host := e.serviceConfig(strings.ToUpper(strings.ReplaceAll(s.ID, " ", "_")), p), s.Host
	if c.BaseEndpoint == nil {
		partition, ok := text.PartitionOf(e.Region)
		if !ok {
			return aws.Config{}, fmt.Errorf("reading AWS_REGION: %q: want the name of a region", e.Region)
		}
		// In GovCloud the plain names are those of the validated endpoints
		// (https://aws.amazon.com/compliance/fips/).
		if useFIPS(e.lookup) == aws.FIPSEndpointStateEnabled && partition.Name != "aws-us-gov" {
			host += "-fips"
		}
		c.BaseEndpoint = aws.String("https://" + host + "." + e.Region + "." + partition.DNSSuffix)
	}
	return c, nil
}

// serviceConfig returns the configuration of a service's client; service is its name in
// environment variables.
func (e Environment) serviceConfig(service string, p Patience) aws.Config {
	c := awsConfig(e.Region, e.lookup, p)
	c.BaseEndpoint = endpoint(e.lookup, service)
	return c
}

// errNoCredentials says that the environment is not that of a Lambda function.
var errNoCredentials = errors.New("reading credentials: AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set: want the environment of a Lambda function")

// awsConfig configures the SDK from the environment of a Lambda function. The SDK's own
// loader would also look for profiles, single sign-on and instance roles: none of them
// exist here, and linking it costs a quarter of the time from the process's start to its
// first poll.
func awsConfig(region string, lookup Lookup, p Patience) aws.Config {
	return aws.Config{
		Region:      region,
		Credentials: credentials(lookup),
		HTTPClient:  awshttp.NewBuildableClient().WithTimeout(p.Attempt),
		// Marks sgward's calls in CloudTrail.
		AppID: "sgward",
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.MaxBackoff = p.Attempts, p.Backoff
				o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(isCut))
			})
		},
	}
}

// isCut answers whether an error may be retried: if the connection broke within an answer.
// The SDK gives up on those, as it takes them for an answer that it cannot read.
func isCut(err error) aws.Ternary {
	var unread *smithy.DeserializationError
	if errors.As(err, &unread) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// credentials are the function's role's. They stay valid for the life of the process:
// Lambda replaces an execution environment before they expire.
func credentials(lookup Lookup) aws.CredentialsProvider {
	var c aws.Credentials
	c.AccessKeyID, _ = lookup("AWS_ACCESS_KEY_ID")
	c.SecretAccessKey, _ = lookup("AWS_SECRET_ACCESS_KEY")
	c.SessionToken, _ = lookup("AWS_SESSION_TOKEN")
	c.Source = "environment"
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		if !c.HasKeys() {
			return aws.Credentials{}, errNoCredentials
		}
		return c, nil
	})
}

// endpoint returns the address that the environment sets for a service, for private
// gateways and stand-ins, or nil for AWS's own
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).
func endpoint(lookup Lookup, service string) *string {
	if ignore, _ := lookup("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"); strings.EqualFold(ignore, "true") {
		return nil
	}
	for _, name := range []string{"AWS_ENDPOINT_URL_" + service, "AWS_ENDPOINT_URL"} {
		if url, _ := lookup(name); url != "" {
			return &url
		}
	}
	return nil
}

// useFIPS reports whether the environment asks for endpoints with validated
// cryptography.
func useFIPS(lookup Lookup) aws.FIPSEndpointState {
	if v, _ := lookup("AWS_USE_FIPS_ENDPOINT"); strings.EqualFold(v, "true") {
		return aws.FIPSEndpointStateEnabled
	}
	return aws.FIPSEndpointStateUnset
}
