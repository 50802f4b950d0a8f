package sweep_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep"
	"sgward/localaws/ec2api"
)

const (
	account   = "123456789012"
	region    = "us-east-1"
	userKey   = "AKIAIOSFODNN7EXAMPLE"
	sgwardKey = "AKIAI44QH8DHBEXAMPLE"
	// telling leaves what exists to people, closing closes it.
	telling = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: world, ports: [5432/tcp, 6379/tcp]}}
exceptions:
  - {id: demo, reason: a demo, owner: demo@example.com, expires: 2099-12-31, match: {ports: [6379/tcp]}}
`
	closing = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp, 6379/tcp]}}
`
)

// bench is a region with an sweeper at work and people to tell.
type bench struct {
	t       *testing.T
	server  *ec2api.Server
	user    *ec2.Client
	client  sweep.EC2
	policy  string
	mode    finding.Mode
	most    int
	account string
	memory  *sweep.Memory
	log     bytes.Buffer

	mu      sync.Mutex
	now     time.Time
	waited  time.Duration
	alerts  []finding.Alert
	refused int // alerts still to be refused
	events  [][]byte
}

func newBench(t *testing.T, document string, mode finding.Mode) *bench {
	t.Helper()
	b := &bench{t: t, policy: document, mode: mode, most: sweep.DefaultMaxRevokes, account: account,
		now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	b.server = ec2api.New(ec2api.WithSeed("sweep"), ec2api.WithClock(b.time), ec2api.WithEvents(func(_ context.Context, event []byte) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, event)
	}))
	b.server.SetRuleQuota(1000) // a rule counts as many as its list may hold entries
	web := httptest.NewServer(b.server)
	t.Cleanup(web.Close)
	client := func(key string) *ec2.Client {
		return ec2.New(ec2.Options{
			Region: region, BaseEndpoint: &web.URL, RetryMaxAttempts: 1, HTTPClient: wholeBody{},
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: key, SecretAccessKey: "secret"}, nil
			}),
		})
	}
	b.user, b.client = client(userKey), client(sgwardKey)
	return b
}

// wholeBody sends requests from memory: a server this near may answer before
// net/http has seen the end of a streamed body, which then ends the connection.
type wholeBody struct{}

func (wholeBody) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return http.DefaultClient.Do(r)
}

func (b *bench) time() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// sweeper makes a new one, as in a function that has just started.
func (b *bench) sweeper() *sweep.Sweeper {
	b.t.Helper()
	p, err := policy.Parse("policy.yaml", []byte(b.policy))
	require.NoError(b.t, err)
	a, err := sweep.New(sweep.Config{
		EC2: b.client, Region: region, Policy: p, Mode: b.mode, MaxRevokes: b.most, Memory: b.memory, Publish: b.publish,
		Logger: slog.New(slog.NewJSONHandler(&b.log, nil)), Now: b.time,
		Wait: func(_ context.Context, d time.Duration) error {
			b.waited += d
			b.pass(d)
			return nil
		},
	})
	require.NoError(b.t, err)
	return a
}

func (b *bench) publish(_ context.Context, a finding.Alert) error {
	if b.refused > 0 {
		b.refused--
		return io.ErrUnexpectedEOF
	}
	m, err := alert.NewMessage(alert.Complete(a))
	require.NoError(b.t, err, "every alert can be told")
	require.NotEmpty(b.t, m.Email)
	b.alerts = append(b.alerts, alert.Complete(a))
	return nil
}

// list makes a prefix list.
func (b *bench) list(cidrs ...string) string {
	b.t.Helper()
	out, err := b.user.CreateManagedPrefixList(b.t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("offices"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(200), Entries: added(cidrs...),
	})
	require.NoError(b.t, err)
	return *out.PrefixList.PrefixListId
}

func added(cidrs ...string) []types.AddPrefixListEntry {
	var out []types.AddPrefixListEntry
	for _, c := range cidrs {
		out = append(out, types.AddPrefixListEntry{Cidr: aws.String(c), Description: aws.String("entry " + c)})
	}
	return out
}

// edit adds entries to a list and returns the change as CloudTrail tells it.
func (b *bench) edit(list string, cidrs ...string) cloudtrail.Call {
	b.t.Helper()
	out, err := b.user.DescribeManagedPrefixLists(b.t.Context(), &ec2.DescribeManagedPrefixListsInput{PrefixListIds: []string{list}})
	require.NoError(b.t, err)
	_, err = b.user.ModifyManagedPrefixList(b.t.Context(), &ec2.ModifyManagedPrefixListInput{
		PrefixListId: &list, CurrentVersion: out.PrefixLists[0].Version, AddEntries: added(cidrs...),
	})
	require.NoError(b.t, err)
	return b.lastChange()
}

func (b *bench) lastChange() cloudtrail.Call {
	b.t.Helper()
	c, err := cloudtrail.Parse(b.events[len(b.events)-1])
	require.NoError(b.t, err)
	require.Empty(b.t, c.Skipped)
	return c
}

// group makes a group without rules.
func (b *bench) group(name string) string {
	b.t.Helper()
	vpc, err := b.user.CreateVpc(b.t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	require.NoError(b.t, err)
	out, err := b.user.CreateSecurityGroup(b.t.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: &name, Description: &name, VpcId: vpc.Vpc.VpcId,
	})
	require.NoError(b.t, err)
	return *out.GroupId
}

// open opens a TCP port of a group to a prefix list or an address range.
func (b *bench) open(group string, port int32, peer string) {
	b.t.Helper()
	p := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port}
	if peer[:3] == "pl-" {
		p.PrefixListIds = []types.PrefixListId{{PrefixListId: &peer, Description: aws.String("by list")}}
	} else {
		p.IpRanges = []types.IpRange{{CidrIp: &peer}}
	}
	_, err := b.user.AuthorizeSecurityGroupIngress(b.t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []types.IpPermission{p}})
	require.NoError(b.t, err)
}

// ports lists the TCP ports that a group has open, in the order of their making.
func (b *bench) ports(group string) []int {
	out := []int{}
	for _, r := range b.server.Rules(group) {
		if !r.Egress {
			out = append(out, r.FromPort)
		}
	}
	return out
}

// changed lets a new sweeper judge a change once its event is old enough.
func (b *bench) changed(c cloudtrail.Call) (finding.Detection, error) {
	b.pass(10 * time.Second)
	return b.sweeper().Changed(b.t.Context(), b.account, c)
}

// run takes a change through both steps, as the queue does, and holds that none has
// to come again.
func (b *bench) run(c cloudtrail.Call) {
	b.t.Helper()
	d, err := b.changed(c)
	require.NoError(b.t, err)
	if d.Verdict == policy.Compliant {
		return
	}
	require.Equal(b.t, policy.Revoke, d.Verdict)
	assert.Empty(b.t, b.alerts, "people are told once, when it is done")
	require.NoError(b.t, b.sweeper().Close(b.t.Context(), b.account, c, d, sweep.Delivery{Try: 1, Tries: 5, Chosen: b.time()}))
}

// alert returns the only alert.
func (b *bench) alert() finding.Alert {
	b.t.Helper()
	require.Len(b.t, b.alerts, 1)
	return b.alerts[0]
}

// told lists what became of which port in which group.
func told(a finding.Alert) map[string]finding.Outcome {
	out := map[string]finding.Outcome{}
	for _, r := range a.Findings {
		key := r.GroupName
		if r.Rule != nil && r.Rule.Permission.Protocol.HasPorts() {
			key += " " + strconv.Itoa(int(r.Rule.Permission.Ports.From))
		}
		out[key] = r.Outcome
	}
	return out
}
