// Package bucket reads histories of CloudTrail records from S3 without copying them: it
// lists only the keys of the wanted accounts, regions and days, and reads many objects at
// once, in the order of their keys.
package bucket

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sgward/internal/awscall"
	"sgward/internal/pause"
	"sgward/internal/text"
)

// Client makes the two calls of S3 that reading a history needs, ListObjectsV2 and
// GetObject, with the SDK's signatures and retries. The SDK's own client of S3 has a
// hundred calls: it takes a fifth of the time of the EC2 client to compile, which would be
// felt in each first build.
type Client struct {
	config   aws.Config
	endpoint string // of S3; "" is AWS's own
	service  string // the part of AWS's own host names: s3, or s3-fips
	signer   *v4.Signer
	retryer  *retry.Standard
	stalled  time.Duration
	// unanswered limits what is tried before S3 has answered anything: it is out of reach.
	unanswered time.Duration
	answered   atomic.Bool
	lost       atomic.Pointer[error] // why S3 is out of reach, once that is known

	mu      sync.Mutex
	regions map[string]string // of buckets, as S3 has told
}

const (
	// triesOfACall outlasts the minutes that S3 may answer 503 Slow Down while it spreads
	// a prefix.
	triesOfACall = 12
	// mostSilence is how long a connection may be silent.
	mostSilence = 30 * time.Second
	// mostUnanswered is how long a first answer is waited for, over two tries or more.
	mostUnanswered = 10 * time.Second
	// emptyHash is the SHA-256 of no bytes: no request has a body.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	mostError = 64 << 10
)

// NewClient returns a client with the credentials and the endpoint of a configuration.
// Its region is where a bucket is asked for first.
func NewClient(config aws.Config) *Client {
	endpoint, fips := awscall.Configured(context.Background(), config, "S3") // it makes no call
	service := "s3"
	if fips {
		service = "s3-fips"
	}
	return &Client{
		config: config, endpoint: strings.TrimSuffix(endpoint, "/"), service: service, regions: map[string]string{}, stalled: mostSilence,
		unanswered: mostUnanswered,
		signer:     v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }), // S3 signs the path as it is sent
		retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = triesOfACall
			o.RateLimiter = ratelimit.None // else some hundred throttles of all calls together end the retries
		}),
	}
}

// page is a part of a listing.
type page struct {
	Contents []struct {
		Key  string
		Size int64
	}
	CommonPrefixes        []struct{ Prefix string }
	IsTruncated           bool
	NextContinuationToken string
}

// listing selects keys: those with the prefix, after a key. With a delimiter, longer ones
// are folded into the folders that they are in.
type listing struct{ bucket, prefix, after, delimiter string }

// list returns one page; token is empty for the first.
func (c *Client) list(ctx context.Context, l listing, token string) (page, error) {
	query := url.Values{"list-type": {"2"}, "encoding-type": {"url"}, "prefix": {l.prefix}}
	for name, value := range map[string]string{"delimiter": l.delimiter, "start-after": l.after, "continuation-token": token} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var out page
	// IAM's action for ListObjectsV2 is s3:ListBucket.
	err := c.try(ctx, "ListBucket", func() error {
		out = page{}
		ctx, cancel := context.WithTimeout(ctx, c.patience())
		defer cancel()
		response, err := c.send(ctx, l.bucket, "", query, nil)
		if err != nil {
			return silentOr(ctx, err)
		}
		defer func() { _ = response.Body.Close() }() // it was only read
		if err := xml.NewDecoder(response.Body).Decode(&out); err != nil {
			return &incompleteError{err}
		}
		return nil
	})
	if err != nil {
		return page{}, err
	}
	for i := range out.Contents {
		if out.Contents[i].Key, err = url.QueryUnescape(out.Contents[i].Key); err != nil {
			return page{}, fmt.Errorf("reading the answer of S3: %w", err)
		}
	}
	for i := range out.CommonPrefixes {
		if out.CommonPrefixes[i].Prefix, err = url.QueryUnescape(out.CommonPrefixes[i].Prefix); err != nil {
			return page{}, fmt.Errorf("reading the answer of S3: %w", err)
		}
	}
	return out, nil
}

