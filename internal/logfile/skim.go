package logfile

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// The most text of a file that is skimmed, and the initial size of its buffer.
const (
	mostSkimmed  = 8 << 20
	firstSkimmed = 512 << 10
)

// skimmer reads log files as CloudTrail writes them and finds those that need no scan, or
// only up to some point. Nearly every file of a history needs none, and skimming takes a
// tenth of the time of inflating.
//
// Only gzipped files are skimmed: the checksum proves that the text is as it was written,
// so its grammar need not be checked. Records are counted by the key that CloudTrail
// writes first in each. A file with that key anywhere else is scanned.
type skimmer struct {
	calls callSearch
	text  []byte // its buffer is reused for the next file
}

// Every record that CloudTrail writes begins with its eventVersion.
var (
	fileHead   = []byte(`{"Records":[{"eventVersion"`)
	recordHead = []byte(`},{"eventVersion"`)
	versionEnd = []byte(`Version"`) // begins with a rare letter, which makes it fast to find
	fileEnd    = []byte(`}]}`)
)

// skimmed is the result of skimming a file. The zero value means that all of it must be
// scanned.
type skimmed struct {
	whole   bool  // the file is CloudTrail's, and was read to its end
	records int64 // of a whole one
	upTo    int64 // of a whole one: no wanted call is named after this offset
}

// skim reads a file as long as it is like CloudTrail's. It also returns the text to scan.
func (k *skimmer) skim(in io.Reader) (skimmed, io.Reader) {
	k.text = k.text[:0]
	var s skimmed
	for counted := 0; len(k.text) < mostSkimmed; {
		if len(k.text) == cap(k.text) {
			k.text = slices.Grow(k.text, max(firstSkimmed, len(k.text)))
		}
		before := len(k.text)
		n, err := in.Read(k.text[before:min(cap(k.text), mostSkimmed)])
		k.text = k.text[:before+n]
		heads, sound := k.heads(&counted)
		if s.records += heads; !sound || !k.startsAsUsual() {
			break
		}
		if k.calls.mayName(k.text[max(0, before-k.calls.overlap):]) {
			s.upTo = int64(len(k.text))
		}
		if errors.Is(err, io.EOF) && bytes.HasSuffix(bytes.TrimSpace(k.text), fileEnd) {
			s.whole = true
			return s, bytes.NewReader(k.text)
		}
		if err != nil {
			break
		}
	}
	return skimmed{}, io.MultiReader(bytes.NewReader(k.text), in)
}

// startsAsUsual reports whether the file begins like CloudTrail's, as far as it was read.
func (k *skimmer) startsAsUsual() bool {
	n := min(len(k.text), len(fileHead))
	return bytes.Equal(k.text[:n], fileHead[:n])
}

// heads counts the records that begin in the text after counted. It returns false if a key
// eventVersion is anywhere but at the head of an object of a list: then this is not a file
// of CloudTrail's.
func (k *skimmer) heads(counted *int) (n int64, sound bool) {
	for {
		i := bytes.Index(k.text[*counted:], versionEnd)
		if i < 0 {
			*counted = max(*counted, len(k.text)-len(versionEnd)+1)
			return n, true
		}
		end := *counted + i + len(versionEnd)
		*counted = end
		switch head := k.text[:end]; {
		case bytes.HasSuffix(head, recordHead), end == len(fileHead):
			n++
		case bytes.HasSuffix(head, []byte(`"eventVersion"`)):
			return n, false
		}
	}
}
