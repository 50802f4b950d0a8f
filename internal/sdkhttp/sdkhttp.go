// Package sdkhttp keeps the AWS SDK's requests intact against endpoints that answer at
// once, such as local stand-ins.
package sdkhttp

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Client wraps an HTTP client of the SDK. nil stands for the SDK's default, as in
// aws.Config.
//
// It works around a race between the SDK and net/http:
//
//   - The SDK closes a request's body as soon as the response begins.
//   - If the request exceeds net/http's write buffer of 4 KB, the transport may then still
//     be checking that the body has no more bytes.
//   - smithy-go's body (v1.28.9, safeWriteToReadCloser.WriteTo) returns io.EOF to that
//     check; net/http takes it for a failed write and closes the connection, and the rest
//     of a long response is lost, although the call has worked.
//
// A body without WriteTo is read instead, and there io.EOF is not an error.
func Client(c aws.HTTPClient) aws.HTTPClient {
	if c == nil {
		c = awshttp.NewBuildableClient()
	}
	return client{c}
}

type client struct{ aws.HTTPClient }

// Do sends a request.
func (c client) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.ContentLength > 0 {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.HTTPClient.Do(r)
}
