package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
	"sgward/localaws/cloudtrailapi"
	"sgward/localaws/ec2api"
	"sgward/localaws/stsapi"
)

const (
	workspaceAccount = "123456789012"
	workspaceRegion  = "us-east-1"
	// otherKey is of another account's user.
	otherKey = "AKIAI44QH8DHBEXAMPLE"
	// remediateKey is of a session of sgward's role.
	remediateKey = "ASIAIOSFODNN7EXAMPLE"
)

// workspace is a person with credentials in a checkout, and an EC2 behind HTTP.
type workspace struct {
	*testing.T
	ec2 *ec2api.Server
	web http.Handler // EC2 and STS
	// endpoint is where it listens.
	endpoint string
	vpc      string // its default VPC
	// sgward calls as the role of remediate does, and trail holds what everybody did.
	sgward *ec2.Client
	trail  cloudtrailapi.Server
	calls  [][]byte // their records, in order
	noList bool     // whether Organizations refuses to list the accounts
}

func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	d := &workspace{T: t}
	d.ec2 = ec2api.New(ec2api.WithSeed("workspace"), ec2api.WithIdentity(otherKey, ec2api.Identity{Account: "111122223333"}),
		ec2api.WithIdentity(remediateKey, ec2api.Identity{Role: "sgward-RemediateRole-EXAMPLE", Session: "sgward-remediate"}),
		ec2api.WithEvents(func(_ context.Context, record []byte) {
			d.calls = append(d.calls, record)
			d.trail.Add(record)
		}))
	whoCalls := stsapi.Handler(func(r *http.Request) stsapi.Caller {
		account, arn, userID := d.ec2.Caller(r)
		return stsapi.Caller{Account: account, ARN: arn, UserID: userID}
	})
	d.web = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := cloudtrailapi.ActionOf(r); ok {
			d.trail.ServeHTTP(w, r)
			return
		}
		if r.FormValue("Version") == stsapi.Version {
			whoCalls.ServeHTTP(w, r)
			return
		}
		d.ec2.ServeHTTP(w, r)
	})
	web := httptest.NewServer(d.web)
	t.Cleanup(web.Close)
	d.endpoint = web.URL
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": web.URL, "AWS_REGION": workspaceRegion, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret",
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none", "AWS_MAX_ATTEMPTS": "1", "AWS_CA_BUNDLE": "",
	} {
		t.Setenv(name, value)
	}
	t.Chdir("../..")
	with := func(key string) *ec2.Client {
		return ec2.New(ec2.Options{Region: workspaceRegion, BaseEndpoint: &web.URL, Credentials: credentials.NewStaticCredentialsProvider(key, "not-a-secret", "")})
	}
	client := with("AKIAIOSFODNN7EXAMPLE")
	d.sgward = with(remediateKey)
	vpcs, err := client.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	require.NoError(t, err)
	d.vpc = aws.ToString(vpcs.Vpcs[0].VpcId)
	return d
}

// said is what a command printed and how it ended.
type said struct {
	status    int
	out, errs string
}

// run types a command: words that are separated by blanks, then others as they are.
func (d *workspace) run(words string, others ...string) said {
	d.Helper()
	return d.runWith("", words, others...)
}

func (d *workspace) runWith(stdin, words string, others ...string) said {
	d.Helper()
	var out, errs bytes.Buffer
	status := cli.Run(context.Background(), cli.Invocation{
		Args: append(strings.Fields(words), others...), Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs,
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	return said{status, out.String(), errs.String()}
}

// group finds a group by its name.
func (d *workspace) group(name string) (ec2api.Group, bool) {
	for _, g := range d.ec2.Groups() {
		if g.Name == name {
			return g, true
		}
	}
	return ec2api.Group{}, false
}

// held is what a group holds, as "in tcp 22-22 203.0.113.10/32".
func (d *workspace) held(name string) []string {
	d.Helper()
	g, ok := d.group(name)
	require.True(d, ok, name)
	out := []string{}
	for _, r := range d.ec2.Rules(g.ID) {
		direction := "in"
		if r.Egress {
			direction = "out"
		}
		out = append(out, strings.Join([]string{direction, r.Protocol, portsOf(r), r.CIDRIPv4 + r.CIDRIPv6 + r.PrefixListID + r.ReferencedGroupID}, " "))
	}
	return out
}

func portsOf(r ec2api.Rule) string {
	text, _ := json.Marshal([]int{r.FromPort, r.ToPort})
	return strings.NewReplacer("[", "", "]", "", ",", "-").Replace(string(text))
}

func (d *workspace) create(words string) said {
	d.Helper()
	return d.run("group create --vpc-id " + d.vpc + " " + words)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
