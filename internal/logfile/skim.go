package logfile

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// How much of a file is skimmed at most, and how much room that takes at first.
const (
	mostSkimmed  = 8 << 20
	firstSkimmed = 512 << 10
)

// skimmer reads log files as CloudTrail writes them and tells which of them need no
// scan, or up to where they do. Nearly every file of a history needs none, and skimming
// takes a tenth of the time that inflating does.
//
// Only gzipped files are skimmed: the checksum tells that the text is the one that was
// written, so its grammar need not be checked. Records are counted by the key that
// CloudTrail writes first in each. A file where that key stands anywhere else is
// scanned.
type skimmer struct {
	calls callSearch
	text  []byte // that was read; its room is kept for the next file
}

// Every record that CloudTrail writes begins with its eventVersion.
var (
	fileHead   = []byte(`{"Records":[{"eventVersion"`)
	recordHead = []byte(`},{"eventVersion"`)
	versionEnd = []byte(`Version"`) // begins with a rare letter, which makes it fast to find
	fileEnd    = []byte(`}]}`)
)

// skimmed is what skimming a file came to. The zero value says that all of it is to be
// scanned.
type skimmed struct {
	whole   bool  // the file is CloudTrail's, and was read to its end
	records int64 // of a whole one
	upTo    int64 // nothing behind this offset of a whole one names a call looked for
}

// skim reads a file as far as it is like CloudTrail's. It returns the text to scan too.
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

// startsAsUsual tells whether the file, as far as it was read, begins like CloudTrail's.
func (k *skimmer) startsAsUsual() bool {
	n := min(len(k.text), len(fileHead))
	return bytes.Equal(k.text[:n], fileHead[:n])
}

// heads counts the records that begin in the text from counted on. It returns false if
// a key eventVersion is anywhere else than at the head of an object of a list: then
// this is no file of CloudTrail's.
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
