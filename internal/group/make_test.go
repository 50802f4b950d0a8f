package group

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/ec2rules"
	"sgward/internal/sdkhttp"
	"sgward/internal/secgroup"
	"sgward/localaws/ec2api"
)

func TestNewGroupIsWaitedForAndLetsEverythingOut(t *testing.T) {
	cloud := ec2api.New(ec2api.WithSeed("group"))
	web := httptest.NewServer(cloud)
	t.Cleanup(web.Close)
	client := ec2.New(ec2.Options{
		Region: "us-east-1", BaseEndpoint: &web.URL, RetryMaxAttempts: 1,
		HTTPClient:  sdkhttp.Client(http.DefaultClient),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "not-a-secret", ""),
	})
	vpc, err := client.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.20.0.0/16")})
	require.NoError(t, err)

	cloud.SetReadLag(300 * time.Millisecond)
	asked := secgroup.Group{OwnerID: "123456789012", Region: "us-east-1", Description: "fresh", Name: "fresh", VPCID: *vpc.Vpc.VpcId}
	g, made, err := makeGroup(t.Context(), client, asked, false, false)
	require.NoError(t, err)
	assert.True(t, made)
	cloud.SetReadLag(0)
	held, err := ec2rules.Group(t.Context(), client, "us-east-1", g.ID)
	require.NoError(t, err)
	require.Len(t, held.Rules, 1)
	assert.Equal(t, "egress all traffic to 0.0.0.0/0", held.Rules[0].Permission.String())
	assert.Equal(t, "egress all traffic to 0.0.0.0/0", g.Rules[0].String())

	again, made, err := makeGroup(t.Context(), client, asked, false, false)
	require.NoError(t, err)
	assert.False(t, made, "somebody else was quicker")
	assert.Equal(t, g.ID, again.ID)
}
