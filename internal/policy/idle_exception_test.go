package policy

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policyyaml"
)

// Each exception stands alone beside the statements. A reason means that lint warns.
func TestExceptionsThatCoverNothingAreWarnings(t *testing.T) {
	const statements = `
networks: {office: [52.94.76.0/24, 10.1.0.0/16]}
statements:
  - {id: world-open, effect: revoke, severity: high, ingress: {from: world, ports: [postgresql, ssh]}}
  - {id: public-redis, effect: alert, severity: low, ingress: {from: public, ports: [redis]}}
  - {id: in-house-telnet, effect: alert, severity: low, ingress: {from: {in: [10.1.0.0/16, "::ffff:10.2.0.0/112"]}, ports: [telnet]}}
  - {id: elsewhere, effect: alert, severity: low, ingress: {from: {not-in: office}, ports: [rdp]}}
  - {id: list, effect: alert, severity: low, egress: {to: {prefix-lists: [pl-0123456789abcdef0]}, ports: [ldap, https]}}
  - {id: foreign, effect: alert, severity: low, egress: {to: {referenced-groups: other-accounts}, ports: [ldap]}}
  - {id: here, effect: alert, severity: low, ingress: {from: world, ports: [smb]}, when: {accounts: ["123456789012"], regions: [eu-central-1]}}
  - {id: all-ports, effect: alert, severity: low, ingress: {from: world, covering-ports: [1000-2000/tcp]}}
  - {id: tunnels, effect: alert, severity: low, egress: {to: world, protocols: [gre]}}
  - {id: web, effect: ignore, ingress: {from: world, ports: [http]}}
exceptions:
  - {id: x, reason: because, owner: o@example.com, expires: 2099-12-31, match: `
	for match, why := range map[string]string{
		"{ports: [5432/tcp], peers: [203.0.113.0/24]}":                                                        "world-open: 203.0.113.0/24 reaches no public address",
		"{ports: [5432/tcp], peers: [8.8.8.0/24]}":                                                            "world-open: 8.8.8.0/24 alone reaches 256 public IPv4 addresses; the threshold is 8,388,608",
		"{ports: [5432/tcp], peers: [203.0.113.0/24, 0.0.0.0/0]}":                                             "",
		"{ports: [5432/tcp], peers: [0.0.0.0/0]}":                                                             "",
		"{ports: [5432/tcp], peers: [0.0.0.0/1]}":                                                             "",
		"{ports: [5432/tcp], peers: [52.0.0.0/10, 54.64.0.0/10]}":                                             "", // the world together
		"{ports: [5433/tcp], peers: [0.0.0.0/0]}":                                                             "(no statement is about such ports or protocols)",
		"{ports: [5430-5440/tcp]}":                                                                            "",
		"{ports: [6379/tcp], peers: [8.8.8.8/32]}":                                                            "",
		"{ports: [6379/tcp], peers: [192.168.0.0/16]}":                                                        "public-redis: 192.168.0.0/16 reaches no public address",
		"{ports: [6379/tcp], direction: egress}":                                                              "(no statement is about such ports or protocols)",
		"{ports: [23/tcp], peers: [10.0.0.0/8]}":                                                              "",
		"{ports: [23/tcp], peers: [10.2.3.0/24]}":                                                             "",
		"{ports: [23/tcp], peers: [10.3.0.0/16]}":                                                             "in-house-telnet: 10.3.0.0/16 is not a listed network",
		"{ports: [3389/tcp], peers: office}":                                                                  "elsewhere: ",
		"{ports: [3389/tcp], peers: [10.0.0.0/8]}":                                                            "",
		"{prefix-lists: [pl-0123456789abcdef0]}":                                                              "",
		"{ports: [443/tcp], prefix-lists: [pl-0fedcba9876543210]}":                                            "list: pl-0fedcba9876543210 is not a listed prefix list",
		"{ports: [5432/tcp], prefix-lists: [pl-0fedcba9876543210]}":                                           "", // nobody knows what it holds
		"{peers: [10.0.0.0/8], direction: egress}":                                                            "", // the list may hold that
		"{referenced-groups: [sg-0123456789abcdef0]}":                                                         "",
		"{referenced-groups: [sg-0123456789abcdef0], direction: ingress}":                                     "world-open: sg-0123456789abcdef0 is not the world",
		"{direction: egress, protocols: [gre]}":                                                               "",
		"{direction: egress, protocols: [esp], peers: [0.0.0.0/0]}":                                           "(no statement is about such ports or protocols)",
		"{protocols: [all]}":                                                                                  "",
		"{ports: [445/tcp], accounts: [\"123456789012\"]}":                                                    "",
		"{ports: [445/tcp], accounts: [\"111122223333\"]}":                                                    "here: its when or unless keeps it from this account, region, group or actor",
		"{ports: [445/tcp], accounts: [\"111122223333\", \"123456789012\"]}":                                  "",
		"{ports: [445/tcp], accounts: [\"111122223333\", \"123456789012\"], regions: [eu-west-1, eu-west-2]}": "here: its when",
		"{ports: [445/tcp], groups: [sg-0123456789abcdef0]}":                                                  "",
		"{ports: [1000-2000/tcp], peers: [0.0.0.0/0]}":                                                        "",
		"{ports: [1001-2000/tcp], peers: [0.0.0.0/0]}":                                                        "(no statement is about such ports or protocols)",
		"{statements: [public-redis], direction: egress}":                                                     "(no statement is about egress)",
		"{statements: [web]}":                                                                                 "the statements that it names ignore what they find",
		"{statements: [public-redis], ports: [5432/tcp], peers: [0.0.0.0/0]}":                                 "(no statement is about such ports or protocols)",
	} {
		p := mustParse(t, statements+match+"}\n")
		got := p.Warnings(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)).Error()
		if why == "" {
			assert.Empty(t, got, match)
			continue
		}
		assert.True(t, strings.HasPrefix(got, "policy.yaml:17: exception x covers nothing: without it no statement forbids or reports "), "%s\n%s", match, got)
		assert.Contains(t, got, why, match)
	}
}

