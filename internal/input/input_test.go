package input_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/input"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

func TestRulesAreReadAsTheyAreWritten(t *testing.T) {
	home := input.Place{Account: "123456789012", Group: "sg-0123456789abcdef0"}
	for want, r := range map[string]input.Rule{
		"ingress tcp 22 from 10.0.0.0/8":                            {Direction: "ingress", Protocol: "tcp", Port: "22", CIDR: "10.0.0.0/8"},
		"egress udp 53-54 to pl-0123456789abcdef0":                  {Direction: "egress", Protocol: "udp", Port: "53-54", PrefixList: "pl-0123456789abcdef0"},
		"ingress tcp 22 from 123456789012/sg-0fedcba9876543210":     {Direction: "ingress", Protocol: "tcp", Port: "22", SourceGroup: "sg-0fedcba9876543210"},
		"ingress all traffic from 111122223333/sg-0fedcba987654321": {Direction: "ingress", Protocol: "-1", SourceGroup: "111122223333/sg-0fedcba987654321"},
	} {
		got, err := r.Read(home, input.Flag)
		require.NoError(t, err)
		assert.Equal(t, want, got.Permission.String())
		assert.Equal(t, []string{home.Group, home.Account}, []string{got.GroupID, got.OwnerID})
	}
	for want, r := range map[string]input.Rule{
		`--source-group "10.0.0.0/8": want a security group`: {Direction: "ingress", Protocol: "tcp", SourceGroup: "10.0.0.0/8"},
		`--prefix-list "sg-1": want a prefix list`:           {Direction: "ingress", Protocol: "tcp", PrefixList: "sg-1"},
		"--direction: ":                      {Direction: "up", Protocol: "tcp", CIDR: "10.0.0.0/8"},
		"--protocol: ":                       {Direction: "ingress", Protocol: "carrier pigeon", CIDR: "10.0.0.0/8"},
		"--port: protocol icmp has no ports": {Direction: "ingress", Protocol: "icmp", Port: "8", CIDR: "10.0.0.0/8"},
		"--cidr: ":                           {Direction: "ingress", Protocol: "tcp", CIDR: "10.0.0.0"},
		"the peer is missing: want one of cidr, prefix-list and source": {Direction: "ingress", Protocol: "tcp"},
	} {
		got, err := r.Read(home, input.Flag)
		assert.ErrorContains(t, err, want)
		assert.False(t, got.Permission.IsValid(), "an error comes with no rule")
	}
	_, err := input.Rule{Direction: "ingress", Protocol: "tcp", Port: "x", CIDR: "10.0.0.0/8"}.Read(home, input.Field)
	assert.ErrorContains(t, err, `port "x"`)
	assert.NotContains(t, err.Error(), "--", "a file has no flags")
}

func TestPlacesHaveTheFormsOfAWS(t *testing.T) {
	sound := input.Place{Account: "123456789012", Region: "eu-central-1", Group: "sg-0123456789abcdef0", VPC: "vpc-0123456789abcdef0", Actor: "arn:aws:iam::123456789012:role/deploy"}
	require.NoError(t, sound.Check(input.Flag))
	assert.NoError(t, input.Place{}.Check(input.Flag), "all may be left out")
	for want, spoil := range map[string]func(*input.Place){
		`--account "1"`: func(p *input.Place) { p.Account = "1" }, `--region "frankfurt"`: func(p *input.Place) { p.Region = "frankfurt" },
		`--group-id "web"`: func(p *input.Place) { p.Group = "web" }, `--vpc-id "main"`: func(p *input.Place) { p.VPC = "main" },
		`--actor "arn:aws:sts::123456789012:assumed-role/deploy/x"`: func(p *input.Place) { p.Actor = "arn:aws:sts::123456789012:assumed-role/deploy/x" },
		`--actor "arn:aws:iam::123456789012:role/x:y"`:              func(p *input.Place) { p.Actor = "arn:aws:iam::123456789012:role/x:y" },
	} {
		p := sound
		spoil(&p)
		assert.ErrorContains(t, p.Check(input.Flag), want)
	}
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	assert.Equal(t, policy.Actor{Known: true, ARN: sound.Actor}, sound.Request(now).Actor)
	assert.False(t, input.Place{}.Request(now).Actor.Known, "nobody is not an actor without a name")
}

func TestPeersAndTagsNameTheirField(t *testing.T) {
	got, err := input.Peers(input.Flag, "admin-cidr", []string{"10.0.0.0/8"}, "admin-group", []string{"sg-0123456789abcdef0", "111122223333/sg-0123456789abcdef0"})
	require.NoError(t, err)
	assert.Equal(t, "10.0.0.0/8", got[0].String())
	assert.Equal(t, []secgroup.Peer{secgroup.GroupPeer("sg-0123456789abcdef0", ""), secgroup.GroupPeer("sg-0123456789abcdef0", "111122223333")}, got[1:])
	_, err = input.Peers(input.Flag, "admin-cidr", []string{"ten"}, "admin-group", nil)
	assert.ErrorContains(t, err, "--admin-cidr: ")
	_, err = input.Peers(input.Flag, "admin-cidr", nil, "admin-group", []string{"web"})
	assert.ErrorContains(t, err, `--admin-group "web": want a security group`)

	tags, err := input.Tags([]string{"team=shop", "empty="}, "tag", input.Flag)
	require.NoError(t, err)
	assert.Equal(t, []secgroup.Tag{{Key: "team", Value: "shop"}, {Key: "empty"}}, tags)
	for _, text := range []string{"team", "=shop", ""} {
		_, err = input.Tags([]string{text}, "tag", input.Flag)
		assert.ErrorContains(t, err, "want KEY=VALUE", text)
	}
}

func TestOneEventIsOneCall(t *testing.T) {
	data, err := os.ReadFile("../../events/ingress-mysql-world.json")
	require.NoError(t, err)
	for _, bom := range []string{"", "\ufeff"} {
		c, err := input.Call(t.Context(), append([]byte(bom), data...))
		require.NoError(t, err)
		assert.Len(t, c.Rules, 1)
	}
	closing, err := os.ReadFile("../cli/testdata/files/bare-revoke.json")
	require.NoError(t, err)
	for _, bom := range []string{"", "\ufeff"} {
		c, err := input.Call(t.Context(), append([]byte(bom), closing...))
		require.NoError(t, err)
		assert.NotEmpty(t, c.Skipped, "it can open nothing")
	}
	_, err = input.Call(t.Context(), append(append([]byte{}, data...), data...))
	assert.ErrorContains(t, err, "several records")
	_, err = input.Call(t.Context(), []byte("not JSON"))
	assert.Error(t, err)
}

func TestPoliciesAreCitedAsTheyWereNamed(t *testing.T) {
	p, err := input.Policy("../../policy.yaml")
	require.NoError(t, err)
	assert.Equal(t, "../../policy.yaml", p.File())
	t.Chdir(t.TempDir())
	_, err = input.Policy(input.DefaultPolicy)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.EqualError(t, err, "policy.yaml does not exist: name a policy, or run this in the folder of policy.yaml")
	_, err = input.Policy(filepath.Join("no", "own.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.EqualError(t, err, filepath.Join("no", "own.yaml")+" does not exist")
}
