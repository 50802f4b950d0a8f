package awscall

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answering serves answers one after the other, the last for ever, and keeps the requests.
func answering(t *testing.T, answers ...func(http.ResponseWriter)) (*Client, *[]*http.Request) {
	t.Helper()
	var got []*http.Request
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		r.Body = http.NoBody
		r.Form, _ = url.ParseQuery(string(body))
		n := len(got)
		got = append(got, r)
		answers[min(n, len(answers)-1)](w)
	}))
	t.Cleanup(web.Close)
	return New(aws.Config{Region: "eu-central-1", AppID: "sgward", BaseEndpoint: aws.String(web.URL), Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "token")}), &got
}

func says(status int, text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func TestEachProtocolIsSpoken(t *testing.T) {
	c, got := answering(t, says(http.StatusOK, `{"State":"ENABLED"}`))
	var rule struct{ State string }
	require.NoError(t, c.JSON(t.Context(), EventBridge, "DescribeRule", map[string]string{"Name": "a"}, &rule))
	assert.Equal(t, "ENABLED", rule.State)
	assert.Equal(t, "AWSEvents.DescribeRule", (*got)[0].Header.Get("X-Amz-Target"))
	assert.Contains(t, (*got)[0].Header.Get("Authorization"), "/eu-central-1/events/aws4_request")
	assert.Equal(t, "token", (*got)[0].Header.Get("X-Amz-Security-Token"))
	assert.Equal(t, "app/sgward", (*got)[0].Header.Get("User-Agent"))

	c, got = answering(t, says(http.StatusOK, `<DescribeAlarmsResponse xmlns="x"><DescribeAlarmsResult><A>1</A></DescribeAlarmsResult></DescribeAlarmsResponse>`))
	var alarms struct{ A int }
	require.NoError(t, c.Query(t.Context(), CloudWatch, "DescribeAlarms", url.Values{"MaxRecords": {"5"}}, &alarms))
	assert.Equal(t, 1, alarms.A)
	assert.Equal(t, url.Values{"Action": {"DescribeAlarms"}, "Version": {"2010-08-01"}, "MaxRecords": {"5"}}, (*got)[0].Form)
	assert.Contains(t, (*got)[0].Header.Get("Authorization"), "/eu-central-1/monitoring/aws4_request")

	c, got = answering(t, says(http.StatusAccepted, ""))
	require.NoError(t, c.REST(t.Context(), Lambda, "InvokeFunction", http.MethodPost, "/functions/a%3Ab/invocations", http.Header{"X-Amz-Invocation-Type": {"Event"}}, []byte("{}"), nil))
	assert.Equal(t, "/2015-03-31/functions/a%3Ab/invocations", (*got)[0].URL.EscapedPath())
	assert.Equal(t, "Event", (*got)[0].Header.Get("X-Amz-Invocation-Type"))
}

func TestRefusalsAreTheSDKsErrors(t *testing.T) {
	for name, text := range map[string]string{
		"JSON":  `{"__type":"com.amazonaws.events#AccessDenied","message":"no"}`,
		"REST":  `{"code":"AccessDenied:http://internal.amazon.com/","Message":"no"}`,
		"Query": `<ErrorResponse xmlns="x"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`,
	} {
		t.Run(name, func(t *testing.T) {
			c, got := answering(t, says(http.StatusForbidden, text))
			err := c.JSON(t.Context(), Logs, "FilterLogEvents", struct{}{}, nil)
			var api smithy.APIError
			require.ErrorAs(t, err, &api)
			assert.Equal(t, "AccessDenied", api.ErrorCode())
			assert.Equal(t, "no", api.ErrorMessage())
			var call *smithy.OperationError
			require.ErrorAs(t, err, &call)
			assert.Equal(t, "logs:FilterLogEvents", call.ServiceID+":"+call.OperationName)
			assert.Len(t, *got, 1, "a refusal is not asked for again")
		})
	}
	const failed = `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","Item":{"n":{"N":"1"}}}`
	c, got := answering(t, says(http.StatusBadRequest, failed))
	err := c.JSON(t.Context(), DynamoDB, "UpdateItem", struct{}{}, nil)
	assert.Equal(t, failed, string(RefusalOf(err)), "with all that it says")
	assert.Equal(t, "application/x-amz-json-1.0", (*got)[0].Header.Get("Content-Type"))
	assert.Nil(t, RefusalOf(errors.New("another")))

	c, _ = answering(t, says(http.StatusBadRequest, "not of AWS"))
	err = c.JSON(t.Context(), CloudWatch, "X", struct{}{}, nil)
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	assert.Equal(t, "HTTP400", api.ErrorCode())
}

func TestWhatTheSDKRetriesIsRetried(t *testing.T) {
	for name, first := range map[string]func(http.ResponseWriter){
		"an error of the server": says(http.StatusServiceUnavailable, "busy"),
		"a throttle":             says(http.StatusBadRequest, `{"__type":"ThrottlingException","message":"Rate exceeded"}`),
		"a broken connection": func(http.ResponseWriter) {
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, got := answering(t, first, says(http.StatusOK, "{}"))
			require.NoError(t, c.JSON(t.Context(), KMS, "DescribeKey", struct{}{}, nil))
			assert.Len(t, *got, 2)
		})
	}
	c, _ := answering(t, says(http.StatusServiceUnavailable, "busy"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, c.JSON(ctx, KMS, "DescribeKey", struct{}{}, nil), context.Canceled)
}

func TestAsManyTriesAreMadeAsTheConfigurationSays(t *testing.T) {
	c, got := answering(t, says(http.StatusServiceUnavailable, "busy"))
	c.config.RetryMaxAttempts = 1
	require.Error(t, c.JSON(t.Context(), KMS, "DescribeKey", struct{}{}, nil))
	assert.Len(t, *got, 1)
}

func TestAWrongClockIsCorrected(t *testing.T) {
	const code, early = `{"__type":"InvalidSignatureException"}`, -time.Hour
	says := func(status int, text string, off time.Duration) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			says(status, text)(w)
		}
	}
	signed := func(r *http.Request) time.Duration {
		at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		require.NoError(t, err)
		return time.Until(at)
	}
	c, got := answering(t, says(http.StatusForbidden, code, early), says(http.StatusOK, "{}", early))
	for range 2 {
		require.NoError(t, c.JSON(t.Context(), KMS, "DescribeKey", struct{}{}, nil))
	}
	require.Len(t, *got, 3)
	for i, off := range []time.Duration{0, early, early} {
		assert.InDelta(t, off.Seconds(), signed((*got)[i]).Seconds(), 30)
	}
	assert.InDelta(t, early.Seconds(), c.Ahead(KMS).Seconds(), 30)
	assert.Zero(t, c.Ahead(SQS), "each service has its clock")

	c, got = answering(t, says(http.StatusForbidden, code, time.Minute))
	require.Error(t, c.JSON(t.Context(), KMS, "DescribeKey", struct{}{}, nil))
	assert.Len(t, *got, 1, "AWS takes that time: the keys are wrong")
}

