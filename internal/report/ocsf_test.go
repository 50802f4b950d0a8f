package report

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
)

// That the members and kinds are the framework's is tested with others' models in
// e2e/test_ocsf.py.
func ocsfLines(t *testing.T, s scenario) []ocsfFinding {
	t.Helper()
	var out []ocsfFinding
	for line := range strings.Lines(written(t, OCSF, s, Options{})) {
		var f ocsfFinding
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&f))
		out = append(out, f)
	}
	return out
}

func TestAnOCSFLineIsAComplianceFindingOfTheEntry(t *testing.T) {
	for name, s := range scenarios() {
		want := s.all()
		got := ocsfLines(t, s)
		require.Len(t, got, len(want), name)
		for i, f := range got {
			assert.Equal(t, []int{2, 2003, 1, 200301}, []int{f.CategoryUID, f.ClassUID, f.ActivityID, f.TypeUID})
			assert.Equal(t, want[i].ID, f.Info.UID)
			assert.NotEmpty(t, f.Info.Title)
			assert.NotEmpty(t, f.Compliance.Standards)
			assert.NotEmpty(t, f.Resources)
			asJSON, err := json.Marshal(f.Unmapped)
			require.NoError(t, err)
			entry, err := json.Marshal(s.run.complete(want[i]))
			require.NoError(t, err)
			assert.JSONEq(t, string(entry), string(asJSON), "nothing of JSON's line is lost")
		}
	}
}

func TestAnOCSFLineSaysWhatTheVerdictMeans(t *testing.T) {
	judged := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	made := judged.Add(-time.Hour)
	ended := made.Add(time.Minute)
	event := *replayed().entries[0].Event
	event.EventTime = made
	for name, c := range map[string]struct {
		e                  Entry
		status, compliance int
		severity           int
		time               time.Time
	}{
		"forbidden": {Entry{Finding: finding.Finding{Verdict: policy.Revoke, Severity: policy.Critical}}, 1, 3, 5, judged},
		"warned":    {Entry{Finding: finding.Finding{Verdict: policy.Alert, Severity: policy.Low}}, 1, 3, 2, judged},
		"unknown":   {Entry{Finding: finding.Finding{Verdict: policy.Undetermined}}, 1, 2, 0, judged},
		"excepted":  {Entry{Finding: finding.Finding{Verdict: policy.Exempt, Severity: policy.Medium}}, 3, 1, 3, judged},
		"closed":    {Entry{Finding: finding.Finding{Verdict: policy.Revoke, Severity: policy.High}, Event: &event, ClosedAt: &ended}, 4, 3, 4, made},
		"only the other policy": {Entry{Finding: finding.Finding{Verdict: policy.Compliant},
			Compared: &Compared{Verdict: policy.Revoke, Severity: policy.High, StatementID: "other"}}, 1, 1, 4, judged},
	} {
		run := Run{Command: Replay, Now: judged}
		f := run.ocsf(c.e)
		assert.Equal(t, []int{c.status, c.compliance, c.severity}, []int{f.StatusID, f.Compliance.StatusID, f.SeverityID}, name)
		assert.Equal(t, c.time.UnixMilli(), f.Time, name)
		if c.e.ClosedAt != nil {
			assert.Equal(t, ended.UnixMilli(), *f.Info.LastSeen)
			assert.Equal(t, made.UnixMilli(), *f.Info.FirstSeen)
		}
		if c.e.Compared != nil {
			assert.Equal(t, "other", f.Compliance.Control)
		}
		assert.Nil(t, f.Cloud, "neither account nor region is known")
	}
}
