package metric

// The metrics of a stack. docs/METRICS.md says what they mean, and docs/COST.md what they
// cost.
const (
	// Openings counts calls that open a group, or may: their verdict is revoke, alert or
	// inspect.
	Openings = "Openings"
	// EventAge is the time from a call to its verdict. It has a value for each call that was
	// judged, the harmless ones too.
	EventAge = "EventAge"
	// Revoked counts rules that sgward has closed.
	Revoked = "Revoked"
	// AlreadyClosed counts rules that somebody else removed first.
	AlreadyClosed = "AlreadyClosed"
	// WouldRevoke counts rules that enforce mode would have closed.
	WouldRevoke = "WouldRevoke"
	// Alerted counts rules that were reported and left open.
	Alerted = "Alerted"
	// Failed counts rules that could not be closed, anew with each try.
	Failed = "Failed"
	// ExposureSeconds is the time from a call to the revoke of its rule.
	ExposureSeconds = "ExposureSeconds"
	// EC2Throttles counts attempts of calls that EC2 refused as too many.
	EC2Throttles = "Ec2Throttles"
	// EC2Errors counts attempts of calls that failed otherwise.
	EC2Errors = "Ec2Errors"
)

// Names lists the metrics of a stack with their units.
func Names() map[string]Unit {
	return map[string]Unit{
		Openings: Count, EventAge: Seconds,
		Revoked: Count, AlreadyClosed: Count, WouldRevoke: Count, Alerted: Count, Failed: Count, ExposureSeconds: Seconds,
		EC2Throttles: Count, EC2Errors: Count,
	}
}
