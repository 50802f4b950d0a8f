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

// Limits returns the known limits, of which there are none now. Each is a promise to mend: docs/DRILL.md says what is wanted.
func Limits() []Limit {
	return nil
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
