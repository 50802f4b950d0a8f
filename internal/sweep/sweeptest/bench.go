// Package sweeptest stages a region whose existing rules sweep judges and remediation
// closes, for the tests of both.
package sweeptest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert"
	"sgward/internal/awscall"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/lambdaenv"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/remediation"
	"sgward/internal/sweep"
	"sgward/internal/table"
	"sgward/localaws/dynamodbapi"
	"sgward/localaws/ec2api"
)

const (
	// Account is the account of the bench.
	Account = "123456789012"
	// Region is the region of the bench.
	Region  = "us-east-1"
	userKey = "AKIAIOSFODNN7EXAMPLE"
	// Other is an account that shares prefix lists with Account.
	Other    = "222233334444"
	otherKey = "AKIAI7QOTHEREXAMPLE"
	// SgwardKey is the access key that sgward calls with.
	SgwardKey = "AKIAI44QH8DHBEXAMPLE"
	// MemoryTable is the table of reported findings.
	MemoryTable = "memory"
	// Telling is a policy that only alerts about existing rules.
	Telling = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: world, ports: [5432/tcp, 6379/tcp]}}
exceptions:
  - {id: demo, reason: a demo, owner: demo@example.com, expires: 2099-12-31, match: {ports: [6379/tcp]}}
`
	// Closing is a policy that has existing rules closed.
	Closing = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp, 6379/tcp]}}
`
)

// EC2 is the part of EC2's API that both functions need.
type EC2 interface {
	sweep.EC2
	remediation.EC2
}

// Judged is an event that detect has judged, and when.
type Judged struct {
	sweep.Announcement
	At time.Time
}

// Bench is a region with a sweeper and an engine, and the alerts that they publish.
type Bench struct {
	t       *testing.T
	Server  *ec2api.Server
	User    *ec2.Client
	Other   *ec2.Client // of the account Other
	Client  EC2
	Policy  string
	Mode    finding.Mode
	Most    int // MaxRevokes
	Account string
	Memory  *table.Table
	DB      *dynamodbapi.Server // of Memory
	// Hanging is the action of DynamoDB that gets no answer; "" is none.
	Hanging string
	Log     bytes.Buffer

	mu     sync.Mutex
	now    time.Time
	runs   int
	Waited time.Duration
	Alerts []finding.Alert
	// Watches has sweeps look up announcements: the calls that Announce took through detect.
	Watches bool
	Judged  []Judged
	// Unreadable is the error of looking them up, if any.
	Unreadable error
	Release    string
	Metrics    map[string]int // the sums of what was counted
	// Refused is the number of alerts still to be refused.
	Refused int
	Events  [][]byte
	// Gone gets the alerts that are for machines alone; nil has no such outlet.
	Gone func(context.Context, finding.Alert) error
}

// New makes a Bench without a memory.
func New(t *testing.T, document string, mode finding.Mode) *Bench {
	t.Helper()
	b := &Bench{
		t: t, Policy: document, Mode: mode, Most: lambdaenv.DefaultMaxRevokes, Account: Account,
		now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Metrics: map[string]int{},
	}
	b.Server = ec2api.New(ec2api.WithSeed("sweep"), ec2api.WithClock(b.Time), ec2api.WithIdentity(otherKey, ec2api.Identity{Account: Other}), ec2api.WithEvents(func(_ context.Context, event []byte) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.Events = append(b.Events, event)
	}))
	b.Server.SetRuleQuota(1000) // a rule counts as many as its list may have entries
	web := httptest.NewServer(b.Server)
	t.Cleanup(web.Close)
	client := func(key string) *ec2.Client {
		return ec2.New(ec2.Options{
			Region: Region, BaseEndpoint: &web.URL, RetryMaxAttempts: 1, HTTPClient: WholeBody{}, Credentials: credentials(key),
		})
	}
	b.User, b.Other, b.Client = client(userKey), client(otherKey), client(SgwardKey)
	return b
}

func credentials(key string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: key, SecretAccessKey: "secret"}, nil
	})
}

