package cloudtrailapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/awscall"
	"sgward/internal/sdkhttp"
	"sgward/localaws/cloudtrailapi"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func add(s *cloudtrailapi.Server, id, name string, at time.Time) {
	s.Add(fmt.Appendf(nil, `{"detail":{"eventID":%q,"eventName":%q,"eventSource":"ec2.amazonaws.com","eventTime":%q,"userIdentity":{"arn":"arn:aws:iam::123456789012:user/demo"}}}`,
		id, name, at.Format(time.RFC3339)))
}

// lookup is a request of LookupEvents as an AWS SDK sends it.
type lookup struct {
	LookupAttributes   []map[string]string `json:",omitempty"`
	StartTime, EndTime int64               `json:",omitempty"`
	NextToken          string              `json:",omitempty"`
}

// page is an answer.
type page struct {
	Events []struct {
		EventID                   string `json:"EventId"`
		EventTime                 float64
		Username, CloudTrailEvent string
	}
	NextToken string
}

type client struct{ *awscall.Client }

func newClient(t *testing.T, s *cloudtrailapi.Server) client {
	t.Helper()
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return client{awscall.New(aws.Config{Region: "us-east-1", BaseEndpoint: &web.URL, RetryMaxAttempts: 1, HTTPClient: sdkhttp.Client(http.DefaultClient),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "not-a-secret", "")})}
}

func (c client) lookUp(t *testing.T, in lookup) (out page, err error) {
	t.Helper()
	err = c.JSON(t.Context(), awscall.CloudTrail, "LookupEvents", in, &out)
	return out, err
}

func by(key, value string) lookup {
	return lookup{LookupAttributes: []map[string]string{{"AttributeKey": key, "AttributeValue": value}}}
}

func TestEventsAreFoundByNameIDAndTimeTheNewestFirst(t *testing.T) {
	s := &cloudtrailapi.Server{}
	c := newClient(t, s)
	add(s, "e-1", "RevokeSecurityGroupIngress", noon)
	add(s, "e-2", "AuthorizeSecurityGroupIngress", noon.Add(time.Minute))
	add(s, "e-3", "RevokeSecurityGroupIngress", noon.Add(time.Hour))
	s.Add([]byte("no record"))

	ids := func(in lookup) (out []string) {
		t.Helper()
		found, err := c.lookUp(t, in)
		require.NoError(t, err)
		for _, e := range found.Events {
			out = append(out, e.EventID)
		}
		return out
	}
	assert.Equal(t, []string{"e-3", "e-2", "e-1"}, ids(lookup{}))
	assert.Equal(t, []string{"e-3", "e-1"}, ids(by("EventName", "RevokeSecurityGroupIngress")))
	assert.Equal(t, []string{"e-2"}, ids(by("EventId", "e-2")))
	revokes := by("EventName", "RevokeSecurityGroupIngress")
	revokes.StartTime, revokes.EndTime = noon.Unix(), noon.Add(time.Minute).Unix()
	assert.Equal(t, []string{"e-1"}, ids(revokes))

	found, err := c.lookUp(t, by("EventId", "e-2"))
	require.NoError(t, err)
	assert.Equal(t, noon.Add(time.Minute), time.Unix(int64(found.Events[0].EventTime), 0).UTC())
	assert.Equal(t, "demo", found.Events[0].Username)
	assert.Contains(t, found.Events[0].CloudTrailEvent, `"eventID":"e-2"`)
}

func TestAnswersComeInPages(t *testing.T) {
	s := &cloudtrailapi.Server{}
	c := newClient(t, s)
	for i := range 120 {
		add(s, fmt.Sprint("e-", i), "RevokeSecurityGroupIngress", noon.Add(time.Duration(i)*time.Second))
	}
	var sizes []int
	in := lookup{}
	for {
		out, err := c.lookUp(t, in)
		require.NoError(t, err)
		sizes = append(sizes, len(out.Events))
		if in.NextToken = out.NextToken; in.NextToken == "" {
			break
		}
	}
	assert.Equal(t, []int{50, 50, 20}, sizes)
}

func TestWhatItDoesNotKnowIsRefused(t *testing.T) {
	s := &cloudtrailapi.Server{}
	c := newClient(t, s)
	_, err := c.lookUp(t, by("Username", "demo"))
	assert.ErrorContains(t, err, "EventName and EventId")
	err = c.JSON(t.Context(), awscall.CloudTrail, "DescribeTrails", struct{}{}, nil)
	assert.ErrorContains(t, err, "LookupEvents")
	s.Authorize = func(action, accessKey string) bool {
		return action != "LookupEvents" || accessKey != "AKIAIOSFODNN7EXAMPLE"
	}
	_, err = c.lookUp(t, lookup{})
	assert.ErrorContains(t, err, "AccessDeniedException")
}
