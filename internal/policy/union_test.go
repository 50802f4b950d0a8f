package policy

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAStandingWorldIsPassedOverOnlyIfItIsSurelyRevoked(t *testing.T) {
	for name, c := range map[string]struct{ clause, exceptions, want string }{
		"revoked":                   {"", "", "alert any together"},
		"out of the clause's reach": {", when: {regions: [us-east-1]}", "", "compliant"},
		"exempted":                  {", unless: {groups: [" + defaultGroupID + "]}", "", "compliant"},
		"excepted":                  {"", "{statements: [ssh], ports: [22-80/tcp]}", "compliant"},
		"perhaps in reach":          {", when: {vpcs: [vpc-0123456789abcdef0]}", "", "undetermined any needs the group's VPC"},
		"perhaps excepted":          {"", "{statements: [ssh], vpcs: [vpc-0123456789abcdef0]}", "undetermined any needs the group's VPC"},
	} {
		t.Run(name, func(t *testing.T) {
			text := `
statements:
  - {id: ssh, effect: revoke, severity: high, ingress: {from: world, ports: [ssh]}` + c.clause + `}
  - {id: any, effect: alert, severity: low, ingress: {from: world}}
`
			if c.exceptions != "" {
				text += "exceptions:\n  - {id: x, reason: a test, owner: o@example.com, expires: 2027-06-30, match: " + c.exceptions + "}\n"
			}
			j := judge(t, mustParse(t, text), []string{"tcp 80 from 52.64.0.0/10"}, []string{"tcp 22-80 from 0.0.0.0/0", "tcp 80 from 52.0.0.0/10"})[0]
			assert.Equal(t, c.want, show(j))
			if j.Union {
				require.Len(t, j.With, 1)
				assert.Equal(t, "ingress tcp 80 from 52.0.0.0/10", j.With[0].Permission.String())
			}
		})
	}
}

func TestWhoMadeStandingRulesIsNotKnownWhoeverMadeTheCall(t *testing.T) {
	p := mustParse(t, `
statements:
  - {id: closed, effect: revoke, severity: high, ingress: {from: world, ports: [ssh, rdp]}, unless: {actors: ["`+defaultActor+`"]}}
  - {id: told, effect: alert, severity: low, ingress: {from: world, ports: [ssh, rdp]}}
exceptions:
  - {id: deploys, reason: deploys, owner: o@example.com, expires: 2027-06-30, match: {actors: ["`+defaultActor+`"], ports: [rdp], peers: [52.0.0.0/10]}}
`)
	for name, c := range map[string]struct {
		actor    string
		rule     string
		standing []string
		want     string
	}{
		"a half that somebody made, who may be exempt":     {defaultActor, "tcp 3389 from 52.64.0.0/10", []string{"tcp 3389 from 52.0.0.0/10"}, "undetermined told needs who made the group's other rules"},
		"the same for an attacker":                         {"arn:aws:iam::123456789012:user/eve", "tcp 3389 from 52.64.0.0/10", []string{"tcp 3389 from 52.0.0.0/10"}, "undetermined closed needs who made the group's other rules"},
		"halves beside a world that somebody may keep":     {"arn:aws:iam::123456789012:user/eve", "tcp 22 from 52.64.0.0/10", []string{"tcp 22 from 52.0.0.0/10", "tcp 22 from 0.0.0.0/0"}, "undetermined closed needs who made the group's other rules"},
		"a partner beside a world that somebody may keep":  {"arn:aws:iam::123456789012:user/eve", "tcp 22 from 52.94.76.0/24", []string{"tcp 22 from 0.0.0.0/0"}, "compliant"},
		"a partner beside a half that somebody made":       {defaultActor, "tcp 3389 from 52.94.76.0/24", []string{"tcp 3389 from 52.0.0.0/10"}, "compliant"},
		"halves that no exception covers, whoever made it": {"arn:aws:iam::123456789012:user/eve", "tcp 3389 from 52.64.0.0/10", []string{"tcp 3389 from 52.128.0.0/10"}, "revoke closed together"},
	} {
		t.Run(name, func(t *testing.T) {
			req := newRequest()
			req.Actor.ARN = c.actor
			for _, text := range append([]string{c.rule}, c.standing...) {
				r, err := parseRule(text)
				require.NoError(t, err)
				req.Standing = append(req.Standing, r)
			}
			req.Rules, req.Standing = req.Standing[:1], req.Standing[1:]
			assert.Equal(t, c.want, show(p.Evaluate(req)[0]))
		})
	}
}
