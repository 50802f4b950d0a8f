package cloudtrailapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/sdkhttp"
	"sgward/localaws/cloudtrailapi"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func add(s *cloudtrailapi.Server, id, name string, at time.Time) {
	s.Add(fmt.Appendf(nil, `{"detail":{"eventID":%q,"eventName":%q,"eventSource":"ec2.amazonaws.com","eventTime":%q,"userIdentity":{"arn":"arn:aws:iam::123456789012:user/demo"}}}`,
		id, name, at.Format(time.RFC3339)))
}

func client(t *testing.T, s *cloudtrailapi.Server) *cloudtrail.Client {
	t.Helper()
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return cloudtrail.New(cloudtrail.Options{Region: "us-east-1", BaseEndpoint: &web.URL, RetryMaxAttempts: 1, HTTPClient: sdkhttp.Client(http.DefaultClient),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "not-a-secret", "")})
}

func by(key types.LookupAttributeKey, value string) *cloudtrail.LookupEventsInput {
	return &cloudtrail.LookupEventsInput{LookupAttributes: []types.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}}
}

func TestEventsAreFoundByNameIDAndTimeTheNewestFirst(t *testing.T) {
	s := &cloudtrailapi.Server{}
	c := client(t, s)
	add(s, "e-1", "RevokeSecurityGroupIngress", noon)
	add(s, "e-2", "AuthorizeSecurityGroupIngress", noon.Add(time.Minute))
	add(s, "e-3", "RevokeSecurityGroupIngress", noon.Add(time.Hour))
	s.Add([]byte("no record"))

	ids := func(in *cloudtrail.LookupEventsInput) (out []string) {
		t.Helper()
		found, err := c.LookupEvents(t.Context(), in)
		require.NoError(t, err)
		for _, e := range found.Events {
			out = append(out, aws.ToString(e.EventId))
		}
		return out
	}
	assert.Equal(t, []string{"e-3", "e-2", "e-1"}, ids(&cloudtrail.LookupEventsInput{}))
	assert.Equal(t, []string{"e-3", "e-1"}, ids(by(types.LookupAttributeKeyEventName, "RevokeSecurityGroupIngress")))
	assert.Equal(t, []string{"e-2"}, ids(by(types.LookupAttributeKeyEventId, "e-2")))
	revokes := by(types.LookupAttributeKeyEventName, "RevokeSecurityGroupIngress")
	revokes.StartTime, revokes.EndTime = aws.Time(noon), aws.Time(noon.Add(time.Minute))
	assert.Equal(t, []string{"e-1"}, ids(revokes))

	found, err := c.LookupEvents(t.Context(), by(types.LookupAttributeKeyEventId, "e-2"))
	require.NoError(t, err)
	assert.Equal(t, noon.Add(time.Minute), found.Events[0].EventTime.UTC())
	assert.Equal(t, "demo", aws.ToString(found.Events[0].Username))
	assert.Contains(t, aws.ToString(found.Events[0].CloudTrailEvent), `"eventID":"e-2"`)
}

func TestAnswersComeInPages(t *testing.T) {
	s := &cloudtrailapi.Server{}
	c := client(t, s)
	for i := range 120 {
		add(s, fmt.Sprint("e-", i), "RevokeSecurityGroupIngress", noon.Add(time.Duration(i)*time.Second))
	}
	var sizes []int
	in := &cloudtrail.LookupEventsInput{}
	for {
		out, err := c.LookupEvents(t.Context(), in)
		require.NoError(t, err)
		sizes = append(sizes, len(out.Events))
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	assert.Equal(t, []int{50, 50, 20}, sizes)
}

func TestWhatItDoesNotKnowIsRefused(t *testing.T) {
	s := &cloudtrailapi.Server{}
	c := client(t, s)
	_, err := c.LookupEvents(t.Context(), by(types.LookupAttributeKeyUsername, "demo"))
	assert.ErrorContains(t, err, "EventName and EventId")
	_, err = c.DescribeTrails(t.Context(), &cloudtrail.DescribeTrailsInput{})
	assert.ErrorContains(t, err, "LookupEvents")
	s.Authorize = func(action, accessKey string) bool {
		return action != "LookupEvents" || accessKey != "AKIAIOSFODNN7EXAMPLE"
	}
	_, err = c.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
	assert.ErrorContains(t, err, "AccessDeniedException")
}