// source is a source of configuration, such as the environment.
type source struct {
	own     string
	ignored bool
	fips    aws.FIPSEndpointState
	dual    aws.DualStackEndpointState
}

func (s source) GetServiceBaseEndpoint(_ context.Context, id string) (string, bool, error) {
	return s.own, s.own != "" && id == "CloudWatch Logs", nil
}
func (s source) GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error) {
	return s.ignored, s.ignored, nil
}
func (s source) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	return s.fips, s.fips != aws.FIPSEndpointStateUnset, nil
}
func (s source) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	return s.dual, s.dual != aws.DualStackEndpointStateUnset, nil
}

func TestEndpointsAreTheConfigurationsOrAWSs(t *testing.T) {
	fips, noFIPS, dual := source{fips: aws.FIPSEndpointStateEnabled}, source{fips: aws.FIPSEndpointStateDisabled}, source{dual: aws.DualStackEndpointStateEnabled}
	both := source{fips: fips.fips, dual: dual.dual}
	for name, tt := range map[string]struct {
		config  aws.Config
		service Service
		want    string
	}{
		"AWS's":          {aws.Config{Region: "eu-central-1"}, CloudWatch, "https://monitoring.eu-central-1.amazonaws.com"},
		"China":          {aws.Config{Region: "cn-north-1"}, Lambda, "https://lambda.cn-north-1.amazonaws.com.cn"},
		"FIPS":           {aws.Config{Region: "us-east-1", ConfigSources: []any{fips}}, Logs, "https://logs-fips.us-east-1.amazonaws.com"},
		"FIPS in Gov":    {aws.Config{Region: "us-gov-west-1", ConfigSources: []any{fips}}, KMS, "https://kms-fips.us-gov-west-1.amazonaws.com"},
		"Gov is FIPS":    {aws.Config{Region: "us-gov-west-1", ConfigSources: []any{fips}}, SQS, "https://sqs.us-gov-west-1.amazonaws.com"},
		"first no FIPS":  {aws.Config{Region: "us-east-1", ConfigSources: []any{noFIPS, fips}}, Logs, "https://logs.us-east-1.amazonaws.com"},
		"dual stack":     {aws.Config{Region: "cn-north-1", ConfigSources: []any{dual}}, CloudTrail, "https://cloudtrail.cn-north-1.api.amazonwebservices.com.cn"},
		"dual and FIPS":  {aws.Config{Region: "us-gov-west-1", ConfigSources: []any{both}}, CloudTrail, "https://cloudtrail-fips.us-gov-west-1.api.aws"},
		"dual and Gov":   {aws.Config{Region: "us-gov-east-1", ConfigSources: []any{both}}, Organizations, "https://organizations.us-gov-west-1.api.aws"},
		"no dual stack":  {aws.Config{Region: "eu-central-1", ConfigSources: []any{dual}}, IAM, "https://iam.amazonaws.com"},
		"of all":         {aws.Config{Region: "eu-central-1", BaseEndpoint: aws.String("http://all")}, Lambda, "http://all"},
		"of a service":   {aws.Config{Region: "eu-central-1", BaseEndpoint: aws.String("http://all"), ConfigSources: []any{source{own: "http://logs"}}}, Logs, "http://logs"},
		"of another":     {aws.Config{Region: "eu-central-1", ConfigSources: []any{source{own: "http://logs"}}}, KMS, "https://kms.eu-central-1.amazonaws.com"},
		"of one ignored": {aws.Config{Region: "eu-central-1", ConfigSources: []any{source{own: "http://logs", ignored: true}}}, Logs, "https://logs.eu-central-1.amazonaws.com"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := New(tt.config).endpoint(t.Context(), tt.service)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
	t.Setenv("AWS_ENDPOINT_URL", "http://all") // comes before what a file says of the service
	file := aws.Config{Region: "eu-central-1", BaseEndpoint: aws.String("http://all"), ConfigSources: []any{source{own: "http://logs"}}}
	got, err := New(file).endpoint(t.Context(), Logs)
	require.NoError(t, err)
	assert.Equal(t, "http://all", got)
	t.Setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://logs")
	got, err = New(file).endpoint(t.Context(), Logs)
	require.NoError(t, err)
	assert.Equal(t, "http://logs", got)
	_, err = New(aws.Config{Region: "evil.example/"}).endpoint(t.Context(), KMS)
	assert.ErrorIs(t, err, errNoRegionName)
}

func TestAGlobalServiceIsAskedAtItsHome(t *testing.T) {
	for _, tt := range []struct {
		service                Service
		region, endpoint, home string
	}{
		{IAM, "eu-central-1", "https://iam.amazonaws.com", "us-east-1"},
		{IAM, "us-gov-east-1", "https://iam.us-gov.amazonaws.com", "us-gov-west-1"},
		{IAM, "cn-northwest-1", "https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"},
		{IAM, "eusc-de-east-1", "https://iam.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"},
		{Organizations, "eu-central-1", "https://organizations.us-east-1.amazonaws.com", "us-east-1"},
		{Organizations, "us-gov-east-1", "https://organizations.us-gov-west-1.amazonaws.com", "us-gov-west-1"},
		{Organizations, "cn-north-1", "https://organizations.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1"},
	} {
		endpoint, err := New(aws.Config{Region: tt.region}).endpoint(t.Context(), tt.service)
		require.NoError(t, err)
		assert.Equal(t, tt.endpoint, endpoint)
		assert.Equal(t, tt.home, tt.service.scope(tt.region), tt.endpoint)
	}
	c, got := answering(t, says(http.StatusOK, `<XResponse><XResult></XResult></XResponse>`))
	var out struct{}
	require.NoError(t, c.Query(t.Context(), IAM, "X", url.Values{}, &out))
	assert.Contains(t, (*got)[0].Header.Get("Authorization"), "/us-east-1/iam/aws4_request")
}
