package tour

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/text"
)

func TestWrapKeepsWordsAndIndent(t *testing.T) {
	assert.Equal(t, []string{"  one two", "  three"}, wrap("  one two three", 10))
	assert.Equal(t, []string{"abcdefghijklm", "no"}, wrap("abcdefghijklm no", 10), "a long word stays whole")
	assert.Equal(t, []string{"ab", "abcdefghij", "klm"}, wrapCode("ab abcdefghijklm", 10), "but for code, which is not glued to what is before")
	assert.Equal(t, []string{""}, wrap("", 10))
}

func TestWrapLosesNothingAndStaysWithinItsLimit(t *testing.T) {
	text := strings.Repeat("wörter und ", 20) + strings.Repeat("x", 100) + " end"
	for limit := 5; limit < 90; limit++ {
		lines := wrapCode(text, limit)
		for _, l := range lines {
			assert.LessOrEqual(t, utf8.RuneCountInString(l), limit)
		}
		squeeze := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		assert.Equal(t, squeeze(text), squeeze(strings.Join(lines, "")), "limit %d", limit)
	}
}

func TestCommandOfAnOpeningFitsAndIsOneCommand(t *testing.T) {
	var out bytes.Buffer
	st := &stage{screen: newScreen(&out, false, 0), groups: map[string]string{"g": "sg-0123456789abcdef0"}}
	st.command(st.authorizeCommand("g", opening{5432, "0.0.0.0/1", "first half"}, opening{5432, "128.0.0.0/1", "second half"})...)
	st.command(st.authorizeCommand("g", opening{443, "0.0.0.0/0", ""})...)
	for l := range strings.Lines(out.String()) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(l, "\n")), usualWidth, l)
	}
	_, quoted, _ := strings.Cut(out.String(), "'")
	quoted, flat, _ := strings.Cut(quoted, "'")
	assert.JSONEq(t, `[{"IpProtocol":"tcp","FromPort":5432,"ToPort":5432,"IpRanges":[
		{"CidrIp":"0.0.0.0/1","Description":"first half"},{"CidrIp":"128.0.0.0/1","Description":"second half"}]}]`, quoted)
	assert.Contains(t, flat, "--protocol tcp --port 443 --cidr 0.0.0.0/0")
}

func TestColorIsOnlyWhereAskedFor(t *testing.T) {
	assert.Equal(t, "x", (&screen{}).Apply(text.Red, "x"))
	assert.Equal(t, "\x1b[31mx\x1b[0m", (&screen{Color: true}).Apply(text.Red, "x"))
	assert.Equal(t, "x", (&screen{Color: true}).Apply("", "x"))
}

const chat = `{"version":"1.0","source":"custom","id":"x","content":{"textType":"client-markdown",
"title":"Closed: tcp 3306 &lt;world&gt;","description":"*What was open*\ntcp 3306 to \u0060temporary\u001b[31m\u0060\n\u0060\u0060\u0060\naws ec2 authorize-security-group-ingress --group-id sg-0123456789abcdef0 --ip-permissions '[{\"IpProtocol\":\"tcp\"}]'\n\u0060\u0060\u0060\n<https://example.com/a|The group in the console>"}}`

func TestAlertIsDrawnAsSlackShowsIt(t *testing.T) {
	n, err := parseNotification(chat)
	require.NoError(t, err)
	var out bytes.Buffer
	(newScreen(&out, false, 0)).slack(n)
	text := out.String()
	for l := range strings.Lines(text) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(l, "\n")), usualWidth, l)
	}
	for _, want := range []string{
		"   │ Closed: tcp 3306 <world>\n",
		"   │   What was open\n",
		"   │   tcp 3306 to temporary[U+001B][31m\n",
		"   │   The group in the console ↗\n",
		"--group-id",
	} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "\x1b")
	assert.NotContains(t, text, "```")
	assert.NotContains(t, text, "example.com")
}

func TestNotificationThatChatWouldDropIsRefused(t *testing.T) {
	for _, body := range []string{``, `{}`, `{"version":"1.0","source":"other","content":{"description":"x"}}`,
		`{"version":"1.0","source":"custom","content":{}}`, `"text"`} {
		_, err := parseNotification(body)
		assert.Error(t, err, body)
	}
}

func TestEndpointOnEveryAddressIsShownAsOneThatClientsReach(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://[::]:4566":      "http://127.0.0.1:4566",
		"http://0.0.0.0:4566":   "http://127.0.0.1:4566",
		"http://127.0.0.1:4566": "http://127.0.0.1:4566",
		"http://[::1]:4566":     "http://[::1]:4566",
	} {
		assert.Equal(t, want, reachable(endpoint))
	}
}

func TestTimeIsShownInTheUnitThatShowsIt(t *testing.T) {
	assert.Equal(t, "38 ms", elapsed(38*time.Millisecond))
	assert.Equal(t, "9.1 s", elapsed(9100*time.Millisecond))
}