// object reads an object. A lost or silent connection is taken up again at the byte where
// it broke.
type object struct {
	client      *Client
	ctx         context.Context
	bucket, key string
	size        int64

	at     int64
	etag   string // of the first answer: the rest must be of the same object
	body   io.ReadCloser
	cancel context.CancelFunc
	silent *time.Timer
	failed int // connections in a row that brought nothing
}

func (o *object) Read(p []byte) (int, error) {
	for {
		if o.body == nil {
			if o.size >= 0 && o.at >= o.size {
				return 0, io.EOF
			}
			if err := o.open(); err != nil {
				return 0, err
			}
		}
		o.silent.Reset(o.client.stalled)
		n, err := o.body.Read(p)
		o.at += int64(n)
		if n > 0 {
			o.failed = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		whole := errors.Is(err, io.EOF) && (o.size < 0 || o.at >= o.size)
		_ = o.Close()
		switch {
		case whole:
			return 0, io.EOF
		case o.ctx.Err() != nil:
			return 0, o.ctx.Err()
		}
		if o.failed++; o.failed >= triesOfACall {
			return 0, &smithy.OperationError{ServiceID: "S3", OperationName: "GetObject", Err: err}
		}
	}
}

// open asks for the bytes that are left.
func (o *object) open() error {
	return o.client.try(o.ctx, "GetObject", func() error {
		ctx, cancel := context.WithCancel(o.ctx)
		silent := time.AfterFunc(o.client.patience(), cancel)
		header := http.Header{}
		if o.at > 0 {
			header.Set("Range", "bytes="+strconv.FormatInt(o.at, 10)+"-")
			header.Set("If-Match", o.etag)
		}
		response, err := o.client.send(ctx, o.bucket, o.key, nil, header)
		if err == nil && o.at > 0 && response.StatusCode != http.StatusPartialContent {
			_ = response.Body.Close() // nothing of it is used
			err = errors.New("the server sends no part of an object, so a lost connection cannot be taken up again")
		}
		if err != nil {
			err = silentOr(ctx, err)
			silent.Stop()
			cancel()
			return err
		}
		if o.at == 0 {
			o.etag, o.size = response.Header.Get("ETag"), response.ContentLength
		}
		o.body, o.cancel, o.silent = response.Body, cancel, silent
		return nil
	})
}

// Close ends the connection. A later Read would continue.
func (o *object) Close() error {
	if o.body == nil {
		return nil
	}
	o.silent.Stop()
	err := o.body.Close()
	o.cancel()
	o.body = nil
	return err
}

// patience is how long an attempt may be silent.
func (c *Client) patience() time.Duration {
	if c.answered.Load() {
		return c.stalled
	}
	return min(c.stalled, c.unanswered/2)
}

var errSilent = errors.New("nothing was received for too long")

// silentOr returns a call's error, or one that can be retried if nothing was answered in time:
// ctx is of this attempt alone, and try looks at the caller's.
func silentOr(ctx context.Context, err error) error {
	var sent *url.Error
	switch {
	case ctx.Err() == nil:
		return err
	case errors.As(err, &sent):
		return &smithyhttp.RequestSendError{Err: &url.Error{Op: sent.Op, URL: sent.URL, Err: errSilent}}
	}
	return &incompleteError{errSilent}
}

// incompleteError is for an answer that ended too early.
type incompleteError struct{ err error }

func (e *incompleteError) Error() string        { return "the answer is incomplete: " + e.err.Error() }
func (e *incompleteError) Unwrap() error        { return e.err }
func (e *incompleteError) RetryableError() bool { return true }

// elsewhereError is for a bucket in another region than the one asked.
type elsewhereError struct{ error }

func (e *elsewhereError) Unwrap() error        { return e.error }
func (e *elsewhereError) RetryableError() bool { return true }

// try makes a call until it succeeds or fails for good. The error is in the SDK's form.
func (c *Client) try(ctx context.Context, operation string, call func() error) error {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		if lost := c.lost.Load(); lost != nil && !c.answered.Load() {
			return *lost
		}
		err := call()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var elsewhere *elsewhereError
		if errors.As(err, &elsewhere) && attempt == 1 {
			continue // in the region that S3 named
		}
		if attempt >= triesOfACall || !c.retryer.IsErrorRetryable(err) {
			return &smithy.OperationError{ServiceID: "S3", OperationName: operation, Err: err}
		}
		delay, delayErr := c.retryer.RetryDelay(attempt, err)
		if delayErr != nil {
			return fmt.Errorf("waiting for S3: %w", delayErr)
		}
		if !c.answered.Load() && time.Since(began)+delay >= c.unanswered {
			err = &smithy.OperationError{ServiceID: "S3", OperationName: operation, Err: err}
			c.lost.Store(&err)
			return err
		}
		if err := pause.For(ctx, delay); err != nil {
			return err
		}
	}
}

