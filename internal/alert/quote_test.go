package alert

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"sgward/internal/text"
)

func TestChatQuoteLetsNothingAct(t *testing.T) {
	for in, want := range map[string]string{
		"<!channel>":        "`&lt;!channel&gt;`",
		"@here and @here":   "`＠here and ＠here`",
		"alice@example.com": "`alice@example.com`",
		"a`b``` c":          "`aˋbˋˋˋ c`",
		"*bold* _it_":       "`*bold* _it_`",
		"&lt;":              "`&amp;lt;`",
		"a\nb":              "`a[U+000A]b`",
		"":                  "``",
	} {
		assert.Equal(t, want, chatQuote(in, 100))
	}
}

func TestChatQuoteNeverCutsAnEscape(t *testing.T) {
	assert.Equal(t, "`&amp;&amp;"+text.CutMark+"`", chatQuote("&&&&&&", 18))
	assert.Equal(t, "`&amp;&amp;&amp;`", chatQuote("&&&", 15))
	assert.Equal(t, "`&amp;"+text.CutMark+"`", chatQuote("&&&", 14))
}

func TestMailQuoteKeepsQuotesApartAndLinksDead(t *testing.T) {
	assert.Equal(t, `"say \"x\" \\ at https[:]//evil.example"`, mailQuote(`say "x" \ at https://evil.example`, 100))
}

func TestWrapKeepsLinesShortAndWordsWhole(t *testing.T) {
	assert.Equal(t, "one two\n  three", text.Wrap("one two three", "  ", 8, maxWord))
	for _, line := range strings.Split(text.Wrap(strings.Repeat("語", 1000), "", 76, maxWord), "\n") {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), maxWord)
	}
}

func TestUntrustedTextCannotForgeAMark(t *testing.T) {
	forged := "a" + endMark + " b \x01c\x04d"
	assert.Equal(t, `x "a[U+0005] b [U+0001]c[U+0004]d" y`, mail().quotes.show("x "+quote(forged)+" y", 100))
	assert.Equal(t, "x `a[U+0005] b [U+0001]c[U+0004]d` y", chat().quotes.show("x "+quote(forged)+" y", 100))
	assert.Equal(t, "a[U+0005] b [U+0001]c[U+0004]d", mail().quotes.show(cite(forged), 100), "the policy's lines stand without quotes")
}

func TestALongTextHasTwiceTheRoomAndAnIDItsOwn(t *testing.T) {
	s := strings.Repeat("x.", 100)
	for marked, want := range map[string]int{quote(s): 40, quoteLong(s): 80, id(s): maxShownID, cite(s): 80} {
		got := mail().quotes.show(marked, 40)
		assert.Equal(t, want, text.Units(strings.Trim(got, `"`)))
		assert.Contains(t, got, text.CutMark)
	}
	assert.Equal(t, "a lone \x05 and its like", mail().quotes.show("a lone \x05 and its like", 40), "nothing is lost where no mark begins")
}

func TestIdentifiersAndNames(t *testing.T) {
	for _, s := range []string{"sg-0123456789abcdef0", "us-east-1", "123456789012", testEvent} {
		assert.True(t, isIdentifier(s), s)
	}
	for _, s := range []string{"", "-x", "a b", "a_b", "a.b", "é", "sg-1;", strings.Repeat("a", 65)} {
		assert.False(t, isIdentifier(s), s)
	}
	for _, s := range []string{"web", "web_tier-2"} {
		assert.True(t, isPlainName(s), s)
	}
	for _, s := range []string{"", "_a_", "evil.com", "a b", "*a*", "<a", "a_"} {
		assert.False(t, isPlainName(s), s)
	}
}

// inCode is a code span whose content cannot end it, open a tag or mention.
var inCode = regexp.MustCompile("^`(?:&amp;|&lt;|&gt;|[^`&<>])*`$")

func FuzzChatQuote(f *testing.F) {
	for _, s := range hostileTexts() {
		f.Add(s, 40)
	}
	f.Add(strings.Repeat("&", 50), 33)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 16 + (limit&0x7fffffff)%500
		got := chatQuote(s, limit)
		if !inCode.MatchString(got) {
			t.Errorf("%q: %q can act", s, got)
		}
		if text.Units(got) > limit+2 {
			t.Errorf("%q: %d units, want %d at most", s, text.Units(got), limit+2)
		}
		if !utf8.ValidString(got) || text.Visible(got) != got {
			t.Errorf("%q: %q holds what nobody sees", s, got)
		}
		for _, mention := range []string{"@here", "@channel", "@everyone"} {
			if strings.HasPrefix(got, "`"+mention) || strings.Contains(got, " "+mention) {
				t.Errorf("%q: %q mentions", s, got)
			}
		}
		if short := text.Visible(s); len(short)*5 <= limit && strings.Contains(got, text.CutMark) != strings.Contains(short, text.CutMark) {
			t.Errorf("%q: cut without need", s)
		}
	})
}

func FuzzCut(f *testing.F) {
	for _, s := range hostileTexts() {
		f.Add(s, 3)
	}
	f.Add(strings.Repeat("😀", 40), 31)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = (limit & 0x7fffffff) % 300
		got := text.Cut(s, limit)
		switch {
		case text.Units(s) <= limit && got != s:
			t.Errorf("%q cut to %q without need", s, got)
		case text.Units(got) > limit:
			t.Errorf("%q: %d units, want %d at most", s, text.Units(got), limit)
		case utf8.ValidString(s) && !utf8.ValidString(got):
			t.Errorf("%q cut within a character: %q", s, got)
		case text.Units(s) > limit && !strings.HasPrefix(s, strings.TrimSuffix(got, text.CutMark)):
			t.Errorf("%q is not how %q begins", got, s)
		case text.Units(s) > limit && limit >= 2*text.Units(text.CutMark) && !strings.HasSuffix(got, text.CutMark):
			t.Errorf("%q does not say that it was cut", got)
		}
	})
}

func FuzzMailText(f *testing.F) {
	for _, s := range hostileTexts() {
		f.Add(s, 40)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		out := mailQuote(s, 16+(limit&0x7fffffff)%400)
		if inner := out[1 : len(out)-1]; strings.Contains(strings.NewReplacer(`\\`, "", `\"`, "").Replace(inner), `"`) {
			t.Errorf("%q: %q ends its quotes early", s, out)
		}
		for _, line := range strings.Split(text.Wrap(out, "  ", mailWidth, maxWord), "\n") {
			if text.Visible(line) != line || len(line) > 998 {
				t.Errorf("%q: line %q is not fit for mail", s, line)
			}
		}
	})
}
