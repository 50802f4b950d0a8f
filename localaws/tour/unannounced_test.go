package tour_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/sdkhttp"
	"sgward/localaws"
	"sgward/localaws/dynamodbapi"
)

// Detect, remediate and sweep themselves: what detect logs of an event is what sweep looks
// for, and with a disabled rule there is none.
func TestASweepNoticesADisabledRule(t *testing.T) {
	for state, want := range map[string]bool{"ENABLED": false, "DISABLED": true} {
		t.Run(state, func(t *testing.T) {
			src, err := os.ReadFile(template)
			require.NoError(t, err)
			changed := filepath.Join(t.TempDir(), "template.yaml") // OpeningsRule is the first
			require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(src), "State: ENABLED", "State: "+state, 1)), 0o600))
			stack, err := localaws.Start(t.Context(), localaws.Config{
				TemplatePath: changed, BuildDir: buildDir(t), Listen: "127.0.0.1:0", Parameters: map[string]string{"Mode": "observe"},
			})
			require.NoError(t, err)
			t.Cleanup(stack.Close)
			sweep := func() {
				t.Helper()
				require.NoError(t, stack.InvokeAsync("SweepFunction", []byte(`{"sgward":"sweep"}`)))
				require.NoError(t, stack.WaitIdle(t.Context()))
			}
			keys := credentials.NewStaticCredentialsProvider("test", "test", "")
			user := ec2.New(ec2.Options{Region: "us-east-1", BaseEndpoint: aws.String(stack.Endpoint()), Credentials: keys, HTTPClient: sdkhttp.Client(http.DefaultClient)})
			group, err := user.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("data"), Description: aws.String("data")})
			require.NoError(t, err)
			sweep()
			_, err = user.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: []ec2types.IpPermission{{
				IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}},
			}}})
			require.NoError(t, err)
			require.NoError(t, stack.WaitIdle(t.Context()))
			sweep()
			seenBefore(t, stack, time.Hour)
			sweep()

			unannounced := 0
			for _, m := range stack.SNS().Messages() {
				var a finding.Alert
				require.NoError(t, json.Unmarshal([]byte(m.For("default")), &a))
				for _, f := range a.Findings {
					if f.Unannounced {
						unannounced++
					}
				}
			}
			assert.Equal(t, want, unannounced == 1, "%d findings", unannounced)
		})
	}
}

// A call that CloudTrail records without its parameters: the record names no group.
func TestTheRuleOfAPaddedCallIsClosed(t *testing.T) {
	stack, err := localaws.Start(t.Context(), localaws.Config{
		TemplatePath: template, BuildDir: buildDir(t), Listen: "127.0.0.1:0", Parameters: map[string]string{"Mode": "enforce"},
	})
	require.NoError(t, err)
	t.Cleanup(stack.Close)
	user := ec2.New(ec2.Options{Region: "us-east-1", BaseEndpoint: aws.String(stack.Endpoint()), HTTPClient: sdkhttp.Client(http.DefaultClient),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	group, err := user.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("data"), Description: aws.String("data")})
	require.NoError(t, err)
	require.NoError(t, stack.InvokeAsync("SweepFunction", []byte(`{"sgward":"sweep"}`)))
	require.NoError(t, stack.WaitIdle(t.Context()))

	var tags []ec2types.Tag
	for i := range 50 {
		tags = append(tags, ec2types.Tag{Key: aws.String(fmt.Sprintf("%02d", i) + strings.Repeat("\U0001D11E", 126)), Value: aws.String(strings.Repeat("\U0001D11E", 256))})
	}
	private := ec2types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(9), ToPort: aws.Int32(9)}
	for i := range 50 {
		private.IpRanges = append(private.IpRanges, ec2types.IpRange{CidrIp: aws.String(fmt.Sprintf("10.0.%d.0/24", i)), Description: aws.String(strings.Repeat("x", 255))})
	}
	forbidden := ec2types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306)}
	forbidden.IpRanges = []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0"), Description: aws.String(strings.Repeat("x", 255))}}
	many := func(port int32) ec2types.IpPermission {
		p := private
		p.FromPort, p.ToPort = aws.Int32(port), aws.Int32(port)
		return p
	}
	stack.EC2().SetRuleQuota(1000) // by default 60
	_, err = user.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: group.GroupId, IpPermissions: []ec2types.IpPermission{many(9), many(10), many(11), forbidden},
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeSecurityGroupRule, Tags: tags}},
	})
	require.NoError(t, err)
	require.NoError(t, stack.WaitIdle(t.Context()))

	held := stack.EC2().Rules(*group.GroupId)
	assert.Len(t, held, 151, "the private ones and the group's own egress")
	for _, r := range held {
		assert.NotEqual(t, 3306, r.FromPort)
	}
	closed := 0
	for _, m := range stack.SNS().Messages() {
		var a finding.Alert
		require.NoError(t, json.Unmarshal([]byte(m.For("default")), &a))
		if a.Sweep != nil && a.Sweep.UnnamedCall {
			require.Len(t, a.Findings, 1)
			assert.Equal(t, finding.OutcomeRevoked, a.Findings[0].Outcome)
			closed++
		}
	}
	assert.Equal(t, 1, closed)
}

// seenBefore lets the one rule that waits for its event have been seen for longer.
func seenBefore(t *testing.T, stack *localaws.Stack, d time.Duration) {
	t.Helper()
	table := stack.Template().Tables["MemoryTable"].Name
	waiting := 0
	for _, item := range stack.DynamoDB().Items(table) {
		if !strings.HasPrefix(*item["id"].S, "pending-") {
			continue
		}
		waiting++
		seen := time.Now().Add(-d).UTC().Format(time.RFC3339)
		item["firstSeen"] = dynamodbapi.Value{S: &seen}
		stack.DynamoDB().Put(table, item)
	}
	require.Equal(t, 1, waiting, "the first sweep after it has noted it")
}
