package outlets_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert/alerttest"
	"sgward/internal/finding"
	"sgward/internal/outlets"
	"sgward/internal/policy"
)

// The format takes no empty texts: its type NonEmptyString has the pattern ".*\S.*"
// (https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_Severity.html, for one).
func TestNoTextOfAFindingIsEmpty(t *testing.T) {
	at := time.Date(2026, 11, 3, 2, 14, 10, 0, time.UTC)
	account := here(t)
	goldens, err := filepath.Glob("../alert/testdata/*.txt")
	require.NoError(t, err)
	findings := 0
	for _, file := range goldens {
		body := alerttest.JSON(t, file)
		if body == "" {
			continue
		}
		var a finding.Alert
		require.NoError(t, json.Unmarshal([]byte(body), &a), file)
		for _, f := range account.Findings(&a, at) {
			encoded, err := json.Marshal(f)
			require.NoError(t, err)
			var plain any
			require.NoError(t, json.Unmarshal(encoded, &plain))
			assertNoEmptyText(t, filepath.Base(file), plain)
			findings++
		}
	}
	assert.Greater(t, findings, 40)
}

func here(t *testing.T) outlets.Account {
	t.Helper()
	account, err := outlets.NewAccount("123456789012", "us-east-1")
	require.NoError(t, err)
	return account
}

// alertOf reads a golden alert of internal/alert.
func alertOf(t *testing.T, name string) finding.Alert {
	t.Helper()
	var a finding.Alert
	require.NoError(t, json.Unmarshal([]byte(alerttest.JSON(t, filepath.Join("../alert/testdata", name+".txt"))), &a))
	return a
}

func TestAFindingHasWhatItsAlertKnows(t *testing.T) {
	at := time.Date(2026, 11, 5, 2, 14, 10, 0, time.UTC)
	first := at.Add(-30 * time.Hour)
	a := alertOf(t, "observe")
	r := &a.Findings[0]
	a.Findings = a.Findings[:1]
	a.Exposed = nil
	for i := range 15 {
		a.Exposed = append(a.Exposed, finding.Interface{ID: fmt.Sprintf("eni-%017x", i), GroupID: r.GroupID})
	}
	a.Exposed = append(a.Exposed, finding.Interface{ID: "eni-0", GroupID: "sg-of-another-finding"})
	a.Statements = []policy.StatementRef{{ID: r.StatementID, Controls: []string{"CIS 5.2"}, Runbook: "https://example.com/runbook"}}
	f := here(t).Findings(&a, at)[0]
	assert.Equal(t, []string{"FAILED", "ACTIVE"}, []string{f.Compliance.Status, f.RecordState})
	assert.Equal(t, []string{"CIS 5.2"}, f.Compliance.RelatedRequirements)
	assert.Equal(t, "https://example.com/runbook", f.Remediation.Recommendation.URL)
	assert.Len(t, f.Resources, 11, "the group and ten interfaces")
	assert.NotEmpty(t, f.ProductFields["sgward/principal"])

	// A sweep made no rule: its event is the run.
	a.Sweep, r.FirstSeen = &finding.Sweep{}, &first
	f = here(t).Findings(&a, at)[0]
	assert.Equal(t, "2026-11-03T20:14:10.000Z", f.CreatedAt)
	assert.NotContains(t, f.ProductFields, "sgward/principal")

	r.Verdict, r.Outcome = policy.Undetermined, finding.OutcomeAlerted
	assert.Equal(t, "WARNING", here(t).Findings(&a, at)[0].Compliance.Status)
	r.Verdict, r.Rule = policy.Revoke, nil
	assert.Equal(t, "WARNING", here(t).Findings(&a, at)[0].Compliance.Status)
}

func TestAResultHasTheEventOfItsFindingAndWhatTheAlertLacks(t *testing.T) {
	a := alertOf(t, "observe")
	own := a.Event
	own.EventID = "the call of this finding"
	a.Findings = append(a.Findings[:1], a.Findings[0])
	a.Findings[1].Event = &own
	a.FindingsOmitted = 7
	details := outlets.Details(&a)
	assert.Equal(t, a.Event, details[0].Event)
	assert.Equal(t, own, details[1].Event)
	assert.Nil(t, details[1].Finding.Event)
	assert.Equal(t, 7, details[0].FindingsOmitted)
}

func assertNoEmptyText(t *testing.T, where string, value any) {
	t.Helper()
	switch v := value.(type) {
	case string:
		assert.NotEmpty(t, strings.TrimSpace(v), where)
	case []any:
		for _, e := range v {
			assertNoEmptyText(t, where, e)
		}
	case map[string]any:
		for name, e := range v {
			assertNoEmptyText(t, where+"."+name, e)
		}
	}
}
