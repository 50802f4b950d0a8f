package alert

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/finding"
)

func TestChatNamesAnUndoThatFindsTheClosing(t *testing.T) {
	byGroup := func(group string) string {
		return "`sgward undo --region us-east-1 --group-id " + group + "` shows its text"
	}
	all := map[string]finding.Alert{}
	for _, s := range scenarios() {
		all[s.name] = s.alert
	}
	replayed := alertOf(result(finding.OutcomeRevoked, tcp(3306, "0.0.0.0/0")))
	replayed.Event.ReplayName = "archive-2026"
	all["replayed"] = replayed
	for name, want := range map[string]string{
		"sweep-closed":                byGroup(dataGroup),
		"sweep-unnamed-call":          byGroup(dataGroup),
		"old-events":                  byGroup(testGroup),
		"replayed":                    byGroup(testGroup),
		"world-open-database-revoked": "`sgward undo --region us-east-1 " + Complete(all["world-open-database-revoked"]).ID + "` shows its text",
		"mixed":                       "For what was closed, add an exception first, or sgward closes it again: `sgward undo --region us-east-1 a-",
	} {
		assert.Contains(t, chatOf(t, messageOf(t, all[name])).Content.Description, want, name)
	}
	for _, name := range []string{"already-closed-maybe-earlier", "still-open-by-other-rules", "observe", "sweep-digest"} {
		assert.NotContains(t, chatOf(t, messageOf(t, all[name])).Content.Description, "sgward undo", "%s: sgward did not close it", name)
	}
	list := alertOf(result(finding.OutcomeRevoked, tcp(5432, "pl-0123456789abcdef0")))
	list.PrefixListID = "pl-0123456789abcdef0"
	assert.Contains(t, chatOf(t, messageOf(t, list)).Content.Description, ", then restore the rule: `sgward undo --region us-east-1 a-")
}
