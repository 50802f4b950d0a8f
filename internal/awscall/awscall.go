// Package awscall makes signed calls of AWS services without a generated client. Each
// generated client of the AWS SDK takes 4 to 10 seconds of processor time to compile; a few
// calls of a service are not worth that. Configuration, credentials, signatures and the
// rules for retries are the SDK's.
//
// Errors are the SDK's too: a *smithy.OperationError around a smithy.APIError, or around a
// *http.RequestSendError if no answer came.
package awscall

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sgward/internal/pause"
	"sgward/internal/text"
)

// maxAnswer is more than any answer of the services has.
const maxAnswer = 32 << 20

// Service names a service in the ways that AWS does.
type Service struct {
	// ID is the SDK's id, which names the service's endpoint in the configuration
	// (AWS_ENDPOINT_URL_CLOUDWATCH_LOGS).
	ID string
	// Host begins the host name of its endpoints, and is its name in signatures.
	Host string
	// IAM is its prefix in the names of permissions; empty stands for Host.
	IAM string
	// Target begins the header X-Amz-Target of a service with a JSON protocol, and JSON is
	// the protocol's version; empty stands for 1.1.
	Target, JSON string
	// Version is the API version of a service with the Query protocol, or the first part of
	// the path of one with the REST protocol, where paths have one.
	Version string
	// Global services have one endpoint for all regions of a partition, in its home.
	Global bool
	// China is the home of a global service in the partition aws-cn; empty stands for
	// cn-north-1.
	China string
	// Nowhere is set for a global service whose endpoint in the partition aws names no
	// region, and in GovCloud only "us-gov".
	Nowhere bool
	// GovIsFIPS is set for a service whose plain endpoints in GovCloud have validated
	// cryptography, and which has no others there.
	GovIsFIPS bool
}

// homes are the regions in which calls of global services are signed, by partition
// (https://docs.aws.amazon.com/general/latest/gr/iam-service.html).
var homes = map[string]string{
	"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1", "aws-iso": "us-iso-east-1", "aws-iso-b": "us-isob-east-1",
	"aws-iso-e": "eu-isoe-west-1", "aws-iso-f": "us-isof-south-1", "aws-eusc": "eusc-de-east-1",
}

// scope returns the region in which a call of the service is signed.
func (s Service) scope(region string) string {
	partition, ok := text.PartitionOf(region)
	switch {
	case !ok || !s.Global:
		return region
	case partition.Name == "aws-cn":
		return cmp.Or(s.China, homes[partition.Name])
	default:
		return homes[partition.Name]
	}
}

// The services that the product calls in this way. Their endpoints are those of the rules
// that SDKs have (https://github.com/boto/botocore/tree/develop/botocore/data, each service's
// endpoint-rule-set-1.json).
var (
	Athena         = Service{ID: "Athena", Host: "athena", Target: "AmazonAthena"}
	CloudFormation = Service{ID: "CloudFormation", Host: "cloudformation", Version: "2010-05-15", GovIsFIPS: true}
	CloudTrail     = Service{ID: "CloudTrail", Host: "cloudtrail", Target: "CloudTrail_20131101", GovIsFIPS: true}
	CloudWatch     = Service{ID: "CloudWatch", Host: "monitoring", IAM: "cloudwatch", Version: "2010-08-01", GovIsFIPS: true}
	DynamoDB       = Service{ID: "DynamoDB", Host: "dynamodb", Target: "DynamoDB_20120810", JSON: "1.0", GovIsFIPS: true}
	EventBridge    = Service{ID: "EventBridge", Host: "events", Target: "AWSEvents", GovIsFIPS: true}
	IAM            = Service{ID: "IAM", Host: "iam", Version: "2010-05-08", Global: true, Nowhere: true, GovIsFIPS: true}
	KMS            = Service{ID: "KMS", Host: "kms", Target: "TrentService"}
	Lambda         = Service{ID: "Lambda", Host: "lambda", Version: "2015-03-31"}
	Logs           = Service{ID: "CloudWatch Logs", Host: "logs", Target: "Logs_20140328", GovIsFIPS: true}
	Organizations  = Service{ID: "Organizations", Host: "organizations", Target: "AWSOrganizationsV20161128", Global: true, China: "cn-northwest-1", GovIsFIPS: true}
	SecretsManager = Service{ID: "Secrets Manager", Host: "secretsmanager", Target: "secretsmanager"}
	SecurityHub    = Service{ID: "SecurityHub", Host: "securityhub"}
	SQS            = Service{ID: "SQS", Host: "sqs", Target: "AmazonSQS", JSON: "1.0", GovIsFIPS: true}
)

