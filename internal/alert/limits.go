package alert

import "sgward/internal/text"

// The sizes of a message and its forms, in bytes unless stated otherwise.
const (
	// maxMessage bounds a message with all its variants and attributes. It is below SNS's limit
	// of 262,144 (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html), because SNS may
	// count other bytes too.
	maxMessage = 256_000
	// maxSubject is SNS's limit for a subject: under 100 characters.
	maxSubject = 99
	// maxMail bounds the mail, as encoded in the SNS message.
	maxMail = 40_000
	// maxChat bounds the chat notification, as encoded in the SNS message: a description of
	// 2,800 characters, each of at most four bytes after two encodings, and some ids.
	maxChat = 24_000
	// maxValues and maxListBytes bound an attribute that is a list.
	maxValues    = 200
	maxListBytes = 8_000
)

// The limits of a chat notification, in characters. AWS publishes none; these are Slack's
// for the blocks that Amazon Q Developer makes of it, with some room left.
const (
	maxTitle       = 147 // room for a mark before it
	maxDescription = 2800
)

// The longest lists in a text, whatever its limits.
const (
	maxListed    = 25 // openings
	maxTags      = 3  // of one rule
	maxOthers    = 5  // rules that complete an opening's union
	maxAddresses = 3  // public ones of one interface
	maxServices  = 3  // in a range of ports
	maxLinks     = 3  // to groups: one call changes one
	maxResources = 5  // groups in chat's metadata
)

// minQuoted is the length below which untrusted text is not shortened.
const minQuoted = 30

// limits is the amount of a view that a text shows.
type limits struct {
	listed    int  // openings, exempt rules, network interfaces and reasons, each
	commands  int  // openings with their commands and exceptions
	untrusted int  // units of one untrusted text
	line      int  // bytes of a line to be copied
	isLong    bool // the text has the details
}

// tightened returns two thirds of the limits. One item of each list stays, no command need.
func (l limits) tightened() limits {
	l.listed, l.commands = max(l.listed*2/3, 1), l.commands*2/3
	l.untrusted = max(l.untrusted*2/3, minQuoted)
	return l
}

// fitting renders with ever tighter limits until the size of the text is at most most.
func fitting(lim limits, render func(limits) string, size func(string) int, most int) string {
	for {
		out, tighter := render(lim), lim.tightened()
		switch {
		case size(out) <= most:
			return out
		case tighter == lim:
			// One character takes eight at most.
			return text.Cut(out, most/8)
		}
		lim = tighter
	}
}

// first returns the first n items of a list.
func first[T any](list []T, n int) []T { return list[:min(len(list), n)] }