// NewSweep makes a Bench with a memory, whose runs follow each other.
func NewSweep(t *testing.T, document string, mode finding.Mode) *Bench {
	t.Helper()
	b := New(t, document, mode)
	// A page holds some twenty items, so that scans have several.
	b.DB = dynamodbapi.New(dynamodbapi.Config{Tables: []dynamodbapi.Table{{Name: MemoryTable, Key: "id"}}, Page: 4096})
	web := httptest.NewServer(b.DB)
	t.Cleanup(web.Close)
	b.Memory = &table.Table{Name: MemoryTable, Client: awscall.New(aws.Config{
		Region: Region, BaseEndpoint: &web.URL, HTTPClient: tableClient{b}, Credentials: credentials(SgwardKey),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	})}
	return b
}

// tableClient sends the calls of DynamoDB.
type tableClient struct{ *Bench }

// Do sends a request, but for those of Hanging.
func (c tableClient) Do(r *http.Request) (*http.Response, error) {
	if action, _ := dynamodbapi.ActionOf(r); action == c.Hanging {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return http.DefaultClient.Do(r) //nolint:gosec // to the test's own server
}

// WholeBody sends requests from memory: a server this near may answer before
// net/http has seen the end of a streamed body, which then ends the connection.
type WholeBody struct{}

// Do sends a request.
func (WholeBody) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return http.DefaultClient.Do(r) //nolint:gosec // to the test's own server
}

// Time is the moment at the bench.
func (b *Bench) Time() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// Pass lets time pass.
func (b *Bench) Pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *Bench) policy() *policy.Policy {
	b.t.Helper()
	p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(b.Policy)))
	require.NoError(b.t, err)
	return p
}

// Sweeper makes a new one, as in a function that has just started.
func (b *Bench) Sweeper() *sweep.Sweeper {
	b.t.Helper()
	var announcements sweep.Announcements
	if b.Watches {
		announcements = judgedEvents{b}
	}
	s, err := sweep.New(sweep.Config{
		Release: b.Release, Announcements: announcements, Count: func(_ context.Context, metric string, n int) { b.Metrics[metric] += n },
		EC2: b.Client, Region: Region, Policy: b.policy(), Mode: b.Mode, MaxRevokes: b.Most, Memory: b.Memory, Publish: b.publish, Gone: b.Gone,
		Logger: slog.New(slog.NewJSONHandler(&b.Log, nil)), Now: b.Time,
		Wait: func(_ context.Context, d time.Duration) error {
			b.Waited += d
			b.Pass(d)
			return nil
		},
	})
	require.NoError(b.t, err)
	return s
}

// judgedEvents are those of the bench, which keeps them for three days.
type judgedEvents struct{ *Bench }

// Kept is three days.
func (judgedEvents) Kept() time.Duration { return 72 * time.Hour }

// Since returns the events judged from a time on.
func (j judgedEvents) Since(_ context.Context, from time.Time) ([]sweep.Announcement, error) {
	var out []sweep.Announcement
	for _, e := range j.Judged {
		if !e.At.Before(from) {
			out = append(out, e.Announcement)
		}
	}
	return out, j.Unreadable
}

// Findings are the items of the memory that are about findings.
func (b *Bench) Findings() []dynamodbapi.Item {
	var out []dynamodbapi.Item
	for _, item := range b.DB.Items(MemoryTable) {
		if strings.HasPrefix(*item["id"].S, "f-") {
			out = append(out, item)
		}
	}
	return out
}

// Engine makes a new one, as in a function that has just started.
func (b *Bench) Engine() *remediation.Engine {
	b.t.Helper()
	r, err := remediation.New(remediation.Config{
		EC2: b.Client, Region: Region, Policy: b.policy(), Mode: b.Mode, MaxRevokes: b.Most, Publish: b.publish,
		Logger: slog.New(slog.NewJSONHandler(&b.Log, nil)), Now: b.Time,
	})
	require.NoError(b.t, err)
	return r
}

func (b *Bench) publish(_ context.Context, a finding.Alert) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Refused > 0 {
		b.Refused--
		return io.ErrUnexpectedEOF
	}
	m, err := alert.NewMessage(alert.Complete(a))
	require.NoError(b.t, err, "every alert can be told")
	require.NotEmpty(b.t, m.Email)
	b.Alerts = append(b.Alerts, alert.Complete(a))
	return nil
}

// List makes a prefix list.
func (b *Bench) List(cidrs ...string) string { return b.listOf(b.User, cidrs...) }

