package remediation

import "time"

// maxFirstTry is the age that a message hardly ever exceeds on its first try. A queue
// sends one to the dead-letter queue only after several visibility timeouts, which take
// longer together.
const maxFirstTry = 10 * time.Minute

// EarlierTry reports that an earlier try may have done what a try finds done. try is the
// number of the delivery, 0 if unknown, and age the time since the message was made: SQS
// counts a message that is sent again from the dead-letter queue from one, so an old one
// may have been tried whatever its count.
func EarlierTry(try int, age time.Duration) bool {
	return try != 1 || age > maxFirstTry
}

// ReportFailure reports whether a failure that a retry may solve is reported on this one
// of tries:
//
//   - not on the first, so that one throttled call wakes nobody;
//   - on the second, so that an attacker who throttles sgward gains no more than one wait;
//   - on the last.
func ReportFailure(try, tries int) bool {
	return try >= tries || try == 0 || try == 2
}
