package finding

import (
	"encoding/json"
	jsonv2 "encoding/json/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

func permission(t *testing.T, d secgroup.Direction, protocol string, from, to *int, peer secgroup.Peer) secgroup.Permission {
	t.Helper()
	proto, err := secgroup.ParseProtocol(protocol)
	require.NoError(t, err)
	p, err := secgroup.NewPermission(d, proto, from, to, peer)
	require.NoError(t, err)
	return p
}

func cidr(t *testing.T, s string) secgroup.Peer {
	t.Helper()
	p, err := secgroup.ParseCIDRPeer(s)
	require.NoError(t, err)
	return p
}

func number(n int) *int { return &n }

func TestTheStrongestFindingDecides(t *testing.T) {
	of := func(ds ...policy.Verdict) policy.Verdict {
		var findings []Finding
		for _, d := range ds {
			findings = append(findings, Finding{Verdict: d})
		}
		return Strongest(findings)
	}
	assert.Equal(t, policy.Compliant, of())
	assert.Equal(t, policy.Compliant, of(policy.Exempt), "exempt does not raise a Detection")
	assert.Equal(t, policy.Alert, of(policy.Exempt, policy.Alert))
	assert.Equal(t, policy.Undetermined, of(policy.Alert, policy.Undetermined, policy.Exempt))
	assert.Equal(t, policy.Revoke, of(policy.Undetermined, policy.Revoke, policy.Alert))
	assert.Equal(t, policy.Undetermined, of(0), "a finding that nobody has judged is looked at")
}

func TestIDsAreEqualForEqualPartsOnly(t *testing.T) {
	parts := []string{"123456789012", "eu-central-1", "sg-0123456789abcdef0", "sgr-0123456789abcdef0", "event"}
	id := func(p []string) string { return NewID(p[0], p[1], p[2], p[3], p[4]) }
	assert.Regexp(t, `^f-[0-9a-f]{16}$`, id(parts))
	assert.Equal(t, id(parts), id(append([]string{}, parts...)))
	seen := map[string]bool{id(parts): true}
	for i := range parts {
		other := append([]string{}, parts...)
		other[i] += "x"
		assert.False(t, seen[id(other)], "part %d takes no part", i)
		seen[id(other)] = true
	}
	assert.NotEqual(t, NewID("a", "b", "", "", ""), NewID("ab", "", "", "", ""), "where one part ends matters")
	assert.NotEqual(t, NewID("a", "", "b", "", ""), NewID("a", "b", "", "", ""))
	assert.NotEqual(t, NewID("a\x00b", "", "", "", ""), NewID("a", "b", "", "", ""))
}

// contract is a Detection as remediate gets it, and the alert of it: every field, in
// the words that readers of earlier versions know.
const (
	contractEvent   = `{"eventId":"e","eventName":"AuthorizeSecurityGroupIngress","eventTime":"2026-11-22T10:00:00Z","accountId":"123456789012","region":"eu-central-1","actor":{}}`
	contractFinding = `"id":"f-0123456789abcdef","decision":"inspect","severity":"critical","statementId":"database",` +
		`"reasons":["policy.yaml:5 database: tcp 22: revoke","the record leaves something out: look"],"accountId":"111122223333","groupId":"sg-0123456789abcdef0",` +
		`"rule":{"direction":"ingress","ipProtocol":"tcp","fromPort":22,"toPort":22,"cidrIpv4":"128.0.0.0/1"},` +
		`"union":true,"with":[{"securityGroupRuleId":"sgr-0123456789abcdef0","direction":"ingress","ipProtocol":"tcp","fromPort":22,"toPort":22,"cidrIpv4":"0.0.0.0/1"}]`
	contractDetection = `{"schemaVersion":"1","decision":"inspect","policyDigest":"sha256:00","event":` + contractEvent + `,"findings":[{` + contractFinding + `}]}`
	contractAlert     = `{"schemaVersion":"1","id":"a","mode":"enforce","decision":"inspect","policyDigest":"sha256:00","event":` + contractEvent +
		`,"findings":[{` + contractFinding + `,"outcome":"alerted"},{"id":"f-1","decision":"none","severity":"","reasons":null,"groupId":"sg-0fedcba9876543210","rule":{"direction":"egress","ipProtocol":"-1","cidrIpv6":"::/0"},"outcome":"alerted"}]}`
)

func TestTheContractIsReadAndWrittenByteForByte(t *testing.T) {
	var d Detection
	require.NoError(t, json.Unmarshal([]byte(contractDetection), &d))
	f := d.Findings[0]
	assert.Equal(t, []any{policy.Undetermined, policy.Critical, "database"}, []any{f.Verdict, f.Severity, f.StatementID})
	assert.Equal(t, []policy.Reason{{ID: "database", File: "policy.yaml", Line: 5, Text: "tcp 22: revoke"}, policy.Remark("the record leaves something out: look")}, f.Reasons)
	assert.Equal(t, f.Reasons[:1], f.Deciding())
	for _, rule := range []secgroup.Rule{*f.Rule, f.With[0]} {
		assert.Equal(t, []string{"sg-0123456789abcdef0", "111122223333"}, []string{rule.GroupID, rule.OwnerID}, "the finding's")
	}
	encoded, err := json.Marshal(d)
	require.NoError(t, err)
	assert.Equal(t, contractDetection, string(encoded))

	var a Alert
	require.NoError(t, json.Unmarshal([]byte(contractAlert), &a))
	assert.Equal(t, f, a.Findings[0].Finding)
	second := a.Findings[1]
	assert.Equal(t, []any{policy.Compliant, policy.NoSeverity}, []any{second.Verdict, second.Severity})
	assert.Equal(t, []string{"sg-0fedcba9876543210", "123456789012"}, []string{second.Rule.GroupID, second.Rule.OwnerID}, "the event's account")
	encoded, err = json.Marshal(a)
	require.NoError(t, err)
	assert.Equal(t, contractAlert, string(encoded))
}

func TestWhatIsNoDetectionNamesTheField(t *testing.T) {
	for name, c := range map[string]struct{ old, text, field string }{
		"verdict of all":  {`"decision":"inspect","policy`, `"decision":"delete","policy`, "/decision"},
		"verdict of one":  {`"decision":"inspect","severity"`, `"decision":"","severity"`, "/findings/0/decision"},
		"severity":        {`"critical"`, `"severe"`, "/findings/0/severity"},
		"reason":          {`"the record leaves something out: look"`, "7", "/findings/0/reasons/1"},
		"port as text":    {`"fromPort":22`, `"fromPort":"22"`, "/findings/0/rule/fromPort"},
		"rule":            {"128.0.0.0/1", "::/0", "/findings/0/rule"},
		"rule of a union": {"0.0.0.0/1\"}]", "0.0.0.0\"}]", "/findings/0/with/0"},
	} {
		text := strings.Replace(contractDetection, c.old, c.text, 1)
		require.NotEqual(t, contractDetection, text, name)
		var wrong *jsonv2.SemanticError
		require.ErrorAs(t, jsonv2.Unmarshal([]byte(text), new(Detection)), &wrong, name)
		assert.Equal(t, c.field, string(wrong.JSONPointer), name)
		assert.Error(t, json.Unmarshal([]byte(text), new(Detection)), name)
	}
}

func TestTheSourceOfADetectionIsReadAndNoOther(t *testing.T) {
	for _, source := range []Source{SourceCall, SourcePrefixListEdit, SourceSweep} {
		encoded, err := json.Marshal(Detection{Source: source})
		require.NoError(t, err)
		assert.Equal(t, source != SourceCall, strings.Contains(string(encoded), `"source"`), "that of a call is left out")
		var got Detection
		require.NoError(t, json.Unmarshal(encoded, &got))
		assert.Equal(t, source, got.Source)
	}
	var d Detection
	require.ErrorContains(t, json.Unmarshal([]byte(`{"source":"audit"}`), &d), `"audit": want "prefixListEdit", "sweep"`)
}
