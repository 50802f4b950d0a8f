package logfile

// NewBuffered returns a Scanner whose buffer has that many bytes at first.
func NewBuffered(buffer int, c Config) *Scanner { return newScanner(c, buffer) }
