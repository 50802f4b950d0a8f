package policy

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/secgroup"
)

// judge evaluates rules in the notation against a group that holds others.
func judge(t *testing.T, p *Policy, rules, standing []string) []Judgement {
	t.Helper()
	req := newRequest()
	for i, text := range append(append([]string{}, rules...), standing...) {
		r, err := parseRule(text)
		require.NoError(t, err, text)
		r.ID = "sgr-" + strings.Repeat("0", 16) + string(rune('a'+i))
		if i < len(rules) {
			req.Rules = append(req.Rules, r)
		} else {
			req.Standing = append(req.Standing, r)
		}
	}
	return p.Evaluate(req)
}

func TestNoZeroValueAllowsOrRevokes(t *testing.T) {
	var zero Judgement
	assert.Equal(t, Undetermined, zero.Verdict)
	assert.Equal(t, "inspect", zero.Verdict.String())

	world, err := parseRule("tcp 22 from 0.0.0.0/0")
	require.NoError(t, err)
	req := newRequest()
	req.Rules = []secgroup.Rule{world}
	assert.Equal(t, Undetermined, new(Policy).Evaluate(req)[0].Verdict, "a policy that was never parsed")

	p := defaultPolicy(t)
	noPeer, noProtocol, oddProtocol := world, world, world
	noPeer.Permission.Peer = secgroup.Peer{}
	noProtocol.Permission.Protocol = ""
	oddProtocol.Permission.Protocol = "sctp" // EC2 knows it by number only
	req.Rules = []secgroup.Rule{{}, noPeer, noProtocol, oddProtocol}
	for i, j := range p.Evaluate(req) {
		assert.Equal(t, Undetermined, j.Verdict, "%#v", req.Rules[i])
	}
	assert.Empty(t, p.Evaluate(newRequest()), "no rule, no judgement")

	empty := p.Evaluate(Request{Rules: []secgroup.Rule{world}})
	assert.Equal(t, Revoke, empty[0].Verdict, "nothing that is missing here matters to the default policy")
}

func TestWithoutATimeAnExceptionNeitherExemptsNorLapses(t *testing.T) {
	p := mustParse(t, withExceptions)
	req := newRequest()
	req.Time = time.Time{}
	r, err := parseRule("tcp 5432 from 0.0.0.0/0")
	require.NoError(t, err)
	req.Rules = []secgroup.Rule{r}
	assert.Equal(t, Undetermined, p.Evaluate(req)[0].Verdict)
}

func TestAUnionNamesTheStandingRulesThatItTakes(t *testing.T) {
	p := defaultPolicy(t)
	j := judge(t, p, []string{"tcp 3306 from 52.64.0.0/10"}, []string{
		"tcp 3306 from 52.0.0.0/11", "tcp 3000-4000 from 53.0.0.0/12", "all from 54.0.0.0/12",
		"tcp 5432 from 55.0.0.0/10", "tcp 3306 from 10.0.0.0/8", "tcp 3306 from 2600::/40", "tcp 3306 to 56.0.0.0/10",
	})[0]
	require.Equal(t, Revoke, j.Verdict)
	assert.True(t, j.Union)
	var with []string
	for _, w := range j.With {
		with = append(with, w.Permission.String())
	}
	assert.Equal(t, []string{"ingress tcp 3306 from 52.0.0.0/11", "ingress tcp 3000-4000 from 53.0.0.0/12", "ingress all traffic from 54.0.0.0/12"}, with,
		"those on the same port, way and family, in the order given")
}

func TestAUnionWithinACallNamesNoStandingRule(t *testing.T) {
	for _, j := range judge(t, defaultPolicy(t), []string{"tcp 3306 from 52.64.0.0/10", "tcp 3306 from 52.0.0.0/10"}, []string{"tcp 3306 from 53.0.0.0/10"}) {
		assert.Equal(t, Revoke, j.Verdict)
		assert.True(t, j.Union)
		assert.Empty(t, j.With)
	}
}

