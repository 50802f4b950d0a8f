package policy

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/secgroup"
)

func TestAPeerThatIsNotKnownYetMayBeAnything(t *testing.T) {
	p := mustParse(t, `
statements:
  - {id: ssh, effect: revoke, severity: high, ingress: {from: world, ports: [ssh]}}
  - {id: office, effect: alert, severity: low, ingress: {from: {not-in: [10.0.0.0/8]}, ports: [8080/tcp]}}
  - {id: group, effect: alert, severity: low, ingress: {from: {referenced-groups: [sg-0123456789abcdef0]}, ports: [8443/tcp]}}
  - {id: any, effect: alert, severity: low, ingress: {from: any, ports: [telnet]}}
exceptions:
  - {id: partner, reason: a test, owner: o@example.com, expires: 2027-06-30, match: {ports: [telnet], peers: [203.0.113.0/24]}}
`)
	for traffic, want := range map[string]string{
		"tcp 22":   "undetermined ssh needs the peer",
		"tcp 8080": "undetermined office needs the peer",
		"tcp 8443": "undetermined group needs the peer",
		"tcp 23":   "undetermined any needs the peer",
		"tcp 443":  "compliant",
	} {
		r, err := parseRule(traffic + " from 10.0.0.0/8")
		require.NoError(t, err)
		r.Permission.Peer = secgroup.UnknownPeer("known after apply")
		req := newRequest()
		req.Rules = []secgroup.Rule{r}
		j := p.Evaluate(req)[0]
		assert.Equal(t, want, show(j), traffic)
		if len(j.Reasons) > 0 {
			assert.Contains(t, j.Reasons[0].Text, traffic+" from (known after apply) opens ")
		}
	}
}

func TestAPeerThatIsNotKnownYetMayCompleteAUnion(t *testing.T) {
	half, err := parseRule("tcp 22 from 52.0.0.0/10")
	require.NoError(t, err)
	later := half
	later.Permission.Peer = secgroup.UnknownPeer("known after apply")
	req := newRequest()
	req.Rules = []secgroup.Rule{half, later}
	for _, j := range defaultPolicy(t).Evaluate(req) {
		assert.Equal(t, Undetermined, j.Verdict)
		assert.NotZero(t, j.Needs&NeedPeer)
	}
}

func TestAListOfTheGroupsOwnAccountIsTrusted(t *testing.T) {
	r, err := parseRule("tcp 22 from pl-0123456789abcdef0")
	require.NoError(t, err)
	req := newRequest()
	req.Rules = []secgroup.Rule{r}
	req.AccountID = ""
	req.PrefixLists = map[string]secgroup.PrefixList{"pl-0123456789abcdef0": {OwnerID: secgroup.OwnerSelf, Entries: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	assert.Equal(t, Compliant, defaultPolicy(t).Evaluate(req)[0].Verdict)
}
