package remediation

import "time"

// maxFirstTry is how old a message is at most on its first try, nearly always. A
// queue gives one to the dead letters only after several visibility timeouts, which
// are longer together.
const maxFirstTry = 10 * time.Minute

// EarlierTry reports that an earlier try may have done what a try finds done. try is
// which delivery of the message this is, 0 where that is not known, and age how long
// ago the message came to be: SQS counts a message that is sent again from the dead
// letters from one again, so an old one may have been tried whatever its count.
func EarlierTry(try int, age time.Duration) bool {
	return try != 1 || age > maxFirstTry
}

// TellFailure reports that a failure which another try may mend is to be told on this
// one of tries: not on the first, so that nobody is woken for a call that was
// throttled once, but on the second, so that whoever has our calls throttled wins no
// more than one wait. The tries between add nothing to that. The last one ends it.
func TellFailure(try, tries int) bool {
	return try >= tries || try == 0 || try == 2
}