// Client calls services with one configuration. The zero value is not usable.
type Client struct {
	config aws.Config
	ahead  sync.Map // of Ahead, by the service's id
}

// New returns a client with the region, credentials and endpoints of a configuration.
func New(config aws.Config) *Client {
	if config.HTTPClient == nil {
		config.HTTPClient = awshttp.NewBuildableClient()
	}
	return &Client{config: config}
}

// JSON calls an operation of a service with the JSON protocol. in and out are what
// encoding/json takes; a nil out drops the answer.
func (c *Client) JSON(ctx context.Context, s Service, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", operation, err)
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-" + cmp.Or(s.JSON, "1.1")}, "X-Amz-Target": {s.Target + "." + operation}}
	return c.call(ctx, s, operation, request{method: http.MethodPost, path: "/", header: header, body: body}, func(answer []byte) error {
		if out == nil {
			return nil
		}
		return json.Unmarshal(answer, out)
	})
}

// Query calls an operation of a service with the Query protocol. out takes the element
// <operation>Result, as encoding/xml reads it.
func (c *Client) Query(ctx context.Context, s Service, operation string, parameters url.Values, out any) error {
	form := url.Values{"Action": {operation}, "Version": {s.Version}}
	for name, values := range parameters {
		form[name] = values
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}
	return c.call(ctx, s, operation, request{method: http.MethodPost, path: "/", header: header, body: []byte(form.Encode())}, func(answer []byte) error {
		decoder := xml.NewDecoder(bytes.NewReader(answer))
		for {
			token, err := decoder.Token()
			if err != nil {
				return fmt.Errorf("looking for %sResult: %w", operation, err)
			}
			if start, ok := token.(xml.StartElement); ok && start.Name.Local == operation+"Result" {
				return decoder.DecodeElement(out, &start)
			}
		}
	})
}

// REST calls an operation of a service with the REST protocol. path follows the service's
// version and has its segments escaped; out is nil or takes the JSON of the answer.
func (c *Client) REST(ctx context.Context, s Service, operation, method, path string, header http.Header, body []byte, out any) error {
	if s.Version != "" {
		path = "/" + s.Version + path
	}
	return c.call(ctx, s, operation, request{method: method, path: path, header: header, body: body}, func(answer []byte) error {
		if out == nil || len(answer) == 0 {
			return nil
		}
		return json.Unmarshal(answer, out)
	})
}

type request struct {
	method, path string // the path has its segments escaped, and may end with a query
	header       http.Header
	body         []byte
}

