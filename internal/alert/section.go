package alert

import "slices"

// section is a part of a text for people, without a medium's markup.
type section struct {
	title string
	// isFact is set if the title and the first sentence stand on one line.
	isFact bool
	items  []item
}

// item is a sentence or two, a block to be copied as it is, or a link.
type item struct {
	kind itemKind
	text string
	url  string // of a link; text is then its label
}

type itemKind uint8

const (
	prose itemKind = iota
	block
	link
	rule // a line across, with a text
)

func (s *section) say(text string) {
	if text != "" {
		s.items = append(s.items, item{kind: prose, text: text})
	}
}

// leftOut ends a list that is not complete.
func (s *section) leftOut(n int, counted string) {
	if n > 0 {
		s.say("And " + counted + ".")
	}
}

func (s *section) show(text string) { s.items = append(s.items, item{kind: block, text: text}) }

// medium is a way to print a view.
type medium struct {
	sections []func(*view, limits) section
	limits   limits
	quotes   quotes
	print    func(*view, []section) string
	size     func(string) int
	most     int
}

// text prints as much of a view as the medium has room for.
func (m medium) text(v *view) string {
	return fitting(m.limits, func(lim limits) string { return m.print(v, m.filled(v, lim)) }, m.size, m.most)
}

// filled returns the sections of a view that are not empty, with untrusted text quoted.
func (m medium) filled(v *view, lim limits) []section {
	var out []section
	for _, of := range m.sections {
		s := of(v, lim)
		s.items = slices.Clone(s.items)
		for i := range s.items {
			s.items[i].text = m.quotes.show(s.items[i].text, lim.untrusted)
		}
		if len(s.items) > 0 {
			out = append(out, s)
		}
	}
	return out
}