func TestAUnionOnSeveralPortsNamesEachStandingRuleOnce(t *testing.T) {
	j := judge(t, defaultPolicy(t), []string{"tcp 0-65535 from 52.64.0.0/10"}, []string{
		"tcp 3306 from 52.0.0.0/11", "all from 53.0.0.0/11", "tcp 5432 from 54.0.0.0/12", "tcp 5432 from ::ffff:55.0.0.0/108",
	})[0]
	assert.Len(t, j.With, 4)
}

func TestAUnionInBothFamiliesNamesTheStandingRulesOfBoth(t *testing.T) {
	p := defaultPolicy(t)
	req := newRequest()
	req.PrefixLists["pl-0123456789abcdef0"] = secgroup.PrefixList{OwnerID: req.AccountID, Entries: prefixes("52.64.0.0/10", "2600:0:8000::/33")}
	for _, text := range []string{"tcp 3306 from 52.0.0.0/10", "tcp 3306 from 2600::/33", "tcp 3306 from 2002:3400::/27"} {
		r, err := parseRule(text)
		require.NoError(t, err)
		req.Standing = append(req.Standing, r)
	}
	r, err := parseRule("tcp 3306 from pl-0123456789abcdef0")
	require.NoError(t, err)
	req.Rules = []secgroup.Rule{r}
	j := p.Evaluate(req)[0]
	require.Equal(t, "revoke world-open-database together", show(j))
	assert.ElementsMatch(t, req.Standing, j.With)
}

func TestWhatIsNotKnownDoesNotMatterWhereAnotherClauseFails(t *testing.T) {
	p := mustParse(t, `
statements:
  - id: scoped
    effect: revoke
    severity: low
    ingress: {from: world}
    when: {vpcs: [vpc-0123456789abcdef0], group-tags: {stage: production}}
`)
	r, err := parseRule("tcp 22 from 0.0.0.0/0")
	require.NoError(t, err)
	req := newRequest()
	req.Rules = []secgroup.Rule{r}
	assert.Equal(t, "undetermined scoped needs the group's VPC, the group's tags", show(p.Evaluate(req)[0]))
	req.Group.TagsKnown = true
	assert.Equal(t, "compliant", show(p.Evaluate(req)[0]), "the tag is missing, in whatever VPC")
	req.Group.Tags = []secgroup.Tag{{Key: "stage", Value: "production"}}
	assert.Equal(t, "undetermined scoped needs the group's VPC", show(p.Evaluate(req)[0]))
	req.Group.VPCID = "vpc-0123456789abcdef0"
	assert.Equal(t, "revoke scoped", show(p.Evaluate(req)[0]))
	req.Group.TagsKnown = false
	assert.Equal(t, "revoke scoped", show(p.Evaluate(req)[0]), "one of the tags that are known is enough")
	req.Group.Tags = []secgroup.Tag{{Key: "team", Value: "data"}}
	assert.Equal(t, "undetermined scoped needs the group's tags", show(p.Evaluate(req)[0]), "another may be missing here")
}

func TestWhatIsNotKnownDoesNotMatterWhereItsEffectIsNoStronger(t *testing.T) {
	p := mustParse(t, `
statements:
  - {id: tagged, effect: alert, severity: high, ingress: {from: world}, when: {group-tags: {stage: production}}}
  - {id: warned, effect: alert, severity: low, ingress: {from: world}}
  - {id: closed, effect: revoke, severity: low, ingress: {from: world, ports: [ssh]}}
`)
	js := judge(t, p, []string{"tcp 80 from 0.0.0.0/0", "tcp 22 from 0.0.0.0/0"}, nil)
	assert.Equal(t, "alert warned", show(js[0]))
	assert.Equal(t, "revoke closed", show(js[1]))
	assert.Zero(t, js[0].Needs)
}