// call sends a request, again where the SDK would, and reads the answer.
func (c *Client) call(ctx context.Context, s Service, operation string, r request, read func(answer []byte) error) error {
	fail := func(err error) error {
		return &smithy.OperationError{ServiceID: cmp.Or(s.IAM, s.Host), OperationName: operation, Err: err}
	}
	endpoint, err := c.endpoint(ctx, s)
	if err != nil {
		return fail(err)
	}
	var retryer aws.Retryer = retry.NewStandard()
	if c.config.Retryer != nil {
		retryer = c.config.Retryer()
	}
	if tries := c.config.RetryMaxAttempts; tries != 0 {
		retryer = retry.AddWithMaxAttempts(retryer, tries)
	}
	for attempt := 1; ; attempt++ {
		ahead := c.Ahead(s)
		answer, err := c.send(ctx, s, endpoint, r, time.Now().Add(ahead))
		if err == nil {
			if err := read(answer); err != nil {
				return fail(fmt.Errorf("reading the answer: %w", err))
			}
			return nil
		}
		if ctx.Err() != nil || attempt >= retryer.MaxAttempts() || !retryer.IsErrorRetryable(err) && !isWrongTime(err, ahead, c.Ahead(s)) {
			return fail(err)
		}
		delay, delayErr := retryer.RetryDelay(attempt, err)
		if delayErr != nil {
			return fail(err)
		}
		if cut := pause.For(ctx, delay); cut != nil {
			return fail(fmt.Errorf("%w, after %w", cut, err))
		}
	}
}

// Ahead returns how far a service's clock is ahead of this machine's, by its last answer; 0
// before the first. Its Date leaves out parts of seconds. Calls are signed with that time.
func (c *Client) Ahead(s Service) time.Duration {
	ahead, _ := c.ahead.Load(s.ID)
	d, _ := ahead.(time.Duration)
	return d
}

// mostApart is how far a signature's time may be off before a refusal is taken for its
// consequence, as in the SDK: AWS takes five minutes.
const mostApart = 4 * time.Minute

// isWrongTime reports that a call may have been refused for the time in its signature, and
// that the refusal told a better one.
func isWrongTime(err error, signed, told time.Duration) bool {
	var api smithy.APIError
	if (signed-told).Abs() <= mostApart || !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() { // those of the SDK (aws/retry, clockSkewCodes)
	case "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "RequestTimeTooSkewed", "AccessDeniedException":
		return true
	default:
		return false
	}
}

// send makes one attempt, which is signed at a time.
func (c *Client) send(ctx context.Context, s Service, endpoint string, r request, at time.Time) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, r.method, strings.TrimSuffix(endpoint, "/")+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	for name, values := range r.header {
		q.Header[name] = values
	}
	q.Header.Set("User-Agent", "app/"+c.config.AppID)
	keys, err := c.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking for credentials: %w", err)
	}
	sum := sha256.Sum256(r.body)
	if err := v4.NewSigner().SignHTTP(ctx, keys, q, hex.EncodeToString(sum[:]), s.Host, s.scope(c.config.Region), at); err != nil {
		return nil, fmt.Errorf("signing the request: %w", err)
	}
	response, err := c.config.HTTPClient.Do(q)
	if err != nil {
		return nil, &smithyhttp.RequestSendError{Err: err}
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if told, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		c.ahead.Store(s.ID, time.Until(told))
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, &smithyhttp.RequestSendError{Err: fmt.Errorf("reading the answer: %w", err)}
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: response}, Err: apiError(response, answer)}
	}
	return answer, nil
}

// refusal is the error of a service, with the whole answer.
type refusal struct {
	*smithy.GenericAPIError
	answer []byte
}

// RefusalOf returns the answer by which a service refused a call, of which some have more
// fields than a code and a message; nil for other errors.
func RefusalOf(err error) []byte {
	var r *refusal
	if !errors.As(err, &r) {
		return nil
	}
	return r.answer
}

// apiError reads the code and the message of a refusal, in the form of any protocol.
func apiError(response *http.Response, answer []byte) error {
	out := &refusal{&smithy.GenericAPIError{Fault: smithy.FaultClient}, answer}
	if response.StatusCode >= http.StatusInternalServerError {
		out.Fault = smithy.FaultServer
	}
	var said struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"`
		Capital string `json:"Message"`
	}
	var inXML struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	switch {
	case json.Unmarshal(answer, &said) == nil:
		out.Code, out.Message = cmp.Or(response.Header.Get("X-Amzn-Errortype"), said.Type, said.Code), cmp.Or(said.Message, said.Capital)
	case xml.Unmarshal(answer, &inXML) == nil:
		out.Code, out.Message = inXML.Code, inXML.Message
	}
	// "com.amazonaws.sqs#Code", or "Code:http://internal.amazon.com/..."
	out.Code, _, _ = strings.Cut(out.Code[strings.LastIndexByte(out.Code, '#')+1:], ":")
	if out.Code == "" {
		out.Code = "HTTP" + fmt.Sprint(response.StatusCode)
		out.Message = text.Shown(strings.TrimSpace(string(answer)), 200)
	}
	return out
}

