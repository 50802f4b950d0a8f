package alert

import (
	"slices"
	"time"

	"sgward/internal/finding"
	"sgward/internal/text"
)

// isExpiryNotice reports that an alert is about exceptions that end, and not about rules.
func isExpiryNotice(a *finding.Alert) bool {
	isOther := func(r finding.Result) bool { return r.Rule != nil || r.Exception == nil }
	return a.Sweep == nil && len(a.Findings) > 0 && !slices.ContainsFunc(a.Findings, isOther)
}

// hasEnded reports that an exception's last day was over at the time of the event. Days
// are in UTC and of the form 2027-03-31, which sorts by date.
func hasEnded(a *finding.Alert, x *finding.Exception) bool {
	return x.Expires < a.Event.EventTime.UTC().Format(time.DateOnly)
}

// ending names an exception with its end and its owner.
func (o *opening) ending(a *finding.Alert) string {
	x := o.Exception
	out := name(x.ID) + ", which " + quote(x.Owner) + " answers for, "
	if hasEnded(a, x) {
		return out + "ended with " + id(x.Expires) + " and no longer applies."
	}
	out += "ends with " + id(x.Expires)
	day, err := time.Parse(time.DateOnly, x.Expires)
	if err != nil {
		return out + "."
	}
	switch days := int(day.Sub(a.Event.EventTime.UTC().Truncate(24*time.Hour)).Hours() / 24); days {
	case 0:
		return out + ", today."
	case 1:
		return out + ", tomorrow."
	default:
		return out + ", in " + text.Plural(days, "day") + "."
	}
}
