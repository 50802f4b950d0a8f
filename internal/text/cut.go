package text

import "unicode/utf8"

// CutMark ends a shortened text, so that nobody takes it for complete.
const CutMark = "… [cut]"

// Units counts a text the way chat programs do, in UTF-16 code units. It is never
// less than the number of characters.
func Units(s string) int {
	n := 0
	for _, r := range s {
		n += unitsOf(r)
	}
	return n
}

func unitsOf(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// Cut shortens s to at most limit units, between two characters, and ends it with CutMark.
// If the limit is too small for the mark, the mark is left out.
func Cut(s string, limit int) string {
	if len(s) <= limit || Units(s) <= limit {
		return s
	}
	mark := CutMark
	if limit < 2*Units(mark) {
		mark = ""
	}
	room := limit - Units(mark)
	for i, r := range s {
		if room -= unitsOf(r); room < 0 {
			return s[:i] + mark
		}
	}
	return s
}

// Shown is Cut of Visible.
func Shown(s string, limit int) string {
	// Visible need not process the end of a long text: a character has at most four bytes.
	// One that is split here is beyond the limit, and cut off.
	if most := utf8.UTFMax * (limit + 1); len(s) > most {
		s = CutBytes(s, most)
	}
	return Cut(Visible(s), limit)
}

// CutBytes shortens s to at most n bytes, between two characters, without a mark.
func CutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:max(n, 0)]
}
