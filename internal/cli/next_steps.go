package cli

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"sgward/internal/alert"
	"sgward/internal/cloudtrail"
	"sgward/internal/policy"
	"sgward/internal/report"
)

// advised completes a run with the next steps for findings as of a time.
func advised(run report.Run, p *policy.Policy, now time.Time) report.Run {
	run.Statement = p.Statement
	run.CloseCommand = closeCommand
	run.NextSteps = func(e *report.Entry) report.NextSteps {
		out := report.NextSteps{Close: closeCommand(e), GroupURL: alert.GroupURL(e.Region, e.GroupID)}
		if e.Event != nil {
			out.EventURL = alert.EventURL(e.Region, e.Event.EventID)
		}
		if isOpening(e) {
			// The exception's days count from now, whenever the rule was made.
			out.Exception = alert.Exception(cloudtrail.Event{EventTime: now}, e.Finding)
		}
		return out
	}
	return run
}

// isOpening reports whether a rule is known and violates the policy.
func isOpening(e *report.Entry) bool {
	return e.Rule != nil && e.Verdict != policy.Exempt && e.Verdict != policy.Compliant
}

// closeCommand is "" for a rule that is closed, excepted or not known.
func closeCommand(e *report.Entry) string {
	if !isOpening(e) || e.ClosedAt != nil {
		return ""
	}
	return alert.Close(e.AccountID, e.Region, e.GroupID, *e.Rule)
}

// namedPolicy is a policy as reports name it.
func namedPolicy(p *policy.Policy) report.Policy {
	return report.Policy{File: p.File(), Name: nearName(p.File()), Digest: p.Digest(), Summary: p.Summary()}
}

// nearName is a path relative to the current folder if the file is in it.
func nearName(file string) string {
	if !filepath.IsAbs(file) {
		return file
	}
	here, err := os.Getwd()
	if err != nil {
		return file
	}
	near, err := filepath.Rel(here, file)
	if err != nil || near == ".." || strings.HasPrefix(near, ".."+string(filepath.Separator)) {
		return file
	}
	return filepath.ToSlash(near)
}