// send makes one call and returns its answer, which is a good one.
func (c *Client) send(ctx context.Context, bucket, key string, query url.Values, header http.Header) (*http.Response, error) {
	region := c.regionOf(bucket)
	request, err := c.request(ctx, region, bucket, key, query)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	credentials, err := c.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("no usable AWS credentials: %w", err)
	}
	if err := c.signer.SignHTTP(ctx, credentials, request, emptyHash, "s3", region, time.Now()); err != nil {
		return nil, fmt.Errorf("signing the call: %w", err)
	}
	response, err := c.config.HTTPClient.Do(request)
	if err != nil {
		return nil, &smithyhttp.RequestSendError{Err: err}
	}
	c.answered.Store(true)
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	return nil, c.problem(bucket, region, response)
}

// request builds a call that is not signed yet.
func (c *Client) request(ctx context.Context, region, bucket, key string, query url.Values) (*http.Request, error) {
	partition, ok := text.PartitionOf(region)
	if !ok {
		return nil, fmt.Errorf("%q is not a region", region)
	}
	// A bucket whose name has dots fits no certificate as a host.
	host, folder := "https://"+bucket+"."+c.service+"."+region+"."+partition.DNSSuffix, ""
	if strings.Contains(bucket, ".") {
		host, folder = "https://"+c.service+"."+region+"."+partition.DNSSuffix, "/"+bucket
	}
	if c.endpoint != "" {
		host, folder = c.endpoint, "/"+bucket
	}
	// Spaces must be %20 and not +, here and in the signature.
	target := host + folder + "/" + escaped(key)
	if query != nil {
		target += "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking S3: %w", err)
	}
	request.Header.Set("X-Amz-Content-Sha256", emptyHash)
	// CloudTrail's objects say Content-Encoding: gzip. They are inflated here, after their
	// checksum: net/http would inflate and lose it, and a part could not be resumed.
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "app/sgward")
	return request, nil
}

// escaped percent-encodes a key as signatures of S3 want it.
func escaped(key string) string {
	var b strings.Builder
	for i := range len(key) {
		switch c := key[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// problem reads an answer that is an error. If the bucket is in another region, the next
// call goes there.
func (c *Client) problem(bucket, asked string, response *http.Response) error {
	var told struct{ Code, Message, Region string }
	data, _ := io.ReadAll(io.LimitReader(response.Body, mostError)) // the status tells enough
	_ = xml.Unmarshal(data, &told)
	if told.Code == "" {
		told.Code = strings.ReplaceAll(http.StatusText(response.StatusCode), " ", "")
	}
	err := error(&awshttp.ResponseError{
		RequestID: response.Header.Get("X-Amz-Request-Id"),
		ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: response},
			Err:      &smithy.GenericAPIError{Code: told.Code, Message: told.Message},
		},
	})
	region := response.Header.Get("X-Amz-Bucket-Region")
	if region == "" {
		region = told.Region
	}
	if _, ok := text.PartitionOf(region); !ok || region == asked {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.regions[bucket] = region
	return &elsewhereError{err}
}

func (c *Client) regionOf(bucket string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if region := c.regions[bucket]; region != "" {
		return region
	}
	return c.config.Region
}
