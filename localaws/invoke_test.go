package localaws_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/awscall"
	"sgward/internal/table"
	"sgward/localaws"
)

// invoke calls Lambda's Invoke as a client does.
func (p *pipeline) invoke(t *testing.T, function, kind, payload string) (status int, header http.Header, body string) {
	t.Helper()
	url := p.Endpoint() + "/2015-03-31/functions/" + function + "/invocations"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(payload))
	require.NoError(t, err)
	if kind != "" {
		request.Header.Set("X-Amz-Invocation-Type", kind)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	read, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode, response.Header, string(read)
}

func recordOf(t *testing.T, p *pipeline) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.steps {
		if s.Kind == localaws.StepCall && s.EventName == "AuthorizeSecurityGroupIngress" {
			return string(s.Record)
		}
	}
	require.Fail(t, "no call has been recorded")
	return ""
}

func TestAFunctionIsInvokedByWhateverNamesIt(t *testing.T) {
	p := start(t, nil)
	p.open(t, 443, "10.0.0.0/8", "")
	p.rest(t)
	record := recordOf(t, p)
	arn := p.Template().Functions["Judge"].ARN
	for _, name := range []string{"Judge", "sgward-Judge", arn, strings.ReplaceAll(arn, ":", "%3A")} {
		status, header, body := p.invoke(t, name, "", record)
		assert.Equal(t, http.StatusOK, status, name)
		assert.Empty(t, header.Get("X-Amz-Function-Error"))
		var verdict struct{ Decision string }
		require.NoError(t, json.Unmarshal([]byte(body), &verdict), body)
		assert.Equal(t, "none", verdict.Decision, name)
	}
}

func TestOnlyAnAsynchronousInvocationReachesTheDestination(t *testing.T) {
	p := start(t, nil)
	p.FailHandOvers(1) // so that nothing has come of the call yet
	p.open(t, 3306, "0.0.0.0/0", "")
	p.rest(t)
	record := recordOf(t, p)
	status, _, body := p.invoke(t, "Judge", "RequestResponse", record)
	require.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "revoke")
	p.rest(t)
	require.Len(t, p.ingress(), 1, "the answer went back to the caller, and no further")

	status, _, body = p.invoke(t, "Judge", "Event", record)
	require.Equal(t, http.StatusAccepted, status)
	assert.Empty(t, body)
	p.rest(t)
	assert.Empty(t, p.ingress())
}

func TestAnInvocationThatCannotBeIsRefused(t *testing.T) {
	p := start(t, nil)
	status, header, body := p.invoke(t, "Nobody", "", "{}")
	assert.Equal(t, http.StatusNotFound, status)
	assert.Equal(t, "ResourceNotFoundException", header.Get("X-Amzn-ErrorType"))
	assert.Contains(t, body, "sgward-Closer, sgward-Judge", "what there is")
	status, header, _ = p.invoke(t, "Judge", "", "{")
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "InvalidRequestContentException", header.Get("X-Amzn-ErrorType"))
	status, header, _ = p.invoke(t, "Judge", "", `{"detail":{"responseElements":{"securityGroupRuleSet":{"items":[{"description":"judge fails"}]}}}}`)
	assert.Equal(t, http.StatusOK, status, "as on Lambda")
	assert.NotEmpty(t, header.Get("X-Amz-Function-Error"))
	status, _, _ = p.invoke(t, "Closer", "Event", "{}")
	assert.Equal(t, http.StatusInternalServerError, status, "no rule leads to it")
}

func TestTheTemplatesTablesAreThere(t *testing.T) {
	p := start(t, nil)
	notes := func(key string) *table.Table {
		return &table.Table{Name: p.Template().Tables["Notes"].Name, Client: awscall.New(aws.Config{
			Region: "us-east-1", BaseEndpoint: aws.String(p.Endpoint()), Credentials: credentials.NewStaticCredentialsProvider(key, "test", ""),
		})}
	}
	require.NoError(t, notes("test").Write(t.Context(), []table.Item{{table.Key: table.Text("a")}}, nil, nil))
	assert.Len(t, p.DynamoDB().Items(notes("test").Name), 1)
	assert.Equal(t, 1, p.Calls("")["dynamodb:BatchWriteItem"])

	var err error
	for _, err = range notes("ASIACLOSER0000000000").Items(t.Context()) { // the function's own
	}
	assert.ErrorContains(t, err, "AccessDeniedException", "the function's role does not allow it")
}
