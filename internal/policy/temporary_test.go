package policy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/secgroup"
)

const temporary = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: ended, severity: low, effect: revoke, existing: revoke, ingress: {from: any, ended: true, protocols: [all]}}
`

func judgeTagged(t *testing.T, p *Policy, rule string, change func(*Request), tags ...secgroup.Tag) Judgement {
	t.Helper()
	req := newRequest()
	r, err := parseRule(rule)
	require.NoError(t, err)
	r.Tags = tags
	req.Rules, req.RulesRead = []secgroup.Rule{r}, true
	change(&req)
	return p.Evaluate(req)[0]
}

func TestATagForTheEndCountsOnlyWhereItWasRead(t *testing.T) {
	p := mustParse(t, temporary)
	end := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	require.Equal(t, secgroup.Tag{Key: "sgward:until", Value: "2026-11-22T12:00Z"}, EndTag(end.In(time.FixedZone("east", 3600))))
	asIs := func(*Request) {}
	for name, c := range map[string]struct {
		change func(*Request)
		value  string
		want   Verdict
	}{
		"at its end":                       {asIs, "2026-11-22T12:00Z", Revoke},
		"in another zone":                  {asIs, "2026-11-22T13:00:00+01:00", Revoke},
		"a second before":                  {func(r *Request) { r.Time = end.Add(-time.Second) }, "2026-11-22T12:00Z", Compliant},
		"as an event or a message says it": {func(r *Request) { r.RulesRead = false }, "2026-11-22T12:00Z", Compliant},
		"at an unknown time":               {func(r *Request) { r.Time = time.Time{} }, "2026-11-22T12:00Z", Undetermined},
		"a day":                            {asIs, "2026-11-21", Undetermined},
		"nothing":                          {asIs, "", Undetermined},
		"text":                             {asIs, "<!channel> `now`", Undetermined},
	} {
		j := judgeTagged(t, p, "tcp 22 from 10.0.0.0/8", c.change, secgroup.Tag{Key: "team", Value: "web"}, secgroup.Tag{Key: UntilTag, Value: c.value})
		assert.Equal(t, c.want, j.Verdict, name)
		if c.want == Undetermined && name != "at an unknown time" {
			assert.Contains(t, j.Reasons[0].Text, "to a peer after the end in the tag sgward:until, which is no time such as 2027-03-01T18:00Z: may revoke", name)
		}
	}
	assert.Equal(t, Compliant, judgeTagged(t, p, "tcp 22 from 10.0.0.0/8", asIs).Verdict)
	assert.True(t, p.ReportsEnds(secgroup.Ingress))
	assert.False(t, p.ReportsEnds(secgroup.Egress))
}

func TestAnExceptionFromTheEndOfARuleIsNotIdle(t *testing.T) {
	p := mustParse(t, temporary+`exceptions:
  - {id: longer, reason: r, owner: o@example.com, expires: 2099-01-01, match: {statements: [ended], ports: [22/tcp]}}
`)
	assert.Empty(t, p.Warnings(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)))
	end := EndTag(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	assert.Equal(t, Exempt, judgeTagged(t, p, "tcp 22 from 10.0.0.0/8", func(*Request) {}, end).Verdict)
}

func TestExplainSaysWhyARuleHasNotEnded(t *testing.T) {
	p := mustParse(t, temporary)
	for value, want := range map[string]string{
		"":                  "it is about rules with the tag sgward:until",
		"2027-03-01T18:00Z": "it is about existing rules, and the end in this one's tag sgward:until is 2027-03-01T18:00Z",
	} {
		req := newRequest()
		r, err := parseRule("tcp 22 from 10.0.0.0/8")
		require.NoError(t, err)
		if value != "" {
			r.Tags = []secgroup.Tag{{Key: UntilTag, Value: value}}
		}
		req.Rules, req.RulesRead = []secgroup.Rule{r}, true
		_, steps := p.Explain(req)
		assert.Equal(t, want, steps[0][0].Why)
	}
}
