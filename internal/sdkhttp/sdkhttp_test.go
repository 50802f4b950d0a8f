package sdkhttp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/sdkhttp"
)

// spy is a client that looks at the body that it is given.
type spy struct {
	http.Client
	writesItself bool
}

func (s *spy) Do(r *http.Request) (*http.Response, error) {
	_, s.writesItself = r.Body.(io.WriterTo)
	return s.Client.Do(r)
}

type writable struct{ *strings.Reader }

func (writable) Close() error { return nil }

func TestBodyIsReadAndArrivesWhole(t *testing.T) {
	got, length := "", int64(0)
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		got, length = string(body), r.ContentLength
	}))
	t.Cleanup(web.Close)
	for _, text := range []string{"Action=DescribeVpcs", ""} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL, writable{strings.NewReader(text)})
		require.NoError(t, err)
		request.ContentLength = int64(len(text))
		if text == "" {
			request.Body = http.NoBody
		}
		s := &spy{}
		answer, err := sdkhttp.Client(s).Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, text, got)
		assert.Equal(t, int64(len(text)), length, "it says how long it is")
		assert.Equal(t, text == "", s.writesItself, "only an empty body is left as it is")
	}
}

// answered is the number of groups in an answer.
const answered = 4000

// manyGroups are the ids of a request that is longer than net/http's write buffer.
func manyGroups() []string {
	ids := make([]string, 500)
	for i := range ids {
		ids[i] = fmt.Sprintf("sg-%017x", i)
	}
	return ids
}

// longAnswers serves DescribeSecurityGroups with an answer far longer than what the client has read when it begins. It
// pauses in the middle of it.
func longAnswers(t *testing.T, pause time.Duration) string {
	t.Helper()
	item := "<item><groupId>sg-0123456789abcdef0</groupId><groupDescription>" + strings.Repeat("x", 255) + "</groupDescription></item>"
	half := strings.Repeat(item, answered/2)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, r.ParseForm())
		_, _ = io.WriteString(w, "<DescribeSecurityGroupsResponse><securityGroupInfo>"+half) // the client may be gone: that is what is tested
		time.Sleep(pause)
		_, _ = io.WriteString(w, half+"</securityGroupInfo></DescribeSecurityGroupsResponse>")
	}))
	t.Cleanup(web.Close)
	return web.URL
}

// late is a connection whose writer comes back long after the answer has begun, as on a machine that is busy.
type late struct{ net.Conn }

const lateBy = 50 * time.Millisecond

func (c late) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	time.Sleep(lateBy)
	return n, err
}

// lateClient is the SDK's own client, on connections that are late.
func lateClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return late{conn}, err
		}
	})
}

func describeMany(t *testing.T, url string, client aws.HTTPClient) error {
	t.Helper()
	api := ec2.New(ec2.Options{
		Region: "us-east-1", BaseEndpoint: &url, RetryMaxAttempts: 1, HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	out, err := api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: manyGroups()})
	if err == nil {
		assert.Len(t, out.SecurityGroups, answered)
	}
	return err
}

func TestAnswerThatComesBeforeTheWriterIsBackArrivesWhole(t *testing.T) {
	url := longAnswers(t, 4*lateBy)
	assert.NoError(t, describeMany(t, url, sdkhttp.Client(lateClient())))
}

// When this fails, smithy-go is fixed and this package can go.
func TestSDKStillNeedsThis(t *testing.T) {
	url := longAnswers(t, 4*lateBy)
	assert.Error(t, describeMany(t, url, lateClient()))
}

func TestNoClientIsTheSDKsOwn(t *testing.T) {
	url := longAnswers(t, 0)
	for range 20 {
		require.NoError(t, describeMany(t, url, sdkhttp.Client(nil)))
	}
}
