package remediation

import "time"

// maxFirstTry is the age that a message hardly ever exceeds on its first try. A queue
// sends one to the dead-letter queue only after several visibility timeouts, which take
// longer together.
const maxFirstTry = 10 * time.Minute

// earlierTry reports that an earlier try may have done what a try finds done. try is the
// number of the delivery, 0 if unknown, and age the time since the message was made: SQS
// counts a message that is sent again from the dead-letter queue from one, so an old one
// may have been tried whatever its count.
func earlierTry(try int, age time.Duration) bool {
	return try != 1 || age > maxFirstTry
}

// triesAnHour is about how many tries of a message the findings queue makes in an hour.
const triesAnHour = 10

// reportsFailure reports whether a failure is reported on this one of tries:
//
//   - on the first only if it is urgent: one throttled call wakes nobody;
//   - on the second, so that an attacker who throttles sgward gains no more than one wait;
//   - then about once an hour, and on the last.
func reportsFailure(try, tries int, urgent bool) bool {
	return try <= 0 || try >= tries || try == 1 && urgent || try%triesAnHour == 2
}