// SharedList makes a prefix list of Other that is shared with Account.
func (b *Bench) SharedList(cidrs ...string) string {
	b.t.Helper()
	list := b.listOf(b.Other, cidrs...)
	require.NoError(b.t, b.Server.SharePrefixList(list, Account))
	return list
}

func (b *Bench) listOf(owner *ec2.Client, cidrs ...string) string {
	b.t.Helper()
	out, err := owner.CreateManagedPrefixList(b.t.Context(), &ec2.CreateManagedPrefixListInput{
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

// Edit adds entries to a list and returns the change as CloudTrail records it.
func (b *Bench) Edit(list string, cidrs ...string) cloudtrail.Call {
	return b.EditBy(b.User, list, cidrs...)
}

// EditBy is Edit by the owner of the list. This account does not receive the
// event of an edit in another one.
func (b *Bench) EditBy(owner *ec2.Client, list string, cidrs ...string) cloudtrail.Call {
	b.t.Helper()
	out, err := owner.DescribeManagedPrefixLists(b.t.Context(), &ec2.DescribeManagedPrefixListsInput{PrefixListIds: []string{list}})
	require.NoError(b.t, err)
	_, err = owner.ModifyManagedPrefixList(b.t.Context(), &ec2.ModifyManagedPrefixListInput{
		PrefixListId: &list, CurrentVersion: out.PrefixLists[0].Version, AddEntries: added(cidrs...),
	})
	require.NoError(b.t, err)
	return b.LastChange()
}

// Remove takes an entry out of a list.
func (b *Bench) Remove(list string, version int64, cidr string) {
	b.t.Helper()
	_, err := b.User.ModifyManagedPrefixList(b.t.Context(), &ec2.ModifyManagedPrefixListInput{
		PrefixListId: &list, CurrentVersion: aws.Int64(version), RemoveEntries: []types.RemovePrefixListEntry{{Cidr: aws.String(cidr)}},
	})
	require.NoError(b.t, err)
}

// Announce takes the last call, which made rules, through detect and the engine, as
// its event does. Where detect finds nothing the message ends there.
func (b *Bench) Announce() {
	b.t.Helper()
	d := finding.Detect(b.policy(), b.LastChange(), b.Time())
	judged := Judged{At: b.Time(), Announcement: sweep.Announcement{GroupID: b.LastChange().Group.ID}}
	for i := range d.Findings {
		if rule := d.Findings[i].Rule; rule != nil {
			judged.RuleIDs = append(judged.RuleIDs, rule.ID)
		} else {
			judged.Partial = true
		}
	}
	b.Judged = append(b.Judged, judged)
	if d.Verdict == policy.Compliant {
		return
	}
	require.NoError(b.t, b.Deliver(remediation.Message{Detection: d, Try: 1, Tries: 5, Sent: b.Time()}))
}

// LastChange is the last call, which edited a list, as CloudTrail records it.
func (b *Bench) LastChange() cloudtrail.Call {
	b.t.Helper()
	c, err := cloudtrail.Parse(b.Events[len(b.Events)-1])
	require.NoError(b.t, err)
	require.Empty(b.t, c.Skipped)
	return c
}

// Group makes a group without rules.
func (b *Bench) Group(name string) string {
	b.t.Helper()
	vpc, err := b.User.CreateVpc(b.t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	require.NoError(b.t, err)
	out, err := b.User.CreateSecurityGroup(b.t.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: &name, Description: &name, VpcId: vpc.Vpc.VpcId,
	})
	require.NoError(b.t, err)
	return *out.GroupId
}

// permission is a TCP port for a prefix list or an address range.
func permission(port int32, peer string) []types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port}
	if peer[:3] == "pl-" {
		p.PrefixListIds = []types.PrefixListId{{PrefixListId: &peer, Description: aws.String("by list")}}
	} else {
		p.IpRanges = []types.IpRange{{CidrIp: &peer}}
	}
	return []types.IpPermission{p}
}

// Open opens a TCP port of a group to a prefix list or an address range.
func (b *Bench) Open(group string, port int32, peer string) {
	b.t.Helper()
	_, err := b.User.AuthorizeSecurityGroupIngress(b.t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: permission(port, peer)})
	require.NoError(b.t, err)
}

