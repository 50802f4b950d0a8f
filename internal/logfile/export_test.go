package logfile

// NewBuffered returns a Scanner whose buffer has that many bytes at first.
func NewBuffered(buffer int, c Config) *Scanner { return newScanner(c, buffer) }

// MayName tells whether JSON may name one of some calls.
func MayName(calls []string, text string) bool {
	c := newCallSearch(calls)
	return c.mayName([]byte(text))
}
