package selftest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/awscall"
	"sgward/internal/ec2rules"
	"sgward/internal/functionstest"
	"sgward/internal/input"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/secgroup"
	"sgward/internal/stack"
	"sgward/internal/stack/stacktest"
	"sgward/localaws"
)

func TestMain(m *testing.M) { functionstest.Main(m) }

// prepared returns a test of a stack in a mode.
func prepared(t *testing.T, mode string) (*Test, *localaws.Stack, aws.Config) {
	t.Helper()
	s, config := stacktest.Start(t, func(c *localaws.Config) { c.Parameters = map[string]string{"Mode": mode} })
	return prepare(t, config), s, config
}

func prepare(t *testing.T, config aws.Config) *Test {
	t.Helper()
	deployed, err := stack.Find(t.Context(), awscall.New(config), config.Region, "sgward")
	require.NoError(t, err)
	p, err := input.Policy("../../policy.yaml")
	require.NoError(t, err)
	out, err := Prepare(t.Context(), config, deployed, p, "")
	require.NoError(t, err)
	out.Pause = 10 * time.Millisecond
	return out
}

func groups(t *testing.T, config aws.Config) (names []string) {
	t.Helper()
	out, err := ec2.NewFromConfig(config).DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{})
	require.NoError(t, err)
	for _, g := range out.SecurityGroups {
		if strings.HasPrefix(aws.ToString(g.GroupName), namePrefix) {
			names = append(names, aws.ToString(g.GroupName))
		}
	}
	return names
}

func TestInEnforceModeTheRuleIsClosedAndTheGroupDeleted(t *testing.T) {
	test, s, config := prepared(t, "enforce")
	assert.True(t, test.Closes())
	assert.EqualValues(t, 3306, test.Rule.Permission.Ports.From)
	r, err := test.Run(t.Context())
	require.NoError(t, err)
	assert.NoError(t, r.Left)
	assert.Equal(t, "revoke", r.Decision)
	assert.Positive(t, r.Judged)
	assert.Positive(t, r.Closed)
	assert.Positive(t, r.Alerted)
	assert.Empty(t, groups(t, config))
	require.Len(t, s.SNS().Messages(), 1, "people hear of it")
}

func TestInObserveModeTheVerdictIsShownAndTheGroupDeleted(t *testing.T) {
	test, _, config := prepared(t, "observe")
	assert.False(t, test.Closes())
	r, err := test.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "revoke", r.Decision)
	assert.Zero(t, r.Closed)
	assert.Positive(t, r.Alerted)
	assert.Empty(t, groups(t, config))
}

func TestAnInterruptedTestDeletesItsGroup(t *testing.T) {
	test, s, config := prepared(t, "enforce")
	s.FailHandOvers(1) // so that nothing is ever judged
	ctx, cancel := context.WithCancel(t.Context())
	test.Step = func(_ time.Duration, said string) {
		if strings.HasPrefix(said, "opened") {
			assert.Len(t, groups(t, config), 1)
			cancel()
		}
	}
	r, err := test.Run(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	assert.NoError(t, r.Left)
	assert.Empty(t, groups(t, config))
}

// The call worked, and its answer is lost: the group is found by its name.
func TestAGroupWhoseAnswerIsLostIsDeleted(t *testing.T) {
	_, s, config := prepared(t, "enforce")
	target, err := url.Parse(s.Endpoint())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	proxy := httputil.NewSingleHostReverseProxy(target)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, r.ParseForm())
		if r.Form.Get("Action") == "CreateSecurityGroup" {
			r.Body = http.NoBody
			again, _ := http.NewRequestWithContext(context.WithoutCancel(r.Context()), http.MethodPost, s.Endpoint(), strings.NewReader(r.Form.Encode()))
			again.Header = r.Header.Clone()
			answer, err := http.DefaultClient.Do(again)
			assert.NoError(t, err)
			assert.NoError(t, answer.Body.Close())
			cancel()
			panic(http.ErrAbortHandler)
		}
		body := r.Form.Encode()
		if len(r.PostForm) > 0 {
			again, _ := http.NewRequestWithContext(r.Context(), r.Method, s.Endpoint(), strings.NewReader(body))
			again.Header = r.Header.Clone()
			r = again
		}
		proxy.ServeHTTP(w, r)
	}))
	defer web.Close()
	config.BaseEndpoint = aws.String(web.URL)
	test := prepare(t, config)
	_, err = test.Run(ctx)
	require.Error(t, err)
	assert.Empty(t, groups(t, config))
}

func TestAPolicyThatForbidsNothingIsNoTest(t *testing.T) {
	_, config := stacktest.Start(t, nil)
	deployed, err := stack.Find(t.Context(), awscall.New(config), config.Region, "sgward")
	require.NoError(t, err)
	p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte("version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - {id: a, severity: low, effect: alert, ingress: {from: world, ports: [9/tcp]}}\n")))
	require.NoError(t, err)
	_, err = Prepare(t.Context(), config, deployed, p, "")
	assert.ErrorContains(t, err, "forbids none of the ports")

	p, err = policy.Compile(policyyaml.Document("policy.yaml", []byte("version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - {id: a, severity: low, effect: alert, ingress: {from: world, ports: [22/tcp]}}\n")))
	require.NoError(t, err)
	test, err := Prepare(t.Context(), config, deployed, p, "")
	require.NoError(t, err)
	assert.False(t, test.Closes())
	assert.EqualValues(t, 22, test.Rule.Permission.Ports.From)
}

func TestGroupsOfEarlierTestsAreNamed(t *testing.T) {
	test, _, config := prepared(t, "enforce")
	assert.Empty(t, test.Leftovers)
	client := ec2.NewFromConfig(config)
	var ids []string
	for i, stackName := range []string{"sgward", "another"} {
		out, err := client.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
			GroupName: aws.String(namePrefix + string(rune('a'+i))), Description: aws.String("left"), VpcId: &test.VPCID,
			TagSpecifications: ec2rules.TagSpecification(types.ResourceTypeSecurityGroup, []secgroup.Tag{{Key: tag, Value: stackName}}),
		})
		require.NoError(t, err)
		ids = append(ids, aws.ToString(out.GroupId))
	}
	assert.Equal(t, ids[:1], prepare(t, config).Leftovers)
}

func TestAnInterruptionDoesNotCutOffTheMakingOfTheGroup(t *testing.T) {
	test, _, config := prepared(t, "enforce")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := test.Run(ctx)
	require.ErrorIs(t, err, context.Canceled)
	assert.NotEmpty(t, r.GroupID, "its answer was read")
	assert.NoError(t, r.Left)
	assert.Empty(t, groups(t, config))
}
