package alert

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/secgroup"
)

const strict = `version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: nothing-in, severity: high, effect: revoke, ingress: {from: any, ports: [0-65535/tcp, 0-65535/udp], protocols: [all]}}
  - {id: nothing-out, severity: high, effect: revoke, egress: {to: any, protocols: [all]}}
`

// The policy engine itself reads the pasted text and finds the rule exempt.
func TestThePastedExceptionExemptsTheRule(t *testing.T) {
	for name, rule := range coverable() {
		t.Run(name, func(t *testing.T) {
			f := result(finding.OutcomeRevoked, rule).Finding
			judge := func(text string) policy.Verdict {
				p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(text)))
				require.NoError(t, err)
				j := p.Evaluate(policy.Request{
					Time: testTime(), AccountID: testAccount, Region: "us-east-1",
					Group: secgroup.Group{ID: testGroup}, Rules: []secgroup.Rule{*rule}, StandingKnown: true,
				})
				require.Len(t, j, 1)
				return j[0].Verdict
			}
			require.Equal(t, policy.Revoke, judge(strict))
			pasted := Exception(alertOf().Event, f)
			_, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(strict+"exceptions:\n"+pasted)))
			assert.ErrorContains(t, err, "policy.yaml:8: exception ", "as it is, it must not load")
			assert.ErrorContains(t, err, "policy.yaml:9: exception ")
			filled := strings.NewReplacer(policy.PlaceholderReason, "why", policy.PlaceholderOwner, "somebody@example.com").Replace(pasted)
			assert.Equal(t, policy.Exempt, judge(strict+"exceptions:\n"+filled))
		})
	}
}