// Shut revokes the rule that Open made, as a person would.
func (b *Bench) Shut(group string, port int32, peer string) {
	b.t.Helper()
	_, err := b.User.RevokeSecurityGroupIngress(b.t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: permission(port, peer)})
	require.NoError(b.t, err)
}

// Ports lists the TCP ports that a group has open, in the order of their making.
func (b *Bench) Ports(group string) []int {
	out := []int{}
	for _, r := range b.Server.Rules(group) {
		if !r.Egress {
			out = append(out, r.FromPort)
		}
	}
	return out
}

// Revokes counts the calls that revoke, those of people too.
func (b *Bench) Revokes() int {
	return b.Server.Calls().Of("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress")
}

// ThreeUsers is a harmless list that two groups use for a database and one for HTTPS.
func ThreeUsers(t *testing.T, document string, mode finding.Mode) (b *Bench, list string, groups []string) {
	t.Helper()
	b = New(t, document, mode)
	list = b.List("10.0.0.0/8")
	for _, name := range []string{"a", "b", "web"} {
		groups = append(groups, b.Group(name))
	}
	b.Open(groups[0], 5432, list)
	b.Open(groups[1], 5432, list)
	b.Open(groups[2], 443, list)
	b.Open(groups[0], 22, "10.0.0.0/8")
	return b, list, groups
}

// Changed lets a new sweeper judge a change once its event is old enough.
func (b *Bench) Changed(c cloudtrail.Call) (finding.Detection, error) {
	b.Pass(10 * time.Second)
	return b.Sweeper().Changed(b.t.Context(), b.Account, c)
}

// Deliver passes a message to a new engine, as the queue does.
func (b *Bench) Deliver(m remediation.Message) error {
	b.t.Helper()
	encoded, err := json.Marshal(m.Detection)
	require.NoError(b.t, err)
	m.Detection = finding.Detection{}
	require.NoError(b.t, json.Unmarshal(encoded, &m.Detection))
	errs := b.Engine().Run(b.t.Context(), b.Account, []remediation.Message{m})
	require.Len(b.t, errs, 1)
	return errs[0]
}

// Close delivers sweep's last choice, for one of five tries.
func (b *Bench) Close(chosen finding.Detection, try int) error {
	b.t.Helper()
	return b.Deliver(remediation.Message{Detection: chosen, Try: try, Tries: 5, Sent: b.Time()})
}

// Run takes a change through both functions, neither of which may ask for a retry.
func (b *Bench) Run(c cloudtrail.Call) {
	b.t.Helper()
	d, err := b.Changed(c)
	require.NoError(b.t, err)
	if d.Verdict == policy.Compliant {
		return
	}
	require.Equal(b.t, policy.Revoke, d.Verdict)
	require.NoError(b.t, b.Close(d, 1))
}

// Sweep is a run, and its choice.
func (b *Bench) Sweep() (finding.Detection, error) {
	b.runs++
	return b.Sweeper().Sweep(b.t.Context(), cloudtrail.Event{
		EventID: fmt.Sprint("run ", b.runs), EventName: "Scheduled Event", EventTime: b.Time(), AccountID: b.Account, Region: Region,
	})
}

// Day is a run, with the queue's messages, and the alerts of both. The next one is a day
// later.
func (b *Bench) Day() []finding.Alert {
	b.t.Helper()
	b.Alerts = nil
	chosen, err := b.Sweep()
	require.NoError(b.t, err)
	if chosen.Verdict == policy.Revoke {
		require.NoError(b.t, b.Close(chosen, 1))
	} else {
		require.Equal(b.t, policy.Compliant, chosen.Verdict)
	}
	b.Pass(24 * time.Hour)
	return b.Alerts
}

// Alert returns the only alert.
func (b *Bench) Alert() finding.Alert {
	b.t.Helper()
	require.Len(b.t, b.Alerts, 1)
	return b.Alerts[0]
}

// Told lists the outcome of each port in each group.
func Told(alerts ...finding.Alert) map[string]finding.Outcome {
	out := map[string]finding.Outcome{}
	for _, a := range alerts {
		for _, r := range a.Findings {
			key := r.GroupName
			if r.Rule != nil && r.Rule.Permission.Protocol.HasPorts() {
				key += " " + strconv.Itoa(int(r.Rule.Permission.Ports.From))
			}
			out[key] = r.Outcome
		}
	}
	return out
}
