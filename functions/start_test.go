// Package functions_test starts the built functions as Lambda does.
package functions_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/functionstest"
	"sgward/internal/policy"
	"sgward/internal/policyfile"
	"sgward/internal/policypackage"
	"sgward/internal/policyyaml"
	"sgward/localaws"
	"sgward/localaws/runtimeapi"
)

// judges are the functions that judge.
var judges = []string{"detect", "remediate", "sweep", "hook"}

// build lays the judges out, each with another policy beside it than the tests give them.
func build(t *testing.T) string {
	t.Helper()
	return functionstest.Build(t, []byte(packed), judges...)
}

func TestMain(m *testing.M) { functionstest.Main(m) }

// packed tolerates what ofLayer closes.
const packed = `version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: packed, severity: low, effect: alert, ingress: {from: world, ports: [22/tcp]}}
`

const ofLayer = `version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: of-layer, severity: critical, effect: revoke, ingress: {from: world, ports: [3306/tcp]}}
  - {id: other, severity: low, effect: alert, ingress: {from: world, except-ports: [3306/tcp]}}
`

// started is a function of Lambda that was told to start.
type started struct {
	mu  sync.Mutex
	log strings.Builder
	err error
}

// start starts a function with more variables than a sound environment.
func start(t *testing.T, id string, more map[string]string) *started {
	t.Helper()
	dir := build(t)
	env := map[string]string{
		"MODE": "enforce", "PREVENTION": "warn", "ALERT_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:alerts",
		"FINDINGS_QUEUE_URL":    "https://sqs.us-east-1.amazonaws.com/123456789012/findings",
		"DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/dead",
	}
	for name, value := range more {
		env[name] = value
	}
	s := &started{}
	f, err := runtimeapi.New(runtimeapi.Config{
		Name: id, ARN: "arn:aws:lambda:us-east-1:123456789012:function:" + id, Bootstrap: filepath.Join(dir, id, "bootstrap"), Environment: env,
		Log: func(line string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.log.WriteString(line + "\n")
		},
	})
	require.NoError(t, err)
	s.err = f.Warm(context.WithoutCancel(t.Context()))
	f.Close() // the log is complete
	return s
}

// lines returns what the function has logged.
func (s *started) lines(t *testing.T) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(s.log.String()) {
		var l map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		delete(l, "timestamp")
		out = append(out, l)
	}
	return out
}

// inLayer unpacks a policy where a layer would have it, sound or not, and returns its path.
func inLayer(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), policyfile.InLayer)
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	functionstest.WritePolicy(t, path, text)
	return path
}

func TestEachFunctionLogsItsPolicyWhenItStarts(t *testing.T) {
	path := inLayer(t, ofLayer)
	want, err := policyfile.Read(path)
	require.NoError(t, err)
	for _, name := range judges {
		id := functionstest.ID(name)
		s := start(t, id, map[string]string{"POLICY_FILE": path})
		require.NoError(t, s.err, id)
		line := map[string]any{"level": "INFO", "message": "policy loaded", "policyDigest": want.Digest(), "file": path, "statements": 2.0, "exceptions": 0.0}
		switch id {
		case "DetectFunction": // which has no mode
		case "HookFunction":
			line["prevention"] = "warn"
		default:
			line["mode"] = "enforce"
		}
		assert.Equal(t, []map[string]any{line}, s.lines(t), id)
	}
}

func TestNoFunctionStartsWithoutASoundPolicyAndLambdaKnowsWhy(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		want []string
	}{
		"unsound": {inLayer(t, "version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - id: a\n    efect: revoke\n"),
			[]string{"policy.yaml:4: ", "effect is missing", "policy.yaml:5: ", `unknown field "efect"`}},
		"without policy": {filepath.Join(t.TempDir(), policyfile.InLayer), []string{"no such file", "the layer of PolicyLayerArn lacks it: want sgward/policy.yaml and sgward/policy.yaml.json"}},
	} {
		for _, judge := range judges {
			id := functionstest.ID(judge)
			s := start(t, id, map[string]string{"POLICY_FILE": c.path})
			require.Error(t, s.err, "%s, %s: nothing is judged, by the packed policy neither", id, name)
			lines := s.lines(t)
			require.Len(t, lines, 1, "%s, %s", id, name)
			assert.Equal(t, "function does not start", lines[0]["message"])
			for _, want := range c.want {
				assert.Contains(t, lines[0]["error"], want, "%s, %s: the log", id, name)
				assert.Contains(t, strings.ReplaceAll(s.err.Error(), `\"`, `"`), want, "%s, %s: the error of the initialization", id, name)
			}
		}
	}
}

// The deployed template with a layer: what the packed policy tolerates is closed.
func TestAStackJudgesByThePolicyOfItsLayer(t *testing.T) {
	const layer = "arn:aws:lambda:us-east-1:123456789012:layer:sgward-policy:1"
	archive := filepath.Join(t.TempDir(), "layer.zip")
	data, err := policypackage.Layer([]byte(ofLayer))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(archive, data, 0o600))
	want, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(ofLayer)))
	require.NoError(t, err)
	dir := build(t)

	for name, c := range map[string]struct {
		parameters map[string]string
		left       int // the rules of the group beside its own egress
		alerts     int
	}{
		"packed": {map[string]string{"Mode": "enforce"}, 2, 1}, // about port 22
		"layer":  {map[string]string{"Mode": "enforce", "PolicyLayerArn": layer}, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := localaws.Start(t.Context(), localaws.Config{
				TemplatePath: "../template.yaml", BuildDir: dir, Listen: "127.0.0.1:0", Parameters: c.parameters,
				Layers: map[string]string{layer: archive},
			})
			require.NoError(t, err)
			t.Cleanup(s.Close)
			user := ec2.New(ec2.Options{Region: "us-east-1", BaseEndpoint: aws.String(s.Endpoint()),
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "AKIAI44QH8DHBEXAMPLE", SecretAccessKey: "secret"}, nil
				})})
			group, err := user.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("app"), Description: aws.String("app")})
			require.NoError(t, err)
			for _, port := range []int32{3306, 22} {
				_, err = user.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId,
					IpPermissions: []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(port), ToPort: aws.Int32(port),
						IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}})
				require.NoError(t, err)
			}
			require.NoError(t, s.WaitIdle(t.Context()))
			assert.Len(t, s.EC2().Rules(*group.GroupId), c.left+1)
			messages := s.SNS().Messages()
			require.Len(t, messages, c.alerts)
			for _, m := range messages {
				var a finding.Alert
				require.NoError(t, json.Unmarshal([]byte(m.For("default")), &a))
				assert.Equal(t, name == "layer", a.PolicyDigest == want.Digest(), "the alert names the policy")
			}
		})
	}
	_, err = localaws.Start(t.Context(), localaws.Config{
		TemplatePath: "../template.yaml", BuildDir: dir, Listen: "127.0.0.1:0", Parameters: map[string]string{"PolicyLayerArn": layer}})
	assert.ErrorContains(t, err, "its layer "+layer+" has no archive here")
}

func TestNoFunctionThatAlertsStartsWithATopicOfAnotherRegion(t *testing.T) {
	for _, id := range []string{"RemediateFunction", "SweepFunction"} {
		s := start(t, id, map[string]string{"ALERT_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:alerts"})
		require.Error(t, s.err, id)
		assert.Contains(t, s.err.Error(), "the topic is in eu-west-1 and this function in us-east-1", id)
		assert.Contains(t, s.log.String(), "the topic is in eu-west-1 and this function in us-east-1", id)
	}
}
