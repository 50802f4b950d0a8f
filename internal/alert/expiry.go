package alert

import (
	"time"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// hasEnded reports that an exception no longer applied at the time of the event.
func hasEnded(a *finding.Alert, x *finding.Exception) bool {
	end, ok := policy.ParseExpiry(x.Expires)
	return ok && !a.Event.EventTime.Before(end)
}

// end shows the end of an exception: its last day or a moment.
func end(expires string) string {
	if _, isMoment := policy.ParseMoment(expires); isMoment {
		return policy.ShownEnd(expires)
	}
	return id(expires)
}

// withEnd is end with its preposition.
func withEnd(expires string) string {
	_, isMoment := policy.ParseMoment(expires)
	return pick(isMoment, "at ", "with ") + end(expires)
}

// ending names an exception with its end and its owner.
func (o *opening) ending(a *finding.Alert) string {
	x := o.Exception
	out := name(x.ID) + ", which " + quote(x.Owner) + " answers for, "
	if hasEnded(a, x) {
		return out + "ended " + withEnd(x.Expires) + " and no longer applies."
	}
	out += "ends " + withEnd(x.Expires)
	if end, isMoment := policy.ParseMoment(x.Expires); isMoment {
		return out + ", " + remaining(end.Sub(a.Event.EventTime)) + "."
	}
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

// remaining says how far a moment is away: in hours for two days, then in days.
func remaining(d time.Duration) string {
	switch hours := int(d.Hours()); {
	case hours < 1:
		return "within an hour"
	case hours < 48:
		return "in " + text.Plural(hours, "hour")
	default:
		return "in " + text.Plural(hours/24, "day")
	}
}
