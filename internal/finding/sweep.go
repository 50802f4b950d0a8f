package finding

// Sweep describes a run over all security groups of a region. It is part of the run's
// alerts: the digest of new findings, and the report of closed rules.
type Sweep struct {
	// Closing is set in the report of the rules that the run chose to close. The other
	// numbers are then those of the run's first step, or zero.
	Closing bool `json:"closing,omitempty"`
	// UnnamedCall is set, with Closing, if the rules are those of a call whose record names
	// no group. The alert's event is then the call.
	UnnamedCall bool `json:"unnamedCall,omitempty"`
	// Groups and Rules are the numbers of groups and rules that were read.
	Groups int `json:"groups"`
	Rules  int `json:"rules"`
	// Known counts findings that earlier digests have reported and that have not changed;
	// they are not among the alert's Findings.
	Known int `json:"known"`
	// Gone counts findings that earlier digests have reported and that no longer exist.
	Gone int `json:"gone"`
	// UnannouncedGone counts rules that no event has announced, and that are gone again.
	UnannouncedGone int `json:"unannouncedGone,omitempty"`
	// EventsUnread is set if that is only because detect's log cannot be read for hours.
	EventsUnread bool `json:"eventsUnread,omitempty"`
	// Ordered counts the rules that the run has chosen to close; another alert reports
	// them.
	Ordered int `json:"ordered"`
	// Forgetful says, in words that end a sentence, why the run does not know the earlier
	// digests, so that this one repeats their findings. Empty if it knows them.
	Forgetful string `json:"forgetful,omitempty"`
}
