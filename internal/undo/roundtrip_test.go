package undo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert"
	"sgward/internal/authorize"
	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/eventhistory"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/remediation"
	"sgward/internal/sdkhttp"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/internal/undo"
	"sgward/localaws/cloudtrailapi"
	"sgward/localaws/ec2api"
)

const (
	region  = "us-east-1"
	account = "123456789012"
)

// strict forbids every rule, whatever it is.
const strict = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: in, severity: high, effect: revoke, ingress: {from: any, protocols: [all]}}
  - {id: out, severity: low, effect: revoke, egress: {to: any, protocols: [all]}}
`

// cloud is an EC2 whose records reach an engine, and its alerts.
type cloud struct {
	*testing.T
	ec2    *ec2api.Server
	client *ec2.Client
	sgward *ec2.Client // calls as the role of remediate
	trail  undo.Trail
	policy *policy.Policy
	vpc    string
	list   string // a prefix list

	mu      sync.Mutex
	records [][]byte
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{T: t}
	var past cloudtrailapi.Server
	role := ec2api.Identity{Role: remediateRole, Session: "sgward-remediate"}
	c.ec2 = ec2api.New(ec2api.WithSeed("undo"), ec2api.WithIdentity("ASIAIOSFODNN7EXAMPLE", role), ec2api.WithEvents(func(_ context.Context, record []byte) {
		past.Add(record)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.records = append(c.records, record)
	}))
	web := httptest.NewServer(c.ec2)
	t.Cleanup(web.Close)
	with := func(key string) *ec2.Client {
		return ec2.New(ec2.Options{
			Region: region, BaseEndpoint: &web.URL,
			HTTPClient:  sdkhttp.Client(http.DefaultClient),
			Credentials: credentials.NewStaticCredentialsProvider(key, "not-a-secret", ""),
		})
	}
	c.client, c.sgward = with("AKIAIOSFODNN7EXAMPLE"), with("ASIAIOSFODNN7EXAMPLE")
	history := httptest.NewServer(&past)
	t.Cleanup(history.Close)
	c.trail = eventhistory.New(aws.Config{Region: region, BaseEndpoint: &history.URL, HTTPClient: sdkhttp.Client(http.DefaultClient),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "not-a-secret", "")})
	var err error
	c.policy, err = policy.Compile(policyyaml.Document("policy.yaml", []byte(strict)))
	require.NoError(t, err)
	vpc, err := c.client.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.20.0.0/16")})
	require.NoError(t, err)
	c.vpc = *vpc.Vpc.VpcId
	c.list = c.ec2.AddAWSPrefixList(region, "list", netip.MustParsePrefix("198.51.100.0/24"))
	return c
}

func (c *cloud) newGroup(name string) string {
	c.Helper()
	out, err := c.client.CreateSecurityGroup(c.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: aws.String(name), Description: aws.String(name), VpcId: aws.String(c.vpc)})
	require.NoError(c, err)
	return *out.GroupId
}

// alerts has the engine deal with everything since the last call, and returns
// the JSON of its alerts as SNS carries it.
func (c *cloud) alerts() []string {
	c.Helper()
	c.mu.Lock()
	records := c.records
	c.records = nil
	c.mu.Unlock()
	var out []string
	engine, err := remediation.New(remediation.Config{
		EC2: c.sgward, Region: region, Policy: c.policy, Mode: finding.Enforce, Logger: slog.New(slog.DiscardHandler),
		Publish: func(_ context.Context, a finding.Alert) error {
			m, err := alert.NewMessage(alert.Complete(a))
			c.mu.Lock()
			defer c.mu.Unlock()
			out = append(out, m.Default)
			return err
		},
	})
	require.NoError(c, err)
	var messages []remediation.Message
	for _, record := range records {
		change, err := cloudtrail.Parse(record)
		if err != nil || change.Skipped != "" {
			continue // not a call that opens
		}
		if d := finding.Detect(c.policy, change, time.Now()); d.Verdict != policy.Compliant {
			messages = append(messages, remediation.Message{Detection: d, Try: 1, Tries: 5})
		}
	}
	for _, err := range engine.Run(c.Context(), account, messages) {
		require.NoError(c, err)
	}
	return out
}

// rules are a group's rules without what a new rule cannot have: the old one's id.
func (c *cloud) rules(groupID string) []ec2api.Rule {
	rules := c.ec2.Rules(groupID)
	for i := range rules {
		rules[i].ID = ""
	}
	slices.SortFunc(rules, func(a, b ec2api.Rule) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return rules
}

func (c *cloud) undoer() *undo.Undoer {
	return &undo.Undoer{Client: func(string) authorize.EC2 { return c.client }, Trail: func(string) undo.Trail { return c.trail }, Policy: c.policy, Now: time.Now,
		Consent: undo.Consent{Forbidden: true, Unconfirmed: true}} // strict forbids everything
}

// undoAll undoes what a text tells and returns the outcomes.
func (c *cloud) undoAll(text string) []authorize.RuleResult {
	c.Helper()
	alerts, err := undo.Read([]byte(text))
	require.NoError(c, err)
	items, left, err := undo.Select(alerts, nil)
	require.NoError(c, err)
	require.Empty(c, left)
	var out []authorize.RuleResult
	u := c.undoer()
	for _, step := range u.Plan(c.Context(), items) {
		require.NoError(c, step.Err)
		for i, j := range step.Judged {
			assert.Equal(c, policy.Revoke, j.Verdict)
			assert.Equal(c, undo.Confirmed, step.Confirmed[i].Evidence, "%s: %s", step.Items[i].Rule, step.Confirmed[i].Why)
		}
		out = append(out, u.Put(c.Context(), step, false)...)
	}
	return out
}

// Whatever was opened and closed: undo puts back exactly that, and again changes
// nothing.
func TestWhatRemediationClosesUndoPutsBackExactly(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		c := newCloud(t)
		groups := []string{c.newGroup("a"), c.newGroup("b")}
		c.alerts()
		total := 0
		for range 1 + random.IntN(5) {
			g := secgroup.Group{OwnerID: account, Region: region}
			g.ID = groups[random.IntN(2)]
			held, err := ec2rules.Group(t.Context(), c.client, region, g.ID)
			require.NoError(t, err)
			var rules []secgroup.Rule
			tags := c.tags(random)
			for range 1 + random.IntN(6) {
				r := c.rule(random, groups)
				r.Tags = tags
				_, twice := secgroup.FindRule(append(slices.Clone(rules), held.Rules...), r.Permission)
				if !twice {
					rules = append(rules, r)
				}
			}
			for _, made := range authorize.Put(t.Context(), c.client, g, rules, false) {
				require.NoError(t, made.Err, made.Rule)
			}
			total += len(rules)
		}
		before := [][]ec2api.Rule{c.rules(groups[0]), c.rules(groups[1])}
		text := strings.Join(wrapped(random, c.alerts()), "\n")
		require.Len(t, append(c.rules(groups[0]), c.rules(groups[1])...), 2, "all are closed but what was there")

		results := c.undoAll(text)
		assert.Len(t, results, total)
		after := [][]ec2api.Rule{c.rules(groups[0]), c.rules(groups[1])}
		require.Equal(t, before, after, "round %d", round)

		for _, again := range c.undoAll(text) {
			assert.Equal(t, authorize.There, again.Outcome)
			assert.Empty(t, again.Differs)
		}
		after = [][]ec2api.Rule{c.rules(groups[0]), c.rules(groups[1])}
		assert.Equal(t, before, after)
	}
}

func (c *cloud) tags(random *rand.Rand) []secgroup.Tag {
	var out []secgroup.Tag
	for i := range random.IntN(3) {
		out = append(out, secgroup.Tag{Key: fmt.Sprintf("key %d", i), Value: []string{"", "Wert ü", `"quoted" <b>`}[random.IntN(3)]})
	}
	return out
}

// rule draws any rule that EC2 can hold.
func (c *cloud) rule(random *rand.Rand, groups []string) secgroup.Rule {
	protocol, err := secgroup.ParseProtocol([]string{"tcp", "udp", "icmp", "icmpv6", "-1", "50", "47"}[random.IntN(7)])
	require.NoError(c, err)
	from := random.IntN(200)
	to := from + random.IntN(50)
	if protocol.IsICMP() && random.IntN(2) == 0 {
		from, to = -1, -1
	}
	bits := random.IntN(33)
	v4 := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(random.IntN(256)), byte(random.IntN(256)), 1, 7}), bits)
	v6 := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, byte(random.IntN(256))}), bits)
	peer := []secgroup.Peer{
		secgroup.CIDRPeer(v4), secgroup.CIDRPeer(v6), secgroup.PrefixListPeer(c.list),
		secgroup.GroupPeer(groups[random.IntN(len(groups))], account), secgroup.GroupPeer("sg-0123456789abcdef0", "111122223333"),
	}[random.IntN(5)]
	d := []secgroup.Direction{secgroup.Ingress, secgroup.Egress}[random.IntN(2)]
	permission, err := secgroup.NewPermission(d, protocol, &from, &to, peer)
	require.NoError(c, err)
	return secgroup.Rule{Permission: permission, Description: []string{"", "office", "a+b=c; {d} [e] #f, $g* !h"}[random.IntN(3)]}
}

// wrapped puts alerts into envelopes in which people may have them.
func wrapped(random *rand.Rand, alerts []string) []string {
	var out []string
	for _, a := range alerts {
		quoted, _ := json.Marshal(a)
		sns := fmt.Sprintf(`{"Type":"Notification","MessageId":"1","Subject":"Closed","Message":%s}`, quoted)
		body, _ := json.Marshal(sns)
		out = append(out, []string{
			a, sns, fmt.Sprintf(`{"default":%s,"email":"text"}`, quoted),
			fmt.Sprintf(`{"Messages":[{"MessageId":"1","Body":%s}]}`, body),
			fmt.Sprintf(`{"Records":[{"eventSource":"aws:sqs","body":%s}]}`, body),
			fmt.Sprintf(`{"Records":[{"EventSource":"aws:sns","Sns":%s}]}`, sns),
			"[" + a + "]",
		}[random.IntN(7)])
	}
	return out
}

func TestGroupThatIsGoneKeepsNoOtherFromBeingPutBack(t *testing.T) {
	c := newCloud(t)
	groups := []string{c.newGroup("a"), c.newGroup("b")}
	c.alerts()
	for _, id := range groups {
		g, err := ec2rules.Group(t.Context(), c.client, region, id)
		require.NoError(t, err)
		authorize.Put(t.Context(), c.client, g, []secgroup.Rule{{Permission: secgroup.Permission{
			Direction: secgroup.Ingress, Protocol: secgroup.TCP, Ports: secgroup.PortRange{From: 22, To: 22}, Peer: secgroup.PrefixListPeer(c.list)}}}, false)
	}
	alerts, err := undo.Read([]byte(strings.Join(c.alerts(), "\n")))
	require.NoError(t, err)
	_, err = c.client.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &groups[0]})
	require.NoError(t, err)
	items, _, err := undo.Select(alerts, nil)
	require.NoError(t, err)
	u := c.undoer()
	steps := u.Plan(t.Context(), items)
	require.Len(t, steps, 2)
	for _, s := range steps {
		got := u.Put(t.Context(), s, false)
		if s.Group.ID == groups[0] {
			assert.ErrorIs(t, s.Err, ec2rules.ErrNoGroup)
			assert.Equal(t, authorize.Failed, got[0].Outcome)
		} else {
			assert.Equal(t, authorize.Made, got[0].Outcome)
		}
	}
}

// A question may wait for its answer for hours.
func TestWhatIsThereIsLookedAtAgainBeforeItIsSaidToBe(t *testing.T) {
	c := newCloud(t)
	id := c.newGroup("a")
	c.alerts()
	rule := *secgrouptest.TCP(22, "10.0.0.0/8")
	rule.GroupID = id
	items, _, err := undo.Select([]finding.Alert{alertOf(result(func(r *finding.Result) { r.GroupID, r.Rule = id, &rule }))}, nil)
	require.NoError(t, err)
	u := c.undoer()
	put := func(steps []undo.Step) authorize.Outcome {
		require.Len(t, steps, 1)
		results := u.Put(t.Context(), steps[0], false)
		require.Len(t, results, 1)
		return results[0].Outcome
	}
	assert.Equal(t, authorize.Made, put(u.Plan(t.Context(), items)))
	require.Len(t, c.rules(id), 2)

	planned := u.Plan(t.Context(), items)
	require.NotEmpty(t, c.alerts(), "it is closed again while the question waits")
	require.Len(t, c.rules(id), 1)
	assert.Equal(t, authorize.Made, put(planned))
	assert.Len(t, c.rules(id), 2)

	planned = u.Plan(t.Context(), items)
	_, err = c.client.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &id})
	require.NoError(t, err)
	assert.Equal(t, authorize.Failed, put(planned), "the group is gone by then")
}
