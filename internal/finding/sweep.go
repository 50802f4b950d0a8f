package finding

// Sweep says what a run over all security groups of a region has looked at. It is
// part of the alerts of such a run: a digest of what is new, and the report of what
// was closed.
type Sweep struct {
	// Closing is set in the report of the rules that the run chose to close. The
	// other numbers are then those of the run's first step, or zero.
	Closing bool `json:"closing,omitempty"`
	// Groups and Rules are how many were read.
	Groups int `json:"groups"`
	Rules  int `json:"rules"`
	// Known counts findings that earlier digests have told and that have not changed;
	// they are not among the alert's Findings.
	Known int `json:"known"`
	// Gone counts findings that earlier digests have told and that no longer are.
	Gone int `json:"gone"`
	// Ordered counts the rules that the run has chosen to close: another alert tells
	// of them.
	Ordered int `json:"ordered"`
	// Forgetful says, in words that end a sentence, why the run does not know what
	// earlier digests have told, so that this one repeats it. Empty where it knows.
	Forgetful string `json:"forgetful,omitempty"`
}