// A rule that an exception alone keeps from a verdict shows that the exception is needed.
func TestAnExceptionThatChangesAVerdictIsNotIdle(t *testing.T) {
	idle, needed := 0, 0
	each(t, 1500, func(t *testing.T, r *rand.Rand) {
		d := drawDraft(r)
		p := mustParse(t, d.String())
		without := d
		without.exceptions = nil
		bare := mustParse(t, without.String())
		for i := range p.exceptions {
			if _, ok := p.idle(&p.exceptions[i]); !ok {
				continue
			}
			idle++
			alone := d
			alone.exceptions = d.exceptions[i : i+1]
			with := mustParse(t, alone.String())
			for range 20 {
				req := drawRequest(r)
				req.Standing, req.StandingKnown = nil, true
				req.Rules = req.Rules[:min(1, len(req.Rules))]
				require.Equal(t, harmOf(bare.Evaluate(req)), harmOf(with.Evaluate(req)), describeCase(alone, req))
			}
		}
		needed += len(p.exceptions)
	})
	if !testing.Short() {
		assert.Greater(t, idle, 100)
		assert.Greater(t, needed-idle, 100)
	}
}

func harmOf(js []Judgement) (out []int) {
	for _, j := range js {
		out = append(out, harm(j.Verdict))
	}
	return out
}

// People copy these two examples.
func TestTheExceptionsThatReadmeAndTheDefaultPolicyShowCoverSomething(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, example, found := strings.Cut(string(readme), "```yaml\n")
	require.True(t, found)
	example, _, found = strings.Cut(example, "\n```")
	require.True(t, found)
	shipped, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	before, exceptions, found := strings.Cut(string(shipped), "\nexceptions:\n")
	require.True(t, found)
	for name, text := range map[string]string{
		"README.md": example, "policy.yaml": before + "\nexceptions:\n" + strings.ReplaceAll(exceptions, "#  ", "  "),
	} {
		p, err := Compile(policyyaml.Document(name, []byte(text)))
		require.NoError(t, err, name)
		assert.Len(t, p.exceptions, 1, name)
		assert.Empty(t, p.Warnings(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)), name)
	}
}
