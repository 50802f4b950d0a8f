// Package sdkhttp keeps the AWS SDK's requests whole against endpoints that answer
// at once, such as stand-ins on this machine.
package sdkhttp

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Client wraps an HTTP client of the SDK. nil stands for the SDK's own, as it does in
// aws.Config, where it is nil unless something (such as AWS_CA_BUNDLE) asks for another.
//
// The SDK closes a request's body as soon as the answer begins. Where the request is
// longer than net/http's write buffer of 4 KB, its transport may then still be about to
// look whether the body has more than its length: smithy-go's body (v1.28.9,
// safeWriteToReadCloser.WriteTo) says io.EOF to that, net/http takes it for a failed
// write and closes the connection, and the rest of a long answer is lost. The call has
// worked and looks as if it had not. A body without WriteTo is read instead, where
// io.EOF is no error.
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
