package stage

import (
	"slices"
	"strings"

	"sgward/drill/oracle"
	"sgward/drill/wire"
)

// Limit is something that does not hold, and is known not to.
type Limit struct {
	Name string
	// Why is the reason, and what it takes to hold.
	Why string
	// explains reports whether it explains a violation about an op of a kind of scene. copied is set if the op's event or its
	// message was delivered more than once.
	explains func(v oracle.Violation, scene string, copied bool) bool
}

// Limits returns the known limits. Each is a promise to mend: docs/DRILL.md says what is wanted.
func Limits() []Limit {
	return []Limit{
		{"gone-beside-another", "a closed rule whose alert was lost is told as gone, without an undo, if the group holds another rule for its traffic by then",
			func(v oracle.Violation, _ string, _ bool) bool {
				return v.Invariant == oracle.ClosedUnheard && strings.Contains(v.Told, "alerted and gone")
			}},
		{"second-delivery", "an event or a message that is delivered twice finds its rule gone at its first try and takes an older rule for its replacement: a rule that was there before is closed",
			func(v oracle.Violation, scene string, _ bool) bool {
				return v.Invariant == oracle.WronglyRemoved && scene == "standing"
			}},
		{"copy-disowns", "of two deliveries of one message the one that closed the rule is killed before its alert, and the other tells that somebody else closed it",
			func(v oracle.Violation, _ string, copied bool) bool { return v.Invariant == oracle.Disowned && copied }},
		{"equal-values", "a rule is made again with equal values before the first one's event comes, which closes it: if that answer is lost, its own event's alert says that somebody else closed it",
			func(v oracle.Violation, scene string, _ bool) bool {
				return v.Invariant == oracle.Disowned && scene == "removed"
			}},
	}
}

// known names the known limit that explains a violation; "" if there is none. fired are the faults of the run.
func known(v oracle.Violation, ops map[string]plannedOp, fired []string) string {
	planned, ok := ops[v.Op]
	if !ok {
		return ""
	}
	_, scene, _ := strings.Cut(planned.scene, "-")
	copied := len(planned.op.Event.CopiesMS) > 0 || slices.ContainsFunc(fired, func(key string) bool {
		return strings.HasPrefix(key, string(wire.MessageCopied)+" "+v.Op+" ")
	})
	for _, l := range Limits() {
		if l.explains(v, scene, copied) {
			return l.Name
		}
	}
	return ""
}
