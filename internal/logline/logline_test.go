package logline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// written returns a line as a function writes it.
func written(message string, attrs ...slog.Attr) string {
	var line bytes.Buffer
	h := slog.NewJSONHandler(&line, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.MessageKey {
			a.Key = "message"
		}
		return a
	}})
	slog.New(h).LogAttrs(context.Background(), slog.LevelInfo, message, attrs...)
	return line.String()
}

func findings(n int) []finding.Finding {
	out := make([]finding.Finding, n)
	for i := range out {
		out[i] = finding.Finding{
			StatementID: fmt.Sprint("s", i), Reasons: []policy.Reason{policy.Remark(fmt.Sprint("reason ", i))}, Rule: &secgroup.Rule{ID: fmt.Sprint("sgr-", i)},
		}
	}
	return out
}

func TestAJudgedLineIsReadAsItWasWritten(t *testing.T) {
	found := findings(2)
	line := written(Judged, append([]slog.Attr{
		slog.String(Decision, "revoke"), slog.String(EventID, "e-1"), slog.String(EventName, "AuthorizeSecurityGroupIngress"), slog.String(GroupID, "sg-1"),
	}, OfFindings(len(found), func(i int) *finding.Finding { return &found[i] }, RuleIDs, func(r *secgroup.Rule) string { return r.ID })...)...)
	read, ok := ReadJudged(line)
	require.True(t, ok)
	assert.Equal(t, JudgedLine{
		Message: Judged, Decision: "revoke", EventID: "e-1", EventName: "AuthorizeSecurityGroupIngress", GroupID: "sg-1",
		Findings: 2, RuleIDs: []string{"sgr-0", "sgr-1"}, StatementIDs: []string{"s0", "s1"},
	}, read)
	assert.True(t, Is(line, Judged))
	assert.False(t, Is(line, AlertPublished))
}

func TestALineListsTheFirstTenFindingsAndCountsAll(t *testing.T) {
	found := findings(12)
	found[1].Rule = nil
	attrs := OfFindings(len(found), func(i int) *finding.Finding { return &found[i] }, "rules", func(r *secgroup.Rule) string { return r.ID })
	require.Len(t, attrs, 4)
	assert.Equal(t, slog.Int("findings", 12), attrs[0])
	assert.Equal(t, "rules", attrs[1].Key)
	assert.Len(t, attrs[1].Value.Any(), 9, "one has no rule")
	assert.Len(t, attrs[2].Value.Any(), 10)
	assert.Len(t, attrs[3].Value.Any(), 10)
	assert.Equal(t, []slog.Attr{slog.Int("findings", 0)}, OfFindings(0, nil, "rules", nil))
}

func TestOtherLinesAreNoJudgedOnes(t *testing.T) {
	for _, line := range []string{"", "not JSON", `{"message":"nothing to judge"}`, `{"type":"platform.start","record":{}}`, `{"message":"judged","findings":"many"}`} {
		_, ok := ReadJudged(line)
		assert.False(t, ok, line)
		assert.False(t, Is(line, SweepCompleted), line)
	}
}

func TestAPatternComparesOneAttribute(t *testing.T) {
	assert.Equal(t, `{ $.message = "alert published" }`, WhereMessage(AlertPublished))
	assert.Equal(t, `{ $.groupId = "sg-1" }`, Where(GroupID, "sg-1"))
}
