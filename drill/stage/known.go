package stage

import (
	"strings"

	"sgward/drill/history"
	"sgward/drill/oracle"
)

// Limit is something that does not hold, and is known not to.
type Limit struct {
	Name string
	// Why is the reason, and what it takes to hold.
	Why string
	// explains reports whether it explains a violation about an op of a kind of scene.
	explains func(v oracle.Violation, op history.Op, scene string) bool
}

// Limits returns the known limits. Each is a promise to mend: docs/DRILL.md says what is wanted.
func Limits() []Limit {
	return []Limit{
		{"closing-forgotten", "a record without rules, or rules that are the world only together: if a try fails after the revoke, the next one cannot tell from the message what was closed",
			func(v oracle.Violation, op history.Op, scene string) bool {
				return is(v, oracle.ClosedUnheard, oracle.NotTakenBack) && (op.Event.Form == history.NoRules || strings.HasPrefix(scene, "union"))
			}},
		{"edit-forgotten", "an edit opens, its revoke's answer is lost, and the read lags: the edit is taken for edited back",
			func(v oracle.Violation, op history.Op, _ string) bool {
				return is(v, oracle.ClosedUnheard, oracle.NotTakenBack) && op.Do == history.Modify
			}},
		{"exempt-equal-values", "an exempted actor makes a rule with the values of another's that was closed, and the first event comes again: the exempt rule is closed",
			func(v oracle.Violation, op history.Op, scene string) bool {
				return is(v, oracle.WronglyRemoved, oracle.ClosedUnheard) && scene == "equal-values" && op.By == history.Deployer
			}},
		{"reply-lost", "the reply to a revoke is lost, and the SDK sends it again: NotFound is taken for somebody else's work",
			func(v oracle.Violation, _ history.Op, _ string) bool { return is(v, oracle.Disowned) }},
		{"failed-stands", "a group that could not be read is told as failed, and what a later try finds out is not told",
			func(v oracle.Violation, op history.Op, _ string) bool {
				return is(v, oracle.FalseAlarm, oracle.NotTakenBack)
			}},
		{"edited-back", "opened by an edit and edited again before the event was handled: nobody hears of it",
			func(v oracle.Violation, op history.Op, _ string) bool {
				return is(v, oracle.Unheard) && op.Do == history.Modify
			}},
		{"gone-beside-another", "a closed rule whose alert was lost is told as gone, without an undo, if the group holds another rule for its traffic by then",
			func(v oracle.Violation, _ history.Op, _ string) bool {
				return is(v, oracle.ClosedUnheard) && strings.Contains(v.Told, "alerted and gone")
			}},
		{"second-delivery", "a message that SQS delivers twice finds its rule gone at its first try and takes an older rule for its replacement: a rule that was there before is closed",
			func(v oracle.Violation, _ history.Op, scene string) bool {
				return is(v, oracle.WronglyRemoved) && scene == "standing"
			}},
		{"replay-led-back", "the alert of an old event's closing fails until the dead letters: led back from there, its rule counts as gone for long",
			func(v oracle.Violation, _ history.Op, scene string) bool {
				return is(v, oracle.ClosedUnheard) && scene == "replay"
			}},
	}
}

func is(v oracle.Violation, any ...oracle.Invariant) bool {
	for _, i := range any {
		if v.Invariant == i {
			return true
		}
	}
	return false
}

// known names the known limit that explains a violation; "" if there is none.
func known(v oracle.Violation, ops map[string]plannedOp) string {
	planned, ok := ops[v.Op]
	if !ok {
		return ""
	}
	_, scene, _ := strings.Cut(planned.scene, "-")
	for _, l := range Limits() {
		if l.explains(v, planned.op, scene) {
			return l.Name
		}
	}
	return ""
}