// errNoRegionName says that a region cannot be part of a host name.
var errNoRegionName = errors.New("want the name of a region such as eu-central-1")

// Configured returns the address that a configuration names for a service, by the SDK's id
// ("CloudWatch Logs"), in the SDK's order: the service's own before that of all services, but
// all of the environment before all of a file. "" stands for AWS's own address; fips says
// whether that should be one with validated cryptography.
func Configured(ctx context.Context, config aws.Config, id string) (address string, fips bool) {
	ignored, _ := first(config, func(p interface {
		GetIgnoreConfiguredEndpoints(ctx context.Context) (bool, bool, error)
	}) (bool, bool, error) {
		return p.GetIgnoreConfiguredEndpoints(ctx)
	})
	const forAll = "AWS_ENDPOINT_URL"
	_, all := os.LookupEnv(forAll)
	_, one := os.LookupEnv(forAll + "_" + strings.ToUpper(strings.ReplaceAll(id, " ", "_")))
	if !ignored && (one || !all) {
		own, found := first(config, func(p interface {
			GetServiceBaseEndpoint(ctx context.Context, sdkID string) (string, bool, error)
		}) (string, bool, error) {
			return p.GetServiceBaseEndpoint(ctx, id)
		})
		if found {
			return own, false
		}
	}
	state, _ := first(config, func(p interface {
		GetUseFIPSEndpoint(ctx context.Context) (aws.FIPSEndpointState, bool, error)
	}) (aws.FIPSEndpointState, bool, error) {
		return p.GetUseFIPSEndpoint(ctx)
	})
	return aws.ToString(config.BaseEndpoint), state == aws.FIPSEndpointStateEnabled
}

// first returns a setting of the first source of a configuration that has it: the
// environment, then files.
func first[P, T any](config aws.Config, get func(P) (T, bool, error)) (value T, found bool) {
	for _, source := range config.ConfigSources {
		if p, ok := source.(P); ok {
			if value, found, err := get(p); err == nil && found {
				return value, true
			}
		}
	}
	return value, false
}

// endpoint returns the address of a service: the configuration's, or AWS's.
func (c *Client) endpoint(ctx context.Context, s Service) (string, error) {
	configured, fips := Configured(ctx, c.config, s.ID)
	if configured != "" {
		return configured, nil
	}
	partition, ok := text.PartitionOf(c.config.Region)
	if !ok {
		return "", fmt.Errorf("region %q: %w", c.config.Region, errNoRegionName)
	}
	dual, _ := first(c.config, func(p interface {
		GetUseDualStackEndpoint(ctx context.Context) (aws.DualStackEndpointState, bool, error)
	}) (aws.DualStackEndpointState, bool, error) {
		return p.GetUseDualStackEndpoint(ctx)
	})
	isGov, isDual := partition.Name == "aws-us-gov", dual == aws.DualStackEndpointStateEnabled && !s.Nowhere
	host, suffix := s.Host, partition.DNSSuffix
	if fips && !(isGov && s.GovIsFIPS && (s.Global || !isDual)) {
		host += "-fips"
	}
	if isDual {
		suffix = partition.DualStackSuffix
	}
	switch place := s.scope(c.config.Region); {
	case s.Nowhere && partition.Name == "aws":
		return "https://" + host + "." + suffix, nil
	case s.Nowhere && isGov:
		return "https://" + host + ".us-gov." + suffix, nil
	default:
		return "https://" + host + "." + place + "." + suffix, nil
	}
}