func TestARuleForbiddenByItselfIsNoUnion(t *testing.T) {
	p := mustParse(t, `
statements:
  - {id: world, effect: revoke, severity: low, ingress: {from: world, ports: [ssh]}}
  - {id: anyone, effect: revoke, severity: high, ingress: {from: public, ports: [ssh]}}
`)
	for _, j := range judge(t, p, []string{"tcp 22 from 52.0.0.0/10", "tcp 22 from 52.64.0.0/10"}, nil) {
		assert.Equal(t, "revoke anyone", show(j))
		assert.Equal(t, High, j.Severity)
	}
}

func TestTheDecidingStatementGivesTheSeverity(t *testing.T) {
	p := mustParse(t, `
statements:
  - {id: warned, effect: alert, severity: critical, ingress: {from: world}}
  - {id: closed, effect: revoke, severity: low, existing: revoke, ingress: {from: world, ports: [ssh]}}
  - {id: closed-too, effect: revoke, severity: high, ingress: {from: world, ports: [ssh]}}
`)
	js := judge(t, p, []string{"tcp 22 from 0.0.0.0/0", "tcp 23 from 0.0.0.0/0", "tcp 22 from 10.0.0.0/8"}, nil)
	assert.Equal(t, []string{"revoke closed existing", "alert warned", "compliant"}, []string{show(js[0]), show(js[1]), show(js[2])})
	assert.Equal(t, []Severity{Low, Critical, NoSeverity}, []Severity{js[0].Severity, js[1].Severity, js[2].Severity})
	assert.Empty(t, js[2].Reasons)
}

func TestExistingRulesGoIfAnyStatementThatAppliesSaysSo(t *testing.T) {
	p := mustParse(t, `
statements:
  - {id: made, effect: revoke, severity: high, ingress: {from: world, ports: [ssh, rdp, vnc]}}
  - {id: standing, effect: revoke, severity: low, existing: revoke, ingress: {from: world, ports: [ssh]}}
  - {id: exempted, effect: revoke, severity: low, existing: revoke, ingress: {from: world, ports: [rdp]}}
  - {id: scoped, effect: revoke, severity: low, existing: revoke, ingress: {from: world, ports: [vnc]}, when: {vpcs: [vpc-0123456789abcdef0]}}
  - {id: wide, effect: revoke, severity: low, ingress: {from: {public: {ipv4: 10, ipv6: 33}}, ports: [smb]}}
  - {id: crossed, effect: revoke, severity: low, existing: revoke, ingress: {from: world, ports: [smb, nfs]}}
exceptions:
  - {id: workspaces, reason: workspaces, owner: o@example.com, expires: 2027-06-30, match: {statements: [exempted], ports: [rdp]}}
`)
	for name, c := range map[string]struct{ rule, want string }{
		"a later one says so":            {"tcp 22 from 0.0.0.0/0", "revoke made existing"},
		"one that is excepted says so":   {"tcp 3389 from 0.0.0.0/0", "revoke made"},
		"one that may apply says so":     {"tcp 5900 from 0.0.0.0/0", "revoke made"},
		"one that only a union meets":    {"tcp 445 from 52.64.0.0/10", "revoke wide"},
		"a union where a union decides":  {"tcp 2049 from 52.64.0.0/10", "revoke crossed together existing"},
		"one that is met alone and says": {"tcp 445 from 52.0.0.0/8", "revoke wide existing"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, show(judge(t, p, []string{c.rule}, []string{"tcp 0-65535 from 52.0.0.0/11", "tcp 0-65535 from 52.32.0.0/11"})[0]))
		})
	}
}

