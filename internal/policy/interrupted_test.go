package policy

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nested is a call of n rules, each for ports within those of the rule before, that only
// together can reach the world.
func nested(t *testing.T, n int) Request {
	t.Helper()
	req := newRequest()
	req.Rules, req.Standing = nil, nil
	for i := range n {
		r, err := parseRule(fmt.Sprintf("tcp %d-%d from %d.%d.0.0/16", 1000+i, 60000-i, 11+i%200, i/200))
		require.NoError(t, err)
		req.Rules = append(req.Rules, r)
	}
	return req
}

func TestAnInterruptedJudgementIsUndeterminedAndNeverRevokes(t *testing.T) {
	p := mustParse(t, `statements:
  - {id: database, effect: revoke, severity: high, ingress: {from: world, ports: [3306/tcp, 5432/tcp, 1433/tcp]}}
`)
	req := nested(t, 1000)
	whole := p.Evaluate(req)
	revoked := 0
	for _, j := range whole {
		if j.Verdict == Revoke {
			revoked++
		}
	}
	require.NotZero(t, revoked, "together they are the world")

	asked := 0
	req.Interrupted = func() bool { asked++; return asked > 1 }
	for i, j := range p.Evaluate(req) {
		if j.Verdict != whole[i].Verdict {
			assert.Equal(t, Undetermined, j.Verdict)
			assert.NotZero(t, j.Needs&NeedTime)
		}
	}
	assert.LessOrEqual(t, asked, 3, "once interrupted, it asks no more")

	req.Interrupted = func() bool { return true }
	for i, j := range p.Evaluate(req) {
		if whole[i].Verdict != Revoke { // private addresses
			continue
		}
		require.Equal(t, Undetermined, j.Verdict)
		require.Contains(t, j.Needs.String(), "more time")
	}
	req.Rules = req.Rules[:1]
	assert.Equal(t, Compliant, p.Evaluate(req)[0].Verdict, "one rule needs no adding up")
}
