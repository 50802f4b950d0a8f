package oracle

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/secgroup"
)

// The model and the policy's own judge agree on every rule that scenes make. Only this test knows both.
func TestTheModelAgreesWithThePolicy(t *testing.T) {
	text, err := os.ReadFile("../policy.yaml")
	require.NoError(t, err)
	p, err := policy.Compile(policyyaml.Document("policy.yaml", text))
	require.NoError(t, err)
	verdicts := map[policy.Verdict]Meaning{policy.Compliant: Compliant, policy.Exempt: Exempt, policy.Alert: Tolerated, policy.Revoke: Forbidden}
	arns := map[string]string{"alice": "arn:aws:iam::123456789012:user/alice", deployer: "arn:aws:iam::123456789012:role/deployer"}
	seen := map[Meaning]int{}
	for _, peer := range []string{
		"0.0.0.0/0", "::/0", "0.0.0.0/1", "52.0.0.0/8", "16.0.0.0/8", "2000::/3", "2600::/20", "10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12",
		"52.94.76.9/32", "198.51.100.7/32", "fc00::/7", "100.64.0.0/10", "3.5.140.0/22", "18.66.0.0/16", "2600:1f18::/48", "16.0.0.0/10", "40.0.0.0/10",
		"52.0.0.0/9", "52.0.0.0/10", "172.0.0.0/8", "100.0.0.0/8", "8.0.0.0/7", "224.0.0.0/3", "2600::/32", "2600::/33", "2001::/16",
	} {
		for _, ports := range [][2]int{{3306, 3306}, {5432, 5432}, {9200, 9200}, {22, 22}, {6379, 6379}, {443, 443}, {8080, 8080}, {25, 25},
			{3300, 3310}, {20, 25}, {9200, 9201}, {1, 65535}, {443, 444}, {-1, -1}} {
			for _, egress := range []bool{false, true} {
				for actor, arn := range arns {
					v := value{group: "sg-0123456789abcdef0", egress: egress, protocol: "tcp", from: ports[0], to: ports[1], peer: peer}
					if ports[0] < 0 {
						v.protocol = "-1"
					}
					if actor == deployer && (v.from != v.to || v.from == -1) && !egress {
						continue // no scene has them; only some of their statements trust the role
					}
					j := p.Evaluate(policy.Request{
						Time: time.Now(), AccountID: account, Region: "us-east-1", Actor: policy.Actor{Known: true, ARN: arn},
						Group: secgroup.Group{ID: v.group}, Rules: []secgroup.Rule{ruleOf(t, v)}, StandingKnown: true,
					})[0]
					got := own(v, actor, nil)
					if j.Verdict == policy.Exempt && !reaches([]string{peer}).isWorld() {
						assert.Equal(t, Compliant, got, "%s by %s: covered by an exception before any statement applies", v, actor)
						continue
					}
					assert.Equal(t, verdicts[j.Verdict], got, "%s by %s", v, actor)
					seen[got]++
				}
			}
		}
	}
	for _, m := range []Meaning{Compliant, Exempt, Tolerated, Forbidden} {
		assert.Positive(t, seen[m], words[m])
	}
}

func ruleOf(t *testing.T, v value) secgroup.Rule {
	t.Helper()
	direction := secgroup.Ingress
	if v.egress {
		direction = secgroup.Egress
	}
	protocol, err := secgroup.ParseProtocol(v.protocol)
	require.NoError(t, err)
	peer, err := secgroup.ParseCIDRPeer(v.peer)
	require.NoError(t, err)
	var from, to *int
	if v.from >= 0 {
		from, to = &v.from, &v.to
	}
	permission, err := secgroup.NewPermission(direction, protocol, from, to, peer)
	require.NoError(t, err)
	return secgroup.Rule{ID: "sgr-0123456789abcdef0", GroupID: v.group, Permission: permission}
}

func TestAddressesAddUp(t *testing.T) {
	assert.False(t, reaches([]string{"16.0.0.0/10"}).isWorld())
	assert.True(t, reaches([]string{"16.0.0.0/10", "40.0.0.0/10"}).isWorld())
	assert.False(t, reaches([]string{"16.0.0.0/10", "16.0.0.0/10", "16.0.0.0/11"}).isWorld(), "the same twice")
	assert.False(t, reaches([]string{"10.0.0.0/8", "100.64.0.0/10", "sg-0123456789abcdef0"}).isWorld())
}

func TestAStrangersListIsUncertain(t *testing.T) {
	v := value{protocol: "tcp", from: 3306, to: 3306, peer: "pl-0123456789abcdef0"}
	assert.Equal(t, Compliant, own(v, "alice", &list{owner: account, entries: []string{"10.0.0.0/8"}}))
	assert.Equal(t, Uncertain, own(v, "alice", &list{owner: "222233334444", entries: []string{"10.0.0.0/8"}}))
	assert.Equal(t, Forbidden, own(v, "alice", &list{owner: "222233334444", entries: []string{"0.0.0.0/1"}}))
	v.from, v.to = 443, 443
	assert.Equal(t, Compliant, own(v, "alice", &list{owner: "222233334444", entries: []string{"10.0.0.0/8"}}))
}