func TestReasonsReadWell(t *testing.T) {
	p := mustParse(t, `
statements:
  - {id: closed, effect: revoke, severity: high, ingress: {from: world, ports: [ssh, mysql]}}
  - {id: elsewhere, effect: alert, severity: low, ingress: {from: {not-in: [10.0.0.0/8]}, ports: [ssh]}}
  - {id: out, effect: alert, severity: low, egress: {to: any, ports: [ssh]}}
exceptions:
  - {id: honeypot, reason: research, owner: security@example.com, expires: 2027-06-30, match: {ports: [33060/tcp]}}
  - {id: tagged, reason: a bastion, owner: ops@example.com, expires: 2027-06-30, match: {ports: [3306/tcp], vpcs: [vpc-0123456789abcdef0]}}
`)
	reasons := func(standing []string, rules ...string) []string {
		var out []string
		for _, r := range judge(t, p, rules, standing)[0].Reasons {
			out = append(out, r.String())
		}
		return out
	}
	const size = "(3,702,258,434 public IPv4 addresses; the threshold is 8,388,608)"
	assert.Equal(t, []string{
		"policy.yaml:5 closed: tcp 22-25 from 0.0.0.0/0 opens 22/tcp to the world " + size + ": revoke",
		"policy.yaml:6 elsewhere: tcp 22-25 from 0.0.0.0/0 opens 22/tcp to addresses outside the listed networks: alert",
	}, reasons(nil, "tcp 22-25 from 0.0.0.0/0"))
	assert.Equal(t, []string{
		"policy.yaml:5 closed: tcp 33060 from 0.0.0.0/0 opens 33060/tcp to the world " + size + ": would revoke",
		"policy.yaml:9 honeypot: exempts from closed until the end of 2027-06-30 UTC: research (security@example.com)",
	}, reasons(nil, "tcp 33060 from 0.0.0.0/0"))
	assert.Equal(t, []string{
		"policy.yaml:5 closed: tcp 3306 from 0.0.0.0/0 opens 3306/tcp to the world " + size + "; not known: the group's VPC: may revoke",
		"policy.yaml:10 tagged: may exempt from closed until the end of 2027-06-30 UTC: a bastion (ops@example.com)",
	}, reasons(nil, "tcp 3306 from 0.0.0.0/0"))
	assert.Equal(t, []string{
		"policy.yaml:5 closed: tcp 33060 from 52.0.0.0/10 opens 33060/tcp to less than the world (4,194,304 public IPv4 addresses; the threshold is 8,388,608) unless other rules add to it: would revoke if they do",
		"policy.yaml:9 honeypot: exempts from closed until the end of 2027-06-30 UTC: research (security@example.com)",
	}, reasons(nil, "tcp 33060 from 52.0.0.0/10"))
	assert.Equal(t, "policy.yaml:5 closed: tcp 22 from 2600::/33 opens 22/tcp to the world together with other rules (of its own 2^95 public IPv6 addresses; the threshold is 2^96): revoke",
		reasons([]string{"tcp 22 from 2600:0:8000::/33"}, "tcp 22 from 2600::/33")[0])
	assert.Equal(t, []string{"policy.yaml:7 out: tcp 22 to sg-0aaaaaaaaaaaaaaa1 opens 22/tcp to any peer: alert"}, reasons(nil, "tcp 22 to sg-0aaaaaaaaaaaaaaa1"))
	assert.Equal(t, "policy.yaml:7 out: tcp 22 from or to 10.0.0.0/8 opens 22/tcp to any peer; not known: the rule's direction: may alert", reasons(nil, "tcp 22 edited 10.0.0.0/8")[0])
}

func TestACompliantRuleCostsNoReason(t *testing.T) {
	p := defaultPolicy(t)
	r, err := parseRule("tcp 443 from 0.0.0.0/0")
	require.NoError(t, err)
	req := newRequest()
	req.Rules = []secgroup.Rule{r}
	few := testing.AllocsPerRun(100, func() { p.Evaluate(req) })
	assert.LessOrEqual(t, few, 3.0, "the request, the subjects and the judgements, and nothing for a rule")
	for range 99 {
		req.Rules = append(req.Rules, r)
	}
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { p.Evaluate(req) }), few)
}

func TestEvaluateLeavesItsArgumentsAlone(t *testing.T) {
	entries := []netip.Prefix{netip.MustParsePrefix("52.64.0.0/10"), netip.MustParsePrefix("52.0.0.0/11"), netip.MustParsePrefix("52.1.2.3/12")}
	before := append([]netip.Prefix{}, entries...)
	req := newRequest()
	req.PrefixLists["pl-0123456789abcdef0"] = secgroup.PrefixList{OwnerID: req.AccountID, Entries: entries}
	for _, text := range []string{"tcp 22 from pl-0123456789abcdef0", "tcp 22 from 52.32.0.0/11"} {
		r, err := parseRule(text)
		require.NoError(t, err)
		req.Rules = append(req.Rules, r)
	}
	assert.Equal(t, "revoke world-open-admin together", show(defaultPolicy(t).Evaluate(req)[0]))
	assert.Equal(t, before, entries)
}

