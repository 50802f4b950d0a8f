package policy

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/secgroup"
)

func TestExplainJudgesAsEvaluateDoesAndLeavesNoStatementOut(t *testing.T) {
	each(t, 300, func(t *testing.T, r *rand.Rand) {
		d := drawDraft(r)
		p := mustParse(t, d.String())
		req := withUnknowns(r, drawRequest(r))
		judgements, steps := p.Explain(req)
		require.Equal(t, p.Evaluate(req), judgements)
		for i, j := range judgements {
			require.Len(t, steps[i], len(d.statements))
			spoke := map[string]bool{}
			for _, reason := range j.Reasons {
				spoke[reason.ID] = true
			}
			for k, step := range steps[i] {
				require.Equal(t, d.statements[k].id, step.ID)
				require.Equal(t, spoke[step.ID], step.Part != "does not apply", "%+v in %s", step, describeCase(d, req))
				require.NotEmpty(t, step.Why)
			}
		}
	})
}

func TestExplainSaysWhyAStatementDoesNotApply(t *testing.T) {
	p := mustParse(t, `
statements:
  - {id: one, effect: revoke, severity: low, ingress: {from: world, ports: [ssh]}, when: {regions: [us-east-1]}}
  - {id: two, effect: revoke, severity: low, ingress: {from: world, ports: [rdp]}}
  - {id: three, effect: alert, severity: low, egress: {to: world, covering-ports: [0-65535/tcp]}}
  - {id: four, effect: alert, severity: low, ingress: {from: {in: [192.168.0.0/16]}}}
`)
	for rule, want := range map[string][]string{
		"tcp 22 from 0.0.0.0/0": {
			"its when or unless keeps it from this account, region, group or actor", "tcp 22 does not include 3389/tcp, 3389/udp",
			"it is about egress", "0.0.0.0/0 is not a listed network"},
		"tcp 3389 from 10.0.0.0/8": {
			"tcp 3389 does not include 22/tcp", "10.0.0.0/8 reaches no public address", "it is about egress", "10.0.0.0/8 is not a listed network"},
		"tcp 3389 from 52.94.76.0/24": {
			"tcp 3389 does not include 22/tcp", "256 public IPv4 addresses are below the threshold, with the group's other rules too",
			"it is about egress", "52.94.76.0/24 is not a listed network"},
		"tcp 3389 from 2600:1f18::/48": {
			"tcp 3389 does not include 22/tcp", "2^80 public IPv6 addresses are below the threshold, with the group's other rules too",
			"it is about egress", "2600:1f18::/48 is not a listed network"},
		"tcp 443 to 0.0.0.0/0": {
			"it is about ingress", "it is about ingress", "tcp 443 does not cover 0-65535/tcp", "it is about ingress"},
	} {
		r, err := parseRule(rule)
		require.NoError(t, err)
		req := newRequest()
		req.Rules = []secgroup.Rule{r}
		_, steps := p.Explain(req)
		for i, step := range steps[0] {
			if step.Part == "does not apply" {
				assert.Equal(t, want[i], step.Why, "%s, statement %s", rule, step.ID)
			}
		}
	}
}
