package alert

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

func TestARuleLeftOpenAmongOthersDoesNotSayThatTheyWereThereBefore(t *testing.T) {
	a := alertOf(result(finding.OutcomeAlerted, tcp(5432, "52.64.0.0/10")))
	f := &a.Findings[0]
	f.Verdict, f.Union, f.With = policy.Revoke, true, []secgroup.Rule{*tcp(5432, "52.0.0.0/10")}
	f.Left = "it is not known which call crossed the line"
	m := messageOf(t, a)
	assert.Contains(t, m.Subject, "Left open")
	assert.Contains(t, m.Email, "sgward left it open: it is not known which call crossed the line.")
	assert.Contains(t, m.Email, "together with other rules of the")
	assert.NotContains(t, m.Email, "before the call")
	assert.Contains(t, m.Email, "aws ec2 revoke-security-group-ingress", "how to close it by hand")
}