func TestWordsOfVerdictsSeveritiesAndNeeds(t *testing.T) {
	for v, want := range map[Verdict]string{Undetermined: "inspect", Compliant: "none", Exempt: "exempt", Alert: "alert", Revoke: "revoke"} {
		text, err := v.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
		back := Verdict(99)
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, v, back)
		assert.Contains(t, Verdicts(), v)
	}
	assert.Equal(t, "inspect", Verdict(99).String(), "a verdict that is none revokes nothing")
	for _, word := range []string{"", "Revoke", "undetermined", "delete"} {
		v := Alert
		assert.Error(t, v.UnmarshalText([]byte(word)), word)
		assert.Equal(t, Alert, v, "what cannot be read changes nothing")
	}
	for s, want := range map[Severity]string{NoSeverity: "", Low: "low", Medium: "medium", High: "high", Critical: "critical"} {
		text, err := s.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
		back := Severity(99)
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, s, back)
	}
	severity := Low
	assert.EqualError(t, severity.UnmarshalText([]byte("severe")), `"severe": want critical, high, medium or low`)
	assert.Equal(t, Low, severity)
	assert.Empty(t, Needs(0).String())
	assert.Equal(t, "the rule's direction, the group's tags", (NeedDirection | NeedGroupTags).String())
}

func TestAVerdictIsStrongerByWhatItAsksFor(t *testing.T) {
	strongest := Verdicts()
	for i, v := range strongest {
		for k, o := range strongest {
			want := i < k && !(v == Exempt && o == Compliant)
			assert.Equal(t, want, v.IsStrongerThan(o), "%s and %s", v, o)
		}
	}
}

func TestReasonsComeBackFromTheirText(t *testing.T) {
	for text, want := range map[string]Reason{
		"policy.yaml:14 world-open-database: tcp 3306 from 0.0.0.0/0: revoke": {ID: "world-open-database", File: "policy.yaml", Line: 14, Text: "tcp 3306 from 0.0.0.0/0: revoke"},
		"/etc/my rules/p.yaml:2 a: ":                                          {ID: "a", File: "/etc/my rules/p.yaml", Line: 2},
		`C:\p.yaml:2 a: b`:                                                    {ID: "a", File: `C:\p.yaml`, Line: 2, Text: "b"},
		"not known: the group's VPC":                                          Remark("not known: the group's VPC"),
		"":                                                                    {},
		"policy.yaml:0 a: b":                                                  Remark("policy.yaml:0 a: b"),
		"policy.yaml:14":                                                      Remark("policy.yaml:14"),
		"policy.yaml:-3 a: b":                                                 Remark("policy.yaml:-3 a: b"),
		"policy.yaml:99999999999999999999 a: b":                               Remark("policy.yaml:99999999999999999999 a: b"),
		"policy.yaml:07 a: b":                                                 Remark("policy.yaml:07 a: b"),
		"policy.yaml:+7 a: b":                                                 Remark("policy.yaml:+7 a: b"),
		"policy.yaml:7 A: b":                                                  Remark("policy.yaml:7 A: b"),
		"policy.yaml:7 a:b":                                                   Remark("policy.yaml:7 a:b"),
		":7 a: b":                                                             Remark(":7 a: b"),
		"reading pl-1: 10.0.0.1:53: x":                                        Remark("reading pl-1: 10.0.0.1:53: x"),
	} {
		got := Reason{ID: "stale", File: "stale", Line: 1, Text: "stale"}
		require.NoError(t, got.UnmarshalText([]byte(text)))
		assert.Equal(t, want, got)
		assert.Equal(t, text, got.String())
	}
}

