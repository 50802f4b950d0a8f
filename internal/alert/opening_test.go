package alert

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

func TestPeopleReadTheReasonThatDecided(t *testing.T) {
	const (
		revoke  = "policy.yaml:19 world-open-database: tcp 3306 from 0.0.0.0/0: revoke"
		weaker  = "policy.yaml:34 world-open-other: tcp 3306 from 0.0.0.0/0: alert"
		unclear = "the entries of pl-0123456789abcdef0 could not be read"
	)
	for _, tt := range []struct {
		name, statement string
		reasons, want   []string
		others          int
	}{
		{"one", "world-open-database", []string{revoke}, []string{revoke}, 0},
		{"a weaker one is counted", "world-open-database", []string{revoke, weaker}, []string{revoke}, 1},
		{"what is no statement's stays", "world-open-database", []string{revoke, weaker, unclear}, []string{revoke, unclear}, 1},
		{"none decided", "", []string{revoke, weaker}, []string{revoke, weaker}, 0},
		{"the one that decided gave none", "elsewhere", []string{revoke, weaker}, []string{revoke, weaker}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := opening{Result: finding.Result{Finding: finding.Finding{StatementID: tt.statement, Reasons: reasons(tt.reasons...)}}}
			deciding, others := o.deciding()
			assert.Equal(t, tt.want, policy.Texts(deciding))
			assert.Equal(t, tt.others, others)
		})
	}
}

func TestARuleLeftOpenAmongOthersDoesNotSayThatTheyWereThereBefore(t *testing.T) {
	a := alertOf(result(finding.OutcomeAlerted, tcp(5432, "52.64.0.0/10")))
	f := &a.Findings[0]
	f.Verdict, f.Union, f.With = policy.Revoke, true, []secgroup.Rule{*tcp(5432, "52.0.0.0/10")}
	f.Left = "it is not known which call crossed the threshold"
	m := messageOf(t, a)
	assert.Contains(t, m.Subject, "Left open")
	assert.Contains(t, m.Email, "Left open, as it is not known which call crossed the")
	assert.Contains(t, m.Email, "together with other rules of the")
	assert.NotContains(t, m.Email, "before the call")
	assert.Contains(t, m.Email, "aws ec2 revoke-security-group-ingress", "how to close it by hand")
}
