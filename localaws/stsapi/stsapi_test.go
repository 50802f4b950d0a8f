package stsapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/ec2api"
	"sgward/localaws/stsapi"
)

func client(t *testing.T, accessKey string) *sts.Client {
	t.Helper()
	server := ec2api.New(ec2api.WithSeed("sts"),
		ec2api.WithIdentity("ASIAIOSFODNN7EXAMPLE", ec2api.Identity{Account: "111122223333", Role: "Operator", Session: "casey@example.com"}),
		ec2api.WithIdentity("AKIAI44QH8DHBEXAMPLE", ec2api.Identity{Root: true}))
	web := httptest.NewServer(stsapi.Handler(func(r *http.Request) stsapi.Caller {
		account, arn, userID := server.Caller(r)
		return stsapi.Caller{Account: account, ARN: arn, UserID: userID}
	}))
	t.Cleanup(web.Close)
	return sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: &web.URL,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, "not-a-secret", "")})
}

func TestClientsLearnWhoTheyAre(t *testing.T) {
	for key, want := range map[string]struct{ account, arn, userID string }{
		"ASIAIOSFODNN7EXAMPLE": {"111122223333", "arn:aws:sts::111122223333:assumed-role/Operator/casey@example.com", `^AROA[A-Z2-7]{17}:casey@example\.com$`},
		"AKIAI44QH8DHBEXAMPLE": {"123456789012", "arn:aws:iam::123456789012:root", "^123456789012$"},
		"AKIAIOSFODNN7EXAMPLE": {"123456789012", "arn:aws:iam::123456789012:user/demo", "^AIDA[A-Z2-7]{17}$"},
	} {
		out, err := client(t, key).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		require.NoError(t, err, key)
		assert.Equal(t, want.account, aws.ToString(out.Account), key)
		assert.Equal(t, want.arn, aws.ToString(out.Arn), key)
		assert.Regexp(t, want.userID, aws.ToString(out.UserId), key)
	}
}

func TestOtherCallsAreRefusedByName(t *testing.T) {
	_, err := client(t, "AKIAIOSFODNN7EXAMPLE").GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	assert.ErrorContains(t, err, "InvalidAction")
	assert.ErrorContains(t, err, "GetSessionToken")
}