func FuzzReasonText(f *testing.F) {
	for _, s := range []string{"policy.yaml:14 a: b", "a: b", "x:1 y: ", " :1 a: ", "\xff:1 a: b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var r Reason
		require.NoError(t, r.UnmarshalText([]byte(s)))
		text, err := r.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, s, string(text))
		var again Reason
		require.NoError(t, again.UnmarshalText(text))
		assert.Equal(t, r, again)
	})
}

func TestDecidingReasonsAreThoseOfTheStatementThatDecided(t *testing.T) {
	reasons := []Reason{{"db", "policy.yaml", 3, "tcp 3306 ...: revoke"}, {"other-db", "policy.yaml", 9, "...: alert"}, Remark("not known: db")}
	assert.Equal(t, reasons[:1], Deciding(reasons, "db"))
	assert.Equal(t, reasons, Deciding(reasons, ""), "nobody decided")
	assert.Equal(t, reasons, Deciding(reasons, "gone"))
}

func TestActorPatternsDoNotCrossColons(t *testing.T) {
	for _, c := range []struct {
		pattern, arn string
		want         bool
	}{
		{"arn:aws:iam::123456789012:role/deploy", "arn:aws:iam::123456789012:role/deploy", true},
		{"arn:aws:iam::123456789012:role/deploy", "arn:aws:iam::123456789012:role/deploy2", false},
		{"arn:aws:iam::123456789012:role/deploy", "arn:aws:iam::111122223333:role/deploy", false},
		{"arn:aws:iam::*:role/deploy", "arn:aws:iam::111122223333:role/deploy", true},
		{"arn:aws*:iam::*:role/deploy", "arn:aws-cn:iam::111122223333:role/deploy", true},
		{"arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:role/a/b", true},
		{"arn:aws:iam::123456789012:role/a*z", "arn:aws:iam::123456789012:role/abcz", true},
		{"arn:aws:iam::123456789012:role/a*z", "arn:aws:iam::123456789012:role/abc", false},
		{"arn:aws:iam::123456789012:role/a*b*c", "arn:aws:iam::123456789012:role/a-b-c", true},
		{"arn:aws:iam::123456789012:role/a*b*c", "arn:aws:iam::123456789012:role/a-c", false},
		{"arn:aws:iam::123456789012:role/ab*ba", "arn:aws:iam::123456789012:role/aba", false},
		{"arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:user/role", false},
		{"arn:aws:iam::*:role/deploy", "arn:aws:iam::x:y:role/deploy", false},
	} {
		assert.Equal(t, c.want, newActorPattern(c.pattern).match(c.arn), "%s against %s", c.pattern, c.arn)
	}
}

func TestAnExceptionOfTheOtherDirectionCoversNothing(t *testing.T) {
	p := mustParse(t, `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: critical, effect: revoke, ingress: {from: world, ports: [mysql]}}
exceptions:
  - {id: out, reason: r, owner: data@example.com, expires: 2999-01-01, match: {direction: egress, ports: [3306/tcp]}}
`)
	assert.Equal(t, Revoke, judge(t, p, []string{"tcp 3306 from 0.0.0.0/0"}, nil)[0].Verdict)
}

func TestRemarksArePrintedAsTheyWereGiven(t *testing.T) {
	texts := []string{"the record is incomplete", "EC2 answered with an error: it is busy"}
	assert.Equal(t, texts, Texts(Remarks(texts)))
	assert.Empty(t, Texts(nil))
}

func TestRangesAreTheWorldTogether(t *testing.T) {
	p := defaultPolicy(t)
	half := netip.MustParsePrefix("0.0.0.0/1")
	assert.True(t, p.IsWorld([]netip.Prefix{half, netip.MustParsePrefix("128.0.0.0/1")}))
	assert.True(t, p.IsWorld([]netip.Prefix{netip.MustParsePrefix("::/0")}))
	assert.False(t, p.IsWorld([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("10.0.0.0/8")}))
	assert.False(t, p.IsWorld(nil))
}
