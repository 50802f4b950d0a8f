package finding

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policy"
	"sgward/internal/policyyaml"
)

func TestAnAlertDescribesTheStatementsOfItsFindings(t *testing.T) {
	text := "version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n" +
		"  - {id: plain, effect: alert, severity: low, ingress: {from: world}}\n"
	for i := range 30 {
		text += fmt.Sprintf("  - {id: s%d, effect: alert, severity: low, ingress: {from: world}, description: About %d., runbook: \"https://wiki.example.com/%d\", controls: [EC2.%d]}\n", i, i, i, i)
	}
	p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(text)))
	require.NoError(t, err)
	var a Alert
	for _, id := range []string{"s7", "plain", "s3", "s7", "", "another-policy"} {
		a.Findings = append(a.Findings, Result{Finding: Finding{StatementID: id}})
	}
	a.Cite(p)
	data, err := json.Marshal(a.Statements)
	require.NoError(t, err)
	assert.JSONEq(t, `[{"id":"s7","severity":"low","description":"About 7.","runbook":"https://wiki.example.com/7","controls":["EC2.7"]},
		{"id":"s3","severity":"low","description":"About 3.","runbook":"https://wiki.example.com/3","controls":["EC2.3"]}]`, string(data))
	s, ok := a.Statement("s3")
	assert.True(t, ok)
	assert.Equal(t, "About 3.", s.Description)
	_, ok = a.Statement("plain")
	assert.False(t, ok)

	for i := range 30 {
		a.Findings = append(a.Findings, Result{Finding: Finding{StatementID: fmt.Sprint("s", i)}})
	}
	a.Cite(p)
	assert.Len(t, a.Statements, maxCited)

	a.Findings = nil
	a.Cite(p)
	data, err = json.Marshal(a)
	require.NoError(t, err)
	assert.NotContains(t, string(data), "statements")
}
