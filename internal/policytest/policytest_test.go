package policytest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policytest"
)

const policyText = `version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: world, ports: [3306/tcp]}}
  - {id: ended, severity: low, effect: alert, ingress: {from: any, ended: true}}
`

func run(t *testing.T, tests string) ([]policytest.Outcome, error) {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "policy.yaml"), []byte(policyText), 0o600))
	file := filepath.Join(folder, "policy_test.yaml")
	require.NoError(t, os.WriteFile(file, []byte(tests), 0o600))
	return policytest.Run(t.Context(), file, "")
}

func TestAnExpectationPassesOrSaysWhatDiffers(t *testing.T) {
	got, err := run(t, `tests:
  - {name: forbidden, rule: {port: 3306, cidr: 0.0.0.0/0}, decision: revoke, statement: database}
  - {name: wrong, rule: {port: 3306, cidr: 0.0.0.0/0}, decision: alert, statement: other}
  - {name: allowed, rule: {port: 443, cidr: 0.0.0.0/0}, decision: none}
`)
	require.NoError(t, err)
	require.Len(t, got, 3)
	assert.Equal(t, []bool{true, false, true}, []bool{got[0].Passed, got[1].Passed, got[2].Passed})
	assert.Equal(t, []int{2, 3, 4}, []int{got[0].Line, got[1].Line, got[2].Line})
	assert.Equal(t, []policytest.Difference{{Field: "decision", Want: "alert", Got: "revoke"}, {Field: "statement", Want: "other", Got: "database"}}, got[1].Differences)
	assert.Empty(t, got[0].Text())
	assert.Contains(t, got[1].Text(), ":3 wrong\n    - decision: alert\n    + decision: revoke\n    - statement: other\n    + statement: database\n")
	assert.Contains(t, got[1].Text(), "policy.yaml:4 database: ", "the reasons cite the policy")
}

func TestATestThatCannotRunIsAnErrorWithItsLine(t *testing.T) {
	got, err := run(t, `tests:
  - {name: sound, rule: {port: 3306, cidr: 0.0.0.0/0}, decision: revoke}
  - {name: no such decision, rule: {port: 22, cidr: 0.0.0.0/0}, decision: close}
  - {name: nothing judged, decision: none}
  - {name: no peer, rule: {port: 22}, decision: none}
`)
	require.Len(t, got, 1, "the others run")
	assert.True(t, got[0].Passed, "a statement that is left out is not compared")
	for _, want := range []string{":3: no such decision: decision ", ":4: nothing judged: want one of rule, rules and event", ":5: no peer: the peer is missing"} {
		assert.ErrorContains(t, err, want)
	}
	for tests, want := range map[string]string{
		"": "the file is empty", "tests: []": "no tests", "tests: {}": "want a list, found fields",
		"tests: [{titel: x}]": "field titel is unknown", "tests: []\n---\n": "a second YAML document",
	} {
		got, err := run(t, tests)
		assert.Empty(t, got)
		assert.ErrorContains(t, err, want, tests)
	}
}

func TestATestSaysWhenATemporaryRuleEnds(t *testing.T) {
	got, err := run(t, `tests:
  - {name: before, rule: {port: 22, cidr: 10.0.0.0/8}, given: {until: "2027-03-01T18:00Z", time: "2027-03-01T17:59:59Z"}, decision: none}
  - {name: after, rule: {port: 22, cidr: 10.0.0.0/8}, given: {until: "2027-03-01T18:00Z", time: "2027-03-01T18:00:00Z"}, decision: alert, statement: ended}
  - {name: no end, rule: {port: 22, cidr: 10.0.0.0/8}, given: {time: "2027-03-01T18:00:00Z"}, decision: none}
`)
	require.NoError(t, err)
	require.Len(t, got, 3)
	for _, o := range got {
		assert.True(t, o.Passed, o.Text())
	}
	_, err = run(t, "tests:\n  - {name: wrong, rule: {port: 22, cidr: 10.0.0.0/8}, given: {until: 2027-03-01}, decision: none}\n")
	assert.ErrorContains(t, err, `given.until "2027-03-01": want a time such as 2027-03-31T18:00Z`)
}

func TestATestSaysWhoseAPrefixListIs(t *testing.T) {
	const rule = "rule: {port: 3306, prefix-list: pl-0123456789abcdef0}, prefix-lists: {pl-0123456789abcdef0: [10.0.0.0/8]}"
	got, err := run(t, `tests:
  - {name: own, `+rule+`, decision: none}
  - {name: own account, `+rule+`, given: {account: "123456789012"}, decision: none}
  - {name: foreign, `+rule+`, given: {account: "123456789012"}, prefix-list-owners: {pl-0123456789abcdef0: "222233334444"}, decision: inspect}
  - {name: of AWS, `+rule+`, given: {account: "123456789012"}, prefix-list-owners: {pl-0123456789abcdef0: AWS}, decision: none}
`)
	require.NoError(t, err)
	require.Len(t, got, 4)
	for _, o := range got {
		assert.True(t, o.Passed, o.Text())
	}
	for owners, want := range map[string]string{
		`{pl-0123456789abcdef0: me}`:             `prefix-list-owners.pl-0123456789abcdef0 "me": want an account id of 12 digits, or AWS`,
		`{pl-0fedcba9876543210: "222233334444"}`: `prefix-list-owners: "pl-0fedcba9876543210" is not under prefix-lists`,
	} {
		_, err := run(t, "tests:\n  - {name: wrong, "+rule+", prefix-list-owners: "+owners+", decision: none}\n")
		assert.ErrorContains(t, err, want)
	}
}
