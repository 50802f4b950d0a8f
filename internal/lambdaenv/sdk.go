package lambdaenv

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"sgward/internal/awscall"
	"sgward/internal/table"
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

// Config configures clients from the environment of a Lambda function, as the SDK's own
// loader would. That one would also look for profiles, single sign-on and instance roles: none
// of them exist here, and linking it costs a quarter of the time from the process's start to
// its first poll. Each function makes its own clients: others, linked here, would slow its
// start.
func (e Environment) Config(p Patience) aws.Config {
	source := variables(e.lookup)
	return aws.Config{
		Region:        e.Region,
		Credentials:   credentials(e.lookup),
		BaseEndpoint:  source.endpoint(),
		ConfigSources: []any{source},
		HTTPClient:    awshttp.NewBuildableClient().WithTimeout(p.Attempt),
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

// Client returns a client for calls without a client of the SDK. One call of a service is
// worth no client of the SDK, which takes longer to compile than all of sweep, and more bytes
// than remediate has left.
func (e Environment) Client(p Patience) *awscall.Client { return awscall.New(e.Config(p)) }

// Memory returns the table that MEMORY_TABLE names, in which sweep keeps findings and
// remediate counts closings; nil if it is not set.
func (e Environment) Memory(p Patience) *table.Table {
	name, _ := e.lookup("MEMORY_TABLE")
	if name == "" {
		return nil
	}
	return &table.Table{Client: e.Client(p), Name: name}
}

// errNoCredentials says that the environment is not that of a Lambda function.
var errNoCredentials = errors.New("reading credentials: AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set: want the environment of a Lambda function")

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

// variables are the settings of clients in the environment, in the methods by which the SDK
// and awscall ask a source of settings.
type variables Lookup

// endpoint returns the address for all services, such as that of a stand-in; nil if there is
// none (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).
func (v variables) endpoint() *string {
	if address, _ := v("AWS_ENDPOINT_URL"); address != "" && !v.isTrue("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
		return &address
	}
	return nil
}

// GetServiceBaseEndpoint returns the address for one service, by the SDK's id, such as
// "CloudWatch Logs".
func (v variables) GetServiceBaseEndpoint(_ context.Context, id string) (string, bool, error) {
	address, _ := v("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(id, " ", "_")))
	return address, address != "", nil
}

// GetIgnoreConfiguredEndpoints says whether AWS's own addresses are used whatever is set.
func (v variables) GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error) {
	return v.isTrue("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), true, nil
}

// GetUseFIPSEndpoint says whether the endpoints with validated cryptography are used.
func (v variables) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	if v.isTrue("AWS_USE_FIPS_ENDPOINT") {
		return aws.FIPSEndpointStateEnabled, true, nil
	}
	return aws.FIPSEndpointStateUnset, false, nil
}

func (v variables) isTrue(name string) bool {
	value, _ := v(name)
	return strings.EqualFold(value, "true")
}
