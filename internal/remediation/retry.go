package remediation

import "time"

// maxFirstTry is the age above which a message counts as retried. A message reaches the
// dead-letter queue only after several visibility timeouts, which together take longer.
const maxFirstTry = 10 * time.Minute

// earlierTry reports that an earlier try of the message may have closed its rules. try is
// the number of the delivery, 0 if unknown, and age the time since the message was made. SQS
// counts a message from the dead-letter queue from one again, so an old message may have
// been tried whatever its count.
func earlierTry(try int, age time.Duration) bool {
	return try != 1 || age > maxFirstTry
}

// triesAnHour is about how many tries of a message the findings queue makes in an hour.
const triesAnHour = 10

// reportsFailure reports whether a try reports a failure:
//
//   - the first only if it is urgent: one throttled call alerts nobody;
//   - the second, so that an attacker who throttles sgward gains no more than one wait;
//   - then about one an hour, and the last.
func reportsFailure(try, tries int, urgent bool) bool {
	return try <= 0 || try >= tries || try == 1 && urgent || try%triesAnHour == 2
}
