package alert

import "slices"

// section is a part of a text for people, without a medium's markup.
type section struct {
	title string
	items []item
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

// everything lists the sections of a text in order. A section is empty in an alert that it
// does not apply to; that is the only difference between an event, a sweep and an expiry
// notice.
func everything() []func(*view, limits) section {
	return []func(*view, limits) section{
		(*view).opened, (*view).done, (*view).caller, (*view).found, (*view).meaning, (*view).exposed,
		(*view).toClose, (*view).toUndo, (*view).beforeEdit, (*view).toAllow, (*view).toDo, (*view).whereToLook,
	}
}

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
	return fitting(m.limits, func(lim limits) string {
		var sections []section
		for _, tell := range m.sections {
			s := tell(v, lim)
			s.items = slices.Clone(s.items)
			for i := range s.items {
				s.items[i].text = m.quotes.show(s.items[i].text, lim.untrusted)
			}
			if len(s.items) > 0 {
				sections = append(sections, s)
			}
		}
		return m.print(v, sections)
	}, m.size, m.most)
}
