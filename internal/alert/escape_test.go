package alert

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"sgward/internal/plaintext"
)

func TestCutKeepsWholeCharactersAndSaysSo(t *testing.T) {
	assert.Equal(t, "short", cut("short", 5))
	assert.Equal(t, "語語語語語語語語語語語語語語"[:3*13]+cutMark, cut(strings.Repeat("語", 100), 20))
	assert.Equal(t, "😀", cut("😀😀", 3), "too short for the mark")
	assert.Empty(t, cut("abc", 0))
}

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
	assert.Equal(t, "`&amp;&amp;"+cutMark+"`", chatQuote("&&&&&&", 18))
	assert.Equal(t, "`&amp;&amp;&amp;`", chatQuote("&&&", 15))
	assert.Equal(t, "`&amp;"+cutMark+"`", chatQuote("&&&", 14))
}

func TestMailQuoteKeepsQuotesApartAndLinksDead(t *testing.T) {
	assert.Equal(t, `"say \"x\" \\ at https[:]//evil.example"`, mailQuote(`say "x" \ at https://evil.example`, 100))
}

func TestWrapKeepsLinesShortAndWordsWhole(t *testing.T) {
	assert.Equal(t, "one two\n  three", wrap("one two three", "  ", 8))
	for _, line := range strings.Split(wrap(strings.Repeat("語", 1000), "", 76), "\n") {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), maxWord)
	}
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
		if units(got) > limit+2 {
			t.Errorf("%q: %d units, want %d at most", s, units(got), limit+2)
		}
		if !utf8.ValidString(got) || plaintext.Visible(got) != got {
			t.Errorf("%q: %q holds what nobody sees", s, got)
		}
		for _, mention := range []string{"@here", "@channel", "@everyone"} {
			if strings.HasPrefix(got, "`"+mention) || strings.Contains(got, " "+mention) {
				t.Errorf("%q: %q mentions", s, got)
			}
		}
		if short := plaintext.Visible(s); len(short)*5 <= limit && strings.Contains(got, cutMark) != strings.Contains(short, cutMark) {
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
		got := cut(s, limit)
		switch {
		case units(s) <= limit && got != s:
			t.Errorf("%q cut to %q without need", s, got)
		case units(got) > limit:
			t.Errorf("%q: %d units, want %d at most", s, units(got), limit)
		case utf8.ValidString(s) && !utf8.ValidString(got):
			t.Errorf("%q cut within a character: %q", s, got)
		case units(s) > limit && !strings.HasPrefix(s, strings.TrimSuffix(got, cutMark)):
			t.Errorf("%q is not how %q begins", got, s)
		case units(s) > limit && limit >= 2*units(cutMark) && !strings.HasSuffix(got, cutMark):
			t.Errorf("%q does not say that it was cut", got)
		}
	})
}

func FuzzMailText(f *testing.F) {
	for _, s := range hostileTexts() {
		f.Add(s, 40)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		text := mailQuote(s, 16+(limit&0x7fffffff)%400)
		if inner := text[1 : len(text)-1]; strings.Contains(strings.NewReplacer(`\\`, "", `\"`, "").Replace(inner), `"`) {
			t.Errorf("%q: %q ends its quotes early", s, text)
		}
		for _, line := range strings.Split(wrap(text, "  ", mailWidth), "\n") {
			if plaintext.Visible(line) != line || len(line) > 998 {
				t.Errorf("%q: line %q is not fit for mail", s, line)
			}
		}
	})
}
